"""The Python interface, and its examples as they stand in the repository."""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

import app.api
from app.api import open_microscope, read_recording, segment
from app.calibration_desk import CalibrationDesk, camera_key
from app.clock import SystemClock
from app.errors import BadImageError, CameraError, UsageError
from app.recording import open_replay
from app.settings import CameraSettings, Settings
from app.shading import parse_title

EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = Settings(camera=CameraSettings(roi=(0, 0, 960, 540)))


def example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def microscope(monkeypatch):
    monkeypatch.setattr("app.bench.SILENCE_S", 20.0)  # a busy machine may be late: here that is no silent camera
    with open_microscope(settings=SMALL) as opened:
        yield opened


def test_a_snapshot_has_its_light_confirmed(microscope):
    frame = microscope.snap("488", exposure_ms=12, intensity=0.5, gain_db=6)
    assert frame.shape == (540, 960) and frame.pixel_format == "Mono12"
    assert (frame.light.channel, frame.light.confirmed) == ("488", True)
    assert (frame.exposure_ms, frame.gain_db, frame.pixel_size_um) == (12, 6, pytest.approx(0.1))
    dark = microscope.snap(intensity=0)
    assert dark.light.channel is None and dark.pixels.mean() < frame.pixels.mean()
    assert "simul" in microscope.camera and "simul" in microscope.light


def test_what_was_calibrated_on_this_microscope_holds_here_too(tmp_path, monkeypatch):
    monkeypatch.setattr(app.api, "usual_folder", lambda: tmp_path / "calibration")
    slide = Settings(camera=CameraSettings(roi=(0, 0, 960, 540), exposure_ms=5), seed=0)
    with open_microscope(settings=slide) as opened:
        desk = CalibrationDesk(lambda event: None, tmp_path / "calibration", SystemClock())
        desk.meet(camera_key(opened._bench.need_camera().info), slide)
        desk.take(opened._bench.snap, slide, "405", 2, lambda: False)
        desk.measured(slide.optics, 0.125)
        assert opened.snap("405").pixel_size_um == pytest.approx(0.1)  # of what was known when it was opened
    with open_microscope(settings=slide.model_copy(update={"flat_field": True})) as opened:
        frame = opened.snap("405")
        assert frame.pixel_size_um == 0.125 and frame.shading is not None
        assert opened.snap("488").shading is None
        result = opened.run_plan({"channels": ["405"]}, tmp_path, model=None)
    with read_recording(result.path) as recording:
        assert recording.info.pixel_size_um == pytest.approx(0.125)
        assert parse_title(recording._replay._sequence.flat_field_of(0))[0] == frame.shading.name


def test_what_cannot_be_asked_for_is_said(microscope):
    with pytest.raises(UsageError, match="no channel"):
        microscope.snap("700")
    with pytest.raises(UsageError, match="intensity"):
        microscope.snap(intensity=2)
    with pytest.raises(UsageError, match="stage"):
        microscope.run_plan({"stage_positions": [(1, 2, 3), (4, 5, 6)]}, "unused")


def test_a_plan_can_be_stopped_from_what_it_tells(microscope, tmp_path):
    def tell(at):
        if at.taken == 2:
            microscope.stop()

    sequence = {"channels": ["405"], "time_plan": {"interval": 0, "loops": 9}}
    result = microscope.run_plan(sequence, tmp_path, told=tell)
    assert (result.taken, result.complete) == (2, False)
    microscope.stop()  # nothing runs: nothing happens
    with read_recording(result.path) as recording:
        assert len(recording) == 2 and recording[-1].index == 1
        assert recording.info.meta["complete"] == "false"
        with pytest.raises(IndexError):
            recording[2]


def test_a_missing_part_leaves_nothing_open():
    with pytest.raises(UsageError):
        open_microscope(camera="webcam")
    with pytest.raises(Exception, match="socket"):
        open_microscope(light="socket://127.0.0.1:9")


def test_a_closed_microscope_opens_again(microscope):
    microscope.close()
    with pytest.raises(CameraError):
        microscope.snap("405", exposure_ms=5, intensity=0.5)
    microscope.open()
    frame = microscope.snap("405", exposure_ms=5, intensity=0.5)
    assert frame.light.confirmed and frame.light.channel == "405"
    microscope.open()  # it is
    assert microscope.snap("405", exposure_ms=5).light.confirmed


def test_arrays_are_segmented():
    image = np.full((120, 160), 20, np.uint8)
    for x in (40, 80, 120):
        cv2.circle(image, (x, 60), 10, 150, -1)
    found = segment(cv2.GaussianBlur(image, (0, 0), 1), pixel_size_um=0.65, model="fast")
    assert found.count == 3 and found.labels.shape == image.shape
    deep = segment(image.astype(np.uint16) * 16, pixel_size_um=0.65, model="fast")
    assert deep.frame.pixel_format == "Mono12"
    for wrong in (image.astype(float), image[None], np.zeros((0, 3), np.uint8), "image"):
        with pytest.raises(BadImageError):
            segment(wrong)


def test_example_snap_and_count(tmp_path, capsys):
    count = example("snap_and_count").main(tmp_path)
    assert count > 20
    assert f"{count} nuclei" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} >= {"snapshot.ome.tif", "snapshot_nuclei.csv"}
    with open_replay(tmp_path / "snapshot.ome.tif") as replay:
        assert replay.info.meta["model"] in ("accurate", "fast") and len(replay.info.meta["model sha256"]) == 64


def test_examples_time_lapse_and_count_a_recording(tmp_path, capsys):
    frames = example("time_lapse").main(tmp_path)
    assert [channel for channel, _ in frames] == ["633", "532", "488", "405"] * 3
    counts = example("count_a_recording").main(tmp_path / "plan.ome.tif")
    assert len(counts) == 3  # those at 405 nm: the others show no nuclei
    assert "12 of 12" in capsys.readouterr().out


@pytest.mark.parametrize("size", ["foo", True, -1.0, float("nan")])
def test_a_pixel_size_that_is_none_is_refused(size):
    with pytest.raises(UsageError):
        segment(np.zeros((64, 64), np.uint8), pixel_size_um=size, model="fast")
