"""The picture: zoom, pan, what lies under the pointer, and the facts that must never be out of sight."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.display import View
from app.frame import Frame, Segmentation
from app.gui import geometry
from app.gui.composer import Composed
from app.gui.geometry import Placement
from app.gui.overlay_paint import ColorBy
from app.gui.text import number, tr
from app.gui.theme import THEME
from app.gui.viewer_paint import (
    Badge,
    paint_badges,
    paint_focus_ring,
    paint_ids,
    paint_legend,
    paint_nucleus_card,
    paint_scale_bar,
)

_VIEW_PERIOD_MS = 30
"""The session hears of a changed view at most this often."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What lies under the pointer: frame position, grey value, and the nucleus' row in the result if there is one."""

    x: int
    y: int
    value: int
    row: int | None


class Tool(Protocol):
    """What the left button does instead of panning; positions are in frame pixels.

    A press without a drag still picks a nucleus; the middle button always pans.
    """

    def press(self, x: float, y: float, placement: Placement) -> None:
        """Take note of where the button went down."""
        ...

    def drag(self, x: float, y: float, placement: Placement) -> None:
        """Follow the pointer."""
        ...

    def release(self) -> None:
        """Let go."""
        ...

    def key(self, key: Qt.Key, modifiers: Qt.KeyboardModifier, placement: Placement) -> bool:
        """Heed a key; True when it was meant for the tool."""
        ...

    def paint(self, painter: QPainter, placement: Placement) -> None:
        """Draw over the picture, in the screen's own pixels."""
        ...


class Viewer(QWidget):
    """Shows `Composed` pictures.

    Signals
    -------
    view_changed : View
        The part of the frame that is looked at, and how many screen pixels it fills.
    nucleus_picked : int
        Row of the result that was clicked; -1 for none.
    placed : Placement
        The picture lies in another place; see `follow`.
    painted
        Another frame reached the screen.
    """

    view_changed = Signal(object)
    nucleus_picked = Signal(int)
    placed = Signal(object)
    painted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("viewer")
        self.setAccessibleName(tr("Picture"))
        self.setAccessibleDescription(tr("Wheel or Ctrl+plus enlarges, dragging moves, a click picks a nucleus."))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 180)
        self.composed: Composed | None = None
        self._painted: Frame | None = None
        self.placement: Placement | None = None
        self.badges: list[Badge] = []
        self.light_badge: Badge | None = None
        self.hint = ""
        self.crosshair = False
        self.show_ids = False
        self.color_by = ColorBy.NOTHING
        self.tool: Tool | None = None
        self.selected_row: int | None = None
        self._pointer: QPointF | None = None
        self._drag: QPointF | None = None
        self._dragged = self._working = self._tabbed = False
        self._sent: View | None = None
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_VIEW_PERIOD_MS)
        self._later.timeout.connect(self._send_view)

    # --- what is shown ---------------------------------------------------------------------------------------------

    def show_composed(self, composed: Composed) -> None:
        """Show a new picture."""
        if composed.result is not (self.composed.result if self.composed else None):
            self.selected_row = self._same_nucleus(composed)
        self.composed = composed
        height, width = composed.picture.frame.shape
        self._place(geometry.resized(self.placement, (width, height), self._size())
                    if self.placement else geometry.fit((width, height), self._size()))  # fmt: skip
        self.update()

    def _same_nucleus(self, composed: Composed) -> int | None:
        """Return the row of the ringed nucleus in `composed`; None for another picture, or if it is gone."""
        before, now = self._nucleus(self.selected_row), composed.result
        if before is None or now is None or self.result is None or now.frame is not self.result.frame:
            return None
        # By its place: labels are dealt out anew when nuclei are corrected.
        away = np.hypot(now.nuclei["x_px"] - before["x_px"], now.nuclei["y_px"] - before["y_px"])
        return int(away.argmin()) if away.size and away.min() < 1 else None

    @property
    def frame(self) -> Frame | None:
        """The frame on the screen."""
        return self.composed.picture.frame if self.composed else None

    @property
    def result(self) -> Segmentation | None:
        """The nuclei on the screen."""
        return self.composed.result if self.composed else None

    def set_badges(self, badges: list[Badge], light: Badge | None) -> None:
        """Say what must stay in sight: simulations at the left, the light at the right."""
        if (badges, light) != (self.badges, self.light_badge):
            self.badges, self.light_badge = badges, light
            self.update()

    def set_hint(self, hint: str) -> None:
        """Say what to do while there is no picture."""
        self.hint = hint
        self.update()

    def set_tool(self, tool: Tool | None) -> None:
        """Let the left button work a tool, or pan again."""
        self.tool = tool
        self.setCursor(Qt.CursorShape.CrossCursor) if tool is not None else self.unsetCursor()
        self.update()

    def select_row(self, row: int | None) -> None:
        """Ring one nucleus and bring it into view."""
        self.selected_row = row
        nucleus = self._nucleus(row)
        if nucleus is not None and self.placement is not None:
            x, y = self.placement.to_widget(float(nucleus["x_px"]), float(nucleus["y_px"]))
            if not self.rect().adjusted(20, 20, -20, -20).contains(QPoint(round(x), round(y))):
                self._place(geometry.centered(self.placement, float(nucleus["x_px"]), float(nucleus["y_px"])))
        self.update()

    # --- zoom and pan ----------------------------------------------------------------------------------------------

    def fit_view(self) -> None:
        """Show the whole field."""
        if self.placement:
            self._place(geometry.fit(self.placement.frame, self._size()))

    def actual_size(self) -> None:
        """Show one frame pixel as one screen pixel."""
        if self.placement:
            self._place(geometry.zoomed(self.placement, 1.0 / self.placement.scale, self._anchor()))

    def zoom(self, factor: float) -> None:
        """Enlarge around the pointer, or the middle."""
        if self.placement:
            self._place(geometry.zoomed(self.placement, factor, self._anchor()))

    def follow(self, placement: Placement) -> None:
        """Show the same part of the frame, as large, as another viewer does."""
        self._place(geometry.resized(placement, placement.frame, self._size()))

    def _anchor(self) -> tuple[float, float] | None:
        return (self._pointer.x() * self._ratio(), self._pointer.y() * self._ratio()) if self._pointer else None

    def _ratio(self) -> float:
        return self.devicePixelRatioF()

    def _size(self) -> tuple[int, int]:
        return max(round(self.width() * self._ratio()), 1), max(round(self.height() * self._ratio()), 1)

    def _place(self, placement: Placement) -> None:
        if placement != self.placement:
            self.placement = placement
            self.update()
            self.placed.emit(placement)
            if not self._later.isActive():
                self._later.start()

    def _send_view(self) -> None:
        if self.placement is None:
            view = View(None, self._size())
        else:
            region = self.placement.visible()
            width, height = self.placement.frame
            whole = region == (0, 0, width, height)
            view = View(None if whole else region, self.placement.picture_size())
        if view != self._sent:
            self._sent = view
            self.view_changed.emit(view)

    # --- what lies under the pointer -------------------------------------------------------------------------------

    def probe(self) -> Probe | None:
        """Return what lies under the pointer, or None off the picture."""
        frame = self.frame
        if frame is None or self.placement is None or self._pointer is None:
            return None
        x, y = (int(v // 1) for v in self.placement.to_frame(*(self._anchor() or (0.0, 0.0))))
        if not (0 <= y < frame.shape[0] and 0 <= x < frame.shape[1]):
            return None
        return Probe(x, y, int(frame.pixels[y, x]), self._row_at(x, y))

    def _row_at(self, x: int, y: int) -> int | None:
        result = self.result
        if result is None:
            return None
        rows, columns = result.labels.shape
        label = int(result.labels[min(int(y / result.zoom[0]), rows - 1), min(int(x / result.zoom[1]), columns - 1)])
        if label == 0:
            return None
        found = (result.nuclei["label"] == label).nonzero()[0]
        return int(found[0]) if len(found) else None

    def _nucleus(self, row: int | None) -> Any:
        result = self.result
        return result.nuclei[row] if result is not None and row is not None and row < result.count else None

    # --- painting --------------------------------------------------------------------------------------------------

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a comfortable size."""
        return QSize(1100, 620)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Copy the picture, then draw the few things that are not in it."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(THEME.palette.black))
        if self.composed is not None and self.placement is not None:
            self._paint_picture(painter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_marks(painter)
        else:
            self._paint_hint(painter)
        paint_badges(painter, self.rect(), self.badges, self.light_badge)
        if self._tabbed:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(THEME.palette.accent), 1))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()
        if self.frame is not self._painted:
            self._painted = self.frame
            self.painted.emit()

    def _paint_picture(self, painter: QPainter) -> None:
        assert self.composed is not None and self.placement is not None
        image, ratio = self.composed.image, self._ratio()
        x, y, width, height = (v / ratio for v in self.placement.rect(self.composed.picture.region))
        if abs(width * ratio - image.width()) < 1.6 and abs(height * ratio - image.height()) < 1.6:
            # It was rendered for exactly this place: a plain copy, whole screen pixels to whole screen pixels.
            painter.drawImage(
                QRectF(round(x * ratio) / ratio, round(y * ratio) / ratio,
                       image.width() / ratio, image.height() / ratio), image)  # fmt: skip
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, width < image.width())
        painter.drawImage(QRectF(x, y, width, height), image)

    def _paint_marks(self, painter: QPainter) -> None:
        assert self.composed is not None and self.placement is not None
        frame, result = self.composed.picture.frame, self.composed.result
        painter.save()
        painter.scale(1 / self._ratio(), 1 / self._ratio())
        if self.show_ids and result is not None:
            paint_ids(painter, self.placement, result)
        chosen = self._nucleus(self.selected_row)
        if chosen is not None:
            paint_focus_ring(painter, self.placement, chosen)
        if self.tool is not None:
            self.tool.paint(painter, self.placement)
        painter.restore()
        if self.crosshair:
            painter.setPen(QPen(QColor(THEME.palette.accent), 1))
            x, y = (v / self._ratio() for v in self.placement.to_widget(frame.shape[1] / 2, frame.shape[0] / 2))
            painter.drawLine(QPointF(x - 5000, y), QPointF(x + 5000, y))
            painter.drawLine(QPointF(x, y - 5000), QPointF(x, y + 5000))
        size_um = frame.pixel_size_um
        paint_scale_bar(
            painter, self.rect(), None if size_um is None else size_um / self.placement.scale * self._ratio()
        )
        if result is not None and self.color_by is not ColorBy.NOTHING:
            paint_legend(painter, self.rect(), result, self.color_by)
        probe = self.probe()
        if probe is not None:
            self._paint_probe(painter, frame, probe)

    def _paint_probe(self, painter: QPainter, frame: Frame, probe: Probe) -> None:
        text = f"x {probe.x}  y {probe.y}  =  {probe.value}"
        if frame.pixel_size_um:
            text += f"   ({number(probe.x * frame.pixel_size_um, 1)}, {number(probe.y * frame.pixel_size_um, 1)}) µm"
        note = Badge(text, THEME.palette.text)
        note.paint(painter, QPointF(THEME.px(12), self.height() - THEME.px(12)), from_bottom=True)
        nucleus = self._nucleus(probe.row)
        if nucleus is not None and self._pointer is not None:
            paint_nucleus_card(painter, self.rect(), self._pointer, nucleus)

    def _paint_hint(self, painter: QPainter) -> None:
        painter.setFont(THEME.font(13))
        painter.setPen(QColor(THEME.palette.muted))
        room = self.rect().adjusted(THEME.px(40), THEME.px(40), -THEME.px(40), -THEME.px(40))
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.hint)

    # --- the hand --------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep what was fitted fitted."""
        super().resizeEvent(event)
        if self.placement is not None:
            self._place(geometry.resized(self.placement, self.placement.frame, self._size()))
        elif not self._later.isActive():
            self._later.start()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Zoom around the pointer."""
        self._pointer = event.position()
        self.zoom(1.0015 ** event.angleDelta().y())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take hold of the picture."""
        self._pointer = event.position()
        if event.button() in (Qt.MouseButton.LeftButton, Qt.MouseButton.MiddleButton):
            self._drag, self._dragged = event.position(), False
            self._working = self.tool is not None and event.button() == Qt.MouseButton.LeftButton
            if self._working and self.tool is not None and self.placement is not None:
                self.tool.press(*self.placement.to_frame(*(self._anchor() or (0.0, 0.0))), self.placement)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Pan while held; otherwise read what lies under the pointer."""
        self._pointer = event.position()
        if self._drag is not None and self.placement is not None:
            moved = event.position() - self._drag
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged = True
                if self._working and self.tool is not None:
                    self.tool.drag(*self.placement.to_frame(*(self._anchor() or (0.0, 0.0))), self.placement)
                    self.update()
                    return
                self.setCursor(Qt.CursorShape.ClosedHandCursor)
                self._place(geometry.panned(self.placement, moved.x() * self._ratio(), moved.y() * self._ratio()))
                self._drag = event.position()
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go; a click without a drag picks a nucleus."""
        if self._drag is not None and not self._dragged and event.button() == Qt.MouseButton.LeftButton:
            probe = self.probe()
            self.selected_row = probe.row if probe else None
            self.nucleus_picked.emit(-1 if self.selected_row is None else self.selected_row)
            self.update()
        if self._working and self.tool is not None:
            self.tool.release()
        self._drag, self._working = None, False
        self.setCursor(Qt.CursorShape.CrossCursor) if self.tool is not None else self.unsetCursor()

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Change between the whole field and 1:1."""
        if self.placement is not None and self.placement.fitted:
            self.actual_size()
        else:
            self.fit_view()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Pan with Shift and the arrows; a tool comes first."""
        if self.tool is not None and self.placement is not None:
            if self.tool.key(Qt.Key(event.key()), event.modifiers(), self.placement):
                return
        step = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
        move = step.get(Qt.Key(event.key()))
        if move is None or self.placement is None:
            super().keyPressEvent(event)
            return
        self._place(geometry.panned(self.placement, 80 * move[0], 80 * move[1]))

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Show a frame to who comes with the Tab key: it went down elsewhere and comes up here."""
        if event.key() in (Qt.Key.Key_Tab, Qt.Key.Key_Backtab):
            self._tabbed = True
            self.update()
        super().keyReleaseEvent(event)

    def focusOutEvent(self, _event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Take the frame away."""
        self._tabbed = False
        self.update()

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Begin to read under the pointer."""
        self._pointer = event.position()

    def leaveEvent(self, _event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Stop reading under the pointer."""
        self._pointer = None
        self.update()
