"""The window on a session without devices, as the tests of single features want it."""

from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame
from PySide6.QtCore import QPoint, QSettings

from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.theme import DARK, THEME


@pytest.fixture
def session():
    return FakeSession()


@pytest.fixture
def window(qtbot, session, tmp_path):
    made = MainWindow(session, WindowStore(QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)))
    made.folder = Path(tmp_path)
    made.resize(1366, 768)
    made.show()
    qtbot.waitExposed(made)
    yield made
    made.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: made.closing.done, timeout=10_000)
    made.deleteLater()
    qtbot.wait(1)
    THEME.set(DARK, 1.0)


def shown(qtbot, window, session, frame=None):
    """Have a picture on the screen."""
    frame = session.show(frame or make_frame())
    qtbot.waitUntil(lambda: window.viewer.frame is frame, timeout=5000)
    return frame


def at(window, x, y):
    """Return where frame position (x, y) lies on the viewer."""
    return QPoint(*(round(v) for v in window.viewer.placement.to_widget(x, y)))
