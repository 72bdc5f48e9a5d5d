"""How well predicted nuclei agree with labelled ones, per image and over a folder. Pure but for reading the files.

Definitions
-----------
A labelled and a predicted nucleus *match* at a threshold t ≥ 0.5 when the intersection of their pixels is at least t
of their union (IoU); matches are one to one. TP are matches, FP the predictions and FN the labelled nuclei left over.

* F1 = 2 TP / (2 TP + FP + FN), overall: over the nuclei of all images together.
* AP at t = TP / (TP + FP + FN) of one image; *mean AP* is the mean over t = 0.5, 0.55, … 0.95, and overall the mean
  over the images (as in the Data Science Bowl 2018). Two empty images agree: 1.
* Foreground Dice = 2 |A ∩ B| / (|A| + |B|) of the pixels that belong to any nucleus.
* A nucleus *lies in* another when at least half of its pixels do. *Split*: labelled nuclei in which two or more
  predictions lie. *Merged*: predictions in which two or more labelled nuclei lie. *Missed*: labelled nuclei in which
  nothing lies, which lie in nothing and match nothing; *extra*: the same of predictions.
* Count error of an image = predicted − labelled. Bias and MAE and RMSE are of that; the relative errors are over the
  images that have nuclei.
"""

import csv
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from app.errors import BadImageError, UsageError
from app.images import IMAGE_SUFFIXES, read_labels, split_name

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
F1_AT = (0.5, 0.75, 0.9)
_LATER = re.compile(r"(.+)_labels-\d+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ImageScores:
    """One image; see the top of the file for what the names mean.

    `true_positives` holds one number a threshold of `THRESHOLDS`; pixels are counted in `shared_px` (nucleus in both),
    `true_px` and `predicted_px`. With counts alone, without label images, everything but the counts is zero and
    `has_labels` is False.
    """

    image: str
    true: int
    predicted: int
    true_positives: tuple[int, ...] = (0,) * len(THRESHOLDS)
    shared_px: int = 0
    true_px: int = 0
    predicted_px: int = 0
    split: int = 0
    merged: int = 0
    missed: int = 0
    extra: int = 0
    has_labels: bool = True

    def f1(self, threshold: float) -> float:
        """Return F1 at one of `THRESHOLDS`."""
        return _f1(self.true_positives[THRESHOLDS.index(threshold)], self.true, self.predicted)

    @property
    def mean_ap(self) -> float:
        """Mean AP over `THRESHOLDS`."""
        if self.true + self.predicted == 0:
            return 1.0
        return float(np.mean([hits / (self.true + self.predicted - hits) for hits in self.true_positives]))

    @property
    def dice(self) -> float:
        """Foreground Dice."""
        return _dice(self.shared_px, self.true_px, self.predicted_px)

    @property
    def count_error(self) -> int:
        """Predicted − labelled."""
        return self.predicted - self.true


@dataclass(frozen=True, slots=True)
class Overall:
    """A folder; see the top of the file. Quality figures are NaN where only counts were compared."""

    images: int
    true: int
    predicted: int
    f1: dict[str, float]
    """By threshold, ``"0.5"``, ``"0.75"`` and ``"0.9"``."""
    mean_ap: float
    dice: float
    split: int
    merged: int
    missed: int
    extra: int
    count_bias: float
    """Mean error per image, nuclei."""
    count_bias_percent: float
    """Of all nuclei together."""
    count_mae: float
    count_rmse: float
    mean_abs_count_error_percent: float
    """Mean over the images of |predicted − labelled| / labelled."""


@dataclass(frozen=True, slots=True)
class Report:
    """Scores of a folder pair.

    Attributes
    ----------
    images : tuple of ImageScores
        In name order.
    overall : Overall
    missing : tuple of str
        Labelled images for which there is no prediction; they are not scored.
    others : tuple of str
        Predictions of the same images by later runs into the folder (``a_labels-2.tif``); they are not scored.
    """

    images: tuple[ImageScores, ...]
    overall: Overall
    missing: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain dicts, lists and numbers, ready for JSON (None for what is not known)."""
        return {
            "overall": _plain(asdict(self.overall)),
            "images": [_image_dict(scores) for scores in self.images],
            "missing": list(self.missing),
        }

    def summary(self) -> list[tuple[str, str]]:
        """Return the overall figures as (name, text), for a narrow screen; quality only where labels were compared."""
        total = self.overall
        lines = [
            ("images", str(total.images)),
            ("nuclei", f"{total.true} true, {total.predicted} predicted"),
            ("mean |count error|", f"{total.mean_abs_count_error_percent:.1f} % of an image's nuclei"),
            ("count bias", f"{total.count_bias_percent:+.1f} % of all nuclei, {total.count_bias:+.2f} an image"),
            ("count MAE, RMSE", f"{total.count_mae:.2f}, {total.count_rmse:.2f} nuclei an image"),
        ]
        if math.isfinite(total.mean_ap):
            lines += [(f"F1 at IoU {threshold}", f"{value:.3f}") for threshold, value in total.f1.items()]
            lines += [
                ("mean AP 0.5:0.05:0.95", f"{total.mean_ap:.3f}"),
                ("foreground Dice", f"{total.dice:.3f}"),
                ("split, merged", f"{total.split}, {total.merged}"),
                ("missed, extra", f"{total.missed}, {total.extra}"),
            ]
        return lines

    def as_table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """Return a header and rows of text: one an image, then the overall one."""
        header = (
            "image", "true", "predicted", "count error", "F1@0.5", "F1@0.75", "F1@0.9", "mean AP", "Dice",
            "split", "merged", "missed", "extra",
        )  # fmt: skip
        rows = [_row(scores.image, scores, [scores.f1(t) for t in F1_AT], _relative(scores)) for scores in self.images]
        total = self.overall
        error = f"{total.mean_abs_count_error_percent:.1f} % mean |error|, {total.count_bias_percent:+.1f} % bias"
        rows.append(_row(f"all {total.images}", total, list(total.f1.values()), error))
        return header, rows


def evaluate_pair(truth: NDArray[Any], predicted: NDArray[Any], image: str = "") -> ImageScores:
    """Compare two label images.

    Parameters
    ----------
    truth, predicted : ndarray of integers, shape (H, W)
        0 background; other numbers are nuclei, in any order and with gaps.
    image : str
        Name in the report.

    Raises
    ------
    UsageError
        The sizes differ.
    """
    if truth.shape != predicted.shape:
        raise UsageError(
            f"The label images of '{image}' differ in size ({truth.shape} and {predicted.shape}): fix them."
        )
    both = (truth > 0) & (predicted > 0)
    true_ids, true_areas = np.unique(truth[truth > 0], return_counts=True)
    predicted_ids, predicted_areas = np.unique(predicted[predicted > 0], return_counts=True)
    # Each pair of nuclei that share pixels once: the table stays as short as there are contacts.
    rows = np.searchsorted(true_ids, truth[both]).astype(np.int64)
    columns = np.searchsorted(predicted_ids, predicted[both]).astype(np.int64)
    pairs, shared = np.unique(rows * max(1, predicted_ids.size) + columns, return_counts=True)
    row, column = np.divmod(pairs, max(1, predicted_ids.size))
    iou = shared / (true_areas[row] + predicted_areas[column] - shared)
    shape = (true_ids.size, predicted_ids.size)
    hits = tuple(_matches(row[iou >= t], column[iou >= t], shape) for t in THRESHOLDS)
    matched_true = np.bincount(row[iou >= 0.5], minlength=shape[0]) > 0
    matched_predicted = np.bincount(column[iou >= 0.5], minlength=shape[1]) > 0
    predicted_lies = 2 * shared >= predicted_areas[column]
    true_lies = 2 * shared >= true_areas[row]
    held_by_true = np.bincount(row[predicted_lies], minlength=shape[0])
    held_by_predicted = np.bincount(column[true_lies], minlength=shape[1])
    true_in_any = np.bincount(row[true_lies], minlength=shape[0]) > 0
    predicted_in_any = np.bincount(column[predicted_lies], minlength=shape[1]) > 0
    return ImageScores(
        image,
        shape[0],
        shape[1],
        hits,
        int(shared.sum()),
        int(true_areas.sum()),
        int(predicted_areas.sum()),
        split=int((held_by_true > 1).sum()),
        merged=int((held_by_predicted > 1).sum()),
        missed=int((~(matched_true | true_in_any | (held_by_true > 0))).sum()),
        extra=int((~(matched_predicted | predicted_in_any | (held_by_predicted > 0))).sum()),
    )


def evaluate_folders(labels: Path, predictions: Path) -> Report:
    """Compare a folder of label images with predictions.

    Parameters
    ----------
    labels : Path
        Folder of true label images, PNG or TIFF.
    predictions : Path
        Folder of predicted ones, named ``<stem>_labels`` or ``<stem>``; or a table of counts (CSV with the columns
        ``image`` or ``name``, and ``count``), of which only the counts are compared.

    Raises
    ------
    BadImageError
        A folder or file cannot be read, or nothing in the two belongs together.
    UsageError
        Two images that belong together differ in size.
    """
    truths = _label_files(labels)
    others: tuple[str, ...] = ()
    if predictions.is_file():
        counts = _read_counts(predictions)
        pairs = [(stem, path, counts.get(stem)) for stem, path in truths.items()]
        scores = [
            ImageScores(stem, _count(read_labels(path)), count, has_labels=False)
            for stem, path, count in pairs
            if count is not None
        ]
    else:
        files = _label_files(predictions)
        found = [(stem, path, files.get(f"{stem}_labels", files.get(stem))) for stem, path in truths.items()]
        scores = [
            evaluate_pair(read_labels(path), read_labels(other), stem)
            for stem, path, other in found
            if other is not None
        ]
        later = ((path.name, _LATER.fullmatch(stem)) for stem, path in files.items() if stem not in truths)
        others = tuple(name for name, match in later if match is not None and match[1] in truths)
    if not scores:
        raise BadImageError(f"Nothing in {predictions} belongs to an image in {labels}: names must agree.")
    scored = {one.image for one in scores}
    return Report(tuple(scores), summarise(scores), tuple(stem for stem in truths if stem not in scored), others)


def summarise(scores: Sequence[ImageScores]) -> Overall:
    """Return the overall figures of at least one image."""
    true, predicted = sum(one.true for one in scores), sum(one.predicted for one in scores)
    labelled = all(one.has_labels for one in scores)
    errors = np.array([one.count_error for one in scores], float)
    relative = [abs(one.count_error) / one.true for one in scores if one.true]
    nan = math.nan
    return Overall(
        images=len(scores),
        true=true,
        predicted=predicted,
        f1={
            str(t): _f1(sum(one.true_positives[THRESHOLDS.index(t)] for one in scores), true, predicted)
            if labelled
            else nan
            for t in F1_AT
        },
        mean_ap=float(np.mean([one.mean_ap for one in scores])) if labelled else nan,
        dice=_dice(*(sum(getattr(one, name) for one in scores) for name in ("shared_px", "true_px", "predicted_px")))
        if labelled
        else nan,
        split=sum(one.split for one in scores),
        merged=sum(one.merged for one in scores),
        missed=sum(one.missed for one in scores),
        extra=sum(one.extra for one in scores),
        count_bias=float(errors.mean()),
        count_bias_percent=100 * (predicted - true) / true if true else nan,
        count_mae=float(np.abs(errors).mean()),
        count_rmse=float(np.sqrt((errors**2).mean())),
        mean_abs_count_error_percent=100 * float(np.mean(relative)) if relative else nan,
    )


def _matches(rows: NDArray[Any], columns: NDArray[Any], shape: tuple[int, int]) -> int:
    """Return how many pairs can be made one to one; above IoU 0.5 no two compete, at 0.5 sharp they may."""
    if not rows.size:
        return 0
    graph = csr_array((np.ones(rows.size, np.int8), (rows, columns)), shape=shape)
    return int((maximum_bipartite_matching(graph, perm_type="column") >= 0).sum())


def _f1(hits: int, true: int, predicted: int) -> float:
    return 2 * hits / (true + predicted) if true + predicted else 1.0


def _dice(shared: int, true: int, predicted: int) -> float:
    return 2 * shared / (true + predicted) if true + predicted else 1.0


def _count(labels: NDArray[np.int32]) -> int:
    return int(np.unique(labels[labels > 0]).size)


def _label_files(folder: Path) -> dict[str, Path]:
    try:
        named = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]
        # Hidden ones are a batch's that has not ended, or a Mac's on a shared disk.
        files = [path for path in named if not path.name.startswith(".") and path.is_file()]
    except OSError as error:
        raise BadImageError(f"The folder {folder} cannot be read ({error.strerror}): check the path.") from None
    if not files:
        raise BadImageError(f"There is no label image in {folder}: choose another folder.")
    return {split_name(path.name)[0]: path for path in files}


def _read_counts(path: Path) -> dict[str, int]:
    """Return the count by image stem; of a name that comes more than once the last row counts."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        key = "image" if rows and "image" in rows[0] else "name"
        return {split_name(Path(row[key]).name)[0]: int(row["count"]) for row in rows if row[key]}
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError):
        raise BadImageError(f"{path} is no table of counts with the columns image and count: choose another.") from None


def _relative(scores: ImageScores) -> str:
    return f"{scores.count_error:+d}"


def _row(name: str, scores: ImageScores | Overall, f1: list[float], count_error: str) -> tuple[str, ...]:
    quality = [*f1, scores.mean_ap, scores.dice]
    if isinstance(scores, ImageScores) and not scores.has_labels:
        quality = [math.nan] * len(quality)
    shown = all(math.isfinite(value) for value in quality)
    faults = (scores.split, scores.merged, scores.missed, scores.extra)
    return (
        name,
        str(scores.true),
        str(scores.predicted),
        count_error,
        *(f"{value:.3f}" if shown else "–" for value in quality),
        *(str(value) if shown else "–" for value in faults),
    )


def _image_dict(scores: ImageScores) -> dict[str, Any]:
    known = scores.has_labels
    return {
        "image": scores.image,
        "true": scores.true,
        "predicted": scores.predicted,
        "count_error": scores.count_error,
        "f1": {str(t): scores.f1(t) for t in F1_AT} if known else None,
        "mean_ap": scores.mean_ap if known else None,
        "dice": scores.dice if known else None,
        **{name: getattr(scores, name) if known else None for name in ("split", "merged", "missed", "extra")},
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
