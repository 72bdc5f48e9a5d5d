"""Flat field and pixel size: what is in force, and the way to measure them, step by step."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, QTimer, Signal, SignalInstance
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.gui.panels.page import Page
from app.gui.panels.parts import choice, label, number_field, set_role, set_text
from app.gui.text import number, tr
from app.gui.theme import THEME
from app.settings import Channel

if TYPE_CHECKING:
    from PySide6.QtWidgets import QLabel

    from app.gui.main_window import MainWindow

FLAT_STEPS = (
    "1. Put an even fluorescent slide under the objective; focus on it, then a little beside it.",
    "2. Start live, set light and exposure: bright, but with nothing saturated. Move the slide off scratches.",
    "3. Take it. The light is off for the dark frames, and flashes once for every other one.",
)
SCALE_STEPS = (
    "1. Fill the picture with the lines of a stage micrometer, or open an image of one, and focus on them.",
    "2. Say how far apart the lines are, and measure on the picture that is shown.",
)


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """What one channel has: words for its row, and how they are meant (see `parts.label`)."""

    text: str
    role: str


class CalibrationPage(Page):
    """Two halves, one below the other: the flat field of each channel, and the size of a pixel.

    Signals
    -------
    on_asked : bool
        Correct, or do not.
    take_asked : str, int
        A channel, and frames to average.
    cancel_asked
    measure_asked : float
        µm between two lines.
    use_asked, forget_asked
    """

    on_asked = Signal(bool)
    take_asked = Signal(str, int)
    cancel_asked = Signal()
    measure_asked = Signal(float)
    use_asked = Signal()
    forget_asked = Signal()

    def __init__(self, window: "MainWindow", channels: tuple[Channel, ...], frames: int) -> None:
        super().__init__(window.page, window.viewer, tr("Flat field and pixel size"))
        self._channels = channels
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setFrameShape(QFrame.Shape.NoFrame)
        inside = QWidget()
        inside.setObjectName("page")
        self._down = QVBoxLayout(inside)
        self._down.setContentsMargins(THEME.px(8), THEME.px(6), THEME.px(8), THEME.px(6))
        self._down.setSpacing(THEME.px(7))
        self._make_flat(frames)
        self._down.addSpacing(THEME.px(10))
        self._make_scale()
        self._down.addStretch(1)
        area.setWidget(inside)
        self._area, self._inside = area, inside
        self.lines.addWidget(area, 1)

    # --- building --------------------------------------------------------------------------------------------------

    def _make_flat(self, frames: int) -> None:
        self.on = QCheckBox(tr("Correct pictures and counts by the flat field"))
        self.on.setToolTip(tr("Files stay raw; they say which flat field was used for every frame."))
        self.on.clicked.connect(self.on_asked)
        self._down.addWidget(self.on)
        grid = QGridLayout()
        grid.setHorizontalSpacing(THEME.px(14))
        grid.setVerticalSpacing(THEME.px(2))
        grid.setColumnStretch(1, 1)
        self.states: dict[str, QLabel] = {}
        for row, channel in enumerate(self._channels):
            grid.addWidget(label(f"{channel.name} nm"), row, 0)
            self.states[channel.name] = label("", "muted", wrap=True)
            grid.addWidget(self.states[channel.name], row, 1)
        self._down.addLayout(grid)
        for step in FLAT_STEPS:
            self._down.addWidget(label(tr(step), wrap=True))
        self.channel: QComboBox = choice(self, tr("Channel"), tr("Whose light is used for the flat frames."))
        self.channel.addItems([channel.name for channel in self._channels])
        self.frames = number_field(self, tr("Frames"), "", 0, tr("Averaged dark and flat frames: more is less noise."))
        self.frames.setRange(1, 256)
        self.frames.setValue(frames)
        self.take = QPushButton(tr("Take flat field"))
        self.take.setToolTip(tr("Take dark frames, then flat frames, with light and exposure as they are set now."))
        self.take.clicked.connect(
            lambda _checked=False: self.take_asked.emit(self.channel.currentText(), int(self.frames.value()))
        )
        self._row(label(tr("Channel")), self.channel, label(tr("Frames")), self.frames, self.take)
        self.bar = QProgressBar()
        self.bar.setAccessibleName(tr("Progress"))
        self.bar.setTextVisible(False)  # it stands below, where it can be read whatever the bar's colour
        self.cancel = _button(tr("Cancel"), tr("Give it up; nothing is kept."), self.cancel_asked)
        across = QHBoxLayout()
        across.addWidget(self.bar, 1)
        across.addWidget(self.cancel)
        self._down.addLayout(across)
        self.result = label("", "muted", wrap=True)
        self._down.addWidget(self.result)
        self.show_idle(True)

    def _make_scale(self) -> None:
        head = label(tr("Pixel size"), "title")
        head.setFont(THEME.font(11, bold=True))
        self._down.addWidget(head)
        self.scale = label("", wrap=True)
        self._down.addWidget(self.scale)
        for step in SCALE_STEPS:
            self._down.addWidget(label(tr(step), wrap=True))
        self.division = number_field(self, tr("Division"), "µm", 2, tr("From the middle of one line to the next."))
        self.division.setRange(0.1, 10_000)
        self.division.setValue(10)
        self.measure = QPushButton(tr("Measure"))
        self.measure.setToolTip(tr("Find the lines in the picture that is shown."))
        self.measure.clicked.connect(lambda _checked=False: self.measure_asked.emit(self.division.value()))
        self.use = _button(tr("Use"), tr("Take the measured size from now on."), self.use_asked)
        self.use.hide()
        self.forget = _button(
            tr("Forget the measured size"), tr("Go back to objective × tube × binning."), self.forget_asked
        )
        self.forget.hide()
        self._row(label(tr("Lines every")), self.division, self.measure, self.use, self.forget)
        self.found = label("", "muted", wrap=True)
        self._down.addWidget(self.found)

    def _row(self, *parts: QWidget) -> None:
        row = QHBoxLayout()
        row.setSpacing(THEME.px(8))
        for part in parts:
            row.addWidget(part)
        row.addStretch(1)
        self._down.addLayout(row)

    # --- what is in force ------------------------------------------------------------------------------------------

    def show_states(self, on: bool, lines: dict[str, ChannelLine]) -> None:
        """Show the switch, and a line for every channel."""
        self.on.setChecked(on)
        for name, line in lines.items():
            set_text(self.states[name], line.text)
            set_role(self.states[name], line.role)

    def show_scale(self, text: str, *, measured: bool) -> None:
        """Show where the pixel size comes from."""
        set_text(self.scale, text)
        self.forget.setVisible(measured)

    # --- while a flat field is taken -------------------------------------------------------------------------------

    def show_idle(self, can_begin: bool) -> None:
        """Show the button again, which works unless something else keeps the microscope busy."""
        self.bar.hide()
        self.cancel.hide()
        self.take.setEnabled(can_begin)

    def show_progress(self, done: int, total: int, text: str) -> None:
        """Show how far it is."""
        self.take.setEnabled(False)
        self.bar.setRange(0, total)
        self.bar.setValue(done)
        set_text(self.result, text)
        if self.bar.isHidden():
            set_role(self.result, "muted")
            self.bar.show()
            self.cancel.show()
            self.cancel.setEnabled(True)
            self._fit(self.bar, self.result)

    def show_result(self, text: str, role: str) -> None:
        """Show what became of it."""
        set_text(self.result, text)
        set_role(self.result, role)
        self._fit(self.result)

    def show_found(self, text: str, role: str, *, usable: bool) -> None:
        """Show what was measured on the picture."""
        set_text(self.found, text)
        set_role(self.found, role)
        self.use.setVisible(usable)
        self.measure.setEnabled(True)
        self._fit(self.found)

    def _fit(self, *news: QWidget) -> None:
        """Make room for what has just changed, and bring it into view."""
        if not self.isVisible():
            return
        self.settle()

        def reveal() -> None:
            for widget in news:
                self._area.ensureWidgetVisible(widget, 0, THEME.px(8))

        QTimer.singleShot(0, self, reveal)  # once the layout knows how high it has become

    def wanted(self) -> QSize:
        """Be as high as the steps need, where there is room."""
        usual, margin = super().wanted(), self.lines.contentsMargins()
        width = THEME.px(640) - margin.left() - margin.right()
        more = self._down.totalHeightForWidth(width) + THEME.px(4) - self._area.sizeHint().height()
        return usual.expandedTo(QSize(0, self.sizeHint().height() + more))


def took(channel: str, evenness: float) -> str:
    """Return in words what a flat field showed."""
    return f"{channel} nm: {tr('kept')}. {tr('The dimmest part gets')} {number(100 * evenness)} % {tr('of the light.')}"


def _button(text: str, tooltip: str, asked: SignalInstance) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked=False: asked.emit())
    return button
