"""A plan carried out: on time, in the right places, with true light; stopped, paused, failed."""

import errno
import json
import shutil
import statistics
import threading
import time
from dataclasses import replace

import numpy as np
import ome_types
import pytest
import tifffile

from app.build import make_bench
from app.clock import ManualClock, SystemClock
from app.errors import CameraError, DapiscopeError, RecordingError, RefusedError
from app.frame import Frame, Light
from app.plan import Estimate, make_plan
from app.plan_runner import PlanRunner, check_plan_disk, estimate, pixel_size_of
from app.recording import RunMetadata, open_replay, recover
from app.recording.ome import read_map
from app.recording.store import FrameStore
from app.settings import CameraSettings, LightSettings, Settings

SETTINGS = Settings(camera=CameraSettings(exposure_ms=10), light=LightSettings(intensity=0.5))
META = RunMetadata.from_settings(SETTINGS, camera="Camera", light="LED4")


class Stand:
    """Takes tiny frames on the test's clock, each lasting as long as the test says."""

    def __init__(self, clock, takes_s=lambda n: 0.03, fails_at=None):
        self.clock, self.takes_s, self.fails_at, self.asked = clock, takes_s, fails_at, []
        self.at = {}

    def snap(self, settings, cancelled):
        number = len(self.asked)
        self.asked.append((settings.light.channel, settings.camera.exposure_ms, self.clock.monotonic()))
        self.at.get(number, lambda: None)()
        if number == self.fails_at:
            raise CameraError("The camera was unplugged; plug it in again.")
        self.clock.sleep(self.takes_s(number))
        light = Light(settings.light.channel, settings.light.intensity, True, "")
        now_s = self.clock.monotonic()
        pixels = np.full((6, 8), number, np.uint16)
        return Frame(pixels, 0, now_s, self.clock.unix(), settings.camera.exposure_ms, 0.0, "Mono12", None, light)


def plan_of(**sequence):
    return make_plan(sequence, SETTINGS)


def entries(path):
    with tifffile.TiffFile(path) as tif:
        return read_map(tif.ome_metadata)


def test_a_hundred_intervals_do_not_drift(tmp_path):
    clock = ManualClock()
    # Now and then a frame takes longer than the interval; those after it are on time again.
    stand = Stand(clock, lambda n: 0.31 if n % 20 == 7 else 0.03 + 0.001 * (n % 5))
    plan = plan_of(channels=["405"], time_plan={"interval": 0.2, "loops": 101})
    result = PlanRunner(plan, stand.snap, clock).run(tmp_path, META, SETTINGS)
    assert result.complete and result.taken == 101
    began = [moment for _, _, moment in stand.asked]
    drift_ms = (statistics.fmean(np.diff(began)) - 0.2) * 1000
    assert abs(drift_ms) < 0.01
    late = [n for n, value in enumerate(result.deviation_ms) if value > 1]
    assert late == [8, 28, 48, 68, 88]
    for n, moment in enumerate(began):
        assert result.deviation_ms[n] == pytest.approx((moment - began[0] - 0.2 * n) * 1000, abs=1e-6)
    recorded = json.loads(entries(result.path)["began late, ms"])
    assert recorded == pytest.approx(result.deviation_ms, abs=0.001)


def test_every_plane_has_its_own_time_exposure_and_light(tmp_path):
    clock = ManualClock()
    stand = Stand(clock)
    plan = plan_of(
        channels=[{"config": "405", "exposure": 11}, {"config": "488", "exposure": 22}],
        time_plan={"interval": 2, "loops": 3},
    )
    told = []
    result = PlanRunner(plan, stand.snap, clock, told.append).run(tmp_path, META, SETTINGS)
    assert [(name, exposure) for name, exposure, _ in stand.asked] == [("488", 22), ("405", 11)] * 3
    ome = ome_types.from_tiff(result.path)
    ome_types.validate_xml(tifffile.tiffcomment(result.path).encode())
    pixels = ome.images[0].pixels
    assert [(c.name, c.excitation_wavelength) for c in pixels.channels] == [("488", 488), ("405", 405)]
    planes = {(p.the_t, p.the_c): (p.delta_t, p.exposure_time) for p in pixels.planes}
    for t in range(3):
        assert planes[t, 0] == (pytest.approx(2 * t, abs=1e-5), 0.022)
        assert planes[t, 1] == (pytest.approx(2 * t + 0.03, abs=1e-5), 0.011)
    with tifffile.TiffFile(result.path) as tif:
        assert tif.series[0].axes == "TCYX"
        assert tif.series[0].asarray()[:, :, 0, 0].tolist() == [[0, 1], [2, 3], [4, 5]]
    assert [progress.taken for progress in told] == [1, 2, 3, 4, 5, 6]
    assert told[0].left_s == pytest.approx(3.97, abs=0.1) and told[-1].left_s == 0
    notes = entries(result.path)
    assert json.loads(notes["dose"])["channels"]["405"] == {"lit_s": 0.09, "dose_s": 0.045}
    assert json.loads(notes["plan"])["time_plan"]["loops"] == 3


def test_lateness_is_that_of_the_time_and_the_disk_lasts_at_the_plan_s_pace(tmp_path):
    clock, told = ManualClock(), []
    # The third time begins 50 ms late, for the frame before it takes that much too long.
    stand = Stand(clock, lambda n: 9.05 if n == 3 else 1.0)
    plan = plan_of(channels=["405", "488"], time_plan={"interval": 10, "loops": 5})
    runner = PlanRunner(plan, stand.snap, clock, told.append)
    stand.at = dict.fromkeys(range(1, 10), lambda: wait_for(lambda: runner._recorder.status.written == len(told)))
    runner.run(tmp_path, META, SETTINGS)
    assert [round(at.late_ms) for at in told] == [0, 0, 0, 0, 50, 50, 0, 0, 0, 0]
    lasts = [at.disk_left_s for at in told if at.disk_left_s is not None]
    status = runner._recorder.status
    room = shutil.disk_usage(tmp_path).free / (status.bytes_written / status.written)
    assert len(lasts) >= 4 and lasts == pytest.approx([4.0 * room] * len(lasts), rel=0.3), "ten frames in 40 s"


def wait_for(true):
    """Wait until the recorder's own thread has come so far."""
    for _ in range(500):
        if true():
            return
        time.sleep(0.002)


def test_a_stopped_plan_leaves_a_valid_file_that_says_so(tmp_path):
    clock = ManualClock()
    stand = Stand(clock)
    plan = plan_of(channels=["405", "488"], time_plan={"interval": 1, "loops": 50})
    runner = PlanRunner(plan, stand.snap, clock)
    stand.at[4] = runner.stop
    result = runner.run(tmp_path, META, SETTINGS)
    assert (result.taken, result.total, result.complete, result.error) == (5, 100, False, None)
    notes = entries(result.path)
    assert json.loads(notes["complete"]) is False and "stopped" in notes["ended by"]
    ome_types.validate_xml(tifffile.tiffcomment(result.path).encode())
    with open_replay(result.path) as replay:
        assert len(list(replay.frames())) == 5


def test_a_failed_plan_keeps_what_it_had(tmp_path):
    clock = ManualClock()
    plan = plan_of(channels=["405"], time_plan={"interval": 1, "loops": 9})
    result = PlanRunner(plan, Stand(clock, fails_at=3).snap, clock).run(tmp_path, META, SETTINGS)
    assert (result.taken, result.complete) == (3, False)
    assert isinstance(result.error, CameraError) and "unplugged" in result.reason
    assert "unplugged" in entries(result.path)["ended by"]


@pytest.mark.parametrize("paused", [False, True])
def test_a_disk_that_fails_ends_the_plan_without_another_exposure(tmp_path, monkeypatch, paused):
    clock = ManualClock()
    stand = Stand(clock)

    append, taken = FrameStore.append, []

    def full(store, pixels):
        taken.append(pixels)
        if len(taken) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(store, pixels)

    monkeypatch.setattr(FrameStore, "append", full)

    def tell(progress):
        if progress.taken == 3 and progress.frame is not None:
            if paused:
                runner.pause()
            else:
                while runner._recorder.status.error is None:  # on the writer's own thread
                    time.sleep(0.001)

    plan = plan_of(channels=["405"], time_plan={"interval": 600, "loops": 9})
    runner = PlanRunner(plan, stand.snap, clock, tell)
    result = runner.run(tmp_path, META, SETTINGS)
    assert len(stand.asked) == 3  # the third met the full disk; none came after it
    assert isinstance(result.error, RecordingError) and "full" in result.reason
    assert (result.taken, result.complete, len(result.deviation_ms)) == (2, False, 2)
    # What is told of the frames is of those that the file has.
    notes = entries(result.path)
    assert notes["frames taken"] == "2" and len(json.loads(notes["began late, ms"])) == 2


def test_a_plan_whose_file_cannot_be_finished_says_how_it_can_be(tmp_path, monkeypatch):
    stand, write, append = Stand(ManualClock()), FrameStore._write, FrameStore.append

    def full(store, *args):
        if store.end > 3 * 4096 and (len(args) == 1 or args[1] >= store.end):
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(store, *args) if len(args) == 1 else write(store, *args)

    monkeypatch.setattr(FrameStore, "append", full)
    monkeypatch.setattr(FrameStore, "_write", full)
    plan = plan_of(channels=["405"], time_plan={"interval": 600, "loops": 9})
    result = PlanRunner(plan, stand.snap, stand.clock).run(tmp_path, META, SETTINGS)
    assert (result.finished, result.complete) == (False, False)
    assert f"dapiscope recover {tmp_path}" in result.reason and str(result.error) == result.reason
    monkeypatch.undo()
    assert recover(result.path).frames == result.taken
    notes = entries(result.path)
    assert "full" in notes["ended by"] and json.loads(notes["plan"])["time_plan"]["loops"] == 9


def test_a_disk_that_fails_within_a_frame_is_the_reason_and_not_the_frame(tmp_path, monkeypatch):
    clock = ManualClock()

    def snap(settings, cancelled):
        if stand.asked:
            while runner._recorder.status.error is None:
                time.sleep(0.001)
        if cancelled():
            raise DapiscopeError("The snapshot was cancelled before the light went on.")
        return stand.snap(settings, cancelled)

    def full(*_args):
        assert len(stand.asked) == 1
        raise OSError(errno.ENOSPC, "No space left on device")

    stand = Stand(clock)
    monkeypatch.setattr(FrameStore, "append", full)
    plan = plan_of(channels=["405"], time_plan={"interval": 0, "loops": 9})
    runner = PlanRunner(plan, snap, clock)
    result = runner.run(tmp_path, META, SETTINGS)
    assert len(stand.asked) == 1 and "full" in result.reason


def test_a_fault_of_the_program_still_closes_the_file(tmp_path):
    clock = ManualClock()
    stand = Stand(clock)

    def fault():
        raise ZeroDivisionError

    stand.at[2] = fault
    runner = PlanRunner(plan_of(channels=["405"], time_plan={"interval": 1, "loops": 9}), stand.snap, clock)
    with pytest.raises(ZeroDivisionError):
        runner.run(tmp_path, META, SETTINGS)
    assert json.loads(entries(tmp_path / "plan.ome.tif")["complete"]) is False


def test_a_pause_holds_the_plan_s_clock(tmp_path):
    clock = ManualClock()
    stand = Stand(clock)
    told = []

    def tell(progress):
        told.append(progress)
        if progress.frame is None and progress.paused:
            clock.sleep(7)
            runner.resume()

    runner = PlanRunner(plan_of(channels=["405"], time_plan={"interval": 1, "loops": 4}), stand.snap, clock, tell)
    stand.at[1] = runner.pause
    result = runner.run(tmp_path, META, SETTINGS)
    began = [moment - stand.asked[0][2] for _, _, moment in stand.asked]
    assert result.complete
    assert began == pytest.approx([0, 1, 9, 10])
    assert max(result.deviation_ms) < 1
    (pause,) = json.loads(entries(result.path)["pauses"])
    assert pause == {"after frame": 2, "seconds": 7.0}
    assert [(progress.paused, progress.frame is None) for progress in told] == [
        (False, False), (True, False), (True, True), (False, True), (False, False), (False, False)
    ], "it goes on, and says so before the next frame and its light"  # fmt: skip


@pytest.mark.parametrize(("fails", "unconfirmed"), [({1}, 0), ({1, 2}, 1)])
def test_a_frame_whose_light_is_in_doubt_is_taken_once_more(tmp_path, fails, unconfirmed):
    stand = Stand(ManualClock())

    def snap(settings, cancelled):
        number = len(stand.asked)
        frame = stand.snap(settings, cancelled)
        doubt = Light("405", 0.5, False, "the light changed during the exposure")
        return replace(frame, light=doubt) if number in fails else frame

    plan = plan_of(channels=["405"], time_plan={"interval": 1, "loops": 4})
    result = PlanRunner(plan, snap, stand.clock).run(tmp_path, META, SETTINGS)
    assert (result.taken, result.complete, result.unconfirmed) == (4, True, unconfirmed)
    assert len(stand.asked) == 5
    notes = entries(result.path)
    assert notes["taken twice"] == "[1]" and json.loads(notes["dose"])["channels"]["405"]["lit_s"] == pytest.approx(
        0.15
    )
    with open_replay(result.path) as replay:
        assert [replay.frame(n).light.confirmed for n in range(4)] == [True, not unconfirmed, True, True]
    # Of the attempt that was kept: the second began when the first was over.
    assert json.loads(notes["began late, ms"]) == pytest.approx([0, 0 if unconfirmed else 30, 0, 0], abs=1e-3)


@pytest.mark.parametrize("stopped", [False, True])
def test_a_frame_is_kept_whose_second_attempt_fails(tmp_path, stopped):
    stand = Stand(ManualClock())

    def snap(settings, cancelled):
        if len(stand.asked) == 3:
            if stopped:
                runner.stop()
                raise DapiscopeError("The frame was cancelled.")
            raise CameraError("The camera was unplugged; plug it in again.")
        frame = stand.snap(settings, cancelled)
        doubt = Light("405", 0.5, False, "the light changed during the exposure")
        return replace(frame, light=doubt) if frame.pixels[0, 0] == 2 else frame

    runner = PlanRunner(plan_of(channels=["405"], time_plan={"interval": 1, "loops": 5}), snap, stand.clock)
    result = runner.run(tmp_path, META, SETTINGS)
    assert (result.taken, result.complete, result.unconfirmed) == (3, False, 1)
    assert result.reason == ("The plan was stopped." if stopped else "The camera was unplugged; plug it in again.")
    notes = entries(result.path)
    assert (notes["taken twice"], notes["frames taken"], notes["light not confirmed"]) == ("[2]", "3", "1")
    with open_replay(result.path) as replay:
        assert replay.length == 3 and replay.frame(2).pixels[0, 0] == 2


def test_a_plan_that_was_killed_comes_back_with_its_plan_and_its_dose(tmp_path):
    stand, copies = Stand(ManualClock()), tmp_path / "killed"
    copies.mkdir()

    def tell(progress):
        if progress.taken < 5:
            return
        while runner._recorder.status.acknowledged < 5:
            time.sleep(0.001)
        for file in tmp_path.glob("plan.ome.tif*"):  # as kill -9 would leave it
            shutil.copy(file, copies)

    plan = plan_of(channels=["405", "488"], time_plan={"interval": 1, "loops": 3})
    runner = PlanRunner(plan, stand.snap, stand.clock, tell)
    stand.at[5] = runner.stop
    runner.run(tmp_path, META, SETTINGS)
    assert recover(copies / "plan.ome.tif").frames >= 5
    notes = entries(copies / "plan.ome.tif")
    assert json.loads(notes["plan"])["time_plan"]["loops"] == 3 and notes["frames planned"] == "6"
    dose = json.loads(notes["dose"])
    assert dose["channels"]["488"] == {"lit_s": 0.09, "dose_s": 0.045} and not dose["upper_bound"]
    assert notes["complete"] == "false" and "died" not in notes["ended by"]


@pytest.mark.parametrize("abandoned", [False, True])
def test_the_dose_holds_the_light_of_a_frame_that_failed_or_never_ended(tmp_path, abandoned):
    stand = Stand(ManualClock())

    def snap(settings, cancelled):
        if len(stand.asked) == 2:
            stand.clock.sleep(2.0)
            if abandoned:
                runner.abandon()
            raise CameraError("The camera was unplugged; plug it in again.")
        return stand.snap(settings, cancelled)

    plan = plan_of(channels=["405"], time_plan={"interval": 1, "loops": 4})
    runner = PlanRunner(plan, snap, stand.clock)
    result = runner.run(tmp_path, META, SETTINGS)
    assert (result.taken, result.complete) == (2, False)
    dose = json.loads(entries(result.path)["dose"])
    assert dose == {"upper_bound": True, "channels": {"405": {"lit_s": 2.06, "dose_s": 1.03}}}


def test_a_stop_within_a_frame_is_no_failure(tmp_path):
    stand = Stand(ManualClock())

    def snap(settings, cancelled):
        if len(stand.asked) == 2:
            runner.stop()
            raise DapiscopeError("The snapshot was cancelled; the light is off again.")
        return stand.snap(settings, cancelled)

    plan = plan_of(channels=["405"], time_plan={"interval": 1, "loops": 4})
    runner = PlanRunner(plan, snap, stand.clock)
    result = runner.run(tmp_path, META, SETTINGS)
    assert (result.taken, result.complete, result.error, result.reason) == (2, False, None, "The plan was stopped.")


def test_stopping_ends_a_pause(tmp_path):
    runner = PlanRunner(plan_of(channels=["405"]), Stand(SystemClock()).snap, SystemClock())
    runner.pause()
    timer = threading.Timer(0.1, runner.stop)
    timer.start()
    result = runner.run(tmp_path, META, SETTINGS)
    timer.join()
    assert (result.taken, result.complete) == (0, False)
    assert not result.path.exists()


def test_a_folder_that_cannot_be_written_is_told_before_any_light(tmp_path):
    (tmp_path / "file").write_text("in the way")
    stand = Stand(ManualClock())
    with pytest.raises(RecordingError):
        PlanRunner(plan_of(channels=["405"]), stand.snap, stand.clock).run(tmp_path / "file", META, SETTINGS)
    assert stand.asked == []


def test_a_disk_that_is_too_small_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="free"):
        check_plan_disk(tmp_path, Estimate(10.0, 10, 10**15, 0, {}, {}))


def test_the_cost_follows_region_binning_and_depth():
    plan = plan_of(channels=["405"])
    assert estimate(plan, SETTINGS).bytes == 2160 * 3840 * 2
    smaller = Settings(camera=CameraSettings(roi=(0, 0, 640, 480), binning=2))
    assert estimate(plan, smaller).bytes == 240 * 320 * 2


def test_the_pixel_size_is_that_of_the_optics_unless_given():
    frame = Stand(ManualClock()).snap(SETTINGS, lambda: False)
    assert pixel_size_of(frame, SETTINGS) == pytest.approx(0.1)
    given = SETTINGS.model_copy(
        update={"segmentation": SETTINGS.segmentation.model_copy(update={"pixel_size_um": 0.5})}
    )
    assert pixel_size_of(frame, given) == 0.5


def simulated(roi):
    camera = CameraSettings(exposure_ms=12, roi=roi)
    return Settings(camera=camera, light=LightSettings(intensity=0.5, settle_ms=2))


def carry_out(settings, plan, folder):
    """Run a plan on the simulators; returns what became of it, and the box with its own log of its light."""
    bench = make_bench(settings)
    try:
        bench.connect(settings)
        meta = RunMetadata.from_settings(settings, camera=bench.camera.info.title, light=bench.light_info.title)
        result = PlanRunner(plan, bench.snap, SystemClock()).run(folder, meta, settings)
    finally:
        bench.release_camera()
        assert bench.close_light()
    return result, bench._make_light.__self__._box


def check_file(result, box, times, shape):
    assert result.complete and result.unconfirmed == 0, result
    ome_types.validate_xml(tifffile.tiffcomment(result.path).encode())
    pixels = ome_types.from_tiff(result.path).images[0].pixels
    names = ["633", "532", "488", "405"]
    assert [channel.name for channel in pixels.channels] == names
    assert (pixels.size_t, pixels.size_c, pixels.size_y, pixels.size_x) == (times, 4, *shape)
    assert pixels.physical_size_x == pytest.approx(0.1) and pixels.significant_bits == 12
    planes = sorted(pixels.planes, key=lambda plane: (plane.the_t, plane.the_c))
    moments = [plane.delta_t for plane in planes]
    assert moments == sorted(moments) and len(set(moments)) == 4 * times
    with tifffile.TiffFile(result.path) as tif:
        assert tif.series[0].axes == "TCYX" and tif.series[0].shape == (times, 4, *shape)
        top, bottom = tif.pages[0].tags["XResolution"].value
        assert 1e4 * bottom / top == pytest.approx(0.1)
    with open_replay(result.path) as replay:
        for position in range(4 * times):
            frame = replay.frame(position)
            assert (frame.light.channel, frame.light.confirmed) == (names[position % 4], True)
            assert frame.exposure_ms == [40, 30, 20, 10][position % 4]
        began_s = replay.frame(0).exposure_end_s
    # By the box's own log, each plane's light and no other shone all the time that the file says it was exposed.
    for position, plane in enumerate(planes):
        assert plane.exposure_time == pytest.approx([0.04, 0.03, 0.02, 0.01][position % 4])
        end_s = began_s + plane.delta_t
        start_s = end_s - plane.exposure_time
        assert box.changes_between(start_s, end_s) == []
        lit = {line: level for line, level in enumerate(box.levels_at(start_s)) if level}
        assert lit == {3 - position % 4: pytest.approx(0.5, abs=0.01)}
    assert not any(box.levels_at(began_s - 1)) and not any(box.levels_at(end_s + 1))


FOUR = [
    {"config": name, "exposure": exposure} for name, exposure in (("405", 10), ("488", 20), ("532", 30), ("633", 40))
]


def test_four_channels_on_the_simulators(tmp_path):
    settings = simulated((0, 0, 640, 480))
    plan = make_plan({"channels": FOUR, "time_plan": {"interval": 0.4, "loops": 2}}, settings)
    check_file(*carry_out(settings, plan, tmp_path), 2, (480, 640))


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_four_channels_times_twenty_in_full_size(tmp_path):
    settings = simulated(None)
    plan = make_plan({"channels": FOUR, "time_plan": {"interval": 2, "loops": 20}}, settings)
    check_file(*carry_out(settings, plan, tmp_path), 20, (2160, 3840))


@pytest.mark.prove
@pytest.mark.timeout(120)
def test_a_hundred_intervals_on_the_simulators_do_not_drift(tmp_path):
    settings = simulated((0, 0, 320, 240))
    plan = make_plan({"channels": ["405"], "time_plan": {"interval": 0.2, "loops": 101}}, settings)
    result, _ = carry_out(settings, plan, tmp_path)
    assert result.complete
    drift_ms = (result.deviation_ms[-1] - result.deviation_ms[0]) / 100
    with open_replay(result.path) as replay:
        ends = [frame.exposure_end_s for frame in replay.frames()]
    assert abs(drift_ms) < 1
    assert abs(np.diff(ends).mean() - 0.2) < 0.001
