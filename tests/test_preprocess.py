"""Normalisation: independent of gain, offset and bit depth; never turns noise into structures."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.exposure import match_histograms

from app.errors import ModelError
from app.inference.preprocess import match_histogram, median3, noise_sd, normalise


def field(rng: np.random.Generator, background: float = 20, signal: float = 100, noise: float = 3) -> np.ndarray:
    """Return a noisy field of twelve soft nuclei, float."""
    y, x = np.mgrid[:160, :200]
    image = np.full(y.shape, background, float)
    for _ in range(12):
        cy, cx = rng.uniform(10, 150), rng.uniform(10, 190)
        image += signal / (1 + np.exp(2 * (np.hypot(y - cy, x - cx) - 9)))
    return image + rng.normal(0, noise, image.shape)


def test_background_goes_to_zero_and_nuclei_to_one() -> None:
    rng = np.random.default_rng(1)
    image = field(rng).clip(0, 255).astype(np.uint8)
    ready = normalise(image, "robust")
    assert ready.dtype == np.float32
    assert np.median(ready[image < 40]) < 0.25
    assert np.median(ready[image > 100]) > 0.65
    assert ready.min() >= 0
    assert ready.max() < 1.5


@pytest.mark.parametrize(("gain", "offset"), [(1, 0), (16, 0), (200, 3000), (40, 1000)])
def test_gain_offset_and_bit_depth_drop_out(gain: int, offset: int) -> None:
    image = field(np.random.default_rng(2)).clip(0, 255).astype(np.uint8)
    deep = image.astype(np.uint16) * gain + offset
    np.testing.assert_allclose(normalise(deep, "robust"), normalise(image, "robust"), atol=0.02)


@pytest.mark.parametrize("level", [0, 1, 77, 255])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (64, 64)])
def test_a_flat_field_stays_flat(level: int, shape: tuple[int, int]) -> None:
    ready = normalise(np.full(shape, level, np.uint8), "robust")
    assert ready.shape == shape
    assert np.isfinite(ready).all()
    assert ready.max() < 0.01


@pytest.mark.parametrize("sd", [0.3, 2, 20])
def test_noise_alone_is_not_stretched_to_the_full_range(sd: float) -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(100, sd, (200, 200)).clip(0, 255).round().astype(np.uint8)
    ready = normalise(noise, "robust")
    assert ready.std() < 0.2
    assert np.percentile(ready, 95) < 0.7
    # The same field with nuclei of ten times the noise does use the range.
    assert np.percentile(normalise(field(rng, 100, 10 * sd, sd), "robust"), 99) > 0.65


def test_hot_pixels_do_not_set_the_range() -> None:
    rng = np.random.default_rng(4)
    image = field(rng).clip(0, 255).astype(np.uint16)
    hot = image.copy()
    hot[rng.integers(0, 160, 15), rng.integers(0, 200, 15)] = 65535
    normal = normalise(image, "robust")
    same = hot == image
    np.testing.assert_allclose(normalise(hot, "robust")[same], normal[same], atol=0.15)


def test_input_is_not_changed() -> None:
    image = field(np.random.default_rng(5)).astype(np.float32)
    before = image.copy()
    normalise(image, "robust")
    normalise(image, "unit")
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(64, 96), (63, 96), (64, 97), (4, 4), (3, 40)])
@pytest.mark.parametrize("mean", [2, 60, 250])
def test_looked_up_grey_values_are_those_worked_out(shape: tuple[int, int], mean: int) -> None:
    """8 bits have shortcuts; the same grey values in 16 bits have none."""
    image = np.random.default_rng(mean).poisson(mean, shape).clip(0, 255).astype(np.uint8)
    np.testing.assert_array_equal(normalise(image, "robust"), normalise(image.astype(np.uint16), "robust"))


def test_unit_divides_by_white() -> None:
    assert normalise(np.array([[255]], np.uint8), "unit") == 1
    assert normalise(np.array([[65535]], np.uint16), "unit") == 1
    assert normalise(np.array([[4095]], np.uint16), "unit", full_scale=4095) == 1
    assert normalise(np.array([[0.5]]), "unit").dtype == np.float32


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ModelError, match="unknown normalisation"):
        normalise(np.zeros((4, 4), np.uint8), "whiten")


def test_noise_is_measured_beside_nuclei() -> None:
    image = field(np.random.default_rng(6), noise=5)
    assert noise_sd(image) == pytest.approx(5, rel=0.15)


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_histogram_matching_agrees_with_scikit_image(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(7)
    image = rng.integers(0, 90, shape).astype(np.uint8)
    reference = rng.gamma(2, 30, (30, 30, *shape[2:])).clip(0, 255).astype(np.uint8)
    expected = match_histograms(image, reference, channel_axis=2 if len(shape) == 3 else None)
    matched = match_histogram(image, reference)
    assert matched.dtype == np.uint8
    # scikit-image cuts the decimals off where this rounds.
    np.testing.assert_allclose(matched, expected, atol=1)


def test_median_removes_a_hot_pixel_and_keeps_an_edge() -> None:
    image = np.zeros((9, 9, 3), np.uint8)
    image[:, 5:] = 50
    noisy = image.copy()
    noisy[4, 2] = 255
    np.testing.assert_array_equal(median3(noisy), image)
