"""Choose, keep and share settings for a sample."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QListWidget, QPushButton

from app.gui.panels.page import Page
from app.gui.presets import Preset
from app.gui.text import number, percent, tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class PresetsPage(Page):
    """The list of presets and what can be done with it.

    Signals
    -------
    use_asked : Preset
    save_asked, delete_asked : str
        A name.
    undo_asked, import_asked, export_asked
    """

    use_asked = Signal(object)
    save_asked = Signal(str)
    delete_asked = Signal(str)
    undo_asked = Signal()
    import_asked = Signal()
    export_asked = Signal()

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window.page, window.viewer, tr("Presets"))
        self.presets: tuple[Preset, ...] = ()
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Presets"))
        self.list.setToolTip(tr("Double-click a preset to use it."))
        self.list.itemDoubleClicked.connect(lambda _item: self._use())
        self.lines.addWidget(self.list, 1)
        self.name = QLineEdit()
        self.name.setPlaceholderText(tr("Name for the present settings"))
        self.name.setAccessibleName(tr("Name"))
        self.name.setToolTip(tr("Under this name the present settings are kept."))
        self.use = self._button(tr("Use"), tr("Set everything of the chosen preset."), self._use)
        self.undo = self._button(
            tr("Undo"), tr("Go back to what was set before the last preset."), self.undo_asked.emit
        )
        self.undo.setEnabled(False)
        self.save = self._button(tr("Save"), tr("Keep the present settings under this name."), self._save)
        self.delete = self._button(tr("Delete"), tr("Forget the chosen preset."), self._delete)
        bring = self._button(tr("Import…"), tr("Add presets from a file."), self.import_asked.emit)
        give = self._button(tr("Export…"), tr("Write all presets to a file."), self.export_asked.emit)
        for parts in ((self.name, self.save), (self.use, self.undo, self.delete, None, bring, give)):
            row = QHBoxLayout()
            for part in parts:
                if part is None:
                    row.addStretch(1)
                else:
                    row.addWidget(part)
            self.lines.addLayout(row)

    @staticmethod
    def _button(text: str, tooltip: str, call: object) -> QPushButton:
        button = QPushButton(text)
        button.setToolTip(tooltip)
        if callable(call):
            button.clicked.connect(lambda _checked=False: call())
        return button

    def show_presets(self, presets: tuple[Preset, ...]) -> None:
        """Fill the list; the chosen place stays."""
        place = max(self.list.currentRow(), 0)
        self.presets = presets
        self.list.clear()
        for p in presets:
            self.list.addItem(
                f"{p.name}   —   {p.channel} nm {percent(p.intensity)}, {number(p.exposure_ms, 1)} ms, "
                f"{number(p.gain_db, 1)} dB, {p.pixel_format}, {p.model}"
            )
        self.list.setCurrentRow(min(place, len(presets) - 1))

    def chosen(self) -> Preset | None:
        """Return the preset that is chosen."""
        row = self.list.currentRow()
        return self.presets[row] if 0 <= row < len(self.presets) else None

    def _use(self) -> None:
        preset = self.chosen()
        if preset is not None:
            self.use_asked.emit(preset)

    def _save(self) -> None:
        name = self.name.text().strip()
        if name:
            self.save_asked.emit(name[:60])

    def _delete(self) -> None:
        preset = self.chosen()
        if preset is not None:
            self.delete_asked.emit(preset.name)
