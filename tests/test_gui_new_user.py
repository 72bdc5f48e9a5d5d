"""Somebody's first ten minutes, with nothing but keys and the mouse, on the simulators and with the real parts."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from gui_window import cut_off
from PySide6.QtCore import QPoint, QSettings, QSize, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton, QWidget

from app import doctor
from app.build import make_session
from app.doctor import Check, Found
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
        self.cut_off: dict[str, list[str]] = {}

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

    def button(self, text):
        return next(b for b in self.window.findChildren(QPushButton) if b.isVisible() and b.text() == text)

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
        """Return what to wait for after a step: nothing is cut off any more, and the picture of it is taken."""
        self.steps.append(step)
        looks = iter(range(40))

        def seen():
            self.cut_off[step] = cut_off(self.window)  # new texts take the layout a moment
            if self.cut_off[step] and next(looks, None) is not None:
                return False
            if PICTURES:
                folder = Path(PICTURES)
                folder.mkdir(parents=True, exist_ok=True)
                self.window.grab().save(str(folder / f"{len(self.steps):02d}-{step}.jpg"), "JPG", 85)
            return True

        return seen


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
    yield lambda: user.sees("Camera and light") and user.button("Look again").isEnabled()
    yield lambda: active(user.window)
    yield user.done("first-start")
    user.click(user.button("Try it on simulators"))
    yield lambda: user.sees("1 of 5")  # the tour
    yield user.done("tour")
    for _ in range(5):
        user.press(Qt.Key.Key_Return, on=QApplication.focusWidget())
    yield lambda: user.sees("Ready") and user.sees("simulated") and not user.sees("5 of 5")
    user.press(Qt.Key.Key_L)  # live
    # With frames: while it is still starting, Esc would cancel that.
    yield lambda: user.sees("405: shines, chosen") and not user.sees("screen 0.0")
    user.press(Qt.Key.Key_Escape)  # all lights off
    yield lambda: user.sees("405: dark, chosen")
    user.press(Qt.Key.Key_1)  # 405 on
    yield lambda: user.sees("405: shines, chosen") and user.sees("nuclei/mm²")
    yield lambda: not user.sees("screen 0.0") and not user.sees("counting 0.0")
    yield user.done("live")
    user.press(Qt.Key.Key_A)  # auto-contrast
    yield user.done("auto-contrast")
    user.press(Qt.Key.Key_S)  # snap & segment
    yield lambda: user.sees(" nuclei: snapshot")
    yield user.done("snap-and-segment")
    yield lambda: user.sees("405: shines, chosen")
    user.click(user.button("Open"))
    yield lambda: user.sees("Timeline") and user.sees("Replay")
    yield lambda: user.sees("Fit to count") or user.sees("Not fit to count")
    yield user.done("open-the-result")
    user.press(Qt.Key.Key_W, Qt.KeyboardModifier.ControlModifier)
    yield lambda: user.sees("Ready")
    user.press(Qt.Key.Key_R)  # record; live starts by itself
    yield lambda: frames_recorded(user) > 0
    user.started = time.monotonic()
    yield lambda: time.monotonic() - user.started > RECORD_S and frames_recorded(user) > 8 * RECORD_S
    yield user.done("record")
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
    yield user.done("replay")
    user.hover(user.window.findChild(QWidget, "viewer"), QPoint(200, 200))
    user.press(Qt.Key.Key_R, Qt.KeyboardModifier.ControlModifier)
    yield lambda: user.sees("Session report: session-report.html")
    yield user.done("report")
    assert (folder / "session-report.html").stat().st_size > 10_000
    user.press(Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)
    yield lambda: True


SCREENS = [(1366, 768, 1.0), (1366, 768, 2.0), (3840, 2160, 1.0), (3840, 2160, 2.0)]


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("width", "height", "letters"),
    [SCREENS[0], *(pytest.param(*screen, marks=pytest.mark.prove) for screen in SCREENS[1:])],
)
def test_a_new_user_gets_from_start_to_report(qtbot, tmp_path, monkeypatch, width, height, letters):
    nothing = Check("camera", "note", "No Basler camera is connected; check the USB 3 cable.")
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: Found((), (), (nothing,)))
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    for key, value in {"folder": str(tmp_path), "letters": str(letters)}.items():
        store.setValue(key, value)
    session = make_session(Settings(camera=CameraSettings(fps=10.0, binning=2)))
    user = User()
    story = first_ten_minutes(user, tmp_path)
    waiting = {"for": None, "line": 0, "patience": 0}

    def go_on():
        try:
            if user.window.size() != QSize(width, height):
                user.window.resize(width, height)  # as a person drags it to the edges of the screen
                return
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
    code = run_window(session, begin=session.connect, store=store, ask=True)
    timer.stop()
    if failed:
        raise failed[0]
    assert code == 0
    assert user.steps[-1] == "report"
    assert user.events < MOST_EVENTS
    assert not {step: found for step, found in user.cut_off.items() if found}


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="Xvfb is not installed")
@pytest.mark.parametrize(("width", "height", "letters"), SCREENS)
def test_the_same_on_a_real_display(width, height, letters):
    """The window system decides about focus, exposure and fonts; the offscreen one forgives more than X does."""
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb"}
    environment.pop("WAYLAND_DISPLAY", None)

    def under_x(*arguments):
        command = [shutil.which("xvfb-run"), "-a", "-s", f"-screen 0 {width}x{height}x24", sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)

    if under_x("-c", "from PySide6.QtWidgets import QApplication; QApplication([])").returncode:
        pytest.skip("the libraries that Qt needs for X are not installed")
    case = f"{__file__}::test_a_new_user_gets_from_start_to_report[{width}-{height}-{letters}]"
    done = under_x("-m", "pytest", "-q", "-m", "prove or not prove", case)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
