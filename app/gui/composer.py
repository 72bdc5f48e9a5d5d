"""Puts picture, nuclei and marks together, on a thread of its own, so that the window only has to copy the result.

The newest picture and the newest result win; nothing queues up.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage, QPainter

from app.display import Picture
from app.frame import BufferPool, Frame, Segmentation
from app.gui.composite import Layer, LayerPainter
from app.gui.focus import sharpness
from app.gui.overlay_paint import OverlayPainter, OverlayStyle, Rgb

OVERLAY_MAX_LAG = 30
"""Frames after which a result is too old to be drawn over a newer picture (the sample or the light has changed)."""
OVERLAY_MAX_AGE_S = 5.0
"""And seconds, of the recording where one is replayed: frames of a plan, or before and after a seek, may lie an hour
apart. A slow machine needs some for a count."""

_SATURATED: Rgb = (255, 60, 220)
_DARK: Rgb = (40, 90, 255)
_MOST_DARK = 0.5
"""Where more of the picture lies at zero, painting it would make a lamp of the screen; the histogram says it anyway."""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything about the appearance that is not in the picture itself."""

    overlay: OverlayStyle = field(default_factory=OverlayStyle)
    tint: Rgb | None = None
    """The channel's colour for the brightest pixels; None is grey."""
    mark_limits: bool = True
    """Paint saturated pixels, and those at zero, in warning colours."""
    layers: tuple[Layer, ...] = ()
    """The channels of a composite; none shows the picture alone."""
    limits: tuple[Rgb, Rgb] = (_SATURATED, _DARK)
    """The colours of saturated pixels, and of those at zero."""


@dataclass(frozen=True, slots=True, eq=False)
class Composed:
    """A finished picture for the screen.

    Attributes
    ----------
    image : QImage
        RGB32, `picture.pixels`' size; its memory is `pixels`.
    pixels : ndarray of uint32, shape (h, w)
    picture : Picture
    result : Segmentation or None
        The nuclei drawn in it.
    sharpness : float
        Of the whole frame's middle; see `app.gui.focus.sharpness`.
    levels : mapping of str to (float, float)
        Black and white of each layer of a composite, as fractions of the range.
    """

    image: QImage
    pixels: NDArray[np.uint32]
    picture: Picture
    result: Segmentation | None
    sharpness: float = 0.0
    levels: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def belongs(frame: Frame, result: Segmentation | None, flowing: bool = True) -> bool:
    """Tell whether what `result` found is in `frame`: the one rule for the number and for the outlines.

    It was found in this very frame or, while frames are `flowing`, lately in one before it, from the same source and
    under the same light: what was found in the light is not in the dark, nor where nobody is sure of the light.
    """
    if result is None:
        return False
    found = result.frame
    if found is frame:
        return True
    return (
        flowing
        and found.shape == frame.shape
        and (found.source, found.name) == (frame.source, frame.name)
        and (found.light.channel, found.light.confirmed) == (frame.light.channel, frame.light.confirmed)
        and found.index <= frame.index
        and frame.moment_s - found.moment_s <= OVERLAY_MAX_AGE_S
    )


def matches(frame: Frame, result: Segmentation | None, flowing: bool = True) -> bool:
    """Tell whether `result` may be drawn over `frame`: it `belongs`, and the sample has not moved on meanwhile."""
    return (
        result is not None
        and belongs(frame, result, flowing)
        and (result.frame is frame or frame.index - result.frame.index <= OVERLAY_MAX_LAG)
    )


def compose(
    picture: Picture,
    result: Segmentation | None,
    look: Look,
    out: NDArray[np.uint32],
    painter: LayerPainter | None = None,
    marked: NDArray[np.int32] | None = None,
    overlays: OverlayPainter | None = None,
    flowing: bool = True,
) -> Composed:
    """Return the finished picture, painted into `out` of shape (h, w).

    `painter` and `overlays` remember layers and nuclei between pictures; nuclei whose labels are `marked` are drawn
    in another colour. Over a picture that stands, where frames are not `flowing`, only its own nuclei are drawn.
    """
    height, width = picture.pixels.shape
    planes = out.view(np.uint8).reshape(height, width, 4)
    levels: Mapping[str, tuple[float, float]] = {}
    if look.layers:
        levels = (painter or LayerPainter()).paint(picture, look.layers, planes)
    elif look.tint is None:
        cv2.cvtColor(picture.pixels, cv2.COLOR_GRAY2BGRA, dst=planes)
    else:
        steps = np.arange(256, dtype=np.float32) / 255
        tables = [np.rint(c * steps).astype(np.uint8) for c in (look.tint[2], look.tint[1], look.tint[0])]
        opaque = np.full_like(picture.pixels, 255)
        cv2.merge([*(cv2.LUT(picture.pixels, table) for table in tables), opaque], planes)
    if look.mark_limits and not look.layers:
        _mark_limits(picture, planes, look.limits)
    image = QImage(planes.data, width, height, 4 * width, QImage.Format.Format_RGB32)
    drawn = result if result is not None and matches(picture.frame, result, flowing) else None
    if drawn is not None:
        overlays = overlays or OverlayPainter()
        overlay = overlays.paint(drawn, picture.region, (width, height), look.overlay, marked)
        if overlay is not None:
            _blend(image, overlay)
    return Composed(image, out, picture, drawn, sharpness(picture.frame.pixels, picture.frame.white), levels)


def _blend(image: QImage, overlay: NDArray[np.uint32]) -> None:
    height, width = overlay.shape
    layer = QImage(
        overlay.data,
        width,
        height,
        4 * width,
        QImage.Format.Format_ARGB32_Premultiplied,
    )
    painter = QPainter(image)
    painter.drawImage(0, 0, layer)
    painter.end()


def _mark_limits(picture: Picture, planes: NDArray[np.uint8], colors: tuple[Rgb, Rgb]) -> None:
    """Colour what lies at the ends of the sensor's own scale (the picture's black and white are only the view's)."""
    saturated, dark = picture.saturated_fraction > 0, 0 < picture.dark_fraction <= _MOST_DARK
    if not saturated and not dark:
        return
    x, y, width, height = picture.region
    rows, columns = picture.pixels.shape
    raw = cv2.resize(
        picture.frame.pixels[y : y + height, x : x + width], (columns, rows), interpolation=cv2.INTER_NEAREST
    )
    white = picture.frame.white
    for found, value, (red, green, blue) in (
        (saturated, white, colors[0]),
        (dark, 0, colors[1]),
    ):
        if found:
            planes[raw >= value if value else raw == 0] = (blue, green, red, 255)


class Composer:
    """The thread ``app-compose``.

    Parameters
    ----------
    publish : callable
        Takes each `Composed`, on this thread.
    failed : callable
        Takes an unexpected error, on this thread.
    """

    def __init__(self, publish: Callable[[Composed], None], failed: Callable[[BaseException], None]) -> None:
        self._publish, self._failed = publish, failed
        self._wake = threading.Condition()
        self._picture: Picture | None = None
        self._result: Segmentation | None = None
        self._marked: NDArray[np.int32] | None = None
        self._look = Look()
        self._fresh = self._ending = False
        self._flowing = True
        self._pool: BufferPool | None = None
        self._painter, self._overlays = LayerPainter(), OverlayPainter()
        self._thread = threading.Thread(target=self._run, name="app-compose", daemon=True)
        self._thread.start()

    def show_picture(self, picture: Picture) -> None:
        """Take the newest picture; any thread."""
        with self._wake:
            self._picture, self._fresh = picture, True
            self._wake.notify()

    def show_result(self, result: Segmentation | None, marked: NDArray[np.int32] | None = None) -> None:
        """Take the newest result; any thread. It is drawn with the next picture, or at once if that is its own."""
        with self._wake:
            self._result, self._marked = result, marked
            if result is None or (self._picture is not None and result.frame is self._picture.frame):
                self._fresh = True
                self._wake.notify()

    def let_flow(self, flowing: bool) -> None:
        """Say whether frames flow; over the last one, once they do not, nothing of another is drawn. Any thread."""
        with self._wake:
            if flowing != self._flowing:
                self._flowing, self._fresh = flowing, True
                self._wake.notify()

    def mark(self, result: Segmentation, marked: NDArray[np.int32]) -> None:
        """Draw these labels of a result in another colour, unless there is a newer result already; any thread."""
        with self._wake:
            if self._result is result:
                self._marked, self._fresh = marked, True
                self._wake.notify()

    def unmark(self) -> None:
        """Draw every nucleus in the colour of all again; any thread."""
        with self._wake:
            if self._marked is not None:
                self._marked, self._fresh = None, True
                self._wake.notify()

    def set_look(self, look: Look) -> None:
        """Change the appearance; the present picture is painted again."""
        with self._wake:
            self._look, self._fresh = look, True
            self._wake.notify()

    def close(self) -> None:
        """End the thread; idempotent."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._fresh or self._ending)
                if self._ending:
                    return
                self._fresh = False
                picture, result, look, marked = self._picture, self._result, self._look, self._marked
                flowing = self._flowing
            if picture is None:
                continue
            try:
                out = self._buffer(picture.pixels.shape)
                self._publish(compose(picture, result, look, out, self._painter, marked, self._overlays, flowing))
            except Exception as error:  # noqa: BLE001 - whatever it is, the session must hear of it
                self._failed(error)

    def _buffer(self, shape: tuple[int, ...]) -> NDArray[np.uint32]:
        if self._pool is None or self._pool.shape != shape:
            self._pool = BufferPool((shape[0], shape[1]), np.uint32, limit=6)
        return self._pool.take()
