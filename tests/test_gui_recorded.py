"""The panel of the camera says of a picture out of a file what that file says, and offers no settings for it."""

# ruff: noqa: F401, F811 - fixtures are found by their names

from dataclasses import replace
from pathlib import Path

import pytest
from gui_fake_session import FakeSession, make_frame
from gui_window import cut_off, make_window, session, settle, shown, window

from app.events import ReplayMoved, State, StateChanged
from app.gui.recorded import recorded_rows

PATH = Path("a.ome.tif")
TOLD = {"camera": "Camera of then", "sample": "slide of then"}


def of_a_file(**known):
    nothing = {"exposure_ms": None, "gain_db": None, "pixel_size_um": None, "unix_time_s": 0.0}
    return replace(make_frame(source=str(PATH), name=str(PATH)), **nothing | known)


def test_nothing_is_made_up_where_the_file_says_nothing():
    rows = recorded_rows(ReplayMoved(PATH, 1, 1, False, 1.0, sized=False), of_a_file(), None)
    assert [name for name, _ in rows] == ["", "Picture"]
    assert rows[1][1] == "640 × 480 px · 8 bit"


def test_what_the_file_says_is_told_and_what_was_given_is_called_so():
    moved = ReplayMoved(PATH, 1, 9, False, 1.0, told=TOLD, fps=5.0)
    frame = of_a_file(exposure_ms=20.0, gain_db=3.0, pixel_size_um=0.325, unix_time_s=1.6e9)
    rows = dict(recorded_rows(moved, frame, None))
    assert (rows["Exposure"], rows["Gain"], rows["Frame rate"]) == ("20.00 ms", "3.0 dB", "5.0 fps")
    assert (rows["Pixel size"], rows["Camera"], rows["Sample"]) == ("0.325 µm", "Camera of then", "slide of then")
    assert "20" in rows["Taken"] and "Operator" not in rows
    assert dict(recorded_rows(replace(moved, sized=False), frame, None))["Pixel size"] == "0.325 µm (given)"
    assert dict(recorded_rows(moved, frame, 0.65))["Pixel size"] == "0.65 µm (given)"
    assert "Frame rate" not in dict(recorded_rows(replace(moved, length=1), frame, None))


def test_a_replay_shows_what_was_recorded_and_live_the_settings(qtbot, window, session):
    session.ready()
    panel = window.camera
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(PATH, 1, 9, False, 1.0, told=TOLD, fps=5.0))
    shown(qtbot, window, session, of_a_file(exposure_ms=20.0))
    qtbot.waitUntil(lambda: dict(panel.recorded.rows).get("Exposure") == "20.00 ms")
    assert panel.recorded.isVisible() and not panel.exposure.isVisible() and not panel.auto.isVisible()
    session.publish(StateChanged(State.IDLE))  # its last picture stays
    qtbot.wait(300)
    assert panel.recorded.isVisible()
    session.go_live()
    shown(qtbot, window, session)
    qtbot.waitUntil(panel.exposure.isVisible)
    assert not panel.recorded.isVisible()


@pytest.mark.parametrize(("letters", "language"), [(1.0, None), (2.0, "de")])
def test_what_was_recorded_is_not_cut_off(qtbot, make_window, letters, language):
    window = make_window(1366, 768, letters, language)
    told = {**TOLD, "camera": "Basler daA3840-45um 23456789 with a name that is long"}
    moved = ReplayMoved(PATH, 1, 9, False, 1.0, told=told, fps=5.0)
    window.session.publish(StateChanged(State.REPLAYING), moved)
    frame = of_a_file(exposure_ms=20.0, gain_db=3.0, pixel_size_um=0.325, unix_time_s=1.6e9)
    shown(qtbot, window, window.session, frame)
    qtbot.waitUntil(lambda: bool(window.camera.recorded.rows))
    settle(qtbot, window)
    assert cut_off(window.camera) == []
    assert window.camera.width() <= window.panel_area.viewport().width()
