"""Labels into a smooth, see-through picture of the view's size; pure numpy and OpenCV, run off the GUI thread.

The network works at its own, coarser scale. Drawing its labels pixel by pixel would show stairs, so the outline is
taken from the *blurred and enlarged* foreground: where it crosses one half is the edge, and its slope gives the
distance to it, hence an anti-aliased line. Lines between touching nuclei come from the labels themselves.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Segmentation

Rgb = tuple[int, int, int]

FILL_PART = 0.16
"""The fill's opacity as a part of the outline's: the texture of the chromatin must stay to be seen."""

AMBER: Rgb = (255, 188, 32)
"""Kept apart from grey, and from red and blue marks, by people with any colour vision."""

MARKED: Rgb = (20, 250, 240)
"""Of nuclei that only one of two models found: cyan is told from amber, and from the marks, with any colour vision."""

# Ten steps of "cividis", which reads the same with and without red-green vision; its darkest end is left out
# because it would vanish on a dark field.
_RAMP = np.array(
    [
        (61, 90, 160), (75, 105, 150), (95, 120, 145), (115, 135, 140), (135, 150, 138),
        (158, 166, 130), (182, 183, 120), (207, 201, 105), (232, 219, 84), (255, 238, 60),
    ],
    np.uint8,
)  # fmt: skip


class ColorBy(StrEnum):
    """What the colour of a nucleus says."""

    NOTHING = "one colour"
    AREA = "area"
    INTENSITY = "intensity"
    SCORE = "confidence"


def color_by_of(text: str) -> ColorBy:
    """Return what a remembered text means; what means nothing is one colour for all."""
    return next((item for item in ColorBy if item.value == text), ColorBy.NOTHING)


@dataclass(frozen=True, slots=True)
class OverlayStyle:
    """How found nuclei are drawn.

    Attributes
    ----------
    shown : bool
    contour, fill : bool
    opacity : float
        0…1, of the contour; the fill has a sixth of it.
    line_px : float
        Width of the contour in screen pixels.
    color_by : ColorBy
    ids : bool
        Numbers beside the nuclei (drawn by the viewer).
    color : Rgb
        Of all nuclei, where the colour says nothing.
    marked : Rgb
        Of those that only one of two models found.
    """

    shown: bool = True
    contour: bool = True
    fill: bool = True
    opacity: float = 0.9
    line_px: float = 1.6
    color_by: ColorBy = ColorBy.NOTHING
    ids: bool = False
    color: Rgb = AMBER
    marked: Rgb = MARKED

    def with_(self, **changes: object) -> "OverlayStyle":
        """Return a copy with some values changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


def paint_overlay(
    segmentation: Segmentation,
    region: tuple[int, int, int, int],
    size: tuple[int, int],
    style: OverlayStyle,
    marked: NDArray[np.int32] | None = None,
) -> NDArray[np.uint32] | None:
    """Return the overlay of a region of the frame at screen size.

    Parameters
    ----------
    segmentation : Segmentation
    region : (int, int, int, int)
        (x, y, width, height) in frame pixels.
    size : (int, int)
        (width, height) of the result in screen pixels.
    style : OverlayStyle
    marked : ndarray of int32, optional
        Labels drawn in the style's `marked`; all others have the one colour then, whatever the style colours nuclei by.

    Returns
    -------
    ndarray of uint32, shape (height, width), or None
        Premultiplied ARGB as QImage wants it; None where there is nothing to draw.
    """
    if not style.shown or not (style.contour or style.fill) or segmentation.count == 0:
        return None
    labels, zoom = segmentation.labels, segmentation.zoom
    # Finer labels than the screen shows would only make the lines ragged.
    step = int(min(region[2] / size[0] / zoom[1], region[3] / size[1] / zoom[0]))
    if step > 1:
        labels, zoom = labels[step // 2 :: step, step // 2 :: step], (zoom[0] * step, zoom[1] * step)
    matrix = _sampling(zoom, region, size)
    foreground = cv2.GaussianBlur(cv2.compare(labels, 0, cv2.CMP_GT), (3, 3), 0.7)
    edge = cv2.warpAffine(foreground, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    # Screen pixels per label pixel: how far apart the 0 and 255 ends of an edge's ramp lie, roughly.
    ramp_px = max(size[0] / max(region[2] / zoom[1], 1e-6), 1.0) * 1.6
    between = _borders_between(labels)
    alpha_of = _alpha_table(style, ramp_px)
    if between.any():
        lines = cv2.warpAffine(between, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        alpha = cv2.max(cv2.LUT(edge, alpha_of), cv2.multiply(lines, style.opacity * float(style.contour)))
    else:
        alpha = cv2.LUT(edge, alpha_of)
    return _premultiplied(alpha, _colors(segmentation, labels, matrix, size, style, marked))


class OverlayPainter:
    """Paints overlays, the last one again only when something about it changed: pictures come faster than counts."""

    def __init__(self) -> None:
        self._of: tuple[Segmentation, NDArray[np.int32] | None] | None = None
        self._how: tuple[object, ...] = ()
        self._kept: NDArray[np.uint32] | None = None

    def paint(
        self,
        segmentation: Segmentation,
        region: tuple[int, int, int, int],
        size: tuple[int, int],
        style: OverlayStyle,
        marked: NDArray[np.int32] | None = None,
    ) -> NDArray[np.uint32] | None:
        """Return `paint_overlay` of the same; the array is not to be changed."""
        of, how = (segmentation, marked), (region, size, style)
        if self._of is None or self._how != how or self._of[0] is not segmentation or self._of[1] is not marked:
            self._kept = paint_overlay(segmentation, region, size, style, marked)
            self._of, self._how = of, how
        return self._kept


def _sampling(
    zoom: tuple[float, float], region: tuple[int, int, int, int], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the 2×3 matrix from screen pixel centres to label pixel centres (for WARP_INVERSE_MAP)."""
    x, y, width, height = region
    sx, sy = width / size[0] / zoom[1], height / size[1] / zoom[0]
    return np.array([[sx, 0, (x / zoom[1]) + sx / 2 - 0.5], [0, sy, (y / zoom[0]) + sy / 2 - 0.5]], np.float64)


def _borders_between(labels: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return 255 where two different nuclei touch."""
    out = np.zeros(labels.shape, np.uint8)
    inside = cv2.compare(labels, 0, cv2.CMP_GT)
    for first, second in (
        (np.s_[:, :-1], np.s_[:, 1:]),
        (np.s_[:-1], np.s_[1:]),
    ):
        border = cv2.bitwise_and(cv2.compare(labels[first], labels[second], cv2.CMP_NE), inside[first])
        cv2.bitwise_or(out[first], cv2.bitwise_and(border, inside[second]), dst=out[first])
    return out


def _alpha_table(style: OverlayStyle, ramp_px: float) -> NDArray[np.uint8]:
    """Return the opacity for each of the 256 heights of the foreground's ramp."""
    height = np.arange(256, dtype=np.float32) / 255
    distance = (height - 0.5) * ramp_px
    fill = np.clip(distance + 0.5, 0, 1) * (FILL_PART * style.opacity if style.fill else 0.0)
    line = np.clip(style.line_px / 2 + 0.5 - np.abs(distance), 0, 1) * (style.opacity if style.contour else 0.0)
    # Flat ground is no edge, however gentle the ramp.
    line[[0, 255]] = 0.0
    fill[0] = 0.0
    return np.asarray(np.rint(255 * np.maximum(fill, line)), np.uint8)


def _colors(
    segmentation: Segmentation,
    labels: NDArray[np.int32],
    matrix: NDArray[np.float64],
    size: tuple[int, int],
    style: OverlayStyle,
    marked: NDArray[np.int32] | None,
) -> Rgb | NDArray[np.uint8]:
    """Return one colour, or one per screen pixel, (h, w, 3) RGB."""
    if (marked is None and style.color_by is ColorBy.NOTHING) or (marked is not None and not len(marked)):
        return style.color
    table = np.zeros((int(segmentation.nuclei["label"].max()) + 1, 3), np.uint8)
    if marked is None:
        table[segmentation.nuclei["label"]] = ramp_colors(values_of(segmentation, style.color_by))
    else:
        table[:] = style.color
        table[marked] = style.marked
    grown = cv2.dilate(labels.astype(np.float32), np.ones((3, 3), np.uint8)).astype(np.int32)
    picked = table[np.where(labels > 0, labels, grown)]
    return np.asarray(cv2.warpAffine(picked, matrix, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP))


def values_of(segmentation: Segmentation, color_by: ColorBy) -> NDArray[np.float32]:
    """Return, per nucleus, the quantity that colours it."""
    nuclei = segmentation.nuclei
    pick: dict[ColorBy, Callable[[], NDArray[np.float32]]] = {
        ColorBy.AREA: lambda: np.asarray(nuclei["area_px"]),
        ColorBy.INTENSITY: lambda: np.asarray(nuclei["mean_intensity"]),
        ColorBy.SCORE: lambda: np.asarray(nuclei["score"]),
    }
    return pick[color_by]() if color_by in pick else np.zeros(len(nuclei), np.float32)


def ramp_limits(values: NDArray[np.float32]) -> tuple[float, float]:
    """Return the values at the blue and at the yellow end: the 2nd and the 98th percentile."""
    low, high = np.percentile(values, (2, 98))
    return float(low), float(high)


def ramp_steps() -> list[Rgb]:
    """Return the colours of the ramp, low to high."""
    return [(int(r), int(g), int(b)) for r, g, b in _RAMP]


def ramp_colors(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (N, 3) RGB: low values blue, high yellow, spread over the 2nd to 98th percentile."""
    if values.size == 0:
        return np.zeros((0, 3), np.uint8)
    low, high = ramp_limits(values)
    place = np.clip((values - low) / max(float(high - low), 1e-9), 0, 1) * (len(_RAMP) - 1)
    return np.asarray(_RAMP[np.rint(place).astype(int)])


def _premultiplied(alpha: NDArray[np.uint8], color: Rgb | NDArray[np.uint8]) -> NDArray[np.uint32]:
    height, width = alpha.shape
    if isinstance(color, tuple):
        steps = np.arange(256, dtype=np.float32) / 255
        planes = [np.rint(part * steps).astype(np.uint8) for part in (*reversed(color), 255)]
        # OpenCV looks up in 32 bits as such, not as four bytes, where the table is one of whole numbers.
        table = np.stack(planes, axis=-1).view(np.int32).ravel()
        return np.asarray(cv2.LUT(alpha, table)).view(np.uint32)
    out = np.empty((height, width), np.uint32)
    parts = [cv2.multiply(np.ascontiguousarray(color[..., i]), alpha, scale=1 / 255) for i in (2, 1, 0)]
    cv2.merge([*parts, alpha], out.view(np.uint8).reshape(height, width, 4))
    return out
