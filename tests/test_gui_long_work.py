"""What takes long says how far it is, and can be given up; then nothing of it is left."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest
from gui_fake_session import make_frame, make_result
from gui_window import session, shown, window
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel

from app import doctor
from app.doctor import Check, Found, Looking
from app.errors import CancelledError
from app.events import DiskMeasured, RecordingChanged, State, StateChanged, Underway


@pytest.fixture
def exporting(qtbot, window, session, tmp_path, monkeypatch):
    """Have an export under way that waits for the test before it goes on; return what lets it."""
    go_on = threading.Event()

    def write_nuclei(folder, _result, _meta, _stem, _origins, _notes, progress):
        progress(0.4)
        go_on.wait(10)
        progress(0.5)
        path = folder / "nuclei_nuclei.csv"
        path.write_text("label\n")
        return path

    monkeypatch.setattr("app.gui.handle_exports.write_nuclei", write_nuclei)
    session.ready()
    session.count(make_result(shown(qtbot, window, session)))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.actions_by_id["export_nuclei"].trigger()
    qtbot.waitUntil(lambda: [work.bar.value() for work in window.toasts.works] == [40])
    yield go_on
    go_on.set()


def test_an_export_shows_how_far_it_is_until_it_is_done(qtbot, window, exporting, tmp_path):
    assert window.toasts.works[0].isVisible()
    exporting.set()
    qtbot.waitUntil(lambda: not window.toasts.works)
    qtbot.waitUntil(lambda: "nuclei_nuclei.csv" in window.messages.notices[-1][1].text)


def test_an_export_can_be_given_up(qtbot, window, exporting, tmp_path):
    toast = window.toasts.works[0]
    qtbot.mouseClick(toast.cancel, Qt.MouseButton.LeftButton)
    assert not toast.cancel.isEnabled()
    exporting.set()
    qtbot.waitUntil(lambda: not window.toasts.works)
    assert "cancelled" in window.messages.notices[-1][1].text
    assert not (tmp_path / "nuclei_nuclei.csv").exists()


def test_the_measurement_of_the_disk_is_shown_and_can_be_given_up(qtbot, window, session):
    session.publish(DiskMeasured(0.25))
    qtbot.waitUntil(lambda: [work.bar.value() for work in window.toasts.works] == [25])
    qtbot.mouseClick(window.toasts.works[0].cancel, Qt.MouseButton.LeftButton)
    assert session.asked("give_up_recording") == [()]
    session.publish(DiskMeasured(None))
    qtbot.waitUntil(lambda: not window.toasts.works)


def test_a_second_measurement_of_the_disk_can_be_given_up_as_the_first_was(qtbot, window, session):
    session.publish(DiskMeasured(0.25))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    qtbot.mouseClick(window.toasts.works[0].cancel, Qt.MouseButton.LeftButton)
    session.publish(DiskMeasured(None))  # both before the window looks again
    session.publish(DiskMeasured(0.5))
    qtbot.waitUntil(lambda: [work.bar.value() for work in window.toasts.works] == [50])
    assert window.toasts.works[0].cancel.isEnabled()


@pytest.fixture
def pending(session, monkeypatch):
    """Have a recording that is asked for wait for its turn; return what it waits for."""
    asked = []

    def start(folder):
        session.calls.append(("start_recording", (folder,)))
        asked.append(Future())
        return asked[-1]

    monkeypatch.setattr(session, "start_recording", start, raising=False)
    return asked


@pytest.mark.parametrize("state", [State.LIVE, State.STARTING])
def test_record_pressed_again_gives_up_what_has_not_begun(qtbot, window, session, pending, state):
    QTest.keyClick(window, Qt.Key.Key_R)
    session.publish(StateChanged(state), DiskMeasured(0.25))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    QTest.keyClick(window, Qt.Key.Key_R)
    assert session.asked("give_up_recording") == [()] and len(session.asked("start_recording")) == 1
    assert not window.actions_by_id["record"].isChecked()
    pending[0].set_exception(CancelledError("The recording was cancelled before its first frame."))
    QTest.keyClick(window, Qt.Key.Key_R)
    assert len(session.asked("start_recording")) == 2, "another one"
    pending[1].set_result(None)
    session.publish(RecordingChanged(True, Path("a.ome.tif")))
    qtbot.waitUntil(lambda: window.presenter.recording)
    QTest.keyClick(window, Qt.Key.Key_R)
    assert session.asked("stop_recording") == [()] and len(session.asked("give_up_recording")) == 1


@pytest.mark.parametrize("state", [State.SNAPPING, State.STARTING])
def test_record_pressed_while_a_picture_is_taken_is_not_lost(qtbot, window, session, pending, state):
    session.publish(StateChanged(state))
    qtbot.waitUntil(lambda: not window.actions_by_id["snap"].isEnabled())
    QTest.keyClick(window, Qt.Key.Key_R)
    assert session.asked("start_recording") == [(window.folder,)]
    assert "as soon as this is done" in window.messages.notices[-1][1].text
    QTest.keyClick(window, Qt.Key.Key_R)
    assert session.asked("give_up_recording") == [()]


@pytest.mark.parametrize("begins", [True, False])
def test_what_is_said_of_a_recording_that_waits_ends_with_its_waiting(qtbot, window, session, pending, begins):
    session.publish(StateChanged(State.SNAPPING))
    qtbot.waitUntil(lambda: not window.actions_by_id["snap"].isEnabled())
    QTest.keyClick(window, Qt.Key.Key_R)
    (toast,) = window.toasts.toasts
    assert "press R again to cancel" in toast.notice.text
    if begins:
        session.publish(RecordingChanged(True, Path("a.ome.tif")))
        qtbot.waitUntil(lambda: window.presenter.recording)
    else:
        QTest.keyClick(window, Qt.Key.Key_R)
    assert window.toasts.toasts == [], "R would end it now, or ask for another one"


def test_a_recording_that_is_refused_is_not_said_to_begin(qtbot, window, session):
    session.publish(StateChanged(State.SNAPPING))
    qtbot.waitUntil(lambda: not window.actions_by_id["snap"].isEnabled())
    QTest.keyClick(window, Qt.Key.Key_R)  # answered at once
    assert session.asked("start_recording") == [(window.folder,)]
    assert window.messages.notices == []


def test_closing_takes_it_away_before_the_work_hears_of_it(qtbot, window, exporting):
    toast = window.toasts.works[0]
    window.toasts.clear()
    qtbot.wait(10)  # the toast is deleted
    toast.show_progress(0.6)
    assert not window.toasts.works


def test_closing_gives_up_what_takes_long(qtbot, window):
    ended, begun, go_on = [], threading.Event(), threading.Event()

    def work(tell):
        begun.set()
        go_on.wait(10)
        try:
            tell(0.5)
        except CancelledError as error:
            ended.append(error)
            raise

    window.bridge.long_work(work, lambda _done: None, lambda _result: None)
    assert begun.wait(10)
    closing = threading.Thread(target=window.bridge.close)
    closing.start()
    qtbot.waitUntil(lambda: window.bridge._closed)
    go_on.set()
    closing.join(10)
    assert ended


def test_the_doctor_shows_each_check_as_it_comes_and_can_be_stopped(qtbot, window, monkeypatch):
    go_on, done = threading.Event(), []

    def examine(_folder):
        yield Check("window", "ok", "There is one.")
        go_on.wait(10)
        for name in ("camera", "disk"):
            done.append(name)
            yield Check(name, "ok", f"The {name} is well.")

    monkeypatch.setattr(doctor, "examine", examine)
    window.actions_by_id["doctor"].trigger()
    page = window.tools.doctor_page
    qtbot.waitUntil(lambda: page.texts[0] == "There is one.")
    assert len(page.texts) == 2 and not page.again.isEnabled()
    qtbot.mouseClick(page.cancel, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(page.again.isEnabled)  # though the second check has not come back
    assert page.texts == ["There is one.", "Cancelled."] and not page.cancel.isEnabled()
    go_on.set()
    qtbot.waitUntil(lambda: done == ["camera"] and not looking())
    assert page.texts == ["There is one.", "Cancelled."], "what came late is thrown away"
    page.again.click()
    qtbot.waitUntil(lambda: len(page.texts) == 3 and page.again.isEnabled())


def looking():
    return [thread for thread in threading.enumerate() if thread.name == "app-look"]


@pytest.mark.parametrize("how", ["button", "escape"])
def test_a_search_for_devices_shows_how_far_it_is_and_is_left_behind_when_cancelled(
    qtbot, window, session, monkeypatch, how
):
    go_on, came_late = threading.Event(), Found((("pylon:1", "Basler"),), (), ())

    def look(tell):
        tell(Looking("/dev/ttyACM3", 0.5))
        go_on.wait(10)  # a port that hangs
        return came_late

    monkeypatch.setattr(doctor, "look_for_devices", look)
    window.start.ask_for_devices()
    page = window.start.page
    qtbot.waitUntil(lambda: page.progress.value() == 50)
    assert page.progress.isVisible() and any("/dev/ttyACM3" in text for text in shown_texts(page))
    window.actions_by_id["export_counts"].trigger()
    if how == "button":
        qtbot.mouseClick(page.cancel, Qt.MouseButton.LeftButton)
    else:
        qtbot.keyClick(window, Qt.Key.Key_Escape)
    qtbot.waitUntil(page.again.isEnabled)
    assert any("Cancelled" in text for text in shown_texts(page)) and not page.progress.isVisible()
    qtbot.mouseClick(page.simulators, Qt.MouseButton.LeftButton)
    assert session.asked("connect")
    go_on.set()
    qtbot.waitUntil(lambda: not looking())
    qtbot.wait(10)
    assert page.camera.findData("pylon:1") < 0


def test_choosing_devices_ends_the_search(qtbot, window, session, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(doctor, "look_for_devices", lambda tell: (go_on.wait(10), tell(Looking("checks", 0.9))))
    window.start.ask_for_devices()
    window.start.use("sim", "sim")
    qtbot.waitUntil(window.start.page.again.isEnabled)
    go_on.set()
    qtbot.waitUntil(lambda: not looking())


def shown_texts(page):
    return [text.text() for text in page.findChildren(QLabel)]


def test_what_takes_long_at_the_microscope_says_what_it_is_at_and_can_be_cancelled(qtbot, window, session):
    session.publish(Underway("devices", "light", 0.1))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    (toast,) = window.toasts.works
    assert toast.text.text() == "Opening the light source…" and toast.bar.value() == 10
    session.publish(Underway("devices", "camera", 0.3))
    qtbot.waitUntil(lambda: toast.text.text() == "Opening the camera…" and toast.bar.value() == 30)
    qtbot.mouseClick(toast.cancel, Qt.MouseButton.LeftButton)
    assert session.asked("cancel") == [()] and not session.asked("all_off")
    assert toast.text.text() == "Cancelled; what is under way has to end first."
    session.publish(Underway("devices", "frames", 0.4))
    qtbot.waitUntil(lambda: toast.bar.value() == 40)
    assert toast.text.text().startswith("Cancelled") and not toast.cancel.isEnabled()
    session.publish(Underway("devices", "left", 0.4))
    qtbot.waitUntil(lambda: "unplug it" in toast.text.text())
    session.publish(Underway("devices"))
    qtbot.waitUntil(lambda: not window.toasts.works)


def test_a_cancelled_exposure_that_is_long_is_waited_for_in_words(qtbot, window, session):
    camera = session.settings.camera.model_copy(update={"exposure_ms": 8000.0})
    session.settings = session.settings.model_copy(update={"camera": camera})
    session.publish(StateChanged(State.SNAPPING), Underway("devices", "picture", 0.2))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert window.toasts.works[0].text.text() == "Cancelled; the exposure of 8.0 s has to end first."
    assert not window.toasts.works[0].cancel.isEnabled() and session.asked("cancel") == [()]
    session.publish(Underway("devices"))


def test_what_is_over_at_once_is_not_worth_a_word(qtbot, window, session):
    session.publish(Underway("devices", "picture", 0.1), Underway("devices"))
    qtbot.waitUntil(lambda: not window.presenter._long.isActive() and not window.presenter.starting)
    assert not window.toasts.works


def test_a_picture_that_is_being_saved_cannot_be_cancelled(qtbot, window, session):
    session.publish(Underway("devices", "files", 0.9))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    assert not window.toasts.works[0].cancel.isEnabled()
    session.publish(Underway("devices"))


def test_a_model_that_loads_can_be_cancelled_after_a_picture_was_saved(qtbot, window, session):
    session.publish(Underway("model", "model", 0.1), Underway("devices", "files", 0.9))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    (toast,) = window.toasts.works
    assert not toast.cancel.isEnabled()
    session.publish(Underway("devices"))
    qtbot.waitUntil(lambda: toast.text.text() == "Loading the model…")
    assert toast.cancel.isEnabled()
    qtbot.mouseClick(toast.cancel, Qt.MouseButton.LeftButton)
    session.publish(Underway("model", "model", 0.2))
    qtbot.waitUntil(lambda: toast.bar.value() == 20)
    assert session.asked("cancel") == [()] and not toast.cancel.isEnabled()
    session.publish(Underway("model"))


def test_escape_cancels_a_start_and_not_a_model_that_loads_beside_live(qtbot, window, session):
    session.publish(Underway("model", "model", 0.1), StateChanged(State.LIVE))
    qtbot.waitUntil(lambda: len(window.toasts.works) == 1)
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert session.asked("all_off") and not session.asked("cancel")
    session.publish(StateChanged(State.STARTING), Underway("devices", "camera", 0.3))
    qtbot.waitUntil(lambda: window.presenter.starting)
    assert [work.text.text() for work in window.toasts.works] == ["Opening the camera…"]
    qtbot.keyClick(window, Qt.Key.Key_Escape)
    assert len(session.asked("all_off")) == 2 and session.asked("cancel") == [()]
    session.publish(Underway("devices"))
    qtbot.waitUntil(lambda: [work.text.text() for work in window.toasts.works] == ["Loading the model…"])
    assert window.toasts.works[0].cancel.isEnabled()
    session.publish(Underway("model"))
    qtbot.waitUntil(lambda: not window.toasts.works)
