"""Large images in overlapping tiles, and their labels put together again without seams. Pure.

Every nucleus belongs to the one tile in whose core its centroid lies; that tile saw it whole, since the overlap is
several nuclei wide, and alone paints it. Where two tiles disagree on a centroid by a few pixels at the border of
their cores, both may claim the nucleus: the later one gives way when most of it is painted already.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

SLACK_PX = 4
"""Disagreement on a centroid that is put up with at the border of two cores."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: the rows and columns it covers, and its core, both as [start, stop) of the whole image."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    core_rows: tuple[int, int]
    core_columns: tuple[int, int]

    @property
    def window(self) -> tuple[slice, slice]:
        """Index of the tile in the whole image."""
        return slice(*self.rows), slice(*self.columns)


def spans(length: int, tile: int, overlap: int) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Return (tile, core) pairs along one axis; tiles are equally long and share at least `overlap` pixels.

    As few tiles as a length of at most `tile` allows, each no longer than needed. The cores cover the axis without
    overlap; a core ends in the middle of what two tiles share.
    """
    if length <= tile:
        return [((0, length), (0, length))]
    count = -(-(length - overlap) // (tile - overlap))
    tile = -(-(length + (count - 1) * overlap) // count)
    starts = [round(k * (length - tile) / (count - 1)) for k in range(count)]
    cuts = [0, *((a + tile + b) // 2 for a, b in pairwise(starts)), length]
    return [((start, start + tile), (cuts[k], cuts[k + 1])) for k, start in enumerate(starts)]


def tiles(shape: tuple[int, int], tile: int, overlap: int) -> Iterator[Tile]:
    """Yield the tiles of an image, row by row.

    Parameters
    ----------
    shape : (h, w)
    tile, overlap : int
        Side of a tile and least overlap of neighbours, pixels; ``overlap < tile``.
    """
    columns = spans(shape[1], tile, overlap)
    for rows, core_rows in spans(shape[0], tile, overlap):
        for across, core_across in columns:
            yield Tile(rows, across, core_rows, core_across)


class Stitcher:
    """Collects the labels of tiles.

    Parameters
    ----------
    shape : (h, w)
        Of the whole image.

    Attributes
    ----------
    labels : ndarray of int32, shape (h, w)
        What was painted so far, numbered 1…N.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self.labels: NDArray[np.int32] = np.zeros(shape, np.int32)
        self._scores: list[NDArray[np.float32]] = []
        self._count = 0

    @property
    def scores(self) -> NDArray[np.float32]:
        """One a label, shape (N,)."""
        return np.concatenate(self._scores) if self._scores else np.zeros(0, np.float32)

    def add(self, tile: Tile, labels: NDArray[np.int32], scores: NDArray[np.float32]) -> None:
        """Paint the nuclei that belong to `tile`.

        Parameters
        ----------
        tile : Tile
        labels : ndarray of int32
            Of the tile, 0…n.
        scores : ndarray of float32, shape (n,)
        """
        count = len(scores)
        if count == 0:
            return
        inside = np.flatnonzero(labels)
        ids = labels.ravel()[inside]
        area = np.bincount(ids, minlength=count + 1)
        mine = self._in_core(tile, ids, inside, labels.shape[1], area)
        region = self.labels[tile.window]
        painted = np.bincount(ids[region.ravel()[inside] > 0], minlength=count + 1)
        mine &= 2 * painted < area
        table = np.zeros(count + 1, np.int32)
        table[mine] = self._count + np.arange(1, int(mine.sum()) + 1)
        new = table[labels]
        np.copyto(region, new, where=(new > 0) & (region == 0))
        self._count += int(mine.sum())
        self._scores.append(scores[mine[1:]])

    @staticmethod
    def _in_core(
        tile: Tile, ids: NDArray[np.int32], inside: NDArray[np.intp], width: int, area: NDArray[Any]
    ) -> NDArray[np.bool_]:
        """Return for each label, 0 included, whether its centroid lies in the core of the tile, or nearly."""
        rows, columns = np.divmod(inside, width)
        size = np.maximum(area, 1)
        y = np.bincount(ids, rows, len(area)) / size + tile.rows[0]
        x = np.bincount(ids, columns, len(area)) / size + tile.columns[0]
        (top, bottom), (left, right) = tile.core_rows, tile.core_columns
        near = (y >= top - SLACK_PX) & (y < bottom + SLACK_PX) & (x >= left - SLACK_PX) & (x < right + SLACK_PX)
        return np.asarray(near & (area > 0), np.bool_)
