"""Choosing the decoding and the nucleus score of a model on the internal validation images, never on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from app.inference import instances
from app.inference.score import FEATURES, features
from models.training.evaluation import renumber, to_size
from models.training.metrics import THRESHOLDS, overlaps

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from models.training.data import Item

START: dict[str, Any] = {
    "method": "cores",
    "foreground": 0.5,
    "core": 0.2,
    "contact_weight": 0.3,
    "min_core_area": 3,
    "min_area": 15,
    "min_score": 0.5,
    "levels": 2,
    "steps": 4,
}
"""Where the search begins. The outline lies where the network thinks both sides as likely: a threshold chosen on few
images draws what their annotators drew (0.6 gave F1@0.75 0.744 instead of 0.740 on the internal validation images,
and 0.588 instead of 0.639 on unseen ones)."""
GRID: dict[str, tuple[float, ...]] = {
    "core": (0.1, 0.15, 0.2, 0.25, 0.3, 0.35),
    "contact_weight": (0.0, 0.15, 0.3, 0.45, 0.6),
    "min_core_area": (1, 3, 5),
    "min_area": (10, 15, 20, 30),
    "coreless_area": (40, 100000),
}
NOMINAL = 20.0
"""Diameter of a typical nucleus, pixels, that the sizes in `START` and `GRID` are meant for."""
LEAST = np.round(np.arange(0, 0.701, 0.05), 2)
"""Probabilities below which a nucleus may be left out."""


@dataclass(frozen=True)
class Found:
    """All nuclei that one decoding finds in a set of images.

    Parameters
    ----------
    features : (N, 6) float64
        See `app.inference.score.features`.
    iou : (N,) float64
        Overlap with the drawn nucleus that fits best.
    true : int
        Drawn nuclei.
    """

    features: npt.NDArray[np.float64]
    iou: npt.NDArray[np.float64]
    true: int

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each overlaps a drawn nucleus by half."""
        return self.iou >= THRESHOLDS[0]


def find(items: list[Item], results: list[npt.NDArray[np.float32]], params: Mapping[str, Any], nominal: float) -> Found:
    """Decode the outputs of some images; `nominal` is the diameter of a typical nucleus at the model's scale."""
    seen, iou, true = [np.zeros((0, len(FEATURES)))], [np.zeros(0)], 0
    for item, output in zip(items, results, strict=True):
        nuclei = instances.find(output, params)
        seen.append(features(output, nuclei, np.pi / 4 * nominal**2))
        full = to_size(nuclei.labels, item.image.shape)
        best = np.zeros(len(seen[-1]))
        present = np.unique(full)
        table = overlaps(item.labels, renumber(full))
        if table.size:
            best[present[present > 0] - 1] = table.max(axis=0)
        iou.append(best)
        true += int(item.labels.max())
    return Found(np.concatenate(seen), np.concatenate(iou), true)


def fit_score(found: Found) -> dict[str, float]:
    """Return the ``[score]`` table of a model card, without ``least``; where all are right, or none, only a bias."""
    right = found.right
    if right.all() or not right.any():
        odds = (int(right.sum()) + 1) / (int((~right).sum()) + 1)
        return {"bias": round(float(np.log(odds)), 5), **dict.fromkeys(FEATURES, 0.0)}
    fitted = LogisticRegression(max_iter=5000).fit(found.features, right)
    weights = {name: round(float(weight), 5) for name, weight in zip(FEATURES, fitted.coef_[0], strict=True)}
    return {"bias": round(float(fitted.intercept_[0]), 5), **weights}


def scored(found: Found, score: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return the probability of each nucleus."""
    odds = score["bias"] + found.features @ np.array([score[name] for name in FEATURES])
    return np.asarray(1 / (1 + np.exp(-odds)))


def figures(found: Found, wanted: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return F1 at each overlap, and the count's bias in percent, of the nuclei that are `wanted`."""
    count = int(wanted.sum())
    f1 = {f"f1_{t}": 2 * int((found.iou[wanted] >= t).sum()) / max(1, found.true + count) for t in THRESHOLDS}
    return {**f1, "true": found.true, "predicted": count, "count_bias_percent": 100 * (count / max(1, found.true) - 1)}


def merit(scores: Mapping[str, float]) -> float:
    """Return what is maximised: F1 at 0.5 and 0.75, half of F1 at 0.9, less twice the count's bias beyond 0.5 %.

    Leaving doubtful nuclei out brings F1 up and the count down; a program that counts must not take that bargain.
    """
    bias = abs(scores["count_bias_percent"]) / 100
    return scores["f1_0.5"] + scores["f1_0.75"] + 0.5 * scores["f1_0.9"] - 2 * max(0.0, bias - 0.005)


def sized(name: str, value: Any, size: float) -> Any:
    """Return a decoding parameter for nuclei `size` times as wide as `NOMINAL`."""
    if name in ("min_area", "min_core_area", "coreless_area"):
        return max(1, round(value * size**2))
    return max(1, round(value * size)) if name == "steps" else value


@dataclass(frozen=True)
class Choice:
    """A decoding, the score fitted to what it finds, and what both give together."""

    decode: dict[str, Any]
    score: dict[str, float]
    figures: dict[str, float]

    @property
    def merit(self) -> float:
        """See `merit`."""
        return merit(self.figures)


def judge(
    items: list[Item], results: list[npt.NDArray[np.float32]], params: Mapping[str, Any], nominal: float
) -> Choice:
    """Return a decoding with the score that fits what it finds and the best probability to leave nuclei out at."""
    found = find(items, results, params, nominal)
    score = fit_score(found)
    likely = scored(found, score)
    options = [(least, figures(found, likely >= least)) for least in LEAST.tolist()]
    least, best = max(options, key=lambda option: merit(option[1]))
    return Choice(dict(params), {**score, "least": least}, best)


def calibrate(
    items: list[Item],
    results: list[npt.NDArray[np.float32]],
    nominal: float,
    start: Mapping[str, Any] = START,
    rounds: int = 2,
) -> Choice:
    """Return the best decoding found by one-at-a-time search.

    Parameters
    ----------
    items : list of Item
        Internal validation images.
    results : list of (C, h, w) float32
        The network's outputs for them.
    nominal : float
        Diameter of a typical nucleus at the model's scale, pixels.
    start : mapping
        Where the search begins.
    """
    size = nominal / NOMINAL
    grid = {name: tuple(sized(name, value, size) for value in values) for name, values in GRID.items()}
    best = judge(items, results, {name: sized(name, value, size) for name, value in start.items()}, nominal)
    for _ in range(rounds):
        before = best.merit
        for name, values in grid.items():
            for value in values:
                if value == best.decode.get(name):
                    continue
                choice = judge(items, results, {**best.decode, name: value}, nominal)
                if choice.merit > best.merit + 1e-4:
                    best = choice
        if best.merit <= before + 1e-4:
            break
    return best
