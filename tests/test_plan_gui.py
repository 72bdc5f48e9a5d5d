"""The plan's form, pure, and its page in the window, over a fake session and over the simulators."""

import json
from dataclasses import replace

import pytest
import tifffile
from gui_fake_session import FakeSession, make_frame, make_result
from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit

import app.build
from app.errors import UsageError
from app.events import PlanEnded, PlanMoved, RecordingChanged, State, StateChanged
from app.gui.main_window import MainWindow
from app.gui.plan_form import ChannelRow, PlanForm, empty_form, form_of, sequence_of
from app.gui.store import WindowStore
from app.gui.theme import DARK, THEME
from app.plan import load_plan, make_plan
from app.recording.ome import read_map
from app.settings import CameraSettings, LightSettings, Settings

SETTINGS = Settings()

# --- the form --------------------------------------------------------------------------------------------------------

rows = st.builds(
    lambda name, used, exposure, gain, light, every: ChannelRow(name, name, used, exposure, gain, light, every),
    st.just(""),
    st.booleans(),
    st.floats(0.01, 10_000),
    st.floats(0, 48),
    st.floats(0, 1),
    st.integers(1, 9),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(rows, min_size=4, max_size=4).filter(lambda made: any(row.used and row.every == 1 for row in made)),
    st.integers(2, 30),
    st.one_of(st.just(0.0), st.integers(1, 10**6).map(lambda ms: ms / 1000)),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["Mono8", "Mono12", "Mono12p"]),
)
def test_a_form_becomes_a_plan_and_comes_back(made, times, interval_s, by_channel, keep_order, pixel_format):
    named = [
        # One channel after the other with times left out is what useq-schema itself warns of.
        replace(row, config=c.name, channel=c.name, every=1 if by_channel else row.every)
        for c, row in zip(SETTINGS.channels, made, strict=True)
    ]
    form = PlanForm(tuple(named), times, interval_s, None, by_channel, keep_order, pixel_format, {"lab": "B2"})
    back = form_of(make_plan(sequence_of(form), SETTINGS), SETTINGS)
    used = [row for row in named if row.used]
    assert list(back.rows[: len(used)]) == used
    assert [row.channel for row in back.rows if not row.used] == [row.channel for row in named if not row.used]
    assert (back.times, back.interval_s, back.phases) == (times, interval_s, None)
    assert (back.by_channel, back.keep_order, back.pixel_format) == (by_channel, keep_order, pixel_format)
    assert back.metadata == {"lab": "B2"}


def test_phases_of_a_file_go_through_unchanged():
    phases = [{"interval": 1, "loops": 2}, {"interval": 60, "loops": 3}]
    plan = make_plan({"channels": ["DAPI", "633nm"], "time_plan": phases}, SETTINGS)
    form = form_of(plan, SETTINGS)
    assert (form.times, form.phases) == (
        plan.times,
        {"phases": [dict(p, interval=float(p["interval"])) for p in phases]},
    )
    assert [(row.config, row.channel) for row in form.rows if row.used] == [("DAPI", "405"), ("633nm", "633")]
    again = make_plan(sequence_of(form), SETTINGS)
    assert again.frames == plan.frames and again.channels == plan.channels


def test_an_empty_form_is_one_frame_of_the_selected_channel():
    plan = make_plan(sequence_of(empty_form(SETTINGS)), SETTINGS)
    assert [channel.channel.name for channel in plan.channels] == ["405"] and len(plan.frames) == 1


# --- the page --------------------------------------------------------------------------------------------------------


def open_window(qtbot, session, tmp_path):
    store = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    made = MainWindow(session, WindowStore(store))
    made.folder = tmp_path / "out"
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
    return FakeSession()


@pytest.fixture
def window(qtbot, session, tmp_path):
    made = open_window(qtbot, session, tmp_path)
    yield made
    leave(qtbot, made)


@pytest.fixture
def page(qtbot, window):
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("Q"))
    qtbot.waitUntil(lambda: window.plans.page is not None, timeout=5000)
    page = window.plans.page
    qtbot.waitUntil(lambda: page.isVisible() and page.start.isEnabled(), timeout=5000)
    return page


def type_into(field, text):
    edit = field.findChild(QLineEdit)
    edit.setFocus()
    edit.selectAll()
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key.Key_Return)


def click(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def fill(qtbot, page, times="20", interval="2"):
    """Plan 405 and 633."""
    row = next(row for row in page.rows if row.row.channel == "633")
    row.used.setFocus()
    QTest.keyClick(row.used, Qt.Key.Key_Return)
    assert row.used.isChecked() and row.exposure.isEnabled()
    type_into(row.exposure, "40")
    type_into(page.times, times)
    type_into(page.interval, interval)
    qtbot.waitUntil(lambda: page.start.isEnabled(), timeout=5000)


def test_the_cost_is_told_before_the_start(qtbot, page):
    assert page.cost.text().startswith("1 frame ·")
    fill(qtbot, page)
    assert "40 frames" in page.cost.text() and "664 MB" in page.cost.text() and "38 s" in page.cost.text()
    # The gentlest light first, the one that harms most last.
    assert page.light.text().index("633 nm") < page.light.text().index("405 nm")
    assert not page.advice.isVisible()
    type_into(page.interval, "0.1")
    qtbot.waitUntil(lambda: page.advice.isVisible(), timeout=5000)
    assert "lengthen" in page.advice.text()


def test_the_plan_in_the_form_is_the_one_that_is_asked_for(qtbot, window, session, page):
    fill(qtbot, page)
    click(page.start)
    qtbot.waitUntil(lambda: bool(session.asked("run_plan")))
    ((plan, folder, zarr),) = session.asked("run_plan")
    assert (folder, zarr) == (window.folder, False)
    assert [(c.channel.name, c.exposure_ms) for c in plan.channels] == [("633", 40.0), ("405", 15.0)]
    assert len(plan.frames) == 40 and plan.frames[-1].due_s == 38.0
    # It comes back the next time the window opens.
    assert json.loads(window.store.text("plan"))["time_plan"] == {"interval": 2.0, "loops": 20}


def test_an_ome_zarr_image_is_chosen_counted_in_and_remembered(qtbot, window, session, page, monkeypatch):
    fill(qtbot, page)
    choose(qtbot, page.file, 1)
    qtbot.waitUntil(lambda: page.start.isEnabled() and "1.5 GB" in page.cost.text(), timeout=5000)
    assert window.store.flag("plan_zarr", False)
    click(page.start)
    qtbot.waitUntil(lambda: bool(session.asked("run_plan")))
    assert session.asked("run_plan")[0][2] is True

    def refuse():
        raise UsageError("OME-Zarr needs the zarr library: pip install 'dapiscope[zarr]'.")

    monkeypatch.setattr("app.recording.zarr_store.check_zarr", refuse)
    choose(qtbot, page.file, 1)
    qtbot.waitUntil(lambda: "needs the zarr library" in page.cost.text(), timeout=5000)
    assert not page.start.isEnabled()
    choose(qtbot, page.file, 0)
    qtbot.waitUntil(lambda: page.start.isEnabled() and "664 MB" in page.cost.text(), timeout=5000)
    assert not window.store.flag("plan_zarr", True)


def choose(qtbot, box, index):
    """Choose from a list with the keys."""
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_End if index else Qt.Key.Key_Home)
    box.activated.emit(box.currentIndex())


def test_a_burst_has_no_interval_and_no_channel_is_no_plan(qtbot, session, page):
    fill(qtbot, page)
    QTest.mouseClick(page.burst, Qt.MouseButton.LeftButton, pos=QPoint(8, page.burst.height() // 2))
    assert not page.interval.isEnabled()
    qtbot.waitUntil(lambda: page.start.isEnabled(), timeout=5000)
    click(page.start)
    qtbot.waitUntil(lambda: bool(session.asked("run_plan")))
    assert {frame.due_s for frame in session.asked("run_plan")[0][0].frames} == {0.0}


@pytest.mark.parametrize(("lit", "recording"), [(True, False), (False, False), (True, True)])
def test_it_is_dark_while_a_plan_is_written_unless_a_recording_needs_the_light(qtbot, window, session, lit, recording):
    session.go_live()
    session.shine("405" if lit else None)
    session.publish(RecordingChanged(recording))
    qtbot.waitUntil(lambda: window.presenter.light.channel == ("405" if lit else None))
    qtbot.waitUntil(lambda: window.presenter.recording == recording)
    window.actions_by_id["plan"].trigger()
    goes_dark = lit and not recording
    assert session.asked("set_channel") == ([(None,)] if goes_dark else [])
    assert any("dark while the plan" in notice.text for _, notice in window.messages.notices) == goes_dark


def test_no_channel_is_refused_with_a_sentence(qtbot, page):
    row = next(row for row in page.rows if row.used.isChecked())
    row.used.setFocus()
    QTest.keyClick(row.used, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "channel" in page.cost.text(), timeout=5000)
    assert not page.start.isEnabled() and not page.save.isEnabled()


def test_a_plan_is_saved_and_loaded_again(qtbot, window, page, tmp_path):
    fill(qtbot, page, times="7")
    window.plans.save_to(str(tmp_path / "mine.yaml"))
    qtbot.waitUntil((tmp_path / "mine.yaml").exists)
    assert load_plan(tmp_path / "mine.yaml", SETTINGS).times == 7
    window.plans.save_to(str(tmp_path / "mine.yaml"))
    qtbot.waitUntil(lambda: any("exists already" in n.text for _, n in window.messages.notices))
    type_into(page.times, "3")
    window.plans.load_from(str(tmp_path / "mine.yaml"))
    qtbot.waitUntil(lambda: page.times.value() == 7)
    (tmp_path / "z.yaml").write_text("z_plan: {range: 4, step: 1}\nchannels: ['405']\n")
    window.plans.load_from(str(tmp_path / "z.yaml"))
    qtbot.waitUntil(lambda: any("focus drive" in n.text for _, n in window.messages.notices))
    assert page.times.value() == 7
    (tmp_path / "phases.json").write_text(
        json.dumps({"channels": ["405"], "time_plan": [{"interval": 1, "loops": 2}, {"interval": 9, "loops": 2}]})
    )
    window.plans.load_from(str(tmp_path / "phases.json"))
    qtbot.waitUntil(page.simple.isVisible)
    assert not page.times.isEnabled()
    click(page.simple)
    assert page.times.isEnabled() and not page.simple.isVisible()


def test_while_a_plan_runs_the_page_shows_how_far_it_is_and_the_keys_hold_it(qtbot, window, session, page):
    session.publish(StateChanged(State.PLAN), PlanMoved(12, 80, 0.4, 24.0, 95.0, 7300.0, False))
    qtbot.waitUntil(lambda: page.bar.value() == 12)
    assert page.bar.maximum() == 80 and page.pause.isVisible() and not page.start.isVisible()
    assert "12 / 80" in page.at.text() and "1 min" in page.at.text()
    assert "2 h 01 min" in page.rest.text() and "0.4 ms" in page.rest.text()
    assert any("PLAN 12 / 80" in badge.text for badge in window.viewer.badges)
    assert not window.actions_by_id["live"].isEnabled()
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("Shift+Q"))
    assert session.asked("pause_plan") == [()]
    session.publish(PlanMoved(12, 80, 1280.6, 24.0, 95.0, 7300.0, False))
    qtbot.waitUntil(lambda: "last time begun 1.3 s late" in page.rest.text())
    session.publish(PlanMoved(12, 80, 0.0, 25.0, 94.0, None, True))
    qtbot.waitUntil(lambda: "paused" in page.at.text())
    assert page.pause.text() == "Resume"
    click(page.pause)
    assert session.asked("resume_plan") == [()]
    click(page.stop)
    assert session.asked("stop_plan") == [()]
    ended = PlanEnded(window.folder / "plan.ome.tif", 12, 80, False, "The plan was stopped.", 0, 11, 1)
    session.publish(ended, StateChanged(State.IDLE))
    qtbot.waitUntil(page.start.isVisible)
    (said,) = (n.text for _, n in window.messages.notices if "12 / 80" in n.text)
    assert "stopped" in said and "11 counted, 1 skipped to stay on time" in said


def test_the_nuclei_of_a_plan_are_shown_while_it_runs(qtbot, window, session, page):
    session.publish(StateChanged(State.PLAN), PlanMoved(1, 80, 0.4, 24.0, 95.0, None, False))
    qtbot.waitUntil(lambda: page.bar.value() == 1)
    frame = make_frame()
    session.show(frame)
    session.count(make_result(frame))
    session.publish(PlanMoved(2, 80, 0.4, 24.0, 95.0, None, False, 1))
    qtbot.waitUntil(lambda: "1 counted" in page.rest.text())
    qtbot.waitUntil(lambda: window.counts.big.text == "2")
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    assert window.viewer.result.frame is frame
    # Pictures of the next time point, an hour later, do not wear the outlines of this one.
    later = session.show(replace(make_frame(index=3), exposure_end_s=frame.exposure_end_s + 3600))
    qtbot.waitUntil(lambda: window.viewer.frame is later)
    assert window.viewer.result is None


def test_holding_without_a_plan_says_so(qtbot, window, session):
    window.actions_by_id["plan_pause"].trigger()
    assert session.asked("pause_plan") == []
    assert window.messages.notices[-1][1].text == "No acquisition plan runs."


@pytest.mark.parametrize("letters", [1.0, 2.0])
def test_the_page_fits_and_scrolls_only_downwards(qtbot, window, page, letters):
    THEME.set(DARK, letters)
    window.plans.page.appear()
    qtbot.wait(20)
    assert window.page.rect().contains(page.geometry())
    for button in (page.load, page.save, page.start):
        assert button.width() >= button.sizeHint().width() and page.rect().contains(button.geometry().center())


# --- over the simulators ---------------------------------------------------------------------------------------------


def test_a_plan_is_filled_in_held_resumed_and_finished_on_the_simulators(qtbot, tmp_path):
    small = CameraSettings(roi=(0, 0, 320, 240), exposure_ms=5)
    session = app.build.make_session(Settings(camera=small, light=LightSettings(intensity=0.5, settle_ms=1)))
    window = open_window(qtbot, session, tmp_path)
    try:
        window.viewer.setFocus()
        QTest.keySequence(window, QKeySequence("Q"))
        qtbot.waitUntil(lambda: window.plans.page is not None, timeout=5000)
        page = window.plans.page
        qtbot.waitUntil(lambda: page.start.isEnabled(), timeout=10_000)
        fill(qtbot, page, times="6", interval="0.3")
        click(page.start)
        qtbot.waitUntil(lambda: page.bar.maximum() == 12 and page.bar.value() >= 2, timeout=20_000)
        click(page.pause)
        qtbot.waitUntil(lambda: page.pause.text() == "Resume", timeout=5000)
        assert session.state is State.PLAN
        qtbot.waitUntil(lambda: window.presenter.light.channel is None, timeout=5000)
        QTest.keySequence(window, QKeySequence("L"))
        assert session.state is State.PLAN
        click(page.pause)
        qtbot.waitUntil(lambda: page.start.isVisible(), timeout=20_000)
        assert session.state is State.IDLE
        qtbot.waitUntil(lambda: any("Plan complete" in n.text for _, n in window.messages.notices))
        with tifffile.TiffFile(window.folder / "plan.ome.tif") as tif:
            assert tif.series[0].shape == (6, 2, 240, 320)
            notes = read_map(tif.ome_metadata)
        assert json.loads(notes["complete"]) is True and len(json.loads(notes["pauses"])) == 1
        # Escape ends a plan, and it is dark.
        type_into(page.times, "500")
        qtbot.waitUntil(lambda: page.start.isEnabled(), timeout=10_000)
        click(page.start)
        qtbot.waitUntil(lambda: page.bar.maximum() == 1000 and page.bar.value() >= 1, timeout=20_000)
        window.viewer.setFocus()
        QTest.keySequence(window, QKeySequence("Esc"))
        qtbot.waitUntil(lambda: session.state is State.IDLE, timeout=10_000)
        with tifffile.TiffFile(window.folder / "plan-2.ome.tif") as tif:
            assert json.loads(read_map(tif.ome_metadata)["complete"]) is False
    finally:
        leave(qtbot, window)
    assert window.closing.exit_code == 0


def test_a_form_that_is_no_plan_is_a_usage_error():
    with pytest.raises(UsageError):
        make_plan(sequence_of(PlanForm((ChannelRow("777", "777", True, 5, 0, 0.5),))), SETTINGS)
