"""How well predicted nuclei match labelled ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

    Labels = npt.NDArray[np.integer]

THRESHOLDS = (0.5, 0.75, 0.9)


def overlaps(truth: Labels, predicted: Labels) -> npt.NDArray[np.float64]:
    """Return the IoU of every labelled with every predicted nucleus.

    Parameters
    ----------
    truth, predicted : (H, W) integer
        0 background, 1…N without gaps.

    Returns
    -------
    (N true, N predicted) float64
    """
    rows, columns = int(truth.max(initial=0)) + 1, int(predicted.max(initial=0)) + 1
    pairs = truth.astype(np.int64).ravel() * columns + predicted.astype(np.int64).ravel()
    shared = np.bincount(pairs, minlength=rows * columns).reshape(rows, columns).astype(float)
    union = shared.sum(axis=1, keepdims=True) + shared.sum(axis=0, keepdims=True) - shared
    return (shared / np.maximum(union, 1))[1:, 1:]


def matches(iou: npt.NDArray[np.float64], threshold: float) -> int:
    """Return the number of one-to-one pairs of at least this IoU (0.5 or more, so no pair competes)."""
    good = iou >= threshold
    return int(min(good.any(axis=1).sum(), good.any(axis=0).sum())) if good.size else 0


@dataclass
class Score:
    """Matches added up over images.

    ``f1(t)`` pools the nuclei of all images; ``count_errors`` holds (predicted - true) / true per image that
    has nuclei.
    """

    true: int = 0
    predicted: int = 0
    hits: dict[float, int] = field(default_factory=lambda: dict.fromkeys(THRESHOLDS, 0))
    count_errors: list[float] = field(default_factory=list)

    def add(self, truth: Labels, predicted: Labels) -> None:
        """Score one image."""
        iou = overlaps(truth, predicted)
        self.true += iou.shape[0]
        self.predicted += iou.shape[1]
        for threshold in THRESHOLDS:
            self.hits[threshold] += matches(iou, threshold)
        if iou.shape[0]:
            self.count_errors.append((iou.shape[1] - iou.shape[0]) / iou.shape[0])

    def f1(self, threshold: float) -> float:
        """Return 2 TP / (true + predicted); 1 where there is nothing and nothing was found."""
        total = self.true + self.predicted
        return 2 * self.hits[threshold] / total if total else 1.0

    def summary(self) -> dict[str, float]:
        """Return the figures of a report; the count errors in percent."""
        errors = np.abs(self.count_errors) if self.count_errors else np.zeros(1)
        return {
            **{f"f1_{threshold}": self.f1(threshold) for threshold in THRESHOLDS},
            "true": self.true,
            "predicted": self.predicted,
            "count_bias_percent": 100 * (self.predicted - self.true) / max(1, self.true),
            "mean_abs_count_error_percent": 100 * float(errors.mean()),
        }


def score_all(pairs: Iterable[tuple[Labels, Labels]]) -> Score:
    """Score (truth, predicted) pairs together."""
    score = Score()
    for truth, predicted in pairs:
        score.add(truth, predicted)
    return score
