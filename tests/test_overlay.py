"""Labels drawn."""

import numpy as np
import pytest

from app.inference import refine
from app.inference.overlay import contour_mask, overlay_rgba, render_overlay, to_8bit, upscale_labels
from app.inference.refine import refine_labels

TWO = np.array([[0, 0, 0, 0, 0, 0], [0, 1, 1, 2, 2, 0], [0, 1, 1, 2, 2, 0], [0, 0, 0, 0, 0, 0]], np.int32)


@pytest.mark.parametrize("zoom", [(3, 2), (1, 1), (5, 5)])
def test_whole_zoom_repeats_pixels(zoom):
    shape = (TWO.shape[0] * zoom[0], TWO.shape[1] * zoom[1])
    np.testing.assert_array_equal(upscale_labels(TWO, shape), np.kron(TWO, np.ones(zoom, np.int32)))


def test_any_size_keeps_labels_in_place():
    labels = np.zeros((10, 10), np.int32)
    labels[5:, :] = 1 << 20
    large = upscale_labels(labels, (37, 23))
    assert large.dtype == np.int32
    assert set(np.unique(large)) == {0, 1 << 20}
    assert large[:18].max() == 0
    assert large[19:].min() == 1 << 20
    assert upscale_labels(labels, (3, 3)).shape == (3, 3)
    np.testing.assert_array_equal(upscale_labels(labels, (37, 23), (5, 20)), large[5:20])


def test_touching_nuclei_keep_an_outline_each():
    blocks = np.kron(TWO, np.ones((5, 5), np.int32))
    outline = contour_mask(blocks)
    assert outline[7, 14]
    assert outline[7, 15]  # both sides of the common border
    assert not outline[7, 12]
    assert not outline[blocks == 0].any()


def test_nucleus_at_the_border_is_open_there():
    labels = np.ones((5, 5), np.int32)
    assert not contour_mask(labels).any()


def test_layer_has_three_opacities():
    blocks = np.kron(TWO, np.ones((5, 5), np.int32))
    layer = overlay_rgba(blocks, color=(10, 20, 30), fill=0.2, line=1.0)
    assert layer[0, 0].tolist() == [0, 0, 0, 0]
    assert layer[7, 12].tolist() == [10, 20, 30, 51]
    assert layer[7, 14].tolist() == [10, 20, 30, 255]
    again = np.empty_like(layer)
    assert overlay_rgba(blocks, color=(10, 20, 30), fill=0.2, out=again) is again
    np.testing.assert_array_equal(again, layer)
    assert overlay_rgba(TWO, shape=(40, 60)).shape == (40, 60, 4)


def test_picture_mixes_as_the_layer_says():
    grey = np.full((20, 30), 100, np.uint8)
    picture = render_overlay(grey, TWO, color=(255, 0, 0), fill=0.5, line=1.0)
    assert picture.shape == (20, 30, 3)
    assert picture[0, 0].tolist() == [100, 100, 100]
    assert picture[7, 12].tolist() == [178, 50, 50]
    assert picture[7, 14].tolist() == [255, 0, 0]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_stretch_is_linear_and_clipped(dtype):
    pixels = np.array([[0, 50, 90, 150, 200]], dtype)
    assert to_8bit(pixels, 50, 150).tolist() == [[0, 0, 102, 255, 255]]
    assert to_8bit(np.full((4, 4), 7, dtype)).shape == (4, 4)


def test_outlines_follow_the_foreground(monkeypatch):
    small, zoom = 24, 6
    y, x = np.mgrid[:small, :small] + 0.5
    distance = np.hypot(y - 12, x - 12)
    foreground = (255 / (1 + np.exp(2 * (distance - 7)))).astype(np.uint8)
    labels = (foreground > 127).astype(np.int32)
    yy, xx = (np.mgrid[: small * zoom, : small * zoom] + 0.5) / zoom
    truth = np.hypot(yy - 12, xx - 12) < 7

    def iou(found):
        return (truth & found).sum() / (truth | found).sum()

    shape = (small * zoom, small * zoom)
    refined = refine_labels(labels, foreground, shape, 0.5)
    assert set(np.unique(refined)) == {0, 1}
    monkeypatch.setattr(refine, "BAND_PIXELS", 9 * shape[1])
    np.testing.assert_array_equal(refine_labels(labels, foreground, shape, 0.5), refined)
    assert iou(refined > 0) > 0.985 > iou(upscale_labels(labels, shape) > 0)


def test_refinement_keeps_touching_nuclei_apart():
    labels = np.kron(TWO, np.ones((4, 4), np.int32))
    foreground = ((labels > 0) * 255).astype(np.uint8)
    refined = refine_labels(labels, foreground, (labels.shape[0] * 4, labels.shape[1] * 4), 0.5)
    assert set(np.unique(refined)) == {0, 1, 2}
    assert refined[32, 47] == 1
    assert refined[32, 48] == 2
    assert refine_labels(labels, foreground, labels.shape, 0.5) is labels
