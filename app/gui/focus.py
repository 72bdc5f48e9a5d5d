"""How sharp a frame is; pure, and cheap enough for every picture."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_CROP = 960
"""Edge of the square in the middle of the frame that is looked at, in pixels."""


def sharpness(pixels: NDArray[Any], white: int = 255) -> float:
    """Return a number that grows as the middle of the frame gets sharper.

    The energy of the first differences over two pixels (Brenner's measure) at half resolution, where the camera's
    noise has averaged out, divided by the square of the mean above the background, so that more light does not count
    as sharper, at any bit depth. 0 for an empty field.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
    white : int
        The sensor's largest grey value.

    References
    ----------
    Brenner et al. 1976, J. Histochem. Cytochem. 24, 100-111.
    """
    height, width = pixels.shape
    top, left = max((height - _CROP) // 2, 0), max((width - _CROP) // 2, 0)
    crop = pixels[top : top + _CROP, left : left + _CROP]
    if min(crop.shape) < 8:
        return 0.0
    small = cv2.resize(crop, (crop.shape[1] // 2, crop.shape[0] // 2), interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.blur(small, (3, 3)) * np.float32(255 / white)
    sample = smooth[::8, ::8].ravel()
    ground = sample.size // 20
    signal = float(smooth.mean()) - float(np.partition(sample, ground)[ground])
    if signal < 0.5:
        return 0.0
    across = cv2.norm(smooth[:, 2:], smooth[:, :-2], cv2.NORM_L2SQR)
    down = cv2.norm(smooth[2:], smooth[:-2], cv2.NORM_L2SQR)
    energy = (across + down) / smooth.size
    return float(1000.0 * energy / (signal * signal + 25.0))


class PeakHold:
    """The sharpest value since the last reset.

    Attributes
    ----------
    value, peak : float
    """

    def __init__(self) -> None:
        self.value = self.peak = 0.0

    def add(self, value: float) -> None:
        """Take a new value; it is smoothed over about five pictures."""
        self.value = value if self.value == 0.0 else 0.8 * self.value + 0.2 * value
        self.peak = max(self.peak, self.value)

    def reset(self) -> None:
        """Begin anew."""
        self.value = self.peak = 0.0

    @property
    def fraction(self) -> float:
        """Value over peak, 0…1."""
        return self.value / self.peak if self.peak > 0 else 0.0
