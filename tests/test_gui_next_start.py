"""The next start: the microscope is set as it was left, and nothing shines by it."""

import pytest
from gui_fake_session import FakeSession
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from app.build import make_session
from app.events import LightSeen, ModelReady, State
from app.gui.application import run_window
from app.gui.main_window import MainWindow
from app.gui.presets import Preset
from app.gui.store import WindowStore
from app.settings import DEFAULT_CHANNELS, CameraSettings, Settings, settings_from


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def start(qtbot, store):
    """Open windows that go on from the last, as the program does."""
    opened = []

    def start(settings=None, camera_id="sim"):
        session = FakeSession(settings)
        window = MainWindow(session, WindowStore(store))
        window.tools.goes_on = True
        opened.append(window)
        session.ready(camera_id=camera_id)
        qtbot.waitUntil(lambda: window.segmentation.model.count() > 1)
        qtbot.waitUntil(lambda: "simulated camera" in window.camera.title.text())
        return window, session

    yield start
    for window in opened:
        window.closing.begin(unattended=True)
        qtbot.waitUntil(lambda w=window: w.closing.done, timeout=5000)


def leave_changed(start, *camera):
    """Leave a window with other settings than the usual ones."""
    window, session = start(*camera)
    assert not session.asked("choose_channel"), "there is nothing to go on from"
    session.selected_channel = "532"
    window.light.show_level(0.4)
    window.camera.settings = CameraSettings(exposure_ms=33.0, gain_db=3.0)
    window.exports.note_model(ModelReady("accurate", "ab", ""))
    window.remember()


def test_the_microscope_is_set_as_it_was_left(start):
    leave_changed(start)
    window, session = start()
    assert session.asked("choose_channel") == [("532", 0.4)] and window.light.level.value() == 40.0
    asked = session.asked("set_camera")[0][0]
    assert (asked.exposure_ms, asked.gain_db) == (33.0, 3.0)
    assert session.asked("set_model") == [("accurate",)]
    assert not session.asked("start_live") and not session.asked("snap")
    session.untouched = False  # live was asked for, and begins as soon as the camera is open
    window.tools.go_on(models=["fast", "accurate"])
    session.untouched = True
    session.go_live()
    window.tools.go_on(models=["fast", "accurate"])
    assert len(session.asked("choose_channel")) == 1, "somebody who is faster goes on as the light was seen"


def test_what_is_configured_or_typed_counts_more(start):
    leave_changed(start)
    _, session = start(settings_from({"light": {"intensity": 0.1}, "camera": {"exposure_ms": 5.0}}))
    assert session.asked("choose_channel") == [("532", 0.1)]
    asked = session.asked("set_camera")[0][0]
    assert (asked.exposure_ms, asked.gain_db) == (5.0, 3.0)


def test_a_channel_and_a_model_that_are_gone_are_not_chosen(start, monkeypatch):
    monkeypatch.setattr("app.gui.main_window.model_names", lambda: ["fast", "other"])
    leave_changed(start)
    _, session = start(Settings(channels=DEFAULT_CHANNELS[:2]))
    assert session.asked("choose_channel") == [("405", 0.4)] and not session.asked("set_model")


def test_another_camera_has_settings_of_its_own(start):
    leave_changed(start)
    _, session = start(Settings(camera_id="pylon"), "pylon:4711")
    assert not session.asked("set_camera") and not session.asked("choose_channel")


def test_two_cameras_of_one_make_have_settings_of_their_own(start):
    leave_changed(start, Settings(camera_id="pylon"), "pylon:4711")
    _, session = start(Settings(camera_id="pylon"), "pylon:4712")
    assert not session.asked("set_camera") and not session.asked("choose_channel")
    _, session = start(Settings(camera_id="pylon"), "pylon:4711")
    assert session.asked("set_camera")[0][0].exposure_ms == 33.0


def test_going_on_shines_nothing_though_the_light_was_left_on(qtbot, store):
    """With the real session: the light of the last window is chosen, and stays off until somebody starts live."""
    left = Preset(name="last", channel="488", intensity=0.9, exposure_ms=20.0, gain_db=0.0)
    store.setValue("last/sim", left.model_dump_json())
    session = make_session(Settings(camera=CameraSettings(binning=4)))
    seen = []
    session.subscribe(lambda event: seen.append(event.channel) if isinstance(event, LightSeen) else None)

    def begin():
        session.connect().result(20)
        qtbot.waitUntil(lambda: session.selected_channel == "488", timeout=20_000)
        session.stop_live().result(20)  # behind all that was asked
        assert session.state is State.IDLE and session.settings.light.intensity == 0.9
        for window in QApplication.topLevelWidgets():
            if isinstance(window, MainWindow) and window.session is session:
                window.closing.begin(unattended=True)

    assert run_window(session, begin=begin, store=store, goes_on=True) == 0
    assert seen and set(seen) == {None}
