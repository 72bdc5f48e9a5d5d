"""Corrections by hand: edits as data, beside the model's answer and never over it. Pure.

The model's labels keep their numbers; whatever a hand made has a number above all of theirs. So the same labels and
the same edits give the same corrected labels, and undoing is leaving out the last edit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.frame import Frame, Segmentation, read_only
from app.inference.measure import density_per_mm2, measure
from app.inference.scale import seen_at
from app.recording.tables import BY_HAND

Kind = Literal["add", "remove", "split", "merge"]
Point = tuple[float, float]
"""(x, y) in full-resolution pixels of the frame."""
Zoom = tuple[float, float]
"""Frame pixels per label pixel, down and across; see `app.frame.Segmentation`."""

LEAST_PIXELS = 12
"""A nucleus of fewer label pixels is a slip of the hand."""
LEAST_PART = 0.05
"""And so is a smaller part of a nucleus."""
NECK = 0.85
"""Narrower than this part of its middle a nucleus has a neck."""
USUAL_DIAMETER_UM, USUAL_DIAMETER_PX = 14.0, 40.0
"""Of a nucleus, where the picture has none to go by."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One correction.

    Attributes
    ----------
    kind : str
        ``"add"``: `points` are the outline of a nucleus that was missed. ``"remove"``: one point in what is none.
        ``"split"``: the two ends of a line; the nucleus that lies under most of it becomes two along it.
        ``"merge"``: one point in each of two that are one.
    points : tuple of (float, float)
        (x, y) in full-resolution pixels of the frame.
    by : str
        Who; may be empty.
    unix_s : float
        When.
    """

    kind: Kind
    points: tuple[Point, ...]
    by: str = ""
    unix_s: float = 0.0


def corrected(labels: NDArray[np.int32], edits: Sequence[Edit], zoom: Zoom = (1.0, 1.0)) -> NDArray[np.int32]:
    """Return the labels after all `edits`.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        The model's; they are not changed.
    edits : sequence of Edit
        In the order they were made.
    zoom : (float, float)

    Returns
    -------
    ndarray of int32, shape (h, w)
        Untouched nuclei keep their numbers; others have numbers above ``labels.max()``.

    Raises
    ------
    UsageError
        An edit meets nothing that it could change: one sentence that says what to do.
    """
    now = labels.copy()
    top = int(labels.max(initial=0))
    for number, edit in enumerate(edits):
        # Two numbers an edit: a split makes two, and no number ever means two different things.
        apply_edit(now, edit, top + 1 + 2 * number, zoom)
    return now


def apply_edit(now: NDArray[np.int32], edit: Edit, fresh: int, zoom: Zoom) -> None:
    """Change `now`, shape (h, w), by one edit; new nuclei are `fresh` and ``fresh + 1``.

    Raises UsageError, and changes nothing, where the edit meets nothing.
    """
    points = [(x / zoom[1] - 0.5, y / zoom[0] - 0.5) for x, y in edit.points]
    if edit.kind == "add":
        _add(now, points, fresh)
    elif edit.kind == "remove":
        now[now == _label_at(now, points[0])] = 0
    elif edit.kind == "split":
        _split(now, points, fresh)
    else:
        _merge(now, points, fresh)


def _label_at(labels: NDArray[np.int32], point: Point) -> int:
    x, y = math.floor(point[0] + 0.5), math.floor(point[1] + 0.5)
    inside = 0 <= y < labels.shape[0] and 0 <= x < labels.shape[1]
    label = int(labels[y, x]) if inside else 0
    if label == 0:
        raise UsageError("There is no nucleus: click into an outlined one.")
    return label


def _add(now: NDArray[np.int32], points: Sequence[Point], fresh: int) -> None:
    if len(points) < 3:
        raise UsageError("An outline needs three corners: draw around the nucleus.")
    left, top, mask = _filled(points, now.shape)
    part = now[top : top + mask.shape[0], left : left + mask.shape[1]]
    free = mask & (part == 0)
    if int(free.sum()) < LEAST_PIXELS:
        taken = bool((mask & (part > 0)).any())
        raise UsageError(
            "There is a nucleus already: add where none is outlined."
            if taken
            else "That is too small for a nucleus: draw a larger outline within the picture."
        )
    part[free] = fresh


def _filled(points: Sequence[Point], shape: tuple[int, ...]) -> tuple[int, int, NDArray[np.bool_]]:
    """Return (left, top, mask) of the pixels inside an outline, cut to the picture."""
    corners = np.asarray(points, np.float64)
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 1, 0, (shape[1], shape[0]))
    high = np.clip(np.ceil(corners.max(axis=0)).astype(int) + 2, 0, (shape[1], shape[0]))
    mask = np.zeros((max(high[1] - low[1], 0), max(high[0] - low[0], 0)), np.uint8)
    if mask.size:
        # Sixteenths of a pixel, as OpenCV counts them; far outside its numbers would overflow.
        fine = np.rint(np.clip(corners - low, -1e4, 1e4) * 16).astype(np.int32)
        cv2.fillPoly(mask, [fine], 1, shift=4)
    return int(low[0]), int(low[1]), mask.astype(np.bool_)


def _split(now: NDArray[np.int32], points: Sequence[Point], fresh: int) -> None:
    if len(points) != 2:
        raise UsageError("A split needs a line: draw it across the nucleus.")
    (x0, y0), (x1, y1) = points
    steps = max(int(2 * math.hypot(x1 - x0, y1 - y0)), 1)
    along = np.linspace(0, 1, min(steps, 20_000) + 1)
    x, y = np.rint(x0 + along * (x1 - x0)).astype(int), np.rint(y0 + along * (y1 - y0)).astype(int)
    inside = (x >= 0) & (x < now.shape[1]) & (y >= 0) & (y < now.shape[0])
    met = now[y[inside], x[inside]]
    met = met[met > 0]
    if not len(met):
        raise UsageError("The line meets no nucleus: draw it across the one to split.")
    numbers, times = np.unique(met, return_counts=True)
    rows, columns = np.nonzero(now == numbers[np.argmax(times)])
    side = (columns - x0) * (y1 - y0) - (rows - y0) * (x1 - x0) > 0
    if min(int(side.sum()), len(side) - int(side.sum())) < max(LEAST_PIXELS, LEAST_PART * len(side)):
        raise UsageError("The line cuts off nothing that could be a nucleus: draw it through the middle.")
    now[rows, columns] = np.where(side, fresh, fresh + 1)


def _merge(now: NDArray[np.int32], points: Sequence[Point], fresh: int) -> None:
    if len(points) != 2:
        raise UsageError("A merge needs two nuclei: click one, then the other.")
    one, other = (_label_at(now, point) for point in points)
    if one == other:
        raise UsageError("That is the same nucleus twice: click the other one.")
    rows, columns = np.nonzero((now == one) | (now == other))
    top, left = int(rows.min()), int(columns.min())
    part = now[top : rows.max() + 1, left : columns.max() + 1]
    both = ((part == one) | (part == other)).astype(np.uint8)
    if cv2.connectedComponents(both, connectivity=8)[0] > 2:
        both = _bridged(both, (part == one), (part == other))
    part[(both > 0) & ((part == 0) | (part == one) | (part == other))] = fresh


def _bridged(both: NDArray[np.uint8], one: NDArray[np.bool_], other: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the two parts with the gap between them closed, unless it is too wide for one nucleus."""
    away = cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, 5)
    gap = float(away[other].min())
    if gap > 0.75 * math.sqrt(max(int(one.sum()), int(other.sum())) * 4 / math.pi):
        raise UsageError("These two lie too far apart to be one nucleus: choose neighbours.")
    width = 2 * math.ceil(gap) + 3
    padded = np.pad(both, width)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width)))
    return np.asarray(closed[width:-width, width:-width] | both, np.uint8)


# ---------------------------------------------------------------------- what a click means


def usual_diameter_px(segmentation: Segmentation) -> float:
    """Return how wide a nucleus of this picture is, in pixels of the frame."""
    areas = segmentation.nuclei["area_px"][~segmentation.nuclei["touches_edge"]]
    if len(areas):
        return float(2 * math.sqrt(float(np.median(areas)) / math.pi))
    size_um = segmentation.frame.pixel_size_um
    return USUAL_DIAMETER_UM / size_um if size_um else USUAL_DIAMETER_PX


def outline_at(frame: Frame, labels: NDArray[np.int32], zoom: Zoom, at: Point, diameter_px: float) -> tuple[Point, ...]:
    """Return an outline grown around a click: what is bright there and belongs to no nucleus yet.

    Parameters
    ----------
    frame : Frame
    labels : ndarray of int32, shape (h, w)
        What is taken already.
    zoom : (float, float)
    at : (float, float)
        (x, y) in pixels of the frame.
    diameter_px : float
        A usual nucleus; nothing grows beyond 1.6 times of it, and where nothing stands out it is a circle of this size.
    """
    reach = max(0.8 * diameter_px, 3.0)
    height, width = frame.shape
    x0, x1 = max(int(at[0] - reach), 0), min(int(at[0] + reach) + 1, width)
    y0, y1 = max(int(at[1] - reach), 0), min(int(at[1] + reach) + 1, height)
    circle = _circle(at, diameter_px / 2)
    if x1 - x0 < 3 or y1 - y0 < 3:
        return circle
    grey = cv2.GaussianBlur(frame.pixels[y0:y1, x0:x1].astype(np.float32), (0, 0), max(diameter_px / 20, 0.7))
    ys, xs = np.mgrid[y0:y1, x0:x1]
    rows = np.minimum((ys[:, 0] + 0.5) / zoom[0], labels.shape[0] - 1).astype(int)
    columns = np.minimum((xs[0] + 0.5) / zoom[1], labels.shape[1] - 1).astype(int)
    free = (labels[np.ix_(rows, columns)] == 0) & (np.hypot(ys - at[1], xs - at[0]) <= reach)
    near = free & (np.hypot(ys - at[1], xs - at[0]) <= max(0.12 * diameter_px, 1.0))
    if not near.any():
        return circle
    bright, dark = float(np.median(grey[near])), float(np.percentile(grey[free], 10))
    noise = float(np.median(np.abs(frame.pixels[y0:y1, x0:x1][free] - grey[free]))) * 1.4826
    if bright - dark < 3 * max(noise, 1.0):
        return circle
    found = (free & (grey > (bright + dark) / 2)).astype(np.uint8)
    _, parts = cv2.connectedComponents(found, connectivity=4)
    here = np.unique(parts[near & (found > 0)])
    if not len(here):
        return circle
    mask = np.isin(parts, here).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return circle
    longest = max(contours, key=cv2.contourArea)
    area = float(cv2.contourArea(longest))
    if not 0.1 <= area / (math.pi * diameter_px**2 / 4) <= 2.2:
        return circle
    away = np.hypot(longest[:, 0, 0] + x0 - at[0], longest[:, 0, 1] + y0 - at[1])
    if float(np.mean(away > reach - 2)) > 0.35:  # it ran out on all sides: that is the ground
        return circle
    smooth = cv2.approxPolyDP(longest, 0.6, True)[:, 0, :]
    return tuple((float(x) + x0 + 0.5, float(y) + y0 + 0.5) for x, y in smooth) if len(smooth) >= 3 else circle


def _circle(at: Point, radius: float) -> tuple[Point, ...]:
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return tuple((float(at[0] + radius * np.cos(a)), float(at[1] + radius * np.sin(a))) for a in turns)


def neck_at(labels: NDArray[np.int32], zoom: Zoom, at: Point) -> tuple[Point, Point]:
    """Return the line that splits the nucleus under a click at its narrowest place, across its longer axis.

    Raises UsageError where there is no nucleus.
    """
    label = _label_at(labels, (at[0] / zoom[1] - 0.5, at[1] / zoom[0] - 0.5))
    rows, columns = np.nonzero(labels == label)
    if len(rows) < 2 * LEAST_PIXELS:
        raise UsageError("This nucleus is too small to be split: remove it instead.")
    points = np.stack([(columns + 0.5) * zoom[1], (rows + 0.5) * zoom[0]], axis=1)
    middle = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - middle, full_matrices=False)
    along, across = (points - middle) @ axes[0], (points - middle) @ axes[1]
    step = max(zoom)
    places = np.arange(np.quantile(along, 0.25), np.quantile(along, 0.75) + step, step)
    widths = [np.ptp(across[near]) if (near := np.abs(along - p) <= step).any() else 0.0 for p in places]
    # A round nucleus has no neck: it is halved.
    best = places[int(np.argmin(widths))] if min(widths) < NECK * widths[int(np.argmin(np.abs(places)))] else 0.0
    center = middle + best * axes[0]
    half = (float(np.abs(across).max()) + 2 * step) * axes[1]
    return (float(center[0] - half[0]), float(center[1] - half[1])), (
        float(center[0] + half[0]),
        float(center[1] + half[1]),
    )


# ---------------------------------------------------------------------- measured


def by_hand(base: Segmentation, labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the numbers in the corrected `labels` that a hand made, in order."""
    numbers = np.unique(labels)
    return numbers[numbers > int(base.labels.max(initial=0))]


def corrected_segmentation(base: Segmentation, labels: NDArray[np.int32]) -> tuple[Segmentation, tuple[str, ...]]:
    """Return the corrected nuclei, measured, and the origin of each.

    Parameters
    ----------
    base : Segmentation
        The model's answer.
    labels : ndarray of int32, shape (h, w)
        From `corrected`.

    Returns
    -------
    Segmentation
        Numbered anew from 1; rows that no hand touched are the model's own. Without an interval: that is the model's.
    tuple of str
        ``"model"`` or ``"by hand"``, a row each.
    """
    numbers = np.unique(labels)
    numbers = numbers[numbers > 0]
    table = np.zeros(int(labels.max(initial=0)) + 1, np.int32)
    table[numbers] = np.arange(1, len(numbers) + 1)
    compact = table[labels]
    image = seen_at(base.frame, (labels.shape[0], labels.shape[1]))
    size_um = base.frame.pixel_size_um if base.scale_source == "estimated" else base.pixel_size_um
    scores = np.full(len(numbers), np.nan, np.float32)  # a hand gives none
    nuclei = measure(compact, scores, image, zoom=base.zoom, pixel_size_um=size_um, white=base.frame.white)
    kept = {int(row["label"]): row for row in base.nuclei}
    origins: list[str] = []
    for index, number in enumerate(numbers):
        untouched = kept.get(int(number))
        origins.append(BY_HAND if untouched is None else "model")
        if untouched is not None:
            nuclei[index] = untouched
            nuclei[index]["label"] = index + 1
    density = density_per_mm2(nuclei, base.frame.shape, size_um)
    return replace(
        base, labels=read_only(compact), nuclei=nuclei, density_per_mm2=density, interval=None, timings_ms={}
    ), tuple(origins)


def describe(edit: Edit) -> str:
    """Return what an edit does, in two words for the list of what can be undone."""
    return {"add": "add nucleus", "remove": "remove nucleus", "split": "split nucleus", "merge": "merge nuclei"}[
        edit.kind
    ]


def said(model: int, by_hand: int, edits: Sequence[Edit]) -> str:
    """Return both counts in a sentence, with who corrected."""
    who = ", ".join(sorted({edit.by for edit in edits if edit.by}))
    return f"{model} by the model, {by_hand} corrected by hand" + (f" ({who})" if who else "")
