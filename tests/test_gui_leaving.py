"""However the window ends, the light is off: proved on the simulated box's own record of what shone."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from gui_fake_session import FakeSession
from PySide6.QtCore import QSettings, QTimer

from app.gui.application import run_window

posix = pytest.mark.skipif(os.name != "posix", reason="signals and ptys as on Linux and macOS")

PROGRAM = """
import sys
from app.build import make_session
from app.settings import Settings
session = make_session(Settings(light_id=sys.argv[1]))
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication
from app.gui.application import run_window

def broken():
    raise ZeroDivisionError("a slot broke")

def watch():
    window = next(w for w in QApplication.topLevelWidgets() if w.objectName() == "dapiscope")
    if session.state == "failed":
        timer.stop()
        print("FAILED:", window.banner.text.text(), flush=True)
        window.close()
    if window.presenter.light.channel is None:
        return
    timer.stop()
    print("LIT", flush=True)
    if sys.argv[2] == "slot":
        QTimer.singleShot(0, broken)
        QTimer.singleShot(1500, window.close)
    elif sys.argv[2] == "close":
        window.close()

def begin():
    session.start_live()
    timer.timeout.connect(watch)
    timer.start(20)

app = QApplication([])
timer = QTimer()
sys.exit(run_window(session, begin=begin, store=QSettings(sys.argv[3], QSettings.Format.IniFormat)))
"""


@posix
@pytest.mark.parametrize("way", ["sigterm", "slot", "close"])
def test_the_box_sees_every_light_off_whatever_ends_the_window(tmp_path, way):
    log = tmp_path / "light.jsonl"
    simulator = [sys.executable, "-m", "app", "led-simulator", "--log", str(log)]
    with subprocess.Popen(simulator, stdout=subprocess.PIPE, text=True) as box:
        try:
            port = box.stdout.readline().strip()
            program = [sys.executable, "-c", PROGRAM, port, way, str(tmp_path / "window.ini")]
            with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as window:
                try:
                    assert window.stdout.readline().strip() == "LIT"
                    if way == "sigterm":
                        window.send_signal(signal.SIGTERM)
                    assert window.wait(40) == 0
                finally:
                    window.kill()
        finally:
            box.send_signal(signal.SIGINT)
            box.wait(10)
    seen = [json.loads(line)["levels"] for line in log.read_text().splitlines()]
    assert any(any(levels) for levels in seen)
    assert not any(seen[-1])


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
