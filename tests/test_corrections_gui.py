"""Correcting by hand in the window: real mouse events on a snapshot and on a held replay; undone, saved, found."""

import csv
import json

import numpy as np
import pytest
from gui_fake_session import FakeSession, make_frame, make_result
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

import app.build
from app.correction_files import load_correction
from app.corrections import corrected
from app.events import ReplayMoved, SnapTaken, State, StateChanged
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.theme import DARK, THEME
from app.settings import CameraSettings, SampleSettings, Settings

INTO_ONE, INTO_TWO, FREE = (130, 130), (440, 340), (250, 60)


def open_window(qtbot, session, tmp_path):
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    made = MainWindow(session, WindowStore(store))
    made.folder = tmp_path
    made.resize(1366, 768)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow, timeout=5000)
    return made


def leave(qtbot, window):
    window.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: window.closing.done, timeout=20_000)
    window.deleteLater()
    qtbot.wait(1)
    THEME.set(DARK, 1.0)


@pytest.fixture
def session():
    return FakeSession(Settings(sample=SampleSettings(operator="Ada")))


@pytest.fixture
def window(qtbot, session, tmp_path):
    made = open_window(qtbot, session, tmp_path)
    yield made
    leave(qtbot, made)


@pytest.fixture
def snapshot(qtbot, window, session, tmp_path):
    """A snapshot of two nuclei is on the screen; nothing moves."""
    frame = session.show(make_frame())
    result = make_result(frame, interval=(1, 3))
    files = {"image": tmp_path / "snapshot.ome.tif"}
    session.publish(SnapTaken(frame, result, files, "fast", "ab" * 32), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: window.viewer.result is result, timeout=5000)
    return result


def at(window, spot):
    x, y = window.viewer.placement.to_widget(*spot)
    ratio = window.viewer.devicePixelRatioF()
    return QPoint(round(x / ratio), round(y / ratio))


def click(window, spot):
    QTest.mouseClick(window.viewer, Qt.MouseButton.LeftButton, pos=at(window, spot))


def drag(window, *spots):
    QTest.mousePress(window.viewer, Qt.MouseButton.LeftButton, pos=at(window, spots[0]))
    for spot in spots[1:]:
        QTest.mouseMove(window.viewer, at(window, spot))
    QTest.mouseRelease(window.viewer, Qt.MouseButton.LeftButton, pos=at(window, spots[-1]))


def key(window, keys):
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence(keys))


def counted(qtbot, window, number):
    qtbot.waitUntil(lambda: window.viewer.result is not None and window.viewer.result.count == number, timeout=5000)


def test_nuclei_are_added_removed_split_and_merged_with_the_mouse(qtbot, window, snapshot):
    before = snapshot.labels.copy()
    key(window, "H")
    assert window.correct.bar.isVisible() and window.actions_by_id["correct_add"].isChecked()
    click(window, FREE)
    counted(qtbot, window, 3)
    drag(window, (500, 100), (560, 100), (560, 160), (500, 160))
    counted(qtbot, window, 4)
    key(window, "Ctrl+2")
    click(window, INTO_ONE)
    counted(qtbot, window, 3)
    key(window, "Ctrl+3")
    drag(window, (440, 290), (440, 390))
    counted(qtbot, window, 4)
    key(window, "Ctrl+4")
    click(window, (420, 340))
    assert "other part" in window.correct.bar.hint.text()
    click(window, (460, 340))
    counted(qtbot, window, 3)
    qtbot.waitUntil(lambda: window.counts.by_hand.text() == "2 by the model, 3 corrected by hand (Ada)", timeout=5000)
    assert window.counts.big.text == "3" and window.correct.bar.counts.text() == "2 → 3"
    assert (snapshot.labels == before).all() and snapshot.count == 2
    for _ in range(5):
        key(window, "Ctrl+Z")
    counted(qtbot, window, 2)
    # Nothing corrected is the model's own answer again, with its interval.
    qtbot.waitUntil(lambda: window.viewer.result is snapshot, timeout=5000)
    qtbot.waitUntil(lambda: not window.counts.by_hand.isVisible(), timeout=5000)
    for _ in range(5):
        key(window, "Ctrl+Shift+Z")
    counted(qtbot, window, 3)


def test_the_ring_stays_at_its_nucleus_when_another_is_removed(qtbot, window, snapshot):
    nuclei = snapshot.nuclei
    window.viewer.select_row(1)
    key(window, "Ctrl+2")
    click(window, (float(nuclei["x_px"][0]), float(nuclei["y_px"][0])))
    counted(qtbot, window, 1)
    window.viewer.select_row(0)
    key(window, "Ctrl+Z")
    counted(qtbot, window, 2)
    assert window.viewer.selected_row == 1 and nuclei["label"][1] == 2
    click(window, (float(nuclei["x_px"][1]), float(nuclei["y_px"][1])))
    counted(qtbot, window, 1)
    assert window.viewer.selected_row is None


def test_every_edit_is_saved_beside_the_picture_with_who_and_when(qtbot, window, snapshot, tmp_path):
    key(window, "H")
    key(window, "Ctrl+2")
    click(window, INTO_ONE)
    path = tmp_path / "snapshot.ome.tif.corrections.json"
    qtbot.waitUntil(path.exists, timeout=5000)
    (entry,) = json.loads(path.read_text())["frames"]
    assert (entry["count_model"], entry["count_corrected"], entry["model"]) == (2, 1, "fast")
    assert entry["edits"][0]["by"] == "Ada" and entry["edits"][0]["at"].startswith("20")
    qtbot.waitUntil((tmp_path / "snapshot_corrected_labels.tif").exists, timeout=5000)
    key(window, "Ctrl+Z")
    qtbot.waitUntil(lambda: not path.exists(), timeout=5000)


def test_a_click_that_meets_nothing_says_what_to_do_and_changes_nothing(qtbot, window, snapshot):
    key(window, "Ctrl+2")
    click(window, (20, 20))
    assert "no nucleus" in window.correct.bar.hint.text()
    key(window, "Ctrl+4")
    click(window, INTO_ONE)
    click(window, INTO_TWO)
    assert "too far apart" in window.correct.bar.hint.text()
    assert window.correct.stack.count() == 0 and window.viewer.result is snapshot


@pytest.mark.parametrize("action", ["correct", "correct_split", "correct_remove"])
def test_it_is_offered_only_while_the_picture_stands_still(qtbot, window, session, snapshot, action):
    session.publish(StateChanged(State.LIVE))
    qtbot.wait(200)
    window.actions_by_id[action].trigger()
    assert not window.correct.bar.isVisible() and not window.actions_by_id[action].isChecked()
    assert window.viewer.tool is None
    assert "stands still" in window.messages.notices[-1][1].text
    session.publish(StateChanged(State.IDLE))
    window.actions_by_id[action].trigger()
    assert window.correct.bar.isVisible()
    # Live ends it; the next frames are nobody's canvas.
    session.publish(StateChanged(State.LIVE))
    qtbot.waitUntil(lambda: not window.correct.bar.isVisible(), timeout=5000)
    assert window.viewer.tool is None and not window.actions_by_id["correct"].isChecked()


def replayed(qtbot, window, session, path, frame, playing=False):
    session.show(frame)
    session.publish(ReplayMoved(path, frame.index + 1, 9, playing, 1.0, frame.index))
    result = make_result(frame)
    session.count(result)
    qtbot.waitUntil(lambda: window.viewer.frame is frame and window.viewer.result is not None, timeout=5000)
    return result


def test_a_held_replay_is_corrected_frame_by_frame_and_finds_its_corrections_again(qtbot, window, session, tmp_path):
    path = tmp_path / "recording.ome.tif"
    session.publish(StateChanged(State.REPLAYING))
    qtbot.waitUntil(window.replay_bar.isVisible, timeout=5000)
    first = make_frame(3, source=str(path))
    replayed(qtbot, window, session, path, first, playing=True)
    key(window, "H")
    assert not window.correct.bar.isVisible()
    session.publish(ReplayMoved(path, 4, 9, False, 1.0, 3))
    qtbot.wait(200)
    key(window, "H")
    assert window.correct.bar.isVisible()
    click(window, FREE)
    counted(qtbot, window, 3)
    other = make_frame(4, source=str(path), fill=31)
    replayed(qtbot, window, session, path, other)
    qtbot.waitUntil(lambda: not window.correct.bar.isVisible(), timeout=5000)
    counted(qtbot, window, 2)
    # Back at the first frame, read anew: what was corrected is there, and can be taken back.
    again = make_frame(3, source=str(path))
    replayed(qtbot, window, session, path, again)
    counted(qtbot, window, 3)
    assert "3 corrected by hand" in window.correct.words(window.viewer.result)
    key(window, "Ctrl+Z")
    counted(qtbot, window, 2)


def test_a_damaged_file_is_told_and_left_alone(qtbot, window, snapshot, tmp_path):
    path = tmp_path / "snapshot.ome.tif.corrections.json"
    path.write_text("{broken")
    key(window, "Ctrl+2")
    click(window, INTO_ONE)
    qtbot.waitUntil(lambda: "not saved" in window.correct.bar.hint.text(), timeout=5000)
    assert path.read_text() == "{broken"


def test_exports_tell_who_found_what(qtbot, window, session, snapshot, tmp_path):
    key(window, "H")
    click(window, FREE)
    counted(qtbot, window, 3)
    window.exports.export_nuclei()
    window.exports.export_counts()
    window.exports.export_report()
    qtbot.waitUntil((tmp_path / "session-report.html").exists, timeout=20_000)
    with (tmp_path / "snapshot_export_nuclei.csv").open() as file:
        assert [row["origin"] for row in csv.DictReader(file)] == ["model", "model", "by hand"]
    with (tmp_path / "counts.csv").open() as file:
        assert [(row["count"], row["count_corrected_by_hand"]) for row in csv.DictReader(file)] == [("2", "3")]
    report = (tmp_path / "session-report.html").read_text()
    assert "Corrected by hand" in report and "2 by the model, 3 corrected by hand (Ada)" in report


@pytest.mark.parametrize("letters", [1.0, 2.0])
def test_the_bar_does_not_widen_the_window(qtbot, window, snapshot, letters):
    THEME.set(DARK, letters)
    window.resize(1366, 768)
    key(window, "H")
    qtbot.wait(50)
    assert window.width() == 1366


def test_a_real_snapshot_is_corrected_and_found_again_by_its_replay(qtbot, tmp_path):
    camera = CameraSettings(roi=(0, 0, 1280, 720), exposure_ms=10)
    session = app.build.make_session(Settings(camera=camera, sample=SampleSettings(operator="Ada")))
    window = open_window(qtbot, session, tmp_path)
    try:
        key(window, "S")
        qtbot.waitUntil(lambda: window.viewer.result is not None and session.state is State.IDLE, timeout=40_000)
        qtbot.waitUntil(lambda: window.presenter.snapped is not None, timeout=10_000)
        base = window.viewer.result
        key(window, "Ctrl+2")
        inner = next(n for n in base.nuclei if not n["touches_edge"])
        click(window, (float(inner["x_px"]), float(inner["y_px"])))
        counted(qtbot, window, base.count - 1)
        picture = window.presenter.snapped.files["image"]
        qtbot.waitUntil((tmp_path / "snapshot.ome.tif.corrections.json").exists, timeout=10_000)
        shown = window.viewer.result.labels
        session.open_replay(picture)
        qtbot.waitUntil(lambda: session.state is State.REPLAYING, timeout=20_000)
        qtbot.waitUntil(lambda: window.correct.shown is not None, timeout=20_000)
        counted(qtbot, window, base.count - 1)
        assert np.array_equal(window.viewer.result.labels, shown)
        found = load_correction(picture, window.viewer.frame)
        assert np.array_equal(found.base.labels, base.labels)
        assert len(np.unique(corrected(found.base.labels, found.edits, found.base.zoom))) == base.count
    finally:
        leave(qtbot, window)


def test_another_tool_ends_it(qtbot, window, snapshot):
    key(window, "H")
    window.actions_by_id["profile"].trigger()
    qtbot.waitUntil(lambda: not window.correct.bar.isVisible(), timeout=5000)
    assert not window.actions_by_id["correct_add"].isChecked() and window.viewer.tool is window.profile.tool


def test_an_edit_just_before_the_window_closes_is_saved(qtbot, session, tmp_path):
    window = open_window(qtbot, session, tmp_path)
    frame = session.show(make_frame())
    result = make_result(frame)
    session.publish(SnapTaken(frame, result, {"image": tmp_path / "last.ome.tif"}), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: window.viewer.result is result, timeout=5000)
    key(window, "Ctrl+2")
    click(window, INTO_ONE)
    leave(qtbot, window)
    assert load_correction(tmp_path / "last.ome.tif", frame).edits[0].kind == "remove"


def test_a_still_image_is_outlined_however_soon_it_is_counted(qtbot, window, session, tmp_path):
    # All of it before the window hears of the first: the model was loaded, the picture small.
    frame = make_frame(0, source=str(tmp_path / "still.tif"))
    result = make_result(frame)
    session.publish(StateChanged(State.REPLAYING))
    session.show(frame)
    session.count(result)
    session.publish(ReplayMoved(tmp_path / "still.tif", 1, 1, False, 1.0, 0), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: window.viewer.frame is frame)
    qtbot.wait(300)
    assert window.viewer.result is result


def test_what_was_found_before_is_not_drawn_over_what_begins(qtbot, window, session):
    frame = make_frame(5)
    session.publish(StateChanged(State.LIVE))
    session.show(frame)
    session.count(make_result(frame))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    session.publish(StateChanged(State.IDLE), StateChanged(State.STARTING), StateChanged(State.LIVE))
    session.show(make_frame(6))
    qtbot.waitUntil(lambda: window.viewer.frame is session.last_frame)
    assert window.viewer.result is None
