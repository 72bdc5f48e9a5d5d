"""The simulated camera: timing, light, bleaching, banding, faults; on simulated time wherever time matters."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from app.clock import ManualClock
from app.errors import CameraError, CameraGoneError
from app.frame import Frame
from app.hardware.camera_timing import StampClock, timing_of
from app.hardware.scene import SceneSpec
from app.hardware.sensor import OFFSET_DN, LightHistory
from app.hardware.simulated import QUEUED, SimulatedCamera
from app.settings import CameraSettings

SPEC = SceneSpec(seed=2, nuclei=6, width=640, height=480, pixel_size_um=0.4)
ON = (0.25, 0.0, 0.0, 0.0)
OFF = (0.0, 0.0, 0.0, 0.0)
PATIENCE_S = 20.0


class Lamp:
    """A light whose history is written beforehand."""

    def __init__(self, *switches: tuple[float, tuple[float, ...]]) -> None:
        self.switches = list(switches) or [(0.0, ON)]

    def levels_between(self, start_s: float, end_s: float) -> LightHistory:
        before = [entry for entry in self.switches if entry[0] <= start_s][-1:]
        return before + [entry for entry in self.switches if start_s < entry[0] < end_s]


def take(
    camera: SimulatedCamera, count: int, each: Callable[[Frame], None] = lambda frame: None
) -> tuple[list[Frame], list[BaseException | None]]:
    """Run until `count` frames came or the camera ended by itself."""
    frames: list[Frame] = []
    endings: list[BaseException | None] = []
    done = threading.Event()

    def sink(frame: Frame) -> None:
        if len(frames) < count:
            frames.append(frame)
            each(frame)
        else:
            done.set()

    def ended(error: BaseException | None) -> None:
        endings.append(error)
        done.set()

    camera.start(sink, ended)
    assert done.wait(PATIENCE_S)
    camera.stop()
    return frames, endings


def opened(lamp: Lamp | None = None, spec: SceneSpec = SPEC, **settings: object) -> SimulatedCamera:
    camera = SimulatedCamera(spec, lamp, ManualClock(1000.0))
    camera.open()
    camera.configure(CameraSettings(**{"pixel_format": "Mono12", **settings}))
    return camera


def signal(frame: Frame) -> float:
    return float(frame.pixels.mean()) - OFFSET_DN


def test_figures_of_the_real_camera() -> None:
    full = CameraSettings(exposure_ms=15)
    assert timing_of(full, 3840, 2160).readout_s == pytest.approx(0.0223, abs=2e-4)
    assert 1 / timing_of(full, 3840, 2160).period_s == pytest.approx(44.9)
    limited = full.model_copy(update={"throughput_limit": True, "fps": None})
    assert timing_of(limited, 3840, 2160).readout_s == pytest.approx(0.0535, abs=2e-4)
    assert 1 / timing_of(limited, 3840, 2160).period_s == pytest.approx(18.7)
    deep = full.model_copy(update={"pixel_format": "Mono12"})
    assert 1 / timing_of(deep, 3840, 2160).period_s == pytest.approx(22.45)
    assert timing_of(full, 3840, 1080).readout_s == pytest.approx(timing_of(full, 3840, 2160).readout_s / 2, rel=0.01)


def test_a_long_exposure_lowers_the_rate() -> None:
    assert 1 / timing_of(CameraSettings(exposure_ms=100), 3840, 2160).period_s == pytest.approx(10)
    assert opened(exposure_ms=100, fps=None).resulting_fps == pytest.approx(10)


def test_pacing_does_not_drift() -> None:
    frames, _ = take(opened(fps=50.0), 100)
    ends = np.array([frame.exposure_end_s for frame in frames])
    np.testing.assert_allclose(ends - ends[0], np.arange(100) / 50, atol=1e-9)


def test_without_light_frames_are_dark() -> None:
    frames, _ = take(opened(None), 3)
    assert signal(frames[0]) == pytest.approx(0, abs=0.1)
    frames, _ = take(opened(Lamp((0.0, OFF))), 3)
    assert signal(frames[0]) == pytest.approx(0, abs=0.1)


def test_signal_follows_exposure_gain_and_intensity() -> None:
    def mean_signal(level: float, **settings: object) -> float:
        camera = opened(Lamp((0.0, (level, 0.0, 0.0, 0.0))), **settings)
        return float(np.mean([signal(frame) for frame in take(camera, 4)[0]]))

    base = mean_signal(0.1, exposure_ms=5.0)
    assert base > 5
    assert mean_signal(0.1, exposure_ms=10.0) == pytest.approx(2 * base, rel=0.02)
    assert mean_signal(0.2, exposure_ms=5.0) == pytest.approx(2 * base, rel=0.02)
    assert mean_signal(0.1, exposure_ms=5.0, gain_db=6.0206) == pytest.approx(2 * base, rel=0.02)
    assert mean_signal(0.1, exposure_ms=5.0, binning=2) == pytest.approx(base, rel=0.02)


def test_eight_bits_agree_with_twelve() -> None:
    deep = take(opened(Lamp()), 1)[0][0]
    flat = take(opened(Lamp(), pixel_format="Mono8"), 1)[0][0]
    assert flat.pixels.dtype == np.uint8
    assert flat.pixels.mean() == pytest.approx(deep.pixels.mean() / 16 - 0.47, abs=0.1)


def test_frames_say_what_they_are() -> None:
    camera = opened(Lamp(), binning=2, roi=(320, 0, 320, 480))
    frame = take(camera, 1)[0][0]
    assert frame.shape == (240, 160)
    assert frame.pixel_size_um == pytest.approx(0.8)
    assert frame.truth_count == camera.scene.count_in(320, 0, 320, 480)
    assert frame.truth_count < len(camera.scene.nuclei)
    assert "simulated" in frame.source
    assert not frame.light.confirmed


def test_truth_is_the_number_of_nuclei_in_view() -> None:
    for nuclei in (0, 3):
        spec = SceneSpec(seed=2, nuclei=nuclei, width=640, height=480, pixel_size_um=0.4)
        assert take(opened(Lamp(), spec), 1)[0][0].truth_count == nuclei


def test_a_switch_in_mid_frame_makes_bands_where_the_rows_say() -> None:
    """Light goes out while the frame is read: upper rows are bright, lower rows dark, a ramp between."""
    # One structureless field, so that every row would be the same; the first frame is 3.6 ms of readout.
    spec = SceneSpec(seed=1, nuclei=0, width=640, height=480)
    settings = CameraSettings(pixel_format="Mono12", exposure_ms=1.0)
    timing = timing_of(settings, 640, 480)
    off_s = 1000.0 + timing.row_s * 240
    camera = SimulatedCamera(spec, Lamp((0.0, (1.0, 0, 0, 0)), (off_s, OFF)), ManualClock(1000.0))
    with camera:
        camera.configure(settings)
        frame = take(camera, 1)[0][0]
        steady = SimulatedCamera(spec, Lamp((0.0, (1.0, 0, 0, 0))), ManualClock(1000.0))
        with steady:
            steady.configure(settings)
            reference = take(steady, 1)[0][0]
    rows = frame.pixels.mean(axis=1) - OFFSET_DN
    whole = reference.pixels.mean(axis=1) - OFFSET_DN
    expected = np.clip((off_s - 1000.0 - np.arange(480) * timing.row_s) / 0.001, 0, 1)
    np.testing.assert_allclose(rows / whole.mean(), expected * whole / whole.mean(), atol=0.08)
    assert abs(rows[250:].mean()) < 0.2
    assert rows[:100].mean() > 5


def test_light_that_comes_and_goes_between_frames_is_not_seen() -> None:
    settings = {"fps": 10.0, "exposure_ms": 1.0}
    lamp = Lamp((0.0, OFF), (1000.05, (1.0, 0, 0, 0)), (1000.09, OFF))
    frames, _ = take(opened(lamp, **settings), 3)
    assert all(abs(signal(frame)) < 0.1 for frame in frames)


def test_each_channel_bleaches_with_its_own_dose() -> None:
    camera = opened(Lamp((0.0, (1.0, 0, 0, 0))), fps=1.0, exposure_ms=1.0)
    frames, _ = take(camera, 200)
    assert camera.bleached[0] == pytest.approx(np.exp(-200 / 300), rel=0.02)
    assert camera.bleached[1:] == (1.0, 1.0, 1.0)
    assert signal(frames[-1]) / signal(frames[0]) == pytest.approx(np.exp(-199 / 300), rel=0.05)


def test_light_bleaches_between_exposures_too_and_darkness_does_not() -> None:
    camera = opened(Lamp((0.0, (1.0, 0, 0, 0)), (1060.0, OFF)), fps=0.1, exposure_ms=1.0)
    take(camera, 20)
    assert camera.bleached[0] == pytest.approx(np.exp(-60 / 300), rel=0.001)


def test_a_new_field_is_fresh_and_different() -> None:
    camera = opened(Lamp((0.0, (1.0, 0, 0, 0))), fps=1.0)
    take(camera, 30)
    before = camera.scene.labels()
    camera.new_field()
    assert camera.bleached == (1.0,) * 4
    assert not np.array_equal(before, camera.scene.labels())
    assert take(camera, 1)[0]


def test_the_same_seed_gives_the_same_frames() -> None:
    one, two = (take(opened(Lamp()), 3)[0] for _ in range(2))
    for first, second in zip(one, two, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)


def test_a_slow_reader_loses_frames_and_the_numbers_say_which() -> None:
    camera = opened(Lamp(), fps=50.0)
    clock = camera._clock

    def dawdle(frame: Frame) -> None:
        if frame.index == 4:
            clock.sleep(40.5 / 50)

    frames, _ = take(camera, 20, dawdle)
    indices = [frame.index for frame in frames]
    missing = indices[-1] + 1 - len(indices)
    assert indices[:5] == [0, 1, 2, 3, 4]
    assert missing == 40 - 1 - QUEUED
    assert camera.stats().lost == missing
    ends = [frame.exposure_end_s for frame in frames]
    np.testing.assert_allclose(np.diff(ends), np.diff(indices) / 50, atol=1e-9)


def test_a_slow_camera_falls_behind() -> None:
    camera = opened(Lamp(), fps=50.0)
    camera.faults.slow(0.05)
    take(camera, 40)
    assert camera.stats().lost > 20
    assert camera.stats().failed == 0


def test_a_stalled_camera_ends_with_a_sentence() -> None:
    camera = opened(Lamp())

    def stall(frame: Frame) -> None:
        camera.faults.stall()

    _, endings = take(camera, 1000, stall)
    assert len(endings) == 1
    assert isinstance(endings[0], CameraError)
    assert "stopped sending" in str(endings[0])
    camera.faults.stall(False)
    assert len(take(camera, 3)[0]) == 3


def test_a_stalled_trigger_ends_too() -> None:
    camera = opened(Lamp(), trigger="software")
    camera.faults.stall()
    with pytest.raises(CameraError, match="stopped sending"):
        camera.snap()


def test_unplugged_cameras_cannot_be_opened() -> None:
    camera = SimulatedCamera(SPEC)
    camera.faults.unplug()
    with pytest.raises(CameraError, match="plug"):
        camera.open()


def test_pulling_the_cable_frees_a_waiting_trigger() -> None:
    camera = opened(Lamp(), trigger="software")
    endings: list[BaseException | None] = []
    over = threading.Event()
    camera.start(lambda frame: None, lambda error: (endings.append(error), over.set()))
    camera.faults.unplug()
    assert over.wait(PATIENCE_S)
    with pytest.raises(CameraGoneError):
        camera.trigger()
    camera.stop()
    assert isinstance(endings[0], CameraGoneError)


def test_a_running_camera_takes_a_new_exposure_with_the_next_frame() -> None:
    camera = opened(Lamp(), exposure_ms=2.0)

    def longer(frame: Frame) -> None:
        if frame.index == 3:
            camera.configure(camera.settings.model_copy(update={"exposure_ms": 8.0}))

    frames, _ = take(camera, 8, longer)
    assert [frame.exposure_ms for frame in frames] == [2.0] * 4 + [8.0] * 4
    assert signal(frames[4]) == pytest.approx(4 * signal(frames[3]), rel=0.03)


def test_stop_does_not_wait_for_a_long_exposure() -> None:
    camera = SimulatedCamera(SPEC)
    with camera:
        camera.configure(CameraSettings(exposure_ms=10_000.0, fps=None))
        endings: list[BaseException | None] = []
        camera.start(lambda frame: None, endings.append)
        camera.stop()
    assert endings == [None]


def test_stamps_take_the_jitter_out() -> None:
    clock = StampClock(transfer_s=0.001)
    rng = np.random.default_rng(1)
    true_ends = 50.0 + np.arange(200) * 0.02
    late = rng.exponential(0.004, 200)
    late[::10] = 0
    found = [
        clock.exposure_end(end + 0.001 + wait, int((end + 7.0) * 1e9))
        for end, wait in zip(true_ends, late, strict=True)
    ]
    np.testing.assert_allclose(found[:], true_ends, atol=1e-6)
    clock.reset()
    assert clock.exposure_end(80.001, 0) == pytest.approx(80.0)


@pytest.mark.parametrize(("before_s", "after_s"), [(0.01, 0.1), (0.1, 0.01)])
def test_frames_under_way_at_a_new_exposure_do_not_spoil_the_clock(before_s, after_s):
    clock = StampClock(transfer_s=0.001)  # the stamp is of the exposure's start, the camera's clock 7 s ahead
    begin_s = 50.0

    def comes(exposure_s, late_s=0.0):
        nonlocal begin_s
        begin_s += 0.2
        end_s = begin_s + exposure_s
        return clock.exposure_end(end_s + 0.001 + late_s, int((begin_s + 7) * 1e9)) - end_s

    for _ in range(5):
        comes(before_s)
    clock.exposure_changed(begin_s + 0.2 + before_s + 0.001)
    assert comes(before_s, 0.15) == pytest.approx(0, abs=1e-6)  # exposed before the change, delivered after it
    comes(before_s)  # cameras take a new setting late: these two are marked
    comes(after_s)
    assert [comes(after_s) for _ in range(3)] == pytest.approx([0] * 3, abs=1e-6)
