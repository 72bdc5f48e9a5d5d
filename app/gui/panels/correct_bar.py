"""One line below the picture while nuclei are corrected: what a click does, both counts, undo."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QToolButton

from app.gui.icons import show_icon
from app.gui.panels.parts import Eliding, label, set_role, set_text
from app.gui.text import tr
from app.gui.theme import THEME


class CorrectBar(QFrame):
    """Buttons of the modes, a hint, the counts.

    Signals
    -------
    close_asked
    """

    close_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("strip")
        self.hint = Eliding()
        self.hint.setTextFormat(Qt.TextFormat.PlainText)
        self.counts = label("", "title")
        self._rows = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._rows.setContentsMargins(THEME.px(10), THEME.px(4), THEME.px(10), THEME.px(4))
        self._rows.setSpacing(THEME.px(6))
        self._row, self._below = QHBoxLayout(), QHBoxLayout()
        for row in (self._row, self._below):
            row.setSpacing(THEME.px(6))
        self._rows.addLayout(self._row)
        self._rows.addLayout(self._below, 1)
        self.hide()
        THEME.changed.connect(self._fit)
        self._fit()

    def _fit(self) -> None:
        """Take two lines where letters are large."""
        large = THEME.font_scale > 1.25
        self._rows.setDirection(QBoxLayout.Direction.TopToBottom if large else QBoxLayout.Direction.LeftToRight)

    def fill(self, actions: Sequence[QAction]) -> None:
        """Put the actions on buttons; called once, when there are actions."""
        for action in actions:
            button = QToolButton()
            button.setDefaultAction(action)
            button.setAccessibleName(action.text())
            self._row.addWidget(button)
        close = QToolButton()
        show_icon(close, "close")
        close.setToolTip(tr("Stop correcting; the corrections stay.  [H]"))
        close.setAccessibleName(tr("Stop correcting"))
        close.clicked.connect(lambda _checked=False: self.close_asked.emit())
        self._row.addWidget(close)
        self._row.addStretch(0)
        self._below.addWidget(self.hint, 1)
        self._below.addWidget(self.counts)

    def say(self, text: str, role: str = "muted") -> None:
        """Show what to do next, or why something was not done."""
        set_text(self.hint, text)
        self.hint.setToolTip(text)
        set_role(self.hint, role)

    def show_counts(self, model: str, corrected: str) -> None:
        """Show both counts."""
        set_text(self.counts, f"{model} → {corrected}")
        self.counts.setToolTip(f"{model} {tr('by the model')}, {corrected} {tr('corrected by hand')}")
