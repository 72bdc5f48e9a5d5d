"""Black and white, remembered per channel; pure."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.display import HISTOGRAM_BINS, Contrast
from app.hardware.base import CameraLimits

TARGET = 2 / 3
"""Where auto-exposure puts the 99.9 percentile, as a fraction of the range."""
LONGEST_LIVE_MS = 100.0
"""Auto-exposure keeps the picture at ten a second and more; beyond, it raises the gain."""
MOST_GAIN_DB = 18.0

_LEAST_SPAN = 8 / HISTOGRAM_BINS
"""An empty field must look empty: noise is never stretched over the whole screen."""


def auto_fractions(histogram: NDArray[np.int64]) -> tuple[float, float]:
    """Return black and white as fractions of the range: the 0.1 and 99.9 percentiles of the picture."""
    cumulative = np.cumsum(histogram)
    total = int(cumulative[-1]) if len(cumulative) else 0
    if total == 0:
        return 0.0, 1.0
    low = float(np.searchsorted(cumulative, total * 0.001)) / len(histogram)
    high = float(np.searchsorted(cumulative, total * 0.999) + 1) / len(histogram)
    return low, min(max(high, low + _LEAST_SPAN), 1.0)


@dataclass
class ContrastBook:
    """Which contrast each channel has; fractions of the sensor's range, so that they outlive a change of bit depth.

    Attributes
    ----------
    levels : dict of str to (float, float)
        Fixed black and white by channel. A channel that is not in it follows the picture.
    """

    levels: dict[str, tuple[float, float]] = field(default_factory=dict)

    def contrast(self, channel: str, white: int) -> Contrast:
        """Return what to ask of the display for a channel on a camera with this white."""
        fixed = self.levels.get(channel)
        return Contrast() if fixed is None else Contrast(fixed[0] * (white + 1), fixed[1] * (white + 1))

    def fix(self, channel: str, low: float, high: float) -> None:
        """Keep black and white, fractions of the range, for a channel."""
        low = min(max(low, 0.0), 1.0)
        self.levels[channel] = (low, min(max(high, low + 1e-4), 1.0))

    def follow(self, channel: str) -> None:
        """Let a channel follow the picture again."""
        self.levels.pop(channel, None)

    def follows(self, channel: str) -> bool:
        """Tell whether a channel follows the picture."""
        return channel not in self.levels

    def as_text(self) -> str:
        """Return the book as one line, for the settings."""
        return ";".join(f"{name}={low:.6f},{high:.6f}" for name, (low, high) in sorted(self.levels.items()))

    @classmethod
    def from_text(cls, text: str) -> "ContrastBook":
        """Read `as_text`; what cannot be read is left out."""
        book = cls()
        for entry in text.split(";"):
            name, _, values = entry.partition("=")
            parts = values.split(",")
            try:
                low, high = float(parts[0]), float(parts[1])
            except (ValueError, IndexError):
                continue
            if name and 0 <= low < high <= 1:
                book.fix(name, low, high)
        return book


def brightness(histogram: NDArray[np.int64], white: int) -> float:
    """Return the mean grey value of a picture from its histogram."""
    total = int(histogram.sum())
    if total == 0:
        return 0.0
    step = (white + 1) / len(histogram)
    return float((histogram * (np.arange(len(histogram)) + (0.5 if step > 1 else 0.0))).sum()) / total * step


def exposure_advice(histogram: NDArray[np.int64], saturated: float) -> str:
    """Return ``"saturated"``, ``"dim"`` or an empty string for a lit picture.

    Saturated is more than one pixel in a thousand at the sensor's white; dim is a 99.9 percentile below a twelfth of
    the range, where shot noise and the steps of an 8-bit picture begin to show.
    """
    if saturated > 0.001:
        return "saturated"
    return "dim" if 0 < auto_high(histogram) < 1 / 12 else ""


def auto_exposure(
    histogram: NDArray[np.int64],
    saturated: float,
    exposure_ms: float,
    gain_db: float,
    limits: CameraLimits,
    *,
    longest_ms: float = LONGEST_LIVE_MS,
) -> tuple[float, float]:
    """Return (exposure in ms, gain in dB) that bring the brightest structures to two thirds of the range.

    The exposure is changed first, up to `longest_ms`, then the gain, up to `MOST_GAIN_DB`; both within the
    camera's limits. A saturated picture tells nothing of how bright it is: it is made four times darker.
    """
    factor = 0.25 if saturated > 0.001 else min(TARGET / max(auto_high(histogram), 1 / HISTOGRAM_BINS), 16.0)
    wanted = exposure_ms * 10 ** (gain_db / 20) * factor
    longest = max(min(longest_ms, limits.exposure_ms[1]), limits.exposure_ms[0])
    exposure = min(max(wanted, limits.exposure_ms[0]), longest)
    gain = 20 * math.log10(max(wanted / exposure, 1.0))
    return round(exposure, 2), round(min(max(gain, limits.gain_db[0]), MOST_GAIN_DB, limits.gain_db[1]), 1)


def auto_high(histogram: NDArray[np.int64]) -> float:
    """Return the 99.9 percentile as a fraction of the range; 0 for an empty histogram."""
    cumulative = np.cumsum(histogram)
    total = int(cumulative[-1]) if len(cumulative) else 0
    return float(np.searchsorted(cumulative, total * 0.999) + 1) / len(histogram) if total else 0.0
