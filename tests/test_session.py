"""The session over the simulators: modes, order of light and camera, failures."""

import errno
import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile

import app.build
from app.desks import check_rate
from app.display import View
from app.errors import CameraError, CameraGoneError, DapiscopeError, RefusedError, UsageError
from app.events import (
    CameraReady,
    LightReady,
    LightSeen,
    ModelReady,
    Notice,
    PictureReady,
    RecordingChanged,
    ReplayMoved,
    ResultReady,
    SnapTaken,
    State,
    StateChanged,
    Stats,
    StatsReady,
)
from app.hardware.base import CameraStats
from app.hardware.simulated import SimulatedCamera
from app.headless import RunLog
from app.recording import open_replay
from app.recording.store import FrameStore
from app.settings import CameraSettings, Settings
from app.stream import Stream

SMALL = CameraSettings(roi=(0, 0, 1280, 720), fps=15, exposure_ms=10)


class Watcher:
    """Collects events and waits for them."""

    def __init__(self, session):
        self.events = []
        self.changed = threading.Condition()
        session.subscribe(self.take)

    def take(self, event):
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def of(self, kind):
        with self.changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, condition, timeout_s=20.0):
        with self.changed:
            assert self.changed.wait_for(condition, timeout_s), [
                e for e in self.events if isinstance(e, StateChanged | Notice)
            ]

    def wait_for(self, kind, count=1):
        self.wait(lambda: len(self.of(kind)) >= count)
        return self.of(kind)[count - 1]


class Bench:
    def __init__(self, settings, clock=None):
        self.session = app.build.make_session(settings, clock)
        self.watch = Watcher(self.session)

    @property
    def parts(self):
        return self.session._parts.light.__self__

    def lit(self):
        box = self.parts._box
        return None if box is None else box.levels_at(time.monotonic())

    @property
    def states(self):
        return [event.state for event in self.watch.of(StateChanged)]


@pytest.fixture
def bench():
    made = Bench(Settings(camera=SMALL))
    yield made
    assert made.session.close()
    assert made.lit() is None or not any(made.lit())


def test_connect_opens_everything_and_lights_nothing(bench):
    bench.session.connect().result(20)
    bench.watch.wait_for(LightReady)
    ready = bench.watch.wait_for(CameraReady)
    model = bench.watch.wait_for(ModelReady)
    assert ready.settings.exposure_ms == pytest.approx(10)
    assert model.name == "fast"
    assert bench.session.simulated == ("camera", "light")
    assert not any(bench.lit())


def test_live_shows_and_counts_frames_whose_light_was_confirmed(bench):
    bench.session.start_live().result(20)
    assert bench.session.state is State.LIVE
    assert bench.lit()[0] == pytest.approx(0.25, abs=0.01)
    bench.watch.wait_for(PictureReady, 3)
    result = bench.watch.wait_for(ResultReady, 2)
    light = result.segmentation.frame.light
    assert (light.channel, light.confirmed) == ("405", True)
    assert result.segmentation.scale_source == "metadata"
    assert result.segmentation.count > 0
    bench.session.stop_live().result(20)
    assert bench.session.state is State.IDLE
    assert not any(bench.lit())
    assert bench.states == [State.STARTING, State.LIVE, State.STOPPING, State.IDLE]
    stats = bench.session.stats()
    assert stats.grabbed > 0
    assert stats.lost_camera == 0


def test_frames_of_other_channels_and_of_darkness_are_shown_but_not_counted(bench):
    bench.session.set_channel("633").result(5)
    bench.session.start_live().result(20)
    bench.watch.wait_for(PictureReady, 5)
    assert bench.watch.of(ResultReady) == []
    bench.session.set_channel(None).result(5)
    assert not any(bench.lit())
    before = len(bench.watch.of(PictureReady))
    bench.watch.wait_for(PictureReady, before + 5)
    assert bench.watch.of(ResultReady) == []
    assert bench.session.stats().not_counted >= 8
    bench.session.set_channel("405").result(5)
    bench.watch.wait_for(ResultReady)


def test_a_channel_and_its_level_shine_together(bench):
    bench.session.connect().result(20)
    assert bench.session.untouched
    live = bench.session.start_live()
    assert not bench.session.untouched
    live.result(20)
    bench.session.choose_channel("488", 0.5).result(20)
    lit = [(seen.channel, round(seen.level, 2)) for seen in bench.watch.of(LightSeen) if seen.channel is not None]
    assert list(dict.fromkeys(lit)) == [("405", 0.25), ("488", 0.5)]


@pytest.mark.parametrize("dark", ["all off", "channel off"])
def test_a_channel_that_is_only_chosen_lights_no_darkness(bench, dark):
    bench.session.start_live().result(20)
    (bench.session.all_off() if dark == "all off" else bench.session.set_channel(None)).result(20)
    bench.session.choose_channel("488", 0.5).result(20)
    bench.session.set_camera(SMALL.model_copy(update={"pixel_format": "Mono12"})).result(20)  # which restarts live
    assert not any(bench.lit()) and bench.session.selected_channel == "488"
    bench.session.set_channel("488").result(20)  # its key
    assert bench.lit()[1] == pytest.approx(0.5, abs=0.01)


def test_a_channel_that_is_not_there_changes_no_level(bench):
    with pytest.raises(UsageError):
        bench.session.choose_channel("999", 0.5).result(10)
    assert bench.session.settings.light.intensity == 0.25


def test_the_counters_can_be_read_while_a_replay_takes_over_from_the_camera():
    class TakenOver(Stream):
        """Has its camera for one look."""

        looks = iter([lambda: CameraStats(7, 1, 0)])
        _camera = property(lambda self: next(self.looks, None), lambda self, camera: None)

    stream = TakenOver(*[None] * 7)
    stream.path = SimpleNamespace(stats=lambda grabbed=0, lost=0: Stats(grabbed=grabbed, lost_camera=lost))
    assert stream.stats() == Stats(grabbed=7, lost_camera=1)


def test_nothing_has_a_rate_once_live_has_stopped(bench):
    bench.session.start_live().result(20)
    bench.watch.wait(lambda: any(told.stats.fps_camera > 0 for told in bench.watch.of(StatsReady)))
    bench.session.stop_live().result(20)
    last = bench.watch.of(StatsReady)[-1].stats
    assert last.grabbed > 0
    assert (last.fps_camera, last.fps_display, last.fps_segment, last.latency_ms) == (0, 0, 0, 0)


def test_nothing_has_a_rate_once_a_replay_is_closed(bench, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((50, 32, 32), np.uint8), photometric="minisblack")
    bench.session.open_replay(tmp_path / "a.tif", hold=False).result(20)
    bench.watch.wait(lambda: any(event.stats.fps_camera > 0 for event in bench.watch.of(StatsReady)))
    bench.session.close_replay().result(20)
    last = bench.watch.of(StatsReady)[-1].stats
    assert (last.fps_camera, last.fps_display, last.fps_segment, last.latency_ms) == (0.0, 0.0, 0.0, 0.0)
    assert last.grabbed > 0


def test_all_off_keeps_live_running_in_the_dark(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(PictureReady)
    bench.session.all_off().result(5)
    assert not any(bench.lit())
    before = len(bench.watch.of(PictureReady))
    bench.watch.wait_for(PictureReady, before + 3)
    assert bench.session.state is State.LIVE
    assert bench.watch.of(LightSeen)[-1].channel is None


def test_a_snapshot_lights_only_its_own_exposure_and_saves_what_it_found(bench, tmp_path):
    taken = bench.session.snap(True, tmp_path).result(30)
    assert bench.session.state is State.IDLE
    assert taken.frame.pixel_format == "Mono12"
    assert taken.frame.light.confirmed
    assert taken.frame.pixel_size_um == pytest.approx(0.1)
    assert set(taken.files) == {"image", "labels", "table", "overlay"}
    with open_replay(taken.files["image"]) as replay:
        assert json.loads(replay.info.meta["dose"]) == taken.dose and taken.dose
    assert all(path.stat().st_size > 0 for path in taken.files.values())
    assert not any(bench.lit())
    again = bench.session.snap(False, tmp_path).result(30)
    assert set(again.files) == {"image"}
    assert again.files["image"] != taken.files["image"]


def test_a_snapshot_while_live_pauses_it_and_goes_on(bench, tmp_path):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    grabbed = bench.session.stats().grabbed
    bench.session.snap(True, tmp_path).result(30)
    assert bench.session.state is State.LIVE
    before = len(bench.watch.of(ResultReady))
    bench.watch.wait_for(ResultReady, before + 2)
    assert bench.session.stats().grabbed > grabbed
    assert bench.watch.of(SnapTaken)


def test_what_each_of_two_recordings_lost_is_its_own(bench, tmp_path):
    bench.session.start_live().result(20)
    for number in (1, 2):
        bench.session.start_recording(tmp_path).result(30)
        bench.watch.wait_for(StatsReady, len(bench.watch.of(StatsReady)) + 3)
        bench.session.stop_recording().result(20)
        assert len(list(tmp_path.glob("*.ome.tif"))) == number
    bench.session.stop_live().result(20)
    tallies = []
    for path in tmp_path.glob("*.ome.tif"):
        with open_replay(path) as replay:
            tallies.append((int(replay.info.meta["grabbed"]), int(replay.info.meta["not_counted"]), replay.length))
    assert sum(grabbed for grabbed, _, _ in tallies) <= bench.session.stats().grabbed
    assert all(0 <= rejected <= grabbed and grabbed > 0 < length for grabbed, rejected, length in tallies)


def test_a_recording_replays_to_the_same_counts(bench, tmp_path):
    bench.session.start_live(record_to=tmp_path, record_frames=6).result(20)
    bench.watch.wait(lambda: any(not event.active for event in bench.watch.of(RecordingChanged)))
    bench.session.stop_live().result(20)
    ended = bench.watch.of(RecordingChanged)[-1]
    assert ended.frames == 6
    live = {event.segmentation.frame.index: event.segmentation.labels for event in bench.watch.of(ResultReady)}
    bench.session.open_replay(ended.path, hold=False, speed=None).result(20)
    assert bench.session.finished.wait(30)
    bench.session.close_replay().result(20)
    replayed = {
        event.segmentation.frame.index: event.segmentation.labels
        for event in bench.watch.of(ResultReady)
        if event.segmentation.frame.source == str(ended.path)
    }
    shared = live.keys() & replayed.keys()
    assert shared
    assert all((live[index] == replayed[index]).all() for index in shared)
    assert bench.watch.of(ReplayMoved)[-1].length == 6
    assert bench.watch.of(ReplayMoved)[-1].simulated == ("camera", "light")


def test_another_replay_is_told_as_one(bench, tmp_path):
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((3, 32, 32), np.uint8), photometric="minisblack")
        bench.session.open_replay(tmp_path / name).result(20)
    states = [event.state for event in bench.watch.of(StateChanged)]
    assert states == [State.REPLAYING, State.IDLE, State.REPLAYING], "what was shown of the first is over"
    with pytest.raises(DapiscopeError, match="does not exist"):
        bench.session.open_replay(tmp_path / "c.tif").result(20)
    assert bench.session.state is State.IDLE, "nothing is replayed any more"


def test_pictures_of_another_program_are_not_called_simulated(bench, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((3, 32, 32), np.uint8), photometric="minisblack")
    bench.session.open_replay(tmp_path / "a.tif", hold=False, speed=None).result(20)
    assert bench.session.finished.wait(30)
    bench.session.close_replay().result(20)
    assert {event.simulated for event in bench.watch.of(ReplayMoved)} == {()}


def test_a_size_told_while_replaying_is_taken_at_the_next_replay(bench, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8))
    bench.session.open_replay(tmp_path / "a.tif").result(20)
    bench.session.set_pixel_size(0.325)
    bench.session.set_pixel_size(None)
    bench.session.open_replay(tmp_path / "a.tif").result(20)
    assert bench.watch.of(Notice)[-1].text == "a.tif: 0.325 µm per pixel, as you said last time."
    bench.session.close_replay().result(20)


def test_a_replay_that_fails_to_open_forgets_no_pixel_size(bench, tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8))

    def refuse(_replay, _speed):
        raise OSError("a slot broke")

    monkeypatch.setattr("app.desks.Replay.set_speed", refuse)
    bench.session.set_pixel_size(0.325)
    with pytest.raises(OSError, match="broke"):
        bench.session.open_replay(tmp_path / "a.tif").result(20)
    bench.session._devices.submit(int).result(20)
    assert not bench.session._replay.active
    assert bench.session.settings.segmentation.pixel_size_um == 0.325


def test_a_given_pixel_size_follows_the_binning(bench, tmp_path, monkeypatch):
    session, camera = bench.session, bench.session.settings.camera
    binned = camera.model_copy(update={"binning": 2})
    session.set_pixel_size(0.325)
    session.start_live().result(20)
    bench.watch.wait_for(PictureReady)
    in_force, resume = [], session._imaging.resume
    monkeypatch.setattr(
        session._imaging,
        "resume",
        lambda actual: (in_force.append(session.settings.segmentation.pixel_size_um), resume(actual)),
    )
    session.set_camera(binned).result(20)
    assert in_force == [pytest.approx(0.65)]  # before the first frame of the new size
    assert session.settings.segmentation.pixel_size_um == pytest.approx(0.65)
    assert "0.65 µm (0.325 µm before)" in bench.watch.of(Notice)[-1].text
    bench.watch.wait(lambda: bench.watch.of(PictureReady)[-1].picture.frame.shape[1] == 640)
    sizes = {(f.shape[1], f.pixel_size_um) for f in (event.picture.frame for event in bench.watch.of(PictureReady))}
    assert sizes == {(1280, 0.325), (640, 0.65)}
    # What is said of a file is not of the camera's binning; the camera's own follows meanwhile.
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((32, 32), np.uint8))
    session.open_replay(tmp_path / "a.tif").result(20)
    session.set_pixel_size(0.4)
    session.set_camera(camera).result(20)
    assert session.settings.segmentation.pixel_size_um == 0.4
    session.close_replay().result(20)
    assert session.settings.segmentation.pixel_size_um == pytest.approx(0.325)
    session.set_pixel_size("auto")
    session.set_camera(binned).result(20)
    assert session.settings.segmentation.pixel_size_um == "auto"


def test_a_missing_recording_is_one_sentence_and_no_failure(bench, tmp_path):
    with pytest.raises(DapiscopeError):
        bench.session.open_replay(tmp_path / "none.tif").result(10)
    assert bench.session.state is State.IDLE
    assert [notice.level for notice in bench.watch.of(Notice)] == ["error"]


def test_exposure_changes_while_live_and_a_wrong_one_changes_nothing(bench):
    bench.session.start_live().result(20)
    bench.session.set_camera(SMALL.model_copy(update={"exposure_ms": 20.0})).result(10)
    assert bench.watch.of(CameraReady)[-1].settings.exposure_ms == pytest.approx(20)
    with pytest.raises(CameraError):
        bench.session.set_camera(SMALL.model_copy(update={"exposure_ms": 9_999_999.0})).result(10)
    assert bench.session.state is State.LIVE
    assert bench.session.settings.camera.exposure_ms == pytest.approx(20)


def test_a_change_of_pixel_format_restarts_live_by_itself(bench):
    bench.session.start_live().result(20)
    bench.watch.wait_for(ResultReady)
    bench.session.set_camera(SMALL.model_copy(update={"pixel_format": "Mono12"})).result(10)
    before = len(bench.watch.of(ResultReady))
    result = bench.watch.wait_for(ResultReady, before + 3)
    assert result.segmentation.frame.pixel_format == "Mono12"
    assert bench.session.state is State.LIVE


def test_an_intensity_out_of_range_is_refused_and_nothing_changes(bench):
    bench.session.start_live().result(20)
    for level in (1.5, -0.5):
        with pytest.raises(UsageError):
            bench.session.set_intensity(level).result(10)
    assert bench.session.settings.light.intensity == 0.25
    assert bench.session.state is State.LIVE


def test_an_unplugged_camera_ends_in_failed_with_the_light_off_and_starts_again_when_replugged(bench, tmp_path):
    bench.session.start_live(record_to=tmp_path, record_frames=40).result(20)
    bench.watch.wait_for(ResultReady)
    camera = bench.session._bench.camera
    camera.faults.unplug()
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: any(not event.active for event in bench.watch.of(RecordingChanged)))
    bench.watch.wait(lambda: not any(bench.lit()))  # asked for first of all, on a thread of its own
    assert bench.watch.of(Notice)[-1].level == "error"
    camera.faults.replug()
    bench.watch.wait(lambda: bench.states[-1] is State.IDLE)
    assert bench.watch.of(Notice)[-1].level == "info"
    assert bench.session.settings.camera == SMALL
    bench.session.start_live().result(20)
    before = len(bench.watch.of(ResultReady))
    bench.watch.wait_for(ResultReady, before + 1)


def test_an_unexpected_exception_anywhere_switches_the_light_off(bench):
    bench.session.start_live().result(20)
    bench.session.fail(RuntimeError("a slot broke"))
    bench.watch.wait(lambda: State.FAILED in bench.states)
    bench.watch.wait(lambda: not any(bench.lit()))
    assert "a slot broke" in bench.watch.of(StateChanged)[-1].reason


def test_a_slow_disk_is_refused_before_the_light_goes_on(bench, tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise RefusedError("The disk is too slow.", "disk")

    monkeypatch.setattr("app.desks.check_disk", refuse)
    with pytest.raises(RefusedError):
        bench.session.start_live(record_to=tmp_path).result(20)
    assert not any(bench.lit())
    assert all(event.channel is None for event in bench.watch.of(LightSeen))
    assert bench.session.state is State.IDLE


def test_a_free_running_camera_asks_no_more_of_the_disk_than_it_reads_out(tmp_path, monkeypatch):
    wanted = []
    monkeypatch.setattr("app.desks.check_disk", lambda folder, bytes_per_s, progress: wanted.append(bytes_per_s))
    camera = SimulatedCamera()
    camera.open()
    camera.configure(CameraSettings(fps=None))
    check_rate(tmp_path, camera, None)
    assert wanted == [pytest.approx(3840 * 2160 * 44.9, rel=0.01)]


def test_a_full_disk_fails_loudly_and_keeps_what_was_written(bench, tmp_path, monkeypatch):
    bench.session.start_live(record_to=tmp_path, record_frames=1000).result(20)
    bench.watch.wait_for(ResultReady, 2)
    from app.errors import RecordingError

    bench.session.fail(RecordingError("The disk is full; free some space and record again."))
    bench.watch.wait(lambda: any(not event.active for event in bench.watch.of(RecordingChanged)))
    kept = bench.watch.of(RecordingChanged)[-1]
    assert kept.frames > 0
    bench.watch.wait(lambda: not any(bench.lit()))  # asked for first; the file does not wait for the answer

    with open_replay(kept.path) as replay:
        assert replay.length == kept.frames


@pytest.mark.parametrize("takes", [3, 0])
def test_the_account_has_the_frames_that_the_disk_took(bench, tmp_path, monkeypatch, takes):
    append, taken = FrameStore.append, []

    def full(store, pixels):
        if len(taken) == takes:
            time.sleep(0.5)  # more frames come meanwhile
            raise OSError(errno.ENOSPC, "No space left on device")
        taken.append(1)
        return append(store, pixels)

    monkeypatch.setattr(FrameStore, "append", full)
    run = RunLog(bench.session, tmp_path, draw=False)
    bench.session.start_live(record_to=tmp_path, record_frames=300).result(20)
    bench.watch.wait(lambda: any(not event.active for event in bench.watch.of(RecordingChanged)))
    account = run.summary(confirmed_off=True)
    run.close()
    assert "is full" in account["error"]
    assert account["frames"]["recorded"] == takes < account["frames"]["grabbed"]
    assert account["recording"] == (str(tmp_path / "recording.ome.tif") if takes else None)


def test_live_runs_free_whatever_trigger_the_configuration_names(tmp_path):
    made = Bench(Settings(camera=SMALL.model_copy(update={"trigger": "software"})))
    session = made.session
    try:
        session.start_live().result(20)
        session.set_camera(session.settings.camera.model_copy(update={"exposure_ms": 12})).result(20)
        session.snap(False, tmp_path).result(20)
        session.set_camera(SMALL.model_copy(update={"binning": 2, "trigger": "software"})).result(20)
        before = session.stats().grabbed
        made.watch.wait(lambda: session.stats().grabbed > before + 2)
    finally:
        assert session.close()


def test_commands_after_close_are_refused(bench):
    bench.session.close()
    with pytest.raises(DapiscopeError):
        bench.session.start_live().result(1)


def test_the_view_is_applied_to_the_next_pictures(bench):
    bench.session.set_view(View(region=(100, 50, 320, 180), size=(320, 180)))
    bench.session.start_live().result(20)
    picture = bench.watch.wait_for(PictureReady, 2).picture
    assert picture.region == (100, 50, 320, 180)
    assert picture.pixels.shape == (180, 320)


def test_a_camera_that_is_not_there_is_an_error_not_a_simulation():
    made = Bench(Settings(camera_id="pylon:00000000", camera=SMALL))
    with pytest.raises(DapiscopeError):
        made.session.start_live().result(30)
    assert made.session.simulated in ((), ("light",))
    assert made.session.state is State.FAILED
    assert made.session.close()


def test_camera_gone_is_a_camera_error():
    assert issubclass(CameraGoneError, CameraError)


def test_what_is_set_while_a_calibration_is_read_is_not_lost(bench, monkeypatch):
    meet = bench.session._calibration.meet

    def slow(camera, settings, channels=()):
        bench.session.set_sample("plate 7", "Ada")
        return meet(camera, settings, channels)

    monkeypatch.setattr(bench.session._calibration, "meet", slow)
    bench.session.connect().result(20)
    assert bench.session.settings.sample.sample == "plate 7"


def test_a_channel_that_is_not_there_names_those_that_are(bench):
    with pytest.raises(UsageError, match="choose one of 405, 488"):
        bench.session.set_channel("999").result(10)


def test_a_disk_too_full_for_the_last_counts_is_told_in_the_account(bench, tmp_path):
    class Full:
        name = str(tmp_path / "counts.csv")

        def close(self):
            raise OSError(errno.ENOSPC, "No space left on device")

    run = RunLog(bench.session, tmp_path, draw=False)
    run._file.close()
    run._file = Full()
    run.close()
    assert "is full" in run.summary(confirmed_off=True)["error"]
