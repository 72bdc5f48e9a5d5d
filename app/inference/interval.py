"""The 90 % predictive interval of a count. Pure.

Split conformal prediction: on images that the model was not trained on, the errors ``true − predicted`` are divided by
how large errors of such counts are expected to be, ``sqrt(max(n, 1) + (relative · n)² + (doubt · d)²)`` for n predicted
nuclei of which d are wrong by their own scores, ``d = Σ (1 − score)``: single nuclei missed by chance, a share of all
of them missed for a common reason, and a sample that is hard to read as a whole. The 5 % and 95 % quantiles of these
ratios, widened for the finite number of samples, go into the model card; images of one sample err together, so each
sample weighs the same however many images show it; the interval of a new count is those ratios
times its own expected error. Nothing is assumed of the errors' distribution, but that new images are like the old.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.model_card import ModelCalibration

RELATIVE = 0.1
DOUBT = 1.0


def fit_interval(
    true: Sequence[int],
    predicted: Sequence[int],
    doubts: Sequence[float] | None = None,
    *,
    groups: Sequence[int] | None = None,
    level: float = 0.9,
    relative: float = RELATIVE,
) -> dict[str, Any]:
    """Return the ``[calibration]`` table of a model card.

    Parameters
    ----------
    true, predicted : sequence of int
        Counts of the same images; some dozens of them, none of which the model was trained on.
    doubts : sequence of float, optional
        Of each image, how many of the predicted nuclei are wrong by their scores; for scores that are probabilities.
    groups : sequence of int, optional
        Number of the sample that each image shows; every image another one where not given.
    level : float
        Part of new images whose true count is to lie within the interval.
    relative : float
        Expected common error as a part of the count.

    Raises
    ------
    ValueError
        There are fewer than 20 images, or not equally many of each.
    """
    doubt, doubts = (DOUBT, doubts) if doubts is not None else (0.0, [0.0] * len(true))
    if not len(true) == len(predicted) == len(doubts) or len(true) < 20:
        raise ValueError("20 images at least, each with a true and a predicted count")
    errors = np.asarray(true, float) - np.asarray(predicted, float)
    expected = [expected_error(n, relative, doubt * d) for n, d in zip(predicted, doubts, strict=True)]
    ratios = errors / np.asarray(expected)
    of = np.arange(len(true)) if groups is None else groups
    _, sample, images = np.unique(of, return_inverse=True, return_counts=True)
    # A new sample is one more among those seen, and may lie beyond them all.
    weights = 1 / (images[sample] * (len(images) + 1))
    tail = (1 - level) / 2
    return {
        "method": "conformal",
        "level": level,
        "relative": relative,
        "doubt": doubt,
        "low": round(_outermost(ratios, weights, tail), 4),
        "high": round(-_outermost(-ratios, weights, tail), 4),
        "images": len(ratios),
        "groups": len(images),
    }


def _outermost(ratios: NDArray[np.float64], weights: NDArray[np.float64], tail: float) -> float:
    """Return the highest ratio up to which no more than `tail` of the weight lies; the lowest one where none is."""
    order = np.argsort(ratios, kind="stable")
    within = int(np.count_nonzero(np.cumsum(weights[order]) <= tail + 1e-12))
    return float(ratios[order[max(0, within - 1)]])


def count_interval(count: int, calibration: ModelCalibration | None, doubt: float = 0.0) -> tuple[int, int] | None:
    """Return the interval of a count, both ends included; None for a model without calibration.

    The count itself always lies within it. `doubt` is how many of the nuclei are wrong by their own scores.
    """
    if calibration is None:
        return None
    error = expected_error(count, calibration.relative, calibration.doubt * doubt)
    low, high = math.floor(count + calibration.low * error), math.ceil(count + calibration.high * error)
    return max(0, min(low, count)), max(high, count)


def expected_error(count: int, relative: float, doubt: float = 0.0) -> float:
    """Return how large an error of a count is expected to be, nuclei."""
    return math.sqrt(max(count, 1) + (relative * count) ** 2 + doubt**2)
