"""Choosing the decoding and the nucleus score of a model on the internal validation images, never on others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.inference import instances
from app.inference.joining import Tree, best
from app.inference.score import FEATURES, candidates
from models.training.data import groups
from models.training.evaluation import to_size
from models.training.metrics import THRESHOLDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from models.training.data import Item

    Real = npt.NDArray[np.float64]

DECODE: dict[str, Any] = {
    "method": "cores",
    "foreground": 0.5,
    "core": [0.15, 0.35, 0.55],
    "contact_weight": 0.3,
    "min_core_area": 3,
    "min_area": 10,
    "coreless_area": 40,
    "min_score": 0.5,
    "levels": 2,
    "steps": 4,
}
"""How outputs are decoded. The outline lies where the network thinks both sides as likely: a threshold chosen on few
images draws what their annotators drew (0.6 gave F1@0.75 0.744 instead of 0.740 on the internal validation images,
and 0.588 instead of 0.639 on unseen ones)."""
CROWDED = 0.15
"""Images of which more is covered are crowded."""
NOMINAL = 20.0
"""Diameter of a typical nucleus, pixels, that the sizes in `DECODE` are meant for."""
LEAST = np.round(np.arange(0.1, 0.701, 0.05), 2)
"""Probabilities below which a nucleus may be left out where there is hardly any other ..."""
CROWDING = np.arange(0.0, 8.1, 1.0)
"""... and how steeply they may fall with the part of the image that is covered."""


@dataclass(frozen=True)
class Found:
    """All candidates for nuclei that one decoding finds in an image.

    Parameters
    ----------
    tree : Tree
    features : (M, 17) float64
        See `app.inference.score.candidates`.
    iou : (M,) float64
        Overlap with the drawn nucleus that fits best.
    true : int
        Drawn nuclei.
    covered : float
        Part of the image that the candidates cover.
    """

    tree: Tree
    features: Real
    iou: Real
    true: int
    covered: float

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether each overlaps a drawn nucleus by half."""
        return self.iou >= THRESHOLDS[0]


def find(item: Item, output: npt.NDArray[np.float32], params: Mapping[str, Any], nominal: float) -> Found:
    """Decode the output for an image; `nominal` is the diameter of a typical nucleus at the model's scale."""
    pieces = instances.find(output, params)
    relief = instances.relief(output, params)
    tree, seen = candidates(output, pieces, relief, np.pi / 4 * nominal**2)
    drawn, columns = int(item.labels.max()), tree.pieces + 1
    pairs = item.labels.astype(np.int64) * columns + to_size(pieces.labels, item.image.shape)
    shared = np.bincount(pairs.ravel(), minlength=(drawn + 1) * columns).reshape(drawn + 1, columns)[:, 1:]
    inside = tree.sums(shared.T)  # of each candidate in each drawn nucleus, the first of them the background
    area = np.bincount(item.labels.ravel(), minlength=drawn + 1)
    iou = inside / np.maximum(1, inside.sum(axis=1, keepdims=True) + area - inside)
    covered = float((pieces.labels > 0).mean())
    return Found(tree, seen, iou[:, 1:].max(axis=1, initial=0.0), drawn, covered)


def fit_score(found: Sequence[Found]) -> dict[str, float]:
    """Return the weights of a model card's ``[score]``; where all candidates are right, or none, only a bias."""
    seen, right = np.concatenate([f.features for f in found]), np.concatenate([f.right for f in found])
    if right.all() or not right.any():
        odds = (int(right.sum()) + 1) / (int((~right).sum()) + 1)
        return {"bias": round(float(np.log(odds)), 5), **dict.fromkeys(FEATURES, 0.0)}
    scaler, regression = _regression().fit(seen, right)
    weight = regression.coef_[0] / scaler.scale_
    bias = float(regression.intercept_[0] - weight @ scaler.mean_)
    return {"bias": round(bias, 5), **{n: round(float(w), 5) for n, w in zip(FEATURES, weight, strict=True)}}


def _regression() -> Any:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))


def probabilities(found: Sequence[Found], group: npt.NDArray[np.integer]) -> list[Real]:
    """Return the probability of each image's candidates by weights fitted to the other groups of images."""
    ends = np.cumsum([len(f.tree) for f in found])[:-1]
    seen, right = np.concatenate([f.features for f in found]), np.concatenate([f.right for f in found])
    of = np.repeat(group, [len(f.tree) for f in found])
    numbers = np.unique(of)
    if any(len(np.unique(right[of != number])) < 2 for number in numbers):
        return [scored(f, fit_score(found)) for f in found]  # too few to leave any out
    likely = cross_val_predict(_regression(), seen, right, groups=of, cv=LeaveOneGroupOut(), method="predict_proba")
    return np.split(likely[:, 1], ends)


def scored(found: Found, score: Mapping[str, float]) -> Real:
    """Return the probability of each candidate."""
    odds = score["bias"] + found.features @ np.array([score[name] for name in FEATURES])
    return np.asarray(1 / (1 + np.exp(-odds)))


def figures(found: Sequence[Found], likely: Sequence[Real], least: float, crowding: float) -> dict[str, float]:
    """Return F1 at each overlap, and the count's bias in percent, of what is counted with these thresholds.

    The bias is given over all images, and over those of which little and much is covered.
    """
    hits, rows = dict.fromkeys(THRESHOLDS, 0), []
    for each, p in zip(found, likely, strict=True):
        _, chosen = best(each.tree, p, least * np.exp(-crowding * each.covered))
        rows.append((each.true, len(chosen)))
        for t in THRESHOLDS:
            hits[t] += int((each.iou[chosen] >= t).sum())
    table, crowded = np.array(rows), np.array([each.covered > CROWDED for each in found])
    true, count = table.sum(axis=0).tolist()
    biases = {
        f"count_bias_{name}_percent": _bias(table[which].sum(axis=0)) if which.any() else 0.0
        for name, which in (("sparse", ~crowded), ("crowded", crowded))
    }
    f1 = {f"f1_{t}": 2 * hits[t] / max(1, true + count) for t in THRESHOLDS}
    return {**f1, "true": true, "predicted": count, "count_bias_percent": _bias((true, count)), **biases}


def _bias(counts: Sequence[int]) -> float:
    true, count = counts
    return 100 * (float(count) / max(1, int(true)) - 1)


def merit(scores: Mapping[str, float]) -> float:
    """Return what is maximised: F1 at 0.5 and 0.75, half of F1 at 0.9, less twice the count's biases.

    Leaving doubtful nuclei out brings F1 up and the count down; a program that counts must not take that bargain, and
    must not make up in sparse images for what it leaves out in crowded ones.
    """
    biases = [abs(scores[f"count_bias_{name}_percent"]) / 100 for name in ("sparse", "crowded")]
    return scores["f1_0.5"] + scores["f1_0.75"] + 0.5 * scores["f1_0.9"] - 2 * sum(biases)


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


def calibrate(
    items: list[Item],
    results: list[npt.NDArray[np.float32]],
    nominal: float,
    params: Mapping[str, Any] = DECODE,
) -> Choice:
    """Return the decoding with the score that fits what it finds, and the best probabilities to leave nuclei out at.

    The figures are those of each group of images by weights fitted to the other groups; the weights returned are
    fitted to all.

    Parameters
    ----------
    items : list of Item
        Internal validation images.
    results : list of (C, h, w) float32
        The network's outputs for them.
    nominal : float
        Diameter of a typical nucleus at the model's scale, pixels.
    params : mapping
        The decoding, for nuclei of `NOMINAL` pixels.
    """
    decode = {name: sized(name, value, nominal / NOMINAL) for name, value in params.items()}
    found = [find(item, output, decode, nominal) for item, output in zip(items, results, strict=True)]
    likely = probabilities(found, groups([item.image for item in items]))
    options = [
        ({"least": least, "crowding": crowding}, figures(found, likely, least, crowding))
        for least in LEAST.tolist()
        for crowding in CROWDING.tolist()
    ]
    thresholds, figured = max(options, key=lambda option: merit(option[1]))
    return Choice(decode, {**fit_score(found), **thresholds}, figured)
