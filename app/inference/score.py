"""How likely a piece, or several joined, is a nucleus: a calibrated probability from what the network said. Pure.

A logistic regression on what the network said inside the outline and across its cuts and on size and shape, fitted on
images that the model was not trained on, to whether a drawn nucleus overlaps the candidate by half (intersection over
union). Of nuclei scored 0.8, four of five are then right; `models/README.md` shows how well that holds on images
nobody fitted anything to.
"""

import numpy as np
from numpy.typing import NDArray

from app.inference.instances import Instances, full
from app.inference.joining import NO_CONTACTS, Tree, contacts, merge_tree
from app.inference.model_card import ModelScore
from app.inference.runs import Runs

Real = NDArray[np.float64]

FEATURES = (
    "foreground",
    "distance",
    "spread",
    "peak",
    "size",
    "size_squared",
    "size_here",
    "roundness",
    "elongation",
    "contact",
    "outer_saddle",
    "joined",
    "cut_depth",
    "saddle_depth",
    "cut_length",
    "lesser",
    "roundness_lost",
)
"""What the probability follows from, in the order of `features`."""
SUREST = 0.999
"""A mean probability beyond this says no more."""
LARGEST_AREA = 16.0
"""Pieces are not joined beyond this many areas of a typical nucleus."""


def candidates(
    output: NDArray[np.float32] | NDArray[np.uint8],
    pieces: Instances,
    relief: NDArray[np.float32] | None,
    nominal_area_px: float,
) -> tuple[Tree, NDArray[np.float64]]:
    """Return what may be nuclei, and what speaks for and against each.

    Parameters
    ----------
    output : ndarray of float32 or uint8, shape (C, h, w)
        Foreground, distance and what else there is, 0…1 or as 0…255.
    pieces : Instances
        Found in it, with the mean foreground for scores.
    relief : ndarray of float32, shape (h, w), or None
        What the pieces were cut along; see `app.inference.instances.relief`. Without it no pieces are joined, which
        takes half the time.
    nominal_area_px : float
        Area of a typical nucleus at the scale of the image.

    Returns
    -------
    tree : Tree
        Of M candidates, the pieces first.
    features : ndarray of float64, shape (M, 17)
        In the order of `FEATURES`: log odds of the mean foreground; mean, spread and highest value of the distance;
        logarithm of the area over the nominal one, its square, and of the area over the median one here; area over
        that of the ellipse of the same moments, and its shorter over its longer axis, both as logarithms; length of
        the contact with other pieces, in square roots of the area; the saddle, on the relief, to what it may be joined
        with. For joins: 1; how far the mean of the cut inside, and its saddle, lie below the lower of the two peaks;
        the cut's length in square roots of the area; the part of the smaller of the two; the roundness lost.
    """
    runs, count = pieces.runs, len(pieces.scores)
    touching = NO_CONTACTS if relief is None else contacts(pieces.labels, runs, relief)
    areas = runs.areas(count).astype(np.float64)
    tree = merge_tree(touching, areas, LARGEST_AREA * nominal_area_px)
    distance = runs.values(output[1])
    values = distance / np.float32(full(output))
    begin = np.cumsum(runs.length) - runs.length
    per_run = [np.add.reduceat(each, begin) if count else begin for each in (values, values * values)]
    sums = (runs.add_up(each, count) for each in (*per_run, *_moments(runs)))
    total = tree.sums(np.stack([areas, pieces.scores * areas, *sums], axis=1))
    area = total[:, 0]
    foreground, height, square, *middle = (total[:, 1:] / area[:, None]).T
    roundness, elongation = _shape(area, *middle)
    sure, size, root = np.clip(foreground, 1 - SUREST, SUREST), np.log(area / nominal_area_px), np.sqrt(area)
    outermost = size[tree.parent[:-1] == len(tree)]

    inner = tree.joins_of(touching)
    length, low = (np.bincount(inner, each, len(tree) + 1)[:-1] for each in (touching.length, touching.height))
    saddle = np.zeros(len(tree) + 1)
    np.maximum.at(saddle, inner, touching.saddle)
    saddle[-1] = 0.0  # what touches without being joined
    ends = np.concatenate([touching.first, touching.second])
    contact = np.bincount(ends, np.concatenate([touching.length, touching.length]), len(tree)) - 2 * length
    peak, lower, lesser, parts = np.zeros((4, len(tree)))
    if count:
        highest = np.zeros(count, distance.dtype)  # of one kind with what it is compared with: 20 times as fast
        np.maximum.at(highest, runs.label - 1, np.maximum.reduceat(distance, begin))
        peak[:count] = highest / full(output)
    for joins, first, second in tree.rounds():
        peak[joins], lower[joins] = np.maximum(peak[first], peak[second]), np.minimum(peak[first], peak[second])
        lesser[joins] = np.minimum(area[first], area[second]) / area[joins]
        parts[joins] = (area[first] * roundness[first] + area[second] * roundness[second]) / area[joins]
    joined = length > 0
    columns = (
        np.log(sure / (1 - sure)),
        height,
        np.sqrt(np.maximum(square - height * height, 0)),
        peak,
        size,
        size * size,
        size - (np.median(outermost) if count else 0.0),
        roundness,
        elongation,
        tree.sums(contact) / root,
        saddle[tree.parent[:-1]],
        joined,
        lower - low / np.maximum(length, 1),
        lower - saddle[:-1],
        length / root,
        lesser,
        joined * (roundness - parts),
    )
    return tree, np.stack(columns, axis=1)


def _moments(runs: Runs) -> tuple[Real, ...]:
    """Return the sums of x, y, x², y² and xy over the pixels of each run; a pixel has moments of its own."""
    n, y = runs.length.astype(np.float64), runs.row.astype(np.float64)
    x = runs.column + (n - 1) / 2
    return n * x, n * y, n * (x * x + n * n / 12), n * (y * y + 1 / 12), n * x * y


def _shape(area: Real, x: Real, y: Real, xx: Real, yy: Real, xy: Real) -> tuple[Real, Real]:
    """Return by area and mean moments how much smaller than its ellipse each is, and how narrow; as logarithms."""
    vx, vy, vxy = xx - x * x, yy - y * y, xy - x * y
    middle, apart = (vx + vy) / 2, np.hypot((vx - vy) / 2, vxy)
    major, minor = middle + apart, np.maximum(middle - apart, 1 / 12)
    return np.log(area / (4 * np.pi * np.sqrt(major * minor))), np.log(minor / major) / 2


def least_likely(calibration: ModelScore, pieces: Instances) -> float:
    """Return the probability below which nothing is counted.

    It falls with the part of the image that is covered: in a crowd, more of what is doubtful is a nucleus that was
    drawn, and a count without bias there needs it.
    """
    covered = float(pieces.runs.length.sum()) / pieces.labels.size
    return float(calibration.least * np.exp(-calibration.crowding * covered))


def probability(seen: NDArray[np.float64], calibration: ModelScore) -> NDArray[np.float32]:
    """Return the probability of each candidate, shape (M,), from its features, shape (M, 17)."""
    odds = calibration.bias + seen @ np.array([getattr(calibration, name) for name in FEATURES])
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))), np.float32)
