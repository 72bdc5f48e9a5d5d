"""Somebody's first ten minutes, with nothing but keys and the mouse, on the simulators and with the real parts."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QSettings, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton, QWidget

from app.build import make_session
from app.gui.application import run_window
from app.settings import CameraSettings, Settings

MOST_EVENTS = 60
RECORD_S = 5.0
PICTURES = os.environ.get("DAPISCOPE_SCREENSHOTS")
"""A folder: each step leaves its picture there."""


class User:
    """Sees the screen, presses keys, clicks; counts both."""

    def __init__(self) -> None:
        self.events = 0
        self.steps: list[str] = []

    @property
    def window(self) -> QWidget:
        return next(w for w in QApplication.topLevelWidgets() if w.objectName() == "dapiscope" and w.isVisible())

    def press(self, key, modifier=Qt.KeyboardModifier.NoModifier, on=None):
        self.events += 1
        QTest.keyClick(on or self.window, key, modifier)

    def type(self, text, on):
        self.events += len(text)
        QTest.keyClicks(on, text)

    def click(self, widget):
        self.events += 1
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=widget.rect().center())

    def hover(self, widget, at):
        self.events += 1
        QTest.mouseMove(widget, at)

    def texts(self):
        """Return every text that can be seen."""
        seen = []
        for widget in self.window.findChildren(QWidget):
            if widget.isVisible():
                for name in ("text", "accessibleName", "accessibleDescription"):
                    value = getattr(widget, name, None)
                    found = value() if callable(value) else value
                    seen.append(found) if isinstance(found, str) else None
        return seen

    def sees(self, part):
        return any(part in text for text in self.texts())

    def done(self, step):
        self.steps.append(step)
        if PICTURES:
            folder = Path(PICTURES)
            folder.mkdir(parents=True, exist_ok=True)
            self.window.grab().save(str(folder / f"{len(self.steps):02d}-{step}.jpg"), "JPG", 85)


def frames_recorded(user) -> int:
    """Read from the line at the bottom how many frames are on the disk."""
    counts = [text.split("·")[0] for text in user.texts() if "REC" in text]
    return max((int("".join(c for c in text if c.isdigit()) or 0) for text in counts), default=0)


def active(window) -> bool:
    """Do what a window manager does for a new window; a bare X server has none."""
    if QApplication.activeWindow() is None:
        window.activateWindow()
    return QApplication.activeWindow() is window


def first_ten_minutes(user, folder):
    """Yield what has to be seen before the next step; every step is done with keys and the mouse."""
    yield lambda: user.sees("Ready") and user.sees("simulated")
    yield lambda: active(user.window)
    user.press(Qt.Key.Key_L)  # live
    yield lambda: user.sees("405: shines, chosen")
    user.press(Qt.Key.Key_Escape)  # all lights off
    yield lambda: user.sees("405: dark, chosen")
    user.press(Qt.Key.Key_1)  # 405 on
    yield lambda: user.sees("405: shines, chosen") and user.sees("nuclei/mm²")
    user.done("live")
    user.press(Qt.Key.Key_A)  # auto-contrast
    yield lambda: True
    user.done("auto-contrast")
    user.press(Qt.Key.Key_S)  # snap & segment
    yield lambda: user.sees(" nuclei: snapshot")
    user.done("snap-and-segment")
    yield lambda: user.sees("405: shines, chosen")
    user.click(next(b for b in user.window.findChildren(QPushButton) if b.isVisible() and b.text() == "Open"))
    yield lambda: user.sees("Timeline") and user.sees("Replay")
    yield lambda: user.sees("Fit to count") or user.sees("Not fit to count")
    user.done("open-the-result")
    user.press(Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    yield lambda: user.sees("Ready")
    user.press(Qt.Key.Key_R)  # record; live starts by itself
    yield lambda: frames_recorded(user) > 0
    user.started = time.monotonic()
    yield lambda: time.monotonic() - user.started > RECORD_S and frames_recorded(user) > 8 * RECORD_S
    user.done("record")
    user.press(Qt.Key.Key_R)
    yield lambda: user.sees("Recorded ")
    user.press(Qt.Key.Key_L)  # stop live
    yield lambda: user.sees("Ready")
    user.press(Qt.Key.Key_O, Qt.KeyboardModifier.ControlModifier)
    yield lambda: bool(user.window.findChildren(QFileDialog))
    dialog = user.window.findChildren(QFileDialog)[0]
    name = dialog.findChild(QLineEdit, "fileNameEdit")
    user.type("recording.ome.tif", name)
    user.press(Qt.Key.Key_Return, on=name)
    yield lambda: user.sees("Timeline") and QApplication.activeWindow() is user.window
    yield lambda: user.sees("Fit to count") or user.sees("Not fit to count")
    user.done("replay")
    user.hover(user.window.findChild(QWidget, "viewer"), QPoint(200, 200))
    user.press(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    yield lambda: user.sees("Session report: session-report.html")
    user.done("report")
    assert (folder / "session-report.html").stat().st_size > 10_000
    user.press(Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    yield lambda: True


@pytest.mark.timeout(240)
def test_a_new_user_gets_from_start_to_report(qtbot, tmp_path):
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    store.setValue("folder", str(tmp_path))
    session = make_session(Settings(camera=CameraSettings(fps=10.0, binning=2)))
    user = User()
    story = first_ten_minutes(user, tmp_path)
    waiting = {"for": None, "line": 0, "patience": 0}

    def go_on():
        try:
            if waiting["for"] is None or waiting["for"]():
                waiting["for"], waiting["patience"] = next(story), 0
            waiting["patience"] += 1
            if waiting["patience"] > 1200:
                raise AssertionError(f"after {user.steps} nothing more: {sorted(set(user.texts()))}")
        except StopIteration:
            timer.stop()
        except Exception as error:  # noqa: BLE001 - it is raised again, outside of the slot
            timer.stop()
            failed.append(error)
            QApplication.instance().quit()

    failed: list[Exception] = []
    timer = QTimer()
    timer.timeout.connect(go_on)
    timer.start(50)
    code = run_window(session, begin=session.connect, store=store)
    timer.stop()
    if failed:
        raise failed[0]
    assert code == 0
    assert user.steps[-1] == "report"
    assert user.events < MOST_EVENTS


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="Xvfb is not installed")
def test_the_same_on_a_real_display():
    """The window system decides about focus, exposure and fonts; the offscreen one forgives more than X does."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    environment.pop("WAYLAND_DISPLAY", None)

    def under_x(*arguments):
        command = [shutil.which("xvfb-run"), "-a", "-s", "-screen 0 1920x1080x24", sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)

    if under_x("-c", "from PySide6.QtWidgets import QApplication; QApplication([])").returncode:
        pytest.skip("the libraries that Qt needs for X are not installed")
    done = under_x("-m", "pytest", "-q", f"{__file__}::test_a_new_user_gets_from_start_to_report")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
