"""The window on a session without devices, as the tests of single features want it."""

from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from PySide6.QtCore import QEvent, QPoint, QRect, QSettings, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QDialog,
    QLabel,
    QToolButton,
    QWidget,
)

from app import doctor
from app.doctor import Check, Found
from app.events import CalibrationMoved, ReplayMoved, State, StateChanged
from app.gui.language import silence, speak
from app.gui.main_window import MainWindow
from app.gui.panels.light import LightButton
from app.gui.panels.parts import Eliding
from app.gui.store import WindowStore
from app.gui.text import tr
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


@pytest.fixture
def make_window(qtbot, tmp_path):
    """Open windows of a size, at a size of letters, in a language; the first language counts for all of a test."""
    made, spoken = [], []

    def make(width=1366, height=768, letters=1.0, language=None):
        spoken.extend(speak(QApplication.instance(), language))
        store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
        store.setValue("letters", str(letters))
        store.setValue("folder", "/home/someone/with.a.long.name/Documents/dapiscope/2026/U2OS, plate 3, well B4")
        window = MainWindow(FakeSession(), WindowStore(store))
        made.append(window)
        window.resize(width, height)
        window.show()
        qtbot.waitExposed(window)
        return window

    yield make
    for window in made:
        window.closing.begin(unattended=True)
        qtbot.waitUntil(lambda w=window: w.closing.done, timeout=10_000)
        window.deleteLater()
    qtbot.wait(1)
    silence(QApplication.instance(), spoken)
    THEME.set(DARK, 1.0)


def everything_open(qtbot, window):
    """Have a counted picture, with all panels, a replay bar and a chart in sight."""
    session = window.session
    session.ready()
    for section in window.sections.values():
        section.set_open(True)
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    frame = shown(qtbot, window, session)
    session.count(make_result(frame, interval=(1, 3)))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.actions_by_id["profile"].trigger()
    qtbot.wait(50)


PAGES = ("presets", "plan", "doctor", "calibrate", "devices", "report")
LATER = (*PAGES, "calibration that runs", "tour", "correction", "export that runs", "failure", "map of keys", "closing")
"""All that covers a part of the window for a while."""

_CHECKS = [
    Check("window", "ok", "There is one."),
    Check("camera", "note", "No Basler camera is connected; check the USB 3 cable, and plug it into a blue port."),
    Check("usb", "bad", "USB gets too little memory for full rate.", "echo 1000 | sudo tee /sys/module/usbcore/x/y"),
]


def open_later(qtbot, monkeypatch, window, name):
    """Open one of `LATER`; return what has to be looked at, and how it is closed."""
    monkeypatch.setattr(doctor, "examine", lambda _folder: iter(_CHECKS))
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: Found((("pylon", "Basler"),), (), tuple(_CHECKS)))
    session = window.session
    if name in PAGES or name == "calibration that runs":
        page_of = {
            "presets": lambda: window.tools.presets_page,
            "plan": lambda: window.plans.page,
            "doctor": lambda: window.tools.doctor_page,
            "devices": lambda: window.start.page,
            "report": lambda: window.files.report_page,
        }.get(name, lambda: window.calibration.page)
        action = window.actions_by_id[name if name in PAGES else "calibrate"]
        session.publish(StateChanged(State.IDLE))
        qtbot.waitUntil(lambda: action.isEnabled() and window.strip.state.text() != "")
        action.trigger()
        if name in ("doctor", "devices"):
            qtbot.waitUntil(page_of().again.isEnabled)
        if name == "calibration that runs":
            session.publish(StateChanged(State.SNAPPING), CalibrationMoved("405", "flat", 11, 16))
            qtbot.waitUntil(lambda: window.calibration.runs)
        return page_of(), page_of().hide
    if name == "tour":
        window.start.show_tour()
        return window.start.tour.card, window.start.end_tour
    if name == "correction":
        session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
        session.last_result = make_result(shown(qtbot, window, session))
        session.count(session.last_result)
        qtbot.waitUntil(lambda: window.viewer.result is session.last_result)
        window.actions_by_id["correct"].trigger()
        qtbot.waitUntil(window.correct.bar.isVisible)
        return window.correct.bar, lambda: window.correct.toggle(False)
    if name == "export that runs":
        work = window.toasts.show_work(tr("Exporting the nuclei…"))
        work.show_progress(0.4)
        return work, lambda: window.toasts.end_work(work)
    if name == "failure":
        session.publish(StateChanged(State.FAILED, "The camera was unplugged; plug it in, and start live again. " * 2))
        qtbot.waitUntil(window.banner.isVisible)
        return window.banner, window.banner.hide
    if name == "map of keys":
        window.actions_by_id["help"].trigger()
        return window.key_map, window.actions_by_id["help"].trigger
    window.veil.say(tr("The light did not confirm that it is off. Switch the light box off by hand, then leave."),
                    tr("I switched it off: leave"), lambda: None)  # fmt: skip
    return window.veil, window.veil.hide


def shown(qtbot, window, session, frame=None):
    """Have a picture on the screen."""
    frame = session.show(frame or make_frame())
    qtbot.waitUntil(lambda: window.viewer.frame is frame, timeout=5000)
    return frame


def place_in(window, widget):
    """Return where a widget lies in the window."""
    return QRect(widget.mapTo(window, QPoint(0, 0)), widget.size())


def at(window, x, y):
    """Return where frame position (x, y) lies on the viewer."""
    return QPoint(*(round(v) for v in window.viewer.placement.to_widget(x, y)))


def settle(qtbot, window):
    """Wait until the layouts have come to rest: texts of several lines take them a few rounds."""
    before = None
    while before != (now := [widget.geometry() for widget in window.findChildren(QWidget)]):
        before = now
        qtbot.wait(50)
    # The window's own clock may have put in a text in the last moment of that; its layout is done, and no clock runs.
    for _ in range(3):
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)


def _scrolled(widget: QWidget) -> bool:
    """Tell whether what is beyond the edge of its parent can be turned to."""
    while (widget := widget.parentWidget()) is not None:
        if isinstance(widget, QAbstractScrollArea):
            return True
    return False


def beyond(window: QWidget) -> list[str]:
    """Return what lies beyond the edge of the widget that holds it, where nobody can turn to it."""
    found = []
    for widget in (window, *window.findChildren(QWidget)):
        parent = widget.parentWidget()
        if parent is None or widget.isWindow() or not widget.isVisible() or _scrolled(widget):
            continue
        inside = parent.contentsRect() if parent.metaObject().className() == "QFrame" else parent.rect()
        if not QRect(inside).contains(widget.geometry()):
            name = widget.text() if isinstance(widget, QLabel | QAbstractButton) else widget.objectName()
            found.append(f"{type(widget).__name__} {name!r}: {widget.geometry()} in {type(parent).__name__} {inside}")
    return found


def open_dialogs(qtbot, window):
    """Open the dialogs that are windows of their own, one after the other; yield each while it is there."""
    for ask in (
        window.tools.export_presets,
        window.files.choose_folder,
        lambda: window.calibration.ask_size(Path("a picture of the second plate, well B4.tif")),
    ):
        ask()
        dialog = next(each for each in window.findChildren(QDialog) if each.isVisible())
        qtbot.waitExposed(dialog)
        qtbot.wait(50)
        yield dialog
        dialog.close()


def cut_off(window: QWidget) -> list[str]:
    """Return what is smaller than its text."""
    found = []
    for label in window.findChildren(QLabel):
        if not label.isVisible() or isinstance(label, Eliding) or not label.text():
            continue
        if label.wordWrap():
            needed, has = label.heightForWidth(label.width()), label.height()
        else:
            text = label.text().replace("&", "")  # the next letter is underlined
            needed, has = QFontMetricsF(label.font()).horizontalAdvance(text), label.width()
        if needed > has + 1:
            found.append(f"label {label.text()!r}: {needed} > {has}")
    for button in window.findChildren(QAbstractButton):
        if not button.isVisible() or not button.text() or isinstance(button, LightButton):
            continue
        if isinstance(button, QToolButton) and button.toolButtonStyle() == Qt.ToolButtonStyle.ToolButtonIconOnly:
            if not button.icon().isNull():
                continue
        needed = QFontMetricsF(button.font()).horizontalAdvance(button.text())
        if needed > button.width():
            found.append(f"button {button.text()!r}: {needed} > {button.width()}")
    for field in window.findChildren(QAbstractSpinBox):
        line = field.lineEdit()
        needed = QFontMetricsF(line.font()).horizontalAdvance(line.text())
        if field.isVisible() and needed > line.width():
            found.append(f"field {field.accessibleName()!r} {line.text()!r}: {needed} > {line.width()}")
    for box in window.findChildren(QComboBox):
        needed = QFontMetricsF(box.font()).horizontalAdvance(box.currentText()) + THEME.px(24)
        if box.isVisible() and needed > box.width() and box.objectName() != "lookInCombo":  # that one has dots
            found.append(f"choice {box.currentText()!r}: {needed} > {box.width()}")
    return found
