"""The camera contract, over the simulated camera and over the Basler driver on pylon's own emulator."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest

from app.clock import ManualClock, SystemClock
from app.errors import CameraError, CameraGoneError
from app.frame import Frame
from app.hardware import basler
from app.hardware.base import Camera
from app.hardware.basler import BaslerCamera
from app.hardware.basler_folder import FolderCamera
from app.hardware.scene import SceneSpec
from app.hardware.simulated import SimulatedCamera
from app.settings import CameraSettings

SMALL = (0, 0, 320, 240)
PATIENCE_S = 20.0


@dataclass
class Bench:
    """One kind of camera and how to hurt it."""

    make: Callable[[], Camera]
    fail: Callable[[Camera, int], None]
    unplug: Callable[[Camera], None]
    replug: Callable[[Camera], None]


@dataclass
class Collector:
    """A sink that keeps what it gets and can be waited for."""

    wanted: int = 1
    frames: list[Frame] = field(default_factory=list)
    endings: list[BaseException | None] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    enough: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def sink(self, frame: Frame) -> None:
        if len(self.frames) < 200:
            self.frames.append(frame)
        self.threads.add(threading.current_thread().name)
        if len(self.frames) >= self.wanted:
            self.enough.set()

    def ended(self, error: BaseException | None) -> None:
        self.endings.append(error)
        self.threads.add(threading.current_thread().name)
        self.over.set()

    def await_frames(self) -> None:
        assert self.enough.wait(PATIENCE_S), f"{len(self.frames)} frames came, ended: {self.endings}"


def sim_bench() -> Bench:
    def make() -> Camera:
        spec = SceneSpec(nuclei=5, width=640, height=480, pixel_size_um=0.4)
        return SimulatedCamera(spec, clock=SystemClock())

    return Bench(
        make,
        lambda camera, count: camera.faults.fail_next(count),
        lambda camera: camera.faults.unplug(),
        lambda camera: camera.faults.replug(),
    )


def pylon_bench(folder: Path) -> Bench:
    rng = np.random.default_rng(1)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (480, 640), dtype=np.uint8))

    class Fed(BaslerCamera):
        def open(self) -> None:
            super().open()
            self._features.set("test_image", "Off")
            self._features.set("image_file", str(folder))
            self._features.set("image_file_mode", "On")

    def fail(camera: Camera, count: int) -> None:
        camera._camera.ForceFailedBufferCount.Value = count
        camera._camera.ForceFailedBuffer.Execute()

    return Bench(
        lambda: Fed("pylon:0815-0000"),
        fail,
        lambda camera: camera._camera.FirePnPCallback.Execute(),
        lambda camera: None,
    )


@pytest.fixture(params=["simulated", "pylon"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    if request.param == "simulated":
        return sim_bench()
    monkeypatch.setenv("PYLON_CAMEMU", "2")
    return pylon_bench(tmp_path)


@pytest.fixture
def camera(bench: Bench) -> Iterator[Camera]:
    camera = bench.make()
    camera.open()
    camera.configure(CameraSettings(roi=SMALL, exposure_ms=1, fps=200))
    yield camera
    camera.close()
    assert "app-camera" not in {thread.name for thread in threading.enumerate()}


def run(camera: Camera, wanted: int, meanwhile: Callable[[], None] = lambda: None) -> Collector:
    got = Collector(wanted)
    camera.start(got.sink, got.ended)
    try:
        got.await_frames()
        meanwhile()
    finally:
        camera.stop()
    return got


def test_says_that_it_is_simulated_before_and_after_opening(bench: Bench) -> None:
    camera = bench.make()
    assert camera.info.id
    with camera:
        assert camera.info.simulated
        assert "simul" in camera.info.title.lower()
        assert camera.info.pixel_um == 2.0


def test_open_stop_and_close_may_be_repeated(bench: Bench) -> None:
    camera = bench.make()
    camera.close()
    camera.open()
    camera.open()
    camera.stop()
    camera.stop()
    camera.close()
    camera.close()


def test_a_closed_camera_refuses_work(bench: Bench) -> None:
    camera, got = bench.make(), Collector()
    for attempt in (
        lambda: camera.configure(CameraSettings()),
        lambda: camera.start(got.sink, got.ended),
        camera.trigger,
    ):
        with pytest.raises(CameraError, match="open"):
            attempt()


@pytest.mark.parametrize(
    "changes",
    [
        {"exposure_ms": 1e-5},
        {"fps": 1e-4},
        {"roi": (0, 0, 100_000, 240)},
        {"roi": (0, 300, 320, 100_000)},
        {"roi": (-4, 0, 320, 240)},
    ],
)
def test_out_of_range_raises_and_changes_nothing(camera: Camera, changes: dict[str, object]) -> None:
    before = camera.settings
    with pytest.raises(CameraError):
        camera.configure(before.model_copy(update=changes))
    assert camera.settings == before


@pytest.mark.parametrize(
    "changes",
    [
        {"exposure_ms": 0.5},
        {"exposure_ms": 2000.0},
        {"gain_db": 12.0},
        {"fps": None},
        {"fps": 10.0},
        {"pixel_format": "Mono12"},
        {"roi": (16, 8, 160, 120)},
        {"roi": None},
        {"binning": 2},
        {"throughput_limit": True},
        {"trigger": "software"},
    ],
)
def test_reads_back_what_it_took(camera: Camera, changes: dict[str, object]) -> None:
    wanted = camera.settings.model_copy(update=changes)
    read = camera.configure(wanted)
    assert read == camera.settings
    for name, value in wanted.model_dump().items():
        assert getattr(read, name) == (pytest.approx(value, rel=1e-4) if isinstance(value, float) else value), name


def test_exposure_is_read_back_in_whole_microseconds(camera: Camera) -> None:
    read = camera.configure(camera.settings.model_copy(update={"exposure_ms": 1.2345678}))
    assert read.exposure_ms in (1.234, 1.235)


@pytest.mark.parametrize(("pixel_format", "dtype", "white"), [("Mono8", np.uint8, 255), ("Mono12", np.uint16, 4095)])
def test_free_running_frames_keep_the_contract(camera: Camera, pixel_format: str, dtype: type, white: int) -> None:
    settings = camera.configure(camera.settings.model_copy(update={"pixel_format": pixel_format}))
    got = run(camera, 5)
    assert got.endings == [None]
    assert got.threads == {"app-camera"}
    assert [frame.index for frame in got.frames[:5]] == [0, 1, 2, 3, 4]
    for frame in got.frames[:5]:
        assert frame.shape == (240, 320)
        assert frame.pixels.dtype == dtype
        assert frame.white == white
        assert frame.pixels.max() <= white
        assert not frame.pixels.flags.writeable
        assert (frame.exposure_ms, frame.gain_db) == (settings.exposure_ms, settings.gain_db)
        assert frame.pixel_format == pixel_format
        assert not frame.light.confirmed
        assert frame.source == camera.info.title
        assert frame.readout_ms == pytest.approx(camera.readout_ms)
    ends = [frame.exposure_end_s for frame in got.frames]
    assert ends == sorted(ends)
    assert abs(got.frames[0].unix_time_s - time.time()) < 60
    assert camera.stats().grabbed >= 5
    assert camera.stats().lost == 0


def test_no_thread_and_no_frame_after_stop(camera: Camera) -> None:
    got = run(camera, 1)
    count = camera.stats().grabbed
    assert "app-camera" not in {thread.name for thread in threading.enumerate()}
    assert camera.stats().grabbed == count
    assert len(got.endings) == 1


def test_counters_begin_anew_with_each_start(camera: Camera, bench: Bench) -> None:
    bench.fail(camera, 2)
    run(camera, 3)
    assert camera.stats().failed == 2
    got = run(camera, 1)
    assert got.frames[0].index == 0
    assert camera.stats().failed == 0


def test_only_exposure_gain_and_rate_may_change_while_running(camera: Camera) -> None:
    def change() -> None:
        live = camera.settings.model_copy(update={"exposure_ms": 2.0, "gain_db": 6.0, "fps": 100.0})
        assert camera.configure(live).exposure_ms == 2.0
        for update in ({"binning": 2}, {"pixel_format": "Mono12"}, {"roi": (0, 0, 160, 120)}, {"trigger": "software"}):
            with pytest.raises(CameraError, match="running"):
                camera.configure(camera.settings.model_copy(update=update))
        assert camera.settings.gain_db == pytest.approx(6.0, abs=0.01)

    run(camera, 1, change)


def test_a_second_start_is_refused_and_disturbs_nothing(camera: Camera) -> None:
    other = Collector()

    def again() -> None:
        with pytest.raises(CameraError, match="running"):
            camera.start(other.sink, other.ended)

    got = run(camera, 1, again)
    assert got.endings == [None]
    assert not other.frames
    assert not other.endings


def test_every_software_trigger_makes_one_frame(camera: Camera) -> None:
    camera.configure(camera.settings.model_copy(update={"trigger": "software"}))
    got = Collector(5)
    camera.start(got.sink, got.ended)
    for _ in range(5):
        camera.trigger()
    got.await_frames()
    camera.stop()
    assert [frame.index for frame in got.frames] == [0, 1, 2, 3, 4]
    assert got.endings == [None]


def test_a_trigger_needs_the_software_mode_and_a_start(camera: Camera) -> None:
    def fire() -> None:
        with pytest.raises(CameraError, match="software"):
            camera.trigger()

    run(camera, 1, fire)
    camera.configure(camera.settings.model_copy(update={"trigger": "software"}))
    fire()


def test_snap_returns_one_frame_and_leaves_the_camera_stopped(camera: Camera) -> None:
    camera.configure(camera.settings.model_copy(update={"trigger": "software", "pixel_format": "Mono12"}))
    for _ in range(2):
        assert camera.snap().shape == (240, 320)
    run_again = camera.configure(camera.settings.model_copy(update={"trigger": "free"}))
    assert run_again.trigger == "free"


def test_a_damaged_snap_raises_at_once(camera: Camera, bench: Bench) -> None:
    camera.configure(camera.settings.model_copy(update={"trigger": "software"}))
    bench.fail(camera, 1)
    with pytest.raises(CameraError, match="damaged"):
        camera.snap()
    assert camera.snap().shape == (240, 320)


def test_damaged_buffers_are_counted_and_never_delivered(camera: Camera, bench: Bench) -> None:
    bench.fail(camera, 3)
    got = run(camera, 4)
    assert got.frames[0].index == 3
    stats = camera.stats()
    assert (stats.lost, stats.failed) == (3, 3)


def test_unplugging_ends_with_one_sentence_and_replugging_resumes(camera: Camera, bench: Bench) -> None:
    settings = camera.settings
    got = Collector(2)
    camera.start(got.sink, got.ended)
    got.await_frames()
    bench.unplug(camera)
    assert got.over.wait(PATIENCE_S)
    assert len(got.endings) == 1
    assert isinstance(got.endings[0], CameraGoneError)
    for attempt in (lambda: camera.configure(settings), lambda: camera.start(got.sink, got.ended), camera.trigger):
        with pytest.raises(CameraError):
            attempt()
    camera.stop()
    bench.replug(camera)
    camera.open()
    assert camera.settings == settings
    assert run(camera, 3).endings == [None]


def test_while_unplugged_opening_says_what_to_do(camera: Camera, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session tries again and again until the cable is back."""
    settings = camera.settings
    bench.unplug(camera)
    with pytest.raises(CameraGoneError):
        camera.configure(settings)
    with monkeypatch.context() as nothing_there:
        nothing_there.setattr(basler, "_devices", list)
        for _ in range(3):
            with pytest.raises(CameraError, match="found"):
                camera.open()
    bench.replug(camera)
    camera.open()
    assert camera.settings == settings
    assert run(camera, 2).endings == [None]


def test_a_camera_unplugged_while_idle_can_be_closed(camera: Camera, bench: Bench) -> None:
    bench.unplug(camera)
    with pytest.raises(CameraGoneError, match="plug"):
        camera.configure(camera.settings)
    camera.close()


def test_a_failing_sink_ends_the_stream_with_its_error(camera: Camera) -> None:
    got = Collector()

    def broken(frame: Frame) -> None:
        raise ValueError("the sink broke")

    camera.start(broken, got.ended)
    assert got.over.wait(PATIENCE_S)
    camera.stop()
    assert [str(error) for error in got.endings] == ["the sink broke"]


def test_a_frame_that_is_kept_is_never_written_over(camera: Camera) -> None:
    kept: list[tuple[Frame, np.ndarray]] = []
    got = Collector(40)

    def sink(frame: Frame) -> None:
        if len(kept) < 3:
            kept.append((frame, frame.pixels.copy()))
        got.sink(Frame(frame.pixels[:1, :1].copy(), frame.index, 0, 0, 1, 0, "Mono8", None))

    camera.start(sink, got.ended)
    got.await_frames()
    camera.stop()
    for frame, copy in kept:
        np.testing.assert_array_equal(frame.pixels, copy)


def test_start_and_stop_leave_nothing_behind(camera: Camera) -> None:
    before = threading.active_count()
    for _ in range(20):
        got = Collector()
        camera.start(got.sink, got.ended)
        camera.stop()
        assert got.endings == [None]
    assert threading.active_count() == before


def test_settings_survive_closing_and_opening(camera: Camera) -> None:
    settings = camera.configure(camera.settings.model_copy(update={"exposure_ms": 3.0, "gain_db": 3.0}))
    camera.close()
    camera.open()
    assert camera.settings == settings


def test_with_a_manual_clock_time_is_exact() -> None:
    spec = SceneSpec(nuclei=2, width=320, height=240, pixel_size_um=0.4)
    clock = ManualClock(1000.0)
    with SimulatedCamera(spec, clock=clock) as camera:
        camera.configure(CameraSettings(fps=40.0, exposure_ms=5.0))
        got = run(camera, 10)
    ends = [frame.exposure_end_s for frame in got.frames[:10]]
    np.testing.assert_allclose(np.diff(ends), 0.025, atol=1e-9)
    assert ends[0] == pytest.approx(1000.0 + 0.005 + got.frames[0].readout_ms / 1000)


def test_the_folder_camera_is_a_camera_too(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 50 + number), number, np.uint8))
    with FolderCamera(tmp_path) as camera:
        camera.configure(CameraSettings(fps=None))
        got = Collector(3)
        camera.start(got.sink, got.ended)
        assert got.over.wait(PATIENCE_S)
        camera.stop()
    assert [frame.shape for frame in got.frames] == [(40, 50), (40, 51), (40, 52)]
    assert got.endings == [None]
