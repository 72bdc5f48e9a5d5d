"""What stands in the way of working, line by line, with the remedy."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QPushButton, QScrollArea, QWidget

from app.gui.panels.page import Page
from app.gui.panels.parts import label
from app.gui.text import tr
from app.gui.theme import THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_SIGNS = {"ok": ("✓", "good"), "note": ("!", "warning"), "bad": ("✕", "error")}


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
        self.lines.addWidget(self.again, 0, Qt.AlignmentFlag.AlignRight)
        self.texts: list[str] = []

    def begin(self) -> None:
        """Say that the checks run."""
        self.again.setEnabled(False)
        self._fill([("", "note", tr("Checking… this takes a few seconds."))])

    def show_checks(self, checks: Any) -> None:
        """Show the report, or why there is none."""
        self.again.setEnabled(True)
        if isinstance(checks, BaseException):
            checks = [("", "bad", str(checks))]
        self._fill(checks)

    def _fill(self, checks: list[tuple[str, str, str]]) -> None:
        page = QWidget()
        page.setObjectName("page")
        grid = QGridLayout(page)
        grid.setColumnStretch(2, 1)
        grid.setHorizontalSpacing(THEME.px(12))
        grid.setVerticalSpacing(THEME.px(8))
        for row, (name, state, text) in enumerate(checks):
            sign, role = _SIGNS.get(state, ("?", "warning"))
            for column, part in enumerate((label(sign, role), label(name, "title"), label(text, wrap=True))):
                grid.addWidget(part, row, column, Qt.AlignmentFlag.AlignTop)
        grid.setRowStretch(len(checks), 1)
        self.texts = [text for _, _, text in checks]
        self._area.setWidget(page)
