"""Tiles cover an image, and what is found in them is put together without seams."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from app.inference.tiles import Stitcher, spans, tiles


@given(st.integers(1, 5000), st.integers(64, 900), st.integers(0, 63))
def test_cores_cover_the_axis_once_and_overlaps_are_wide(length, tile, overlap):
    parts = spans(length, tile, overlap)
    assert parts[0][1][0] == 0
    assert parts[-1][1][1] == length
    for (start, stop), (core_start, core_stop) in parts:
        assert 0 <= start <= core_start < core_stop <= stop <= length
        assert stop - start == parts[0][0][1] <= min(tile, length)
    for (one, core), (other, next_core) in pairwise(parts):
        assert core[1] == next_core[0]
        assert one[1] - other[0] >= overlap


def field(shape, count, seed=0):
    rng = np.random.default_rng(seed)
    mask = np.zeros(shape, bool)
    y, x = np.mgrid[: shape[0], : shape[1]]
    for cy, cx, radius in zip(
        rng.uniform(0, shape[0], count), rng.uniform(0, shape[1], count), rng.uniform(3, 9, count), strict=True
    ):
        mask |= (y - cy) ** 2 + (x - cx) ** 2 < radius**2
    labels, _ = ndimage.label(mask)
    # Clumps larger than the overlap are not what tiles are for.
    sizes = [max(s.stop - s.start for s in part) for part in ndimage.find_objects(labels)]
    keep = np.array([False, *(size < 40 for size in sizes)])
    return keep[labels]


@pytest.mark.parametrize("side", [100, 130, 300])
def test_tiles_give_the_labels_of_the_whole(side):
    mask = field((260, 290), 90)
    whole, number = ndimage.label(mask)
    stitcher = Stitcher(mask.shape)
    for tile in tiles(mask.shape, side, 48):
        labels, count = ndimage.label(mask[tile.window])
        stitcher.add(tile, labels.astype(np.int32), np.arange(1, count + 1, dtype=np.float32) / count)
    assert len(stitcher.scores) == number
    assert int(stitcher.labels.max()) == number
    # The same parts: every pair of numbers that meet does so throughout.
    pairs = np.unique(np.stack([whole.ravel(), stitcher.labels.ravel()]), axis=1)
    assert pairs.shape[1] == number + 1


def test_tiles_that_disagree_neither_lose_nor_double_a_nucleus():
    stitcher = Stitcher((40, 100))
    first, second = tiles((40, 100), 60, 20)
    assert (first.columns, second.columns) == ((0, 60), (40, 100))
    # The cores meet at column 50; the first tile sees the nucleus a little to the right, the second to the left.
    for tile, left in ((first, 47), (second, 45)):
        labels = np.zeros((40, 60), np.int32)
        labels[10:20, left - tile.columns[0] : left - tile.columns[0] + 8] = 1
        stitcher.add(tile, labels, np.ones(1, np.float32))
    assert int(stitcher.labels.max()) == len(stitcher.scores) == 1
    assert Stitcher((3, 3)).scores.shape == (0,)
