"""Several channels in one picture, each in its colour, added up; keeps a little from one picture to the next."""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from app.display import Contrast, Picture, View, render
from app.frame import Frame

Rgb = tuple[int, int, int]

FALLBACK_COLORS: tuple[str, ...] = ("#8c6bff", "#5fe36b", "#ff5a4d", "#2bd4ff", "#ffd24a", "#ff8ad8")
"""For channels that nobody named."""


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One channel of a composite.

    Attributes
    ----------
    name : str
        The channel's.
    frame : Frame
    color : (int, int, int)
        What its brightest pixels look like.
    contrast : Contrast
    """

    name: str
    frame: Frame
    color: Rgb
    contrast: Contrast = field(default_factory=Contrast)


def add_up(parts: list[tuple[NDArray[np.uint8], Rgb]], out: NDArray[np.uint8]) -> None:
    """Paint 8-bit pictures of one size, each in its colour, over one another by addition.

    Parameters
    ----------
    parts : list of (ndarray of uint8, shape (h, w), colour)
    out : ndarray of uint8, shape (h, w, 4)
        Filled with blue, green, red, 255.
    """
    steps = np.arange(256, dtype=np.float32) / 255
    sums = [np.zeros(out.shape[:2], np.uint8) for _ in range(3)]
    for pixels, color in parts:
        for plane, strength in zip(sums, reversed(color), strict=True):
            cv2.add(plane, cv2.LUT(pixels, np.rint(strength * steps).astype(np.uint8)), dst=plane)
    cv2.merge([*sums, np.full(out.shape[:2], 255, np.uint8)], out)


class LayerPainter:
    """Renders the layers that are not the present picture, again only when something about them changed."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Frame, tuple[int, ...], tuple[int, ...], Contrast, Picture]] = {}

    def paint(
        self, picture: Picture, layers: tuple[Layer, ...], out: NDArray[np.uint8]
    ) -> dict[str, tuple[float, float]]:
        """Paint a composite at the place and size of `picture`; layers of another size are left out.

        Parameters
        ----------
        picture : Picture
            Takes the place of the layer whose channel or frame it is.
        layers : tuple of Layer
        out : ndarray of uint8, shape (h, w, 4)

        Returns
        -------
        dict of str to (float, float)
            Black and white in force for each layer, as fractions of the sensor's range.
        """
        parts: list[tuple[NDArray[np.uint8], Rgb]] = []
        levels: dict[str, tuple[float, float]] = {}
        self._kept = {name: kept for name, kept in self._kept.items() if any(each.name == name for each in layers)}
        for layer in layers:
            if layer.frame.shape != picture.frame.shape:
                continue
            seen = picture if is_of(picture.frame, layer) else self._rendered(picture, layer)
            parts.append((seen.pixels, layer.color))
            white = seen.frame.white + 1
            levels[layer.name] = seen.levels[0] / white, seen.levels[1] / white
        add_up(parts, out)
        return levels

    def _rendered(self, picture: Picture, layer: Layer) -> Picture:
        height, width = picture.pixels.shape
        kept = self._kept.get(layer.name)
        if (
            kept is not None
            and kept[0] is layer.frame
            and kept[1:4] == (picture.region, (height, width), layer.contrast)
        ):
            return kept[4]
        made = render(layer.frame, View(picture.region, (width, height)), layer.contrast)
        if made.pixels.shape != (height, width):  # rounding, at most a pixel
            pixels = np.asarray(cv2.resize(made.pixels, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
            made = Picture(
                made.frame,
                pixels,
                made.region,
                made.levels,
                made.histogram,
                made.saturated_fraction,
                made.dark_fraction,
            )
        self._kept[layer.name] = (layer.frame, picture.region, (height, width), layer.contrast, made)
        return made


def is_of(frame: Frame, layer: Layer) -> bool:
    """Tell whether `frame` is the newest of the layer's channel."""
    if frame.source != layer.frame.source or frame.light.channel != layer.frame.light.channel:
        return False
    return frame.light.channel == layer.name or (frame.index, frame.name) == (layer.frame.index, layer.frame.name)
