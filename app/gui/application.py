"""Runs the window: starts Qt, catches what nobody else caught, and never leaves with the light on."""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType

from PySide6.QtCore import (
    QLocale,
    QMessageLogContext,
    QObject,
    QSettings,
    QSocketNotifier,
    QTimer,
    QtMsgType,
    qInstallMessageHandler,
)
from PySide6.QtWidgets import QApplication

from app.doctor import NO_PLATFORM
from app.events import State
from app.gui.icons import pixmap
from app.gui.language import silence, speak, wanted
from app.gui.main_window import MainWindow
from app.gui.problem_report import LOG
from app.gui.session_port import SessionPort
from app.gui.store import WindowStore, usual_store
from app.gui.theme import THEME
from app.gui.tidy import tidied

log = logging.getLogger(__name__)


def run_window(
    session: SessionPort,
    *,
    demo_seconds: float | None = None,
    begin: Callable[[], object] | None = None,
    store: QSettings | None = None,
    ask: bool = False,
    chosen: Callable[[str, str], object] | None = None,
    goes_on: bool = False,
) -> int:
    """Show the window until it is closed.

    Parameters
    ----------
    session : SessionPort
        Made, perhaps already started; it is closed when this returns.
    demo_seconds : float, optional
        Close by itself so long after the first picture.
    begin : callable, optional
        Called once the window listens, e.g. ``session.start_live``: nothing of the start is missed then.
    store : QSettings, optional
        Where the window's state is remembered; the operator's own by default.
    ask : bool
        Ask which camera and light to work with before anything can begin; `begin` is then left out.
    chosen : callable, optional
        Takes the names of camera and light when others were chosen and the window has closed, for another on these;
        not when it was ended meanwhile.
    goes_on : bool
        Choose channel, level, exposure and model as the last such window on this camera was left. Nothing shines by it.

    Returns
    -------
    int
        0, or 1 when the light did not confirm that it is off.
    """
    app = QApplication.instance() or _application()
    assert isinstance(app, QApplication)
    app.setApplicationName("dapiscope")
    app.setQuitOnLastWindowClosed(False)
    LOG.listen()
    kept = WindowStore(store if store is not None else usual_store())
    spoken = speak(app, None if kept.flag("english", False) else wanted(QLocale()))
    window = MainWindow(session, kept)
    app.setWindowIcon(pixmap("overlay", THEME.palette.accent, 64))
    window.left.connect(lambda _code: app.quit())
    with (
        _errors_to(session),
        _signals_to(lambda: window.closing.begin(unattended=True), window),
        tidied(window, lambda: session.state is not State.IDLE),
    ):
        choices: list[tuple[str, str]] = []
        if chosen is not None:
            window.start.on_choice = lambda camera, light: choices.append((camera, light))
        window.tools.goes_on = goes_on
        window.show()
        session.offer_recovery(window.folder)
        if ask:
            window.start.ask_for_devices()
        elif begin is not None:
            QTimer.singleShot(0, window, begin)
        if demo_seconds is not None:
            _close_after(window, demo_seconds)
        else:
            QTimer.singleShot(0, window, window.start.tour_once)
        try:
            app.exec()
        finally:
            # Whatever ended the loop: idempotent, and the last word about the light.
            dark = bool(session.close())
            window.bridge.close()
    window.deleteLater()
    app.processEvents()
    silence(app, spoken)
    if chosen is not None and choices and not window.closing.unattended:
        chosen(*choices[-1])
    return window.closing.exit_code if dark else 1


def _application() -> QApplication:
    """Start Qt. Where it cannot use the display it ends the process, with one sentence and not with a crash."""
    said: list[str] = []

    def told(kind: QtMsgType, _context: QMessageLogContext, text: str) -> None:
        if kind is QtMsgType.QtFatalMsg:  # Qt aborts as soon as this returns; no device is open yet
            _to_terminal(NO_PLATFORM)
            os._exit(1)
        said.append(text)

    before = qInstallMessageHandler(told)
    try:
        return QApplication(sys.argv[:1])
    finally:
        qInstallMessageHandler(before)
        for text in said:
            _to_terminal(text)


def _to_terminal(text: str) -> None:
    if (terminal := sys.__stderr__) is not None:  # a program without a console has none
        terminal.write(f"{text}\n")
        terminal.flush()


def _close_after(window: MainWindow, seconds: float) -> None:
    timer = QTimer(window)
    timer.setSingleShot(True)
    timer.setInterval(round(1000 * seconds))
    timer.timeout.connect(lambda: window.closing.begin(unattended=True))
    window.bridge.happened.connect(
        lambda _event: None if timer.isActive() or window.viewer.frame is None else timer.start()
    )


@contextmanager
def _errors_to(session: SessionPort) -> Iterator[None]:
    """Hand what nobody caught, on any thread, to the session: the light goes off, the operator reads."""
    hook, thread_hook = sys.excepthook, threading.excepthook

    def unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("not caught", exc_info=(kind, error, trace))
        session.fail(error)

    def unexpected_in_thread(args: threading.ExceptHookArgs) -> None:
        error = args.exc_value if args.exc_value is not None else args.exc_type()
        unexpected(type(error), error, args.exc_traceback)

    sys.excepthook, threading.excepthook = unexpected, unexpected_in_thread
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = hook, thread_hook


@contextmanager
def _signals_to(leave: Callable[[], None], parent: QObject) -> Iterator[None]:
    """Have SIGINT and SIGTERM close the window.

    Qt's loop runs in C, where Python's signal handlers wait; a byte on a socket wakes it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    notifier = QSocketNotifier(ours.fileno(), QSocketNotifier.Type.Read, parent)

    def woken() -> None:
        try:
            ours.recv(64)
        except BlockingIOError:
            return

    notifier.activated.connect(lambda *_: woken())

    def handler(_number: int, _frame: FrameType | None) -> None:
        leave()

    before_fd = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
        signal.set_wakeup_fd(before_fd)
        notifier.setEnabled(False)
        ours.close()
        theirs.close()
