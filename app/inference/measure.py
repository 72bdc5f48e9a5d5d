"""Labels to numbers: one row a nucleus, the density, and what speaks against using them.

All of it works on whole arrays: each pixel of a nucleus is visited a fixed number of times, whatever their count.
"""

import math
from collections.abc import Iterator
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import NUCLEUS_DTYPE, UNKNOWN_LIGHT, Frame, Segmentation
from app.inference.preprocess import in_order, noise_sd
from app.inference.runs import BAND_PIXELS, Runs, runs_of

SATURATED_NUCLEUS = 0.02
"""A nucleus is saturated when more of its pixels than this are white."""
SATURATED_NUCLEI, SATURATED_FIELD = 0.2, 0.02
"""A field is, when more of its nuclei, or of all its pixels, are."""
WHITE = 0.995
"""What counts as white, of full scale: averaging at the model's scale takes a little off single pixels."""
DIM_CONTRAST = 5.0
"""Least median contrast of the nuclei, in SDs of the pixel noise at the model's scale."""
CROWDED_COVER = 0.6
"""Most of the field that nuclei may cover."""
BLURRED_EDGE = 0.145
"""Least median steepness of the outlines: the step per pixel over the nucleus' contrast, times its diameter/20 px."""

OUTLINE_PIXELS, OUTLINE_ROWS = 1 << 19, 64
"""Of larger images the focus is judged by the outlines in every other band of so many rows, every third, and so on."""
SAMPLE_PIXELS, NOISE_PIXELS = 1 << 15, 1 << 16
"""Medians of background and noise are taken from about so many pixels."""

MOMENT = "unix_time_s"
"""Column of the counts of a run: by it and the number of the frame they are known to be of a recording."""
COUNT_COLUMNS = (
    "count",
    "density_per_mm2",
    "pixel_size_um",
    "scale_source",
    "flags",
    "interval_low",
    "interval_high",
)
"""Header of a table of counts; see `count_row`."""


def measure(
    labels: NDArray[np.int32],
    scores: NDArray[np.float32],
    image: NDArray[Any],
    *,
    zoom: tuple[float, float] = (1.0, 1.0),
    pixel_size_um: float | None = None,
    white: int = 255,
    runs: Runs | None = None,
    total: NDArray[np.float64] | None = None,
) -> NDArray[Any]:
    """Measure every nucleus.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
        0 background, 1…N without gaps.
    scores : ndarray of float32, shape (N,)
    image : ndarray of uint8 or uint16, shape (h, w)
        Grey values in the frame's own units.
    zoom : (float, float)
        Full-resolution pixels per pixel of `labels`, down and across; lengths and areas are given in the former.
    pixel_size_um : float or None
        µm per full-resolution pixel.
    white : int
        The largest grey value.
    runs : Runs, optional
        Of `labels`, where they are at hand.
    total : ndarray of float64, shape (N,), optional
        The grey values of each nucleus summed, where they are at hand.

    Returns
    -------
    structured ndarray of `NUCLEUS_DTYPE`, shape (N,)
        A label without a pixel has area 0 and NaN for what an area is needed for.
    """
    count = len(scores)
    table = np.zeros(count, NUCLEUS_DTYPE)
    table["label"] = np.arange(1, count + 1)
    table["score"] = scores
    if count == 0:
        return table
    runs = runs or runs_of(labels)
    total = runs.sums(image, count) if total is None else total
    moments = _moments(runs, image, count, white * WHITE)
    area, white_pixels = moments[:2]
    with np.errstate(invalid="ignore", divide="ignore"):
        y, x = moments[2] / area, moments[3] / area
        table["y_px"], table["x_px"] = (y + 0.5) * zoom[0] - 0.5, (x + 0.5) * zoom[1] - 0.5
        table["mean_intensity"] = total / area
        table["eccentricity"] = _eccentricity(moments, y, x, zoom)
        table["saturated"] = white_pixels > SATURATED_NUCLEUS * area
    table["area_px"] = area * (zoom[0] * zoom[1])
    table["area_um2"] = np.nan if pixel_size_um is None else table["area_px"] * pixel_size_um**2
    first, last = _present(labels[0], labels[:, 0], count), _present(labels[-1], labels[:, -1], count)
    table["touches_edge"] = first | last
    table["counted"] = ~first
    return table


def _bands(shape: tuple[int, ...], margin: int, part: int) -> Iterator[tuple[int, int, slice]]:
    """Yield (top, bottom, rows with a margin) of every `part`-th band of an image.

    There is one band for all but large images; where bands are left out they are narrow, to be spread over the image.
    """
    step = max(1, BAND_PIXELS // shape[1])
    if part > 1:
        step = min(step, OUTLINE_ROWS)
    for top in range(0, shape[0], step * part):
        bottom = min(top + step, shape[0])
        yield top, bottom, slice(max(0, top - margin), min(shape[0], bottom + margin))


def _sums(ids: NDArray[np.int32], count: int, weights: NDArray[Any] | None) -> NDArray[Any]:
    return np.bincount(ids, weights=weights, minlength=count + 1)[1:]


def _moments(runs: Runs, image: NDArray[Any], count: int, white: float) -> NDArray[np.float64]:
    """Return per nucleus, shape (7, count): pixels, white pixels, and the sums of y, x, yy, xx and xy.

    In 64 bits the squares of coordinates leave nine digits for the second moments of the smallest nucleus.
    """
    sums = np.zeros((7, count))
    some_white = bool(image.max() >= white)
    for band in runs.bands():
        length, y = band.length.astype(np.float64), band.row.astype(np.float64)
        middle = band.column + (length - 1) / 2
        y_total, x_total = length * y, length * middle
        xx_total = x_total * middle + length * (length * length - 1) / 12
        values = [length, None, y_total, x_total, y_total * y, xx_total, x_total * y]
        if some_white:
            values[1] = band.totals(image >= white)
        for total, value in zip(sums, values, strict=True):
            if value is not None:
                total += band.add_up(value, count)
    return sums


def _eccentricity(
    moments: NDArray[np.float64], y: NDArray[Any], x: NDArray[Any], zoom: tuple[float, float]
) -> NDArray[Any]:
    """Return the eccentricity of the ellipses with the same second moments about the centroids (y, x)."""
    area = moments[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        yy = np.maximum(moments[4] / area - y * y, 0) * zoom[0] ** 2
        xx = np.maximum(moments[5] / area - x * x, 0) * zoom[1] ** 2
        xy = (moments[6] / area - y * x) * (zoom[0] * zoom[1])
        middle, spread = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
        # A single pixel has no extent but what rounding leaves of it.
        extended = middle > 1e-6 * zoom[0] * zoom[1]
        eccentricity = np.sqrt(np.clip(1 - (middle - spread) / (middle + spread), 0, 1))
    return np.where(extended, eccentricity, np.where(area > 0, 0.0, np.nan))


def _present(row: NDArray[np.int32], column: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    seen = np.zeros(count + 1, np.bool_)
    seen[row] = True
    seen[column] = True
    return seen[1:]


def density_per_mm2(nuclei: NDArray[Any], shape: tuple[int, int], pixel_size_um: float | None) -> float | None:
    """Return nuclei per mm² by the unbiased edge rule: those touching the top or left border do not count.

    Parameters
    ----------
    nuclei : structured ndarray of `NUCLEUS_DTYPE`
    shape : (H, W)
        Of the frame, full-resolution pixels.
    pixel_size_um : float or None
        µm per full-resolution pixel; None gives None.
    """
    if pixel_size_um is None:
        return None
    return float(np.count_nonzero(nuclei["counted"]) / (shape[0] * shape[1] * pixel_size_um**2) * 1e6)


def light_flag(frame: Frame) -> tuple[str, ...]:
    """Return ``("light not confirmed",)`` for a frame whose light was not; a file that says nothing of light passes."""
    # Of a live frame, which has no name, it is known that there was no light source.
    nothing_known = not frame.light.watched and (bool(frame.name) or frame.light != UNKNOWN_LIGHT)
    return () if frame.light.confirmed or nothing_known else ("light not confirmed",)


def outline_steepness(
    labels: NDArray[np.int32],
    count: int,
    image: NDArray[Any],
    background: float,
    runs: Runs | None = None,
    total: NDArray[np.float64] | None = None,
    *,
    sampled: bool = False,
) -> NDArray[np.float64]:
    """Return `edge_steepness` of each of `count` nuclei, shape (count,).

    One below `BLURRED_EDGE` is out of focus. With `sampled`, large fields are judged by some of their rows: NaN for
    nuclei that have no outline there.
    """
    part = 1 + labels.size // OUTLINE_PIXELS if sampled else 1
    return edge_steepness(labels, count, image, background, runs, total, part=part)


def background_level(labels: NDArray[np.int32], image: NDArray[Any]) -> float:
    """Return the median grey level of `image`, shape (h, w), where there are no `labels`; 0 where they are all over."""
    stride = 1 + int((labels.size / SAMPLE_PIXELS) ** 0.5)
    sample = image[::stride, ::stride][labels[::stride, ::stride] == 0]
    if not sample.size:
        return 0.0
    if sample.dtype.kind != "u":
        return float(np.median(sample))
    return float(in_order(sample, [(sample.size - 1) // 2, sample.size // 2]).mean())


def quality_flags(
    labels: NDArray[np.int32],
    nuclei: NDArray[Any],
    image: NDArray[Any],
    background: float,
    white: int,
    steepness: NDArray[np.float64],
) -> tuple[str, ...]:
    """Return what in the image speaks against its count.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    nuclei : structured ndarray of `NUCLEUS_DTYPE`, shape (N,)
    image : ndarray of uint8 or uint16, shape (h, w)
        At the scale of `labels`.
    background : float
        Its `background_level`.
    white : int
        The largest grey value.
    steepness : ndarray of float64, shape (N,)
        From `outline_steepness`.

    Returns
    -------
    tuple of str
        Some of ``"too dim"``, ``"saturated"``, ``"out of focus"``, ``"too crowded"``. A field without any nucleus is
        ``"too dim"`` unless it is saturated: nothing in it proves that there was light and focus to see one.
    """
    flags = []
    saturated_field = np.count_nonzero(image >= math.ceil(white * WHITE)) / image.size
    nuclei_saturated = float(nuclei["saturated"].mean()) if len(nuclei) else 0.0
    saturated = saturated_field > SATURATED_FIELD or nuclei_saturated > SATURATED_NUCLEI
    if not len(nuclei):
        return ("saturated",) if saturated else ("too dim",)
    contrast = nuclei["mean_intensity"] - background
    if _median(contrast) < DIM_CONTRAST * max(noise_sd(image[:: 1 + image.size // NOISE_PIXELS]), 0.3):
        flags.append("too dim")
    if saturated:
        flags.append("saturated")
    if _median(steepness) < BLURRED_EDGE:
        flags.append("out of focus")
    if cv2.countNonZero(labels) / labels.size > CROWDED_COVER:
        flags.append("too crowded")
    return tuple(flags)


def _median(values: NDArray[np.float64]) -> float:
    """Return the median of what is a number; NaN where nothing is."""
    numbers = values[~np.isnan(values)]
    return float(np.median(numbers)) if numbers.size else math.nan


def edge_steepness(
    labels: NDArray[np.int32],
    count: int,
    image: NDArray[Any],
    background: float,
    runs: Runs | None = None,
    total: NDArray[np.float64] | None = None,
    *,
    part: int = 1,
) -> NDArray[np.float64]:
    """Return how steep each nucleus' outline is: 1 would be a step within one pixel of a nucleus 20 pixels across.

    The mean slope across the outline over the nucleus' contrast, times its diameter / 20 px, so that a scaled image
    gives the same. Only outlines towards the background count.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    count : int
        The largest label.
    image : ndarray of uint8 or uint16, shape (h, w)
    background : float
        Its grey level.
    runs : Runs, optional
        Of `labels`, where they are at hand.
    total : ndarray of float64, shape (count,), optional
        The grey values of each nucleus summed, where they are at hand.
    part : int
        Look at the outlines in every `part`-th band of rows.

    Returns
    -------
    ndarray of float64, shape (count,)
        NaN where there is no outline or no contrast to judge by.
    """
    length, steps = np.zeros(count), np.zeros(count)
    for top, bottom, rows in _bands(labels.shape, 1, part):
        band, grey = labels[rows], np.ascontiguousarray(image[rows])
        if grey.dtype == np.uint8:
            # 8 bits give slopes in 16, eight times as fast as floating point.
            slopes = cv2.spatialGradient(grey, ksize=3)
        else:
            slopes = (cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3), cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3))
        across, down = (np.ravel(slope) for slope in slopes)
        free = (band == 0).view(np.uint8)
        inner = slice(top - rows.start, bottom - rows.start)
        rim = np.flatnonzero(cv2.dilate(free, np.ones((3, 3), np.uint8))[inner] > free[inner])
        rim += inner.start * band.shape[1]
        ids = band.ravel()[rim]
        length += _sums(ids, count, None)
        # Their length is wanted on the outlines only.
        steps += _sums(ids, count, np.hypot(across[rim], down[rim], dtype=np.float32) / 8)
    runs = runs or runs_of(labels)
    area = runs.areas(count)
    total = runs.sums(image, count) if total is None else total
    with np.errstate(invalid="ignore", divide="ignore"):
        contrast = total / area - background
        steepness = steps / length / contrast * np.sqrt(area * (4 / np.pi)) / 20
    return np.where((length > 0) & (contrast > 0), steepness, np.nan)


def local_contrast(labels: NDArray[np.int32], count: int, image: NDArray[Any], reach: int = 4) -> NDArray[np.float64]:
    """Return how much brighter each nucleus is than what surrounds it within `reach` pixels, in grey levels.

    Returns
    -------
    ndarray of float64, shape (count,)
        NaN where nothing but other nuclei surrounds it.
    """
    # float32 holds whole numbers up to 2^24 exactly, and is what cv2 dilates.
    around = cv2.dilate(labels.astype(np.float32), np.ones((2 * reach + 1,) * 2, np.uint8)).astype(np.int32)
    around[labels > 0] = 0
    with np.errstate(invalid="ignore", divide="ignore"):
        inner = _sums(labels.ravel(), count, image.ravel()) / _sums(labels.ravel(), count, None)
        outer = _sums(around.ravel(), count, image.ravel()) / _sums(around.ravel(), count, None)
    return np.asarray(inner - outer, np.float64)


def moment_text(frame: Frame) -> str:
    """Return the end of the exposure for the column `MOMENT`, empty where it is not known."""
    return f"{frame.unix_time_s:.6f}" if frame.unix_time_s else ""


class _Count(Protocol):
    """What a row of a table of counts is made from; see `app.frame.Segmentation`, which is one."""

    @property
    def count(self) -> int: ...
    @property
    def interval(self) -> tuple[int, int] | None: ...
    @property
    def density_per_mm2(self) -> float | None: ...
    @property
    def pixel_size_um(self) -> float | None: ...
    @property
    def scale_source(self) -> str: ...
    @property
    def flags(self) -> tuple[str, ...]: ...


def count_row(found: _Count) -> list[str]:
    """Return a frame's count as text, in the order of `COUNT_COLUMNS`; flags are joined by ``"; "``."""
    low, high = found.interval or ("", "")
    return [
        str(found.count),
        _number(found.density_per_mm2, 2),
        _number(found.pixel_size_um, 5),
        found.scale_source,
        "; ".join(found.flags),
        str(low),
        str(high),
    ]


def known_pixel_size_um(segmentation: Segmentation) -> float | None:
    """Return µm per pixel where it was given or the frame says so; an estimate by nucleus size is none."""
    return segmentation.frame.pixel_size_um if segmentation.scale_source == "estimated" else segmentation.pixel_size_um


def _number(value: float | None, digits: int) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
