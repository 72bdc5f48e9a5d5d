"""The physics of the simulated sensor against the formulas it stands for."""

import numpy as np
import pytest

from app.hardware.scene import ROOT_SCALE
from app.hardware.sensor import (
    DN_PER_ELECTRON,
    FULL_WELL,
    OFFSET_DN,
    READ_NOISE,
    Sensor,
    bin_root,
    light_integral,
    row_doses,
    to_grey,
)

ROWS, COLUMNS = 128, 512


def ramp(most: float) -> np.ndarray:
    """A rate map rising from left to right from 0 to `most` electrons per ms."""
    rates = np.linspace(0, most, COLUMNS)
    return np.tile(np.sqrt(rates) * ROOT_SCALE, (ROWS, 1)).astype(np.uint16)


def stack(sensor: Sensor, dose_ms: float, gain_db: float, frames: int, pixel_format: str = "Mono12") -> np.ndarray:
    doses = np.full((1, ROWS), dose_ms)
    out = np.zeros((frames, ROWS, COLUMNS), np.uint8 if pixel_format == "Mono8" else np.uint16)
    for frame in out:
        sensor.expose(doses, gain_db, pixel_format, frame)
    return out


@pytest.mark.parametrize("binning", [1, 2, 4])
@pytest.mark.parametrize("gain_db", [0.0, 6.0, 20.0])
def test_photon_transfer_curve(gain_db: float, binning: int) -> None:
    """Variance rises with the mean: the slope is the gain, the intercept the read noise and the rounding."""
    gain = DN_PER_ELECTRON * 10 ** (gain_db / 20)
    most = 0.8 * min(FULL_WELL, (4095 - OFFSET_DN) / gain)
    sensor = Sensor({0: ramp(most / 10)}, (ROWS, COLUMNS), binning, seed=3)
    frames = stack(sensor, 10.0, gain_db, 40).astype(np.float64)
    mean = frames.mean(axis=(0, 1)) - OFFSET_DN
    variance = frames.var(axis=0, ddof=1).mean(axis=0)
    slope, intercept = np.polyfit(mean, variance, 1)
    assert slope == pytest.approx(gain / binning**2, rel=0.02)
    expected = (gain * READ_NOISE / binning) ** 2 + 1 / 12
    assert intercept == pytest.approx(expected, abs=0.02 * slope * mean.max() / 4 + 0.1)
    electrons = (ramp(most / 10)[0] / ROOT_SCALE) ** 2 * 10
    np.testing.assert_allclose(mean, gain * electrons, atol=6 * np.sqrt(variance.max() / (40 * ROWS)) + 0.1)


def test_dark_frames_are_offset_and_read_noise() -> None:
    sensor = Sensor({0: ramp(100)}, (ROWS, COLUMNS), seed=1)
    frames = stack(sensor, 0.0, 0.0, 30).astype(np.float64)
    assert frames.mean() == pytest.approx(OFFSET_DN, abs=0.05)
    expected = np.sqrt((DN_PER_ELECTRON * READ_NOISE) ** 2 + 1 / 12)
    assert frames.std(axis=0).mean() == pytest.approx(expected, rel=0.05)


def test_noise_is_new_in_every_frame() -> None:
    frames = stack(Sensor({0: ramp(100)}, (ROWS, COLUMNS), seed=1), 10.0, 0.0, 8).astype(np.float64)
    noise = frames - frames.mean(axis=0)
    for first in range(7):
        assert abs(np.corrcoef(noise[first].ravel(), noise[first + 1].ravel())[0, 1]) < 0.25
    across = np.corrcoef(noise[0][:, :-1].ravel(), noise[0][:, 1:].ravel())[0, 1]
    assert abs(across) < 0.02


def test_signal_is_proportional_to_dose_and_gain() -> None:
    sensor = Sensor({0: ramp(100)}, (ROWS, COLUMNS), seed=1)
    base = stack(sensor, 10.0, 0.0, 10).mean() - OFFSET_DN
    assert stack(sensor, 20.0, 0.0, 10).mean() - OFFSET_DN == pytest.approx(2 * base, rel=0.01)
    assert stack(sensor, 10.0, 6.0206, 10).mean() - OFFSET_DN == pytest.approx(2 * base, rel=0.01)


def test_full_well_is_white_and_nothing_wraps() -> None:
    sensor = Sensor({0: ramp(4000)}, (ROWS, COLUMNS), seed=1)
    frame = stack(sensor, 10_000.0, 48.0, 1)[0]
    assert frame.max() == 4095
    assert np.all(frame[:, COLUMNS // 8 :] == 4095)
    at_full_well = to_grey(np.array([0.0, FULL_WELL, 2 * FULL_WELL]), 0.0, 12)
    np.testing.assert_array_equal(at_full_well, [OFFSET_DN, 4095, 4095])


def test_eight_bits_are_the_upper_ones() -> None:
    twelve = to_grey(np.linspace(0, 12_000, 500), 3.0, 12)
    np.testing.assert_array_equal(to_grey(np.linspace(0, 12_000, 500), 3.0, 8), twelve // 16)


def test_the_same_seed_repeats_the_noise() -> None:
    one, two = (stack(Sensor({0: ramp(90)}, (ROWS, COLUMNS), seed=4), 8.0, 0.0, 2) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_a_slightly_bleached_sample_is_redrawn() -> None:
    sensor = Sensor({0: ramp(100)}, (ROWS, COLUMNS), seed=1)
    fresh = stack(sensor, 50.0, 0.0, 10).mean() - OFFSET_DN
    assert stack(sensor, 50.0 * 0.99, 0.0, 10).mean() - OFFSET_DN == pytest.approx(0.99 * fresh, rel=0.003)


def test_two_lights_add_up() -> None:
    sensor = Sensor({0: ramp(100), 1: ramp(50)}, (ROWS, COLUMNS), seed=1)
    sums = []
    for doses in ([10.0, 0.0], [0.0, 10.0], [10.0, 10.0]):
        out = np.zeros((ROWS, COLUMNS), np.uint16)
        sensor.expose(np.repeat(np.array(doses)[:, None], ROWS, axis=1), 0.0, "Mono12", out)
        sums.append(out.mean() - OFFSET_DN)
    assert sums[2] == pytest.approx(sums[0] + sums[1], rel=0.01)


def test_row_doses_of_steady_light_are_level_times_exposure() -> None:
    doses = row_doses([(0.0, (0.25, 0.0))], 5.0, 100, 1e-5, 0.015, 2)
    np.testing.assert_allclose(doses[0], 0.25 * 15)
    assert not doses[1].any()


def test_row_doses_of_a_switch_make_a_ramp() -> None:
    """Light goes on 10 ms into a 10 ms exposure with 20 ms of readout: dark rows, a ramp, bright rows."""
    rows, row_s = 2000, 1e-5
    doses = row_doses([(0.0, (0.0,)), (0.010, (1.0,))], 0.0, rows, row_s, 0.010, 1)[0]
    np.testing.assert_allclose(doses, np.clip(np.arange(rows) * row_s * 1000, 0, 10), atol=1e-9)
    off_again = row_doses([(0.0, (0.0,)), (0.010, (1.0,)), (0.012, (0.0,))], 0.0, rows, row_s, 0.010, 1)[0]
    assert off_again.max() == pytest.approx(2.0)
    assert off_again[0] == pytest.approx(0.0)
    assert off_again[1500] == pytest.approx(0.0)


def test_row_doses_ignore_lines_the_sample_does_not_know() -> None:
    assert row_doses([(0.0, (0.0, 0.0, 1.0))], 0.0, 4, 0.0, 0.01, 2).shape == (2, 4)
    assert not row_doses([], 0.0, 4, 0.0, 0.01, 2).any()


def test_light_integral_counts_level_times_time() -> None:
    history = [(0.0, (0.5,)), (2.0, (1.0,)), (3.0, (0.0,))]
    assert light_integral(history, 1.0, 10.0, 1)[0] == pytest.approx(0.5 * 1 + 1.0)
    assert light_integral(history, 5.0, 4.0, 1)[0] == 0


def test_binning_averages_light_not_its_root() -> None:
    root = np.zeros((4, 6), np.uint16)
    root[::2, ::2] = 2000
    binned = bin_root(root, 2)
    assert binned.shape == (2, 3)
    assert np.all(binned == 1000)
    assert bin_root(root, 1) is root
