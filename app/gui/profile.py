"""Grey values along a line, at full depth; pure."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from app.frame import Frame

_MOST_POINTS = 4096
ENDS, BODY = (0, 1), 2


@dataclass(frozen=True, slots=True)
class Line:
    """A line on a frame, from (x0, y0) to (x1, y1) in frame pixels; a pixel's middle lies at .5."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def length(self) -> float:
        """In frame pixels."""
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)

    def moved(self, part: int, dx: float, dy: float) -> "Line":
        """Return the line with its first (0) or second (1) end moved, or all of it (2)."""
        first, second = part in (0, BODY), part in (1, BODY)
        return Line(
            self.x0 + dx * first, self.y0 + dy * first, self.x1 + dx * second, self.y1 + dy * second
        )  # fmt: skip

    def kept_in(self, shape: tuple[int, int]) -> "Line":
        """Return the line with both ends on a frame of `shape` (H, W)."""
        height, width = shape
        return replace(
            self,
            x0=min(max(self.x0, 0.0), width),
            x1=min(max(self.x1, 0.0), width),
            y0=min(max(self.y0, 0.0), height),
            y1=min(max(self.y1, 0.0), height),
        )

    def part_at(self, x: float, y: float, reach: float) -> int | None:
        """Return which part of the line lies within `reach` of (x, y): an end (0, 1), the body (2), or None."""
        away = [math.hypot(x - self.x0, y - self.y0), math.hypot(x - self.x1, y - self.y1)]
        nearest = int(away[1] < away[0])
        if away[nearest] <= reach:
            return nearest
        along = (x - self.x0) * (self.x1 - self.x0) + (y - self.y0) * (self.y1 - self.y0)
        place = along / max(self.length**2, 1e-9)
        foot = (self.x0 + place * (self.x1 - self.x0), self.y0 + place * (self.y1 - self.y0))
        return BODY if 0 <= place <= 1 and math.hypot(x - foot[0], y - foot[1]) <= reach else None


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What lies along a line.

    Attributes
    ----------
    distance : ndarray of float64, shape (N,)
        From the line's beginning, in `unit`.
    value : ndarray of float64, shape (N,)
        Grey values, interpolated, mean over the line's width.
    unit : str
        ``"µm"``, or ``"px"`` where the scale is not known.
    """

    distance: NDArray[np.float64]
    value: NDArray[np.float64]
    unit: str


def take_profile(frame: Frame, line: Line, width_px: int = 1) -> Profile:
    """Return the grey values of `frame` along `line`, about one a pixel, each the mean over `width_px` across it."""
    line = line.kept_in(frame.shape)
    points = min(max(math.ceil(line.length) + 1, 2), _MOST_POINTS)
    place = np.linspace(0.0, 1.0, points)
    across = np.arange(max(width_px, 1)) - (max(width_px, 1) - 1) / 2
    length = max(line.length, 1e-9)
    normal_x, normal_y = -(line.y1 - line.y0) / length, (line.x1 - line.x0) / length
    x = line.x0 + place * (line.x1 - line.x0) + across[:, None] * normal_x
    y = line.y0 + place * (line.y1 - line.y0) + across[:, None] * normal_y
    # Positions count from a pixel's corner, array indices from its middle.
    values = map_coordinates(frame.pixels, [y - 0.5, x - 0.5], output=np.float64, order=1, mode="nearest")
    size = frame.pixel_size_um
    return Profile(place * line.length * (size or 1.0), values.mean(axis=0), "µm" if size else "px")
