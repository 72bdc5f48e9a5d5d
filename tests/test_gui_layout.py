"""Nothing is cut off, everything can be read, and everything can be reached with keys."""

import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from PySide6.QtCore import QSettings, Qt
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import QAbstractButton, QComboBox, QLabel, QScrollArea, QWidget

from app.events import Stats, StatsReady
from app.gui.main_window import MainWindow
from app.gui.panels.light import LightButton
from app.gui.panels.parts import Eliding
from app.gui.store import WindowStore
from app.gui.theme import DARK, RED, THEME, contrast_ratio
from app.settings import DEFAULT_CHANNELS

SIZES = [(1366, 768, 1.0), (1366, 768, 2.0), (3840, 2160, 1.0), (3840, 2160, 2.0)]


@pytest.fixture
def make_window(qtbot, tmp_path):
    made = []

    def make(width, height, letters):
        store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
        store.setValue("letters", str(letters))
        store.setValue("folder", "/home/someone/with.a.long.name/Documents/dapiscope/2026/U2OS, plate 3, well B4")
        session = FakeSession()
        window = MainWindow(session, WindowStore(store))
        made.append(window)
        window.resize(width, height)
        window.show()
        qtbot.waitExposed(window)
        session.ready()
        session.go_live()
        session.shine("405")
        frame = session.show(make_frame())
        session.count(make_result(frame, interval=(120, 140), flags=("out of focus", "too crowded")))
        session.publish(StatsReady(Stats(grabbed=123456, lost_camera=12, fps_camera=44.9, latency_ms=123.0)))
        qtbot.waitUntil(lambda: window.counts.big.text == "2")
        return window

    yield make
    for window in made:
        window.closing.begin(unattended=True)
        qtbot.waitUntil(lambda w=window: w.closing.done, timeout=10_000)
        window.deleteLater()
    qtbot.wait(1)
    THEME.set(DARK, 1.0)


def settle(qtbot, window):
    """Wait until the layouts have come to rest: texts of several lines take them a few rounds."""
    before = None
    while before != (now := [widget.geometry() for widget in window.findChildren(QWidget)]):
        before = now
        qtbot.wait(50)


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
    for box in window.findChildren(QComboBox):
        needed = QFontMetricsF(box.font()).horizontalAdvance(box.currentText()) + THEME.px(24)
        if box.isVisible() and needed > box.width():
            found.append(f"choice {box.currentText()!r}: {needed} > {box.width()}")
    return found


@pytest.mark.parametrize(("width", "height", "letters"), SIZES)
def test_nothing_is_cut_off(qtbot, make_window, width, height, letters):
    window = make_window(width, height, letters)
    for section in window.sections.values():
        section.set_open(True)
    window.replay_bar.show()
    settle(qtbot, window)
    assert (window.width(), window.height()) == (width, height)
    assert cut_off(window) == []
    inner = window.panel_area.viewport().width()
    assert window.column.width() <= inner
    for part in (window.viewer, window.strip, window.bar, window.light.off if letters == 1.0 else window.bar):
        assert part.isVisible() and part.visibleRegion().boundingRect().size() == part.size()


@pytest.mark.parametrize(("width", "height", "letters"), SIZES[:2])
def test_pages_and_the_map_of_keys_stay_inside_the_window(qtbot, make_window, width, height, letters):
    window = make_window(width, height, letters)
    window.actions_by_id["presets"].trigger()
    window.actions_by_id["help"].trigger()
    qtbot.wait(50)
    page = window.tools.presets_page
    assert page.parentWidget().rect().contains(page.geometry())
    assert page.height() >= page.minimumSizeHint().height()
    assert cut_off(page) == [] and cut_off(window.key_map) == []
    area = window.key_map.findChild(QScrollArea)
    assert area.horizontalScrollBar().maximum() == 0


@pytest.mark.parametrize("palette", [DARK, RED], ids=lambda palette: palette.name)
def test_every_text_has_contrast_enough(palette):
    grounds = (palette.black, palette.ground, palette.raised)
    for ink in (palette.text, palette.muted, palette.good, palette.warning, palette.error):
        for ground in grounds:
            assert contrast_ratio(ink, ground) >= 4.5, (ink, ground)
    assert contrast_ratio(palette.on_accent, palette.accent) >= 4.5
    for channel in DEFAULT_CHANNELS:
        assert contrast_ratio("#000000", channel.color) >= 4.5


def test_every_control_is_reached_with_the_tab_key_and_says_what_it_is(qtbot, make_window):
    window = make_window(1366, 768, 1.0)
    for section in window.sections.values():
        section.set_open(True)
    qtbot.wait(20)
    for widget in (*window.findChildren(QAbstractButton), *window.findChildren(QComboBox)):
        if widget.isVisible() and widget.isEnabled() and widget.window() is window:
            in_bar = window.bar.isAncestorOf(widget)
            inner = widget.objectName().startswith("qt_") or widget.metaObject().className() in (
                "QTabBar",
                "CloseButton",
            )
            if inner or widget.parent().metaObject().className() == "QTabBar":
                continue
            assert widget.toolTip() or widget.accessibleName(), widget
            assert in_bar or widget.focusPolicy() & Qt.FocusPolicy.TabFocus, (widget, widget.toolTip())
