"""Which nuclei two models both found in one frame, and which only one of them; pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.frame import Segmentation

LEAST_IOU = 0.5
"""Two outlines that share more than this part of their union are one nucleus; no nucleus can have two such partners."""


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """How far two segmentations of one frame agree.

    Attributes
    ----------
    both : int
        Nuclei that both have.
    only_first, only_second : ndarray of int32
        Labels of the nuclei that the other one has not.
    """

    both: int
    only_first: NDArray[np.int32]
    only_second: NDArray[np.int32]


def agreement(first: Segmentation, second: Segmentation) -> Agreement:
    """Compare two segmentations of one frame, whatever the scale of their labels.

    Raises
    ------
    ValueError
        They are of different frames.
    """
    if first.frame.shape != second.frame.shape or first.frame.index != second.frame.index:
        raise ValueError("only segmentations of one frame can be compared")
    ours, theirs = first.labels, _resampled(second, first)
    shared_mask = (ours > 0) & (theirs > 0)
    span = int(theirs.max(initial=0)) + 1
    pairs, shared = np.unique(ours[shared_mask].astype(np.int64) * span + theirs[shared_mask], return_counts=True)
    one, other = np.divmod(pairs, span)
    our_areas = np.bincount(ours.ravel())
    their_areas = np.bincount(theirs.ravel(), minlength=span)
    union = our_areas[one] + their_areas[other] - shared
    same = shared > LEAST_IOU * union
    known_first, known_second = np.asarray(first.nuclei["label"]), np.asarray(second.nuclei["label"])
    same &= np.isin(one, known_first) & np.isin(other, known_second)
    return Agreement(
        int(same.sum()),
        np.setdiff1d(known_first, one[same]).astype(np.int32),
        np.setdiff1d(known_second, other[same]).astype(np.int32),
    )


def _resampled(result: Segmentation, like: Segmentation) -> NDArray[np.int32]:
    """Return the labels of `result` on the grid of `like`: the nearest ones."""
    if result.labels.shape == like.labels.shape:
        return result.labels
    index = [
        np.minimum(((np.arange(n) + 0.5) * to / of).astype(np.intp), size - 1)
        for n, size, to, of in zip(like.labels.shape, result.labels.shape, like.zoom, result.zoom, strict=True)
    ]
    return np.asarray(result.labels[np.ix_(*index)])
