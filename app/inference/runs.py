"""Labels as horizontal runs: what can be summed run by run costs a fraction of a visit to every pixel. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

BAND_PIXELS = 1 << 22
"""Images larger than this are gone through in bands, which bounds the memory that intermediate arrays take."""


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """The horizontal runs of equal labels in an image, row by row, without the background.

    A nucleus of a thousand pixels is some forty runs.

    Attributes
    ----------
    label : ndarray of int32, shape (R,)
        1…N.
    row, column : ndarray of intp, shape (R,)
        Of the first pixel.
    length : ndarray of intp, shape (R,)
        In pixels.
    width : int
        Of the image.
    """

    label: NDArray[np.int32]
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    length: NDArray[np.intp]
    width: int

    def areas(self, count: int) -> NDArray[np.int64]:
        """Return the pixels of each of `count` labels, shape (count,)."""
        return self.add_up(self.length, count).astype(np.int64)

    def sums(self, image: NDArray[Any], count: int, *, squared: bool = False) -> NDArray[np.float64]:
        """Return the sum of `image`, shape (h, w), or of its squares, over each of `count` labels.

        It is exact for whole numbers.
        """
        total = np.zeros(count)
        for band in self.bands():
            total += band.add_up(band.totals(image, squared=squared), count)
        return total

    def add_up(self, values: NDArray[Any], count: int) -> NDArray[np.float64]:
        """Return the sum of one value a run over the runs of each of `count` labels, shape (count,)."""
        return np.asarray(np.bincount(self.label, weights=values, minlength=count + 1)[1:], np.float64)

    def totals(self, image: NDArray[Any], *, squared: bool = False) -> NDArray[Any]:
        """Return the sum of `image`, shape (h, w), or of its squares, over each run; exact for whole numbers.

        Of the runs of one band (see `bands`): of the whole image it takes several times the memory.
        """
        if not self.row.size:
            return np.zeros(0)
        top, bottom = int(self.row[0]), int(self.row[-1]) + 1
        part = image[top:bottom].view(np.uint8) if image.dtype == np.bool_ else image[top:bottom]
        # The table of sums over rectangles takes a tenth of the time of a running sum; whole numbers of 8 bits stay
        # within 32 ones in a band.
        depth = cv2.CV_32S if part.dtype == np.uint8 else cv2.CV_64F
        if squared:
            table = np.asarray(cv2.integral2(part, sdepth=depth, sqdepth=cv2.CV_64F)[1]).ravel()
        else:
            table = np.asarray(cv2.integral(part, sdepth=depth)).ravel()
        above = (self.row - top) * (self.width + 1) + self.column
        below = above + (self.width + 1)
        upper = table.take(above + self.length) - table.take(above)
        return np.asarray(table.take(below + self.length) - table.take(below) - upper)

    def values(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return what `image`, shape (h, w), has at the pixels of the runs, one run after the other."""
        line, pixel = image.strides
        if pixel != image.itemsize or line < pixel * self.width or line % pixel:
            image = np.ascontiguousarray(image)
            line = image.strides[0]
        # Part of a larger image is read where it lies: the ends of its lines are numbered too.
        step = line // image.itemsize
        flat = as_strided(image, ((image.shape[0] - 1) * step + self.width,), (image.itemsize,), writeable=False)
        return flat.take(self.places(step))

    def places(self, step: int) -> NDArray[np.intp]:
        """Return the flat index of every pixel, run by run, in an image whose rows begin `step` pixels apart."""
        before = np.cumsum(self.length) - self.length
        place = np.repeat(self.row * step + self.column - before, self.length)
        place += np.arange(place.size)
        return place

    def bands(self) -> Iterator["Runs"]:
        """Yield the runs in bands of at most `BAND_PIXELS` of the image; one for all but large images."""
        rows = max(1, BAND_PIXELS // self.width)
        last = int(self.row[-1]) + 1 if self.row.size else 0
        if last <= rows:
            yield self
            return
        edges = self.row.searchsorted(range(0, last + rows, rows))
        for first, end in pairwise(edges):
            yield self._at(slice(first, end))

    def renumbered(self, table: NDArray[np.int32]) -> "Runs":
        """Return the runs with label ``table[label]``: none of those that become 0, those that become one joined."""
        label = table[self.label]
        kept = self._at(label > 0)
        label = label[label > 0]
        end = kept.column + kept.length
        same = (label[1:] == label[:-1]) & (kept.row[1:] == kept.row[:-1]) & (kept.column[1:] == end[:-1])
        if not same.any():
            return Runs(label, kept.row, kept.column, kept.length, self.width)
        first = np.flatnonzero(np.concatenate([[True], ~same]))
        length = np.add.reduceat(kept.length, first)
        return Runs(label[first], kept.row[first], kept.column[first], length, self.width)

    def _at(self, which: slice | NDArray[np.bool_]) -> "Runs":
        return Runs(self.label[which], self.row[which], self.column[which], self.length[which], self.width)


def runs_of(labels: NDArray[Any]) -> Runs:
    """Return the runs of a label image, shape (h, w), of whole numbers in any dtype."""
    height, width = labels.shape
    parts = []
    step = max(1, BAND_PIXELS // width)
    for top in range(0, height, step):
        flat = labels[top : top + step].ravel()
        new = np.empty(flat.size, np.bool_)
        np.not_equal(flat[1:], flat[:-1], out=new[1:])
        new[::width] = True
        first = np.flatnonzero(new)
        length = np.diff(first, append=flat.size)
        label = flat[first]
        inside = np.flatnonzero(label > 0)
        first = first[inside]
        row = first // width  # numpy divides by one number in a tenth of the time of `divmod`
        parts.append((label[inside].astype(np.int32, copy=False), row + top, first - row * width, length[inside]))
    label, row, column, length = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts, strict=True))
    return Runs(label, row, column, length, width)
