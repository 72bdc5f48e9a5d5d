"""The line on the picture and the grey values along it."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import csv

import numpy as np
import pytest
from gui_fake_session import make_frame
from gui_window import at, make_window, session, settle, shown, window
from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetricsF, QKeySequence
from PySide6.QtTest import QTest

from app.gui.panels.parts import Shortening
from app.gui.profile import BODY, Line, take_profile


def ramp_frame(bits=12, size_um=0.5):
    """Return a frame whose grey value is four times its column."""
    from dataclasses import replace

    frame = make_frame(bits=bits, pixel_size_um=size_um)
    pixels = np.tile(4 * np.arange(640, dtype=np.uint16), (480, 1))
    return replace(frame, pixels=pixels)


def test_a_profile_has_full_depth_and_micrometres():
    frame = ramp_frame()
    found = take_profile(frame, Line(10.5, 100.5, 210.5, 100.5))
    assert found.unit == "µm"
    assert found.distance[0] == 0 and found.distance[-1] == pytest.approx(100.0)
    np.testing.assert_allclose(found.value, np.linspace(40, 840, 201), atol=1e-6)


def test_a_profile_without_a_scale_is_in_pixels_and_a_wide_one_is_a_mean():
    frame = ramp_frame(size_um=None)
    assert take_profile(frame, Line(0, 0, 100, 0)).unit == "px"
    across = take_profile(frame, Line(100.5, 50, 100.5, 150), width_px=5)
    np.testing.assert_allclose(across.value, 400, atol=1e-6)
    diagonal = take_profile(frame, Line(0, 0, 300, 400))
    assert diagonal.distance[-1] == pytest.approx(500)


@pytest.mark.parametrize("line", [Line(-50, -50, 9999, 9999), Line(3, 3, 3, 3), Line(639.9, 479.9, 640, 480)])
def test_a_line_off_the_frame_or_without_a_length_still_has_a_profile(line):
    found = take_profile(ramp_frame(), line)
    assert len(found.value) >= 2 and np.isfinite(found.value).all()


def test_what_is_held_of_a_line_is_its_ends_first():
    line = Line(0, 0, 100, 0)
    assert line.part_at(3, 1, 5) == 0
    assert line.part_at(97, -2, 5) == 1
    assert line.part_at(50, 4, 5) == BODY
    assert line.part_at(50, 9, 5) is None
    assert line.moved(BODY, 1, 2) == Line(1, 2, 101, 2) and line.moved(1, 1, 2) == Line(0, 0, 101, 2)


def drag(window, start, end):
    """Drag with the left button from frame position `start` to `end`."""
    QTest.mousePress(window.viewer, Qt.MouseButton.LeftButton, pos=at(window, *start))
    for part in np.linspace(0, 1, 8)[1:]:
        middle = (start[0] + part * (end[0] - start[0]), start[1] + part * (end[1] - start[1]))
        QTest.mouseMove(window.viewer, at(window, *middle))
    QTest.mouseRelease(window.viewer, Qt.MouseButton.LeftButton, pos=at(window, *end))


def test_a_line_is_drawn_moved_and_followed_live(qtbot, window, session):
    shown(qtbot, window, session, ramp_frame())
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("I"))
    chart = window.profile.chart
    qtbot.waitUntil(chart.isVisible)
    assert window.profile.tool.line is not None  # there is a line to begin with, for who has no mouse
    before = window.viewer.placement
    drag(window, (100, 100), (300, 100))
    line = window.profile.tool.line
    assert (line.x0, line.x1) == (pytest.approx(100, abs=2), pytest.approx(300, abs=2))
    assert window.viewer.placement == before  # it was not panned
    assert chart.profile.value[0] == pytest.approx(4 * (line.x0 - 0.5), abs=1)
    drag(window, (300, 100), (400, 200))  # an end
    assert window.profile.tool.line.x1 == pytest.approx(400, abs=3)
    assert window.profile.tool.line.x0 == pytest.approx(100, abs=2)
    drag(window, (250, 150), (250, 160))  # all of it
    assert window.profile.tool.line.y0 == pytest.approx(110, abs=3)
    brighter = ramp_frame()
    session.show(
        type(brighter)(**{**{f: getattr(brighter, f) for f in brighter.__slots__}, "pixels": brighter.pixels + 7})
    )
    qtbot.waitUntil(lambda: abs(chart.profile.value[0] - 4 * (window.profile.tool.line.x0 - 0.5) - 7) < 1, timeout=3000)
    QTest.keySequence(window, QKeySequence("I"))
    assert window.viewer.tool is None and chart.profile is None


def test_a_line_is_moved_with_keys(qtbot, window, session):
    shown(qtbot, window, session)
    window.viewer.setFocus()
    QTest.keySequence(window, QKeySequence("I"))
    first = window.profile.tool.line
    QTest.keyClick(window.viewer, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    second = window.profile.tool.line
    assert second.y0 > first.y0 and second.y1 - second.y0 == first.y1 - first.y0
    QTest.keyClick(window.viewer, Qt.Key.Key_Right, Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.ShiftModifier)
    assert window.profile.tool.line.x0 == second.x0 and window.profile.tool.line.x1 > second.x1


def test_a_profile_is_written_to_a_file(qtbot, window, session, tmp_path):
    shown(qtbot, window, session, ramp_frame())
    window.profile.export()
    assert window.messages.notices[-1][1].level == "warning"
    window.actions_by_id["profile"].trigger()
    qtbot.mouseClick(window.profile.chart.save, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: (tmp_path / "profile.csv").exists())
    with (tmp_path / "profile.csv").open() as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["distance_um", "grey_value"]
    assert float(rows[-1][0]) == pytest.approx(window.profile.chart.profile.distance[-1], abs=1e-3)
    qtbot.waitUntil(lambda: len(window.messages.notices) == 2)


def test_only_another_picture_counts_as_one_on_the_screen(qtbot, window, session):
    painted = []
    window.viewer.painted.connect(lambda: painted.append(1))
    shown(qtbot, window, session)
    qtbot.waitUntil(lambda: len(painted) >= 1)
    before = len(painted)
    for _ in range(5):
        window.viewer.update()
        qtbot.wait(20)
    assert len(painted) == before


@pytest.mark.parametrize(("letters", "language"), [(1.0, None), (1.3, "de"), (2.0, None)])
def test_the_chart_of_a_line_is_readable_in_letters_of_any_size(qtbot, make_window, letters, language):
    window = make_window(1366, 768, letters, language)
    window.session.ready()
    shown(qtbot, window, window.session, make_frame(bits=12))
    chart = window.profile.chart
    for on in (True, False):  # measured, and the hint how to get there
        window.actions_by_id["profile"].trigger()
        window.show_charts(True)
        settle(qtbot, window)
        assert (chart.profile is not None) is on
        for height in (window.height() // 3, 1):  # a third of the window, then as little as there may be
            window.rows.setSizes([window.height() - height, height])
            settle(qtbot, window)
            told, axis = chart.told, chart.plot.getPlotItem().getAxis("left")
            assert told.fontMetrics().horizontalAdvance(told.text()) <= told.width(), "a wording without dots"
            size, (low, high) = axis.size().height(), axis.range
            line = QFontMetricsF(axis.style["tickFont"]).height()
            assert all(step * size / (high - low) >= line for step, _ in axis.tickSpacing(low, high, size))
            assert not axis.label.isVisible() or axis.label.boundingRect().width() <= size


def test_a_line_says_what_it_has_room_for(qtbot):
    line = Shortening()
    qtbot.addWidget(line)
    line.show_wordings("a sentence that takes its time", "in short", "")
    for width, text in ((1000, "a sentence that takes its time"), (90, "in short"), (5, "")):
        line.resize(width, 20)
        line.show()
        assert line.text() == text and line.toolTip() == "a sentence that takes its time"
