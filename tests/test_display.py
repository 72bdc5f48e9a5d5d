"""From sensor frame to picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.display import Contrast, View, render
from app.frame import Frame


def frame_of(pixels, pixel_format="Mono8"):
    return Frame(pixels, 0, 0.0, 0.0, 10.0, 0.0, pixel_format, 0.1)


def test_the_whole_frame_is_reduced_to_the_view_with_its_aspect_kept():
    picture = render(frame_of(np.zeros((2160, 3840), np.uint8)), View(size=(1280, 720)), Contrast())
    assert picture.pixels.shape == (720, 1280)
    picture = render(frame_of(np.zeros((100, 400), np.uint8)), View(size=(200, 200)), Contrast())
    assert picture.pixels.shape == (50, 200)


def test_nothing_is_enlarged():
    picture = render(frame_of(np.zeros((10, 20), np.uint8)), View(size=(1280, 720)), Contrast())
    assert picture.pixels.shape == (10, 20)


@given(
    st.tuples(st.integers(-50, 80), st.integers(-50, 80), st.integers(-5, 200), st.integers(-5, 200)),
    st.sampled_from(["Mono8", "Mono12"]),
)
def test_any_region_is_clipped_to_the_frame(region, pixel_format):
    dtype = np.uint8 if pixel_format == "Mono8" else np.uint16
    picture = render(frame_of(np.zeros((40, 60), dtype), pixel_format), View(region=region), Contrast())
    x, y, width, height = picture.region
    assert 0 <= x < x + width <= 60
    assert 0 <= y < y + height <= 40
    assert picture.pixels.shape == (height, width)


@pytest.mark.parametrize(("dtype", "pixel_format", "white"), [(np.uint8, "Mono8", 255), (np.uint16, "Mono12", 4095)])
def test_levels_map_to_black_and_white(dtype, pixel_format, white):
    pixels = np.array([[0, white // 4, white // 2, white]], dtype)
    picture = render(frame_of(pixels, pixel_format), View(), Contrast(low=white // 4, high=white // 2))
    assert picture.pixels.tolist() == [[0, 0, 255, 255]]


def test_12_bit_midtones_are_not_folded_at_the_low_end():
    pixels = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    shown = render(frame_of(pixels, "Mono12"), View(), Contrast(low=1000, high=3000)).pixels.ravel()
    assert np.all(np.diff(shown.astype(int)) >= 0)
    assert shown[:1000].max() == 0


def test_an_empty_noisy_field_stays_dark_looking():
    noise = np.random.default_rng(1).normal(10, 1, (400, 400)).clip(0, 255).astype(np.uint8)
    low, high = render(frame_of(noise), View(), Contrast()).levels
    assert high - low >= 8


def test_saturation_and_the_histogram_are_of_the_full_depth():
    pixels = np.zeros((80, 80), np.uint16)
    pixels[:40] = 4095
    picture = render(frame_of(pixels, "Mono12"), View(), Contrast())
    assert picture.saturated_fraction == pytest.approx(0.5)
    assert picture.dark_fraction == pytest.approx(0.5)
    assert picture.histogram[255] == picture.histogram[0] == 50
