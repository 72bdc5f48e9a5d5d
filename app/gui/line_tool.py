"""The line that is drawn on the picture with the mouse, or moved with the keys."""

from PySide6.QtCore import QObject, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen

from app.gui.geometry import Placement
from app.gui.profile import BODY, Line
from app.gui.theme import THEME

_REACH_PX = 10
_STEP_PX = 6


class LineTool(QObject):
    """A tool of the viewer; see `app.gui.viewer.Tool`.

    Signals
    -------
    changed
        The line is another one, or gone.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.line: Line | None = None
        self._held: int | None = None
        self._from = (0.0, 0.0)

    def begin(self, placement: Placement | None) -> None:
        """Lay a line across the middle of what is seen, unless there is one."""
        if self.line is None and placement is not None:
            x, y, width, height = placement.visible()
            self.line = Line(x + width * 0.25, y + height / 2, x + width * 0.75, y + height / 2)
        self.changed.emit()

    def press(self, x: float, y: float, placement: Placement) -> None:
        """Take hold of an end or of the line at frame position (x, y), or begin another line there."""
        reach = THEME.px(_REACH_PX) / placement.scale
        self._held = self.line.part_at(x, y, reach) if self.line is not None else None
        self._from = (x, y)

    def drag(self, x: float, y: float, placement: Placement) -> None:
        """Move what is held."""
        height_width = (placement.frame[1], placement.frame[0])
        if self._held is None or self.line is None:
            self.line, self._held = Line(*self._from, x, y).kept_in(height_width), 1
        else:
            self.line = self.line.moved(self._held, x - self._from[0], y - self._from[1]).kept_in(height_width)
        self._from = (x, y)
        self.changed.emit()

    def release(self) -> None:
        """Let go."""
        self._held = None

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, placement: Placement) -> bool:
        """Move the line with Alt and the arrows, its end with Alt, Shift and the arrows. True when that was meant."""
        step = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
        way = step.get(key)
        if way is None or self.line is None or not modifiers & Qt.KeyboardModifier.AltModifier:
            return False
        by = _STEP_PX / placement.scale
        part = 1 if modifiers & Qt.KeyboardModifier.ShiftModifier else BODY
        self.line = self.line.moved(part, by * way[0], by * way[1]).kept_in((placement.frame[1], placement.frame[0]))
        self.changed.emit()
        return True

    def paint(self, painter: QPainter, placement: Placement) -> None:
        """Draw the line in the screen's own pixels: dark below, bright above, to be seen on any picture."""
        if self.line is None:
            return
        ends = [
            QPointF(*placement.to_widget(self.line.x0, self.line.y0)),
            QPointF(*placement.to_widget(self.line.x1, self.line.y1)),
        ]
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for color, width in (("#000000", 4.0), (THEME.palette.text, 1.8)):
            pen = QPen(QColor(color), width * THEME.font_scale)
            painter.setPen(pen)
            painter.drawLine(*ends)
            for index, end in enumerate(ends):
                # The beginning is round, the end square: the chart runs from one to the other.
                radius = THEME.px(5)
                if index == 0:
                    painter.drawEllipse(end, radius, radius)
                else:
                    painter.drawRect(round(end.x()) - radius, round(end.y()) - radius, 2 * radius, 2 * radius)
