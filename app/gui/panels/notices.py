"""What the program has to say: a sentence in the corner that does not get in the way, and a list of all of them."""

import time
from collections.abc import Callable, Iterable

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QPushButton,
    QToolButton,
    QWidget,
)

from app.events import Notice, State
from app.gui.icons import icon, show_icon
from app.gui.panels.parts import Wrapping, label, progress_bar, set_text
from app.gui.text import tr
from app.gui.theme import THEME

_SECONDS = {"info": 6.0, "warning": 12.0, "error": 0.0}
"""How long a toast stays; 0 is until it is read and closed."""
_LATE_S = 5.0
"""What found no room for so long is no news any more: the list has it."""
_BEGINS = (State.STARTING, State.SNAPPING, State.PLAN, State.REPLAYING)
"""What somebody asked for. Live imaging is what a start or a snapshot leads to: an error on that way is news then."""
_DOINGS = (State.LIVE, State.SNAPPING, State.PLAN, State.REPLAYING)
MOST = 3
_GRAVITY = ("info", "warning", "error")
_PLACED, _LAID_OUT = (QEvent.Type.Resize, QEvent.Type.Move), (QEvent.Type.LayoutRequest,)
_READOUT = 46
"""Room for the pixel readout and the scale bar below the messages, at letters of size 1."""


class Toast(QFrame):
    """One sentence, perhaps with one thing to do about it."""

    closed = Signal(object)

    def __init__(self, notice: Notice, button: str = "", call: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.notice, self.during = notice, State.IDLE
        self.setObjectName("toast")
        self.setProperty("level", notice.level)
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(10), THEME.px(7), THEME.px(6), THEME.px(7))
        row.setSpacing(THEME.px(9))
        self._sign = label()
        self._draw_sign()
        THEME.changed.connect(self._draw_sign)
        row.addWidget(self._sign)
        self.text = label(notice.text, wrap=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row.addWidget(self.text, 1)
        self.helps = bool(button) and notice.level != "info"
        """It can be mended from here, so it waits until it was seen."""
        if button and call is not None:
            self.action = QPushButton(button)
            self.action.setToolTip(button)
            self.action.clicked.connect(lambda _checked=False: call())
            self.action.clicked.connect(lambda _checked=False: self.dismiss())
            row.addWidget(self.action)
        close = QToolButton()
        close.setObjectName("flat")
        show_icon(close, "close")
        close.setToolTip(tr("Close this message; it stays in the list of messages."))
        close.setAccessibleName(tr("Close message"))
        close.clicked.connect(lambda _checked=False: self.dismiss())
        row.addWidget(close)
        self._seen = QTimer(self)
        self._seen.setSingleShot(True)
        self._seen.setInterval(round(1000 * _SECONDS.get(notice.level, 0.0)))
        self._seen.timeout.connect(self.dismiss)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(round(1000 * _LATE_S))
        self._late.timeout.connect(self.dismiss)

    def _draw_sign(self) -> None:
        level, p = self.notice.level, THEME.palette
        color = {"error": p.error, "warning": p.warning}.get(level, p.muted)
        self._sign.setPixmap(icon("info" if level == "info" else "warning", color).pixmap(THEME.px(18)))

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Begin to be read."""
        super().showEvent(event)
        if self._seen.interval():
            self._seen.start()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """Wait to be read: what cannot be seen does not pass."""
        super().hideEvent(event)
        self._seen.stop()

    def wait(self, waits: bool) -> None:
        """Have no room, or some again; what would come late does not come at all."""
        if not waits:
            self._late.stop()
        elif not (self._late.isActive() or self.helps or self.notice.level == "error"):
            self._late.start()

    def over_in(self, state: State) -> bool:
        """Tell whether it says nothing any more once the session is in `state`."""
        if self.notice.level == "error":
            return state in _BEGINS
        if self.during is State.LIVE and state not in (State.LIVE, State.SNAPPING) and self.notice.level == "warning":
            return not self.helps  # of what runs no more
        if state is State.SNAPPING:
            return self.during is State.SNAPPING  # of the picture before
        return (
            state in (State.STARTING, State.REPLAYING, State.PLAN)
            and self.during in _DOINGS
            and (self.during is not state)
        )

    def dismiss(self) -> None:
        """Go away."""
        self.closed.emit(self)


class WorkToast(QFrame):
    """Something that takes long: what, how far it is, and a way to give it up."""

    cancelled = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        self.over = self.given_up = False
        self.cancel_asked = False
        """The button has done what it can, whatever becomes of that."""
        self.setObjectName("toast")
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(10), THEME.px(7), THEME.px(6), THEME.px(7))
        row.setSpacing(THEME.px(9))
        self.text = label(text, wrap=True)
        self.bar = progress_bar(tr("How much of it is done."))
        self.bar.setFixedWidth(THEME.px(120))
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setToolTip(tr("Give this up; nothing of it is kept."))
        self.cancel.clicked.connect(lambda _checked=False: self._give_up())
        row.addWidget(self.text, 1)
        row.addWidget(self.bar)
        row.addWidget(self.cancel)

    def show_progress(self, done: float) -> None:
        """Show how much is done, 0…1."""
        if not self.over:  # the window may close before the work hears of it
            self.bar.setValue(round(100 * done))

    def show_step(self, text: str, done: float) -> None:
        """Show what is done now, and how much of the whole is."""
        if not self.over:
            if not self.given_up:
                set_text(self.text, text)
            self.show_progress(done)

    def show_given_up(self, text: str) -> None:
        """Say what it still waits for; the steps until then are no news."""
        self.given_up = self.cancel_asked = True
        self.cancel.setEnabled(False)
        set_text(self.text, text)

    def _give_up(self) -> None:
        self.cancel_asked = True
        self.cancel.setEnabled(False)
        self.cancelled.emit()


class ToastStack(QWidget):
    """The newest few sentences, at the lower left of the picture, above whatever page lies over it.

    Parameters
    ----------
    above : QWidget
        What it is raised in.
    over : QWidget
        The picture, somewhere inside `above`. Its upper half is never covered by more than one sentence.

    Signals
    -------
    settled
        It may have another place or size; pages make room for it.
    """

    settled = Signal()

    def __init__(self, above: QWidget, over: QWidget) -> None:
        super().__init__(above)
        self._above, self._over = above, over
        self.toasts: list[Toast] = []
        self.works: list[WorkToast] = []
        self._pages: set[QWidget] = set()
        self._state = State.IDLE
        over.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay above what opens below the picture, and give every sentence the lines it needs."""
        kinds = _PLACED if watched is self._over else _LAID_OUT
        if event.type() in kinds:
            self.settle()
        return False

    def show_notice(self, notice: Notice, button: str = "", call: Callable[[], object] | None = None) -> None:
        """Show one more; the same sentence is not shown twice, and the oldest of the least grave gives way.

        Never to what is less grave: an error waits until it was read.
        """
        for toast in list(self.toasts):
            if toast.notice.text == notice.text:
                self._remove(toast)
        while len(self.toasts) >= MOST:
            least = min(self.toasts, key=lambda each: _GRAVITY.index(each.notice.level))
            if _GRAVITY.index(least.notice.level) > _GRAVITY.index(notice.level):
                break
            self._remove(least)
        toast = Toast(notice, button, call)
        toast.during = self._state
        toast.closed.connect(self._remove)
        self.toasts.append(toast)
        self._put(toast)

    def show_work(self, text: str) -> WorkToast:
        """Show something that takes long, until `end_work`."""
        toast = WorkToast(text)
        self.works.append(toast)
        self._put(toast)
        return toast

    def end_work(self, toast: WorkToast) -> None:
        """Take it away."""
        if toast in self.works:
            toast.over = True
            self.works.remove(toast)
            self._take_out(toast)

    def _put(self, toast: QWidget) -> None:
        toast.setParent(self)
        toast.installEventFilter(self)
        self.raise_()
        self.settle()

    def make_room(self, page: QWidget, here: bool) -> None:
        """Take less of the picture while a page lies over it."""
        (self._pages.add if here else self._pages.discard)(page)
        self.settle()

    def clear(self) -> None:
        """Take all away; the list keeps them."""
        for toast in list(self.toasts):
            self._remove(toast)
        for work in list(self.works):
            self.end_work(work)

    def follow_state(self, state: State) -> None:
        """Take away what was said of a state that is over; the list keeps it."""
        self._state = state
        for toast in [t for t in self.toasts if t.over_in(state)]:
            self._remove(toast)

    def take_back(self, texts: Iterable[str]) -> None:
        """Take away what is true no more."""
        for toast in [t for t in self.toasts if t.notice.text in set(texts)]:
            self._remove(toast)

    def _remove(self, toast: Toast) -> None:
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._take_out(toast)

    def _take_out(self, toast: QWidget) -> None:
        toast.removeEventFilter(self)
        toast.hide()
        toast.deleteLater()
        self.settle()

    def settle(self) -> None:
        """Take the place at the lower left, above the pixel readout; what finds no room waits until there is some.

        The newest sentence is seen, then the gravest.
        """
        place = QRect(self._over.mapTo(self._above, QPoint(0, 0)), self._over.size())
        width, gap = max(min(THEME.px(560), place.width() - THEME.px(24)), 50), THEME.px(6)
        below = THEME.px(_READOUT) if not self._pages else THEME.px(8)
        most = place.height() // 2 - below if not self._pages else place.height() // 6
        shown: list[tuple[QFrame, int]] = []
        height = 0
        newest, older = self.toasts[-1:], reversed(self.toasts[:-1])
        ranked = sorted(older, key=lambda each: _GRAVITY.index(each.notice.level), reverse=True)
        for toast in (*reversed(self.works), *newest, *ranked):
            own = _height(toast, width)
            if shown and height + gap + own > most:
                continue
            height += own + (gap if shown else 0)
            shown.append((toast, own))
        here = {toast for toast, _ in shown}
        for each in (*self.works, *self.toasts):
            each.setVisible(each in here)
        for toast in self.toasts:
            toast.wait(toast not in here)
        self.setVisible(bool(shown))
        bottom = place.bottom() + 1 - below
        self.setGeometry(place.left() + THEME.px(12), max(bottom - height, place.top()), width, height)
        at = 0
        for toast, own in sorted(shown, key=lambda each: self._order(each[0])):
            toast.setGeometry(0, at, width, own)
            at += own + gap
        self.settled.emit()

    def _order(self, toast: QFrame) -> int:
        """Return where it stands: what is under way lowest, above it the newest sentence."""
        return [*self.toasts, *self.works].index(toast)


def _height(toast: QWidget, width: int) -> int:
    """Return how high a message has to be at this width."""
    toast.ensurePolished()
    toast.resize(width, toast.height())
    layout = toast.layout()
    if layout is None:
        return toast.height()
    layout.activate()
    for text in toast.findChildren(Wrapping):
        text.fit()  # one that cannot be seen yet has not heard of its width
    return layout.totalMinimumSize().height()


def raise_below_messages(widget: QWidget) -> None:
    """Raise a widget above all others but the messages, which are read and closed whatever lies below them."""
    widget.raise_()
    if (messages := messages_in(widget.parentWidget())) is not None:
        messages.raise_()


def messages_in(widget: QWidget | None) -> ToastStack | None:
    """Return the messages that are raised in `widget`."""
    only = Qt.FindChildOption.FindDirectChildrenOnly
    return widget.findChild(ToastStack, "", only) if widget is not None else None


class MessageList(QListWidget):
    """Everything that was said, newest last."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._wall_clock = wall_clock
        self.setWordWrap(True)
        self.setAccessibleName(tr("Messages"))
        self.setToolTip(tr("Everything that was said in this session."))
        self.notices: list[tuple[float, Notice]] = []

    def add(self, notice: Notice) -> None:
        """Append a sentence."""
        now = self._wall_clock()
        self.notices.append((now, notice))
        sign = {"error": "✕ ", "warning": "! "}.get(notice.level, "")
        self.addItem(f"{time.strftime('%H:%M:%S', time.localtime(now))}  {sign}{notice.text}")
        self.scrollToBottom()
