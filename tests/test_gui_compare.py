"""Two models side by side on what is replayed."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from gui_fake_session import make_frame, make_result
from gui_window import session, shown, window
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

import app.build
from app.display import View, render
from app.events import ReplayMoved, State, StateChanged
from app.frame import NUCLEUS_DTYPE
from app.gui.composer import Look, compose
from app.gui.overlay_paint import AMBER, MARKED, ColorBy, OverlayStyle, color_by_of, ramp_steps
from app.gui.panels.compare_bar import difference
from app.gui.side import Compared
from app.inference.agreement import agreement


def found(frame, boxes, zoom=2.0):
    """Return a result with a nucleus in each (y, x, height, width) box of the frame."""
    labels = np.zeros((round(480 / zoom), round(640 / zoom)), np.int32)
    nuclei = np.zeros(len(boxes), NUCLEUS_DTYPE)
    for number, (y, x, height, width) in enumerate(boxes, 1):
        labels[round(y / zoom) : round((y + height) / zoom), round(x / zoom) : round((x + width) / zoom)] = number
        nuclei[number - 1]["label"], nuclei[number - 1]["area_px"] = number, height * width
        nuclei[number - 1]["y_px"], nuclei[number - 1]["x_px"] = y + height / 2, x + width / 2
    return replace(make_result(frame), labels=labels, zoom=(zoom, zoom), nuclei=nuclei)


A, B, C, D = (20, 20, 40, 40), (100, 100, 60, 60), (300, 400, 80, 80), (200, 500, 40, 40)


@pytest.mark.parametrize("zoom", [1.0, 2.0, 4.0])
def test_nuclei_of_both_are_told_from_those_of_one_at_any_scale(zoom):
    frame = make_frame()
    first = found(frame, [A, B, C])
    second = found(frame, [D, (104, 100, 60, 60), (300, 440, 80, 80), C], zoom)
    second = replace(second, nuclei=second.nuclei[second.nuclei["label"] != 3])  # it overlaps C, and was thrown out
    agreed = agreement(first, second)
    assert agreed.both == 2
    assert agreed.only_first.tolist() == [1]
    assert agreed.only_second.tolist() == [1]


def test_a_nucleus_that_was_split_has_no_partner_unless_one_part_is_most_of_it():
    frame = make_frame()
    halves = agreement(found(frame, [(0, 0, 80, 80)]), found(frame, [(0, 0, 80, 40), (0, 40, 80, 40)]))
    assert (halves.both, halves.only_first.tolist(), halves.only_second.tolist()) == (0, [1], [1, 2])
    most = agreement(found(frame, [(0, 0, 80, 80)]), found(frame, [(0, 0, 80, 60), (0, 60, 80, 20)]))
    assert (most.both, most.only_second.tolist()) == (1, [2])


def test_nothing_found_agrees_with_nothing_found_and_other_frames_are_refused():
    frame = make_frame()
    assert agreement(found(frame, []), found(frame, [])).both == 0
    assert agreement(found(frame, []), found(frame, [A])).only_second.tolist() == [1]
    with pytest.raises(ValueError, match="one frame"):
        agreement(found(frame, []), found(make_frame(1), []))


def test_nuclei_of_one_model_only_are_drawn_in_another_colour():
    frame = make_frame(fill=0)
    result = found(frame, [A, C])
    picture = render(frame, View(None, (640, 480)), app.display.Contrast(0, 256))
    style = OverlayStyle(fill=False, opacity=1.0, line_px=6)
    composed = compose(picture, result, Look(style, mark_limits=False), np.zeros((480, 640), np.uint32), None,
                       np.array([2], np.int32))  # fmt: skip
    blue, green, red = np.moveaxis(composed.pixels.view(np.uint8).reshape(480, 640, 4)[..., :3], -1, 0)
    assert (red[40, 20], green[40, 20], blue[40, 20]) == AMBER
    assert (red[340, 400], green[340, 400], blue[340, 400]) == MARKED


def test_the_difference_is_told_with_its_sign():
    frame = make_frame()
    one, two = found(frame, [A, B]), found(frame, [A, B, C])
    told = difference("fast", Compared("fine", one, two, agreement(one, two)))
    assert "fast 2" in told and "fine 3" in told and "+1, +50" in told and "2 found by both" in told
    assert "0 only fast, 1 only fine" in told
    assert "−1, −33" in difference("fine", Compared("fast", two, one, agreement(two, one)))
    assert "±0)" in difference("fast", Compared("fine", one, one, agreement(one, one)))


class SecondModel:
    """Finds one nucleus more than `make_result`, after `go` is set."""

    def __init__(self, name):
        self.name = name
        self.go = threading.Event()
        self.seen = []
        self.go.set()

    def segment(self, frame, pixel_size_um=None):
        self.go.wait(10)
        self.seen.append((frame, pixel_size_um, threading.current_thread()))
        return found(frame, [(100, 100, 60, 60), (300, 400, 80, 80), D])


@pytest.fixture
def models(monkeypatch):
    made = []
    monkeypatch.setattr(app.build, "make_counter", lambda name: made.append(SecondModel(name)) or made[-1])
    return made


def replaying(qtbot, window, session):
    """Have a replay that stands on a counted frame."""
    session.ready()
    asked = []
    window.bridge.off_thread(lambda: None, lambda _done: asked.append(1))  # after the list of what is installed
    qtbot.waitUntil(lambda: bool(asked))
    window.segmentation.show_models(["fast", "fine"])
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    frame = shown(qtbot, window, session)
    session.last_result = make_result(frame)
    session.count(session.last_result)
    qtbot.waitUntil(lambda: window.viewer.result is session.last_result, timeout=5000)
    window.viewer.setFocus()
    return frame


def test_another_model_is_shown_beside_the_first_on_the_very_frame_that_is_held(qtbot, window, session, models):
    frame = replaying(qtbot, window, session)
    assert not models and window.compare.viewer is None  # nothing of it exists before it is asked for
    QTest.keySequence(window, QKeySequence("Shift+C"))
    qtbot.waitUntil(lambda: window.compare.viewer.result is not None, timeout=5000)
    (second,) = models
    assert second.name == "fine"
    assert second.seen[0][0] is frame and second.seen[0][1] == session.last_result.pixel_size_um
    assert second.seen[0][2] is not threading.main_thread()
    assert window.compare.viewer.frame is window.viewer.frame
    assert window.compare.viewer.result.count == 3 and window.viewer.result.count == 2
    assert "fast 2" in window.compare.bar.told.text() and "fine 3" in window.compare.bar.told.text()
    assert any("fast · 2" in badge.text for badge in window.viewer.badges)
    assert "fine · 3" in window.compare.viewer.badges[0].text


def test_both_pictures_show_the_same_place(qtbot, window, session, models):
    replaying(qtbot, window, session)
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: window.compare.viewer.placement is not None, timeout=5000)
    left, right = window.viewer, window.compare.viewer
    qtbot.waitUntil(lambda: abs(left.width() - right.width()) <= 1)
    left.zoom(3.0)
    assert (right.placement.scale, right.placement.center) == (left.placement.scale, left.placement.center)
    right.zoom(0.5)
    assert (right.placement.scale, right.placement.center) == (left.placement.scale, left.placement.center)
    left.fit_view()
    assert right.placement.fitted and right.placement.widget == right._size()


def test_every_further_result_is_compared_and_a_slow_model_skips_and_stops_nothing(qtbot, window, session, models):
    replaying(qtbot, window, session)
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: bool(models) and len(models[0].seen) == 1, timeout=5000)
    models[0].go.clear()
    frames = [make_frame(index) for index in range(1, 6)]
    for frame in frames:
        shown(qtbot, window, session, frame)
        session.count(make_result(frame))
    models[0].go.set()
    qtbot.waitUntil(lambda: models[0].seen[-1][0] is frames[-1], timeout=5000)
    assert len(models[0].seen) < 6
    qtbot.waitUntil(lambda: window.compare._compared.first.frame is frames[-1], timeout=5000)


def test_the_comparison_ends_with_the_replay_and_leaves_no_thread(qtbot, window, session, models):
    replaying(qtbot, window, session)
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: window.bridge.composer._marked is not None, timeout=5000)
    session.publish(StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: not window.compare.viewer.isVisible() and not window.compare.bar.isVisible())
    assert not window.actions_by_id["compare"].isChecked()
    assert window.bridge.composer._marked is None, "no colour stays behind that nothing explains any more"
    qtbot.waitUntil(lambda: not [t for t in threading.enumerate() if t.name == "app-compare"], timeout=5000)
    window.actions_by_id["compare"].setEnabled(True)
    window.actions_by_id["compare"].trigger()  # there is nothing to compare without a replay
    assert not window.compare.on and not window.actions_by_id["compare"].isChecked()


def test_a_model_that_cannot_be_used_says_so_and_the_first_goes_on(qtbot, window, session, monkeypatch):
    def broken(name):
        raise RuntimeError(f"The model {name} cannot be loaded: choose another one.")

    monkeypatch.setattr(app.build, "make_counter", broken)
    replaying(qtbot, window, session)
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: not window.compare.on, timeout=5000)
    assert window.messages.notices[-1][1].text == "The model fine cannot be loaded: choose another one."
    assert session.failed_with is None and not window.actions_by_id["compare"].isChecked()


def test_the_model_on_the_right_is_chosen_from_the_list_and_remembered(qtbot, window, session, models):
    replaying(qtbot, window, session)
    window.segmentation.show_models(["fast", "fine", "paper"])
    window.actions_by_id["compare"].trigger()
    box = window.compare.bar.model
    assert [box.itemText(i) for i in range(box.count())] == ["fast", "fine", "paper"]
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Down)
    qtbot.waitUntil(lambda: [m.name for m in models] == ["fine", "paper"], timeout=5000)
    qtbot.mouseClick(window.compare.bar.shut, Qt.MouseButton.LeftButton)
    assert not window.compare.on
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: [m.name for m in models] == ["fine", "paper", "paper"], timeout=5000)


@pytest.mark.parametrize("color_by", list(ColorBy))
def test_what_colours_mean_is_written_beside_and_remembered(qtbot, window, session, color_by):
    frame = shown(qtbot, window, session)
    session.count(make_result(frame))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.segmentation.color_by.setCurrentIndex(window.segmentation.color_by.findData(color_by))
    window.segmentation.color_by.activated.emit(window.segmentation.color_by.currentIndex())
    qtbot.wait(100)
    assert window.viewer.color_by is color_by
    image = window.viewer.grab().toImage()
    corner = {
        image.pixelColor(x, y).getRgb()[:3]
        for x in range(image.width() - 200, image.width())
        for y in range(image.height() - 130, image.height() - 60)
    }
    assert (set(ramp_steps()) <= corner) is (color_by is not ColorBy.NOTHING)
    window.remember()
    assert color_by_of(window.store.text("color_by")) is color_by
    assert color_by_of("what was this") is ColorBy.NOTHING
