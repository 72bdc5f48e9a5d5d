"""What goes into a problem report, said before it is written."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QCheckBox, QPushButton

from app.gui.panels.page import Page
from app.gui.panels.parts import label
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class ReportPage(Page):
    """Asks whether a picture may go in; it is not ticked.

    Signals
    -------
    write_asked : bool
        Write the report, with the picture on the screen if True.
    """

    write_asked = Signal(bool)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window.page, window.viewer, tr("Problem report"))
        parts = (
            tr("A report helps somebody else to understand what went wrong. One file is written to your folder; "
               "nothing is sent."),
            tr("In it: versions, settings, the messages of this session, and the log. The names of sample and "
               "operator stay out."),
        )  # fmt: skip
        for text in parts:
            self.lines.addWidget(label(text, wrap=True))
        self.picture = QCheckBox(tr("Add the picture on the screen"))
        self.picture.setToolTip(tr("Let those who read the report see the sample."))
        self.write = QPushButton(tr("Write the report"))
        self.write.setToolTip(tr("Write the file; the message says where it is."))
        self.lines.addWidget(self.picture)
        self.lines.addStretch(1)
        self.lines.addWidget(self.write, 0, Qt.AlignmentFlag.AlignRight)
        self.write.clicked.connect(lambda _checked=False: self._asked())

    def appear(self) -> None:
        """Show, with nothing ticked."""
        self.picture.setChecked(False)
        super().appear()
        self.write.setFocus()

    def _asked(self) -> None:
        self.hide()
        self.write_asked.emit(self.picture.isChecked())
