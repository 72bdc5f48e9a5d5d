"""Outlines of labelled regions along the edges of their pixels, so that an outline encloses exactly their area."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Ring = list[tuple[int, int]]
"""Corners (x, y) of pixels, from the top left corner of the image; closed implicitly, clockwise on the screen for an
outer ring and counter-clockwise for a hole."""


def outlines(labels: NDArray[np.int32]) -> Iterator[tuple[int, list[Ring]]]:
    """Yield (label, rings) for every label present, in order; the largest outer ring comes first.

    Parameters
    ----------
    labels : ndarray of int32, shape (H, W)
        0 is background.
    """
    boxes: list[Any] = ndimage.find_objects(labels)  # None for a number that no pixel has
    for number, where in enumerate(boxes, start=1):
        if where is None:
            continue
        rows, columns = where
        found = rings(labels[where] == number)
        shifted = [[(x + columns.start, y + rows.start) for x, y in ring] for ring in found]
        yield number, sorted(shifted, key=signed_area, reverse=True)


def rings(mask: NDArray[np.bool_]) -> list[Ring]:
    """Return the rings around the True pixels of `mask`. Pixels that touch only at a corner are apart."""
    steps = _steps(mask)
    found: list[Ring] = []
    while steps:
        start = next(iter(steps))
        ring: Ring = []
        at, came = start, (0, 0)
        while True:
            ends = steps[at]
            # At a crossing turn right: this keeps regions that touch at a corner apart.
            pick = 0 if len(ends) == 1 else _rightmost(at, came, ends)
            to = ends.pop(pick)
            if not ends:
                del steps[at]
            going = (to[0] - at[0], to[1] - at[1])
            if going != came:
                ring.append(at)
            at, came = to, going
            if at == start:
                break
        # The first corner is none if the ring runs straight through it.
        if came == (_sign(ring[1][0] - ring[0][0]), _sign(ring[1][1] - ring[0][1])):
            ring = ring[1:]
        found.append(ring)
    return found


def _steps(mask: NDArray[np.bool_]) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Return corner → next corners along all edges between True and False, with True on the right."""
    padded = np.pad(mask, 1)
    inside = padded[1:-1, 1:-1]
    steps: dict[tuple[int, int], list[tuple[int, int]]] = {}
    sides = (
        (padded[:-2, 1:-1], (0, 0), (1, 0)),  # above: left to right
        (padded[1:-1, 2:], (1, 0), (1, 1)),  # right: downwards
        (padded[2:, 1:-1], (1, 1), (0, 1)),  # below: right to left
        (padded[1:-1, :-2], (0, 1), (0, 0)),  # left: upwards
    )
    for neighbour, (x0, y0), (x1, y1) in sides:
        rows, columns = np.nonzero(inside & ~neighbour)
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            steps.setdefault((x + x0, y + y0), []).append((x + x1, y + y1))
    return steps


def _rightmost(at: tuple[int, int], came: tuple[int, int], ends: list[tuple[int, int]]) -> int:
    right = (-came[1], came[0])  # y runs downwards
    turns = [(end[0] - at[0], end[1] - at[1]) for end in ends]
    return turns.index(right) if right in turns else 0


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def signed_area(ring: Ring) -> float:
    """Return the area inside of `ring` in pixels; negative for a hole."""
    points = np.asarray(ring, np.float64)
    x, y = points[:, 0], points[:, 1]
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
