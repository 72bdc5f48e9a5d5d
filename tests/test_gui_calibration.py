"""Flat field and pixel size in the window: taken, given up, switched, measured, used, said on the picture."""

# ruff: noqa: F401, F811 - fixtures are found by their names

from dataclasses import replace

import numpy as np
import pytest
import tifffile
from gui_fake_session import FakeSession, make_frame
from gui_window import session, shown, window
from PySide6.QtCore import QPoint, QSettings, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QInputDialog, QPushButton

import app.build
from app.display import Contrast
from app.events import (
    CalibrationEnded,
    CalibrationMoved,
    FlatFieldSeen,
    FlatFieldState,
    ReplayMoved,
    ScaleMissing,
    State,
    StateChanged,
)
from app.frame import Light, read_only
from app.gui.main_window import MainWindow
from app.gui.store import WindowStore
from app.gui.theme import DARK, THEME
from app.settings import CameraSettings, OpticsSettings, SegmentationSettings, Settings

KEPT = FlatFieldState("cam/405_20x_bin1/x", 1.7e9, 0.62, 15.0, 0.0, True)


def click(widget):
    assert widget.isVisible() and widget.isEnabled()
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, pos=QPoint(min(12, widget.width() // 2), widget.height() // 2))


def lines(period_px, shape=(480, 640)):
    """Return an image of a stage micrometer: dark lines, so many pixels apart."""
    x = np.broadcast_to(np.arange(shape[1]), shape)
    return read_only(np.where(x % period_px < 5, 60, 200).astype(np.uint8))


def texts(window):
    return [badge.text for badge in window.viewer.badges]


@pytest.fixture
def page(qtbot, window, session):
    session.ready()
    qtbot.waitUntil(window.isActiveWindow)
    QTest.keySequence(window, QKeySequence("Ctrl+F"))
    made = window.calibration.page
    assert made is not None and made.isVisible()
    return made


# ---------------------------------------------------------------------- flat field


def test_a_flat_field_is_asked_for_watched_and_kept(qtbot, window, session, page):
    page.channel.setCurrentText("488")
    page.frames.setValue(5)
    click(page.take)
    assert session.asked("calibrate") == [("488", 5)]
    session.publish(StateChanged(State.SNAPPING), CalibrationMoved("488", "flat", 2, 5))
    qtbot.waitUntil(page.bar.isVisible)
    assert (page.bar.value(), page.bar.maximum()) == (7, 10) and page.result.text() == "flat, 488 nm: 3 / 5"
    assert not page.take.isEnabled() and page.cancel.isVisible()
    assert any("TAKING A FLAT FIELD" in text for text in texts(window))
    session.publish(
        CalibrationEnded("488", "", "n", 0.62),
        StateChanged(State.IDLE),
        FlatFieldSeen(True, {"488": KEPT}, "cam"),
    )
    qtbot.waitUntil(lambda: "62 %" in page.result.text())
    assert page.take.isEnabled() and not page.bar.isVisible() and not page.cancel.isVisible()
    assert page.on.isChecked() and window.actions_by_id["flat_field"].isChecked()
    assert window.store.flag("flat_field", False)
    assert "62 %" in page.states["488"].text() and "no flat field yet" in page.states["405"].text()


def test_giving_it_up_is_asked_once_and_told(qtbot, window, session, page):
    click(page.take)
    session.publish(StateChanged(State.SNAPPING), CalibrationMoved("405", "dark", 0, 16))
    qtbot.waitUntil(page.cancel.isVisible)
    click(page.cancel)
    assert session.asked("cancel_calibration") == [()] and not page.cancel.isEnabled()
    session.publish(CalibrationEnded("405", "Cancelled; nothing was kept."), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: "nothing was kept" in page.result.text())
    assert page.take.isEnabled() and not window.store.flag("flat_field", False)
    # The next one can be given up as well.
    session.publish(StateChanged(State.SNAPPING), CalibrationMoved("405", "dark", 0, 16))
    qtbot.waitUntil(page.cancel.isVisible)
    assert page.cancel.isEnabled()


def test_a_failure_of_something_else_leaves_no_page_that_waits_for_ever(qtbot, window, session, page):
    session.publish(StateChanged(State.SNAPPING), CalibrationMoved("405", "dark", 3, 16))
    qtbot.waitUntil(page.cancel.isVisible)
    session.publish(StateChanged(State.FAILED, "The camera was unplugged."))
    qtbot.waitUntil(lambda: not page.cancel.isVisible())
    assert not page.take.isEnabled()
    session.publish(StateChanged(State.IDLE))
    qtbot.waitUntil(page.take.isEnabled)


def test_the_end_is_told_where_the_page_was_closed_meanwhile(qtbot, window, session, page):
    page.hide()
    session.publish(CalibrationEnded("405", "", "n", 0.5))
    qtbot.waitUntil(lambda: any("50 %" in notice.text for _, notice in window.messages.notices))


@pytest.mark.parametrize("by", ["box", "key", "toolbar"])
def test_correction_is_switched_and_shows_what_the_session_says(qtbot, window, session, page, by):
    action = window.actions_by_id["flat_field"]
    press = {
        "box": lambda: click(page.on),
        "key": lambda: QTest.keySequence(window, QKeySequence("Shift+F")),
        "toolbar": action.trigger,
    }[by]
    press()
    assert session.asked("set_flat_field") == [(True,)]
    assert not page.on.isChecked() and not action.isChecked()  # it says what is, not what was asked for
    session.publish(FlatFieldSeen(True, {"405": KEPT}, "cam"))
    qtbot.waitUntil(page.on.isChecked)
    assert action.isChecked()
    press()
    assert session.asked("set_flat_field") == [(True,), (False,)]
    session.publish(FlatFieldSeen(False, {"405": KEPT}, "cam"))
    qtbot.waitUntil(lambda: not page.on.isChecked())
    assert not action.isChecked() and not window.store.flag("flat_field", True)


def test_the_picture_says_whether_it_was_corrected(qtbot, window, session):
    session.ready()
    session.go_live()
    shown(qtbot, window, session, make_frame(1))
    assert not any("flat field" in text.lower() for text in texts(window))
    session.publish(FlatFieldSeen(True, {"488": KEPT}, "cam"))
    qtbot.waitUntil(lambda: "no flat field for 405 nm" in texts(window))
    session.publish(FlatFieldSeen(True, {"405": replace(KEPT, reaches=False)}, "cam"))
    qtbot.wait(5)
    assert "no flat field for 405 nm" in texts(window)

    class Taken:
        shape = (480, 640)

        def apply(self, pixels, white, region=None, *, steps=1):
            return pixels if steps == 1 else (pixels // steps).astype(np.uint8)

    shown(qtbot, window, session, replace(make_frame(2), shading=Taken()))
    qtbot.waitUntil(lambda: "FLAT FIELD" in texts(window))


def test_before_the_camera_is_open_nobody_knows_of_its_flat_fields(qtbot, window, session, page):
    assert "once the camera is open" in page.states["405"].text()
    session.publish(FlatFieldSeen(False, {}, "cam"))
    qtbot.waitUntil(lambda: "no flat field yet" in page.states["405"].text())


def test_the_choice_outlives_the_window(qtbot, tmp_path):
    store = WindowStore(QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat))
    store.put({"flat_field": True})
    session = FakeSession()
    window = MainWindow(session, store)
    assert session.asked("set_flat_field") == [(True,)]
    window.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: window.closing.done, timeout=10_000)
    window.deleteLater()


@pytest.mark.parametrize("letters", [1.0, 2.0])
def test_progress_and_results_are_brought_into_view(qtbot, window, session, page, letters):
    THEME.set(DARK, letters)
    page.appear()
    qtbot.wait(20)
    assert window.page.rect().contains(page.geometry())
    session.publish(StateChanged(State.SNAPPING), CalibrationMoved("405", "dark", 0, 16))
    qtbot.waitUntil(lambda: in_view(page, page.bar) and in_view(page, page.cancel))
    session.publish(CalibrationEnded("405", "The flat field is too dark: raise the light."), StateChanged(State.IDLE))
    qtbot.waitUntil(lambda: "too dark" in page.result.text() and in_view(page, page.result))
    shown(qtbot, window, session, replace(make_frame(3), pixels=lines(40)))
    page.measure.click()
    qtbot.waitUntil(lambda: "µm per pixel, good" in page.found.text() and in_view(page, page.found))


def in_view(page, widget):
    area = page._area.viewport()
    top = widget.mapTo(area, QPoint(0, 0)).y()
    return widget.isVisible() and top >= 0 and top + min(widget.height(), area.height()) <= area.height() + 1


# ---------------------------------------------------------------------- pixel size


def measured(qtbot, page, division_um=10.0):
    page.division.setValue(division_um)
    click(page.measure)
    qtbot.waitUntil(page.use.isVisible)


def test_the_microscope_s_own_pixel_is_measured_and_used(qtbot, window, session, page):
    session.go_live()
    shown(qtbot, window, session, replace(make_frame(1), pixels=lines(80)))
    measured(qtbot, page)
    assert "0.1250 µm per pixel" in page.found.text() and "25.0 % more than objective" in page.found.text()
    click(page.use)
    assert session.asked("set_measured_pixel") == [(pytest.approx(0.125, rel=2e-3),)]
    assert "kept for this camera and objective" in page.found.text() and not page.use.isVisible()
    session.settings = session.settings.model_copy(update={"optics": OpticsSettings(measured_pixel_um=0.125)})
    session.publish(FlatFieldSeen(False, {}, "cam"))
    qtbot.waitUntil(page.forget.isVisible)
    assert "measured on a stage micrometer" in page.scale.text() and "0.1250" in window.camera.scale.text()
    click(page.forget)
    assert session.asked("set_measured_pixel")[-1] == (None,)


def test_binning_is_that_of_the_picture_and_not_of_the_present_setting(qtbot, window, session, page):
    session.settings = session.settings.model_copy(update={"camera": CameraSettings(binning=4)})
    # Taken while binning was 2: its pixel is 0.2 µm by the optics.
    shown(qtbot, window, session, replace(make_frame(1, pixel_size_um=0.2), pixels=lines(50)))
    measured(qtbot, page)
    assert "0.0 %" in page.found.text()
    click(page.use)
    assert session.asked("set_measured_pixel") == [(pytest.approx(0.1, rel=2e-3),)]


def test_a_size_that_was_given_makes_way_for_the_measured_one(qtbot, window, session, page):
    given = session.settings.model_copy(update={"segmentation": SegmentationSettings(pixel_size_um=0.5)})
    session.settings = given
    shown(qtbot, window, session, replace(make_frame(1), pixels=lines(80)))
    measured(qtbot, page)
    click(page.use)
    assert session.asked("set_pixel_size") == [(None,)] and len(session.asked("set_measured_pixel")) == 1
    assert window.segmentation.scale.currentIndex() == 0


def test_a_given_size_that_followed_the_binning_is_shown(qtbot, window, session):
    given = SegmentationSettings(pixel_size_um=0.5)
    session.settings = session.settings.model_copy(update={"segmentation": given})
    session.publish(FlatFieldSeen(False, {}, "cam"))
    qtbot.waitUntil(lambda: window.segmentation.micrometres.value() == 0.5)
    assert window.segmentation.scale.currentData() == "given" and "0.5000" in window.camera.scale.text()


def test_a_file_s_pixel_is_measured_and_used_for_the_file_alone(qtbot, window, session, page):
    session.publish(StateChanged(State.REPLAYING))
    frame = replace(make_frame(0, source="/data/scale.png", name="scale.png", pixel_size_um=None), pixels=lines(20))
    shown(qtbot, window, session, frame)
    measured(qtbot, page)
    assert "scale.png" in page.found.text()
    click(page.use)
    assert session.asked("set_pixel_size") == [(pytest.approx(0.5, rel=2e-3),)]
    assert session.asked("set_measured_pixel") == []
    # The panel says what is in force now.
    assert window.segmentation.scale.currentData() == "given"
    assert window.segmentation.micrometres.value() == pytest.approx(0.5, rel=2e-3)


def test_what_was_measured_on_one_file_is_not_taken_for_another(qtbot, window, session, page):
    session.publish(StateChanged(State.REPLAYING))
    first = replace(make_frame(0, source="/data/a.png", name="a.png", pixel_size_um=None), pixels=lines(20))
    shown(qtbot, window, session, first)
    measured(qtbot, page)
    shown(qtbot, window, session, make_frame(1, source="/data/b.png", name="b.png", pixel_size_um=None))
    click(page.use)
    assert session.asked("set_pixel_size") == [] and "no longer open" in page.found.text()
    # Nor for the microscope.
    shown(qtbot, window, session, first)
    measured(qtbot, page)
    session.publish(StateChanged(State.IDLE))
    live = shown(qtbot, window, session, make_frame(2))
    assert not live.name
    click(page.use)
    assert session.asked("set_measured_pixel") == [] and "no longer open" in page.found.text()


def test_a_file_without_a_scale_is_asked_for_it_once(qtbot, window, session, tmp_path):
    path = tmp_path / "field.png"
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(path, 1, 1, False, 1.0), ScaleMissing(path))
    qtbot.waitUntil(lambda: bool(window.toasts.findChildren(QPushButton)))
    assert any("field.png" in n.text and "not fit to use" in n.text for _, n in window.messages.notices)
    (give,) = (button for button in window.toasts.findChildren(QPushButton) if button.text() == "Give")
    click(give)
    (dialog,) = window.findChildren(QInputDialog)
    dialog.setDoubleValue(0.325)
    dialog.accept()
    assert session.asked("set_pixel_size") == [(0.325,)]
    assert window.segmentation.micrometres.value() == 0.325
    # Not for another file that was opened meanwhile.
    window.calibration.ask_size(tmp_path / "other.png")
    window.findChildren(QInputDialog)[-1].accept()
    assert len(session.asked("set_pixel_size")) == 1
    assert "no longer open" in window.messages.notices[-1][1].text


def test_what_is_no_micrometer_is_said(qtbot, window, session, page):
    click(page.measure)
    assert "no picture yet" in page.found.text()
    shown(qtbot, window, session, make_frame())
    click(page.measure)
    qtbot.waitUntil(lambda: "lines" in page.found.text().lower() and page.measure.isEnabled())
    assert not page.use.isVisible()


# ---------------------------------------------------------------------- on the simulators


@pytest.fixture
def microscope(qtbot, tmp_path, monkeypatch):
    monkeypatch.setattr(app.build, "usual_folder", lambda: tmp_path / "calibration")
    settings = Settings(camera=CameraSettings(roi=(0, 0, 640, 480), fps=10, exposure_ms=5), seed=0)
    session = app.build.make_session(settings)
    window = MainWindow(session, WindowStore(QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat)))
    window.folder = tmp_path / "files"
    window.resize(1366, 768)
    window.show()
    qtbot.waitExposed(window)
    yield window
    window.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: window.closing.done, timeout=20_000)
    window.deleteLater()
    qtbot.wait(1)


def test_from_the_slide_to_the_corrected_picture_and_from_a_file_to_its_scale(qtbot, microscope, tmp_path):
    window, session = microscope, microscope.session
    QTest.keySequence(window, QKeySequence("L"))
    qtbot.waitUntil(lambda: session.state is State.LIVE and window.viewer.frame is not None, timeout=20_000)
    QTest.keySequence(window, QKeySequence("Ctrl+F"))
    page = window.calibration.page
    qtbot.waitUntil(lambda: "no flat field yet" in page.states["405"].text())
    # Given up first: nothing is kept, and live goes on.
    page.frames.setValue(200)
    click(page.take)
    qtbot.waitUntil(lambda: page.cancel.isVisible() and page.bar.value() > 1, timeout=20_000)
    click(page.cancel)
    qtbot.waitUntil(lambda: "nothing was kept" in page.result.text(), timeout=20_000)
    qtbot.waitUntil(lambda: session.state is State.LIVE, timeout=20_000)
    assert not list((tmp_path / "calibration").rglob("*.npz")) and "FLAT FIELD" not in texts(window)
    page.frames.setValue(3)
    click(page.take)
    qtbot.waitUntil(lambda: "kept" in page.result.text() and "taken" in page.states["405"].text(), timeout=20_000)
    assert len(list((tmp_path / "calibration").rglob("*.npz"))) == 1 and page.on.isChecked()
    qtbot.waitUntil(lambda: session.state is State.LIVE and "FLAT FIELD" in texts(window), timeout=20_000)
    click(page.on)
    qtbot.waitUntil(lambda: "FLAT FIELD" not in texts(window) and not page.on.isChecked(), timeout=20_000)
    # A file without a scale; what is measured is remembered for it, and is not the microscope's.
    picture = tmp_path / "micrometer.tif"
    tifffile.imwrite(picture, np.asarray(lines(32)), photometric="minisblack")
    window.files.open_path(str(picture))
    qtbot.waitUntil(lambda: window.viewer.frame.source == str(picture), timeout=20_000)
    qtbot.waitUntil(lambda: any(button.text() == "Give" for button in window.toasts.findChildren(QPushButton)))
    measured(qtbot, page)
    click(page.use)
    assert session.settings.segmentation.pixel_size_um == pytest.approx(10 / 32, rel=5e-3)
    session.close_replay().result(20)
    qtbot.waitUntil(lambda: session.state is State.IDLE, timeout=20_000)
    assert session.settings.segmentation.pixel_size_um is None
    qtbot.waitUntil(lambda: window.segmentation.scale.currentIndex() == 0)
    window.files.open_path(str(picture))
    qtbot.waitUntil(lambda: any("as you said last time" in n.text for _, n in window.messages.notices), timeout=20_000)


# ---------------------------------------------------------------------- contrast


def test_contrast_is_remembered_for_each_channel_and_over_a_restart(qtbot, window, session):
    session.ready()
    session.go_live()
    shown(qtbot, window, session, make_frame(1))
    window.histogram.contrast_asked.emit(Contrast(32, 128))
    assert session.contrast == Contrast(32, 128)
    window.light.channel_asked.emit("488")
    session.selected_channel = "488"
    window.view.apply_contrast("488")
    window.histogram.contrast_asked.emit(Contrast(64, 256))
    assert session.contrast == Contrast(64, 256)
    session.selected_channel = "405"
    window.light.channel_asked.emit("405")
    assert session.contrast == Contrast(32, 128)
    window.remember()
    session.calls.clear()
    again = FakeSession()
    other = MainWindow(again, window.store)
    assert again.contrast == Contrast(32, 128)
    other.light.channel_asked.emit("488")
    assert again.contrast == Contrast(64, 256)
    other.closing.begin(unattended=True)
    qtbot.waitUntil(lambda: other.closing.done, timeout=10_000)
    other.deleteLater()


def test_a_plan_s_frames_have_the_contrast_of_their_own_channel(qtbot, window, session):
    window.view.contrasts.fix("633", 0.25, 0.5)
    session.publish(StateChanged(State.PLAN))
    shown(qtbot, window, session, make_frame(1, light=Light("633", 0.25, True, "")))
    qtbot.waitUntil(lambda: session.contrast == Contrast(64, 128))
