"""Flat fields: taken on the simulator, kept, and taken out live, in snapshots and in replays; files stay raw."""

import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tifffile
from test_session import Watcher
from typer.testing import CliRunner

import app.api
import app.batch
import app.build
import app.session_report
from app.__main__ import cli
from app.api import read_recording
from app.batch import segment_files
from app.calibration_desk import TRIES, CalibrationDesk
from app.clock import SystemClock
from app.display import Contrast, View, render
from app.errors import DapiscopeError, RecordingError, UsageError
from app.events import (
    CalibrationEnded,
    CalibrationMoved,
    FlatFieldSeen,
    LightSeen,
    Notice,
    PictureReady,
    RecordingChanged,
    ResultReady,
    State,
)
from app.flat_field import Conditions, FlatFields, Profile
from app.frame import NUCLEUS_DTYPE, Frame, Light, Segmentation, read_only
from app.gui.handle_exports import write_nuclei
from app.headless import save_overlay
from app.inference.overlay import to_8bit
from app.inference.scale import seen
from app.recording import Recorder, RunMetadata, open_replay, save_snapshot
from app.session_report import load_snapshot
from app.settings import CameraSettings, Settings
from app.shading import parse_title

SHAPE = (216, 384)


def shade(shape=SHAPE):
    y, x = np.indices(shape) / np.array(shape).reshape(2, 1, 1) - 0.5
    return np.asarray(1 - 0.5 * (x**2 + (y + 0.1) ** 2), np.float32)


def profile(conditions=None, shape=SHAPE, offset=60):
    rng = np.random.default_rng(1)
    dark = [rng.normal(offset, 2, shape).round().astype(np.uint16) for _ in range(4)]
    flat = [(rng.normal(0, 8, shape) + offset + 2000 * shade(shape)).round().astype(np.uint16) for _ in range(4)]
    return Profile.measured("405", "Mono12", 0.0, dark, flat, conditions=conditions)


def frame(pixels, shading=None, kind="Mono8"):
    return Frame(
        read_only(pixels), 3, 1.0, 2.0, 15.0, 0.0, kind, 0.1, Light("405", 0.2, True, ""), "cam", shading=shading
    )


# ---------------------------------------------------------------------- the arithmetic


def field(depth=1.0):
    """An even field of 150 grey values through the optics, with the dark signal, 8 bits."""
    return np.clip(np.rint((2400 * shade() + 60) / 16), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("scale", [1.0, 0.5, 0.31])
def test_a_picture_of_any_scale_is_even_afterwards(scale):
    size = (round(SHAPE[1] * scale), round(SHAPE[0] * scale))
    seen = cv2.resize(field(), size, interpolation=cv2.INTER_AREA)
    even = profile().whole().apply(seen, 255)
    assert even.dtype == np.uint8 and even.shape == seen.shape
    assert np.ptp(seen.astype(int)) > 30 and np.ptp(even.astype(int)) <= 5
    assert even.mean() == pytest.approx(150 * shade().mean(), rel=0.01)


def test_a_part_of_a_picture_is_corrected_as_in_the_whole():
    whole, region = profile().whole(), (100, 50, 160, 90)
    x, y, width, height = region
    seen = field()
    part = whole.apply(np.ascontiguousarray(seen[y : y + height, x : x + width]), 255, region)
    assert np.abs(part.astype(int) - whole.apply(seen, 255)[y : y + height, x : x + width]).max() <= 1
    alone = whole.part(region)
    assert alone.shape == (90, 160) and parse_title(alone.title) == ("", whole.sha256, region)
    np.testing.assert_array_equal(alone.apply(np.ascontiguousarray(seen[y : y + height, x : x + width]), 255), part)
    assert whole.part((300, 0, 100, 100)) is None


@pytest.mark.parametrize(("kind", "white"), [(np.uint8, 255), (np.uint16, 4095)])
def test_what_was_saturated_stays_so_and_nothing_else_becomes_so(kind, white):
    seen = np.full(SHAPE, int(white * 0.95), kind)
    seen[:50] = white
    even = profile().whole().apply(seen, white)
    assert (even[:50] == white).all()
    assert even[50:].max() < white * 0.995 and even.max() == white


def test_reducing_and_correcting_may_change_places():
    made, rng = profile(), np.random.default_rng(0)
    raw = np.clip(rng.normal(1, 0.05, SHAPE) * (1500 * shade() + 60), 0, 4095).astype(np.uint16)
    exact = cv2.resize(made.apply(raw), (96, 54), interpolation=cv2.INTER_AREA).astype(int)
    fast = made.whole().apply(cv2.resize(raw, (96, 54), interpolation=cv2.INTER_AREA), 4095).astype(int)
    assert np.abs(exact - fast).max() <= 4


def test_the_screen_shows_the_corrected_picture_and_says_saturation_of_the_raw_one():
    raw = field()
    raw[:4, :8] = 255
    seen = render(frame(raw, profile().whole()), View(size=(192, 108)), Contrast(0, 255))
    assert np.ptp(seen.pixels[20:].astype(int)) <= 5
    assert seen.saturated_fraction > 0 and seen.frame.pixels is not None
    np.testing.assert_array_equal(seen.frame.pixels, raw)


# ---------------------------------------------------------------------- the folder

CONDITIONS = Conditions("Basler daA3840 123/4", 20.0, 1, None, 15.0, 0.25, 16, 1.7e9)


def test_a_profile_without_its_raw_frames_is_not_in_force(tmp_path, monkeypatch):
    def refuse(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.flat_field.tifffile.imwrite", refuse)
    with pytest.raises(RecordingError, match="full"):
        FlatFields(tmp_path).keep(profile(CONDITIONS), np.zeros(SHAPE, np.float32))
    assert FlatFields(tmp_path).newest("405", CONDITIONS) is None and not list(tmp_path.rglob("*.*"))


def test_profiles_are_kept_by_camera_channel_objective_and_binning(tmp_path):
    fields = FlatFields(tmp_path)
    made = profile(CONDITIONS)
    flat = np.asarray(2000 * shade() + 60, np.float32)
    kept = fields.keep(made, flat)
    assert kept.name == "Basler-daA3840-123-4/405_20x_bin1/20231114T221320000000"
    found = fields.newest("405", CONDITIONS)
    again = fields.read(found)
    assert (again.name, again.sha256, again.conditions) == (kept.name, made.sha256, CONDITIONS)
    np.testing.assert_array_equal(again.dark, made.dark)
    assert fields.summary(found)[0] == CONDITIONS
    with tifffile.TiffFile(found.path.with_name(found.path.stem + "_raw.tif")) as tif:
        means = tif.asarray()
        assert "1/16" in tif.pages[0].description
    np.testing.assert_array_equal(means[0] / 16, made.dark)
    np.testing.assert_allclose(means[1] / 16, flat, atol=1 / 32)
    for other in (
        Conditions("another", 20.0, 1),
        Conditions(CONDITIONS.camera, 10.0, 1),
        Conditions(CONDITIONS.camera, 20.0, 2),
    ):
        assert fields.newest("405", other) is None
    assert fields.newest("488", CONDITIONS) is None
    with pytest.raises(DapiscopeError, match="again"):
        fields.keep(made, flat)


def test_a_name_from_a_file_does_not_lead_out_of_the_folder(tmp_path):
    inside = tmp_path / "in"
    for name in ("../../etc/passwd", "/etc/passwd", "", "..", "a/../../b"):
        assert FlatFields(inside).named(name).path.resolve().is_relative_to(inside.resolve())


def test_regions_within_the_flat_field_are_corrected_and_others_are_not():
    made = profile(CONDITIONS)
    assert made.shading(None, 1).shape == SHAPE
    assert made.shading((10, 20, 100, 80), 1).shape == (80, 100)
    assert made.shading((300, 20, 100, 80), 1) is None and made.shading(None, 2) is None
    binned = profile(Conditions("", 20.0, 2, (100, 100, 768, 432)))
    assert binned.shading((100, 100, 768, 432), 2).shape == SHAPE
    assert binned.shading((200, 200, 100, 80), 2).title.endswith(" 50,50,50,40")
    assert binned.shading((0, 0, 100, 80), 2) is None and binned.shading(None, 2) is None


def test_an_exported_snapshot_is_measured_as_it_was_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(app.session_report, "usual_folder", lambda: tmp_path)
    fields = FlatFields(tmp_path)
    fields.keep(profile(CONDITIONS), np.asarray(2000 * shade() + 60, np.float32))
    shading = fields.read(fields.newest("405", CONDITIONS)).whole()
    pixels = np.clip(np.rint(2000 * shade() + 60), 0, 4095).astype(np.uint16)
    labels = np.zeros(SHAPE, np.int32)
    labels[:20, :20], labels[100:120, 180:200] = 1, 2
    shot = frame(pixels, shading, "Mono12")
    result = Segmentation(shot, labels, (1.0, 1.0), np.zeros(2, NUCLEUS_DTYPE), None, 0.1, "metadata")
    path = save_snapshot(tmp_path / "shots", shot, result, RunMetadata()).image
    found = load_snapshot(path, lambda: None).found
    corner, middle = found.nuclei["mean_intensity"]
    assert pixels[:20, :20].mean() < 0.9 * pixels[100:120, 180:200].mean()
    assert corner == pytest.approx(middle, rel=0.02)
    # Pictures for people are those of the screen.
    shown = to_8bit(seen(shot, 1.0))
    assert not np.array_equal(shown, to_8bit(pixels))
    ((_, picture),) = app.session_report.report_of(path.parent).pictures
    np.testing.assert_array_equal(picture[labels == 0], np.repeat(shown[labels == 0][:, None], 3, axis=1))
    exported = CliRunner().invoke(cli, ["export", str(path), "--out", str(tmp_path / "out")])
    assert exported.exit_code == 0, exported.output
    overlay = cv2.imread(str(next((tmp_path / "out").glob("*_overlay.png"))))
    np.testing.assert_array_equal(overlay[labels == 0], np.repeat(shown[labels == 0][:, None], 3, axis=1))
    save_overlay(tmp_path / "headless.png", found)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "headless.png")), overlay)
    write_nuclei(tmp_path / "window", found, RunMetadata(), "live_export")
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "window" / "live_export_overlay.png")), overlay)


class Looking:
    """A model that finds nothing, and keeps what it was given."""

    name, sha256 = "looking", "ab" * 32
    model = SimpleNamespace(card=SimpleNamespace(input=SimpleNamespace(scale_um=0.65)))

    def __init__(self):
        self.seen = []

    def segment(self, given, *args, **more):
        self.seen.append(given)
        nothing = np.zeros(given.shape, np.int32), (1.0, 1.0), np.zeros(0, NUCLEUS_DTYPE)
        return Segmentation(given, *nothing, None, 0.1, "metadata")


@pytest.mark.parametrize("planes", [1, 2])
def test_a_batch_and_the_python_interface_see_an_own_file_as_a_replay_does(tmp_path, monkeypatch, planes):
    for module in (app.api, app.batch):
        monkeypatch.setattr(module, "usual_folder", lambda: tmp_path)
    fields = FlatFields(tmp_path)
    fields.keep(profile(CONDITIONS), np.asarray(2000 * shade() + 60, np.float32))
    shading = fields.read(fields.newest("405", CONDITIONS)).whole()
    went = Light("405", 0.2, False, "the box went dark")
    recorder = Recorder(tmp_path / "run.ome.tif", RunMetadata())
    recorder.start()
    for _ in range(planes):
        recorder.put(replace(frame(field(), shading), light=went))
    path = recorder.close().path
    with open_replay(path, find_shading=fields.find) as replay, read_recording(path) as recording:
        expected, read = replay.frame(0), recording[0]
    model = Looking()
    monkeypatch.setattr("app.images.MAX_FILE_BYTES", 1000)  # which is for what somebody else wrote
    (step,) = segment_files([path], tmp_path / "out", model)
    for seen_frame in (read, *model.seen):
        assert seen_frame.shading.title == expected.shading.title and seen_frame.light == expected.light == went
        np.testing.assert_array_equal(seen_frame.pixels, expected.pixels)
    plane = ["plane 1 of 2; the file names no channel that shows nuclei"] * (planes > 1)
    assert (step.error, step.note) == ("", "; ".join(plane))
    monkeypatch.setattr(app.batch, "usual_folder", lambda: tmp_path / "elsewhere")
    (step,) = segment_files([path], tmp_path / "out", Looking())
    assert step.note == "; ".join([*plane, "counted without its flat field, which is not on this computer"])


# ---------------------------------------------------------------------- the desk, without devices


class Bench:
    """Takes frames as `app.bench.Bench.snap` does, and remembers the light that was asked for."""

    def __init__(self, level=2000, confirmed=True):
        self.level, self.confirmed, self.asked = level, confirmed, []

    def snap(self, settings, cancelled):
        if cancelled():
            raise DapiscopeError("cancelled")
        light = settings.light
        self.asked.append((light.channel, light.intensity))
        rng = np.random.default_rng(len(self.asked))
        lit = (self.level if light.intensity else 0) * shade()
        pixels = np.clip(rng.normal(60, 2, SHAPE) + lit, 0, 4095).astype(np.uint16)
        return (
            frame(pixels, kind="Mono12")
            if self.confirmed
            else Frame(read_only(pixels), 0, 0, 0, 15.0, 0.0, "Mono12", None, Light(None, 0, False, "it flickers"))
        )


@pytest.fixture
def desk(tmp_path):
    told = []
    made = CalibrationDesk(told.append, tmp_path / "calibration", SystemClock())
    made.told = told
    made.meet("camera", Settings())
    return made


def test_dark_frames_first_and_then_one_flash_a_frame(desk):
    bench = Bench()
    made = desk.take(bench.snap, Settings(), "488", 4, lambda: False)
    assert bench.asked == [("488", 0.0)] * 4 + [("488", 0.25)] * 4
    assert made.channel == "488" and made.conditions.frames == 4
    assert made.evenness == pytest.approx(shade().min() / shade().max(), abs=0.05)
    moved = [(e.part, e.done) for e in desk.told if isinstance(e, CalibrationMoved)]
    assert moved == [("dark", n) for n in range(4)] + [("flat", n) for n in range(4)]
    assert [e.problem for e in desk.told if isinstance(e, CalibrationEnded)] == [""]


@pytest.mark.parametrize(("level", "said"), [(20, "too dark"), (8000, "saturated")])
def test_a_useless_field_is_refused_after_one_flash(desk, level, said):
    bench = Bench(level)
    with pytest.raises(UsageError, match=said):
        desk.take(bench.snap, Settings(), "405", 8, lambda: False)
    assert sum(intensity > 0 for _, intensity in bench.asked) == 1
    assert said in desk.told[-1].problem and not list(desk._folder.rglob("*.npz"))


def test_unconfirmed_light_is_no_flat_field(desk):
    bench = Bench(confirmed=False)
    with pytest.raises(DapiscopeError, match="flickers"):
        desk.take(bench.snap, Settings(), "405", 8, lambda: False)
    assert len(bench.asked) == TRIES and not list(desk._folder.rglob("*.npz"))


def test_a_frame_whose_light_was_not_confirmed_is_taken_again_and_that_is_said(desk):
    bench = Bench()

    def snap(settings, cancelled):
        bench.confirmed = len(bench.asked) not in (2, 3)
        return bench.snap(settings, cancelled)

    assert desk.take(snap, Settings(), "405", 4, lambda: False) is not None
    assert len(bench.asked) == 10
    told = [notice.text for notice in desk.told if isinstance(notice, Notice)]
    assert told == ["The dark frame 3 of 4 is taken again: its light could not be confirmed (it flickers)."] * 2


def test_cancelling_keeps_nothing_and_is_no_failure(desk):
    bench = Bench()

    def snap(settings, cancelled):
        if len(bench.asked) == 5:
            desk.cancel()
        return bench.snap(settings, cancelled)

    assert desk.take(snap, Settings(), "405", 4, lambda: False) is None
    assert "Cancelled" in desk.told[-1].problem and not list(desk._folder.rglob("*.npz"))
    desk.begin()
    assert desk.take(bench.snap, Settings(), "405", 4, lambda: False) is not None


def test_a_measured_pixel_belongs_to_camera_and_objective(desk):
    settings = Settings()
    optics = desk.measured(settings.optics, 0.1013)
    assert optics.pixel_size_um(2) == pytest.approx(0.2026)
    again = CalibrationDesk(lambda event: None, desk._folder, SystemClock())
    assert again.meet("camera", settings).optics.measured_pixel_um == 0.1013
    assert again.meet("another", settings).optics.measured_pixel_um is None
    ten = settings.optics.model_copy(update={"magnification": 10.0})
    assert again.meet("camera", settings.model_copy(update={"optics": ten})).optics.measured_pixel_um is None
    desk.measured(settings.optics, None)
    assert again.meet("camera", settings).optics.measured_pixel_um is None
    (desk._folder / "pixel-sizes.json").write_text("[1", encoding="utf-8")
    assert again.meet("camera", settings).optics.measured_pixel_um is None


# ---------------------------------------------------------------------- the whole microscope

SMALL = CameraSettings(roi=(0, 0, 960, 540), fps=15, exposure_ms=5)


@pytest.fixture
def microscope(tmp_path, monkeypatch):
    monkeypatch.setattr(app.build, "usual_folder", lambda: tmp_path / "calibration")
    made = []

    def make(**more):
        session = app.build.make_session(Settings(camera=SMALL, **more))
        made.append(session)
        return session, Watcher(session)

    yield make
    for session in made:
        assert session.close()


def corner_over_middle(pixels):
    """Light in the darkest corner over that in the middle."""
    return float(pixels[:40, :40].mean() / pixels[240:300, 440:520].mean())


def test_a_flat_field_is_taken_and_taken_out_live_while_files_stay_raw(microscope, tmp_path):
    session, watch = microscope(seed=0)
    session.start_live().result(30)
    watch.wait_for(PictureReady, 2)
    box = session._parts.light.__self__._box
    session.calibrate("405", 4).result(30)
    ended = watch.wait_for(CalibrationEnded)
    assert not ended.problem and ended.name.startswith("simulated-") and 0.5 < ended.evenness < 0.95
    # Between live imaging and live imaging: dark, and then one flash for each flat frame.
    flashes = [any(levels) for _, levels in box.changes_between(0, time.monotonic())]
    assert flashes.count(True) >= 5
    assert session.state is State.LIVE and session.settings.flat_field
    told = watch.of(FlatFieldSeen)[-1]
    assert told.on and list(told.channels) == ["405"] and told.channels["405"].reaches
    session.start_recording(tmp_path / "run").result(30)
    watch.wait(lambda: len(watch.of(RecordingChanged)) > 1 and session.last_frame.shading is not None)
    watch.wait_for(PictureReady, len(watch.of(PictureReady)) + 4)
    picture = watch.of(PictureReady)[-1].picture
    assert picture.frame.shading.name == ended.name
    raw = corner_over_middle(picture.frame.pixels.astype(float))
    session.stop_recording().result(30)
    snapped = session.snap(True, tmp_path / "snaps").result(30)
    session.stop_live().result(30)
    even = seen(snapped.frame, 1.0)
    overlay = cv2.imread(str(snapped.files["overlay"]))
    free = np.ptp(overlay, axis=-1) == 0
    np.testing.assert_array_equal(overlay[free][:, 0], to_8bit(even)[free])
    assert raw < 0.92 and corner_over_middle(even) == pytest.approx(1, abs=0.03)
    # The files: raw pixels, and the profile's name and hash with every frame.
    image = tifffile.imread(snapped.files["image"])
    np.testing.assert_array_equal(image, snapped.frame.pixels)
    with tifffile.TiffFile(snapped.files["image"]) as tif:
        assert f"{ended.name} {snapped.frame.shading.sha256}" in tif.ome_metadata
    recorded = next((tmp_path / "run").glob("*.tif"))
    assert corner_over_middle(tifffile.imread(recorded)[-1].astype(float)) == pytest.approx(raw, abs=0.03)
    with open_replay(recorded) as replay:
        title = replay._sequence.flat_field_of(replay.length - 1)
    assert parse_title(title)[:2] == (ended.name, snapped.frame.shading.sha256)
    # A plan's frames carry it as well, and off is off.
    session.set_flat_field(False).result(30)
    assert session.snap(False, tmp_path / "snaps").result(30).frame.shading is None
    assert not any(levels for levels in box.levels_at(time.monotonic()))


def test_a_replay_takes_out_what_the_live_run_did(microscope, tmp_path):
    flat, _ = microscope(seed=0)
    flat.calibrate("405", 4).result(30)
    flat.close()
    session, watch = microscope(flat_field=True)
    session.start_live(record_to=tmp_path / "run").result(30)
    watch.wait(lambda: sum(not r.segmentation.flags for r in watch.of(ResultReady)) >= 6)
    session.stop_live().result(30)
    live = {r.segmentation.frame.index: r.segmentation for r in watch.of(ResultReady)}
    assert all(found.frame.shading is not None for found in live.values())
    del watch.events[:]
    session.open_replay(next((tmp_path / "run").glob("*.tif")), hold=False, speed=None).result(30)
    assert session.finished.wait(30)
    session.close_replay().result(30)
    replayed = {r.segmentation.frame.index: r.segmentation for r in watch.of(ResultReady)}
    assert len(live) >= 6 and set(live) <= set(replayed)
    for index, found in live.items():
        np.testing.assert_array_equal(found.labels, replayed[index].labels)
        assert found.nuclei.tobytes() == replayed[index].nuclei.tobytes()
    # Without the profile it is said, and played as it is.
    for path in (tmp_path / "calibration").rglob("*.npz"):
        path.unlink()
    other, heard = microscope()
    other.open_replay(next((tmp_path / "run").glob("*.tif")), hold=False, speed=None).result(30)
    assert other.finished.wait(30)
    told = [notice.text for notice in heard.of(Notice) if "flat field" in notice.text]
    assert len(told) == 1 and "not on this computer" in told[0]
    assert all(r.segmentation.frame.shading is None for r in heard.of(ResultReady))


def test_a_damaged_profile_is_told_and_live_goes_on_without(microscope, tmp_path):
    flat, _ = microscope(seed=0)
    flat.calibrate("405", 2).result(30)
    flat.close()
    path = next((tmp_path / "calibration").rglob("*.npz"))
    path.write_bytes(path.read_bytes()[:-2000])
    session, watch = microscope(flat_field=True)
    session.start_live().result(30)
    watch.wait_for(PictureReady, 3)
    assert session.last_frame.shading is None
    assert any("take a new one" in notice.text for notice in watch.of(Notice))


def test_all_lights_off_ends_a_calibration(microscope):
    session, watch = microscope(seed=0)
    session.connect().result(30)
    session.calibrate("405", 200)
    watch.wait(lambda: any(moved.part == "flat" for moved in watch.of(CalibrationMoved)))
    session.all_off().result(30)
    ended = watch.wait_for(CalibrationEnded)
    assert ended.problem.startswith("Cancelled")
    watch.wait(lambda: session.state is State.IDLE)
    assert watch.of(LightSeen)[-1].channel is None


def test_no_recording_waits_behind_a_flat_field(microscope, tmp_path):
    session, watch = microscope(seed=0)
    session.connect().result(30)
    taking = session.calibrate("405", 200)
    with pytest.raises(DapiscopeError, match="flat field"):
        session.start_recording(tmp_path).result(30)
    assert "start the recording" in watch.of(Notice)[-1].text
    watch.wait_for(CalibrationMoved)
    session.cancel_calibration()
    taking.result(30)
    assert session.state is State.IDLE, "nothing shines that nobody sees coming"
    assert watch.of(LightSeen)[-1].channel is None
    session.start_recording(tmp_path).result(30)
    assert watch.wait_for(RecordingChanged).active


def test_a_calibration_without_confirmed_light_ends_itself_and_not_the_session(microscope, monkeypatch):
    session, watch = microscope(seed=0)
    session.connect().result(30)
    take = session._bench.snap
    flickers = Light("405", 0.25, False, "it flickers")
    monkeypatch.setattr(session._bench, "snap", lambda *asked: replace(take(*asked), light=flickers))
    with pytest.raises(DapiscopeError, match="take the flat field again"):
        session.calibrate("405", 2).result(30)
    assert session.state is State.IDLE
    assert "it flickers" in watch.wait_for(CalibrationEnded).problem
    assert watch.of(LightSeen)[-1].channel is None


def test_eight_bits_leave_no_rings_in_an_even_field():
    shape = (1080, 1920)
    made = Profile.measured(
        "405", "Mono12", 0.0, [np.full(shape, 60.0)], [np.asarray(60 + 1000 * shade(shape), np.float32)]
    )
    noise = np.random.default_rng(3).normal(0, 1.1, shape)
    raw = np.clip(np.rint((60 + 800 * shade(shape)) / 16 + noise), 0, 255).astype(np.uint8)
    shown = render(frame(raw, made.whole()), View(size=(480, 270)), Contrast(0, 255)).pixels
    counted = seen(frame(raw, made.whole()), 0.25)
    for picture in (shown, counted):
        smooth = cv2.blur(picture.astype(np.float32), (9, 9))[8:-8, 8:-8]
        assert picture.dtype == np.uint8 and picture.shape == (270, 480)
        assert np.ptp(smooth) < 1.0, "rounded values follow one another in rings"
