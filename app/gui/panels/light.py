"""The light: four buttons that show what the box says, not what was asked of it."""

from PySide6.QtCore import QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QDoubleSpinBox,
    QGridLayout,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.events import DoseSeen, LightReady, LightSeen
from app.gui.panels.parts import label, number_field, set_role, set_text, slider
from app.gui.text import number, percent, plain, tr
from app.gui.theme import THEME
from app.settings import Channel

_SEND_PERIOD_MS = 80
"""A dragged slider speaks to the box at most this often."""


class LightButton(QAbstractButton):
    """One colour of light. Filled: the box says it shines. Rimmed: chosen. Hatched: the box does not answer."""

    def __init__(self, channel: Channel, key: str) -> None:
        super().__init__()
        self.channel, self.key = channel, key
        self.lit = False
        self.known = True
        self.armed = False
        self.setObjectName(f"channel-{channel.name}")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self._say()

    def show_state(self, *, lit: bool, known: bool, armed: bool) -> None:
        """Show what the box said (`lit`, `known`) and what is chosen (`armed`)."""
        if (lit, known, armed) != (self.lit, self.known, self.armed):
            self.lit, self.known, self.armed = lit, known, armed
            self._say()
            self.update()

    def _say(self) -> None:
        wave = f"{plain(self.channel.wavelength_nm)} nm"
        state = tr("shines") if self.lit else tr("dark")
        state = state if self.known else tr("does not answer: take it as on")
        chosen = f", {tr('chosen')}" if self.armed else ""
        self.setAccessibleName(f"{self.channel.name}: {state}{chosen}")
        stain = f" ({self.channel.stain})" if self.channel.stain else ""
        self.setToolTip(f"{wave}{stain}: {state}{chosen}  [{self.key}]")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return a size for a thumb in the dark."""
        return QSize(THEME.px(66), THEME.px(58))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least that keeps the name legible."""
        return QSize(THEME.px(52), THEME.px(58))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the state."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        color, p = QColor(THEME.shade(self.channel.color)), THEME.palette
        rect = QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5)
        painter.setPen(QPen(color if self.armed or self.lit else QColor(p.line), 2 if self.armed or self.lit else 1))
        painter.setBrush(color if self.lit else QColor(p.hover if self.underMouse() else p.raised))
        painter.drawRoundedRect(rect, THEME.px(6), THEME.px(6))
        if not self.known:
            painter.setBrush(Qt.BrushStyle.BDiagPattern)
            painter.drawRoundedRect(rect, THEME.px(6), THEME.px(6))
        if self.hasFocus():
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(p.text), 1, Qt.PenStyle.DotLine))
            painter.drawRoundedRect(rect.adjusted(3, 3, -3, -3), THEME.px(4), THEME.px(4))
        ink = QColor("#000000") if self.lit else QColor(p.text)
        painter.setPen(ink)
        painter.setFont(THEME.font(12.5, bold=True))
        room = rect.adjusted(0, THEME.px(6), 0, -THEME.px(22))
        painter.drawText(room, Qt.AlignmentFlag.AlignCenter, self.channel.name)
        painter.setFont(THEME.font(8))
        painter.setPen(ink if self.lit else QColor(p.muted))
        below = self.channel.stain or (f"{plain(self.channel.wavelength_nm)} nm" if self.channel.name.isalpha() else "")
        state = tr("ON") if self.lit else below
        if not self.known:
            state = "?"
        painter.drawText(
            rect.adjusted(0, rect.height() - THEME.px(24), 0, -THEME.px(5)),
            Qt.AlignmentFlag.AlignCenter,
            f"{self.key} · {state}" if state else self.key,
        )
        if not self.lit:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            painter.drawRoundedRect(QRectF(rect.x() + 8, rect.y() + 4, rect.width() - 16, 3), 1.5, 1.5)
        painter.end()


class LightPanel(QWidget):
    """Four channels, one level, one way to darkness.

    Signals
    -------
    channel_asked : str or None
    intensity_asked : float
        0…1.
    off_asked
    """

    channel_asked = Signal(object)
    intensity_asked = Signal(float)
    off_asked = Signal()

    def __init__(self, channels: tuple[Channel, ...], intensity: float) -> None:
        super().__init__()
        self.seen = LightSeen(None, 0.0, True)
        self.armed: str | None = None
        self.buttons = [LightButton(channel, str(index + 1)) for index, channel in enumerate(channels)]
        grid = QGridLayout()
        grid.setSpacing(THEME.px(6))
        for index, button in enumerate(self.buttons):
            grid.addWidget(button, index // 4, index % 4)
            button.clicked.connect(lambda _checked=False, b=button: self.ask(b.channel.name))
        self.level = number_field(self, tr("Light level"), "%", 1, tr("How strong the chosen light is, 0 to 100 %."))
        self.level.setRange(0.1, 100.0)
        self.level.setMinimumWidth(THEME.px(88))
        self.level.setValue(100 * intensity)
        self.bar = slider(self, tr("Light level"), tr("How strong the chosen light is."))
        self.bar.setMinimum(1)
        self.bar.setValue(round(100 * intensity))
        row = QHBoxLayout()
        row.setSpacing(THEME.px(8))
        row.addWidget(self.bar, 1)
        row.addWidget(self.level)
        self.off = QPushButton(tr("ALL LIGHTS OFF  ·  Esc"))
        self.off.setObjectName("alloff")
        self.off.setToolTip(tr("Switch every light off, at once.  [Esc]"))
        self.off.clicked.connect(lambda _checked=False: self.off_asked.emit())
        self.state = label(tr("Not connected"), "muted", wrap=True)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(THEME.px(2), THEME.px(2), THEME.px(2), THEME.px(6))
        lines.setSpacing(THEME.px(7))
        for part in (grid, row):
            lines.addLayout(part)
        lines.addWidget(self.off)
        lines.addWidget(self.state)
        self.dose = label("", "muted", wrap=True)
        self.dose.setToolTip(tr("Light on this field since it came into view: seconds at full power, by channel."))
        lines.addWidget(self.dose)
        self._later = QTimer(self)
        self._later.setSingleShot(True)
        self._later.setInterval(_SEND_PERIOD_MS)
        self._later.timeout.connect(self._send)
        self.bar.valueChanged.connect(self._slid)
        self.level.valueChanged.connect(self._typed)

    def ask(self, name: str) -> None:
        """Ask for a channel; asking for the one that shines asks for darkness."""
        self.channel_asked.emit(None if self.seen.channel == name and self.seen.known else name)

    def ask_index(self, index: int) -> None:
        """Ask for the channel of a key, from 0; a key without a channel does nothing."""
        if index < len(self.buttons):
            self.ask(self.buttons[index].channel.name)

    def nudge(self, by: float) -> None:
        """Change the level by `by` percent."""
        self.level.setValue(self.level.value() + by)

    def show_armed(self, name: str | None) -> None:
        """Show which channel is chosen."""
        self.armed = name
        self._refresh()

    def show_ready(self, event: LightReady) -> None:
        """Tell which box is open; what it said is told by `show_seen` alone."""
        self.state.setToolTip(event.info.title)

    def show_level(self, intensity: float) -> None:
        """Show a level that was set elsewhere, without asking for it again."""
        self.level.blockSignals(True)
        self.bar.blockSignals(True)
        self.level.setValue(100 * intensity)
        self.bar.setValue(round(100 * intensity))
        self.level.blockSignals(False)
        self.bar.blockSignals(False)

    def show_seen(self, seen: LightSeen) -> None:
        """Show what the box read back."""
        self.seen = seen
        faults = "; ".join(seen.reading.faults) if seen.reading else ""
        if not seen.known:
            text, role = tr("The light may still be ON: it does not answer. Switch the box off by hand."), "error"
        elif faults:
            text, role = faults, "error"
        elif seen.channel is None:
            text, role = tr("Dark, confirmed by the box"), "muted"
        else:
            text, role = f"{seen.channel} · {percent(seen.level, 1)} · {tr('confirmed by the box')}", "good"
        set_text(self.state, text)
        set_role(self.state, role)
        self._refresh()

    def show_dose(self, event: DoseSeen) -> None:
        """Show what this field has had."""
        told = [f"{name} {number(total.dose_s, 1)} s" for name, total in event.channels.items()]
        budget = f" / {plain(event.budget_s)} s" if event.budget_s else ""
        set_text(self.dose, f"{tr('Dose at full power')}: {' · '.join(told) or '0 s'}{budget}")
        set_role(self.dose, "warning" if event.spent else "muted")

    def _refresh(self) -> None:
        for button in self.buttons:
            name = button.channel.name
            button.show_state(
                lit=self.seen.known and self.seen.channel == name, known=self.seen.known, armed=self.armed == name
            )

    def _slid(self, value: int) -> None:
        _set_quietly(self.level, float(value))
        self._later.start() if not self._later.isActive() else None

    def _typed(self, value: float) -> None:
        self.bar.blockSignals(True)
        self.bar.setValue(round(value))
        self.bar.blockSignals(False)
        self._later.start() if not self._later.isActive() else None

    def _send(self) -> None:
        self.intensity_asked.emit(self.level.value() / 100)


def _set_quietly(field: QDoubleSpinBox, value: float) -> None:
    field.blockSignals(True)
    field.setValue(value)
    field.blockSignals(False)
