"""The first start: choosing devices, the tour, and the report for whoever helps."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import json
import logging
import zipfile
from pathlib import Path

import pytest
from gui_window import make_window, place_in, session, settle, window
from PySide6.QtCore import QPoint, QRect, QSettings, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QPushButton

from app import doctor
from app.commands.window import must_ask, show_window
from app.doctor import Check, Found
from app.gui import store as stores
from app.gui.problem_report import LOG, LogKeeper
from app.gui.theme import DARK, THEME
from app.gui.tour import STEPS

CAMERA, LIGHT = ("pylon:23456789", "Basler daA3840-45um 23456789"), ("/dev/ttyACM0", "dapiscope LED4")
RULE = Check("camera", "bad", "Only root may open it.", "sudo cp a b")


@pytest.fixture
def found(monkeypatch):
    """What is plugged in: put something else into it."""
    there = [Found((CAMERA,), (LIGHT,), (RULE,))]
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: there[0])
    return there


@pytest.fixture
def asked(qtbot, window, found):
    """The page of a first start, filled."""
    window.start.ask_for_devices()
    page = window.start.page
    qtbot.waitUntil(lambda: page.again.isEnabled())
    return page


def press(button):
    QTest.mouseClick(button, Qt.MouseButton.LeftButton, pos=button.rect().center())


# --- devices -----------------------------------------------------------------------------------------------------


def test_nothing_can_begin_before_somebody_has_chosen(qtbot, window, session, asked):
    for name in ("live", "snap", "record", "plan", "open"):
        assert not window.actions_by_id[name].isEnabled()
    QTest.keyClick(window, Qt.Key.Key_L)
    assert not session.asked("start_live")
    assert not session.asked("connect")


def test_what_was_found_is_proposed_and_used_on_request(qtbot, window, session, asked):
    taken = []
    window.start.on_choice = lambda *names: taken.append(names)
    assert (asked.camera.currentText(), asked.light.currentText()) == (CAMERA[1], LIGHT[1])
    press(asked.use)
    assert taken == [(CAMERA[0], LIGHT[0])]
    assert (window.store.text("camera"), window.store.text("light")) == (CAMERA[0], LIGHT[0])
    qtbot.waitUntil(lambda: window.closing.done)


def test_a_simulator_is_never_proposed(qtbot, window, session, found, asked):
    found[0] = Found((CAMERA,), (), ())
    press(asked.again)
    qtbot.waitUntil(lambda: asked.again.isEnabled())
    assert asked.light.currentIndex() == -1
    assert not asked.use.isEnabled()
    asked.light.setCurrentIndex(asked.light.findData("sim"))
    assert asked.use.isEnabled()


def test_enter_takes_what_was_found_and_never_a_simulator(qtbot, window, session, found, monkeypatch):
    looked = []
    monkeypatch.setattr(doctor, "look_for_devices", lambda _tell: looked.append(1) or found[0])
    found[0] = Found((), (), (RULE,))
    window.start.ask_for_devices()
    page = window.start.page
    qtbot.waitUntil(page.again.hasFocus)
    found[0] = Found((CAMERA,), (LIGHT,), ())
    QTest.keyClick(page.again, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: len(looked) == 2 and page.again.isEnabled())
    qtbot.waitUntil(page.use.hasFocus)
    with qtbot.waitSignal(page.chosen) as chosen:
        QTest.keyClick(page.use, Qt.Key.Key_Return)
    assert chosen.args == [CAMERA[0], LIGHT[0]]
    assert window.viewer.hasFocus()


def test_simulators_are_used_when_asked_for_and_not_remembered(qtbot, window, session, asked):
    press(asked.simulators)
    assert session.asked("connect")
    assert window.actions_by_id["live"].isEnabled()
    assert window.store.text("camera") == ""
    assert window.start.tour.is_shown, "somebody who has just begun is shown around"


def test_the_command_that_mends_is_copied(qtbot, window, asked):
    copy = next(b for b in asked.findChildren(QPushButton) if b.text() == "Copy")
    press(copy)
    assert QApplication.clipboard().text() == RULE.fix


def test_a_search_that_fails_says_why_and_can_be_repeated(qtbot, window, found, asked, monkeypatch):
    def broken(_tell):
        raise RuntimeError("the search broke")

    monkeypatch.setattr(doctor, "look_for_devices", broken)
    press(asked.again)
    qtbot.waitUntil(lambda: asked.again.isEnabled())
    assert any("the search broke" in label for label in texts(asked))
    press(asked.simulators)
    assert not asked.isVisible()


def test_another_camera_can_be_chosen_later(qtbot, window, session, found):
    window.actions_by_id["devices"].trigger()
    qtbot.waitUntil(lambda: window.start.page.again.isEnabled())
    assert window.actions_by_id["live"].isEnabled(), "the simulators in use go on"
    press(window.start.page.use)
    qtbot.waitUntil(lambda: bool(window.messages.notices))
    assert "again" in window.messages.notices[-1][1].text


def test_simulators_in_use_are_shown_as_chosen_where_nothing_else_is_there(qtbot, window, session, found):
    found[0] = Found((), (), ())
    window.actions_by_id["devices"].trigger()
    page = window.start.page
    qtbot.waitUntil(page.again.isEnabled)
    assert (page.camera.currentData(), page.light.currentData()) == ("sim", "sim") and page.use.isEnabled()
    press(page.use)
    assert not page.isVisible() and not window.messages.notices


@pytest.mark.parametrize(
    ("said", "remembered", "ask", "then"),
    [
        ({}, {}, True, {}),
        ({"camera_id": "sim"}, {}, False, {"camera_id": "sim"}),
        ({"camera_id": "pylon"}, {}, True, {"camera_id": "pylon"}),
        ({}, {"camera": "pylon", "light": "COM3"}, False, {"camera_id": "pylon", "light_id": "COM3"}),
        ({"light_id": "COM4"}, {"camera": "pylon", "light": "COM3"}, False, {"camera_id": "pylon", "light_id": "COM4"}),
        ({"camera_id": "pylon", "light_id": "COM4"}, {}, False, {"camera_id": "pylon", "light_id": "COM4"}),
    ],
)
def test_who_has_said_which_devices_is_not_asked(tmp_path, monkeypatch, said, remembered, ask, then):
    kept = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    for name, value in remembered.items():
        kept.setValue(name, value)
    monkeypatch.setattr(stores, "usual_store", lambda: kept)
    tree = dict(said)
    assert must_ask(tree) is ask
    assert tree == then


def test_other_devices_open_another_window_on_them(monkeypatch):
    from app import build
    from app.gui import application
    from app.settings import Settings

    opened = []

    class Session:
        def connect(self): ...

    def make(settings):
        opened.append((settings.camera_id, settings.light_id))
        return Session()

    def run(session, *, begin, ask, chosen, goes_on):
        assert goes_on, "a window that shines nothing by itself is set as the last one was left"
        if len(opened) == 1:
            assert ask
            chosen("pylon:1", "COM3")
        else:
            assert not ask
        return 0

    monkeypatch.setattr(build, "make_session", make)
    monkeypatch.setattr(application, "run_window", run)
    assert show_window(Settings(), ask=True) == 0
    assert opened == [("sim", "sim"), ("pylon:1", "COM3")]


# --- the tour ----------------------------------------------------------------------------------------------------


def texts(widget):
    return [part.text() for part in widget.findChildren(object) if hasattr(part, "text") and callable(part.text)]


def test_the_tour_is_walked_with_enter_alone(qtbot, window, session):
    window.start.tour_once()
    tour = window.start.tour
    for index in range(len(STEPS)):
        assert tour.is_shown
        assert tour.place.text() == f"{index + 1} of 5"
        QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Return)
    assert not tour.is_shown
    assert window.viewer.hasFocus()


def test_the_tour_goes_back_and_can_be_left(qtbot, window):
    window.actions_by_id["tour"].trigger()
    tour = window.start.tour
    assert not tour.back.isEnabled()
    press(tour.next)
    press(tour.back)
    assert tour.index == 0
    press(tour.skip)
    assert not tour.is_shown


@pytest.mark.parametrize(("width", "height", "letters", "language"), [(1366, 768, 1.0, None), (1366, 768, 2.0, "de")])
def test_the_buttons_of_the_tour_stay_where_they_are(qtbot, make_window, width, height, letters, language):
    window = make_window(width, height, letters, language)
    window.start.show_tour()
    tour, places = window.start.tour, set()
    for _ in STEPS:
        settle(qtbot, window)
        places.add(tuple(place_in(window, button).getRect() for button in (tour.back, tour.skip, tour.next)))
        spot = place_in(window, tour.next).center()
        assert window.childAt(spot) is tour.next
        press(tour.next)
    assert len(places) == 1 and not tour.is_shown


@pytest.mark.parametrize("page", ["plan", "presets"])
def test_the_tour_gives_way_to_a_page(qtbot, window, page):
    window.start.show_tour()
    window.actions_by_id[page].trigger()
    assert not window.start.tour.is_shown and not window.start.tour.frame.isVisible()
    window.start.show_tour()
    assert window.start.tour.is_shown


def test_the_tour_is_shown_by_itself_only_once(qtbot, window):
    window.start.tour_once()
    window.start.end_tour()
    window.start.tour_once()
    assert not window.start.tour.is_shown
    assert window.store.flag("toured", False)


def test_keys_work_during_the_tour_and_esc_is_for_the_light_first(qtbot, window, session):
    window.start.tour_once()
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_L)
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_2)
    assert session.asked("start_live")
    assert session.asked("set_channel")
    assert window.start.tour.is_shown
    QTest.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert session.asked("all_off")
    assert not window.start.tour.is_shown


def test_a_step_unfolds_what_it_shows(qtbot, window):
    window.actions_by_id["panels"].trigger()
    assert not window.panel_area.isVisible()
    window.start.show_tour()
    assert window.panel_area.isVisible()


@pytest.mark.parametrize("letters", [1.0, 2.0])
def test_the_card_lies_over_the_picture_and_never_over_what_it_shows(qtbot, window, letters):
    THEME.set(DARK, letters)
    window.start.show_tour()
    tour = window.start.tour
    for index, step in enumerate(STEPS):
        tour.show_step(index)
        qtbot.wait(30)
        target = step.target(window)
        card = tour.card.geometry()
        assert window.rect().contains(card)
        assert not card.intersects(QRect(target.mapTo(window, QPoint(0, 0)), target.size()))
        assert not tour.frame.visibleRegion().isEmpty()
        assert tour.text.height() >= tour.text.heightForWidth(tour.text.width())
        assert tour.card.height() >= tour.card.minimumSizeHint().height()
    THEME.set(DARK, 1.0)


# --- the report --------------------------------------------------------------------------------------------------


def written(qtbot, window, folder: Path, *, tick: bool) -> zipfile.ZipFile:
    window.actions_by_id["report"].trigger()
    page = window.files.report_page
    assert not page.picture.isChecked(), "a picture goes in only if somebody wants it to"
    if tick:
        QTest.mouseClick(page.picture, Qt.MouseButton.LeftButton, pos=QPoint(8, page.picture.height() // 2))
    press(page.write)
    qtbot.waitUntil(lambda: bool(window.messages.notices))
    return zipfile.ZipFile(next(folder.glob("dapiscope-report*.zip")))


def test_a_report_holds_versions_settings_messages_and_log_but_no_picture_and_no_name(qtbot, window, tmp_path):
    window.sample.operator.setText("Ada Lovelace")
    LOG.listen()
    logging.getLogger("app.test").info("read %s/secret", Path.home())
    with written(qtbot, window, tmp_path, tick=False) as report:
        assert sorted(report.namelist()) == ["log.txt", "report.json"]
        facts = json.loads(report.read("report.json"))
        log = report.read("log.txt").decode()
    assert {"versions", "system", "state", "settings", "messages"} == set(facts)
    assert "PySide6_Essentials" in facts["versions"]
    assert "Lovelace" not in json.dumps(facts)
    assert "read ~/secret" in log
    assert str(Path.home()) not in log


def test_a_picture_goes_in_when_it_is_ticked_and_the_tick_is_not_kept(qtbot, window, tmp_path):
    with written(qtbot, window, tmp_path, tick=True) as report:
        assert report.read("picture.png").startswith(b"\x89PNG")
    window.actions_by_id["report"].trigger()
    assert not window.files.report_page.picture.isChecked()


def test_the_log_keeps_the_newest_lines():
    keeper = LogKeeper()
    for number in range(6000):
        keeper.emit(logging.LogRecord("app.x", logging.INFO, "", 0, "line %d", (number,), None))
    lines = keeper.text().splitlines()
    assert len(lines) == 5000
    assert lines[-1].endswith("line 5999")
