"""The simulated camera: a peer of the real one, with its timing, its physics and its ways to fail.

It looks at an `app.hardware.scene.Scene` lit by whatever the injected `LightProbe` says really shone, and keeps a
daA3840-45um's timing: 22 ms of rolling readout, 53 ms under the bandwidth limit, 44.9 or 18.7 frames a second.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import numpy as np

from app.clock import Clock, SystemClock
from app.errors import CameraError, CameraGoneError
from app.frame import BufferPool, EndSink, Frame, FrameSink, read_only
from app.hardware.base import Camera, CameraInfo, CameraLimits, CameraStats
from app.hardware.camera_checks import check_limits, check_live_change
from app.hardware.camera_timing import TRANSFER_S, Timing, timing_of
from app.hardware.scene import Scene, SceneSpec
from app.hardware.sensor import LightHistory, Region, Sensor, light_integral, row_doses
from app.settings import CameraSettings

QUEUED = 10
"""Frames that wait in the driver while the reader is late; more are lost, as with pylon's buffers."""
STALL_S = 2.0
"""Silence beyond the frame period after which the camera counts as stuck."""
BLEACH_S = {"nuclei": 300.0}
"""Seconds at full power that leave 37 % of the fluorescence; 150 for the other structures."""
_PATIENCE_S = 0.05

_GONE = "The camera was unplugged; plug it in again."
_STUCK = "The camera has stopped sending frames; check its USB cable and start again."
_ABSENT = "No simulated camera found: it is unplugged; plug it in again."


class LightProbe(Protocol):
    """Sees the light that really shines, whatever was commanded or read back."""

    def levels_between(self, start_s: float, end_s: float) -> LightHistory:
        """Return (since_s, level of each line 0…1) in time order on the camera's clock.

        The first entry holds at `start_s` (it may have begun before), later ones begin inside the interval.
        Called on the camera's thread.
        """
        ...


class CameraFaults:
    """What goes wrong on command; callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing = 0
        self.stalled = False
        self.unplugged = False
        self.pulls = 0
        self.delay_s = 0.0

    def fail_next(self, count: int = 1) -> None:
        """Damage the next `count` buffers on their way."""
        with self._lock:
            self._failing += count

    def stall(self, on: bool = True) -> None:
        """Send nothing more, without a word, until ``stall(False)``."""
        self.stalled = on

    def unplug(self) -> None:
        """Pull the cable."""
        self.unplugged = True
        self.pulls += 1

    def replug(self) -> None:
        """Put the cable back; the camera must be opened again."""
        self.unplugged = False

    def slow(self, seconds_per_frame: float) -> None:
        """Take this much longer for every frame; 0 ends it."""
        self.delay_s = seconds_per_frame

    def take_failure(self) -> bool:
        """Return True when the present buffer is to fail, and count it off."""
        with self._lock:
            self._failing -= (failing := self._failing > 0)
            return failing


class SimulatedCamera(Camera):
    """A camera looking at a simulated sample.

    Parameters
    ----------
    spec : SceneSpec
        The sample.
    light : LightProbe or None
        What really shines; None is darkness. May be replaced through the attribute `light` while stopped.
    clock : Clock
    """

    def __init__(
        self, spec: SceneSpec | None = None, light: LightProbe | None = None, clock: Clock | None = None
    ) -> None:
        self.light = light
        self.faults = CameraFaults()
        self._spec = spec or SceneSpec()
        self._clock = clock or SystemClock()
        self._settings = CameraSettings()
        self._opened = False
        self._pulls = 0
        self._scene: Scene | None = None
        self._sensor: Sensor | None = None
        self._pool: BufferPool | None = None
        self._truth = 0
        self._left = np.ones(len(self._spec.structures))
        self._bleached_until_s = self._clock.monotonic()
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._turn = threading.Condition()
        self._trigger_s: float | None = None
        self._exposing = False
        self._over = True
        self._stats = CameraStats()

    @property
    def info(self) -> CameraInfo:
        """Return the simulated camera's names; they say what it is."""
        return CameraInfo("sim", "dapiscope", "simulated daA3840-45um", f"SIM-{self._spec.seed}", True, 2.0)

    @property
    def limits(self) -> CameraLimits:
        """Return the daA3840-45um's ranges over the simulated field."""
        return CameraLimits(
            exposure_ms=(0.001, 10_000.0),
            gain_db=(0.0, 48.0),
            fps=(0.1, 1000.0),
            width=(min(16, self._spec.width), self._spec.width),
            height=(min(16, self._spec.height), self._spec.height),
            roi_step=(4, 4),
            pixel_formats=("Mono8", "Mono12", "Mono12p"),
            binnings=(1, 2, 4),
        )

    @property
    def settings(self) -> CameraSettings:
        """Return what is in force."""
        return self._settings

    @property
    def readout_ms(self) -> float:
        """Return the time from the first row's exposure start to the last row's."""
        return 1000 * self._timing().readout_s

    @property
    def resulting_fps(self) -> float:
        """Frames per second that exposure, readout and the asked rate allow."""
        return 1 / self._timing().period_s

    @property
    def scene(self) -> Scene:
        """The sample in view, with its truth."""
        if self._scene is None:
            self._scene = Scene(self._spec)
        return self._scene

    @property
    def bleached(self) -> tuple[float, ...]:
        """Part of the fluorescence left, per light line; 1 is fresh."""
        return tuple(float(left) for left in self._left)

    def open(self) -> None:
        """Claim the camera and make the sample.

        Raises CameraError while it is unplugged, and UsageError for a sample that cannot be.
        """
        if self.faults.unplugged:
            raise CameraError(_ABSENT)
        if self._opened and self._pulls == self.faults.pulls:
            return
        self.close()
        self._opened, self._pulls = True, self.faults.pulls
        try:
            self._apply()
        except BaseException:
            self._opened = False
            raise

    def new_field(self) -> None:
        """Move to a fresh field of the same sample: other nuclei, nothing bleached. The camera must be stopped."""
        self._need_stopped("moving the sample")
        self._spec = replace(self._spec, seed=self._spec.seed + 1)
        self._scene, self._left = None, np.ones(len(self._spec.structures))
        if self._opened:
            self._apply()

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Apply `settings`; see `Camera.configure`. Exposure is read back in whole µs."""
        self._need_open()
        check_limits(settings, self.limits)
        if self._running():
            check_live_change(self._settings, settings)
        exposure_ms = max(math.floor(settings.exposure_ms * 1000 + 1e-6), 1) / 1000
        old, self._settings = self._settings, settings.model_copy(update={"exposure_ms": exposure_ms})
        if (old.roi, old.binning, old.pixel_format) != (settings.roi, settings.binning, settings.pixel_format):
            self._apply()
        return self._settings

    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Deliver frames to `sink` on the thread ``app-camera``; see `Camera.start`."""
        self._need_open()
        self._need_stopped("starting it again")
        self.stop()
        self._stats = CameraStats()
        self._stopping.clear()
        self._trigger_s, self._exposing, self._over = None, False, False
        run = self._run_triggered if self._settings.trigger == "software" else self._run_free
        self._thread = threading.Thread(target=self._run, args=(run, sink, ended), name="app-camera", daemon=True)
        self._thread.start()

    def trigger(self) -> None:
        """Expose one frame; waits until the exposure before it is over."""
        self._need_open()
        with self._turn:
            if self._over or self._settings.trigger != "software":
                raise CameraError("The camera takes no trigger now; start it in software-trigger mode first.")
            timing = self._timing()
            patience_s = 5 + 2 * (timing.exposure_s + timing.readout_s)
            ready = self._turn.wait_for(lambda: self._over or not (self._exposing or self._trigger_s), patience_s)
            if not ready or self._over:
                raise CameraGoneError(_GONE) if self.faults.unplugged else CameraError(_STUCK)
            self._trigger_s = self._clock.monotonic()
            self._turn.notify_all()

    def stop(self) -> None:
        """Stop delivering; returns when the thread is gone."""
        self._stopping.set()
        with self._turn:
            self._turn.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
            if self._pool is not None:
                self._pool.clear()

    def stats(self) -> CameraStats:
        """Return the counters since the last `start`."""
        return self._stats

    def close(self) -> None:
        """Stop and release."""
        self.stop()
        self._opened = False
        self._sensor = self._pool = None

    # What follows runs on the camera's thread, except the small helpers.

    def _run(self, run: Callable[[FrameSink], None], sink: FrameSink, ended: EndSink) -> None:
        error: BaseException | None = None
        try:
            run(sink)
        except Exception as problem:  # noqa: BLE001 - whatever ends this thread must reach the session, not be lost
            error = problem
        with self._turn:
            self._over = True
            self._turn.notify_all()
        if isinstance(error, CameraGoneError):
            self._opened = False
        ended(error)

    def _run_free(self, sink: FrameSink) -> None:
        """Frames begin a period apart, exactly; those due while more than `QUEUED` wait are lost."""
        begin_s = self._clock.monotonic()
        heard_s = begin_s
        index = 0
        while not self._stopping.is_set():
            settings, timing = self._settings, self._timing()
            due_s = begin_s + timing.readout_s + timing.exposure_s + TRANSFER_S
            if not self._sleep_until(due_s):
                return
            behind = math.floor((self._clock.monotonic() - due_s) / timing.period_s)
            lost = max(behind - QUEUED, 0)
            if lost:
                self._stats = replace(self._stats, lost=self._stats.lost + lost)
                index, begin_s = index + lost, begin_s + lost * timing.period_s
            heard_s = self._deliver(sink, index, begin_s, settings, timing, heard_s)
            index, begin_s = index + 1, begin_s + timing.period_s

    def _run_triggered(self, sink: FrameSink) -> None:
        index = 0
        while True:
            with self._turn:
                while self._trigger_s is None and not self._stopping.is_set():
                    self._turn.wait(_PATIENCE_S)
                    if self.faults.unplugged:
                        raise CameraGoneError(_GONE)
                if self._stopping.is_set():
                    return
                begin_s, self._trigger_s, self._exposing = self._trigger_s or 0.0, None, True
            settings, timing = self._settings, self._timing()
            if not self._sleep_until(begin_s + timing.readout_s + timing.exposure_s + TRANSFER_S):
                return
            with self._turn:
                self._exposing = False
                self._turn.notify_all()
            heard_s = self._deliver(sink, index, begin_s, settings, timing, begin_s)
            if heard_s == begin_s:
                self._await_stall(begin_s, timing)
            index += 1

    def _await_stall(self, heard_s: float, timing: Timing) -> None:
        """No answer to a trigger: wait as long as one would, then say so."""
        if self._sleep_until(heard_s + timing.readout_s + timing.exposure_s + STALL_S):
            raise CameraError(_STUCK)

    def _deliver(
        self, sink: FrameSink, index: int, begin_s: float, settings: CameraSettings, timing: Timing, heard_s: float
    ) -> float:
        """Finish the exposure that began at `begin_s`; return when the camera was last heard of."""
        faults = self.faults
        if faults.unplugged:
            raise CameraGoneError(_GONE)
        if faults.delay_s:
            self._clock.sleep(faults.delay_s)
        now_s = self._clock.monotonic()
        if faults.stalled:
            if now_s - heard_s > STALL_S + timing.period_s:
                raise CameraError(_STUCK)
            return heard_s
        if faults.take_failure():
            self._stats = replace(self._stats, lost=self._stats.lost + 1, failed=self._stats.failed + 1)
            return now_s
        frame = self._expose(index, begin_s, settings, timing)
        self._stats = replace(self._stats, grabbed=self._stats.grabbed + 1)
        sink(frame)
        return now_s

    def _expose(self, index: int, begin_s: float, settings: CameraSettings, timing: Timing) -> Frame:
        sensor, pool = self._sensor, self._pool
        if sensor is None or pool is None:
            raise CameraError("The simulated camera was closed while it was running; open it again.")
        end_s = begin_s + timing.readout_s + timing.exposure_s
        lines = len(self._left)
        history = self._history(min(begin_s, self._bleached_until_s), end_s)
        doses = row_doses(history, begin_s, timing.rows, timing.row_s, timing.exposure_s, lines)
        pixels = pool.take()
        sensor.expose(doses * self._left[:, None], settings.gain_db, settings.pixel_format, pixels)
        self._bleach(history, end_s)
        return Frame(
            pixels=read_only(pixels),
            index=index,
            exposure_end_s=end_s,
            unix_time_s=self._clock.unix() - (self._clock.monotonic() - end_s),
            exposure_ms=settings.exposure_ms,
            gain_db=settings.gain_db,
            pixel_format="Mono8" if settings.pixel_format == "Mono8" else "Mono12",
            pixel_size_um=self._spec.pixel_size_um * settings.binning,
            source=self.info.title,
            readout_ms=1000 * timing.readout_s,
            truth_count=self._truth,
        )

    def _history(self, start_s: float, end_s: float) -> LightHistory:
        return self.light.levels_between(start_s, end_s) if self.light is not None else []

    def _bleach(self, history: LightHistory, end_s: float) -> None:
        if end_s <= self._bleached_until_s:
            return
        dose_s = light_integral(history, self._bleached_until_s, end_s, len(self._left))
        decay_s = np.array([BLEACH_S.get(name, 150.0) for name in self._spec.structures])
        self._left = self._left * np.exp(-dose_s / decay_s)
        self._bleached_until_s = end_s

    def _apply(self) -> None:
        """Make the sensor and the buffers for the region, binning and depth in force."""
        settings = self._settings
        x, y, width, height = self._roi()
        shape = (height // settings.binning, width // settings.binning)
        region = Region(self.scene, (x, y, width, height), settings.binning)
        self._sensor = Sensor(region, shape, settings.binning, self._spec.seed)
        if "nuclei" in self._spec.structures:
            region[self._spec.structures.index("nuclei")]  # drawn now, not under the first exposure
        self._pool = BufferPool(shape, np.uint8 if settings.pixel_format == "Mono8" else np.uint16)
        self._truth = self.scene.count_in(x, y, width, height)

    def _roi(self) -> tuple[int, int, int, int]:
        return self._settings.roi or (0, 0, self._spec.width, self._spec.height)

    def _timing(self) -> Timing:
        _, _, width, height = self._roi()
        return timing_of(self._settings, width, height)

    def _sleep_until(self, moment_s: float) -> bool:
        """Wait for `moment_s`; False when `stop` came first."""
        while (left_s := moment_s - self._clock.monotonic()) > 0:
            if self._stopping.is_set():
                return False
            self._clock.sleep(min(left_s, _PATIENCE_S))
        return not self._stopping.is_set()

    def _running(self) -> bool:
        return self._thread is not None and not self._over

    def _need_open(self) -> None:
        if self.faults.unplugged or (self._opened and self._pulls != self.faults.pulls):
            raise CameraGoneError(_GONE)
        if not self._opened:
            raise CameraError("The camera is not open; open it first.")

    def _need_stopped(self, purpose: str) -> None:
        if self._running():
            raise CameraError(f"The camera is running; stop it before {purpose}.")
