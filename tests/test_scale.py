"""The size of the nuclei, from the image alone."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.frame import Frame
from app.images import read_image, read_labels
from app.inference.scale import ScaleTracker, candidates_px, estimates_px


def estimate_diameter_px(pixels):
    """The middle of the independent estimates."""
    found = estimates_px(pixels)
    return float(np.median(found)) if found else None


def field(diameter, shape=(400, 500), count=12, noise=3.0, seed=0, dtype=np.uint8, gain=1):
    rng = np.random.default_rng(seed)
    image = np.full(shape, 12.0, np.float32)
    for _ in range(count):
        centre = (int(rng.uniform(0, shape[1])), int(rng.uniform(0, shape[0])))
        axes = (round(diameter / 2 * rng.uniform(0.9, 1.25)), round(diameter / 2 * rng.uniform(0.8, 1.0)))
        cv2.ellipse(image, centre, axes, float(rng.uniform(0, 180)), 0, 360, float(rng.uniform(60, 160)), -1)
    image = cv2.GaussianBlur(image, (0, 0), max(0.7, diameter / 30))
    image += rng.normal(0, noise, shape)
    return np.clip(np.rint(image * gain), 0, np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize(("diameter", "count"), [(7, 60), (10, 60), (16, 40), (30, 20), (60, 9), (100, 5), (180, 2)])
def test_size_is_found_over_the_whole_range(diameter, count):
    found = estimate_diameter_px(field(diameter, count=count))
    assert found is not None
    assert 1 / 1.6 < found / diameter < 1.6


def test_large_frames_are_reduced_without_losing_the_size():
    found = estimate_diameter_px(field(170, (2160, 3840), count=40))
    assert found == pytest.approx(170, rel=0.4)
    small = estimate_diameter_px(field(14, (2160, 3840), count=3000))
    assert small == pytest.approx(14, rel=0.4)


def test_bit_depth_and_gain_change_little():
    one = estimate_diameter_px(field(25))
    other = estimate_diameter_px(field(25, dtype=np.uint16, gain=200))
    assert one == pytest.approx(other, rel=0.1)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (8, 8), (64, 64), (700, 900)])
@pytest.mark.parametrize("level", [0, 100, 255])
def test_flat_field_has_no_size(shape, level):
    assert estimate_diameter_px(np.full(shape, level, np.uint8)) is None
    assert estimates_px(np.full(shape, level, np.uint16)) == ()


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_size(seed):
    noise = np.random.default_rng(seed).normal(60, 6, (256, 256))
    assert estimate_diameter_px(noise.astype(np.uint8)) is None


def test_smeared_noise_does_not_hide_the_nuclei():
    clean = field(90, (360, 400), count=5, noise=0.0).astype(np.float32)
    noisy = clean + np.random.default_rng(2).normal(0, 14, clean.shape)
    smeared = cv2.resize(np.clip(noisy, 0, 255).astype(np.uint8), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert any(1 / 1.5 < size / 180 < 1.5 for size in candidates_px(smeared))


@pytest.mark.parametrize("diameter", [20, 60])
def test_clear_sizes_are_not_looked_at_twice(diameter):
    pixels = field(diameter)
    assert candidates_px(pixels) == estimates_px(pixels)


def frame(name="", shape=(4, 4)):
    return Frame(np.zeros(shape, np.uint8), 0, 0.0, 0.0, None, None, "Mono8", None, source="s", name=name)


def test_tracker_keeps_one_size_for_a_stream():
    tracker = ScaleTracker()
    assert tracker.get(frame()) is None
    tracker.put(frame(), 20.0)
    assert tracker.get(frame()) == 20.0
    assert tracker.get(frame("other.png")) is None
    assert tracker.get(frame(shape=(4, 5))) is None
    tracker.put(frame(), None)
    assert tracker.get(frame()) is None
    tracker.put(frame(), 3.0)
    tracker.reset()
    assert tracker.get(frame()) is None


def test_real_images():
    data = os.environ.get("DAPISCOPE_DATA")
    if not data or not (Path(data) / "dsb2018_stage1_test").is_dir():
        pytest.skip("DAPISCOPE_DATA names no folder with dsb2018_stage1_test")
    folder = Path(data) / "dsb2018_stage1_test"
    ratios = []
    for path in sorted((folder / "images").glob("*.png"))[::3]:
        areas = np.bincount(read_labels(folder / "labels" / path.name).ravel())[1:]
        found = estimate_diameter_px(read_image(path).pixels)
        assert found is not None
        ratios.append(found / (2 * np.sqrt(np.median(areas[areas > 0]) / np.pi)))
    within = np.mean(np.abs(np.log(ratios)) < np.log(1.5))
    assert within >= 0.85
