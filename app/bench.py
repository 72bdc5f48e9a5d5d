"""The camera and the light of one session: opened on demand, run and paused together, safe when closed.

Everything here is called from the session's device worker, except `off` and the readings, which any thread may take.
"""

import logging
import math
import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from app.acquisition import acquire
from app.cancellation import Cancellation
from app.clock import Clock
from app.errors import (
    CameraError,
    CameraGoneError,
    CancelledError,
    DapiscopeError,
    LightError,
    LightGoneError,
    LightStuckError,
)
from app.events import CameraReady, Event, LightReady, LightSeen
from app.frame import EndSink, Frame, FrameSink
from app.hardware.base import Camera, CameraStats, LightInfo, LightReading, LightSource
from app.hardware.light_truth import FrameLabeller, LightTimeline
from app.light_keeper import LightKeeper
from app.settings import CameraSettings, Settings
from app.shutter import SILENCE_S

log = logging.getLogger(__name__)
ANSWER_S = 10.0
"""A switch that was not confirmed by then has failed."""
T = TypeVar("T")
UNREAD = "THE LIGHT MAY STILL BE ON: its box does not answer; cut its power."
OVERTAKEN = "The light was asked to go off meanwhile and stays dark; switch it on again."


class Bench:
    """One camera and one light source.

    Parameters
    ----------
    make_camera, make_light : callable
        Make the parts, closed.
    clock : Clock
    publish : callable
        Gets `CameraReady`, `LightReady` and `LightSeen`.
    light_failed : callable
        Gets the error when the light stops answering outside a command.
    calls : Cancellation, optional
        Ends the wait for a driver when the command that is carried out is cancelled. A camera or light that is left
        behind then is none of the bench's any more, and nothing comes on by it.
    """

    def __init__(
        self,
        make_camera: Callable[[], Camera],
        make_light: Callable[[], LightSource],
        clock: Clock,
        publish: Callable[[Event], None],
        light_failed: Callable[[BaseException], None],
        calls: Cancellation | None = None,
    ) -> None:
        self._calls = calls or Cancellation(publish, clock)
        self._make_camera, self._make_light = make_camera, make_light
        self._clock, self._publish, self._light_failed = clock, publish, light_failed
        self.camera: Camera | None = None
        """None until it is open."""
        self._made: Camera | None = None
        self.light_info: LightInfo | None = None
        self.labeller: FrameLabeller | None = None
        self._keeper: LightKeeper | None = None
        self._unread: LightKeeper | None = None
        """One that did not come to open its light, and has not confirmed that it is dark."""
        self._running = False
        self._counted: Camera | None = None
        """The camera whose counters are not in `_earlier` yet; also while it is being stopped, and hangs in that."""
        self._held = False
        self._gate = threading.RLock()  # a signal may ask for darkness within an asking for it
        self.offs = 0
        """How often `all_off` was called: what was asked for before the last one does not shine after it."""
        self._earlier = CameraStats()

    # ------------------------------------------------------------------ opening and closing

    def connect(self, settings: Settings) -> None:
        """Open what is not open yet: the light first, dark and read back, then the camera.

        Raises LightGoneError while a light that was open is gone, in the words in which that was told.
        """
        if self._keeper is not None:
            if self._keeper.gone is not None:
                raise self._keeper.gone  # it is looked for all the time, and taken back as soon as it answers
        else:
            try:
                self._open_light(settings)
            except (LightStuckError, LightGoneError):
                raise  # it may shine: that is told now, and not once a camera has answered
            except LightError as error:
                also = self._why_no_camera(settings)
                if also:  # both are told at once, not the second when the first is mended
                    raise type(error)(f"{error} {also}") from error
                raise
        if self.camera is not None and not self._running:
            self._look_at(self.camera)
        self._open_camera(settings)

    def _open_camera(self, settings: Settings) -> None:
        if self.camera is None:
            self._calls.at("camera", 0.3)
            self._made = self._made or self._make_camera()
            self._on(self._made, self._made.open)
            self.camera = self._made
            self.configure(settings.camera)

    def _why_no_camera(self, settings: Settings) -> str:
        """Return why there is no camera either; empty when there is one, or nobody waited for it.

        Whatever comes of the camera, the light's error is the one to tell.
        """
        try:
            self._open_camera(settings)
        except CancelledError:
            return ""
        except DapiscopeError as error:
            return str(error)
        except Exception:
            log.exception("the camera, behind a light that failed")
        return ""

    def _look_at(self, camera: Camera) -> None:
        """Let go of a camera that was unplugged while nothing ran: it may be back, and must be opened again then."""
        try:
            self._on(camera, lambda: camera.configure(camera.settings))
        except CameraGoneError:
            self.release_camera()

    def _on(self, camera: Camera, call: Callable[[], T], busy_s: float = 0.0) -> T:
        """Return what `call` to the driver of `camera` returns; one that is left behind takes the camera with it."""
        try:
            return self._calls.call(call, camera.close, busy_s)
        except CancelledError:
            if self._calls.left:
                self.all_off()  # nothing that the call may still ask for shines
                ran, self.camera, self._running, self._counted = self._running, None, False, None
                if ran:
                    self._earlier = _sum(self._earlier, camera.stats())
            raise

    def _open_light(self, settings: Settings) -> None:
        timeline = LightTimeline(settings.channels, settle_s=settings.light.settle_ms / 1000)
        keeper = LightKeeper(
            self._make_light(), settings.channels, timeline, self._clock, self._light_seen, self._light_failed
        )
        self._calls.at("light", 0.1)
        before = self._unread

        def open_it() -> LightInfo:
            self._unread = keeper  # from the first byte on, until it was read
            return keeper.open(settings.light.watchdog_ms)

        try:
            self.light_info = self._calls.call(open_it, keeper.close)
        except CancelledError:
            if self._calls.left:
                # The light is opened first, so it is a light that has not come back: nobody has read it.
                self._publish(LightSeen(None, 0.0, False))
                raise LightStuckError(UNREAD) from None
            raise
        except DapiscopeError as error:
            if not isinstance(error, LightStuckError | LightGoneError):
                self._unread = before  # there is no such box, or it is dark
            raise
        self._keeper, self._unread = keeper, None
        if self._held:
            keeper.lock()
        self.labeller = FrameLabeller(timeline, settings.light, free_run=settings.camera_images is None)
        self._publish(LightReady(self.light_info))

    def release_camera(self) -> None:
        """Close the camera; the next `connect` opens it anew."""
        camera, self.camera = self.camera, None
        if camera is not None:
            camera.close()

    @property
    def dark(self) -> bool | None:
        """True when the box said last that nothing shines; None when it was never asked."""
        keeper = self._keeper or self._unread
        return keeper.dark_confirmed if keeper is not None else None

    def close_light(self) -> bool:
        """Switch off, confirm, release the port. True when the box said it is dark, or there never was one."""
        keeper = self._keeper or self._unread
        return keeper.close() if keeper is not None else True

    # ------------------------------------------------------------------ light

    def hold_dark(self) -> "Future[LightReading] | None":
        """Make everything dark, and let nothing shine again until `release_light`; any thread."""
        self._held = True
        return self._heard(self._keeper.lock()) if self._keeper is not None else None

    def release_light(self) -> None:
        """Let lights be switched on again."""
        self._held = False
        if self._keeper is not None:
            self._keeper.unlock()

    def all_off(self) -> "Future[LightReading] | None":
        """Make everything dark, whatever was asked for before and has not shone yet; any thread."""
        with self._gate:
            self.offs += 1
            return self.off()

    def off(self) -> "Future[LightReading] | None":
        """Make everything dark before anything else; any thread. None without a light source."""
        return self._heard(self._keeper.off()) if self._keeper is not None else None

    def _heard(self, off: "Future[LightReading]") -> "Future[LightReading]":
        """See that an "off" which fails is told, whether or not anybody waits for it."""

        def look(done: "Future[LightReading]") -> None:
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self._light_failed(error)

        off.add_done_callback(look)
        return off

    def switch(self, channel: str | None, level: float, offs: int | None = None) -> LightReading | None:
        """Shine `channel` alone at `level` (None: dark) and return what was read back.

        With `offs`, as it was counted when this was asked for, nothing comes on once `all_off` was called since: the
        answer is None then.
        """
        with self._gate:  # either `all_off` is counted here, or it comes behind this switch and cancels or ends it
            if channel is not None and offs not in (None, self.offs):
                return None
            asked = self._need_keeper().switch(channel, level)
        try:
            return _answer(asked, self._calls.outlast)
        except DapiscopeError:
            if asked.cancelled() and offs not in (None, self.offs):
                return None
            raise

    def _light_seen(self, seen: LightSeen) -> None:
        self._publish(seen)

    def _need_keeper(self) -> LightKeeper:
        if self._keeper is None:
            raise LightError("No light source is connected; connect it first.")
        return self._keeper

    # ------------------------------------------------------------------ camera

    def need_camera(self) -> Camera:
        """Return the open camera, or raise CameraError."""
        if self.camera is None:
            raise CameraError("No camera is connected; connect it and start again.")
        return self.camera

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Apply `settings`, tell what was read back, and return it."""
        camera = self.need_camera()
        present = camera.settings
        self._note_change(present, settings, math.inf)  # cameras take their time, and frames come meanwhile
        try:
            actual = self._on(camera, lambda: camera.configure(settings))
        finally:
            self._note_change(present, settings, self._clock.monotonic())
        self._publish(CameraReady(camera.info, camera.limits, actual, camera.readout_ms))
        return actual

    def _note_change(self, present: CameraSettings, wanted: CameraSettings, at_s: float) -> None:
        """Have the frames marked that were exposed before `at_s`, and the first after it."""
        if self.labeller is None or not self._running:
            return
        if wanted.gain_db != present.gain_db:
            self.labeller.changed_gain(at_s)
        if wanted.exposure_ms != present.exposure_ms:
            self.labeller.changed_exposure(at_s)

    def run(
        self, light: tuple[str, float] | None, offs: int | None, settle_ms: float, sink: FrameSink, ended: EndSink
    ) -> None:
        """Light on, confirmed and settled; then the camera: every frame from the first has its light.

        `offs` is that of `switch`: after an `all_off` the camera starts in the dark.
        """
        if light is not None and light[1] > 0 and self.switch(*light, offs) is not None:
            self._clock.sleep(settle_ms / 1000)
        camera = self.need_camera()
        self._running, self._counted = True, camera  # before the start: a folder without a usable file ends at once

        def came(frame: Frame) -> None:
            if self.camera is camera:  # not left behind
                sink(frame)

        def end(error: BaseException | None) -> None:
            if self.camera is camera:
                ended(error)

        self._calls.at("frames", 0.9)
        try:
            self._on(camera, lambda: camera.start(came, end))
        except BaseException:
            self._running, self._counted = False, None
            self.off()
            raise

    @property
    def running(self) -> bool:
        """True between `run` and `pause`."""
        return self._running

    def frame_period_s(self) -> float:
        """Return the seconds from one frame to the next under the camera's present settings."""
        camera = self.need_camera()
        settings = camera.settings
        exposed_s = (settings.exposure_ms + camera.readout_ms) / 1000
        return max(exposed_s, 1 / settings.fps) if settings.fps else exposed_s

    def pause(self) -> None:
        """Stop the camera, and keep what it counted: it starts from zero the next time."""
        camera = self.camera
        if camera is None or not self._running:
            return
        self._running = False
        try:
            camera.stop()
        finally:
            self._counted, self._earlier = None, _sum(self._earlier, camera.stats())

    def rejected(self) -> tuple[tuple[str, str], ...]:
        """Return (file name, reason) of the images that a played folder held and the camera could not use."""
        return tuple(getattr(self.camera, "rejected", ()))

    def begin_counting(self) -> None:
        """Start the counters of a new run at zero."""
        self._earlier = CameraStats()

    def counts(self) -> CameraStats:
        """Return the counters of this run, pauses included; any thread."""
        camera = self._counted
        return _sum(self._earlier, camera.stats()) if camera is not None else self._earlier

    def snap(self, settings: Settings, cancelled: Callable[[], bool]) -> Frame:
        """Take one frame at the least dose; the camera must not run."""
        offs = self.offs  # before `cancelled` is asked: an "all off" from here on is seen by one or the other
        light = settings.light
        wanted = settings.camera.model_copy(update={"pixel_format": settings.snap.pixel_format})
        camera = self.need_camera()
        busy_s = (light.settle_ms + wanted.exposure_ms + camera.readout_ms) / 1000
        lamp = _Lamp(self._need_keeper(), partial(self.switch, offs=offs), busy_s + SILENCE_S, self.off)
        asked = (light.channel, light.intensity, light.settle_ms)
        self._calls.at("picture", 0.1)
        return self._on(camera, lambda: acquire(camera, lamp, wanted, *asked, self._clock, cancelled), busy_s)

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which parts are simulations: ``"camera"``, ``"light"``."""
        infos = {"camera": self.camera.info if self.camera is not None else None, "light": self.light_info}
        return tuple(name for name, info in infos.items() if info is not None and info.simulated)


@dataclass(frozen=True, slots=True)
class _Lamp:
    """The keeper as an acquisition sees it: each step waits until it is confirmed.

    The light goes off by itself `lit_s` after it came on, for a camera that never answers its trigger.
    """

    keeper: LightKeeper
    shine: Callable[[str, float], LightReading | None]
    lit_s: float
    dark: Callable[[], object]
    timers: list[threading.Timer] = field(default_factory=list)

    def on(self, channel: str, level: float) -> LightReading:
        reading = self.shine(channel, level)
        if reading is None:
            raise DapiscopeError(OVERTAKEN)
        timer = threading.Timer(self.lit_s, self.dark)
        timer.name, timer.daemon = "app-lamp", True
        self.timers.append(timer)
        timer.start()
        return reading

    def off(self) -> LightReading:
        while self.timers:
            self.timers.pop().cancel()
        return _answer(self.keeper.switch(None))

    def read(self) -> LightReading:
        return _answer(self.keeper.read())


def _answer(asked: "Future[T]", outlast: "Callable[[Future[T], float], T]" = Future.result) -> T:
    try:
        return outlast(asked, ANSWER_S)
    except futures.CancelledError:
        raise DapiscopeError(OVERTAKEN) from None
    except TimeoutError as error:
        raise LightError(
            f"The light source took longer than {ANSWER_S:g} s to answer; check its cable and power."
        ) from error


def _sum(one: CameraStats, other: CameraStats) -> CameraStats:
    return CameraStats(one.grabbed + other.grabbed, one.lost + other.lost, one.failed + other.failed)
