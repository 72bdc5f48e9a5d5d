"""Where a frame lies in the view: pure arithmetic between frame pixels and widget pixels."""

import math
from dataclasses import dataclass, replace

from app.gui.text import plain

MIN_SCALE = 0.01
MAX_SCALE = 32.0

Region = tuple[int, int, int, int]
"""(x, y, width, height) in frame pixels."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a frame is laid under a widget.

    Attributes
    ----------
    frame : (int, int)
        (width, height) of the frame in its pixels.
    widget : (int, int)
        (width, height) of the widget in its pixels.
    scale : float
        Widget pixels per frame pixel.
    center : (float, float)
        (x, y) of the frame, in its pixels, at the widget's middle.
    fitted : bool
        True while the whole frame is kept in view as the widget changes.
    """

    frame: tuple[int, int]
    widget: tuple[int, int]
    scale: float
    center: tuple[float, float]
    fitted: bool = True

    def to_widget(self, x: float, y: float) -> tuple[float, float]:
        """Return the widget position of frame position (x, y)."""
        return (
            self.widget[0] / 2 + (x - self.center[0]) * self.scale,
            self.widget[1] / 2 + (y - self.center[1]) * self.scale,
        )

    def to_frame(self, x: float, y: float) -> tuple[float, float]:
        """Return the frame position under widget position (x, y)."""
        return (
            self.center[0] + (x - self.widget[0] / 2) / self.scale,
            self.center[1] + (y - self.widget[1] / 2) / self.scale,
        )

    def visible(self) -> Region:
        """Return the part of the frame that can be seen, at least one pixel of it."""
        left, top = self.to_frame(0, 0)
        right, bottom = self.to_frame(*self.widget)
        x0, y0 = max(math.floor(left), 0), max(math.floor(top), 0)
        x1, y1 = min(math.ceil(right), self.frame[0]), min(math.ceil(bottom), self.frame[1])
        x0, y0 = min(x0, self.frame[0] - 1), min(y0, self.frame[1] - 1)
        return x0, y0, max(x1 - x0, 1), max(y1 - y0, 1)

    def picture_size(self) -> tuple[int, int]:
        """Return (width, height) in widget pixels that the visible part fills."""
        _, _, width, height = self.visible()
        return max(round(width * self.scale), 1), max(round(height * self.scale), 1)

    def rect(self, region: Region) -> tuple[float, float, float, float]:
        """Return (x, y, width, height) in the widget of a region of the frame."""
        x, y = self.to_widget(region[0], region[1])
        return x, y, region[2] * self.scale, region[3] * self.scale


def fit(frame: tuple[int, int], widget: tuple[int, int]) -> Placement:
    """Return the placement that shows the whole frame, as large as it goes."""
    scale = min(widget[0] / max(frame[0], 1), widget[1] / max(frame[1], 1))
    return Placement(frame, widget, max(scale, MIN_SCALE), (frame[0] / 2, frame[1] / 2), True)


def resized(placement: Placement, frame: tuple[int, int], widget: tuple[int, int]) -> Placement:
    """Return the placement for another frame or widget size; what was fitted stays fitted."""
    if placement.fitted or frame != placement.frame:
        return fit(frame, widget)
    return replace(placement, widget=widget)


def zoomed(placement: Placement, factor: float, at: tuple[float, float] | None = None) -> Placement:
    """Return the placement enlarged by `factor` with widget position `at` (or the middle) staying put."""
    scale = min(max(placement.scale * factor, MIN_SCALE), MAX_SCALE)
    anchor = at if at is not None else (placement.widget[0] / 2, placement.widget[1] / 2)
    fx, fy = placement.to_frame(*anchor)
    center = (fx - (anchor[0] - placement.widget[0] / 2) / scale, fy - (anchor[1] - placement.widget[1] / 2) / scale)
    return _kept_in_view(replace(placement, scale=scale, center=center, fitted=False))


def panned(placement: Placement, dx: float, dy: float) -> Placement:
    """Return the placement with the picture moved by (dx, dy) widget pixels."""
    x, y = placement.center
    return _kept_in_view(replace(placement, center=(x - dx / placement.scale, y - dy / placement.scale), fitted=False))


def centered(placement: Placement, x: float, y: float, scale: float | None = None) -> Placement:
    """Return the placement with frame position (x, y) in the middle."""
    return _kept_in_view(replace(placement, center=(x, y), scale=scale or placement.scale, fitted=False))


def _kept_in_view(placement: Placement) -> Placement:
    """Keep the middle of the widget on the frame, so that the picture cannot be lost."""
    x = min(max(placement.center[0], 0.0), float(placement.frame[0]))
    y = min(max(placement.center[1], 0.0), float(placement.frame[1]))
    return replace(placement, center=(x, y))


def scale_bar(um_per_widget_px: float, room_px: float) -> tuple[float, float]:
    """Return (length in µm, length in widget pixels) of the longest 1-2-5 scale bar that fits in `room_px`.

    Raises
    ------
    ValueError
        When either argument is not positive.
    """
    if um_per_widget_px <= 0 or room_px <= 0:
        raise ValueError("a scale bar needs a pixel size and room")
    longest = um_per_widget_px * room_px
    power = 10.0 ** math.floor(math.log10(longest))
    # The small allowance keeps 1 µm, found as 0.9999999, from becoming 0.5 µm.
    length = max((m * power for m in (1.0, 2.0, 5.0) if m * power <= longest * (1 + 1e-9)), default=power)
    return length, length / um_per_widget_px


def length_text(um: float) -> str:
    """Return a length with the unit people use for it: nm, µm or mm."""
    if um >= 1000:
        return f"{plain(um / 1000)} mm"
    if um < 1:
        return f"{plain(round(um * 1000, 6))} nm"
    return f"{plain(um)} µm"
