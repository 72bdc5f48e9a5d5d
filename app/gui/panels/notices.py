"""What the program has to say: a sentence in the corner that does not get in the way, and a list of all of them."""

import time
from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QListWidget,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.events import Notice
from app.gui.icons import icon, show_icon
from app.gui.panels.parts import label, progress_bar, set_text
from app.gui.text import tr
from app.gui.theme import THEME

_SECONDS = {"info": 6.0, "warning": 12.0, "error": 0.0}
"""How long a toast stays; 0 is until it is read and closed."""
MOST = 3


class Toast(QFrame):
    """One sentence, perhaps with one thing to do about it."""

    closed = Signal(object)

    def __init__(self, notice: Notice, button: str = "", call: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.notice = notice
        self.setObjectName("toast")
        self.setProperty("level", notice.level)
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(10), THEME.px(7), THEME.px(6), THEME.px(7))
        row.setSpacing(THEME.px(9))
        color = {"error": THEME.palette.error, "warning": THEME.palette.warning}.get(notice.level, THEME.palette.muted)
        sign = label()
        sign.setPixmap(icon("info" if notice.level == "info" else "warning", color).pixmap(THEME.px(18)))
        row.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        self.text = label(notice.text, wrap=True)
        self.text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        row.addWidget(self.text, 1)
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
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        seconds = _SECONDS.get(notice.level, 0.0)
        if seconds:
            QTimer.singleShot(round(1000 * seconds), self, self.dismiss)

    def dismiss(self) -> None:
        """Go away."""
        self.closed.emit(self)


class WorkToast(QFrame):
    """Something that takes long: what, how far it is, and a way to give it up."""

    cancelled = Signal()

    def __init__(self, text: str) -> None:
        super().__init__()
        self.over = False
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
            set_text(self.text, text)
            self.show_progress(done)

    def _give_up(self) -> None:
        self.cancel.setEnabled(False)
        self.cancelled.emit()


class ToastStack(QWidget):
    """The newest few sentences, at the lower left of the picture."""

    def __init__(self, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._lines = QVBoxLayout(self)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(THEME.px(6))
        self.toasts: list[Toast] = []
        self.works: list[WorkToast] = []
        over.installEventFilter(self)
        self.hide()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Stay above what opens below the picture."""
        if watched is self._over and event.type() == QEvent.Type.Resize:
            self.settle()
        return False

    def show_notice(self, notice: Notice, button: str = "", call: Callable[[], object] | None = None) -> None:
        """Show one more; the same sentence is not shown twice, and the oldest gives way."""
        for toast in list(self.toasts):
            if toast.notice.text == notice.text:
                self._remove(toast)
        while len(self.toasts) >= MOST:
            self._remove(self.toasts[0])
        toast = Toast(notice, button, call)
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
        self._lines.addWidget(toast)
        self.show()
        self.raise_()
        self.settle()
        # Once more when the style has reached the new one: only then its size is final.
        QTimer.singleShot(0, self, self.settle)

    def clear(self) -> None:
        """Take all away; the list keeps them."""
        for toast in list(self.toasts):
            self._remove(toast)
        for work in list(self.works):
            self.end_work(work)

    def clear_errors(self) -> None:
        """Take away errors that are over."""
        for toast in [t for t in self.toasts if t.notice.level == "error"]:
            self._remove(toast)

    def _remove(self, toast: Toast) -> None:
        if toast in self.toasts:
            self.toasts.remove(toast)
            self._take_out(toast)

    def _take_out(self, toast: QWidget) -> None:
        self._lines.removeWidget(toast)
        toast.hide()
        toast.deleteLater()
        self.setVisible(bool(self.toasts or self.works))
        self.settle()

    def settle(self) -> None:
        """Take the place at the lower left, above the pixel readout; where that is too low for all, the oldest go."""
        width = min(THEME.px(560), self._over.width() - THEME.px(24))
        self._lines.activate()
        wanted = self._lines.totalHeightForWidth(width) if self._lines.hasHeightForWidth() else 0
        height = max(wanted, self._lines.totalMinimumSize().height())
        if height > self._over.height() and len(self.toasts) > 1:
            self._remove(self.toasts[0])  # which comes back here
            return
        self.setFixedSize(max(width, 50), height)
        self.move(THEME.px(12), max(self._over.height() - self.height() - THEME.px(46), 0))


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
