"""Nothing is cut off, everything can be read, and nothing lies beyond an edge, also of what opens later."""

# ruff: noqa: F401, F811 - fixtures are found by their names

from pathlib import Path

import pytest
from gui_fake_session import make_frame, make_result
from gui_window import LATER, PAGES, beyond, cut_off, make_window, open_dialogs, open_later, place_in, settle
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QMenu, QScrollArea, QStyle, QToolButton

import app.build
from app.events import Notice, RecordingChanged, ReplayMoved, State, StateChanged, Stats, StatsReady
from app.gui.actions import ACTIONS, shortcut_text
from app.gui.panels import notices
from app.gui.theme import DARK, RED, THEME, contrast_ratio
from app.settings import DEFAULT_CHANNELS

SMALL = [(1366, 768, 2.0, "de"), (1366, 768, 1.0, None)]
OTHER = [(1366, 768, 2.0, None), (1366, 768, 1.0, "de"), (3840, 2160, 1.0, None), (3840, 2160, 2.0, None)]
CASES = [*SMALL, *(pytest.param(*case, marks=pytest.mark.prove) for case in (*OTHER, (3840, 2160, 2.0, "de")))]
"""German words are longer than English ones; what fits on the small screen fits on the large one."""


def live_window(qtbot, make_window, *case):
    """Have a window that is live and has counted a difficult picture."""
    window = make_window(*case)
    session = window.session
    session.ready()
    session.go_live()
    session.shine("405")
    frame = session.show(make_frame())
    session.count(make_result(frame, interval=(120, 140), flags=("out of focus", "too crowded")))
    session.publish(StatsReady(Stats(grabbed=123456, lost_camera=12, fps_camera=44.9, latency_ms=123.0)))
    qtbot.waitUntil(lambda: window.counts.big.text == "2")
    return window


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_nothing_is_cut_off(qtbot, make_window, width, height, letters, language):
    window = live_window(qtbot, make_window, width, height, letters, language)
    for section in window.sections.values():
        section.set_open(True)
    window.replay_bar.show()
    settle(qtbot, window)
    assert (window.width(), window.height()) == (width, height)
    assert cut_off(window) + beyond(window) == []
    small = width < 900 * letters
    assert window.below.isVisible() is not small, "a small window leaves its room to the picture"
    assert window.viewer.width() * (window.viewer.height() + window.replay_bar.height()) > 0.4 * width * height
    window.actions_by_id["profile"].trigger()
    assert window.below.isVisible(), "what a tool needs is shown while it is in use"
    window.actions_by_id["profile"].trigger()
    assert window.below.isVisible() is not small
    window.actions_by_id["charts"].trigger()
    settle(qtbot, window)
    assert window.below.isVisible() is small, "the operator's word is the last"
    window.actions_by_id["charts"].trigger() if not small else None
    settle(qtbot, window)
    assert cut_off(window) == []
    inner = window.panel_area.viewport().width()
    assert window.column.width() <= inner
    for part in (window.viewer, window.strip, window.bar, window.light.off if letters == 1.0 else window.bar):
        assert part.isVisible() and part.visibleRegion().boundingRect().size() == part.size()


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_what_opens_later_fits(qtbot, make_window, monkeypatch, width, height, letters, language):
    window = live_window(qtbot, make_window, width, height, letters, language)
    wrong = {}
    for name in LATER:
        part, close = open_later(qtbot, monkeypatch, window, name)
        settle(qtbot, window)
        assert part.isVisible() and part.parentWidget().rect().contains(part.geometry()), name
        found = cut_off(part) + beyond(part)
        least = part.minimumSizeHint()
        if part.width() < least.width() or part.height() < least.height():
            found.append(f"{part.size()} of {least}")
        if (window.width(), window.height()) != (width, height):
            found.append(f"the window grew to {window.size()}")
        for area in part.findChildren(QScrollArea):
            if area.isVisible() and area.horizontalScrollBar().maximum() > 0:
                found.append("it has to be turned sideways")
        if found:
            wrong[name] = found
        close()
    assert wrong == {}


LONG = "No frames come from the camera, so the light was switched off; check its cable."


def click_on(qtbot, window, widget):
    """Click where a widget is, on whatever lies there uppermost."""
    spot = place_in(window, widget).center()
    above = window.childAt(spot)
    qtbot.mouseClick(above, Qt.MouseButton.LeftButton, pos=above.mapFrom(window, spot))


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_a_message_is_read_and_closed_whatever_page_is_open(
    qtbot, make_window, monkeypatch, width, height, letters, language
):
    monkeypatch.setattr(notices, "_LATE_S", 600.0)
    window = live_window(qtbot, make_window, width, height, letters, language)
    stack = window.toasts

    def close_by_click(toast):
        (button,) = toast.findChildren(QToolButton)
        assert toast.isVisible() and button.visibleRegion().boundingRect().size() == button.size()
        click_on(qtbot, window, button)
        assert toast not in stack.toasts

    window.session.publish(StateChanged(State.IDLE))
    for name in (*PAGES, "map of keys"):
        window.session.publish(Notice("warning", f"Said before {name}."))
        qtbot.waitUntil(lambda: len(stack.toasts) == 1)
        page, close = open_later(qtbot, monkeypatch, window, name)
        settle(qtbot, window)
        close_by_click(stack.toasts[0])
        window.session.publish(Notice("warning", "An older one."), Notice("error", f"{name}: {LONG}"))
        qtbot.waitUntil(lambda: len(stack.toasts) == 2)
        settle(qtbot, window)
        if name != "map of keys":  # which takes the whole window
            messages = place_in(window, stack)
            if page.minimumSizeHint().height() < messages.top() - place_in(window, window.desk).top() - THEME.px(20):
                assert not place_in(window, page).intersects(messages), name
        close_by_click(stack.toasts[-1])
        close_by_click(stack.toasts[-1])
        settle(qtbot, window)
        assert cut_off(page) + beyond(page) == [], name
        close()


def test_a_plan_that_runs_makes_room_for_messages(qtbot, make_window, monkeypatch):
    window = live_window(qtbot, make_window, 1366, 768, 2.0)
    page, _close = open_later(qtbot, monkeypatch, window, "plan")
    window.session.publish(StateChanged(State.PLAN), Notice("error", LONG))
    qtbot.waitUntil(lambda: page.running and bool(window.toasts.toasts))
    settle(qtbot, window)
    assert not place_in(window, page).intersects(place_in(window, window.toasts))
    assert place_in(window, window.desk).contains(place_in(window, page))
    window.session.publish(StateChanged(State.IDLE))


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_messages_leave_the_middle_of_the_picture_and_the_count_free(
    qtbot, make_window, monkeypatch, width, height, letters, language
):
    monkeypatch.setattr(notices, "_LATE_S", 600.0)
    window = live_window(qtbot, make_window, width, height, letters, language)
    words = [LONG, "This computer counts 7 of 27 frames a second; every frame is recorded all the same.", "Saved."]
    levels = ("error", "warning", "info")
    window.session.publish(*(Notice(level, text) for level, text in zip(levels, words, strict=True)))
    qtbot.waitUntil(lambda: len(window.toasts.toasts) == 3)
    settle(qtbot, window)
    place, picture = place_in(window, window.toasts), place_in(window, window.desk)
    assert picture.contains(place) and place.top() > picture.center().y()
    assert not place.intersects(place_in(window, window.counts))
    for _ in words:  # what found no room comes when there is some, and only then its time begins
        shown = [toast for toast in window.toasts.toasts if toast.isVisible()]
        assert shown and shown[-1] is window.toasts.toasts[-1]
        assert [toast._seen.isActive() for toast in window.toasts.toasts] == [
            toast in shown and toast.notice.level != "error" for toast in window.toasts.toasts
        ]
        shown[-1].dismiss()
    assert not window.toasts.isVisible()


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_dialogs_and_menus_fit(qtbot, make_window, width, height, letters, language):
    window = live_window(qtbot, make_window, width, height, letters, language)
    for dialog in open_dialogs(qtbot, window):
        assert dialog.width() <= width and dialog.height() <= height, dialog.windowTitle()
        assert cut_off(dialog) == [], dialog.windowTitle()
    for menu in window.menu.findChildren(QMenu):
        # What is longer than the screen scrolls; a second column would lie beyond its edge.
        assert menu.style().styleHint(QStyle.StyleHint.SH_Menu_Scrollable, None, menu)


def test_a_menu_shows_what_is_switched_on(qtbot, make_window):
    window = live_window(qtbot, make_window)
    menu = next(menu for menu in window.menu.findChildren(QMenu) if window.actions_by_id["overlay"] in menu.actions())
    menu.popup(window.mapToGlobal(window.rect().topLeft()))
    qtbot.waitUntil(menu.isVisible)
    image = menu.grab().toImage()

    def lit(name):
        place = menu.actionGeometry(window.actions_by_id[name])
        colors = {image.pixelColor(x, place.center().y() - 7).name() for x in range(30)}
        return DARK.accent in colors

    assert lit("overlay") and not lit("ids")
    menu.close()


@pytest.mark.parametrize(("width", "height", "letters", "language"), CASES)
def test_charts_and_the_comparison_of_models_fit(qtbot, make_window, monkeypatch, width, height, letters, language):
    monkeypatch.setattr(app.build, "make_counter", SecondModel)
    window = live_window(qtbot, make_window, width, height, letters, language)
    session = window.session
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(Path("a.ome.tif"), 1, 5, False, 1.0, 0))
    session.last_result = make_result(session.last_frame)
    window.segmentation.show_models(["fast", "accurate"])
    qtbot.waitUntil(window.replay_bar.isVisible)
    if not window.below.isVisible():
        window.actions_by_id["charts"].trigger()
    window.actions_by_id["compare"].trigger()
    qtbot.waitUntil(lambda: window.compare.viewer.result is not None)
    for index in range(window.charts.count()):
        window.charts.setCurrentIndex(index)
        settle(qtbot, window)
        assert cut_off(window) == [], window.charts.tabText(index)
        assert (window.width(), window.height()) == (width, height), window.charts.tabText(index)
    assert window.compare.viewer.visibleRegion().boundingRect().size() == window.compare.viewer.size()


class SecondModel:
    """Finds what `make_result` has, under another name."""

    def __init__(self, name):
        self.name = name

    def segment(self, frame, pixel_size_um=None):
        return make_result(frame)


@pytest.mark.parametrize("palette", [DARK, RED], ids=lambda palette: palette.name)
def test_every_text_has_contrast_enough(palette):
    grounds = (palette.black, palette.ground, palette.raised)
    for ink in (palette.text, palette.muted, palette.good, palette.warning, palette.error):
        for ground in grounds:
            assert contrast_ratio(ink, ground) >= 4.5, (ink, ground)
    assert contrast_ratio(palette.on_accent, palette.accent) >= 4.5
    for channel in DEFAULT_CHANNELS:
        assert contrast_ratio("#000000", channel.color) >= 4.5


def test_the_map_of_keys_is_read_from_afar_where_there_is_room(qtbot, make_window):
    def heights(window):
        window.actions_by_id["help"].trigger()
        settle(qtbot, window)
        return {text.fontMetrics().height() for text in window.key_map.findChildren(QLabel)}

    small, large = make_window(1366, 768), make_window(3840, 2160)
    usual = small.strip.fontMetrics().height()
    assert max(heights(small)) <= 1.4 * usual
    assert min(heights(large)) >= 1.8 * usual
    assert large.rect().contains(large.key_map._scroll.geometry())


def test_the_map_of_keys_follows_the_size_of_its_window(qtbot, make_window):
    window = make_window(1366, 768, 1.0, "de")
    window.actions_by_id["help"].trigger()
    settle(qtbot, window)
    window.resize(800, 500)
    settle(qtbot, window)
    scroll = window.key_map._scroll
    assert scroll.horizontalScrollBar().maximum() == 0, "it has to be turned sideways"
    assert window.key_map.rect().contains(scroll.geometry())
    window.actions_by_id["help"].trigger()
    window.resize(1366, 768)
    settle(qtbot, window)
    assert not window.key_map.isVisible()


def test_the_map_of_keys_begins_with_the_keys_most_needed(qtbot, make_window):
    window = make_window(1366, 768, 2.0, "de")
    window.actions_by_id["help"].trigger()
    settle(qtbot, window)
    scroll = window.key_map._scroll
    labels = scroll.findChildren(QLabel)
    seen = scroll.viewport().rect()
    for key in ("Esc", "1", "L", "S", "R"):
        (found,) = (text for text in labels if text.text() == key)
        assert seen.contains(place_in(scroll.viewport(), found)), key
    keys = {shortcut_text(spec) for spec in ACTIONS if spec.shortcut}
    (width,) = {text.width() for text in labels if text.text() in keys}
    assert width >= max(text.sizeHint().width() for text in labels if text.text() in keys), "the texts begin in a line"
    window.actions_by_id["help"].trigger()


@pytest.mark.parametrize(("width", "height", "letters", "language"), SMALL)
@pytest.mark.parametrize("recording", [False, True])
def test_what_was_lost_can_be_read_however_large_the_letters(
    qtbot, make_window, recording, width, height, letters, language
):
    window = live_window(qtbot, make_window, width, height, letters, language)
    stats = Stats(
        grabbed=2345, lost_camera=62, skipped_display=36, skipped_segment=155, not_counted=2, fps_camera=44.9,
        fps_segment=18.6, latency_ms=237.0,
    )  # fmt: skip
    window.session.publish(
        StatsReady(stats), RecordingChanged(recording, Path("a.ome.tif"), 12345, 0.4, 3600.0 if recording else None)
    )
    losses = window.strip.losses
    qtbot.waitUntil(lambda: "62" in losses.text())
    settle(qtbot, window)
    assert losses.fontMetrics().horizontalAdvance(losses.text()) <= losses.width(), losses.text()
    assert "155" in losses.text() or "157" in losses.text(), losses.text()
    assert window.width() == width and "62" in losses.toolTip() and "36" in losses.toolTip()
