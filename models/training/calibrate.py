"""Choosing the decoding thresholds of a model on the internal validation images, never on the test set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from models.training.evaluation import score_outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import numpy.typing as npt

    from models.training.data import Item
    from models.training.metrics import Score

GRID: dict[str, tuple[float, ...]] = {
    "core": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6),
    "contact_weight": (0.0, 0.2, 0.4, 0.7, 1.0),
    "foreground": (0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
    "min_core_area": (1, 2, 3, 5, 8, 12),
    "min_area": (15, 20, 25, 30, 35),
    "min_score": (0.0, 0.6, 0.65, 0.7, 0.75, 0.8),
    "coreless_area": (20, 40, 80, 100000),
}


def merit(score: Score) -> float:
    """Return what is maximised: F1 at 0.5 and 0.75, half of F1 at 0.9, less half of the count bias beyond 1 %.

    Without the strictest F1 the outlines drift inwards: a high threshold splits a few nuclei more and costs little
    at the other two.
    """
    bias = abs(score.predicted - score.true) / max(1, score.true)
    return score.f1(0.5) + score.f1(0.75) + 0.5 * score.f1(0.9) - 0.5 * max(0.0, bias - 0.01)


def calibrate(
    items: list[Item], results: list[npt.NDArray[np.float32]], start: Mapping[str, Any], rounds: int = 2
) -> tuple[dict[str, Any], Score]:
    """Return the best decoding parameters found by one-at-a-time search, and their score.

    Parameters
    ----------
    items : list of Item
        Internal validation images.
    results : list of (C, h, w) float32
        The network's outputs for them.
    start : mapping
        Where the search begins.
    """
    best = dict(start)
    best_score = score_outputs(items, results, best)
    for _ in range(rounds):
        before = merit(best_score)
        for name, values in GRID.items():
            for value in values:
                if value == best.get(name):
                    continue
                score = score_outputs(items, results, {**best, name: value})
                if merit(score) > merit(best_score) + 1e-4:
                    best, best_score = {**best, name: value}, score
        if merit(best_score) <= before + 1e-4:
            break
    return best, best_score
