import threading
import time
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from gui_window import place_in
from PySide6.QtCore import QEvent, QObject, QPoint, QPointF, QSettings, QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QFileDialog, QLineEdit, QPushButton

from app import doctor
from app.dose import ChannelDose
from app.events import (
    DoseSeen,
    LightSeen,
    Notice,
    RecordingChanged,
    RecordingFinishing,
    ReplayMoved,
    SnapTaken,
    State,
    StateChanged,
    Stats,
    StatsReady,
)
from app.frame import Light, read_only
from app.gui.actions import ACTIONS, MENUS
from app.gui.icons import DRAWINGS
from app.gui.main_window import MainWindow, first_size
from app.gui.panels.counts import CountsPanel
from app.gui.panels.page import Page
from app.gui.store import WindowStore
from app.gui.theme import DARK, THEME


@pytest.fixture
def store(tmp_path):
    return QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)


@pytest.fixture
def session():
    return FakeSession()


@pytest.fixture
def window(qtbot, session, store, tmp_path):
    made = MainWindow(session, WindowStore(store))
    made.folder = tmp_path
    made.tools.preset_file = tmp_path / "presets.json"
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


# --- the table of actions --------------------------------------------------------------------------------------------

EXPECTED = {
    "live": ("start_live", ()),
    "snap": ("snap", (False, "FOLDER")),
    "snap_segment": ("snap", (True, "FOLDER")),
    "record": ("start_recording", ("FOLDER",)),
    "lights_off": ("all_off", ()),
    "channel_1": ("set_channel", ("405",)),
    "channel_2": ("set_channel", ("488",)),
    "channel_3": ("set_channel", ("532",)),
    "channel_4": ("set_channel", ("633",)),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_key_asks_the_session(qtbot, window, session, name):
    spec = next(spec for spec in ACTIONS if spec.id == name)
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence(spec.shortcut))
    command, args = EXPECTED[name]
    assert session.asked(command) == [tuple(window.folder if a == "FOLDER" else a for a in args)]


def test_every_action_has_an_icon_a_tooltip_a_menu_and_no_key_twice():
    keys = [spec.shortcut for spec in ACTIONS if spec.shortcut]
    assert len(keys) == len(set(keys))
    for spec in ACTIONS:
        assert spec.icon in DRAWINGS
        assert spec.tooltip.endswith(".")
        assert spec.menu in MENUS
        assert spec.shortcut or spec.menu


def test_the_menu_holds_every_action(window):
    in_menus = {action.objectName() for menu in window.menu.actions() for action in menu.menu().actions()}
    assert in_menus == {spec.id for spec in ACTIONS}


def test_keys_typed_into_a_field_do_not_work_the_microscope(qtbot, window, session):
    window.sections["sample"].set_open(True)
    window.sample.sample.setFocus()
    QTest.keyClicks(window.sample.sample, "lr1 s")
    assert window.sample.sample.text() == "lr1 s"
    assert not session.asked("start_live") and not session.asked("snap") and not session.asked("set_channel")
    QTest.keyClick(window.sample.sample, Qt.Key.Key_Return)
    assert session.asked("set_sample")[-1] == ("lr1 s", "")
    assert window.focusWidget() is window.viewer


def test_escape_switches_the_light_off_even_from_a_field(window, session):
    window.camera.exposure.setFocus()
    QTest.keyClick(window.camera.exposure, Qt.Key.Key_Escape)
    assert len(session.asked("all_off")) == 1


@pytest.mark.parametrize("place", ["dialog", "menu", "list"])
def test_escape_switches_the_light_off_and_closes_what_is_open(qtbot, window, session, place):
    session.go_live()
    if place == "dialog":
        window.actions_by_id["save_folder"].trigger()
        shown_part = window.findChildren(QFileDialog)[0]
        shown_part.activateWindow()
        qtbot.waitUntil(shown_part.isActiveWindow)
        key_to = QApplication.focusWidget() or shown_part
    elif place == "menu":
        shown_part = key_to = window.menu
        window.menu.popup(QPoint(10, 10))
    else:
        window.segmentation.model.showPopup()
        shown_part = key_to = window.segmentation.model.view()
    qtbot.waitUntil(shown_part.isVisible)
    QTest.keyClick(key_to, Qt.Key.Key_Escape)
    assert len(session.asked("all_off")) == 1
    qtbot.waitUntil(lambda: not shown_part.isVisible())


@pytest.mark.parametrize("name", ["presets", "plan", "doctor", "calibrate", "devices", "report"])
def test_a_page_is_closed_by_its_key_by_esc_and_by_another_page(qtbot, window, session, monkeypatch, name):
    monkeypatch.setattr(doctor, "examine", lambda _folder: iter(()))
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: doctor.Found((), (), ()))

    def in_sight():
        return Page.in_sight(window.page)

    window.actions_by_id[name].trigger()
    (page,) = in_sight()
    window.actions_by_id[name].trigger()
    assert not in_sight() and window.viewer.hasFocus()
    window.actions_by_id[name].trigger()
    assert in_sight() == [page]
    if name == "doctor":
        qtbot.waitUntil(page.again.isEnabled)
    if name == "devices":
        qtbot.waitUntil(lambda: not page.cancel.isEnabled())
    QTest.keyClick(page, Qt.Key.Key_Escape)
    assert not in_sight() and len(session.asked("all_off")) == 1
    window.actions_by_id[name].trigger()
    window.actions_by_id["presets" if name != "presets" else "report"].trigger()
    assert in_sight() != [page] and len(in_sight()) == 1
    window.start.show_tour()
    assert not in_sight()


def test_esc_leaves_a_page_of_which_it_ended_something(qtbot, window, session):
    window.actions_by_id["plan"].trigger()
    session.publish(StateChanged(State.PLAN))
    qtbot.waitUntil(lambda: session.state is State.PLAN)
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert Page.in_sight(window.page)
    session.publish(StateChanged(State.IDLE))


def test_messages_stay_above_what_opens_below_the_picture(qtbot, window, session):
    session.publish(Notice("error", "Something is to be read."))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    qtbot.wait(10)
    before = window.toasts.geometry().bottom()
    window.replay_bar.show()
    qtbot.waitUntil(lambda: window.toasts.geometry().bottom() < before)
    assert place_in(window, window.desk).contains(place_in(window, window.toasts))


def test_the_record_button_says_what_it_does_now(qtbot, window, session):
    session.publish(RecordingChanged(True, Path("a.ome.tif")))
    qtbot.waitUntil(lambda: window.actions_by_id["record"].text() == "Stop recording")
    session.publish(RecordingChanged(False, Path("a.ome.tif")))
    qtbot.waitUntil(lambda: window.actions_by_id["record"].text() == "Record")


def test_a_disk_that_was_refused_offers_another_folder(qtbot, window, session, monkeypatch):
    asked = []
    monkeypatch.setattr(window.files, "choose_folder", lambda: asked.append(1))
    session.publish(Notice("error", "The disk is too small.", "folder"))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    assert window.toasts.toasts[0].action.text() == "Where to save…"
    qtbot.mouseClick(window.toasts.toasts[0].action, Qt.MouseButton.LeftButton)
    assert asked


@pytest.mark.parametrize(
    ("screen", "size"), [((1388, 868), (1372, 820)), ((3840, 2160), (2688, 1512)), ((1920, 880), (1480, 832))]
)
def test_the_first_window_is_no_larger_than_its_screen_and_no_stamp_on_a_large_one(screen, size):
    assert first_size(QSize(*screen)) == QSize(*size)


def test_labels_beside_their_picture_are_not_taken_for_one(qtbot, window, session, tmp_path):
    for name in ("snapshot_labels.tif", "snapshot.ome.tif", "other_labels.tif"):
        (tmp_path / name).touch()
    window.files.open_path(str(tmp_path / "snapshot_labels.tif"))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    assert not session.asked("open_replay")
    qtbot.mouseClick(window.toasts.toasts[0].action, Qt.MouseButton.LeftButton)
    assert session.asked("open_replay") == [(tmp_path / "snapshot.ome.tif",)]
    window.files.open_path(str(tmp_path / "other_labels.tif"))
    qtbot.waitUntil(lambda: len(session.asked("open_replay")) == 2)


# --- the light -------------------------------------------------------------------------------------------------------


def test_a_light_button_shows_what_the_box_says_not_what_was_asked(qtbot, window, session):
    session.ready()
    session.go_live()
    button = window.light.buttons[0]
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert session.asked("set_channel") == [("405",)]
    qtbot.wait(50)
    assert not button.lit
    session.shine("405")
    qtbot.waitUntil(lambda: button.lit)
    assert window.light.state.property("role") == "good"
    session.shine(None)
    qtbot.waitUntil(lambda: not button.lit)


def test_asking_for_the_shining_channel_asks_for_darkness(qtbot, window, session):
    session.shine("488")
    qtbot.waitUntil(lambda: window.light.buttons[1].lit)
    qtbot.mouseClick(window.light.buttons[1], Qt.MouseButton.LeftButton)
    assert session.asked("set_channel") == [(None,)]


def test_a_light_that_does_not_answer_is_shown_as_neither_on_nor_off(qtbot, window, session):
    session.shine("405")
    session.publish(LightSeen("405", 0.25, False))
    qtbot.waitUntil(lambda: not window.light.buttons[0].known)
    assert not window.light.buttons[0].lit
    assert "ON" in window.light.state.text()
    assert window.viewer.light_badge.strong
    assert window.light.off.isEnabled()


def test_a_fault_of_the_box_is_read_out(qtbot, window, session):
    session.shine(None, faults=("The interlock is open.",))
    qtbot.waitUntil(lambda: window.light.state.text() == "The interlock is open.")


def test_a_dragged_level_reaches_the_session_once_it_rests(qtbot, window, session):
    for value in (30, 40, 55):
        window.light.bar.setValue(value)
    qtbot.waitUntil(lambda: len(session.asked("set_intensity")) == 1)
    assert session.asked("set_intensity") == [(0.55,)]
    assert window.light.level.value() == 55.0


# --- camera, model, counts -------------------------------------------------------------------------------------------


def test_camera_limits_come_from_the_camera_and_edits_go_to_it(qtbot, window, session):
    session.ready()
    qtbot.waitUntil(lambda: window.camera.gain.maximum() == 24.0)
    window.camera.exposure.setValue(33.0)
    window.camera.gain.setValue(6.0)
    asked = [settings for (settings,) in session.asked("set_camera")]
    assert [(s.exposure_ms, s.gain_db) for s in asked] == [(33.0, 0.0), (33.0, 6.0)]


def test_auto_exposure_changes_the_camera_and_never_the_light(qtbot, window, session):
    session.ready()
    shown(qtbot, window, session)  # brightest at three quarters of the range
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("E"))
    asked = session.asked("set_camera")[-1][0]
    assert asked.exposure_ms == pytest.approx(15.0 * (2 / 3) / (192 / 256), rel=0.01) and asked.gain_db == 0
    assert not session.asked("set_intensity")


def test_auto_exposure_costs_no_more_light_where_the_budget_is_spent(qtbot, window, session):
    session.ready()
    frame = make_frame()
    shown(qtbot, window, session, replace(frame, pixels=read_only(frame.pixels // 3)))
    session.publish(DoseSeen(1, {"405": ChannelDose(120.0, 61.5)}, 60.0))
    qtbot.waitUntil(lambda: bool(window.presenter.spent))
    window.actions_by_id["auto_exposure"].trigger()
    asked = session.asked("set_camera")[-1][0]
    assert asked.exposure_ms == 15.0 and asked.gain_db > 0
    assert "new field" in window.toasts.toasts[-1].notice.text
    session.publish(DoseSeen(2, {"405": ChannelDose(1.0, 0.5)}, 60.0))
    qtbot.waitUntil(lambda: not window.presenter.spent)
    window.actions_by_id["auto_exposure"].trigger()
    assert session.asked("set_camera")[-1][0].exposure_ms > 15.0


def test_the_histogram_has_a_key_of_its_own_for_its_scale(qtbot, window, session):
    assert window.histogram.log and window.actions_by_id["log_histogram"].isChecked()
    window.histogram.setFocus()
    QTest.keySequence(window, QKeySequence("Y"))
    assert not window.histogram.log
    QTest.keySequence(window, QKeySequence("Y"))
    assert window.histogram.log


def test_a_count_comes_with_interval_density_and_fitness(qtbot, window, session):
    session.go_live()
    frame = shown(qtbot, window, session)
    session.count(make_result(frame, interval=(1, 3)))
    qtbot.waitUntil(lambda: window.counts.big.text == "2")
    assert not window.counts.big.stale
    assert "1 – 3" in window.counts.interval.text()
    assert "651" in window.counts.density.text()
    session.count(make_result(frame, flags=("out of focus",)))
    qtbot.waitUntil(lambda: window.counts.big.stale)
    assert "out of focus" in window.counts.fit.text()
    assert window.counts.fit.property("role") == "warning"


def test_no_mean_of_the_model_stands_beside_a_corrected_count(qtbot):
    panel = CountsPanel()
    qtbot.addWidget(panel)
    for index in range(3):
        panel.show_result(make_result(make_frame(index)))
    assert panel.mean.text()
    panel.show_result(make_result(make_frame(3)), "2 by the model, 1 corrected by hand")
    assert not panel.mean.text()


def test_an_unconfirmed_light_says_why_nothing_is_counted(qtbot, window, session):
    session.go_live()
    session.shine("405")
    shown(qtbot, window, session, make_frame(light=Light("405", 0.25, False, "the light changed in the frame")))
    qtbot.waitUntil(lambda: "light changed" in window.counts.fit.text(), timeout=5000)
    assert window.counts.big.stale


DARK_FRAME = make_frame(2, light=Light(reason="light had just changed"), fill=0)


@pytest.mark.parametrize(
    ("then", "picture", "says"),
    [
        (lambda session: session.shine(None), None, "it is dark"),
        (lambda session: None, DARK_FRAME, "light had just changed"),
        (lambda session: session.publish(StateChanged(State.IDLE)), None, "Stopped: this is the last picture"),
        (lambda session: session.publish(StateChanged(State.IDLE)), DARK_FRAME, "Stopped: this is the last picture"),
        (lambda session: session.publish(StateChanged(State.FAILED, "It failed.")), None, "Stopped by a failure"),
        (lambda session: session.publish(StateChanged(State.STARTING)), None, "Waiting for the first picture"),
        (lambda session: session.publish(StateChanged(State.SNAPPING)), make_frame(3), "Waiting for a count"),
        (lambda session: None, make_frame(40), "Count of a picture 2.0 s older"),
    ],
    ids=[
        "dark, picture lit yet",
        "dark picture",
        "stop",
        "dark and stop",
        "failure",
        "start anew",
        "snap not counted",
        "old",
    ],
)
def test_a_count_stands_for_the_picture_on_the_screen_alone(qtbot, window, session, then, picture, says):
    session.go_live()
    session.shine("405")
    result = make_result(shown(qtbot, window, session, make_frame(0)))
    session.count(result)
    shown(qtbot, window, session, make_frame(1))
    qtbot.waitUntil(lambda: window.counts.big.text == "2" and not window.counts.big.stale)
    assert window.viewer.result is result and "Fit to count" in window.counts.fit.text()
    if picture is not None:
        shown(qtbot, window, session, picture)
    then(session)
    qtbot.waitUntil(lambda: says in window.counts.fit.text())
    assert window.counts.big.stale and window.counts.density.property("role") == "muted"
    if "dark" not in says:  # else the lit picture is still there, with what was found in it
        qtbot.waitUntil(lambda: window.viewer.result is None)
    window.presenter.tick()
    assert window.counts.big.stale and says in window.counts.fit.text()


def test_the_number_is_of_the_picture_again_once_it_is_lit_again(qtbot, window, session):
    session.go_live()
    session.shine("405")
    session.count(make_result(shown(qtbot, window, session, make_frame(0))))
    qtbot.waitUntil(lambda: not window.counts.big.stale)
    shown(qtbot, window, session, DARK_FRAME)
    qtbot.waitUntil(lambda: window.counts.big.stale and window.viewer.result is None)
    shown(qtbot, window, session, make_frame(3))
    qtbot.waitUntil(lambda: "Fit to count" in window.counts.fit.text())
    assert not window.counts.big.stale and window.counts.density.property("role") == ""
    assert window.counts.mean.text() == "", "shown twice is counted once"


def test_a_snapshot_keeps_its_count_while_it_stands(qtbot, window, session):
    session.publish(StateChanged(State.SNAPPING))
    frame = shown(qtbot, window, session)
    result = make_result(frame)
    session.count(result)
    session.publish(SnapTaken(frame, result, {}, "fast"), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: window.viewer.result is result and not window.counts.big.stale)
    shown(qtbot, window, session, make_frame(1))
    assert window.counts.big.stale, "another picture has come"


def test_steps_of_the_letters_are_put_together_and_esc_is_not_behind_them(qtbot, window, session):
    dressed = []
    noted = THEME.changed.connect(lambda: dressed.append((THEME.font_scale, len(session.asked("all_off")))))
    for key in ("Ctrl+Shift+.",) * 6 + ("Ctrl+Shift+,", "Esc"):
        QTest.keySequence(window, QKeySequence(key))
    assert session.asked("all_off") and not dressed
    qtbot.waitUntil(lambda: bool(dressed))
    THEME.changed.disconnect(noted)
    assert dressed == [(1.75, 1)]


def test_a_change_of_the_letters_dresses_every_widget_once(qtbot, window):
    class Counting(QObject):
        seen = 0

        def eventFilter(self, _watched, event):
            self.seen += event.type() == QEvent.Type.StyleChange
            return False

    counting, button = Counting(), window.bar.widgetForAction(window.actions_by_id["live"])
    button.installEventFilter(counting)
    THEME.set(font_scale=1.5)
    button.removeEventFilter(counting)
    assert counting.seen <= 2, "undressed and dressed"


def test_darkness_is_told_once_the_box_has_told_it(qtbot, window, session):
    session.publish(StateChanged(State.FAILED, "The port /dev/ttyACM0 is not there; plug the light box in."))
    qtbot.waitUntil(lambda: "Stopped by a failure" in window.counts.fit.text())
    assert window.viewer.light_badge.text == "light not connected" and window.light.state.text() == "Not connected"
    session.shine(None)
    qtbot.waitUntil(lambda: window.viewer.light_badge.text == "DARK")


def test_the_charts_of_a_replay_show_the_time_of_the_recording(qtbot, window, session):
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    for index in (0, 19, 20):  # looked at for as long as one likes
        frame = replace(make_frame(index), exposure_end_s=100.0 * index, recorded_s=0.2 * index)
        session.count(make_result(shown(qtbot, window, session, frame)))
        window.presenter.tick()
    for series in (window.charts.counted, window.charts.brightness, window.charts.focus):
        qtbot.waitUntil(lambda series=series: len(series) == 3)
        assert series.arrays()[0].tolist()[-1] == pytest.approx(4.0)


def test_the_picture_of_a_closed_replay_is_not_taken_for_that_of_the_microscope(qtbot, window, session):
    session.ready()
    session.shine(None)
    path = Path("a.ome.tif")
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(path, 1, 5, False, 1.0, 0, ("camera",)))
    session.count(make_result(shown(qtbot, window, session, make_frame(0, source=str(path)))))
    qtbot.waitUntil(lambda: "Fit to count" in window.counts.fit.text())
    session.publish(StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: "The replay is closed" in window.counts.fit.text())
    assert window.counts.big.stale
    assert [badge.text for badge in window.viewer.badges] == ["REPLAY, CLOSED", "SIMULATED CAMERA"]
    assert window.viewer.light_badge.text == "recorded: 405 · 25 %"
    session.shine(None, known=False)
    qtbot.waitUntil(lambda: "MAY STILL BE ON" in window.viewer.light_badge.text)
    session.go_live()
    session.shine("405")
    shown(qtbot, window, session)
    qtbot.waitUntil(lambda: [b.text for b in window.viewer.badges] == ["LIVE", "SIMULATED CAMERA + LIGHT"])
    assert window.viewer.light_badge.text == "405 nm · 25 %"


def test_the_focus_of_another_channel_has_a_peak_of_its_own(qtbot, window, session):
    sharp = make_frame(0, light=Light("488", 0.25, True, ""))
    blurred = replace(make_frame(1), pixels=read_only(cv2.GaussianBlur(sharp.pixels, (0, 0), 12)))
    shown(qtbot, window, session, sharp)
    shown(qtbot, window, session, blurred)
    assert window.presenter.focus.fraction == 1
    shown(qtbot, window, session, replace(sharp, index=2, light=Light(None, 0.0, False, "just switched")))
    shown(qtbot, window, session, replace(blurred, index=3))
    assert window.presenter.focus.fraction < 1, "a frame at a change of light begins nothing anew"


def test_every_count_is_a_point_of_the_chart_though_only_the_newest_is_shown(qtbot, window, session):
    frames = [make_frame(index) for index in range(20)]
    for frame in frames:
        session.count(make_result(frame))
    qtbot.waitUntil(lambda: len(window.charts.counted) == 20)


def test_simulations_say_so_on_the_picture_and_real_parts_do_not(qtbot, window, session):
    session.ready(simulated=True)
    qtbot.waitUntil(lambda: any("SIMULATED" in badge.text for badge in window.viewer.badges))
    session.ready(simulated=False)
    qtbot.waitUntil(lambda: not any("SIMULATED" in badge.text for badge in window.viewer.badges))


def test_rates_and_losses_are_shown_by_cause(qtbot, window, session):
    session.publish(StatsReady(Stats(grabbed=900, lost_camera=3, skipped_segment=40, fps_camera=44.9)))
    qtbot.waitUntil(lambda: "44.9" in window.strip.rates.text())
    assert window.strip.losses.property("role") == "error"
    assert "3" in window.strip.losses.text() and "40" in window.strip.losses.text()


def test_the_record_button_shows_what_is_really_recorded(qtbot, window, session):
    record = window.actions_by_id["record"]
    record.trigger()
    assert not record.isChecked()
    session.publish(RecordingChanged(True, Path("a.ome.tif"), 5, 0.4, 3700.0))
    qtbot.waitUntil(record.isChecked)
    assert "1 h" in window.strip.recording.text()
    record.trigger()
    assert len(session.asked("stop_recording")) == 1
    session.publish(RecordingChanged(False, Path("a.ome.tif"), 99))
    qtbot.waitUntil(lambda: not record.isChecked())
    assert any("99" in notice.text for _, notice in window.messages.notices)


def test_a_recording_without_frames_offers_no_file_that_is_not_there(qtbot, window, session, monkeypatch):
    offered = []
    monkeypatch.setattr(window, "notify_file", lambda notice, path: offered.append(path))
    session.publish(RecordingChanged(True, Path("a.ome.tif")), RecordingChanged(False, Path("a.ome.tif"), 0))
    qtbot.waitUntil(lambda: any("0" in notice.text for _, notice in window.messages.notices) or bool(offered))
    assert not offered


# --- picture ---------------------------------------------------------------------------------------------------------


def test_zoom_tells_the_session_what_is_looked_at(qtbot, window, session):
    shown(qtbot, window, session)
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("Z"))
    qtbot.waitUntil(lambda: session.view.region is not None or session.view.size == (640, 480))
    qtbot.wait(50)
    QTest.keySequence(window, QKeySequence("Ctrl++"))
    QTest.keySequence(window, QKeySequence("Ctrl++"))
    qtbot.waitUntil(lambda: session.view.region is not None)
    x, y, width, height = session.view.region
    assert 0 <= x and x + width <= 640 and 0 <= y and y + height <= 480 and height < 480
    QTest.keySequence(window, QKeySequence("0"))
    qtbot.waitUntil(lambda: session.view.region is None)


def test_the_pixel_under_the_pointer_is_read_from_the_frame(qtbot, window, session):
    shown(qtbot, window, session, make_frame(bits=12))
    x, y = window.viewer.placement.to_widget(130.5, 130.5)
    qtbot.mouseMove(window.viewer, QPoint(round(x), round(y)))
    window.viewer._pointer = QPointF(x, y)
    probe = window.viewer.probe()
    assert (probe.x, probe.y, probe.value, probe.row) == (130, 130, 3071, None)


def test_a_clicked_nucleus_and_its_row_in_the_table_are_chosen_together(qtbot, window, session):
    frame = shown(qtbot, window, session)
    result = make_result(frame)
    session.count(result)
    qtbot.waitUntil(lambda: window.viewer.result is result, timeout=5000)
    window.charts.setCurrentIndex(5)
    qtbot.waitUntil(lambda: window.table.nuclei.result is result)
    x, y = window.viewer.placement.to_widget(440, 340)
    qtbot.mouseClick(window.viewer, Qt.MouseButton.LeftButton, pos=QPoint(round(x), round(y)))
    assert window.viewer.selected_row == 1
    assert [index.data(Qt.ItemDataRole.UserRole) for index in window.table.selectionModel().selectedRows()] == [2.0]
    window.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    window.table.selectRow(1)
    assert window.viewer.selected_row == 0


def test_a_result_of_another_recording_is_not_drawn(qtbot, window, session):
    session.count(make_result(make_frame(0, source="elsewhere")))
    shown(qtbot, window, session, make_frame(1))
    assert window.viewer.result is None


def test_auto_contrast_is_kept_for_its_channel_only(qtbot, window, session):
    shown(qtbot, window, session)
    window.actions_by_id["auto_contrast"].trigger()
    fixed = session.contrast
    assert fixed.low is not None and fixed.high is not None and fixed.low < fixed.high
    window.light.ask("488")
    assert session.contrast.low is None
    window.light.ask("405")
    assert session.contrast == fixed
    window.actions_by_id["follow_contrast"].trigger()
    assert session.contrast.low is None


def key(window, name, modifiers=Qt.KeyboardModifier.NoModifier):
    QTest.keyClick(window, getattr(Qt.Key, f"Key_{name}"), modifiers)


def test_changes_of_contrast_are_undone_one_by_one_and_done_again(qtbot, window, session):
    ctrl, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    session.ready()
    shown(qtbot, window, session)
    window.presenter.tick()
    book = window.view.contrasts.levels
    key(window, "A")
    fitted = book["405"]
    plot = window.histogram._plot()
    y = int(plot.center().y())
    start = QPoint(int(window.histogram._x_of(window.histogram.levels[1])), y)
    QTest.mousePress(window.histogram, Qt.MouseButton.LeftButton, pos=start)
    for x in range(start.x(), int(plot.center().x()), -10):
        QTest.mouseMove(window.histogram, QPoint(x, y))
    QTest.mouseRelease(window.histogram, Qt.MouseButton.LeftButton)
    dragged = book["405"]
    assert dragged != fitted
    key(window, "Y")
    key(window, "A", shift)
    assert "405" not in book and not window.histogram.log
    key(window, "Z", ctrl)
    assert book["405"] == dragged and not window.actions_by_id["follow_contrast"].isChecked()
    key(window, "Z", ctrl)
    assert window.histogram.log and window.actions_by_id["log_histogram"].isChecked()
    key(window, "Z", ctrl)
    assert book["405"] == fitted, "a drag is one change"
    assert session.contrast.high == pytest.approx(fitted[1] * 256)
    key(window, "Z", ctrl)
    assert "405" not in book and window.actions_by_id["follow_contrast"].isChecked()
    key(window, "Z", ctrl)  # there is no more
    key(window, "Z", ctrl | shift)
    assert book["405"] == fitted


def test_an_undone_contrast_of_another_channel_is_told(qtbot, window, session):
    session.ready()
    shown(qtbot, window, session)
    window.actions_by_id["full_contrast"].trigger()
    session.selected_channel = "488"
    asked = len(session.asked("set_contrast"))
    window.actions_by_id["undo"].trigger()
    assert "405" not in window.view.contrasts.levels
    assert len(session.asked("set_contrast")) == asked, "the picture of 488 stays as it is"
    assert window.messages.notices[-1][1].text == "The contrast was changed of 405."


def test_a_fixed_contrast_follows_a_change_of_bit_depth(qtbot, window, session):
    shown(qtbot, window, session)
    window.view.contrasts.fix("405", 0.25, 0.5)
    window.view.apply_contrast()
    assert (session.contrast.low, session.contrast.high) == (64, 128)
    shown(qtbot, window, session, make_frame(1, bits=12))
    qtbot.waitUntil(lambda: (session.contrast.low, session.contrast.high) == (1024, 2048))


# --- failure and leaving ---------------------------------------------------------------------------------------------


def test_a_failure_shows_its_sentence_and_a_way_on(qtbot, window, session):
    session.go_live()
    session.fail(RuntimeError("the cable is out"))
    qtbot.waitUntil(window.banner.isVisible)
    assert "the cable is out" in window.banner.text.text()
    assert not window.actions_by_id["live"].isChecked()
    qtbot.mouseClick(window.banner.again, Qt.MouseButton.LeftButton)
    assert session.asked("connect")
    session.publish(StateChanged(State.STARTING))
    qtbot.waitUntil(lambda: not window.banner.isVisible())


def test_a_failure_that_is_over_by_itself_is_not_shown_any_more(qtbot, window, session):
    gone = "The camera was unplugged; plug it in again."
    session.go_live()
    session.publish(StateChanged(State.FAILED, gone), Notice("error", gone), Notice("error", "The disk is full."))
    qtbot.waitUntil(window.banner.isVisible)
    back = "The camera is back, with its settings; start live imaging to go on."
    session.publish(StateChanged(State.IDLE), Notice("info", back))
    qtbot.waitUntil(lambda: back in [notice.text for _, notice in window.messages.notices])
    assert not window.banner.isVisible()
    assert [toast.notice.text for toast in window.toasts.toasts] == ["The disk is full.", back]


def test_notices_are_shown_without_a_dialog_and_kept(qtbot, window, session):
    session.publish(Notice("error", "Check the cable."), Notice("info", "Saved."), Notice("error", "Check the cable."))
    qtbot.waitUntil(lambda: len(window.messages.notices) == 3)
    assert sorted(toast.notice.text for toast in window.toasts.toasts) == ["Check the cable.", "Saved."]


def test_messages_that_do_not_fit_over_a_small_picture_give_way_to_the_newest(qtbot, window, session):
    long = "The disk is nearly full; delete what is not needed, or choose another folder before the next recording. "
    window.resize(900, 420)
    for index in range(3):
        session.publish(Notice("warning", f"{index}: {long * 6}"))
    qtbot.waitUntil(lambda: len(window.messages.notices) == 3)
    assert [toast.notice.text[0] for toast in window.toasts.toasts if toast.isVisible()] == ["2"]
    assert place_in(window, window.desk).contains(place_in(window, window.toasts))


def test_closing_switches_off_on_another_thread_and_says_so(qtbot, window, session):
    release, thread = threading.Event(), []

    def slow_close():
        thread.append(threading.current_thread())
        release.wait(10)
        session.calls.append(("close", ()))
        return True

    session.close = slow_close
    window.close()
    assert window.isVisible() and window.veil.isVisible()
    assert "lights off" in window.veil.text.text()
    with qtbot.waitSignal(window.left) as left:
        release.set()
    assert left.args == [0]
    assert thread[0] is not threading.main_thread()
    assert not window.isVisible()


def test_closing_tells_how_far_a_slow_disk_has_come(qtbot, window, session):
    release = threading.Event()
    session.close = lambda: release.wait(10)
    session.publish(RecordingChanged(True, Path("a.ome.tif"), 6), RecordingFinishing(7, 480))
    qtbot.waitUntil(lambda: "7 / 480" in window.strip.recording.text())
    assert not window.veil.isVisible()
    session.publish(RecordingChanged(False, Path("a.ome.tif"), 480), RecordingFinishing(480, 480))
    qtbot.waitUntil(lambda: not window.presenter.recording)
    qtbot.wait(20)
    assert window.strip.recording.text() == ""
    window.close()
    session.publish(RecordingFinishing(120, 480))
    qtbot.waitUntil(lambda: "120 of 480 frames" in window.veil.text.text())
    assert window.veil.isVisible() and "recording" in window.veil.text.text()
    with qtbot.waitSignal(window.left):
        release.set()


def test_what_went_wrong_while_closing_is_read_before_the_window_goes(qtbot, window, session):
    session.publish(Notice("error", "An older one."))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 1)
    session.close = lambda: session.publish(Notice("info", "Saved."), Notice("error", "Unplug the camera.")) or True
    window.close()
    assert not window.toasts.isVisible()
    qtbot.waitUntil(window.veil.button.isVisible, timeout=5000)
    assert window.veil.text.text() == "The lights are off.\n\nUnplug the camera."
    with qtbot.waitSignal(window.left) as left:
        qtbot.mouseClick(window.veil.button, Qt.MouseButton.LeftButton)
    assert left.args == [0]


def test_a_light_that_is_not_confirmed_off_keeps_the_window_until_somebody_reads_it(qtbot, window, session):
    session.dark = False
    window.close()
    qtbot.waitUntil(window.veil.button.isVisible, timeout=5000)
    assert "by hand" in window.veil.text.text()
    with qtbot.waitSignal(window.left) as left:
        qtbot.mouseClick(window.veil.button, Qt.MouseButton.LeftButton)
    assert left.args == [1]


def test_state_is_restored_at_the_next_start(qtbot, window, session, store):
    window.sections["camera"].set_open(False)
    window.actions_by_id["charts"].trigger()
    window.actions_by_id["crosshair"].trigger()
    window.actions_by_id["log_histogram"].trigger()
    window.sample.sample.setText("U2OS")
    window.view.contrasts.fix("405", 0.1, 0.5)
    window.remember()
    again = MainWindow(FakeSession(), WindowStore(store))
    try:
        assert not again.sections["camera"].is_open
        assert not again.actions_by_id["charts"].isChecked()
        assert not again.histogram.log and not again.actions_by_id["log_histogram"].isChecked()
        assert again.viewer.crosshair and again.actions_by_id["crosshair"].isChecked()
        assert again.sample.sample.text() == "U2OS"
        assert again.view.contrasts.levels["405"] == (0.1, 0.5)
    finally:
        again.closing.begin(unattended=True)
        qtbot.waitUntil(lambda: again.closing.done, timeout=5000)


# --- replay, snapshots, pages ----------------------------------------------------------------------------------------


def test_the_replay_bar_drives_the_replay(qtbot, window, session):
    assert not window.replay_bar.isVisible()
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 3, 10, False, 1.0))
    qtbot.waitUntil(window.replay_bar.isVisible)
    QTest.keySequence(window, QKeySequence("K"))
    assert len(session.asked("replay_play")) == 1
    session.publish(ReplayMoved(Path("a.ome.tif"), 4, 10, True, 1.0))
    qtbot.waitUntil(lambda: window.replay_bar.playing)
    QTest.keySequence(window, QKeySequence("K"))
    assert len(session.asked("replay_pause")) == 1
    timeline = window.replay_bar.timeline
    qtbot.mouseClick(timeline, Qt.MouseButton.LeftButton, pos=QPoint(timeline.width() - 3, 10))
    assert session.asked("replay_seek") == [(9,)]
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("Right"))
    assert session.asked("replay_step") == [(1,)]
    # The fifth frame of the file was the camera's seventh: two were lost while it was recorded.
    session.count(make_result(make_frame(6)))
    session.publish(ReplayMoved(Path("a.ome.tif"), 5, 10, True, 1.0, 6))
    qtbot.waitUntil(lambda: timeline.counts == {4: 2})
    session.publish(StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: not window.replay_bar.isVisible())


def test_a_replay_says_what_was_simulated_when_it_was_recorded(qtbot, window, session):
    def said():
        return [badge.text for badge in window.viewer.badges if "SIMULATED" in badge.text]

    own, other = Path("own.ome.tif"), Path("other.tif")
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(own, 1, 9, False, 1.0, 0, ("camera", "light")))
    qtbot.waitUntil(lambda: said() == ["SIMULATED CAMERA + LIGHT"])
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(other, 1, 9, False, 1.0, 0))
    qtbot.waitUntil(lambda: said() == [])
    session.publish(ReplayMoved(own, 1, 9, False, 1.0, 0, ("light",)))
    qtbot.waitUntil(lambda: said() == ["SIMULATED LIGHT"])


def test_a_snapshot_tells_what_was_found_and_opens_from_its_message(qtbot, window, session, tmp_path):
    frame = shown(qtbot, window, session)
    session.publish(SnapTaken(frame, make_result(frame), {"image": tmp_path / "snapshot.ome.tif"}))
    qtbot.waitUntil(lambda: bool(window.toasts.toasts))
    assert window.toasts.toasts[0].notice.text == "2 nuclei: snapshot.ome.tif"
    qtbot.mouseClick(window.toasts.toasts[0].action, Qt.MouseButton.LeftButton)
    assert session.asked("open_replay") == [(tmp_path / "snapshot.ome.tif",)]


def test_a_chosen_file_is_replayed(qtbot, window, session, tmp_path):
    window.actions_by_id["open"].trigger()
    dialog = window.findChild(QFileDialog, "file-dialog")
    assert not dialog.isModal()
    dialog.fileSelected.emit(str(tmp_path / "run.ome.tif"))
    assert session.asked("open_replay") == [(tmp_path / "run.ome.tif",)]
    dialog.close()


def test_a_name_typed_before_the_dialog_is_there_does_not_work_the_microscope(qtbot, window, session):
    session.ready()
    window.actions_by_id["open"].trigger()
    dialog = window.findChild(QFileDialog, "file-dialog")
    asked = len(session.calls)
    for letter in "snap1":
        qtbot.keyClick(window.viewer, letter)
    assert len(session.calls) == asked
    assert dialog.findChildren(QLineEdit)[0].text().endswith("snap1")
    qtbot.keyClick(window.viewer, Qt.Key.Key_Escape)
    assert session.asked("all_off")
    dialog.close()
    qtbot.waitUntil(lambda: window.findChild(QFileDialog, "file-dialog") is None)
    qtbot.keyClick(window.viewer, "s")
    assert len(session.calls) > asked + 1


def test_counts_are_exported_without_overwriting(qtbot, window, session, tmp_path):
    for index in range(3):
        session.count(make_result(make_frame(index)))
    qtbot.waitUntil(lambda: len(window.charts.counted) == 3)
    for _ in range(2):
        window.actions_by_id["export_counts"].trigger()
    qtbot.waitUntil(lambda: (tmp_path / "counts-2.csv").exists())
    lines = (tmp_path / "counts.csv").read_text().splitlines()
    assert lines[0] == (
        "time_s,unix_time_s,frame,image,count,density_per_mm2,pixel_size_um,scale_source,flags,interval_low,"
        "interval_high,count_corrected_by_hand"
    )
    assert lines[1] == "0.000,1700000000.000000,0,,2,651.00,0.10000,metadata,,,,"
    assert [line.split(",")[0] for line in lines[1:]] == ["0.000", "0.050", "0.100"]
    qtbot.waitUntil(lambda: len(window.messages.notices) == 2)


def test_nuclei_and_a_report_are_exported(qtbot, window, session, tmp_path):
    window.actions_by_id["export_nuclei"].trigger()
    window.actions_by_id["session_report"].trigger()
    assert [notice.level for _, notice in window.messages.notices] == ["warning", "warning"]
    session.ready()
    frame = shown(qtbot, window, session)
    session.count(make_result(frame, interval=(1, 3)))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.actions_by_id["export_nuclei"].trigger()
    window.actions_by_id["session_report"].trigger()
    qtbot.waitUntil(lambda: (tmp_path / "session-report.html").exists(), timeout=10_000)
    qtbot.waitUntil(lambda: len(window.messages.notices) == 4, timeout=10_000)
    assert all(notice.level == "info" for _, notice in window.messages.notices[2:])
    assert all((tmp_path / f"live_export{end}").exists() for end in ("_rois.zip", ".geojson", "_nuclei.csv"))
    assert "fast" in (tmp_path / "session-report.html").read_text()


def test_a_preset_sets_everything_and_can_be_undone(qtbot, window, session):
    window.actions_by_id["presets"].trigger()
    page = window.tools.presets_page
    qtbot.waitUntil(lambda: page.list.count() == 2)
    page.list.setCurrentRow(1)
    qtbot.mouseClick(page.use, Qt.MouseButton.LeftButton)
    assert session.asked("set_camera")[-1][0].exposure_ms == 40.0
    assert session.asked("choose_channel") == [("405", 0.08)]
    assert not session.asked("set_intensity") and not session.asked("set_channel")
    qtbot.mouseClick(page.undo, Qt.MouseButton.LeftButton)
    assert session.asked("set_camera")[-1][0].exposure_ms == 15.0
    page.name.setText("mine")
    qtbot.mouseClick(page.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.list.count() == 3)
    kept = window.tools.presets
    page.list.setCurrentRow(2)
    qtbot.mouseClick(page.delete, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.list.count() == 2)
    toast = window.toasts.toasts[-1]
    assert "mine" in toast.notice.text
    bring_back = next(button for button in toast.findChildren(QPushButton) if button.text() == "Undo")
    qtbot.mouseClick(bring_back, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: page.list.count() == 3)
    assert window.tools.presets == kept


def test_a_preset_in_the_dark_says_that_it_stays_dark(qtbot, window, session):
    session.ready()
    session.go_live()
    dim = window.tools.present("dim")
    session.shine("405")
    qtbot.waitUntil(lambda: window.presenter.light.channel == "405")
    window.tools.use_preset(dim)
    assert window.messages.notices[-1][1].text == "Preset in use: dim"
    session.shine(None)
    qtbot.waitUntil(lambda: window.presenter.light.channel is None)
    window.tools.use_preset(dim)
    assert window.messages.notices[-1][1].text.endswith("It stays dark until you choose its light: 405.")


def test_the_window_goes_on_while_the_session_is_slow(qtbot, window, session):
    """Nothing on the GUI thread waits for a command: a session that never answers stops nothing."""
    ticks = []
    window._timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    session.publish(StateChanged(State.STARTING))
    qtbot.waitUntil(lambda: len(ticks) >= 3)
    assert not window.actions_by_id["live"].isEnabled()
    assert window.actions_by_id["lights_off"].isEnabled()


def test_the_dose_of_the_field_is_shown_and_begins_anew(qtbot, window, session):
    session.publish(DoseSeen(1, {"405": ChannelDose(8.0, 2.0), "633": ChannelDose(1.0, 0.5)}, 60.0))
    qtbot.waitUntil(lambda: "405 2.0 s" in window.light.dose.text())
    assert "633 0.5 s" in window.light.dose.text()
    assert window.light.dose.property("role") == "muted"
    session.publish(DoseSeen(1, {"405": ChannelDose(120.0, 61.5)}, 60.0))
    qtbot.waitUntil(lambda: window.light.dose.property("role") == "warning")
    window.actions_by_id["new_field"].trigger()
    assert session.asked("new_field") == [()]
    session.publish(DoseSeen(2, {}, None))
    qtbot.waitUntil(lambda: window.light.dose.text().endswith("0 s"))
