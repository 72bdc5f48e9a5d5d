"""A message goes with what it is about, and none comes when it is no news any more; the list keeps them all."""

# ruff: noqa: F401, F811 - fixtures are found by their names

from pathlib import Path

import pytest
from gui_fake_session import make_frame, make_result
from gui_window import session, settle, shown, window

from app.events import LightSeen, Notice, SnapTaken, State, StateChanged

GONE = "The light source at socket://x:1 is gone (read failed); check its cable and power, then connect again."
BEHIND = "This computer counts 18 of 38 frames a second; lower the camera's frame rate."


def texts(window):
    """Return what is said now, or waits for room."""
    return [toast.notice.text for toast in window.toasts.toasts]


def all_said(window):
    return [notice.text for _, notice in window.messages.notices]


def say(qtbot, window, session, *events):
    """Publish, and wait until the window has taken it all in."""
    last = Notice("info", f"{len(window.messages.notices)} were said.")
    session.publish(*events, last)
    qtbot.waitUntil(lambda: last.text in all_said(window))
    window.toasts.take_back([last.text])


@pytest.mark.parametrize("back", [True, False])
def test_a_light_that_is_back_is_said_in_the_place_of_its_loss(qtbot, window, session, back):
    session.shine(None)
    say(
        qtbot, window, session, LightSeen(None, 0.0, False), Notice("error", GONE), Notice("error", "The disk is full.")
    )
    assert texts(window) == [GONE, "The disk is full."]
    say(qtbot, window, session, LightSeen(None if back else "405", 0.0, True))
    if back:
        assert texts(window) == ["The disk is full.", "The light source is back: dark, confirmed by the box."]
    else:
        assert texts(window) == [GONE, "The disk is full."], "it shines"
    assert GONE in all_said(window)
    say(qtbot, window, session, LightSeen(None, 0.0, True))
    assert len([text for text in all_said(window) if "is back" in text]) == back, "said once"


@pytest.mark.parametrize("then", [State.STOPPING, State.IDLE, State.FAILED, State.PLAN])
def test_a_warning_of_live_imaging_ends_with_it(qtbot, window, session, then):
    session.go_live()
    say(qtbot, window, session, Notice("warning", BEHIND), Notice("info", "Recorded 3 frames: a.ome.tif"))
    say(qtbot, window, session, StateChanged(State.SNAPPING), StateChanged(State.LIVE))
    assert BEHIND in texts(window), "it goes on"
    say(qtbot, window, session, StateChanged(then))
    assert BEHIND not in texts(window) and BEHIND in all_said(window)
    assert ("Recorded 3 frames: a.ome.tif" in texts(window)) is (then is not State.PLAN)


@pytest.mark.parametrize("first", [State.STARTING, State.SNAPPING])
def test_an_error_on_the_way_to_live_imaging_is_read_while_live(qtbot, window, session, first):
    damaged = "The flat field cannot be read; take a new one."
    say(qtbot, window, session, StateChanged(first), Notice("error", damaged), StateChanged(State.LIVE))
    assert texts(window) == [damaged]
    say(qtbot, window, session, StateChanged(State.IDLE))
    assert texts(window) == [damaged]
    say(qtbot, window, session, StateChanged(State.STARTING))
    assert texts(window) == [] and damaged in all_said(window)


def test_what_was_said_of_a_snapshot_ends_with_the_next_one(qtbot, window, session):
    refused = "The nuclei were not counted: 633 does not show nuclei. The picture is saved."
    frame = shown(qtbot, window, session)
    say(qtbot, window, session, StateChanged(State.SNAPPING), Notice("warning", refused),
        SnapTaken(frame, None, {"image": Path("snapshot.ome.tif")}), StateChanged(State.IDLE))  # fmt: skip
    assert texts(window) == [refused, "Saved: snapshot.ome.tif"]
    say(qtbot, window, session, StateChanged(State.SNAPPING))
    assert texts(window) == [] and refused in all_said(window)


def test_what_is_less_grave_sends_no_error_away(qtbot, window, session):
    errors = ["The disk is full.", "The light reports: fan.", "b.tif is cut off."]
    say(qtbot, window, session, *(Notice("error", text) for text in errors))
    window.notify(Notice("info", "Saved: a.tif"))
    assert texts(window) == [*errors, "Saved: a.tif"]
    window.notify(Notice("info", "Saved: b.tif"))
    assert texts(window) == [*errors, "Saved: b.tif"]
    window.toasts.toasts[-1].dismiss()
    assert texts(window) == errors, "they wait until they were read"
    window.notify(Notice("error", "The camera is gone."))
    assert texts(window) == [*errors[1:], "The camera is gone."]


def test_where_room_is_scarce_an_error_is_seen_before_what_is_less_grave(qtbot, window):
    window.resize(683, 384)
    settle(qtbot, window)
    said = [Notice("error", "The light may be on."), Notice("warning", "It is slow."), Notice("info", "Saved: a.tif")]
    for notice in said:
        window.notify(notice)
    settle(qtbot, window)
    seen = [toast.notice.text for toast in window.toasts.toasts if toast.isVisible()]
    assert seen == ["The light may be on.", "Saved: a.tif"]


def test_what_found_no_room_does_not_come_late(qtbot, window, session):
    long = "A sentence that is as long as the room for sentences is high. " * 8
    say(qtbot, window, session, Notice("info", "55 nuclei. " + long))
    window.notify(Notice("warning", long), "Give", lambda: None)
    window.notify(Notice("error", long + "No."))
    toasts = {toast.notice.text: toast for toast in window.toasts.toasts}
    waits = [text for text, toast in toasts.items() if not toast.isVisible()]
    assert waits == ["55 nuclei. " + long, long], "they have no room"
    late = [text for text in waits if toasts[text]._late.isActive()]
    assert late == waits[:1], "what can be mended is seen"
    for text in late:
        toasts[text]._late.timeout.emit()
    assert not set(late) & set(texts(window)) and set(late) <= set(all_said(window))
