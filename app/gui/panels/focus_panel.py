"""A meter for the fine focus: turn until the bar meets its mark."""

from PySide6.QtCore import QRectF, QSize, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QWidget

from app.gui.focus import PeakHold
from app.gui.icons import show_icon
from app.gui.panels.parts import label, set_text
from app.gui.text import percent, tr
from app.gui.theme import THEME


class _Meter(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.fraction, self.has_peak = 0.0, False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Focus"))
        self.setToolTip(tr("Sharpness of the middle of the field; the mark is the sharpest seen so far."))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(THEME.px(120), THEME.px(18))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        painter = QPainter(self)
        p, rect = THEME.palette, QRectF(self.rect()).adjusted(0, 3, -1, -3)
        painter.fillRect(rect, QColor(p.raised))
        # The mark stands at nine tenths, so that there is room to see a new peak coming.
        mark = rect.left() + rect.width() * 0.9
        color = QColor(p.good if self.fraction > 0.95 else p.accent if self.fraction > 0.7 else p.muted)
        painter.fillRect(QRectF(rect.left(), rect.top(), rect.width() * 0.9 * self.fraction, rect.height()), color)
        if self.has_peak:
            painter.setPen(QPen(QColor(p.text), 2))
            painter.drawLine(int(mark), int(rect.top()) - 2, int(mark), int(rect.bottom()) + 3)
        painter.end()


class FocusPanel(QWidget):
    """Sharpness now against the best so far.

    Signals
    -------
    reset_asked
    """

    reset_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.meter = _Meter()
        self.text = label("–", "muted")
        self.text.setMinimumWidth(THEME.px(48))
        reset = QToolButton()
        reset.setObjectName("flat")
        show_icon(reset, "loop")
        reset.setToolTip(tr("Forget the sharpest value seen and begin anew.  [G]"))
        reset.setAccessibleName(tr("Reset focus peak"))
        reset.clicked.connect(lambda _checked=False: self.reset_asked.emit())
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(4), 0, 0, THEME.px(6))
        row.addWidget(self.meter, 1)
        row.addWidget(self.text)
        row.addWidget(reset)

    def show_focus(self, focus: PeakHold) -> None:
        """Show the present value against its peak."""
        if abs(focus.fraction - self.meter.fraction) > 0.004 or self.meter.has_peak != (focus.peak > 0):
            self.meter.fraction, self.meter.has_peak = focus.fraction, focus.peak > 0
            self.meter.update()
        set_text(self.text, percent(focus.fraction) if focus.peak > 0 else "–")
