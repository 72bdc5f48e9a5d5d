"""Scale, dark signal and flat field, on images whose truth is known."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from app.calibration import _shading, scale_from_micrometer
from app.errors import BadImageError, UsageError
from app.flat_field import Profile, mean_frame
from app.frame import Frame


def ruler(period, angle_deg=0.0, width=0.2, shape=(480, 640), dark=True, noise=3.0, seed=0):
    """Lines of `width` × period, across the direction `angle_deg`."""
    y, x = np.indices(shape, dtype=np.float64)
    angle = np.deg2rad(angle_deg)
    phase = (x * np.cos(angle) + y * np.sin(angle)) / period % 1
    lines = np.clip((width / 2 - np.abs(phase - 0.5)) * period + 0.5, 0, 1)
    image = 180 - 120 * lines if dark else 30 + 120 * lines
    image = image * (1 - 0.3 * ((x / shape[1] - 0.5) ** 2 + (y / shape[0] - 0.4) ** 2))
    image += np.random.default_rng(seed).normal(0, noise, shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("period", [6.3, 20.0, 33.37, 71.0])
@pytest.mark.parametrize("angle", [0.0, 90.0, 3.5, -41.0])
@pytest.mark.parametrize("dark", [True, False])
def test_the_scale_is_good_to_a_few_parts_in_a_thousand(period, angle, dark):
    found = scale_from_micrometer(ruler(period, angle, dark=dark), 10)
    assert found.period_px == pytest.approx(period, rel=0.004)
    assert found.pixel_size_um == pytest.approx(10 / period, rel=0.004)
    turn = (found.angle_deg - angle + 90) % 180 - 90
    assert abs(turn) < 0.5
    assert found.error_percent < 5


def test_a_whole_frame_of_the_camera_gives_the_same_scale():
    found = scale_from_micrometer(ruler(100.7, 3.5, shape=(2160, 3840)), 10)
    assert found.period_px == pytest.approx(100.7, rel=0.004)
    assert found.pixel_size_um == pytest.approx(10 / 100.7, rel=0.004)
    assert found.error_percent < 5


def test_the_shading_is_that_of_every_pixel():
    image = ruler(40, 3.5).astype(np.float32)
    exact = cv2.GaussianBlur(image, (0, 0), max(image.shape) / 8)
    assert np.abs(_shading(image) - exact).max() < 0.02 * np.ptp(image)


def test_thin_lines_are_not_taken_for_half_their_distance():
    assert scale_from_micrometer(ruler(40, width=0.06, noise=1), 10).period_px == pytest.approx(40, rel=0.004)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((200, 200), np.uint8),
        np.full((200, 200), 255, np.uint8),
        np.random.default_rng(0).integers(0, 255, (300, 300)).astype(np.uint8),
        ruler(400, noise=1),
        np.zeros((10, 10), np.uint8),
    ],
)
def test_what_is_no_micrometer_is_said(image):
    with pytest.raises(BadImageError):
        scale_from_micrometer(image, 10)


@pytest.mark.parametrize("division", [0, -1, float("nan")])
def test_a_division_is_a_length(division):
    with pytest.raises(UsageError):
        scale_from_micrometer(ruler(20), division)


def field(seed, level, shape=(120, 160)):
    y, x = np.indices(shape)
    shade = 1 - 0.4 * ((x / shape[1] - 0.5) ** 2 + (y / shape[0] - 0.5) ** 2) / 0.5
    rng = np.random.default_rng(seed)
    return np.clip(100 + level * shade + rng.normal(0, 5, shape), 0, 4095).astype(np.uint16), shade


def measured(level=2000.0):
    dark = [field(n, 0)[0] for n in range(16)]
    flat = [field(100 + n, level)[0] for n in range(16)]
    return Profile.measured("405", "Mono12", 0.0, dark, flat)


def test_a_corrected_even_field_is_even():
    profile = measured()
    image, shade = field(7, 1500)
    assert np.ptp(cv2.blur(image.astype(np.float32), (25, 25))) > 200
    corrected = profile.apply(image)
    assert corrected.dtype == np.uint16
    smooth = cv2.blur(corrected.astype(np.float32), (25, 25))[12:-12, 12:-12]
    assert np.ptp(smooth) / smooth.mean() < 0.02
    # Grey values keep their meaning: the mean of the light is what it was.
    assert smooth.mean() == pytest.approx(1500 * shade.mean(), rel=0.02)
    assert profile.gain.mean() == pytest.approx(1, abs=1e-5)


def test_a_corrected_image_stays_in_its_range():
    profile = measured()
    for value in (0, 4095):
        corrected = profile.apply(np.full((120, 160), value, np.uint16))
        assert corrected.min() >= 0 and corrected.max() <= 4095
    with pytest.raises(UsageError, match="160×120"):
        profile.apply(np.zeros((4, 4), np.uint16))


@pytest.mark.parametrize(("level", "said"), [(10, "too dark"), (6000, "saturated")])
def test_a_useless_flat_field_is_refused(level, said):
    with pytest.raises(UsageError, match=said):
        measured(level)


def test_frames_must_be_there_and_alike():
    with pytest.raises(UsageError, match="no frame"):
        mean_frame([])
    with pytest.raises(UsageError, match="differ"):
        mean_frame([np.zeros((2, 2)), np.zeros((2, 3))])


def test_a_dead_pixel_does_not_blow_up():
    flat = np.full((64, 64), 2000, np.uint16)
    flat[5, 5] = 0
    profile = Profile.measured("405", "Mono12", 0.0, [np.zeros((64, 64))], [flat], smooth_px=0)
    assert profile.gain[5, 5] == pytest.approx(1, abs=0.01)


def test_a_profile_survives_saving(tmp_path):
    profile = measured()
    path = tmp_path / "made" / "405.npz"
    profile.save(path)
    again = Profile.load(path)
    assert (again.channel, again.pixel_format, again.gain_db) == ("405", "Mono12", 0.0)
    np.testing.assert_array_equal(again.gain, profile.gain)
    np.testing.assert_array_equal(again.dark, profile.dark)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("profile") / "p.npz"
    measured().save(path)
    return path.read_bytes()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_profile_is_one_sentence(tmp_path_factory, stored, data):
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    cut = data.draw(st.integers(0, len(stored) - 1))
    kept = stored[:cut] if data.draw(st.booleans()) else stored[:cut] + bytes([stored[cut] ^ 0xFF]) + stored[cut + 1 :]
    path.write_bytes(kept)
    try:
        Profile.load(path)
    except BadImageError as error:
        assert "take a new one" in str(error)


def test_what_the_documentation_shows_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("micrometer.tif", ruler(40), photometric="minisblack")
    text = (Path(__file__).parents[1] / "docs" / "calibration.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    exec(blocks[0], {})
    assert float(capsys.readouterr().out.split()[0]) == pytest.approx(0.25, rel=0.004)
    dark = [np.full((64, 96), 60, np.uint16)] * 2
    names = {"dark_frames": dark, "flat_frames": [each + 2000 for each in dark], "path": tmp_path / "405.npz"}
    frame = Frame(np.full((64, 96), 1060, np.uint16), 0, 0.0, 0.0, 15.0, 0.0, "Mono12", 0.1)
    exec(blocks[1], shown := {**names, "frame": frame})
    assert (shown["corrected"] == 1000).all()
