"""A page of its own beside the picture: not modal, one at a time, closed by its button, by its key and by Esc."""

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, QSize, Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QAbstractButton, QFrame, QHBoxLayout, QScrollArea, QToolButton, QVBoxLayout, QWidget

from app.gui.icons import show_icon
from app.gui.panels.notices import messages_in, raise_below_messages
from app.gui.panels.parts import EnterMovesOn, label
from app.gui.text import tr
from app.gui.theme import THEME


class Page(QFrame):
    """Lies over the middle of the picture; the panels and the light stay within reach."""

    def __init__(self, over: QWidget, about: QWidget, title: str) -> None:
        super().__init__(over)
        self.setObjectName("toast")
        self._over, self._about = over, about
        over.installEventFilter(self)
        self._stack = messages_in(over)
        if self._stack is not None:
            self._stack.settled.connect(self._yield)
        self._enter = EnterMovesOn(self)
        close = QToolButton()
        close.setObjectName("flat")
        show_icon(close, "close")
        close.setToolTip(tr("Close this page.  [Esc]"))
        close.setAccessibleName(tr("Close page"))
        close.clicked.connect(lambda _checked=False: self.leave())
        head = label(title, "title")
        head.setFont(THEME.font(12, bold=True))
        row = QHBoxLayout()
        row.addWidget(head, 1)
        row.addWidget(close)
        self.lines = QVBoxLayout(self)
        self.lines.setContentsMargins(THEME.px(16), THEME.px(12), THEME.px(12), THEME.px(14))
        self.lines.setSpacing(THEME.px(8))
        self.lines.addLayout(row)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay in the middle."""
        if watched is self._over and event.type() == QEvent.Type.Resize and self.isVisible():
            self.settle()
        return False

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Have the messages take less room."""
        super().showEvent(event)
        if self._stack is not None:
            self._stack.make_room(self, True)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Give the messages their room again."""
        super().hideEvent(event)
        if self._stack is not None:
            self._stack.make_room(self, False)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Turn what is longer than the page with Page Up and Page Down."""
        turn = {int(Qt.Key.Key_PageUp): -1, int(Qt.Key.Key_PageDown): 1}.get(event.key())
        area = self.findChild(QScrollArea)
        if turn is None or area is None:
            super().keyPressEvent(event)
            return
        bar = area.verticalScrollBar()
        bar.setValue(bar.value() + turn * bar.pageStep())

    def settle(self) -> None:
        """Take the middle of the picture."""
        room = self._over.rect().adjusted(THEME.px(8), THEME.px(8), -THEME.px(8), -THEME.px(8))
        strip = self._over.findChild(QWidget, "strip", Qt.FindChildOption.FindDirectChildrenOnly)
        if strip is not None:  # what is lost and what is recorded stays in sight, where there is room for that
            above = room.adjusted(0, 0, 0, min(strip.y() - THEME.px(4) - room.bottom(), 0))
            room = above if above.height() >= self.minimumSizeHint().height() else room
        box, messages = self._box_in(room), self._messages()
        if box.intersects(messages):
            room.setBottom(messages.top() - THEME.px(6))
            if room.height() >= self.minimumSizeHint().height():
                box = self._box_in(room)
        self.setGeometry(box)

    def wanted(self) -> QSize:
        """Return the size it would have where there is room enough."""
        return self.sizeHint().expandedTo(QSize(THEME.px(620), THEME.px(320)))

    def _yield(self) -> None:
        if self.isVisible():
            self.settle()

    def _messages(self) -> QRect:
        """Return where messages lie; nowhere if there are none."""
        return self._stack.geometry() if self._stack is not None and self._stack.isVisible() else QRect()

    def _box_in(self, room: QRect) -> QRect:
        """Return the place over the middle of the picture, as far as that is in `room`."""
        box = QRect(QPoint(0, 0), self.wanted().boundedTo(room.size()))
        box.moveCenter(self._about.mapTo(self._over, self._about.rect().center()))
        box.moveLeft(min(max(box.left(), room.left()), room.right() - box.width()))
        box.moveTop(min(max(box.top(), room.top()), room.bottom() - box.height()))
        return box

    def leave(self) -> None:
        """Go, and hand the keys back to the microscope."""
        self.hide()
        self._about.setFocus()

    def toggle(self) -> bool:
        """Go if it is in sight, by the key that shows it; True then."""
        if self.isVisible():
            self.leave()
            return True
        return False

    @staticmethod
    def in_sight(over: QWidget) -> "list[Page]":
        """Return the pages over this widget that can be seen."""
        return [page for page in over.findChildren(Page) if page.isVisible()]

    def appear(self) -> None:
        """Show, in the place of any other page."""
        for other in self.in_sight(self._over):
            if other is not self:
                other.hide()
        self.settle()
        self.show()
        raise_below_messages(self)
        for button in self.findChildren(QAbstractButton):
            button.installEventFilter(self._enter)  # installing it once more changes nothing
