"""The editor of an acquisition plan, with what it will cost; while a plan runs, how far it is."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QRect, Qt, QTimer, Signal, SignalInstance
from PySide6.QtWidgets import (
    QCheckBox,
    QDoubleSpinBox,
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
from app.gui.panels.parts import EnterMovesOn, choice, label, number_field, set_role, set_text
from app.gui.plan_form import ChannelRow, PlanForm
from app.gui.text import duration, number, plain, short, tr
from app.gui.theme import THEME
from app.settings import Channel

if TYPE_CHECKING:
    from app.events import PlanEnded, PlanMoved
    from app.gui.main_window import MainWindow

_CALM_MS = 200
"""The cost is worked out this long after the last change."""


@dataclass(frozen=True, slots=True)
class Row:
    """The fields of one channel."""

    row: ChannelRow
    used: QCheckBox
    exposure: QDoubleSpinBox
    gain: QDoubleSpinBox
    light: QDoubleSpinBox
    every: QDoubleSpinBox

    def now(self) -> ChannelRow:
        """Return what is filled in."""
        return ChannelRow(
            self.row.config, self.row.channel, self.used.isChecked(), self.exposure.value(), self.gain.value(),
            round(self.light.value() / 100, 6), int(self.every.value()),
        )  # fmt: skip


class PlanPage(Page):
    """Channels, times, order; what it costs; start, pause, stop.

    Signals
    -------
    changed
        The form was changed; comes once the hand rests.
    start_asked, pause_asked, stop_asked, load_asked, save_asked
    """

    changed = Signal()
    start_asked = Signal()
    pause_asked = Signal()
    stop_asked = Signal()
    load_asked = Signal()
    save_asked = Signal()

    def __init__(self, window: "MainWindow", channels: tuple[Channel, ...]) -> None:
        super().__init__(window.page, window.viewer, tr("Acquisition plan"))
        self._channels = {channel.name: channel for channel in channels}
        self.rows: list[Row] = []
        self.running = False
        self._form = PlanForm(())
        self._filling = False
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(_CALM_MS)
        self._calm.timeout.connect(self.changed)
        self._keys = EnterMovesOn(self)
        self._keys.done.connect(window.viewer.setFocus)
        self._make_editor()
        self._make_progress()
        THEME.changed.connect(self._dress_names)
        for button in self.findChildren(QPushButton):
            button.installEventFilter(self._keys)

    # --- building --------------------------------------------------------------------------------------------------

    def _make_editor(self) -> None:
        self._body = QScrollArea()
        self._body.setWidgetResizable(True)
        self._body.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._body.setFrameShape(QFrame.Shape.NoFrame)
        inside = QWidget()
        inside.setObjectName("page")
        lines = QVBoxLayout(inside)
        lines.setContentsMargins(THEME.px(8), THEME.px(8), THEME.px(8), THEME.px(8))
        lines.setSpacing(THEME.px(10))
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(THEME.px(10))
        self._grid.setVerticalSpacing(THEME.px(5))
        lines.addLayout(self._grid)
        self.times = number_field(self, tr("Times"), "×", 0, tr("How often all channels are taken."))
        self.times.setRange(1, 100_000)
        self.interval = number_field(self, tr("Interval"), "s", 3, tr("From the start of one time to the next."))
        self.interval.setRange(0.001, 86_400)
        self.burst = QCheckBox(tr("Burst"))
        self.burst.setToolTip(tr("As fast as frames can be taken, without an interval."))
        self.phases = label("", "muted", wrap=True)
        self.simple = QPushButton(tr("Replace"))
        self.simple.setToolTip(tr("Forget the phases of the file and use one interval."))
        self.order = choice(self, tr("Order"), tr("Whether times or channels come first."))
        self.order.addItems([tr("All channels at each time"), tr("One channel after the other")])
        self.order.setMinimumContentsLength(25)
        self.gentle = QCheckBox(tr("Gentlest light first"))
        self.gentle.setToolTip(tr("From the longest wavelength to the shortest, which spares the DAPI stain."))
        self.bits = choice(self, tr("Pixel format"), tr("Mono12 keeps all grey values, Mono8 halves the file."))
        self.bits.addItems(["Mono12", "Mono12p", "Mono8"])
        self.file = choice(self, tr("File"), tr("OME-TIFF is always written; an OME-Zarr image can be made beside it."))
        self.file.addItems(["OME-TIFF", "OME-TIFF + OME-Zarr"])
        self.file.setMinimumContentsLength(20)
        when = QHBoxLayout()
        when.setSpacing(THEME.px(8))
        for part in (label(tr("Times")), self.times, label(tr("every")), self.interval, self.burst):
            when.addWidget(part)
        when.addWidget(self.phases, 1)
        when.addWidget(self.simple)
        when.addStretch(0)
        how = QHBoxLayout()
        how.setSpacing(THEME.px(8))
        parts: tuple[QWidget, ...] = (label(tr("Order")), self.order, self.gentle)
        for each in parts:
            how.addWidget(each)
        how.addStretch(1)
        kept = QHBoxLayout()
        kept.setSpacing(THEME.px(8))
        kept.addWidget(label(tr("Pixel format")))
        kept.addWidget(self.bits)
        kept.addWidget(label(tr("File")))
        kept.addWidget(self.file)
        kept.addStretch(1)
        for line in (when, how, kept):
            lines.addLayout(line)
        self.cost = label(tr("Working out what it costs…"), "title", wrap=True)
        self.light = label("", "", wrap=True)
        self.advice = label("", "warning", wrap=True)
        lines.addStretch(1)
        self._body.setWidget(inside)
        self.lines.addWidget(self._body, 1)
        # Below what scrolls: nobody starts a plan without having seen what it costs.
        for text in (self.cost, self.light, self.advice):
            self.lines.addWidget(text)
        self.load = _button(tr("Load…"), tr("Read a plan from a YAML or JSON file (useq-schema)."), self.load_asked)
        self.save = _button(tr("Save…"), tr("Write the plan to a YAML or JSON file (useq-schema)."), self.save_asked)
        self.start = _button(tr("Start plan"), tr("Take all frames; live imaging ends first."), self.start_asked)
        self.start.setEnabled(False)
        self._buttons = QWidget()
        row = QHBoxLayout(self._buttons)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.load)
        row.addWidget(self.save)
        row.addStretch(1)
        row.addWidget(self.start)
        self.lines.addWidget(self._buttons)
        for field in (self.times, self.interval):
            field.valueChanged.connect(self._touched)
            field.installEventFilter(self._keys)
        for box in (self.burst, self.gentle):
            box.clicked.connect(self._touched)
            box.installEventFilter(self._keys)
        for several in (self.order, self.bits, self.file):
            several.activated.connect(self._touched)
        self.simple.clicked.connect(self._forget_phases)

    def _make_progress(self) -> None:
        self._running = QWidget()
        down = QVBoxLayout(self._running)
        down.setContentsMargins(0, 0, 0, 0)
        down.setSpacing(THEME.px(8))
        self.bar = QProgressBar()
        self.bar.setAccessibleName(tr("Progress of the plan"))
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(THEME.px(10))
        self.at = label("", "title", wrap=True)
        self.rest = label("", "muted", wrap=True)
        self.pause = _button(tr("Pause"), tr("Hold the plan and its clock, in the dark."), self.pause_asked)
        self.stop = _button(tr("Stop"), tr("End the plan; what was taken is kept."), self.stop_asked)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.pause)
        row.addWidget(self.stop)
        for part in (self.bar, self.at, self.rest):
            down.addWidget(part)
        down.addLayout(row)
        self.lines.addWidget(self._running)
        self._running.hide()

    @property
    def zarr(self) -> bool:
        """True where an OME-Zarr image is wanted beside the file."""
        return self.file.currentIndex() == 1

    # --- the form --------------------------------------------------------------------------------------------------

    def show_form(self, form: PlanForm) -> None:
        """Fill in `form`."""
        self._form, self._filling = form, True
        self._show_rows(form.rows)
        self.times.setValue(form.times)
        if form.interval_s > 0:
            self.interval.setValue(form.interval_s)
        self.burst.setChecked(form.interval_s == 0 and form.phases is None)
        self.order.setCurrentIndex(int(form.by_channel))
        self.gentle.setChecked(not form.keep_order)
        self.bits.setCurrentText(form.pixel_format)
        set_text(
            self.phases, f"{form.times} {tr('times in phases, as in the file')}" if form.phases is not None else ""
        )
        self._filling = False
        self._enable()
        self.changed.emit()

    def form(self) -> PlanForm:
        """Return what is filled in."""
        before = self._form
        return PlanForm(
            tuple(row.now() for row in self.rows),
            int(self.times.value()),
            0.0 if self.burst.isChecked() else self.interval.value(),
            before.phases,
            self.order.currentIndex() == 1,
            not self.gentle.isChecked(),
            self.bits.currentText(),
            before.metadata,
        )

    def _show_rows(self, rows: tuple[ChannelRow, ...]) -> None:
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        heads = (tr("Channel"), tr("Exposure"), tr("Gain"), tr("Light"), tr("Taken"))
        for column, head in enumerate(heads):
            self._grid.addWidget(label(head, "muted"), 0, column)
        self.rows = [self._make_row(line, row) for line, row in enumerate(rows, 1)]
        self._dress_names()
        self._grid.setColumnStretch(0, 1)

    def _make_row(self, line: int, row: ChannelRow) -> Row:
        channel = self._channels[row.channel]
        name = f"{plain(channel.wavelength_nm)} nm" + (f" · {channel.stain}" if channel.stain else "")
        made = Row(
            row,
            QCheckBox(name),
            number_field(self, f"{tr('Exposure')} {name}", "ms", 2, tr("How long light is collected for one picture.")),
            number_field(self, f"{tr('Gain')} {name}", "dB", 1, tr("Electronic amplification; it lifts noise too.")),
            number_field(self, f"{tr('Light')} {name}", "%", 1, tr("Of the channel's full power; 0 is a dark frame.")),
            number_field(
                self, f"{tr('At every')} {name}", "", 0, tr("1 takes it at every time, 2 at every other one…")
            ),
        )
        made.used.setToolTip(tr("Take this channel."))
        made.used.setAccessibleName(name)
        fields = (made.exposure, made.gain, made.light, made.every)
        limits = ((0.01, 10_000), (0, 48), (0, 100), (1, 9999))
        values = (row.exposure_ms, row.gain_db, row.intensity * 100, row.every)
        made.used.setChecked(row.used)
        self._grid.addWidget(made.used, line, 0)
        for column, (field, limit, value) in enumerate(zip(fields, limits, values, strict=True), 1):
            field.setRange(*limit)
            field.setValue(value)
            field.setEnabled(row.used)
            field.valueChanged.connect(self._touched)
            field.installEventFilter(self._keys)
            made.used.toggled.connect(field.setEnabled)
            self._grid.addWidget(field, line, column)
        made.every.setPrefix(tr("1 in "))
        made.used.clicked.connect(self._touched)
        made.used.installEventFilter(self._keys)
        return made

    def _dress_names(self) -> None:
        for row in self.rows:
            color = THEME.shade(self._channels[row.row.channel].color)
            row.used.setStyleSheet(f"QCheckBox {{ color: {color}; }}")

    def _touched(self, _value: object = None) -> None:
        if not self._filling:
            self._enable()
            self.start.setEnabled(False)
            self._calm.start()

    def _forget_phases(self) -> None:
        self.show_form(replace(self.form(), phases=None, interval_s=self.interval.value()))

    def _enable(self) -> None:
        phases, once = self._form.phases is not None, self.times.value() <= 1
        for part in (self.phases, self.simple):
            part.setVisible(phases)
        self.times.setEnabled(not phases)
        self.burst.setEnabled(not phases and not once)
        self.interval.setEnabled(not phases and not once and not self.burst.isChecked())
        self.order.setEnabled(phases or not once)

    # --- what it costs ---------------------------------------------------------------------------------------------

    def show_cost(self, cost: str, light: str, advice: str) -> None:
        """Show what the plan costs; it can be started."""
        set_role(self.cost, "title")
        for part, text in ((self.cost, cost), (self.light, light), (self.advice, advice)):
            set_text(part, text)
        self._judged(True)

    def show_refusal(self, why: str) -> None:
        """Show why this is no plan."""
        set_role(self.cost, "error")
        set_text(self.cost, why)
        self._judged(False)

    def _judged(self, good: bool) -> None:
        self.start.setEnabled(good)
        self.save.setEnabled(good)
        for part in (self.cost, self.light, self.advice):
            part.setVisible(bool(part.text()) and not self.running and (good or part is self.cost))
        if self.isVisible():
            self.settle()

    # --- while it runs ---------------------------------------------------------------------------------------------

    def show_running(self, running: bool) -> None:
        """Show the progress, small and below the picture's middle; or the editor."""
        if running == self.running:
            return
        self.running = running
        for part in (self._body, self.cost, self.light, self.advice):
            part.setVisible(not running)
        self._buttons.setVisible(not running)
        self._running.setVisible(running)
        if running:
            self.bar.setRange(0, 0)
            set_text(self.at, tr("Starting: disk, light, camera…"))
            set_text(self.rest, "")
            self.show_paused(False)
            self.stop.setEnabled(True)
        if self.isVisible():
            self.settle()

    def show_paused(self, paused: bool) -> None:
        """Say what the button would do."""
        self.pause.setText(tr("Resume") if paused else tr("Pause"))
        self.pause.setToolTip(tr("Go on with the plan.") if paused else tr("Hold the plan and its clock, in the dark."))

    def show_progress(self, at: "PlanMoved", left_s: float) -> None:
        """Show how far the plan is; `left_s` seconds are left by now."""
        self.bar.setRange(0, at.total)
        self.bar.setValue(at.taken)
        taken = f"{number(at.taken)} / {number(at.total)} {tr('frames')}"
        set_text(
            self.at, f"{taken} · {tr('paused, in the dark') if at.paused else duration(left_s) + ' ' + tr('left')}"
        )
        parts = []
        if at.disk_left_s is not None:
            parts.append(f"{tr('disk for')} {duration(at.disk_left_s)}")
        if at.taken:
            parts.append(tr("last time begun {} late").format(short(max(at.late_ms, 0) / 1000)))
        if at.counted or at.skipped:
            parts.append(counted_words(at))
        set_text(self.rest, " · ".join(parts))
        self.show_paused(at.paused)

    def settle(self) -> None:
        """Take the middle of the picture, or, while a plan runs, only its lower edge: the frames are to be seen."""
        super().settle()
        if not self.running:
            return
        around = QRect(self._about.mapTo(self._over, QPoint(0, 0)), self._about.size())
        width = min(THEME.px(520), around.width() - THEME.px(16))
        layout = self.layout()
        height = max(self.minimumSizeHint().height(), layout.totalHeightForWidth(width) if layout is not None else 0)
        box = QRect(0, 0, width, min(height, around.height()))
        box.moveCenter(around.center())
        box.moveBottom(around.bottom() - THEME.px(60))
        if box.intersects(messages := self._messages()):
            box.moveBottom(messages.top() - THEME.px(6))
        box.moveTop(max(box.top(), around.top()))
        self.setGeometry(box)


def counted_words(at: "PlanMoved | PlanEnded") -> str:
    """Return in words how many frames were counted, and how many had to be skipped."""
    words = f"{number(at.counted)} {tr('counted')}"
    return f"{words}, {number(at.skipped)} {tr('skipped to stay on time')}" if at.skipped else words


def _button(text: str, tooltip: str, asked: SignalInstance) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tooltip)
    button.clicked.connect(lambda _checked=False: asked.emit())
    return button
