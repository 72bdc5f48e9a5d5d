"""Exports agree with the labels they come from, in every format."""

import csv
import json
import sys

import numpy as np
import pytest
import roifile
import tifffile
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from app.errors import CancelledError, UsageError
from app.frame import NUCLEUS_DTYPE, Frame, Light, Segmentation
from app.recording import RunMetadata
from app.recording.export import export_all
from app.recording.outlines import outlines, rings, signed_area


def segmentation_of(labels, zoom=(1.0, 1.0)):
    labels = np.asarray(labels, np.int32)
    shape = round(labels.shape[0] * zoom[0]), round(labels.shape[1] * zoom[1])
    frame = Frame(np.zeros(shape, np.uint8), 0, 0.0, 1.7e9, 10.0, 0.0, "Mono8", 0.2, Light("405", 0.2, True, ""))
    numbers = np.unique(labels)[np.unique(labels) > 0]
    nuclei = np.zeros(len(numbers), NUCLEUS_DTYPE)
    nuclei["label"] = numbers
    nuclei["area_px"] = [np.sum(labels == n) * zoom[0] * zoom[1] for n in numbers]
    nuclei["area_um2"] = nuclei["area_px"] * 0.04
    return Segmentation(frame, labels, zoom, nuclei, None, 0.2, "metadata")


def discs():
    labels = np.zeros((80, 120), np.int32)
    y, x = np.mgrid[:80, :120]
    for number, (cy, cx, r) in enumerate([(20, 20, 12), (50, 60, 20), (60, 110, 15)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 <= r * r] = number
    return labels


def area(points):
    return abs(signed_area([tuple(point) for point in points]))


@settings(max_examples=200, deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9)))
def test_rings_enclose_exactly_the_area_and_turn_at_every_corner(mask):
    found = rings(mask)
    assert sum(signed_area(ring) for ring in found) == mask.sum()
    pieces = ndimage.label(mask)[1]
    assert sum(signed_area(ring) > 0 for ring in found) == pieces
    for ring in found:
        steps = [np.subtract(b, a) for a, b in zip(ring, ring[1:] + ring[:1], strict=True)]
        assert all(np.count_nonzero(step) == 1 for step in steps)
        assert all(np.dot(a, b) == 0 for a, b in zip(steps, steps[1:] + steps[:1], strict=True))


def test_labels_that_are_not_there_have_no_outline():
    labels = np.zeros((5, 5), np.int32)
    labels[1:3, 1:3], labels[4, 4] = 2, 5
    assert [(number, len(found)) for number, found in outlines(labels)] == [(2, 1), (5, 1)]


@pytest.mark.parametrize("zoom", [(1.0, 1.0), (3.0, 3.0), (6.0, 6.5)])
def test_rois_and_objects_agree_with_the_labels(tmp_path, zoom):
    segmentation = segmentation_of(discs(), zoom)
    files = export_all(tmp_path, segmentation.frame, segmentation, RunMetadata())
    rois = roifile.roiread(files.rois)
    assert len(rois) == segmentation.count
    features = json.loads(files.geojson.read_text())["features"]
    for nucleus, roi, feature in zip(segmentation.nuclei, rois, features, strict=True):
        assert area(roi.coordinates().tolist()) == pytest.approx(nucleus["area_px"], rel=0.01)
        assert feature["geometry"]["type"] == "Polygon"
        assert area(feature["geometry"]["coordinates"][0][:-1]) == pytest.approx(nucleus["area_px"], rel=1e-6)
        assert feature["properties"]["measurements"]["Area µm^2"] == pytest.approx(nucleus["area_um2"])
    labels = tifffile.imread(files.labels)
    assert labels.shape == segmentation.frame.shape and labels.max() == 3
    with files.nuclei.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3


def test_geojson_is_valid_geometry_with_holes_and_parts(tmp_path):
    shapely = pytest.importorskip("shapely")
    labels = np.zeros((20, 30), np.int32)
    labels[2:10, 2:10] = 1
    labels[4:6, 4:6] = 0
    labels[12:15, 2:5] = 1
    labels[3:9, 15:25] = 2
    segmentation = segmentation_of(labels)
    files = export_all(tmp_path, segmentation.frame, segmentation, RunMetadata())
    collection = json.loads(files.geojson.read_text())
    assert collection["type"] == "FeatureCollection"
    for feature, number in zip(collection["features"], (1, 2), strict=True):
        geometry = shapely.from_geojson(json.dumps(feature["geometry"]))
        assert geometry.is_valid and geometry.area == np.sum(labels == number)
    assert collection["features"][0]["geometry"]["type"] == "MultiPolygon"


def test_names_count_on_and_an_empty_field_is_exported(tmp_path):
    segmentation = segmentation_of(np.zeros((9, 9), np.int32))
    overlay = np.zeros((9, 9, 3), np.uint8)
    first = export_all(tmp_path, segmentation.frame, segmentation, RunMetadata(), overlay=overlay)
    second = export_all(tmp_path, segmentation.frame, segmentation, RunMetadata(), overlay=overlay)
    assert first.rois != second.rois and second.geojson.name == "export-2.geojson"
    assert json.loads(first.geojson.read_text())["features"] == []


def test_parquet_has_the_columns_of_the_table(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    segmentation = segmentation_of(discs())
    files = export_all(tmp_path, segmentation.frame, segmentation, RunMetadata(), parquet=True)
    assert parquet.read_table(files.parquet).column("area_um2").to_pylist() == pytest.approx(
        segmentation.nuclei["area_um2"].tolist(), rel=1e-5
    )


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    segmentation = segmentation_of(discs())
    with pytest.raises(UsageError, match="install"):
        export_all(tmp_path, segmentation.frame, segmentation, RunMetadata(), parquet=True)
    assert not list(tmp_path.iterdir())


def test_an_export_tells_how_far_it_is_and_leaves_nothing_when_it_is_given_up(tmp_path):
    segmentation, told = segmentation_of(discs()), []
    meta = RunMetadata()

    def progress(done):
        told.append(done)
        if len(told) == 6:
            raise CancelledError("Cancelled.")

    with pytest.raises(CancelledError):
        export_all(tmp_path, segmentation.frame, segmentation, meta, progress=progress)
    assert not list(tmp_path.iterdir())
    del told[5]  # so that it is not given up again
    export_all(tmp_path, segmentation.frame, segmentation, meta, progress=lambda done: told.append(done))
    whole = told[5:]
    assert whole == sorted(whole) and whole[0] == 0 and len(whole) >= 5 + 2 * 3, "every file, and every nucleus twice"
    assert whole[-1] < 1
