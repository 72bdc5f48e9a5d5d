"""The 90 % predictive interval of a count. Pure.

Split conformal prediction: on images that the model was not trained on, the errors ``true − predicted`` are divided by
how large errors of such counts are expected to be, ``sqrt(max(n, 1) + (relative · n)² + (doubt · d)²)`` for n predicted
nuclei of which d are wrong by their own scores, ``d = Σ (1 − score)``: single nuclei missed by chance, a share of all
of them missed for a common reason, and a sample that is hard to read as a whole. The 5 % and 95 % quantiles of these
ratios, widened for the finite number of images, go into the model card; the interval of a new count is those ratios
times its own expected error. Nothing is assumed of the errors' distribution, but that new images are like the old.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from app.inference.model_card import ModelCalibration

RELATIVE = 0.1
DOUBT = 1.0


def fit_interval(
    true: Sequence[int],
    predicted: Sequence[int],
    doubts: Sequence[float] | None = None,
    *,
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
    ratios = np.sort(errors / expected)
    tail, last = (1 - level) / 2, len(ratios) + 1
    low = ratios[max(0, math.floor(tail * last) - 1)]
    high = ratios[min(len(ratios), math.ceil((1 - tail) * last)) - 1]
    return {
        "method": "conformal",
        "level": level,
        "relative": relative,
        "doubt": doubt,
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "images": len(ratios),
    }


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
