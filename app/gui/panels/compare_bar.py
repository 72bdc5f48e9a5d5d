"""Which model is compared, and how the two differ."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QToolButton

from app.gui.icons import show_icon
from app.gui.panels.parts import choice, label, set_role, set_text
from app.gui.side import Compared
from app.gui.text import number, percent, tr
from app.gui.theme import THEME


class CompareBar(QFrame):
    """A choice of models and a sentence.

    Signals
    -------
    model_asked : str
    close_asked
    """

    model_asked = Signal(str)
    close_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("strip")
        self.model = choice(self, tr("Model to compare with"), tr("The model whose nuclei are shown on the right."))
        self.told = label("", wrap=True)
        self.shut = QToolButton()
        show_icon(self.shut, "close")
        self.shut.setToolTip(tr("Show one model again.  [Shift+C]"))
        self.shut.setAccessibleName(tr("Close the comparison"))
        self.shut.clicked.connect(lambda _checked=False: self.close_asked.emit())
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(10), THEME.px(4), THEME.px(10), THEME.px(4))
        row.setSpacing(THEME.px(8))
        row.addWidget(self.model)
        row.addWidget(self.told, 1)
        row.addWidget(self.shut)
        self.model.activated.connect(lambda _index: self.model_asked.emit(self.model.currentText()))

    def show_models(self, names: list[str], chosen: str) -> None:
        """Offer these models."""
        if [self.model.itemText(i) for i in range(self.model.count())] != names:
            self.model.clear()
            self.model.addItems(names)
        self.model.setCurrentText(chosen)

    def say(self, text: str, role: str = "muted") -> None:
        """Show a sentence."""
        set_text(self.told, text)
        set_role(self.told, role)

    def show_compared(self, first_name: str, compared: Compared) -> None:
        """Tell both counts and the difference."""
        self.say(difference(first_name, compared), "")


def difference(first_name: str, compared: Compared) -> str:
    """Return both counts of one frame and how they differ, in one line."""
    one, other, agreed = compared.first.count, compared.second.count, compared.agreement
    more = other - one
    sign = "+" if more > 0 else "−" if more < 0 else "±"
    part = f", {sign}{percent(abs(more) / one)}" if one and more else ""
    return (
        f"{first_name} {number(one)}  ·  {compared.model} {number(other)}  ({sign}{number(abs(more))}{part})  ·  "
        f"{number(agreed.both)} {tr('found by both')}  ·  {tr('cyan')}: {number(len(agreed.only_first))} "
        f"{tr('only')} {first_name}, {number(len(agreed.only_second))} {tr('only')} {compared.model}"
    )
