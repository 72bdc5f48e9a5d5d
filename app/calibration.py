"""What turns grey values and pixels into measures: the scale, the dark signal and the flat field. Pure, and its file.

The scale comes from an image of a stage micrometer: its lines repeat, so the image's spectrum has a comb, and the
distance of the comb's teeth is known to a small part of a pixel. Flat field and dark signal are means of many frames;
a corrected image is ``(image − dark) × gain`` with the gain's mean 1, so that grey values keep their meaning.
"""

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import BadImageError, UsageError
from app.frame import BITS
from app.recording.files import whole_file

LEAST_LINES = 4
"""Lines in view below which a period is a guess."""
LEAST_CONTRAST = 0.005
"""SD over the largest grey value."""
CLEAR_PEAK = 8.0
"""The comb's tooth over the median of the spectrum, at least."""
LARGEST_ERROR = 8.0
"""Percent between the halves of the image beyond which the lines are not regular."""
FLAT_RANGE = (0.25, 4.0)
"""A pixel that needs a gain beyond this is dead, hot or dirt, and is left as it is."""
LEAST_LIGHT = 0.02
"""Of full scale: a flat field darker than this above the dark signal says nothing."""

_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, SyntaxError, AttributeError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
)
"""What reading a damaged archive of arrays can end in."""


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
    period, angle = _period(pixels)
    # Halves with other lines each: what only looks like lines does not repeat in both.
    half = pixels.shape[0] // 2 if abs(angle) > 45 else pixels.shape[1] // 2
    halves = (pixels[:half], pixels[half:]) if abs(angle) > 45 else (pixels[:, :half], pixels[:, half:])
    periods = [_period(part)[0] for part in halves]
    error = 100 * abs(periods[0] - periods[1]) / period
    if error > LARGEST_ERROR:
        raise BadImageError("The lines of the micrometer are not regular: focus on them and fill the view with them.")
    return MicrometerScale(division_um / period, period, angle, error)


def _period(pixels: NDArray[Any]) -> tuple[float, float]:
    """Return the distance of the lines in pixels and the angle across them in degrees."""
    image = pixels.astype(np.float32)
    image -= cv2.GaussianBlur(image, (0, 0), max(pixels.shape) / 8)
    if float(image.std()) < LEAST_CONTRAST * max(float(pixels.max()), 1.0):
        raise BadImageError("No regular lines can be seen: focus on the micrometer and light it evenly.")
    window = cv2.createHanningWindow((image.shape[1], image.shape[0]), cv2.CV_32F)
    # Padded, so that a tooth is sampled finely enough to find its top between the samples.
    size = tuple(cv2.getOptimalDFTSize(2 * n) for n in image.shape)
    spectrum = np.abs(np.fft.rfft2(image * window, size))
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


# ---------------------------------------------------------------------- dark signal and flat field


def mean_frame(frames: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the mean of frames of one shape, float32. Raises UsageError without any, or when shapes differ."""
    total: NDArray[np.float64] | None = None
    count = 0
    for pixels in frames:
        if total is None:
            total = np.zeros(pixels.shape, np.float64)
        if pixels.shape != total.shape:
            raise UsageError("The frames differ in size: take them all with one region and binning.")
        total += pixels
        count += 1
    if total is None:
        raise UsageError("There is no frame to calibrate with: take at least one.")
    return np.asarray(total / count, np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Dark signal and flat field of one channel.

    Attributes
    ----------
    channel : str
    pixel_format : str
        One of `app.frame.BITS`; a profile fits frames of its own format, shape and gain only.
    gain_db : float
    dark : ndarray of float32, shape (H, W)
        Grey values without light.
    gain : ndarray of float32, shape (H, W)
        What to multiply by; 1 on average.
    """

    channel: str
    pixel_format: str
    gain_db: float
    dark: NDArray[np.float32]
    gain: NDArray[np.float32]

    @classmethod
    def measured(
        cls,
        channel: str,
        pixel_format: str,
        gain_db: float,
        dark_frames: Iterable[NDArray[Any]],
        flat_frames: Iterable[NDArray[Any]],
        *,
        smooth_px: float | None = None,
    ) -> Self:
        """Make a profile from frames without light and frames of an even field.

        Parameters
        ----------
        channel, pixel_format, gain_db
            See the attributes.
        dark_frames, flat_frames : iterable of ndarray, shape (H, W)
            Taken with the same exposure and gain.
        smooth_px : float, optional
            SD of a Gaussian over the flat field, which removes what noise and dust have left; 1/64 of the longer side
            when not given, 0 for none.

        Raises
        ------
        UsageError
            No frames, different sizes, or a flat field that is too dark or saturated.
        """
        dark, flat = mean_frame(dark_frames), mean_frame(flat_frames)
        if dark.shape != flat.shape:
            raise UsageError("Dark and flat frames differ in size: take them with one region and binning.")
        white = (1 << BITS[pixel_format]) - 1
        light = flat - dark
        if float(np.median(light)) < LEAST_LIGHT * white:
            raise UsageError("The flat field is too dark: raise the exposure or the light.")
        if float(np.mean(flat >= 0.98 * white)) > 0.001:
            raise UsageError("The flat field is saturated: lower the exposure or the light.")
        sd = max(flat.shape) / 64 if smooth_px is None else smooth_px
        if sd > 0:
            light = cv2.GaussianBlur(light, (0, 0), sd, borderType=cv2.BORDER_REFLECT)
        least, most = FLAT_RANGE
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.asarray(float(light.mean()) / light, np.float32)
        gain = np.where(np.isfinite(gain) & (gain >= least) & (gain <= most), gain, np.float32(1))
        return cls(channel, pixel_format, gain_db, dark, np.asarray(gain / gain.mean(), np.float32))

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return ``(pixels − dark) × gain``, rounded, in the type and range of `pixels`.

        Raises UsageError for an image of another size.
        """
        if pixels.shape != self.dark.shape:
            raise UsageError(
                f"The flat field was taken at {self.dark.shape[1]}×{self.dark.shape[0]} and the image is "
                f"{pixels.shape[1]}×{pixels.shape[0]}: take a flat field with this region and binning."
            )
        corrected = cv2.subtract(pixels.astype(np.float32), self.dark)
        cv2.multiply(corrected, self.gain, dst=corrected)
        white = (1 << BITS[self.pixel_format]) - 1
        return np.asarray(np.clip(np.rint(corrected), 0, white), pixels.dtype)

    def save(self, path: Path) -> None:
        """Write the profile, whole or not at all. Raises RecordingError."""
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                version=np.int64(1),
                channel=np.str_(self.channel),
                pixel_format=np.str_(self.pixel_format),
                gain_db=np.float64(self.gain_db),
                dark=self.dark,
                gain=self.gain,
            )

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a profile. Raises BadImageError when the file is missing, damaged or something else."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                dark, gain = stored["dark"], stored["gain"]
                profile = cls(str(stored["channel"]), str(stored["pixel_format"]), float(stored["gain_db"]), dark, gain)
                right = int(stored["version"]) == 1 and profile.pixel_format in BITS
        except _DAMAGED as error:
            raise BadImageError(f"{path} is no flat-field profile ({type(error).__name__}): take a new one.") from None
        shapes = dark.ndim == 2 and dark.shape == gain.shape and dark.dtype == gain.dtype == np.float32
        if not (right and shapes and np.isfinite(dark).all() and np.isfinite(gain).all()):
            raise BadImageError(f"{path} is no flat-field profile of this version: take a new one.")
        return profile
