"""Whether nuclei scored 0.8 are right in four cases of five: the reliability of the nucleus score, and its picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.training.compare import as_frame, open_segmenter, told_scale
from models.training.metrics import overlaps

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from models.training.data import Item

EDGES = np.linspace(0, 1, 11)


@dataclass(frozen=True)
class Reliability:
    """Nuclei by their score: (bins,) numbers, mean scores, and the part that overlaps a drawn nucleus by half."""

    number: npt.NDArray[np.int64]
    score: npt.NDArray[np.float64]
    right: npt.NDArray[np.float64]

    @property
    def error(self) -> float:
        """The expected calibration error: the mean distance between score and part right, weighted by nuclei."""
        filled = self.number > 0
        gap = np.abs(self.score[filled] - self.right[filled])
        return float((gap * self.number[filled]).sum() / max(1, self.number.sum()))


def binned(score: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> Reliability:
    """Sort nuclei into tenths of the score."""
    place = np.clip(np.digitize(score, EDGES) - 1, 0, len(EDGES) - 2)
    number = np.bincount(place, minlength=len(EDGES) - 1)
    at_least_one = np.maximum(number, 1)
    return Reliability(
        number,
        np.bincount(place, weights=score, minlength=len(number)) / at_least_one,
        np.bincount(place, weights=right, minlength=len(number)) / at_least_one,
    )


def reliability(card: Path, items: list[Item]) -> Reliability:
    """Return how reliable a model's scores are on labelled images, through the app's own segmenter."""
    segmenter, score, right = open_segmenter(card), [np.zeros(0)], [np.zeros(0, np.bool_)]
    for item in items:
        result = segmenter.segment(as_frame(item), told_scale(segmenter, item), exact=True)
        table = overlaps(item.labels, result.labels)
        score.append(result.nuclei["score"].astype(np.float64))
        right.append(table.max(axis=0) >= 0.5 if len(table) else np.zeros(result.count, np.bool_))
    return binned(np.concatenate(score), np.concatenate(right))


def draw(curves: dict[str, Reliability], path: Path) -> None:
    """Draw the curves into one SVG file."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(5, 5.5), sharex=True, layout="constrained", gridspec_kw={"height_ratios": [3, 1]}
    )
    upper.plot([0, 1], [0, 1], color="0.6", lw=1, ls="--", label="perfect")
    for mark, (name, curve) in zip("osDv^x", curves.items(), strict=False):
        filled = curve.number >= 5
        upper.plot(curve.score[filled], curve.right[filled], marker=mark, label=f"{name}, error {curve.error:.3f}")
        lower.step(EDGES[:-1], np.maximum(curve.number, 0.5), where="post")
    upper.set(ylabel="part that overlaps a drawn nucleus by half", xlim=(0, 1), ylim=(0, 1))
    upper.legend()
    lower.set(xlabel="score", ylabel="nuclei", yscale="log")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
