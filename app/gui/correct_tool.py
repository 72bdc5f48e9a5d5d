"""The hand on the picture: clicks and lines that add, remove, split or merge nuclei, and the marks of what was done."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from app.corrections import Kind, Point
from app.gui.geometry import Placement
from app.gui.theme import THEME

MADE = "#35e0ff"
"""Outlines by hand: told from the model's amber by lightness and by the dashes, not by hue alone."""
_NEAR_PX = 2.0


@dataclass(frozen=True, slots=True)
class Marks:
    """What a hand has changed, in frame pixels.

    Attributes
    ----------
    made : tuple of outlines
        Each a ring of (x, y).
    gone : tuple of (float, float)
        Where a nucleus of the model was removed.
    """

    made: tuple[tuple[Point, ...], ...] = ()
    gone: tuple[Point, ...] = ()


class CorrectTool(QObject):
    """A tool of the viewer; see `app.gui.viewer.Tool`.

    Signals
    -------
    clicked : float, float
        A click at frame position (x, y).
    drawn : object
        A line or outline, tuple of (x, y), that was drawn with the button held.
    """

    clicked = Signal(float, float)
    drawn = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.mode: Kind = "add"
        self.first: Point | None = None
        """Of a merge: the nucleus that was clicked already."""
        self.marks = Marks()
        self._from: Point | None = None
        self._trail: list[Point] = []

    def choose(self, mode: Kind) -> None:
        """Do something else from now on."""
        self.mode, self.first, self._trail, self._from = mode, None, [], None

    def press(self, x: float, y: float, placement: Placement) -> None:
        """Begin a click or a line."""
        self._from, self._trail = (x, y), []

    def drag(self, x: float, y: float, placement: Placement) -> None:
        """Draw an outline, or stretch a line."""
        if self._from is None or self.mode == "remove":
            return
        self._trail = self._trail or [self._from]
        if self.mode != "add":
            self._trail = [self._trail[0], (x, y)]
            return
        last = self._trail[-1]
        if abs(x - last[0]) + abs(y - last[1]) >= _NEAR_PX / placement.scale:
            self._trail.append((x, y))

    def release(self) -> None:
        """Hand over what was clicked or drawn."""
        begin, trail, self._from, self._trail = self._from, self._trail, None, []
        if trail:
            self.drawn.emit(tuple(trail))
        elif begin is not None:
            self.clicked.emit(*begin)

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, placement: Placement) -> bool:
        """Forget the first half of a merge with Backspace."""
        if key == Qt.Key.Key_Backspace and self.first is not None:
            self.first = None
            return True
        return False

    def paint(self, painter: QPainter, placement: Placement) -> None:
        """Draw what hands made and removed, and what is being drawn."""
        paint_marks(painter, placement, self.marks)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._trail:
            _paint_line(painter, placement, self._trail, closed=self.mode == "add", dashed=False)
        if self.first is not None:
            at = QPointF(*placement.to_widget(*self.first))
            for color, width in (("#000000", 5.0), (THEME.palette.bright, 2.0)):
                painter.setPen(QPen(QColor(color), width * THEME.font_scale))
                painter.drawEllipse(at, THEME.px(7), THEME.px(7))


def paint_marks(painter: QPainter, placement: Placement, marks: Marks) -> None:
    """Draw outlines that a hand made, dashed, and crosses where a hand removed."""
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for ring in marks.made:
        _paint_line(painter, placement, ring, closed=True, dashed=True)
    arm = THEME.px(5)
    for spot in marks.gone:
        at = QPointF(*placement.to_widget(*spot))
        for color, width in (("#000000", 4.5), (THEME.palette.error, 2.0)):
            painter.setPen(QPen(QColor(color), width * THEME.font_scale))
            painter.drawLine(at + QPointF(-arm, -arm), at + QPointF(arm, arm))
            painter.drawLine(at + QPointF(-arm, arm), at + QPointF(arm, -arm))


def _paint_line(
    painter: QPainter, placement: Placement, points: Sequence[Point], *, closed: bool, dashed: bool
) -> None:
    path = QPainterPath(QPointF(*placement.to_widget(*points[0])))
    for point in points[1:]:
        path.lineTo(QPointF(*placement.to_widget(*point)))
    if closed:
        path.closeSubpath()
    for color, width in (("#000000", 4.0), (THEME.shade(MADE), 2.0)):
        pen = QPen(QColor(color), width * THEME.font_scale)
        if dashed and color != "#000000":
            pen.setDashPattern([4, 2])
        painter.setPen(pen)
        painter.drawPath(path)
