"""The shading of one channel, dark signal and uneven light, and pictures without it at whatever scale they have.

Frames stay raw. What is looked at and counted is smaller than a frame, and reducing is linear: correcting the reduced
picture with the dark signal and the gain reduced alike gives the same, at a fraction of the cost.
"""

import math
import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

DARK_STEPS = 16
"""Dark signals are kept in this many steps a grey value."""
SATURATED = 0.995
"""Of white: a pixel from here on was saturated, stays white, and no other becomes so."""
FINE = 16
"""Steps a grey value in which 8-bit pictures are reduced before their shading is taken out."""
_KEPT = 6
"""Maps kept: the screen's, the model's, that of the histogram, and some more while a view moves."""

_Maps = tuple[NDArray[np.float32], NDArray[np.float32]]


class Shading:
    """What `app.flat_field.Profile` says of frames of one shape; any thread.

    Parameters
    ----------
    name : str
        Of the profile, for people and files.
    sha256 : str
        Of the profile's content, hexadecimal.
    dark : ndarray of uint16, shape (H, W)
        Grey values without light, times `DARK_STEPS`.
    gain : ndarray of float32, shape (h, w)
        What to multiply by, on a grid over the whole frame.
    white : int
        The largest grey value that `dark` could have, e.g. 4095.
    window : (int, int, int, int), optional
        (x, y, width, height): the frames show this part of `dark` only.
    """

    def __init__(
        self,
        name: str,
        sha256: str,
        dark: NDArray[np.uint16],
        gain: NDArray[np.float32],
        white: int,
        window: tuple[int, int, int, int] | None = None,
    ) -> None:
        self.name, self.sha256 = name, sha256
        self._dark, self._gain, self._white, self._window = dark, gain, white, window
        self._maps: dict[tuple[Any, ...], _Maps] = {}
        self._lock = threading.Lock()

    @property
    def title(self) -> str:
        """Name, hash and window, as recordings keep it for every frame; see `parse_title`."""
        window = "" if self._window is None else " " + ",".join(str(side) for side in self._window)
        return f"{self.name} {self.sha256}{window}"

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) of the frames it fits."""
        if self._window is not None:
            return self._window[3], self._window[2]
        return self._dark.shape[0], self._dark.shape[1]

    def part(self, window: tuple[int, int, int, int]) -> "Shading | None":
        """Return the shading of frames that show this window of the whole; None where it reaches beyond."""
        x, y, width, height = window
        rows, columns = self._dark.shape
        if x < 0 or y < 0 or width < 1 or height < 1 or x + width > columns or y + height > rows:
            return None
        return Shading(self.name, self.sha256, self._dark, self._gain, self._white, window)

    def apply(
        self,
        pixels: NDArray[Any],
        white: int,
        region: tuple[int, int, int, int] | None = None,
        *,
        steps: int = 1,
    ) -> NDArray[Any]:
        """Return a picture without shading: ``(pixels − dark) × gain``.

        Parameters
        ----------
        pixels : ndarray of uint8, uint16 or float32, shape (h, w)
            A frame, or a part of it, at any scale.
        white : int
            The largest grey value of the frame; the dark signal is brought to its depth.
        region : (int, int, int, int), optional
            (x, y, width, height) of the frame that `pixels` shows; all of it when not given.
        steps : int
            `pixels` are so many times the grey values: a picture that was reduced with `FINE` steps a grey value, so
            that the gain does not make the borders between rounded values seen.

        Returns
        -------
        ndarray of uint8 or uint16, shape (h, w)
            Rounded grey values. What was saturated stays so, and nothing else becomes so.
        """
        gain, offset = self._at(region or (0, 0, *self.shape[::-1]), pixels.shape[::-1], white)
        depth = cv2.CV_8U if white < 256 else cv2.CV_16U
        limit = math.ceil(white * SATURATED)
        lit = cv2.multiply(pixels, gain, scale=1 / steps, dtype=cv2.CV_32F)
        corrected = np.asarray(cv2.add(lit, offset, dtype=depth))
        cv2.min(corrected, limit - 1, dst=corrected)
        saturated = pixels > steps * (limit - 0.5)
        if saturated.any():
            corrected[saturated] = white
        return corrected

    def _at(self, region: tuple[int, int, int, int], size: tuple[int, ...], white: int) -> _Maps:
        """Return gain and offset, ``−dark × gain``, for a picture of `size` (w, h) that shows `region`."""
        key = (*region, *size, white)
        with self._lock:
            maps = self._maps.pop(key, None)
        maps = maps or self._made(region, (size[0], size[1]), white)
        with self._lock:
            self._maps[key] = maps
            while len(self._maps) > _KEPT:
                del self._maps[next(iter(self._maps))]
        return maps

    def _made(self, region: tuple[int, int, int, int], size: tuple[int, int], white: int) -> _Maps:
        x, y, width, height = region
        if self._window is not None:
            x, y = x + self._window[0], y + self._window[1]
        dark = self._dark[y : y + height, x : x + width]
        if (width, height) != size:
            dark = np.asarray(cv2.resize(dark, size, interpolation=cv2.INTER_AREA))
        (rows, columns), (full_height, full_width) = self._gain.shape, self._dark.shape
        # Where on the grid the middle of each pixel of the picture lies.
        across, down = width / size[0] * columns / full_width, height / size[1] * rows / full_height
        left, top = x * columns / full_width + across / 2 - 0.5, y * rows / full_height + down / 2 - 0.5
        place = np.array([[across, 0, left], [0, down, top]])
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        gain = cv2.warpAffine(self._gain, place, size, flags=how, borderMode=cv2.BORDER_REPLICATE)
        depth = (white + 1) / (self._white + 1) / DARK_STEPS
        offset = cv2.multiply(dark, gain, scale=-depth, dtype=cv2.CV_32F)
        return np.asarray(gain, np.float32), np.asarray(offset, np.float32)


def fine(pixels: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return 8-bit pixels in `FINE` steps a grey value, and how many steps that are; deeper ones as they are."""
    if pixels.dtype != np.uint8:
        return pixels, 1
    return np.left_shift(pixels, FINE.bit_length() - 1, dtype=np.uint16), FINE


def parse_title(title: str) -> tuple[str, str, tuple[int, int, int, int] | None]:
    """Return name, hash and window of `Shading.title`. Raises ValueError for anything else."""
    name, sha256, *rest = title.split(" ")
    if len(rest) > 1:
        raise ValueError("no title of a shading")
    if not rest:
        return name, sha256, None
    x, y, width, height = (int(part) for part in rest[0].split(","))
    return name, sha256, (x, y, width, height)
