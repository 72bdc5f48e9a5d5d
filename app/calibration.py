"""The scale, from an image of a stage micrometer. Pure.

Its lines repeat, so the image's spectrum has a comb, and the distance of the comb's teeth is known to a small part of a
pixel.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from app.errors import BadImageError, UsageError

LEAST_LINES = 4
"""Lines in view below which a period is a guess."""
LEAST_CONTRAST = 0.005
"""SD over the largest grey value."""
CLEAR_PEAK = 8.0
"""The comb's tooth over the median of the spectrum, at least."""
MEASURED_PIXELS = 1 << 22
"""Larger images are averaged 2×2 first: lines are many pixels apart in them."""
LARGEST_ERROR = 8.0
"""Percent between the halves of the image beyond which the lines are not regular."""


@dataclass(frozen=True, slots=True)
class MicrometerScale:
    """What an image of a stage micrometer says.

    Attributes
    ----------
    pixel_size_um : float
        µm per pixel.
    period_px : float
        Distance of two lines, across them.
    angle_deg : float
        Of the direction across the lines, from the x axis, −90…90.
    error_percent : float
        Between the halves of the image: what the scale is good for.
    """

    pixel_size_um: float
    period_px: float
    angle_deg: float
    error_percent: float


def scale_from_micrometer(pixels: NDArray[Any], division_um: float) -> MicrometerScale:
    """Measure µm per pixel on an image of a stage micrometer.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
        Parallel lines at one distance, dark on bright or bright on dark, at any angle.
    division_um : float
        Distance of two lines, e.g. 10.

    Raises
    ------
    UsageError
        `division_um` is no length.
    BadImageError
        No regular lines can be seen.
    """
    if not (math.isfinite(division_um) and division_um > 0):
        raise UsageError(f"The division of the micrometer is a length in µm above 0, not {division_um!r}.")
    if pixels.ndim != 2 or min(pixels.shape) < 64:
        raise BadImageError("The image of the micrometer is too small: take it with at least 64 pixels a side.")
    coarse = 1
    while pixels.size > MEASURED_PIXELS:
        pixels = np.asarray(cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
        coarse *= 2
    period, angle = _period(pixels)
    # Halves with other lines each: what only looks like lines does not repeat in both.
    half = pixels.shape[0] // 2 if abs(angle) > 45 else pixels.shape[1] // 2
    halves = (pixels[:half], pixels[half:]) if abs(angle) > 45 else (pixels[:, :half], pixels[:, half:])
    periods = [_period(part)[0] for part in halves]
    error = 100 * abs(periods[0] - periods[1]) / period
    if error > LARGEST_ERROR:
        raise BadImageError("The lines of the micrometer are not regular: focus on them and fill the view with them.")
    period *= coarse
    return MicrometerScale(division_um / period, period, angle, error)


def _period(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the distance of the lines in pixels and the angle across them in degrees."""
    image = pixels.astype(np.float32)
    image -= _shading(image)
    if float(image.std()) < LEAST_CONTRAST * max(float(pixels.max()), 1.0):
        raise BadImageError("No regular lines can be seen: focus on the micrometer and light it evenly.")
    window = cv2.createHanningWindow((image.shape[1], image.shape[0]), cv2.CV_32F)
    # Padded, so that a tooth is sampled finely enough to find its top between the samples.
    size = tuple(cv2.getOptimalDFTSize(2 * n) for n in image.shape)
    spectrum = np.abs(fft.rfft2(image * window, size))
    # Few periods in view are shading, not lines.
    fy, fx = np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None]
    frequency = np.hypot(fy, fx)
    few = frequency < LEAST_LINES / max(image.shape)
    slow = float(spectrum[few].max())
    spectrum[few] = 0
    strongest = float(spectrum.max())
    if slow > strongest > 0:
        # Lines too far apart would be measured by their overtones, and come out two or three times too close.
        raise BadImageError("Too few lines are in view, or the light is uneven: use a finer division.")
    typical = float(np.median(spectrum[spectrum > 0])) if strongest > 0 else 0.0
    if strongest <= CLEAR_PEAK * typical or typical == 0:
        raise BadImageError("No regular lines can be seen: focus on the micrometer and light it evenly.")
    y, x = _fundamental(spectrum, frequency, strongest)
    down, across = _top(spectrum, y, x)
    cycles_y, cycles_x = down / size[0], across / size[1]
    if cycles_y > 0.5:
        cycles_y -= 1
    return 1 / math.hypot(cycles_y, cycles_x), math.degrees(math.atan2(cycles_y, cycles_x))


def _shading(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `image` without all that is finer than an eighth of its longer side."""
    sigma = max(image.shape) / 8
    # Nothing so coarse needs every pixel: the same blur over whole frames takes seconds.
    step = max(1, int(sigma / 10))
    small = cv2.resize(image, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / step)
    return np.asarray(cv2.resize(blurred, image.shape[::-1], interpolation=cv2.INTER_LINEAR))


def _fundamental(spectrum: NDArray[Any], frequency: NDArray[Any], strongest: float) -> tuple[int, int]:
    """Return the tooth that the strongest one is a multiple of: thin lines can have overtones above the ground tone."""
    y, x = np.unravel_index(int(spectrum.argmax()), spectrum.shape)
    fy = y if y <= spectrum.shape[0] // 2 else y - spectrum.shape[0]
    for part in (4, 3, 2):
        at_y, at_x = round(fy / part), round(int(x) / part)
        rows = np.arange(at_y - 2, at_y + 3) % spectrum.shape[0]
        columns = np.arange(max(at_x - 2, 0), at_x + 3)
        near = spectrum[np.ix_(rows, columns)]
        if near.max() > 0.3 * strongest:
            row, column = np.unravel_index(int(near.argmax()), near.shape)
            return int(rows[row]), int(columns[column])
    return int(y), int(x)


def _top(spectrum: NDArray[Any], y: int, x: int) -> tuple[float, float]:
    """Return where the top of a tooth lies between the samples, by a parabola through the logarithms."""

    def between(before: float, at: float, after: float) -> float:
        a, b, c = (math.log(max(value, 1e-12)) for value in (before, at, after))
        bend = a - 2 * b + c
        return 0.0 if bend >= 0 else max(-0.5, min(0.5, 0.5 * (a - c) / bend))

    height, width = spectrum.shape
    down = between(spectrum[(y - 1) % height, x], spectrum[y, x], spectrum[(y + 1) % height, x])
    # The spectrum of a real image is mirrored at x = 0.
    left = spectrum[y, x - 1] if x > 0 else spectrum[-y % height, 1]
    across = between(left, spectrum[y, x], spectrum[y, min(x + 1, width - 1)])
    return y + down, x + across
