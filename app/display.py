"""From a sensor frame to the 8-bit picture of the size that somebody looks at; pure functions.

Only the visible region is touched, and it is reduced before anything else is done to it, so that the cost follows the
window and not the sensor.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Frame
from app.shading import fine

HISTOGRAM_BINS = 256
_SAMPLE_STEP = 8
"""The histogram looks at one pixel in 64; a 3840×2160 frame still gives 130,000 samples."""


@dataclass(frozen=True, slots=True)
class View:
    """What the window shows: a region of the frame, and how many screen pixels it fills.

    Attributes
    ----------
    region : (int, int, int, int) or None
        (x, y, width, height) in frame pixels; None is the whole frame. Clipped to the frame.
    size : (int, int)
        (width, height) of the picture in screen pixels at most; the aspect ratio is kept, and nothing is enlarged.
    """

    region: tuple[int, int, int, int] | None = None
    size: tuple[int, int] = (1280, 720)


@dataclass(frozen=True, slots=True)
class Contrast:
    """Grey values shown as black and white; None leaves that end to the picture itself (auto-contrast)."""

    low: float | None = None
    high: float | None = None
    gamma: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What one frame looks like in one view.

    Attributes
    ----------
    frame : Frame
    pixels : ndarray of uint8, shape (h, w)
    region : (int, int, int, int)
        (x, y, width, height) of the frame that `pixels` covers.
    levels : (float, float)
        Grey values shown as black and white.
    histogram : ndarray of int64, shape (256,)
        Of a regular sample of the whole frame, over 0…white of the pixel format.
    saturated_fraction, dark_fraction : float
        Part of the sample at the format's white, and at 0.
    """

    frame: Frame
    pixels: NDArray[np.uint8]
    region: tuple[int, int, int, int]
    levels: tuple[float, float]
    histogram: NDArray[np.int64]
    saturated_fraction: float
    dark_fraction: float


def render(frame: Frame, view: View, contrast: Contrast) -> Picture:
    """Return `frame` as it looks in `view` under `contrast`."""
    region = _clip(view.region, frame.shape)
    x, y, width, height = region
    shown = frame.pixels[y : y + height, x : x + width]
    scale = min(view.size[0] / width, view.size[1] / height, 1.0)
    shading, steps = frame.shading, 1
    if scale < 1.0:
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        shown, steps = _reduced(shown, size, finely=shading is not None)
    sample = frame.pixels[::_SAMPLE_STEP, ::_SAMPLE_STEP]
    seen = sample
    if shading is not None:
        shown = shading.apply(shown, frame.white, region, steps=steps)
        seen = shading.apply(np.ascontiguousarray(sample), frame.white)
    histogram = _histogram(seen, frame.white)
    levels = _levels(histogram, frame.white, contrast)
    return Picture(
        frame=frame,
        pixels=_to_8bit(shown, frame.white, levels, contrast.gamma),
        region=region,
        levels=levels,
        histogram=histogram,
        saturated_fraction=float(np.count_nonzero(sample >= frame.white)) / sample.size,
        dark_fraction=float(np.count_nonzero(sample == 0)) / sample.size,
    )


def _reduced(pixels: NDArray[Any], size: tuple[int, int], *, finely: bool) -> tuple[NDArray[Any], int]:
    """Return `pixels` at the smaller `size` (width, height): halved by averaging, and interpolated the rest of the way.

    Averaging by 2×2 is what OpenCV does fast; by any other ratio it takes up to twenty times as long. The number is
    the steps a grey value, more than one where `finely` is asked for and the pixels have 8 bits.
    """
    width, height = size
    steps = 1
    while (
        pixels.shape[1] >= 2 * width and pixels.shape[0] >= 2 * height and not (pixels.shape[0] | pixels.shape[1]) & 1
    ):
        half = (pixels.shape[1] // 2, pixels.shape[0] // 2)
        pixels = cv2.resize(pixels, half, interpolation=cv2.INTER_AREA)
        if finely and steps == 1:  # the first average has noise enough to be rounded
            pixels, steps = fine(pixels)
    if finely and steps == 1:
        pixels, steps = fine(pixels)
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels, steps
    far = pixels.shape[1] >= 2 * width
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if far else cv2.INTER_LINEAR)), steps


def _clip(region: tuple[int, int, int, int] | None, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    height, width = shape
    if region is None:
        return 0, 0, width, height
    x = min(max(region[0], 0), width - 1)
    y = min(max(region[1], 0), height - 1)
    return x, y, min(max(region[2], 1), width - x), min(max(region[3], 1), height - y)


def _histogram(sample: NDArray[Any], white: int) -> NDArray[np.int64]:
    # 8-bit values are their own bins; deeper ones share 2^(bits-8) values a bin.
    shift = max(white.bit_length() - 8, 0)
    binned = (sample >> shift).astype(np.uint8) if shift else sample
    return np.bincount(np.ascontiguousarray(binned).ravel(), minlength=HISTOGRAM_BINS)[:HISTOGRAM_BINS]


def _levels(histogram: NDArray[np.int64], white: int, contrast: Contrast) -> tuple[float, float]:
    """Take the 0.1 and 99.9 percentiles where the contrast leaves an end open."""
    step = (white + 1) / HISTOGRAM_BINS
    low, high = contrast.low, contrast.high
    if low is None or high is None:
        cumulative = np.cumsum(histogram)
        total = cumulative[-1]
        low = float(np.searchsorted(cumulative, total * 0.001)) * step if low is None else low
        high = float(np.searchsorted(cumulative, total * 0.999) + 1) * step if high is None else high
        # Never stretch pure noise over the whole screen: an empty field has to look empty.
        high = max(high, low + 8 * step)
    return low, max(high, low + 1)


def _to_8bit(pixels: NDArray[Any], white: int, levels: tuple[float, float], gamma: float) -> NDArray[np.uint8]:
    """Look every grey value up: one pass, whatever the gamma, and nothing folds at the ends."""
    low, high = levels
    ramp = np.clip((np.arange(white + 1, dtype=np.float32) - low) / (high - low), 0, 1)
    table = np.rint(255 * ramp**gamma).astype(np.uint8)
    if pixels.dtype == np.uint8:
        return np.asarray(cv2.LUT(np.ascontiguousarray(pixels), table))
    return np.take(table, pixels, mode="clip")
