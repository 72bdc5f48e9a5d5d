"""Small building blocks of the panels."""

import math

from PySide6.QtCore import QEvent, QObject, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QIcon, QKeyEvent, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSizePolicy,
    QSlider,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.gui.icons import pixmap
from app.gui.text import tr
from app.gui.theme import THEME


def label(text: str = "", role: str = "", *, wrap: bool = False) -> QLabel:
    """Return a text; `role` is ``muted``, ``good``, ``warning``, ``error`` or ``title``."""
    made = Wrapping(text) if wrap else QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    set_role(made, role)
    return made


class Wrapping(QLabel):
    """A text of several lines that is never cut: nested layouts lose sight of its height, so it holds it itself."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.setWordWrap(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)

    def event(self, event: QEvent) -> bool:
        """Take as many lines as the text needs, whenever width, text or letters change."""
        done = super().event(event)
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest, QEvent.Type.FontChange, QEvent.Type.Show):
            self.fit()
        return done

    def setText(self, text: str) -> None:  # noqa: N802 - Qt's name
        """Show another text."""
        super().setText(text)
        self.fit()

    def fit(self) -> None:
        """Take the height that the text needs at the present width."""
        # Not QLabel's own answer: that is never less than the minimum set here, so that no text would shrink again.
        room = self.contentsRect()
        flags = int(Qt.TextFlag.TextWordWrap | self.alignment())
        text = self.fontMetrics().boundingRect(0, 0, max(room.width(), 1), 1 << 20, flags, self.text())
        height = text.height() + self.height() - room.height() if self.text() else 0
        if height != self.minimumHeight():
            self.setMinimumHeight(height)


def set_role(widget: QWidget, role: str) -> None:
    """Change what a text means, and with it its colour."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def set_text(widget: QLabel, text: str) -> None:
    """Change a text only where it differs: a label laid out again costs more than a comparison."""
    if widget.text() != text:
        widget.setText(text)


class Eliding(QLabel):
    """A line that asks for its whole width, makes do with less, and then shows dots; its tooltip says it all.

    Parameters
    ----------
    dots : Qt.TextElideMode
        Where they go: a path is known by its beginning and its end.
    """

    def __init__(self, dots: Qt.TextElideMode = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self._dots = dots
        self.setTextFormat(Qt.TextFormat.PlainText)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for a word."""
        return QSize(THEME.px(40), super().minimumSizeHint().height())

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw as much of the text as there is room for."""
        painter = QPainter(self)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        text = self.fontMetrics().elidedText(self.text(), self._dots, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, text)
        painter.end()


class Shortening(Eliding):
    """A line that says the longest of several wordings there is room for; its tooltip says the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self._wordings: tuple[str, ...] = ("",)

    def show_wordings(self, *wordings: str) -> None:
        """Say the same at several lengths, the longest first."""
        if wordings != self._wordings:
            self._wordings = wordings
            self.updateGeometry()  # it asks for another room, even where it says the same
        self.setToolTip(wordings[0])
        self._choose()

    def _choose(self) -> None:
        fit = (text for text in self._wordings if self.room_for(text) <= self.width())
        set_text(self, next(fit, self._wordings[-1]))

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Ask for the room of the longest."""
        return QSize(self.room_for(self._wordings[0]), super().sizeHint().height())

    def room_for(self, text: str) -> int:
        """Return how wide it has to be to say this without dots."""
        return math.ceil(QFontMetricsF(self.font()).horizontalAdvance(text))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Say what fits now."""
        super().resizeEvent(event)
        self._choose()


class Section(QFrame):
    """A panel with a title that folds it away."""

    folded = Signal(bool)

    def __init__(self, name: str, title: str, body: QWidget, *, open_: bool = True) -> None:
        super().__init__()
        self.setObjectName("section")
        self.name, self.body = name, body
        self.head = QToolButton()
        self.head.setObjectName("fold")
        self.head.setText(title)
        self.head.setAccessibleName(title)
        self.head.setCheckable(True)
        self.head.setChecked(open_)
        self.head.setToolTip(tr("Fold or unfold this panel."))
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.note = label("", "muted")
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, THEME.px(4), 0)
        row.addWidget(self.head, 1)
        row.addWidget(self.note)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(THEME.px(10), 0, THEME.px(8), THEME.px(4))
        lines.setSpacing(0)
        lines.addLayout(row)
        lines.addWidget(body)
        self.head.toggled.connect(self.set_open)
        THEME.changed.connect(self._draw)
        self.set_open(open_)

    @property
    def is_open(self) -> bool:
        """True while the body can be seen."""
        return self.head.isChecked()

    def set_open(self, on: bool) -> None:
        """Fold or unfold."""
        self.head.setChecked(on)
        self._draw()
        self.body.setVisible(on)
        self.folded.emit(not on)

    def _draw(self) -> None:
        """Show which way it is; Qt's own arrow does not grow with the letters."""
        name = "unfolded" if self.is_open else "folded"
        self.head.setIcon(QIcon(pixmap(name, THEME.palette.muted, 40)))  # not lit as what is switched on


class Escape(QObject):
    """Hears Esc in open lists and menus, which keep their keys to themselves.

    Signals
    -------
    pressed
    """

    pressed = Signal()

    def eventFilter(self, _watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Tell, and leave the key to the list or menu, which closes by it."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent) and event.key() == Qt.Key.Key_Escape:
            self.pressed.emit()
        return False


ESCAPE = Escape()
"""The one that is installed on all of them."""


class _NoWheel(QObject):
    """Keeps the wheel, meant to scroll the panels, from changing a value that has no focus."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Hand the wheel on to whoever scrolls."""
        if event.type() == QEvent.Type.Wheel and isinstance(watched, QWidget) and not watched.hasFocus():
            event.ignore()
            return True
        return False


class EnterMovesOn(QObject):
    """After Enter in a field the keys work the microscope again; Enter on a button presses it (Space means snap)."""

    done = Signal()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Look at keys on their way to fields and buttons."""
        if event.type() == QEvent.Type.KeyPress and isinstance(event, QKeyEvent):
            if event.key() not in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
                return False
            if isinstance(watched, QAbstractSpinBox):
                watched.interpretText()
                watched.editingFinished.emit()
                self.done.emit()
                return True
            if isinstance(watched, QLineEdit) and not isinstance(watched.parent(), QAbstractSpinBox | QComboBox):
                watched.editingFinished.emit()
                self.done.emit()
                return True
            click = getattr(watched, "click", None)
            if click is not None and isinstance(watched, QWidget) and watched.isEnabled():
                click()
                return True
        return False


def calm(widget: QWidget, keeper: QObject) -> None:
    """Make a field ignore the wheel until it is chosen."""
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    guard = _NoWheel(keeper)
    widget.installEventFilter(guard)


def number_field(keeper: QWidget, name: str, unit: str, decimals: int, tooltip: str) -> QDoubleSpinBox:
    """Return a field for a number with its unit; it reports only finished edits."""
    field = QDoubleSpinBox()
    field.setDecimals(decimals)
    field.setSuffix(f" {unit}" if unit else "")
    field.setKeyboardTracking(False)
    field.setStepType(QAbstractSpinBox.StepType.AdaptiveDecimalStepType)
    field.setAccessibleName(name)
    field.setToolTip(tooltip)
    field.setMinimumWidth(THEME.px(60))
    calm(field, keeper)
    return field


def choice(keeper: QWidget, name: str, tooltip: str) -> QComboBox:
    """Return an empty list to choose from."""
    box = QComboBox()
    box.setAccessibleName(name)
    box.setToolTip(tooltip)
    box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    box.setMinimumContentsLength(6)
    box.view().installEventFilter(ESCAPE)
    calm(box, keeper)
    return box


def slider(keeper: QWidget, name: str, tooltip: str) -> QSlider:
    """Return a slider of 0 to 100."""
    made = QSlider(Qt.Orientation.Horizontal)
    made.setRange(0, 100)
    made.setAccessibleName(name)
    made.setToolTip(tooltip)
    calm(made, keeper)
    return made


def progress_bar(tooltip: str) -> QProgressBar:
    """Return a thin bar of 0 to 100."""
    bar = QProgressBar()
    bar.setRange(0, 100)
    bar.setTextVisible(False)
    bar.setFixedHeight(THEME.px(10))
    bar.setAccessibleName(tr("Progress"))
    bar.setToolTip(tooltip)
    return bar


def form(widget: QWidget) -> QFormLayout:
    """Return a two-column layout on `widget`."""
    lines = QFormLayout(widget)
    lines.setContentsMargins(THEME.px(4), THEME.px(2), THEME.px(2), THEME.px(6))
    lines.setHorizontalSpacing(THEME.px(10))
    lines.setVerticalSpacing(THEME.px(6))
    lines.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    lines.setRowWrapPolicy(QFormLayout.RowWrapPolicy.DontWrapRows)
    return lines
