"""How often each grey value occurs, over the sensor's full range, with handles for black and white."""

import warnings

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QLinearGradient, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.display import Contrast, Picture
from app.gui.text import number, percent, tr
from app.gui.theme import THEME

with warnings.catch_warnings():
    # pyqtgraph looks for optional packages while it is loaded, and those complain on their own account.
    warnings.simplefilter("ignore")
    from pyqtgraph.functions import arrayToQPath

_REACH_PX = 9


def bar_heights(histogram: NDArray[np.int64], *, log: bool) -> NDArray[np.float64]:
    """Return bar heights 0…1; on the linear scale the tallest inner bin sets it, so that a full end bin hides nothing.

    Parameters
    ----------
    histogram : ndarray of int, shape (N,)
    log : bool
        Logarithmic: single pixels can be seen beside a million.
    """
    counts = histogram.astype(np.float64)
    if log:
        counts = np.log10(counts + 1)
        top = counts.max(initial=0.0)
    else:
        top = counts[1:-1].max(initial=0.0) or counts.max(initial=0.0)
    return np.asarray(np.clip(counts / top, 0, 1)) if top > 0 else counts


class Histogram(QWidget):
    """Histogram with two handles.

    Signals
    -------
    contrast_asked : Contrast
        A handle was moved.
    auto_asked
        Double click: fit to the picture.
    """

    contrast_asked = Signal(object)
    auto_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("histogram")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setAccessibleName(tr("Histogram"))
        self.setToolTip(tr("Drag the handles to set black and white; double-click fits them; press Y for a log scale."))
        self.log = True
        self.levels = (0.0, 255.0)
        self.white = 255
        self._counts: NDArray[np.int64] = np.zeros(256, np.int64)
        self._saturated = self._dark = 0.0
        self._held: int | None = None
        self._drags = 0

    @property
    def drag(self) -> int:
        """The number of the drag that moves a handle now; 0 when none does."""
        return self._drags if self._held is not None else 0

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a usual size."""
        return QSize(THEME.px(330), THEME.px(130))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least useful size."""
        return QSize(THEME.px(180), THEME.px(84))

    def set_log(self, on: bool) -> None:
        """Use a logarithmic height."""
        self.log = on
        self.update()

    def show_picture(self, picture: Picture) -> None:
        """Show the histogram of a new picture."""
        self._counts, self.white = picture.histogram, picture.frame.white
        self._saturated, self._dark = picture.saturated_fraction, picture.dark_fraction
        if self._held is None:
            self.levels = picture.levels
        self.update()

    def _plot(self) -> QRectF:
        return QRectF(self.rect()).adjusted(THEME.px(8), THEME.px(20), -THEME.px(8), -THEME.px(18))

    def _x_of(self, value: float) -> float:
        plot = self._plot()
        return plot.left() + plot.width() * min(max(value / (self.white + 1), 0.0), 1.0)

    def _value_at(self, x: float) -> float:
        plot = self._plot()
        return min(max((x - plot.left()) / max(plot.width(), 1.0), 0.0), 1.0) * (self.white + 1)

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw bars, handles and the ramp between them."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        p, plot = THEME.palette, self._plot()
        painter.fillRect(plot, QColor(p.black))
        self._paint_bars(painter, plot)
        low, high = (self._x_of(value) for value in self.levels)
        ramp = QLinearGradient(low, 0, max(high, low + 1), 0)
        ramp.setColorAt(0, QColor("#000000"))
        ramp.setColorAt(1, QColor(p.bright))
        painter.fillRect(QRectF(plot.left(), plot.bottom() + 2, plot.width(), THEME.px(4)), ramp)
        for index, x in enumerate((low, high)):
            self._paint_handle(painter, plot, x, index)
        painter.setFont(THEME.font(8))
        painter.setPen(QColor(p.muted))
        below = QRectF(plot.left(), plot.bottom() + THEME.px(6), plot.width(), THEME.px(13))
        painter.drawText(below, Qt.AlignmentFlag.AlignLeft, f"{number(self.levels[0])}")
        painter.drawText(below, Qt.AlignmentFlag.AlignRight, f"{number(self.levels[1])}  /  {number(self.white)}")
        above = QRectF(plot.left(), THEME.px(2), plot.width(), THEME.px(16))
        title, warning = tr("Grey values") + (f" · {tr('log')}" if self.log else ""), self._warning()
        width = painter.fontMetrics().horizontalAdvance
        if width(title) + width(warning) + THEME.px(8) < above.width():
            painter.drawText(above, Qt.AlignmentFlag.AlignLeft, title)
        painter.setPen(QColor(p.warning))
        painter.drawText(above, Qt.AlignmentFlag.AlignRight, warning)
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(p.accent), 1))
            painter.drawRect(plot)
        painter.end()

    def _warning(self) -> str:
        if self._saturated > 0:
            return f"{tr('saturated')} {percent(self._saturated, 2)}"
        return f"{tr('at zero')} {percent(self._dark, 0)}" if self._dark > 0.2 else ""

    def _paint_bars(self, painter: QPainter, plot: QRectF) -> None:
        heights = bar_heights(self._counts, log=self.log)
        xs = plot.left() + plot.width() * np.arange(len(heights) + 1) / len(heights)
        ys = plot.bottom() - heights * (plot.height() - 2)
        # Each bar is two corners; one call for all of them, because the counting waits while Python runs here.
        outline = arrayToQPath(
            np.concatenate(([plot.left()], np.repeat(xs, 2)[1:-1], [plot.right()])),
            np.concatenate(([plot.bottom()], np.repeat(ys, 2), [plot.bottom()])),
            finiteCheck=False,
        )
        fill = QColor(THEME.palette.muted)
        fill.setAlpha(150)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawPath(outline)

    def _paint_handle(self, painter: QPainter, plot: QRectF, x: float, index: int) -> None:
        color = QColor(THEME.palette.accent)
        painter.setPen(QPen(color, 2 if self._held == index else 1.3))
        painter.drawLine(QPointF(x, plot.top()), QPointF(x, plot.bottom()))
        painter.setBrush(QColor("#000000") if index == 0 else QColor(THEME.palette.bright))
        painter.drawEllipse(QPointF(x, plot.top() + THEME.px(5)), THEME.px(4.5), THEME.px(4.5))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the nearer handle."""
        x = event.position().x()
        away = [abs(self._x_of(value) - x) for value in self.levels]
        nearest = int(away[1] < away[0])
        if away[nearest] <= THEME.px(_REACH_PX):
            self._held = nearest
            self._drags += 1

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Move the handle that is held."""
        x = event.position().x()
        if self._held is None:
            near = min(abs(self._x_of(value) - x) for value in self.levels) <= THEME.px(_REACH_PX)
            self.setCursor(Qt.CursorShape.SizeHorCursor if near else Qt.CursorShape.ArrowCursor)
            return
        self._move(self._held, self._value_at(x))

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go."""
        self._held = None

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Fit black and white to the picture."""
        self._held = None
        self.auto_asked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move white by the arrows, with Ctrl black."""
        step = (self.white + 1) / 64
        direction = {Qt.Key.Key_Down: -1, Qt.Key.Key_Up: 1}.get(Qt.Key(event.key()))
        if direction is not None:
            index = 0 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 1
            self._move(index, self.levels[index] + direction * step)
        else:
            super().keyPressEvent(event)

    def _move(self, index: int, value: float) -> None:
        low, high = self.levels
        gap = (self.white + 1) / 256
        if index == 0:
            low = min(max(value, 0.0), high - gap)
        else:
            high = max(min(value, self.white + 1.0), low + gap)
        self.levels = (low, high)
        self.contrast_asked.emit(Contrast(low, high))
        self.update()
