"""Checks of the system, line by line; where a command mends what is wrong, a button copies it."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QGridLayout, QHBoxLayout, QLabel, QPushButton, QWidget

from app.doctor import Check
from app.gui.panels.parts import label
from app.gui.text import tr
from app.gui.theme import THEME

_SIGNS = {"ok": ("✓", "good"), "note": ("!", "warning"), "bad": ("✕", "error")}


class CheckList(QWidget):
    """A sign, a name, a sentence, and below it the command that helps."""

    def __init__(self, checks: Sequence[Check] = ()) -> None:
        super().__init__()
        self.setObjectName("page")
        grid = QGridLayout(self)
        grid.setColumnStretch(2, 1)
        grid.setHorizontalSpacing(THEME.px(12))
        grid.setVerticalSpacing(THEME.px(8))
        row = 0
        for check in checks:
            sign, role = _SIGNS.get(check.state, ("?", "warning"))
            text, mark = label(check.text, wrap=True), label(sign, role)
            mark.setFont(THEME.font(bold=True))  # a thin "!" is a grey shadow
            for column, part in enumerate((mark, label(check.name, "title"), text)):
                grid.addWidget(part, row, column, Qt.AlignmentFlag.AlignTop)
            row += 1
            if check.fix:
                grid.addLayout(_fix(check.fix), row, 2)
                row += 1
        grid.setRowStretch(row, 1)


def _fix(command: str) -> QHBoxLayout:
    text = QLabel(command)
    text.setTextFormat(Qt.TextFormat.PlainText)
    text.setWordWrap(True)
    text.setFont(THEME.font(9))
    text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
    copy = QPushButton(tr("Copy"))
    copy.setToolTip(tr("Copy this command; paste it into a terminal."))
    copy.setAccessibleName(f"{tr('Copy')}: {command}")
    copy.clicked.connect(lambda _checked=False: QApplication.clipboard().setText(command))
    row = QHBoxLayout()
    row.setSpacing(THEME.px(8))
    row.addWidget(text, 1)
    row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)
    return row
