"""The window on a session without devices, as the tests of single features want it."""

from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame
from PySide6.QtCore import QPoint, QSettings
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QAbstractButton, QAbstractSpinBox, QComboBox, QLabel, QWidget

from app.gui.main_window import MainWindow
from app.gui.panels.light import LightButton
from app.gui.panels.parts import Eliding
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


def cut_off(window: QWidget) -> list[str]:
    """Return what is smaller than its text."""
    found = []
    for label in window.findChildren(QLabel):
        if not label.isVisible() or isinstance(label, Eliding) or not label.text():
            continue
        if label.wordWrap():
            needed, has = label.heightForWidth(label.width()), label.height()
        else:
            needed, has = QFontMetricsF(label.font()).horizontalAdvance(label.text()), label.width()
        if needed > has + 1:
            found.append(f"label {label.text()!r}: {needed} > {has}")
    for button in window.findChildren(QAbstractButton):
        if not button.isVisible() or not button.text() or isinstance(button, LightButton):
            continue
        needed = QFontMetricsF(button.font()).horizontalAdvance(button.text())
        if button.objectName() != "fold" and needed > button.width() and button.toolTip() == "":
            found.append(f"button {button.text()!r}: {needed} > {button.width()}")
    for field in window.findChildren(QAbstractSpinBox):
        line = field.lineEdit()
        needed = QFontMetricsF(line.font()).horizontalAdvance(line.text())
        if field.isVisible() and needed > line.width():
            found.append(f"field {field.accessibleName()!r} {line.text()!r}: {needed} > {line.width()}")
    for box in window.findChildren(QComboBox):
        needed = QFontMetricsF(box.font()).horizontalAdvance(box.currentText()) + THEME.px(24)
        if box.isVisible() and needed > box.width():
            found.append(f"choice {box.currentText()!r}: {needed} > {box.width()}")
    return found
