"""However the window ends, it closes its session; that the box then is dark is shown in test_faults_process.py."""

import os
import signal
import sys
import time

import pytest
from gui_fake_session import FakeSession
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication

from app.gui.application import run_window
from app.gui.main_window import MainWindow

posix = pytest.mark.skipif(os.name != "posix", reason="signals and ptys as on Linux and macOS")


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)


def run(qtbot, session, store, begin, **more):
    """Run the window; it is closed by the test's own `begin`, or after ten seconds at the latest."""
    guard = QTimer()
    guard.setSingleShot(True)
    guard.timeout.connect(lambda: os.kill(os.getpid(), signal.SIGTERM))
    guard.start(10_000)
    try:
        return run_window(session, begin=begin, store=store, **more)
    finally:
        guard.stop()


def window_of(session):
    """Return the window on this session; those of other tests may not be gone yet."""
    windows = (each for each in QApplication.topLevelWidgets() if isinstance(each, MainWindow))
    return next(each for each in windows if each.session is session)


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


@posix
def test_a_signal_closes_the_session_and_the_window(qtbot, store):
    session = FakeSession()
    before = signal.getsignal(signal.SIGTERM)
    assert run(qtbot, session, store, terminate) == 0
    assert session.asked("close")
    assert signal.getsignal(signal.SIGTERM) is before


@posix
def test_an_unconfirmed_light_makes_the_exit_code_one(qtbot, store):
    session = FakeSession()
    session.dark = False
    assert run(qtbot, session, store, terminate) == 1


@posix
def test_a_signal_leaves_a_window_that_waits_to_be_read(qtbot, store):
    session = FakeSession()
    session.dark = False
    asked = []

    def begin():
        window = window_of(session)
        window.close()
        qtbot.waitUntil(window.veil.button.isVisible)
        asked.append(window.veil.text.text())
        guard = QTimer(window)
        guard.timeout.connect(window.closing.leave)
        guard.timeout.connect(lambda: asked.append("It had to be ended."))
        guard.start(3000)
        terminate()

    assert run(qtbot, session, store, begin) == 1
    assert ["by hand" in text for text in asked] == [True], "nobody is there to press its button"


@posix
@pytest.mark.parametrize("ended", [True, False])
def test_a_signal_opens_no_window_on_other_devices(qtbot, store, ended):
    session = FakeSession()
    close = session.close
    session.close = lambda: time.sleep(0.3) or close()
    chosen = []

    def begin():
        window = window_of(session)
        window.start.use("pylon", "/dev/ttyACM0")
        if ended:
            terminate()

    assert run(qtbot, session, store, begin, chosen=lambda *names: chosen.append(names)) == 0
    assert chosen == ([] if ended else [("pylon", "/dev/ttyACM0")])


@posix
def test_an_exception_in_a_slot_fails_the_session_and_not_the_window(qtbot, store):
    session = FakeSession()

    def begin():
        QTimer.singleShot(100, terminate)
        raise ZeroDivisionError("a slot broke")

    before = sys.excepthook
    assert run(qtbot, session, store, begin) == 0
    assert isinstance(session.failed_with, ZeroDivisionError)
    assert sys.excepthook is before


def test_the_demo_closes_by_itself_after_its_first_picture(qtbot, store):
    from gui_fake_session import make_frame

    session = FakeSession()
    start = time.monotonic()
    assert run(qtbot, session, store, lambda: session.show(make_frame()), demo_seconds=0.3) == 0
    assert time.monotonic() - start >= 0.3
