"""Several channels in one picture: from live channels, from snapshots, and from a file with several channels."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from gui_fake_session import make_frame
from gui_window import session, shown, window
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest

from app.display import Contrast, View, render
from app.events import ReplayMoved, State, StateChanged
from app.frame import Light
from app.gui.channel_shelf import ChannelShelf, Companions
from app.gui.composer import Look, compose
from app.gui.composite import Layer, LayerPainter, add_up
from app.recording import open_replay

FULL = Contrast(0, 256)


def lit(channel, value, index=0, place=(slice(None), slice(None)), source="fake"):
    """Return a frame of one channel that is `value` at `place` and dark elsewhere."""
    pixels = np.zeros((480, 640), np.uint8)
    pixels[place] = value
    light = Light(channel, 0.2, True, "")
    return replace(make_frame(index, light=light, source=source), pixels=pixels, unix_time_s=time.time())


def color_at(composed, x, y):
    """Return (red, green, blue) of the finished picture at a part of its width and height."""
    height, width = composed.pixels.shape
    blue, green, red, _ = composed.pixels.view(np.uint8).reshape(height, width, 4)[int(y * height), int(x * width)]
    return int(red), int(green), int(blue)


def test_colours_are_added_and_never_fold():
    out = np.zeros((1, 3, 4), np.uint8)
    one, two = np.array([[0, 128, 255]], np.uint8), np.array([[255, 128, 255]], np.uint8)
    add_up([(one, (255, 0, 100)), (two, (200, 255, 0))], out)
    assert out[0].tolist() == [[0, 255, 200, 255], [50, 128, 228, 255], [100, 255, 255, 255]]


def test_layers_are_rendered_at_the_place_of_the_picture_and_again_only_when_something_changed(monkeypatch):
    import app.gui.composite as composite

    calls = []
    monkeypatch.setattr(composite, "render", lambda *a: calls.append(a) or render(*a))
    painter = LayerPainter()
    layers = (
        Layer("405", lit("405", 200), (0, 0, 255), FULL),
        Layer("488", lit("488", 100, place=(slice(0, 240), slice(None))), (0, 255, 0), FULL),
    )
    for region in (None, None, (0, 200, 320, 240)):
        picture = render(layers[0].frame, View(region, (160, 120)), FULL)
        out = np.zeros(picture.pixels.shape, np.uint32)
        composed = compose(picture, None, Look(layers=layers), out, painter)
    assert len(calls) == 2  # the second channel, once a view; the first is the picture itself
    assert color_at(composed, 0.5, 0.05) == (0, 100, 199) and color_at(composed, 0.5, 0.95) == (0, 0, 199)
    assert set(composed.levels) == {"405", "488"}


def test_a_layer_of_another_size_is_left_out():
    small = replace(lit("488", 100), pixels=np.zeros((10, 10), np.uint8))
    picture = render(lit("405", 200), View(None, (640, 480)), FULL)
    layers = (Layer("405", picture.frame, (0, 0, 255), FULL), Layer("488", small, (0, 255, 0), FULL))
    assert set(compose(picture, None, Look(layers=layers), np.zeros((480, 640), np.uint32)).levels) == {"405"}


def test_the_shelf_keeps_confirmed_frames_of_one_source_only():
    shelf = ChannelShelf()
    shelf.put(lit("405", 1))
    shelf.put(lit("488", 1))
    shelf.put(replace(lit("532", 1), light=Light("532", 0.2, False, "the light changed")))
    shelf.put(replace(lit("633", 1), light=Light(None, 0.0, True, "")))
    assert set(shelf.frames()) == {"405", "488"}
    shelf.put(lit("633", 1, source="elsewhere"))
    assert set(shelf.frames()) == {"633"}


def test_live_channels_become_one_picture_each_can_be_switched_off_and_keeps_its_contrast(qtbot, window, session):
    window.sections["layers"].set_open(True)
    right, below = (slice(None), slice(320, 640)), (slice(240, 480), slice(None))
    for channel, place in (("488", right), ("405", below)):
        session.selected_channel = channel
        shown(qtbot, window, session, lit(channel, 200, place=place))
        window.view.contrasts.fix(channel, 0.0, 1.0)
    window.view.apply_contrast()
    shown(qtbot, window, session, lit("405", 200, 1, place=below))
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("V"))
    qtbot.waitUntil(lambda: set(window.viewer.composed.levels) == {"405", "488"}, timeout=5000)
    violet, cyan = window.session.channels[0].color, window.session.channels[1].color
    rgb = lambda color: np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) * 200 / 255  # noqa: E731
    composed = window.viewer.composed
    assert color_at(composed, 0.1, 0.1) == (0, 0, 0)
    np.testing.assert_allclose(color_at(composed, 0.9, 0.1), rgb(cyan), atol=2)
    np.testing.assert_allclose(color_at(composed, 0.1, 0.9), rgb(violet), atol=2)
    np.testing.assert_allclose(color_at(composed, 0.9, 0.9), np.minimum(rgb(cyan) + rgb(violet), 255), atol=3)
    qtbot.waitUntil(lambda: any("COMPOSITE 405 + 488" in badge.text for badge in window.viewer.badges))

    row = window.layers.panel.rows["488"]
    row.white.setValue(100 * 200 / 256)  # its brightest is at white now
    qtbot.waitUntil(lambda: color_at(window.viewer.composed, 0.9, 0.1)[2] >= 254, timeout=5000)
    assert window.view.contrasts.levels["405"] == (0.0, 1.0)  # the other is as it was
    row.shown.click()
    qtbot.waitUntil(lambda: color_at(window.viewer.composed, 0.9, 0.1) == (0, 0, 0), timeout=5000)
    assert "no picture yet" in window.layers.panel.rows["633"].note.text()
    QTest.keySequence(window, QKeySequence("D"))  # another field
    qtbot.waitUntil(lambda: not window.viewer.composed.levels, timeout=5000)


def write_channels(path: Path) -> np.ndarray:
    """Write two moments of three channels that know nothing of a light."""
    pixels = np.stack([np.full((64, 96), 20 * t + 5 * c, np.uint8) for t in range(2) for c in range(3)])
    tifffile.imwrite(path, pixels.reshape(2, 3, 64, 96), ome=True, metadata={"axes": "TCYX"}, photometric="minisblack")
    return pixels


def test_all_channels_of_a_moment_are_read_from_a_file(tmp_path):
    write_channels(tmp_path / "c.ome.tif")
    companions = Companions()
    try:
        for position in (3, 4, 5):
            found = companions.read(tmp_path / "c.ome.tif", position)
            assert [int(frame.pixels[0, 0]) for frame in found.values()] == [20, 25, 30]
        assert [int(f.pixels[0, 0]) for f in companions.read(tmp_path / "c.ome.tif", 0).values()] == [0, 5, 10]
        assert list(found) == ["C1", "C2", "C3"]
    finally:
        companions.close()


def test_a_replayed_file_is_shown_with_all_its_channels(qtbot, window, session, tmp_path):
    path = tmp_path / "c.ome.tif"
    write_channels(path)
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(path, 1, 6, False, 1.0, 0))
    with open_replay(path) as replay:
        shown(qtbot, window, session, replay.frame(0))
        window.actions_by_id["composite"].trigger()
        qtbot.waitUntil(lambda: list(window.viewer.composed.levels) == ["C1", "C2", "C3"], timeout=5000)
        session.publish(ReplayMoved(path, 5, 6, False, 1.0, 4))
        shown(qtbot, window, session, replay.frame(4))
        qtbot.waitUntil(lambda: [int(x.frame.pixels[0, 0]) for x in window.layers.now()] == [20, 25, 30], timeout=5000)
    assert list(window.layers.panel.rows) == ["C1", "C2", "C3"]


@pytest.mark.parametrize("on", [True, False])
def test_without_a_composite_nothing_is_layered(qtbot, window, session, on):
    shown(qtbot, window, session)
    window.layers.toggle(on)
    assert bool(window.layers.now()) is on
