"""Nothing is cut off, everything can be read, and everything can be reached with keys."""

from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from gui_window import cut_off
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication, QScrollArea, QWidget

import app.build
from app.events import ReplayMoved, State, StateChanged, Stats, StatsReady
from app.gui.language import silence, speak
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.theme import DARK, RED, THEME, contrast_ratio
from app.settings import DEFAULT_CHANNELS

SIZES = [(1366, 768, 1.0), (1366, 768, 2.0), (3840, 2160, 1.0), (3840, 2160, 2.0)]
CASES = [*((*size, None) for size in SIZES), *((*size, "de") for size in SIZES[:2])]
"""German words are longer than English ones; what fits on the small screen fits on the large one."""


@pytest.fixture
def make_window(qtbot, tmp_path):
    made, spoken = [], []

    def make(width, height, letters, language=None):
        spoken.extend(speak(QApplication.instance(), language))
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
    silence(QApplication.instance(), spoken)
    THEME.set(DARK, 1.0)


def settle(qtbot, window):
    """Wait until the layouts have come to rest: texts of several lines take them a few rounds."""
    before = None
    while before != (now := [widget.geometry() for widget in window.findChildren(QWidget)]):
        before = now
        qtbot.wait(50)


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_nothing_is_cut_off(qtbot, make_window, width, height, letters, language):
    window = make_window(width, height, letters, language)
    for section in window.sections.values():
        section.set_open(True)
    window.replay_bar.show()
    settle(qtbot, window)
    assert (window.width(), window.height()) == (width, height)
    assert cut_off(window) == []
    small = width < 900 * letters
    assert window.below.isVisible() is not small, "a small window leaves its room to the picture"
    assert window.viewer.width() * (window.viewer.height() + window.replay_bar.height()) > 0.4 * width * height
    window.actions_by_id["profile"].trigger()
    assert window.below.isVisible(), "what a tool needs is shown while it is in use"
    window.actions_by_id["profile"].trigger()
    assert window.below.isVisible() is not small
    window.actions_by_id["charts"].trigger()
    settle(qtbot, window)
    assert window.below.isVisible() is small, "the operator's word is the last"
    window.actions_by_id["charts"].trigger() if not small else None
    settle(qtbot, window)
    assert cut_off(window) == []
    inner = window.panel_area.viewport().width()
    assert window.column.width() <= inner
    for part in (window.viewer, window.strip, window.bar, window.light.off if letters == 1.0 else window.bar):
        assert part.isVisible() and part.visibleRegion().boundingRect().size() == part.size()


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_pages_and_the_map_of_keys_stay_inside_the_window(qtbot, make_window, width, height, letters, language):
    window = make_window(width, height, letters, language)
    pages = {
        "presets": lambda: window.tools.presets_page,
        "doctor": lambda: window.tools.doctor_page,
        "plan": lambda: window.plans.page,
        "calibrate": lambda: window.calibration.page,
        "devices": lambda: window.start.page,
        "report": lambda: window.files.report_page,
    }
    for name, page_of in pages.items():
        window.actions_by_id[name].setEnabled(True)
        window.actions_by_id[name].trigger()
        page = page_of()
        if name in ("doctor", "devices"):
            qtbot.waitUntil(page.again.isEnabled, timeout=20_000)
        settle(qtbot, window)
        assert page.isVisible() and page.parentWidget().rect().contains(page.geometry()), name
        assert cut_off(page) == [], name
        least = page.minimumSizeHint()
        assert page.width() >= least.width() and page.height() >= least.height(), (name, page.size(), least)
        page.hide()
    window.actions_by_id["help"].trigger()
    settle(qtbot, window)
    assert cut_off(window.key_map) == []
    area = window.key_map.findChild(QScrollArea)
    assert area.horizontalScrollBar().maximum() == 0
    assert (window.width(), window.height()) == (width, height)


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_charts_and_the_comparison_of_models_fit(qtbot, make_window, monkeypatch, width, height, letters, language):
    monkeypatch.setattr(app.build, "make_counter", SecondModel)
    window = make_window(width, height, letters, language)
    session = window.session
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    session.last_result = make_result(session.last_frame)
    window.segmentation.show_models(["fast", "accurate"])
    qtbot.waitUntil(window.replay_bar.isVisible)
    if not window.below.isVisible():
        window.actions_by_id["charts"].trigger()
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: window.compare.viewer.result is not None)
    for index in range(window.charts.count()):
        window.charts.setCurrentIndex(index)
        settle(qtbot, window)
        assert cut_off(window) == [], window.charts.tabText(index)
        assert (window.width(), window.height()) == (width, height), window.charts.tabText(index)
    assert window.compare.viewer.visibleRegion().boundingRect().size() == window.compare.viewer.size()


class SecondModel:
    """Finds what `make_result` has, under another name."""

    def __init__(self, name):
        self.name = name

    def segment(self, frame, pixel_size_um=None):
        return make_result(frame)


@pytest.mark.parametrize("palette", [DARK, RED], ids=lambda palette: palette.name)
def test_every_text_has_contrast_enough(palette):
    grounds = (palette.black, palette.ground, palette.raised)
    for ink in (palette.text, palette.muted, palette.good, palette.warning, palette.error):
        for ground in grounds:
            assert contrast_ratio(ink, ground) >= 4.5, (ink, ground)
    assert contrast_ratio(palette.on_accent, palette.accent) >= 4.5
    for channel in DEFAULT_CHANNELS:
        assert contrast_ratio("#000000", channel.color) >= 4.5
