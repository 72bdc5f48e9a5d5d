"""Labels to numbers, checked against scikit-image and worked by hand."""

import dataclasses

import numpy as np
import pytest
import tifffile
from skimage.measure import regionprops

from app.frame import UNKNOWN_LIGHT, Frame, Light, Segmentation
from app.inference import measure as module
from app.inference import runs as runs_module
from app.inference.measure import (
    COUNT_COLUMNS,
    background_level,
    count_row,
    density_per_mm2,
    edge_steepness,
    known_pixel_size_um,
    light_flag,
    local_contrast,
    measure,
    outline_steepness,
    quality_flags,
)
from app.recording import open_replay


def disks(centres, radius, shape=(120, 160)):
    """Labels of disks, in order."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    labels = np.zeros(shape, np.int32)
    for number, (cy, cx) in enumerate(centres, 1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= radius**2] = number
    return labels


def picture(labels, nucleus=120, background=20, noise=2.0, blur=0.0, seed=0):
    import cv2

    image = np.where(labels > 0, float(nucleus), float(background)).astype(np.float32)
    if blur:
        image = cv2.GaussianBlur(image, (0, 0), blur)
    image += np.random.default_rng(seed).normal(0, noise, labels.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


FIELD = disks([(30, 30), (30, 80), (80, 50), (80, 110)], 10)


def frame(shape=(4, 4), **changes):
    base = Frame(np.zeros(shape, np.uint8), 0, 0.0, 0.0, None, None, "Mono8", None)
    return dataclasses.replace(base, **changes)


def segmentation(nuclei, **changes):
    base = Segmentation(frame(), np.zeros((4, 4), np.int32), (1.0, 1.0), nuclei, None, None, "estimated")
    return dataclasses.replace(base, **changes)


def random_labels(seed=3):
    rng = np.random.default_rng(seed)
    labels = np.zeros((70, 90), np.int32)
    for number in range(1, 13):
        y, x = rng.integers(0, 60), rng.integers(0, 75)
        labels[y : y + rng.integers(1, 14), x : x + rng.integers(1, 20)] = number
    kept = np.unique(labels[labels > 0])
    return np.searchsorted(kept, labels).astype(np.int32) + (labels > 0), rng


def test_table_agrees_with_scikit_image():
    labels, rng = random_labels()
    image = rng.integers(0, 4095, labels.shape, dtype=np.uint16)
    table = measure(labels, np.ones(labels.max(), np.float32), image, pixel_size_um=0.5, white=4095)
    expected = regionprops(labels, image)
    assert len(table) == len(expected) > 5
    for row, region in zip(table, expected, strict=True):
        assert row["label"] == region.label
        assert row["area_px"] == region.area
        assert row["area_um2"] == pytest.approx(region.area * 0.25)
        assert (row["y_px"], row["x_px"]) == pytest.approx(region.centroid, abs=1e-4)
        assert row["mean_intensity"] == pytest.approx(region.intensity_mean, rel=1e-6)
        assert row["eccentricity"] == pytest.approx(region.eccentricity, abs=1e-3)


def test_bands_change_nothing(monkeypatch):
    labels, rng = random_labels()
    image = rng.integers(0, 255, labels.shape, dtype=np.uint8)
    scores = np.ones(labels.max(), np.float32)
    whole, steep = measure(labels, scores, image), edge_steepness(labels, len(scores), image, 3.0)
    runs = runs_module.runs_of(labels)
    for part in (module, runs_module):
        monkeypatch.setattr(part, "BAND_PIXELS", labels.shape[1] * 7)
    assert len(list(runs.bands())) > 5
    for name in ("label", "row", "column", "length"):
        np.testing.assert_array_equal(getattr(runs_module.runs_of(labels), name), getattr(runs, name))
    np.testing.assert_array_equal(measure(labels, scores, image)["label"], whole["label"])
    for name in ("area_px", "y_px", "x_px", "mean_intensity", "eccentricity"):
        np.testing.assert_allclose(measure(labels, scores, image)[name], whole[name], atol=1e-4)
    np.testing.assert_allclose(edge_steepness(labels, len(scores), image, 3.0), steep)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.float32])
def test_sums_over_runs_are_those_over_pixels(dtype):
    labels, rng = random_labels()
    count = int(labels.max()) + 1  # one more than there are: it has no pixel
    image = rng.integers(0, 2 if dtype is np.bool_ else 250, labels.shape).astype(dtype)
    runs = runs_module.runs_of(labels.astype(np.uint16))
    np.testing.assert_array_equal(runs.areas(count), np.bincount(labels.ravel(), minlength=count + 1)[1:])
    expected = np.bincount(labels.ravel(), image.ravel().astype(float), minlength=count + 1)[1:]
    np.testing.assert_array_equal(runs.sums(image, count), expected)
    if dtype is not np.uint16:  # nobody squares those
        np.testing.assert_array_equal(
            runs.sums(image, count, squared=True),
            np.bincount(labels.ravel(), image.ravel().astype(float) ** 2, minlength=count + 1)[1:],
        )
    assert not runs_module.runs_of(np.zeros_like(labels)).sums(image, 3).any()


def test_enlarged_labels_give_the_same_as_their_scale():
    labels = FIELD
    large = np.kron(labels, np.ones((3, 3), np.int32))
    image = picture(labels)
    small = measure(labels, np.ones(4, np.float32), image, zoom=(3.0, 3.0), pixel_size_um=0.1)
    whole = measure(large, np.ones(4, np.float32), np.kron(image, np.ones((3, 3), np.uint8)), pixel_size_um=0.1)
    for name in ("area_px", "area_um2", "y_px", "x_px", "mean_intensity"):
        np.testing.assert_allclose(small[name], whole[name], rtol=1e-5)


def test_edges_are_told_apart():
    labels = np.zeros((20, 30), np.int32)
    labels[0:3, 5:8], labels[8:12, 0:3], labels[17:20, 10:14], labels[5:9, 27:30], labels[9:12, 12:15] = 1, 2, 3, 4, 5
    table = measure(labels, np.ones(5, np.float32), np.zeros(labels.shape, np.uint8))
    assert table["touches_edge"].tolist() == [True, True, True, True, False]
    assert table["counted"].tolist() == [False, False, True, True, True]
    # 3 counted in 20 × 30 pixels of 2 µm: 2400 µm².
    assert density_per_mm2(table, labels.shape, 2.0) == pytest.approx(3 / 2400e-6)
    assert density_per_mm2(table, labels.shape, None) is None


def test_edge_rule_counts_each_nucleus_of_a_mosaic_once():
    rng = np.random.default_rng(1)
    whole = disks(rng.uniform(8, 190, (60, 2)), 5, (200, 200))
    whole = np.pad(whole, 10)
    total = len(np.unique(whole)) - 1
    counted = 0
    for top in range(0, 220, 44):
        for left in range(0, 220, 44):
            part = whole[top : top + 45, left : left + 45]  # neighbours share a row or column of pixels
            ids, dense = np.unique(part, return_inverse=True)
            dense = dense.reshape(part.shape).astype(np.int32) + (ids[0] != 0)
            count = int(dense.max())
            counted += int(measure(dense, np.ones(count, np.float32), np.zeros(part.shape, np.uint8))["counted"].sum())
    assert abs(counted - total) <= 2  # a disk cut into two parts by another may count twice


def test_unknown_pixel_size_leaves_no_square_micrometres():
    table = measure(FIELD, np.ones(4, np.float32), picture(FIELD))
    assert np.isnan(table["area_um2"]).all()


def test_saturated_nucleus_is_marked():
    image = picture(FIELD)
    image[25:35, 25:35] = 255
    table = measure(FIELD, np.ones(4, np.float32), image)
    assert table["saturated"].tolist() == [True, False, False, False]


def test_label_without_a_pixel_has_no_area():
    labels = np.zeros((5, 5), np.int32)
    labels[2, 2] = 2
    table = measure(labels, np.ones(2, np.float32), np.zeros((5, 5), np.uint8))
    assert table["area_px"].tolist() == [0, 1]
    assert np.isnan(table["mean_intensity"][0])
    assert table["eccentricity"][1] == 0


def flags_of(labels, image):
    table = measure(labels, np.ones(labels.max(), np.float32), image)
    background = background_level(labels, image)
    steepness = outline_steepness(labels, len(table), image, background)
    return quality_flags(labels, table, image, background, 255, steepness)


def test_good_field_has_no_flag():
    assert flags_of(FIELD, picture(FIELD, blur=1.0)) == ()


@pytest.mark.parametrize(
    ("image", "flag"),
    [
        (picture(FIELD, nucleus=26, noise=3.0, blur=1.0), "too dim"),
        (picture(FIELD, nucleus=400, blur=1.0), "saturated"),
        (picture(FIELD, blur=6.0, noise=0.5), "out of focus"),
    ],
)
def test_each_fault_has_its_flag(image, flag):
    assert flag in flags_of(FIELD, image)


def test_crowd_is_flagged():
    labels = np.zeros((100, 100), np.int32)
    for number in range(16):
        top, left = divmod(number, 4)
        labels[top * 25 : top * 25 + 21, left * 25 : left * 25 + 21] = number + 1
    assert flags_of(labels, picture(labels)) == ("too crowded",)


def test_field_without_nuclei_says_why():
    nothing = np.zeros((40, 40), np.int32)
    assert flags_of(nothing, picture(nothing)) == ("too dim",)
    assert flags_of(nothing, np.full((40, 40), 255, np.uint8)) == ("saturated",)


def test_steepness_falls_with_blur_and_not_with_brightness():
    def steepness(**how):
        return float(np.median(edge_steepness(FIELD, 4, picture(FIELD, noise=0.0, **how), 20.0)))

    values = [steepness(blur=blur) for blur in (1.0, 2.0, 4.0)]
    assert values == sorted(values, reverse=True)
    assert steepness(blur=2.0, nucleus=220) == pytest.approx(values[1], rel=0.1)
    assert np.isnan(edge_steepness(np.ones((9, 9), np.int32), 1, np.zeros((9, 9), np.uint8), 0.0)).all()


@pytest.mark.parametrize(("blur", "flags"), [(1.0, ()), (5.0, ("out of focus",))])
def test_focus_of_a_large_field_is_judged_by_some_bands_of_it(blur, flags, monkeypatch):
    labels = disks([(y, x) for y in range(20, 400, 30) for x in range(20, 300, 40)], 10, (410, 310))
    count, image = int(labels.max()), picture(labels, blur=blur)
    whole = edge_steepness(labels, count, image, 20.0)
    some = edge_steepness(labels, count, image, 20.0, part=3)
    seen = np.isfinite(some)
    assert 0.3 * count < np.count_nonzero(seen) < 0.8 * count
    assert np.median(some[seen]) == pytest.approx(np.median(whole), rel=0.02)
    for pixels in (labels.size + 1, labels.size // 3):
        monkeypatch.setattr(module, "OUTLINE_PIXELS", pixels)
        assert flags_of(labels, image) == flags


def test_local_contrast_is_against_the_surroundings():
    labels = np.zeros((40, 60), np.int32)
    labels[10:20, 10:20], labels[10:20, 40:50] = 1, 2
    image = np.zeros((40, 60), np.uint8)
    image[:, 30:] = 100
    image[labels > 0] += 30
    np.testing.assert_allclose(local_contrast(labels, 2, image), [30, 30])
    assert np.isnan(local_contrast(np.ones((3, 3), np.int32), 1, np.ones((3, 3), np.uint8)))


def test_light_that_was_not_confirmed_is_flagged_but_for_plain_files():
    assert light_flag(frame()) == ("light not confirmed",)
    assert light_flag(frame(name="a.png", light=UNKNOWN_LIGHT)) == ()
    assert light_flag(frame(name="a.ome.tif", light=Light("405", 0.5, False, "switched"))) == ("light not confirmed",)
    assert light_flag(frame(light=Light("405", 0.5, True, ""))) == ()


def test_a_file_that_says_nothing_of_light_passes_however_it_is_opened(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), np.uint8))
    tifffile.imwrite(tmp_path / "b.tif", np.zeros((3, 9, 9), np.uint8), photometric="minisblack")
    for path, frames in ((tmp_path, 4), (tmp_path / "a.tif", 1), (tmp_path / "b.tif", 3)):
        with open_replay(path) as replay:
            assert [light_flag(frame) for frame in replay.frames()] == [()] * frames


def test_count_row_fits_its_header():
    table = measure(FIELD, np.ones(4, np.float32), picture(FIELD))
    result = segmentation(table, flags=("too dim", "saturated"), interval=(3, 5), pixel_size_um=0.65)
    row = dict(zip(COUNT_COLUMNS, count_row(result), strict=True))
    assert row == {
        "count": "4", "density_per_mm2": "", "pixel_size_um": "0.65000", "scale_source": "estimated",
        "flags": "too dim; saturated", "interval_low": "3", "interval_high": "5",
    }  # fmt: skip


def test_estimate_is_no_known_pixel_size():
    nothing = measure(np.zeros((4, 4), np.int32), np.zeros(0, np.float32), np.zeros((4, 4), np.uint8))
    assert known_pixel_size_um(segmentation(nothing, pixel_size_um=0.7)) is None
    assert known_pixel_size_um(segmentation(nothing, pixel_size_um=0.7, frame=frame(pixel_size_um=0.2))) == 0.2
    assert known_pixel_size_um(segmentation(nothing, pixel_size_um=0.7, scale_source="given")) == 0.7
