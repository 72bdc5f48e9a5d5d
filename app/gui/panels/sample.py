"""Whose sample it is, and where files go."""

from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QToolButton, QWidget

from app.gui.panels.parts import Eliding, form, set_role
from app.gui.text import tr


class SamplePanel(QWidget):
    """Names for the files.

    Signals
    -------
    names_changed : (str, str)
        Sample and operator.
    folder_asked
    """

    names_changed = Signal(str, str)
    folder_asked = Signal()

    def __init__(self, sample: str, operator: str, folder: Path) -> None:
        super().__init__()
        self.sample, self.operator = QLineEdit(sample), QLineEdit(operator)
        self.sample.setPlaceholderText(tr("e.g. U2OS, well B4"))
        self.operator.setPlaceholderText(tr("your name"))
        self.sample.setAccessibleName(tr("Sample"))
        self.operator.setAccessibleName(tr("Operator"))
        self.sample.setToolTip(tr("Name of the sample; it is written into every file."))
        self.operator.setToolTip(tr("Who works here; it is written into every file."))
        self.folder = Eliding(Qt.TextElideMode.ElideMiddle)
        set_role(self.folder, "muted")
        self.choose = QToolButton()
        self.choose.setText("…")
        self.choose.setToolTip(tr("Choose the folder for snapshots and recordings.  [Ctrl+Shift+S]"))
        self.choose.setAccessibleName(tr("Where to save"))
        row = QHBoxLayout()
        row.addWidget(self.folder, 1)
        row.addWidget(self.choose)
        lines = form(self)
        lines.addRow(tr("Sample"), self.sample)
        lines.addRow(tr("Operator"), self.operator)
        lines.addRow(tr("Save to"), row)
        self.show_folder(folder)
        for field in (self.sample, self.operator):
            field.editingFinished.connect(
                lambda: self.names_changed.emit(self.sample.text().strip(), self.operator.text().strip())
            )
        self.choose.clicked.connect(lambda _checked=False: self.folder_asked.emit())

    def show_folder(self, folder: Path) -> None:
        """Show where files go."""
        self.folder.setText(str(folder))
        self.folder.setToolTip(str(folder))
