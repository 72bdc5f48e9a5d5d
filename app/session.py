"""One sitting at the microscope, as an explicit state machine.

Start order: light source (dark, confirmed), camera, model; then light on, camera running. Stop order is the reverse,
and the light goes off first of all. Any failure on any thread ends in FAILED: light off, parts stopped, what was
recorded closed and valid, one sentence for the operator. Starting again from there opens the devices anew.

Threads: device commands run on one worker (``app-devices``), the light on its keeper's thread (``app-light``), models
load on ``app-model``; frames arrive on the camera's thread. No method here waits, except `close`. What takes long can
be cancelled (`Session.cancel`): a driver or a model that does not come back is left behind (`app.cancellation`).

Here is who may ask for what, one command after the other, and what becomes of what goes wrong. In which order a command
does its work stands in `app.starting` (opening, the start and its cancelling), `app.stopping`, `app.imaging` (a frame's
way, changes while live), `app.live_recording`, `app.replaying` and `app.single_frames` (snapshots, flat fields, plans);
what they work at is in `app.workplace`. One "off": `all_off` counts it and has the keeper send it before all else
(`app.bench`); what was asked for before does not shine any more (`app.live_light`). What may begin after a failure, and
what may not, is in `app.lifecycle`.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from app.announcer import Announcer
from app.bench import Bench
from app.calibration_desk import FRAMES, CalibrationDesk
from app.cancellation import Cancellation
from app.clock import Clock, SystemClock
from app.counting_desk import Counter, CountingDesk
from app.desks import RecordingDesk, ReplayDesk
from app.display import Contrast, View
from app.dose_desk import DoseDesk
from app.errors import (
    CameraGoneError,
    CancelledError,
    DapiscopeError,
    RefusedError,
    in_doubt,
    sentence,
)
from app.events import Event, LightReady, LightSeen, Notice, SnapTaken, State, StateChanged, Stats
from app.frame import Frame, Segmentation
from app.hardware.base import Camera, LightReading, LightSource
from app.imaging import Imaging
from app.in_force import InForce, PixelSize
from app.lifecycle import Lifecycle
from app.live_light import LiveLight
from app.live_path import LivePath
from app.live_recording import LiveRecording
from app.lookout import TICK_S, Lookout
from app.model_desk import ModelDesk
from app.patience import Patience
from app.plan import Plan
from app.plan_desk import BUSY, PlanDesk
from app.plan_runner import PlanResult
from app.replaying import Replaying
from app.replug import Replug
from app.settings import CameraSettings, Channel, Settings
from app.single_frames import SingleFrames
from app.starting import Starting
from app.stopping import Stopping
from app.stream import Stream
from app.workplace import Workplace

log = logging.getLogger(__name__)
NO_WATCHDOG = (
    "This light source has no watchdog: it is switched off if dapiscope dies, but if its cable is pulled it shines on; "
    "switch it off by hand then."
)
MODEL_HUNG = (
    "A model does not finish loading, so dapiscope leaves without it; choose another model at the next start, and if "
    "that one does not load either, check the disk that holds them."
)
NO_WATCHDOG_SET = (
    "The watchdog of the light source is off (watchdog_ms = 0 in the configuration): if dapiscope dies or the cable is "
    "pulled, the light shines on; switch it off by hand then."
)
TAKING = "A flat field is being taken; start the recording when it has ended."
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """How to make the parts; each is called on a worker, and again after a failure."""

    camera: Callable[[], Camera]
    light: Callable[[], LightSource]
    counter: Callable[[str], Counter]
    tracker: Callable[[], Any]
    """A fresh memory of the nuclei's size, one a stream."""
    calibration: Path | None = None
    """Where flat fields and measured pixel sizes are kept; None keeps and finds none."""


class Session:
    """Camera, light, model and files under one roof; see the module's text and `app.events.State`."""

    def __init__(self, settings: Settings, parts: Parts, clock: Clock | None = None) -> None:
        self._parts = parts
        self._clock = clock = clock or SystemClock()
        self._devices = ThreadPoolExecutor(1, "app-devices")
        self._announcer = announcer = Announcer(self.fail)
        self._publish = publish = announcer.publish
        self._in_force = InForce(settings)
        self._cancellation = Cancellation(publish, clock)
        self._bench = Bench(parts.camera, parts.light, clock, publish, self._light_failed, self._cancellation)
        self._light = LiveLight(self._bench, lambda: self.settings, clock, publish)
        self._life = Lifecycle(publish, self._bench.release_light)
        self._counting = CountingDesk(
            lambda name: parts.counter(name), parts.tracker, publish, lambda: self.settings, clock
        )
        self._models = ModelDesk(
            self._counting, self._in_force, self._cancellation, self._life, announcer, self._report,
            counts=lambda: self._stream.count(True),
        )  # fmt: skip
        self._stream = Stream(
            publish, self._counting, lambda: self.settings, clock, self.fail,
            later=self._models.submit,
            still=lambda: self.state not in (State.LIVE, State.CLOSED),
        )  # fmt: skip
        self._calibration = CalibrationDesk(publish, parts.calibration, clock)
        self._recording = RecordingDesk(publish, self.fail, self._recording_full)
        self._replay = ReplayDesk(publish, clock, find_shading=self._calibration.find)
        self._plans = PlanDesk(publish, self._planned_frame, clock)
        self._dose = DoseDesk(publish, settings, clock, TICK_S)
        self._lookout = Lookout(lambda: self._imaging.tell(), lambda: self._imaging.look_for_frames(), self.fail)
        self.finished = threading.Event()
        """Set when a run ended by itself: the source's natural end, or a failure."""
        at = Workplace(
            clock=clock, announcer=announcer, in_force=self._in_force, life=self._life, cancellation=self._cancellation,
            bench=self._bench, light=self._light, lookout=self._lookout, stream=self._stream, dose=self._dose,
            counting=self._counting, models=self._models, calibration=self._calibration, recording=self._recording,
            replay=self._replay, plans=self._plans, finished=self.finished, fail=self.fail, later=self._later,
        )  # fmt: skip
        self._imaging = Imaging(at, ended=lambda: self._stopping.stop_live())
        self._live_recording = LiveRecording(at)
        self._replaying = Replaying(at)
        self._stopping = Stopping(at, self._live_recording, self._replaying)
        self._patience = Patience(lambda: self._stopping.finishing(), publish, clock)
        self._replug = Replug(at, self._devices.submit)
        self._starting = Starting(
            at, self._imaging, self._live_recording, self._replaying, self._stopping, self._replug
        )
        self._singles = SingleFrames(at, self._imaging, self._replaying, self._starting, self._stopping, self._report)
        self._flat_field: Future[None] | None = None
        self._untouched = True
        self._light_was_dark = False
        self._closed, self._closer = threading.Event(), threading.current_thread()
        self.subscribe(self._light_told)

    # ------------------------------------------------------------------ what others may read

    @property
    def state(self) -> State:
        """Where the session stands."""
        return self._life.state

    @property
    def untouched(self) -> bool:
        """True while nothing was asked of camera and light but to be opened."""
        return self._untouched

    @property
    def settings(self) -> Settings:
        """What is in force."""
        return self._in_force.settings

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The configured channels."""
        return self.settings.channels

    @property
    def selected_channel(self) -> str:
        """The channel that live and snapshots use."""
        return self.settings.light.channel

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which parts are simulations, for the badge on the screen: ``"camera"``, ``"light"``."""
        return self._bench.simulated

    def stats(self) -> Stats:
        """Rates and counters of the present or last run."""
        return self._stream.stats()

    @property
    def path(self) -> LivePath | None:
        """The stages of the present or last run, for their overall rates."""
        return self._stream.path

    @property
    def light_opened(self) -> bool:
        """True once a light source was opened, or may be lit for all that came of it: it has to be confirmed off."""
        return self._bench.dark is not None

    @property
    def counter(self) -> Counter | None:
        """The model that counts, once it is loaded."""
        return self._counting.counter

    @property
    def last_frame(self) -> Frame | None:
        """The newest frame, from whatever source."""
        return self._stream.last_frame

    @property
    def last_result(self) -> Segmentation | None:
        """What was found last."""
        return self._counting.last_result

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` called with every event, on foreign threads; returns how to stop that."""
        return self._announcer.subscribe(listener)

    # ------------------------------------------------------------------ commands

    def connect(self) -> "Future[None]":
        """Open light, camera and model."""
        said = "Opening the devices was cancelled; live imaging and snapshots open them."
        return self._command(self._starting.connect_anew, fatal=True, touches=False, cancelled=said)

    def start_live(
        self, record_to: Path | None = None, record_frames: int | None = None, notes: Mapping[str, Any] | None = None
    ) -> "Future[None]":
        """Shine the selected channel and run the camera.

        With `record_to`, every frame is recorded from the first on, or as many as `record_frames` says; `notes` go
        into the file.
        """
        self.finished.clear()
        offs = self._bench.offs
        recording = self._recording.ask(record_to, record_frames, notes) if record_to is not None else None
        return self._command(
            lambda: self._starting.start_live(recording, offs), fatal=True, cancelled="The start was cancelled."
        )

    def stop_live(self) -> "Future[None]":
        """Light off, camera off, recording closed."""
        self._recording.give_up()
        return self._command(self._stopping.stop_live, fatal=True, darkens=True)

    def set_channel(self, name: str | None) -> "Future[None]":
        """Select a channel; while live it shines at once. None: live goes on in the dark."""
        offs = self._bench.offs
        return self._command(lambda: self._imaging.set_channel(name, offs), darkens=name is None)

    def choose_channel(self, name: str, intensity: float) -> "Future[None]":
        """Select a channel together with its level, 0…1: what shines changes to it, and what is dark stays dark."""
        offs = self._bench.offs
        return self._command(lambda: self._imaging.choose_channel(name, intensity, offs))

    def set_intensity(self, level: float) -> "Future[None]":
        """Set the level, 0…1, of the selected channel; while live it applies at once."""
        offs = self._bench.offs
        return self._command(lambda: self._imaging.set_intensity(level, offs))

    def all_off(self) -> "Future[LightReading | None]":
        """Make everything dark now, before anything else that was asked; live goes on in the dark."""
        self._plans.stop("All lights were switched off.")
        off = self._bench.all_off()
        if off is not None:
            return cast("Future[LightReading | None]", off)
        nothing: Future[LightReading | None] = Future()
        nothing.set_result(None)
        return nothing

    def cancel(self) -> None:
        """End what takes long: opening devices, a start, a snapshot, a model that is loaded; any thread.

        The light goes off. A picture that was taken is kept. A driver or model that does not come back is left behind:
        what it answers late is thrown away, and its device is closed.
        """
        if self.state is State.CLOSED:
            return
        self._recording.give_up()
        if self._cancellation.cancel() and self.state in (State.STARTING, State.SNAPPING):
            self._bench.off()
        self._models.leave()

    def set_camera(self, settings: CameraSettings) -> "Future[None]":
        """Apply camera settings; what cannot change while running restarts live by itself.

        A pixel size that was given for the camera's frames follows a change of the binning.
        """
        return self._command(lambda: self._imaging.set_camera(settings))

    def set_view(self, view: View) -> None:
        """Show another region or size, from the next picture on."""
        self._stream.look_at(view=view)

    def set_contrast(self, contrast: Contrast) -> None:
        """Show other grey values as black and white, from the next picture on."""
        self._stream.look_at(contrast=contrast)

    def set_segmenting(self, on: bool) -> None:
        """Count, or only show."""
        self._counting.on = on
        self._stream.count(on)

    def set_model(self, name: str) -> "Future[None]":
        """Load another model and count with it from then on."""
        self._in_force.update("segmentation", model=name)
        return self._command(self._models.choosing(name), on_models=True)

    def set_pixel_size(self, pixel_size_um: PixelSize) -> None:
        """Say how large a pixel is, have it estimated ("auto"), or take the frame's own (None).

        What is said while a replay is open is said of that file: afterwards, what was in force before is so again.
        """
        self._in_force.update("segmentation", pixel_size_um=pixel_size_um)
        if isinstance(pixel_size_um, float):
            self._replay.remember_scale(pixel_size_um)
        self._counting.new_scale()

    def set_sample(self, sample: str, operator: str) -> None:
        """Name the sample and the operator in every file from now on."""
        self._in_force.update("sample", sample=sample, operator=operator)

    def new_field(self) -> None:
        """Say that another field is in view: the dose begins at zero."""
        self._dose.new_field()

    @property
    def dose(self) -> dict[str, object]:
        """The dose of the present field in plain types, as files have it; see `app.dose.DoseLedger.as_notes`."""
        return self._dose.as_notes()

    def snap(self, segment: bool, folder: Path) -> "Future[SnapTaken]":
        """Take one frame at the least dose, save it, and count its nuclei if `segment`."""
        offs, said = self._bench.offs, "The snapshot was cancelled; nothing was taken."
        return self._command(lambda: self._singles.snap(segment, folder, offs), cancelled=said)

    def calibrate(self, channel: str, frames: int = FRAMES) -> "Future[None]":
        """Take dark frames and frames of the even field in view, and keep what they say of `channel`.

        Light, exposure and gain are those in force; the light is on for each of the flat frames alone.
        """
        offs = self._bench.offs
        self._calibration.begin()
        self._flat_field = self._command(lambda: self._singles.calibrate(channel, frames, offs))
        return self._flat_field

    def cancel_calibration(self) -> None:
        """Give up the calibration that runs."""
        self._calibration.cancel()

    def set_flat_field(self, on: bool) -> "Future[None]":
        """Show and count without the shading of the channels that have a flat field, or with it."""
        return self._command(lambda: self._imaging.set_flat_field(on))

    def set_measured_pixel(self, pixel_um: float | None) -> "Future[None]":
        """Take what a stage micrometer gave for the size of an unbinned pixel, now and later; None forgets it."""
        return self._command(lambda: self._imaging.set_measured_pixel(pixel_um))

    def run_plan(self, plan: Plan, folder: Path, zarr: bool = False) -> "Future[PlanResult]":
        """Carry out `plan` into a new file in `folder`, with an OME-Zarr image beside it if `zarr`.

        Live imaging ends first, and it is dark afterwards.

        Until it ends, nothing else can be asked of the devices; `all_off`, `close` and every failure stop it.
        """
        if not self._plans.claim(plan, self._calibration.correcting(self._bench.snap)):
            return self._refused(BUSY)
        return self._command(lambda: self._singles.run_plan(plan, folder, zarr), planned=True)

    def pause_plan(self) -> None:
        """Hold the plan's clock after the frame being taken; it is dark meanwhile."""
        self._plans.pause()

    def resume_plan(self) -> None:
        """Go on with the plan."""
        self._plans.resume()

    def stop_plan(self) -> None:
        """End the plan after the frame being taken; what was taken is kept."""
        self._plans.stop("The plan was stopped.")

    def start_recording(self, folder: Path) -> "Future[None]":
        """Record every frame from now on; starts live when idle. Refused while a flat field is taken."""
        if self._flat_field is not None and not self._flat_field.done():
            # It would shine on the empty field after it, also where the flat field was given up by "all off".
            return self._refused(TAKING)
        if self.state is State.LIVE:
            asked = self._recording.ask(folder)
            return self._command(lambda: self._live_recording.start(asked))
        return self.start_live(record_to=folder)

    def offer_recovery(self, folder: Path) -> "Future[None]":
        """Tell of recordings in `folder` that a crash left unfinished, if there are any."""
        return self._command(lambda: self._live_recording.tell_unfinished(folder), on_models=True)

    def give_up_recording(self) -> None:
        """Give up a recording whose disk is still being measured; one that has begun goes on."""
        self._recording.give_up()

    def stop_recording(self) -> "Future[None]":
        """Finish the recording; live goes on."""
        return self._command(self._live_recording.stop)

    def open_replay(self, path: Path, *, hold: bool = True, speed: float | None = 1.0) -> "Future[None]":
        """Play a recording, file or folder through the same path; every frame is shown and counted."""
        self.finished.clear()
        return self._command(lambda: self._open_replay(path, hold, speed))

    def close_replay(self) -> "Future[None]":
        """Leave the replay."""
        return self._command(self._replaying.close)

    def replay_play(self) -> None:
        """Play on."""
        self._replay.command(lambda replay: replay.play())

    def replay_pause(self) -> None:
        """Pause."""
        self._replay.command(lambda replay: replay.pause())

    def replay_step(self, delta: int) -> None:
        """Show the frame `delta` further."""
        self._replay.command(lambda replay: replay.step(delta))

    def replay_seek(self, index: int) -> None:
        """Show frame `index`."""
        self._replay.command(lambda replay: replay.seek(index))

    def replay_speed(self, speed: float | None) -> None:
        """Play at `speed` times the recorded rate; None is as fast as the counting goes."""
        self._replay.command(lambda replay: replay.set_speed(speed))

    def replay_loop(self, on: bool) -> None:
        """Begin again at the end, or not."""
        self._replay.command(lambda replay: replay.set_loop(on))

    def fail(self, error: BaseException) -> None:
        """End everything because of `error`; from any thread. The light goes off first."""
        news = True

        def go_dark() -> None:
            nonlocal news
            news = self._announcer.news(error)  # before the parts that stop tell it too
            self._plans.stop(sentence(error))
            self._bench.hold_dark()
            self._recording.give_up()
            with suppress(RuntimeError):  # `close` came in between, and tears down itself
                self._devices.submit(self._stopping.tear_down)

        if not self._life.end(State.FAILED, go_dark):
            log.error("after the end", exc_info=error)
            return
        reason = sentence(error)
        if not isinstance(error, DapiscopeError):
            log.error("unexpected failure", exc_info=error)
        self._publish(StateChanged(State.FAILED, reason))
        if news:
            self._publish(Notice("error", reason))
        if isinstance(error, CameraGoneError):
            self._replug.begin()
        self.finished.set()

    def close(self) -> bool:
        """Light off, everything stopped and released; idempotent; waits. True when the box confirmed it is dark.

        A device that hangs in its driver is given `app.patience.DEVICE_S`, then left behind: neither the light nor the
        recording waits for it. A recording that still grows on a slow disk is waited for.
        """

        def go_dark() -> None:
            self._closer = threading.current_thread()
            self._plans.stop("dapiscope was closed.")
            self._bench.hold_dark()
            self._recording.give_up()

        first = self._life.end(State.CLOSED, go_dark)
        if first:
            self._replug.forget()
            stopped = self._devices.submit(self._stopping.end)
            self._devices.shutdown(wait=False)
            if self.outlast(stopped):
                self._devices.shutdown()
            else:
                self._stopping.leave_behind(self._patience)
            self._light_was_dark = self._bench.close_light()
            if not self._models.shutdown(self.outlast):
                self._publish(Notice("error", MODEL_HUNG))
            self._closed.set()
            self._publish(StateChanged(State.CLOSED))
        elif self._closer is not threading.current_thread():
            self._closed.wait()
        return self._light_was_dark

    def outlast(self, work: "Future[Any]") -> bool:
        """Wait for `work`, which ends something, as `close` would; False when a device hangs in its driver."""
        return self._patience.outlast(work)

    # ------------------------------------------------------------------ helpers

    def _light_failed(self, error: BaseException) -> None:
        if self.state in (State.LIVE, State.STARTING, State.SNAPPING, State.PLAN):
            self.fail(error)
        else:
            self._announcer.tell(error)

    def _light_told(self, event: Event) -> None:
        """Take in what the box said; the first of the listeners."""
        if isinstance(event, LightReady):
            watchdog_ms = self.settings.light.watchdog_ms if event.info.has_watchdog else 0
            self._dose.trust(watchdog_ms)
            if not event.info.has_watchdog:
                self._publish(Notice("warning", NO_WATCHDOG))
            elif not watchdog_ms:
                self._publish(Notice("warning", NO_WATCHDOG_SET))
        if isinstance(event, LightSeen) and event.reading is not None:
            self._dose.take(event.reading)

    def _planned_frame(self, frame: Frame) -> None:
        self._stream.last_frame = frame
        self._stream.redraw()  # drawn on another thread: the plan is on time

    def _recording_full(self) -> None:
        self._later(self._live_recording.stop)

    def _open_replay(self, path: Path, hold: bool, speed: float | None) -> None:
        if self.state is State.LIVE:
            self._stopping.stop_live()
            self.finished.clear()
        self._replaying.open(path, hold, speed)

    # ------------------------------------------------------------------ one command after the other

    def _later(self, work: Callable[[], object], fatal: bool = False) -> "Future[Any]":
        return self._devices.submit(self._report, work, fatal)

    def _command(
        self,
        work: Callable[[], T],
        *,
        fatal: bool = False,
        on_models: bool = False,
        planned: bool = False,
        darkens: bool = False,
        touches: bool = True,
        cancelled: str = "",
    ) -> "Future[T]":
        if self.state is State.CLOSED:
            refused: Future[T] = Future()
            refused.set_exception(DapiscopeError("dapiscope is closing; start it again."))
            return refused
        if on_models:
            return self._models.submit(work)
        if self._plans.active and not planned:
            # It would wait for the plan's end, and then shine when nobody expects it any more.
            return self._refused(BUSY)
        self._untouched = self._untouched and not touches
        if cancelled:
            work = self._cancellation.during(work, cancelled)
        if darkens:
            work = self._light.darkens(work)
        return self._devices.submit(self._report, self._life.asked(work), fatal)

    def _refused(self, why: str) -> "Future[Any]":
        self._publish(Notice("warning", why))
        refused: Future[Any] = Future()
        refused.set_exception(DapiscopeError(why))
        return refused

    def _report(self, work: Callable[[], T], fatal: bool = False) -> T:
        """Run `work`; tell the operator what went wrong, and end the session if that is called for."""
        try:
            return work()
        except (RefusedError, CancelledError) as error:
            refused = isinstance(error, RefusedError) and error.reason != "cancelled"
            disk = refused and isinstance(error, RefusedError) and error.reason == "disk"
            self._publish(Notice("error" if refused else "info", sentence(error), "folder" if disk else ""))
            if self.state is State.STARTING:
                self._stopping.tear_down()
                self._life.move(State.IDLE)
            raise
        except Exception as error:
            if fatal or in_doubt(error) or not isinstance(error, DapiscopeError):
                self.fail(error)
            else:
                self._publish(Notice("error", sentence(error)))
            raise
