"""What stands in the way of working, line by line, with the remedy."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QScrollArea

from app.doctor import Check
from app.errors import CancelledError
from app.gui.panels.checks import CheckList
from app.gui.panels.page import Page
from app.gui.text import tr
from app.gui.theme import THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class DoctorPage(Page):
    """The doctor's report."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window.page, window.viewer, tr("Check of the system"))
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.lines.addWidget(self._area, 1)
        self.again = QPushButton(tr("Check again"))
        self.again.setToolTip(tr("Run all checks once more."))
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setToolTip(tr("Run no further checks.  [Esc]"))
        self.cancel.setEnabled(False)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.cancel)
        row.addWidget(self.again)
        self.lines.addLayout(row)
        self.texts: list[str] = []
        self._so_far: list[Check] = []

    def begin(self) -> None:
        """Say that the checks run."""
        self.again.setEnabled(False)
        self.cancel.setEnabled(True)
        self.show_so_far([])

    def show_so_far(self, checks: list[Check]) -> None:
        """Show what was checked already."""
        self._so_far = checks
        self._fill([*checks, Check("", "note", tr("Checking… this takes a few seconds."))])

    def show_checks(self, checks: Any) -> None:
        """Show the report, or why there is none."""
        self.again.setEnabled(True)
        self.cancel.setEnabled(False)
        if isinstance(checks, CancelledError):
            checks = [*self._so_far, Check("", "note", tr("Cancelled."))]
        self._fill([Check("", "bad", str(checks))] if isinstance(checks, BaseException) else checks)
        if self.isVisible():
            self.settle()
            self.again.setFocus()  # Page Down turns the list from there

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for most of the checks."""
        return super().sizeHint().expandedTo(QSize(THEME.px(700), THEME.px(480)))

    def _fill(self, checks: list[Check]) -> None:
        self.texts = [check.text for check in checks]
        self._area.setWidget(CheckList(checks))
