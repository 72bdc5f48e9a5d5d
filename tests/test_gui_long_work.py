"""What takes long says how far it is, and can be given up; then nothing of it is left."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import threading

import pytest
from gui_fake_session import make_frame, make_result
from gui_window import session, shown, window
from PySide6.QtCore import Qt

from app import doctor
from app.doctor import Check
from app.errors import CancelledError
from app.events import DiskMeasured


@pytest.fixture
def exporting(qtbot, window, session, tmp_path, monkeypatch):
    """Have an export under way that waits for the test before it goes on; return what lets it."""
    go_on = threading.Event()

    def write_nuclei(folder, _result, _meta, _origins, _notes, progress):
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
    go_on.set()
    qtbot.waitUntil(page.again.isEnabled)
    assert page.texts == ["There is one.", "Cancelled."] and not page.cancel.isEnabled()
    assert done == ["camera"]
    page.again.click()
    qtbot.waitUntil(lambda: len(page.texts) == 3 and page.again.isEnabled())
