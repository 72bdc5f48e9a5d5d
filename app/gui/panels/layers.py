"""The channels of a composite: which are shown, and how."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QGridLayout, QHBoxLayout, QToolButton, QVBoxLayout, QWidget

from app.gui.panels.parts import label, number_field, set_text
from app.gui.text import tr
from app.gui.theme import THEME


class LayerRow(QWidget):
    """One channel: shown or not, black, white, and whether they follow the picture.

    Signals
    -------
    changed
        It was shown or hidden.
    contrast_asked : (float, float) or None
        Black and white, fractions of the range; None follows the picture.
    """

    changed = Signal()
    contrast_asked = Signal(object)

    def __init__(self, name: str, title: str, color: str) -> None:
        super().__init__()
        self.name, self.color = name, color
        self.shown = QCheckBox(title)
        self.shown.setChecked(True)
        self.shown.setToolTip(f"{tr('Show this channel in the composite')}: {title}.")
        self.note = label("", "muted")
        self.auto = QToolButton()
        self.auto.setText(tr("Auto"))
        self.auto.setCheckable(True)
        self.auto.setChecked(True)
        self.auto.setToolTip(f"{tr('Fit black and white of this channel to every picture')}: {title}.")
        self.black = self._level(tr("Black"), title)
        self.white = self._level(tr("White"), title)
        self.white.setValue(100.0)
        head = QHBoxLayout()
        head.addWidget(self.shown)
        head.addStretch(1)
        head.addWidget(self.note)
        levels = QHBoxLayout()
        levels.setSpacing(THEME.px(6))
        levels.addWidget(self.black, 1)
        levels.addWidget(self.white, 1)
        levels.addWidget(self.auto)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(THEME.px(3))
        lines.addLayout(head)
        lines.addLayout(levels)
        self.shown.clicked.connect(lambda _on: self.changed.emit())
        self.auto.clicked.connect(lambda on: self.contrast_asked.emit(None if on else self._levels()))
        for field in (self.black, self.white):
            field.valueChanged.connect(lambda _value: self._edited())
        THEME.changed.connect(self._dress)
        self._dress()

    def _level(self, what: str, title: str) -> QDoubleSpinBox:
        field = number_field(self, f"{what}, {title}", "%", 1, f"{what}: {tr('part of the range')}, {title}.")
        field.setRange(0.0, 100.0)
        return field

    def _dress(self) -> None:
        swatch = QPixmap(THEME.px(12), THEME.px(12))
        swatch.fill(QColor(THEME.shade(self.color)))
        self.shown.setIcon(QIcon(swatch))
        self.shown.setIconSize(swatch.size())

    def _levels(self) -> tuple[float, float]:
        return self.black.value() / 100, self.white.value() / 100

    def _edited(self) -> None:
        self.auto.setChecked(False)
        self.contrast_asked.emit(self._levels())

    def show_levels(self, low: float, high: float, *, follows: bool) -> None:
        """Show black and white that are in force."""
        self.auto.setChecked(follows)
        for field, value in ((self.black, low), (self.white, high)):
            if not field.hasFocus():
                field.blockSignals(True)
                field.setValue(100 * value)
                field.blockSignals(False)


class LayersPanel(QWidget):
    """All channels, and whether they are shown together.

    Signals
    -------
    toggled : bool
        The composite as a whole.
    changed
        A channel was shown or hidden.
    contrast_asked : str, object
        Channel, and black and white or None; see `LayerRow`.
    """

    toggled = Signal(bool)
    changed = Signal()
    contrast_asked = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.on = QCheckBox(tr("Show all channels in one picture"))
        self.on.setToolTip(tr("Add up the newest picture of every channel, each in its colour.  [V]"))
        self.on.clicked.connect(self.toggled)
        self.told = label("", "muted", wrap=True)
        self.rows: dict[str, LayerRow] = {}
        self._grid = QGridLayout()
        self._grid.setVerticalSpacing(THEME.px(8))
        lines = QVBoxLayout(self)
        lines.setContentsMargins(THEME.px(4), THEME.px(2), THEME.px(2), THEME.px(8))
        lines.setSpacing(THEME.px(6))
        lines.addWidget(self.on)
        lines.addWidget(self.told)
        lines.addLayout(self._grid)

    def show_channels(self, channels: list[tuple[str, str, str]]) -> None:
        """Have a row for each (name, title, colour); what was chosen of a name stays."""
        if [(row.name, row.color) for row in self.rows.values()] == [(name, color) for name, _, color in channels]:
            return
        hidden = {name for name, row in self.rows.items() if not row.shown.isChecked()}
        for row in self.rows.values():
            self._grid.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = {}
        for place, (name, title, color) in enumerate(channels):
            row = LayerRow(name, title, color)
            row.shown.setChecked(name not in hidden)
            row.changed.connect(self.changed)
            row.contrast_asked.connect(lambda levels, name=name: self.contrast_asked.emit(name, levels))
            self.rows[name] = row
            self._grid.addWidget(row, place, 0)

    def hidden_names(self) -> frozenset[str]:
        """Return the channels that are switched off."""
        return frozenset(name for name, row in self.rows.items() if not row.shown.isChecked())

    def say(self, text: str, notes: dict[str, str]) -> None:
        """Show a sentence, and a word for each channel."""
        set_text(self.told, text)
        self.told.setVisible(bool(text))
        for name, row in self.rows.items():
            set_text(row.note, notes.get(name, ""))
