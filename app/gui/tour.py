"""Five sentences for somebody who sees the window for the first time. Never in the way: every key goes on working."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.gui.panels.page import Page
from app.gui.panels.parts import EnterMovesOn, label
from app.gui.text import tr
from app.gui.theme import THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


@dataclass(frozen=True, slots=True)
class Step:
    """One stop of the tour: what to look at, and what to know about it."""

    title: str
    text: str
    """In English, as `tr` looks it up; so is the title."""
    target: Callable[[Any], QWidget | None]


def _button(name: str) -> Callable[[Any], QWidget | None]:
    return lambda window: window.bar.widgetForAction(window.actions_by_id[name])


STEPS = (
    Step(
        "Light",
        "1 to 4 choose a light, once more switches it off; a filled button is one that the box itself reports as on. "
        "Esc switches everything off, at any time.",
        lambda window: window.sections["light"],
    ),
    Step(
        "Live",
        "L starts the live picture and stops it. Nuclei are outlined as they come; the light is on only meanwhile.",
        _button("live"),
    ),
    Step(
        "Count",
        "How many nuclei are in view, and how sure that is. Where a picture is not fit to be counted, the reason "
        "stands below.",
        lambda window: window.sections["counts"],
    ),
    Step(
        "Keep",
        "S takes one picture with the least light and saves it with its nuclei; R records every frame; "
        "Ctrl+O plays what was kept.",
        _button("snap_segment"),
    ),
    Step(
        "Everything else",
        "? shows all keys, F10 opens the menu. Help in it has the check of the system, and this tour.",
        lambda window: window.menu_button,
    ),
)


class Tour(QObject):
    """Walks through `STEPS`: a frame around one part of the window, and a card that stays in its place.

    Signals
    -------
    ended
        By its last step, by Skip, or by Esc.
    """

    ended = Signal()

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._target: QWidget | None = None
        self.index = 0
        self.frame = QFrame(window)
        self.frame.setObjectName("tourframe")
        self.frame.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.card = QFrame(window)
        self.card.setObjectName("toast")
        self.title, self.text = label("", "title"), label()
        self.text.setWordWrap(True)
        self.text.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.place = label("", "muted")
        self.back, self.skip, self.next = QPushButton(tr("Back")), QPushButton(tr("Skip")), QPushButton()
        self.back.setToolTip(tr("The step before."))
        self.skip.setToolTip(tr("End the tour; it is in the menu under Help.  [Esc]"))
        buttons = QHBoxLayout()
        buttons.setSpacing(THEME.px(8))
        buttons.addWidget(self.place, 1)
        for button in (self.skip, self.back, self.next):
            buttons.addWidget(button)
        lines = self._lines = QVBoxLayout(self.card)
        lines.setContentsMargins(THEME.px(16), THEME.px(12), THEME.px(14), THEME.px(12))
        lines.setSpacing(THEME.px(8))
        for part in (self.title, self.text):
            lines.addWidget(part)
        lines.addLayout(buttons)
        self._enter = EnterMovesOn(self)
        for button in (self.back, self.skip, self.next):
            button.installEventFilter(self._enter)
        self.back.clicked.connect(lambda _checked=False: self.show_step(self.index - 1))
        self.next.clicked.connect(lambda _checked=False: self.show_step(self.index + 1))
        self.skip.clicked.connect(lambda _checked=False: self.end())
        window.installEventFilter(self)
        window.panel_area.verticalScrollBar().valueChanged.connect(lambda _value: self.settle())
        window.halves.splitterMoved.connect(lambda _position, _index: self.settle())
        window.toasts.settled.connect(self._yield)
        THEME.changed.connect(self.settle)
        self.frame.hide()
        self.card.hide()

    @property
    def is_shown(self) -> bool:
        """True while a step is on the screen."""
        return not self.card.isHidden()

    def begin(self) -> None:
        """Show the first step."""
        self.show_step(0)

    def end(self) -> None:
        """Take everything away; idempotent."""
        if not self.is_shown:
            return
        self.frame.hide()
        self.card.hide()
        self._window.toasts.make_room(self.card, False)
        self._follow(None)
        self._window.viewer.setFocus()
        self.ended.emit()

    def _yield(self) -> None:
        """End before a page that was opened meanwhile: its card would lie over that."""
        if Page.in_sight(self._window.page):
            self.end()

    def show_step(self, index: int) -> None:
        """Show one step; beyond the last one the tour ends."""
        if index >= len(STEPS):
            self.end()
            return
        self.index = max(index, 0)
        step, window = STEPS[self.index], self._window
        target = step.target(window)
        if target is not None and window.panel_area.isAncestorOf(target):
            window.actions_by_id["panels"].setChecked(True)
            window.panel_area.setVisible(True)
            window.panel_area.ensureWidgetVisible(target)
        self._follow(target)
        self.title.setText(tr(step.title))
        self.text.setText(tr(step.text))
        self.place.setText(tr("{} of {}").format(self.index + 1, len(STEPS)))
        self.card.setAccessibleName(tr("Tour"))
        self.card.setAccessibleDescription(f"{tr(step.title)}: {tr(step.text)}")
        self.back.setEnabled(self.index > 0)
        last = self.index == len(STEPS) - 1
        self.next.setText(tr("Done") if last else tr("Next"))
        self.next.setToolTip(tr("End the tour.  [Enter]") if last else tr("The next step.  [Enter]"))
        self.frame.show()
        self.card.show()
        self._window.toasts.make_room(self.card, True)
        self.settle()
        self.next.setFocus()

    def settle(self) -> None:
        """Put the frame around its target, and the card over the picture's right edge."""
        if not self.is_shown:
            return
        window, target = self._window, self._target
        if target is None or not target.isVisible():
            self.frame.hide()
        else:
            edge = THEME.px(3)
            self.frame.setStyleSheet(f"#tourframe {{ border: {edge}px solid {THEME.palette.accent}; }}")
            box = QRect(target.mapTo(window, QPoint(0, 0)), target.size())
            if window.panel_area.isAncestorOf(target):
                port = window.panel_area.viewport()
                box = box.intersected(QRect(port.mapTo(window, QPoint(0, 0)), port.size()))
            self.frame.setGeometry(box.adjusted(-edge, -edge, edge, edge).intersected(window.rect()))
            self.frame.show()
            self.frame.raise_()
        self._place_card()

    def _place_card(self) -> None:
        """Put the card where it is at every step, as high as the longest of them: the next click finds its button."""
        window, gap = self._window, THEME.px(12)
        room = QRect(window.viewer.mapTo(window, QPoint(0, 0)), window.viewer.size()).adjusted(gap, gap, -gap, -gap)
        margins = self._lines.contentsMargins()
        width = min(THEME.px(400), max(room.width(), THEME.px(200)))
        self.text.setFixedWidth(width - margins.left() - margins.right())
        self.text.setFixedHeight(max(self._height(tr(step.text)) for step in STEPS))
        self.next.setMinimumWidth(max(self._width(tr("Next")), self._width(tr("Done"))))
        self._lines.activate()
        self.card.resize(self.card.minimumSizeHint().expandedTo(QSize(width, 0)))
        box = QRect(QPoint(0, 0), self.card.size())
        box.moveRight(max(room.right(), box.width()))
        # Below the badges on the picture, which say what shines, where there is room for that.
        box.moveTop(max(min(room.top() + THEME.px(66), room.bottom() - box.height()), room.top()))
        self.card.move(box.topLeft())
        self.card.raise_()

    def _height(self, text: str) -> int:
        flags = int(Qt.TextFlag.TextWordWrap | self.text.alignment())
        return self.text.fontMetrics().boundingRect(0, 0, self.text.width(), 1 << 20, flags, text).height()

    def _width(self, text: str) -> int:
        """Return how wide the button is with this text."""
        present = self.next.text()
        self.next.setText(text)
        width = self.next.sizeHint().width()
        self.next.setText(present)
        return width

    def _follow(self, target: QWidget | None) -> None:
        if self._target is not None:
            self._target.removeEventFilter(self)
        self._target = target
        if target is not None:
            target.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Follow what moves."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Move) and watched in (self._window, self._target):
            self.settle()
        return False
