"""One sitting at the microscope, as an explicit state machine.

Start order: light source (dark, confirmed), camera, model; then light on, camera running. Stop order is the reverse,
and the light goes off first of all. Any failure on any thread ends in FAILED: light off, parts stopped, what was
recorded closed and valid, one sentence for the operator. Starting again from there opens the devices anew.

Threads: device commands run on one worker (``app-devices``), the light on its keeper's thread (``app-light``), models
load on ``app-model``; frames arrive on the camera's thread. No method here waits, except `close`. What takes long can
be cancelled (`Session.cancel`): a driver or a model that does not come back is left behind (`app.cancellation`).

Here is who may ask for what, and in which order it is done. One frame: `_frame_arrived` has it labelled with the
light that was confirmed, corrects it, and feeds it to the run (`app.stream`): recorder, screen, counting. One "off":
`all_off` counts it and has the keeper send it before all else (`app.bench`); what was asked for before does not shine
any more (`app.live_light`). What may begin after a failure, and what may not, is in `app.lifecycle`.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from app.bench import ANSWER_S, UNREAD, Bench
from app.calibration_desk import FRAMES, CalibrationDesk, camera_key
from app.cancellation import Cancellation, Worker
from app.clock import Clock, SystemClock
from app.counting_desk import Counter, CountingDesk
from app.desks import Asked, RecordingDesk, ReplayDesk, unfinished_notice
from app.display import Contrast, View
from app.dose_desk import DoseDesk
from app.errors import (
    CameraError,
    CameraGoneError,
    CancelledError,
    DapiscopeError,
    DeviceError,
    LightError,
    LightHeldError,
    LightRangeError,
    LightStuckError,
    RefusedError,
    UsageError,
)
from app.events import (
    Event,
    LightReady,
    LightSeen,
    ModelReady,
    Notice,
    SnapTaken,
    State,
    StateChanged,
    Stats,
    Underway,
)
from app.frame import Frame, Segmentation
from app.hardware.base import Camera, LightReading, LightSource
from app.in_force import InForce, PixelSize
from app.inference.overlay import overlay_of
from app.lifecycle import Lifecycle
from app.live_light import LiveLight
from app.live_path import LivePath
from app.patience import LOOK_S, Patience
from app.pipeline import Ticker
from app.plan import Plan
from app.plan_desk import BUSY, PlanDesk, check_room
from app.plan_runner import PlanResult
from app.recording import Finishing, RunMetadata, save_snapshot
from app.settings import CameraSettings, Channel, Settings
from app.stream import Stream

log = logging.getLogger(__name__)
NO_WATCHDOG = (
    "This light source has no watchdog: it is switched off if dapiscope dies, but if its cable is pulled it shines on; "
    "switch it off by hand then."
)
HUNG = (
    "A device's driver or a disk does not come back, so dapiscope leaves without it; before the next start, unplug the "
    "camera and plug it in again, and check that the folder in use can be reached."
)
DISK_HUNG = (
    "The disk does not take what was recorded, so dapiscope leaves without it; what reached the disk comes back with "
    "`dapiscope recover` and the recording's folder."
)
MODEL_HUNG = (
    "A model does not finish loading, so dapiscope leaves without it; choose another model at the next start, and if "
    "that one does not load either, check the disk that holds them."
)
NO_WATCHDOG_SET = (
    "The watchdog of the light source is off (watchdog_ms = 0 in the configuration): if dapiscope dies or the cable is "
    "pulled, the light shines on; switch it off by hand then."
)
T = TypeVar("T")
TICK_S = 0.5
"""Between looks at rates, recording and field."""


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
        self._in_force = InForce(settings)
        self._parts = parts
        self._clock = clock or SystemClock()
        self._listeners: list[Callable[[Event], None]] = []
        self._devices = ThreadPoolExecutor(1, "app-devices")
        self._models = Worker("app-model")
        self._cancellation = Cancellation(self._publish, self._clock)
        self._bench = Bench(
            parts.camera, parts.light, self._clock, self._publish, self._light_failed, self._cancellation
        )
        self._light = LiveLight(self._bench, lambda: self.settings, self._clock, self._publish)
        self._life = Lifecycle(self._publish, self._bench.release_light)
        self._counting = CountingDesk(
            lambda name: parts.counter(name), parts.tracker, self._publish, lambda: self.settings, self._clock
        )
        self._stream = Stream(
            self._publish, self._counting, lambda: self.settings, self._clock, self.fail,
            later=lambda work: self._models.submit(self._report, work),
            still=lambda: self.state not in (State.LIVE, State.CLOSED),
        )  # fmt: skip
        self._calibration = CalibrationDesk(self._publish, parts.calibration, self._clock)
        self._recording = RecordingDesk(self._publish, self.fail, self._recording_full)
        self._replay = ReplayDesk(self._publish, self._clock, find_shading=self._calibration.find)
        self._before_recording: dict[str, int] = {}
        self._plans = PlanDesk(self._publish, self._planned_frame, self._clock)
        self._looking: Future[None] | None = None
        self._untouched = True
        self._dose = DoseDesk(self._publish, settings, self._clock, TICK_S)
        self._ticker: Ticker | None = None
        self._watch: Ticker | None = None
        self._replug: Ticker | None = None
        self._light_was_dark = False
        self._closed, self._closer = threading.Event(), threading.current_thread()
        self._told: deque[str] = deque(maxlen=8)
        self._loading: Future[None] | None = None
        self.finished = threading.Event()
        """Set when a run ended by itself: the source's natural end, or a failure."""

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
        """True once a light source was opened, or was left behind at it: before, there is none to be confirmed off."""
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
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    # ------------------------------------------------------------------ commands

    def connect(self) -> "Future[None]":
        """Open light, camera and model."""
        said = "Opening the devices was cancelled; live imaging and snapshots open them."
        return self._command(self._connect_anew, fatal=True, touches=False, cancelled=said)

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
            lambda: self._start_live(recording, offs), fatal=True, cancelled="The start was cancelled."
        )

    def stop_live(self) -> "Future[None]":
        """Light off, camera off, recording closed."""
        self._recording.give_up()
        return self._command(self._stop_live, fatal=True, darkens=True)

    def set_channel(self, name: str | None) -> "Future[None]":
        """Select a channel; while live it shines at once. None: live goes on in the dark."""
        offs = self._bench.offs
        return self._command(lambda: self._set_channel(name, offs), darkens=name is None)

    def choose_channel(self, name: str, intensity: float) -> "Future[None]":
        """Select a channel together with its level, 0…1: what shines changes to it, and what is dark stays dark."""
        offs = self._bench.offs
        return self._command(lambda: self._choose_channel(name, intensity, offs))

    def set_intensity(self, level: float) -> "Future[None]":
        """Set the level, 0…1, of the selected channel; while live it applies at once."""
        offs = self._bench.offs
        return self._command(lambda: self._set_intensity(level, offs))

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
        self._leave_models()

    def set_camera(self, settings: CameraSettings) -> "Future[None]":
        """Apply camera settings; what cannot change while running restarts live by itself.

        A pixel size that was given for the camera's frames follows a change of the binning.
        """
        return self._command(lambda: self._set_camera(settings))

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
        asked = self._cancellation.asked
        return self._command(lambda: self._use_model(name, asked), worker=self._models)

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
        return self._command(lambda: self._snap(segment, folder, offs), cancelled=said)

    def calibrate(self, channel: str, frames: int = FRAMES) -> "Future[None]":
        """Take dark frames and frames of the even field in view, and keep what they say of `channel`.

        Light, exposure and gain are those in force; the light is on for each of the flat frames alone.
        """
        offs = self._bench.offs
        self._calibration.begin()
        return self._command(lambda: self._calibrate(channel, frames, offs))

    def cancel_calibration(self) -> None:
        """Give up the calibration that runs."""
        self._calibration.cancel()

    def set_flat_field(self, on: bool) -> "Future[None]":
        """Show and count without the shading of the channels that have a flat field, or with it."""
        return self._command(lambda: self._set_flat_field(on))

    def set_measured_pixel(self, pixel_um: float | None) -> "Future[None]":
        """Take what a stage micrometer gave for the size of an unbinned pixel, now and later; None forgets it."""
        return self._command(lambda: self._set_measured_pixel(pixel_um))

    def run_plan(self, plan: Plan, folder: Path) -> "Future[PlanResult]":
        """Carry out `plan` into a new file in `folder`; live imaging ends first, and it is dark afterwards.

        Until it ends, nothing else can be asked of the devices; `all_off`, `close` and every failure stop it.
        """
        if not self._plans.claim(plan, self._calibration.correcting(self._bench.snap)):
            return self._refused(BUSY)
        return self._command(lambda: self._run_plan(plan, folder), planned=True)

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
        """Record every frame from now on; starts live when idle."""
        if self.state is State.LIVE:
            asked = self._recording.ask(folder)
            return self._command(lambda: self._start_recording(asked))
        return self.start_live(record_to=folder)

    def offer_recovery(self, folder: Path) -> "Future[None]":
        """Tell of recordings in `folder` that a crash left unfinished, if there are any."""
        return self._command(lambda: self._tell_unfinished(folder), worker=self._models)

    def give_up_recording(self) -> None:
        """Give up a recording whose disk is still being measured; one that has begun goes on."""
        self._recording.give_up()

    def stop_recording(self) -> "Future[None]":
        """Finish the recording; live goes on."""
        return self._command(self._stop_recording)

    def open_replay(self, path: Path, *, hold: bool = True, speed: float | None = 1.0) -> "Future[None]":
        """Play a recording, file or folder through the same path; every frame is shown and counted."""
        self.finished.clear()
        return self._command(lambda: self._open_replay(path, hold, speed))

    def close_replay(self) -> "Future[None]":
        """Leave the replay."""
        return self._command(self._close_replay)

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

        def go_dark() -> None:
            self._plans.stop(sentence(error))
            self._bench.hold_dark()
            self._recording.give_up()
            with suppress(RuntimeError):  # `close` came in between, and tears down itself
                self._devices.submit(self._teardown)

        if not self._life.end(State.FAILED, go_dark):
            log.error("after the end", exc_info=error)
            return
        reason = sentence(error)
        if not isinstance(error, DapiscopeError):
            log.error("unexpected failure", exc_info=error)
        self._publish(StateChanged(State.FAILED, reason))
        self._publish(Notice("error", reason))
        if isinstance(error, CameraGoneError):
            self._replug = Ticker("app-replug", self._look_again, 1.0, self.fail)
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
            self._forget_replug()
            patience = Patience(self._finishing, self._publish, self._clock)
            stopped = self._devices.submit(self._end)
            self._devices.shutdown(wait=False)
            if patience.outlast(stopped):
                self._devices.shutdown()
            else:
                self._leave_behind(patience)
            self._light_was_dark = self._bench.close_light()
            loaded = self._models.submit(int)  # behind whatever is loaded now
            self._models.shutdown(wait=False)
            if patience.outlast(loaded):
                self._models.shutdown()
            else:
                self._publish(Notice("error", MODEL_HUNG))
            self._closed.set()
            self._publish(StateChanged(State.CLOSED))
        elif self._closer is not threading.current_thread():
            self._closed.wait()
        return self._light_was_dark

    def _finishing(self) -> Finishing | None:
        return self._recording.finishing or self._plans.finishing

    def _leave_behind(self, patience: Patience) -> None:
        """The device worker hangs in a driver or on a disk: close the files without it."""
        if self._finishing() is None:
            self._publish(Notice("error", HUNG))
            last = ThreadPoolExecutor(1, "app-devices-last")
            saved = last.submit(self._close_files)
            last.shutdown(wait=False)
            if patience.outlast(saved):
                return
        self._publish(Notice("error", DISK_HUNG))

    def _close_files(self) -> None:
        self._plans.abandon()
        try:
            self._stop_recording()
        except Exception as error:
            log.exception("while closing the recording")
            self._tell(error)

    # ------------------------------------------------------------------ on the device worker

    def _connect_anew(self) -> None:
        again = self.state is State.FAILED
        if again:
            self._life.begin(State.STARTING)
        self._connect()
        if again:
            self._life.move(State.IDLE)

    def _connect(self) -> None:
        if self._counting.counter is None:
            self._loading = self._load_selected_model()
        self._bench.connect(self.settings)
        self._meet()

    def _await(self, loading: "Future[T]") -> T:
        """Wait on the device worker for a model, or for what it finds.

        Not once the session has ended, which needs that worker, nor once it was cancelled.
        """
        failures, asked = self._life.failures, self._cancellation.asked
        self._cancellation.check()
        while not wait([loading], LOOK_S).done:
            if self.state is State.CLOSED or self._life.failures != failures:
                raise LightHeldError("The session ended while a model was being loaded; ask again.")
            if self._cancellation.asked != asked:
                loading.cancel()
                raise CancelledError("Loading the model was cancelled; choose another, or ask again.")
        return loading.result()

    def _await_counter(self) -> None:
        """Wait for the model that is being loaded, where none counts yet."""
        if self._counting.counter is None and self._loading is not None:
            self._cancellation.at("model", 0.6)
            self._await(self._loading)

    def _meet(self, *channels: str) -> None:
        """Have the calibration of the camera in use at hand before frames come."""
        camera = camera_key(self._bench.need_camera().info)
        # It reads files, while the window may change other sections.
        self._in_force.put(optics=self._calibration.meet(camera, self.settings, channels).optics)
        self._calibration.tell(self.settings)

    def _start_live(self, recording: Asked | None, offs: int) -> None:
        try:
            self._begin_live(recording, offs)
        except DapiscopeError as error:
            if self._cancellation.cancelled and self.state is State.STARTING and not isinstance(error, DeviceError):
                self._take_back_start()
            raise

    def _take_back_start(self) -> NoReturn:
        """End a start that was cancelled: CancelledError says what became of it, LightStuckError what may shine."""
        recorded = self._recording.active
        self._teardown()
        dark, frames = self._bench.dark, self._recording.kept if recorded else 0
        if dark is False:
            raise LightStuckError(UNREAD)
        if self.state is State.STARTING:
            self._life.move(State.IDLE)
        kept = f"{frames} frames were recorded" if frames else "nothing was recorded"
        raise CancelledError(f"The start was cancelled; {'nothing shines and ' if dark else ''}{kept}.")

    def _begin_live(self, recording: Asked | None, offs: int) -> None:
        if self.state is State.LIVE and recording is not None:
            self._start_recording(recording)  # it was starting, or took a snapshot, when this was asked
        if self.state in (State.LIVE, State.CLOSED):
            return
        self._close_replay()
        self._forget_replug()
        self._life.begin(State.STARTING)
        self._connect()
        self._bench.configure(self.settings.camera.model_copy(update={"trigger": "free"}))
        self._await_counter()  # nothing shines yet: better to wait for it here than to bleach uncounted
        self._bench.begin_counting()
        self._stream.begin(lossless=self.settings.camera_images is not None, camera=self._bench.counts)
        if recording is not None:
            self._start_recording(recording)
        self._light.ask(offs)
        self._watch = Ticker("app-shutter", self._look_for_frames, 0.05, self.fail)  # before anything shines
        self._light.run(self._frame_arrived, self._camera_ended)
        self._ticker = Ticker("app-stats", self._tick, TICK_S, self.fail)
        self._cancellation.settle()
        if self.state is State.STARTING:
            self._life.move(State.LIVE)

    def _look_for_frames(self) -> None:
        if self.state in (State.LIVE, State.STARTING, State.SNAPPING):
            self._light.look()

    def _relight(self) -> None:
        if self.state is State.LIVE:
            self._light.come_back()

    def _stop_live(self) -> None:
        if self.state not in (State.LIVE, State.STARTING):
            return
        self._life.move(State.STOPPING)
        try:
            self._stop_parts()
        except Exception as error:
            self.fail(error)  # also where the caller's own failure would not end the session: STOPPING leads nowhere
            raise
        self._life.move(State.IDLE)
        self.finished.set()

    def _stop_parts(self) -> None:
        """Stop everything that runs, the light first. Each step is tried whatever became of those before."""
        self._light.shutter.disarm()
        off = self._bench.off()
        problems: list[Exception] = []
        steps = [self._stop_ticker, self._bench.pause, self._stream.end, self._stop_recording]
        if self.state is State.FAILED:
            steps.insert(0, steps.pop())  # the camera may be what failed, and never come back from its stop
        for step in steps:
            try:
                step()
            except Exception as error:  # noqa: BLE001 - the steps after it matter as much; raised below
                problems.append(error)
        if off is not None:
            try:
                off.result(ANSWER_S)
            except TimeoutError:
                problems.append(LightStuckError(UNREAD))
            except Exception as error:  # noqa: BLE001 - told with the others
                problems.append(error)
        for problem in problems[1:]:
            self._tell(problem)
        if problems:
            raise problems[0]

    def _end(self) -> None:
        self._teardown()
        self._cancellation.rest()

    def _teardown(self) -> None:
        """After a failure or at the end: stop everything, close the camera; the light's keeper goes on until dark."""
        for step in (self._leave_replay, self._stop_parts, self._bench.release_camera):
            try:
                step()
            except Exception as error:
                log.exception("while stopping")
                self._tell(error)

    def _look_again(self) -> None:
        """Ask for the next look once the last one has ended: some cameras take seconds to say that they are gone."""
        if self._looking is None or self._looking.done():
            with suppress(RuntimeError):  # closing
                self._looking = self._devices.submit(self._look_for_camera)

    def _look_for_camera(self) -> None:
        """After an unplugging: take the camera back as soon as it is there, with the settings it had."""
        come_back = self._life.asked(lambda: self._life.begin(State.IDLE))
        if self.state is State.FAILED:
            try:
                self._bench.connect(self.settings)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go better
                log.info("the camera is not back: %s", error)
                self._bench.release_camera()
                return
            come_back()
            self._publish(Notice("info", "The camera is back, with its settings; start live imaging to go on."))
        self._forget_replug()

    def _forget_replug(self) -> None:
        replug, self._replug = self._replug, None
        if replug is not None:
            replug.stop()

    def _set_channel(self, name: str | None, offs: int) -> None:
        if name is not None:
            self._select(channel=name)
        self._light.ask(offs if name is not None else None)
        if self.state is State.LIVE:
            self._light.switch(name if self._light.wanted else None, offs)

    def _choose_channel(self, name: str, intensity: float, offs: int) -> None:
        self._select(channel=name, intensity=intensity)
        if self.state is State.LIVE and self._light.wanted:
            self._light.switch(name, offs)

    def _select(self, **light: Any) -> None:
        """Have this channel, and level where one is given, for the one that shines or will."""
        known = [channel.name for channel in self.settings.channels]
        if light["channel"] not in known:
            raise UsageError(f"There is no channel {light['channel']!r}; choose one of {', '.join(known)}.")
        self._in_force.update("light", **light)
        if self.settings.flat_field and self._bench.camera is not None:
            self._meet()

    def _set_intensity(self, level: float, offs: int) -> None:
        self._in_force.update("light", intensity=level)
        if self.state is State.LIVE and self._light.wanted:
            self._light.switch(self.settings.light.channel, offs)

    def _set_camera(self, wanted: CameraSettings) -> None:
        actual, before = wanted, self.settings.camera
        if self._bench.camera is not None:
            hot = {"exposure_ms", "gain_db", "fps"}
            cold = wanted.model_dump(exclude=hot) != self.settings.camera.model_dump(exclude=hot)
            if self.state is not State.LIVE or not cold:
                actual = self._bench.configure(wanted)
                self._light.repace()
            elif self._recording.active:
                raise CameraError("Stop the recording before changing the pixel format, the region or the binning.")
            else:
                actual = self._restart_with(wanted)
        self._take_camera(actual)
        if (actual.binning, actual.roi) != (before.binning, before.roi) and self._bench.camera is not None:
            self._meet()

    def _take_camera(self, actual: CameraSettings) -> None:
        """Take what the camera has for the settings in force."""
        said = self._in_force.take_camera(actual)
        if said is not None:
            self._publish(Notice("info", said))

    def _restart_with(self, wanted: CameraSettings) -> CameraSettings:
        self._light.hold()
        try:
            actual = self._bench.configure(wanted)
        except CameraError:
            self._resume(self.settings.camera)
            raise
        self._take_camera(actual)  # before its frames come
        self._resume(actual)
        return actual

    def _resume(self, settings: CameraSettings) -> None:
        """Go on with live imaging after a pause; a camera that does not start again is a failure of the session."""
        try:
            if self._bench.need_camera().settings != settings:
                self._bench.configure(settings)
            self._light.run(self._frame_arrived, self._camera_ended)
        except Exception as error:
            self.fail(error)
            raise

    def _snap(self, segment: bool, folder: Path, offs: int) -> SnapTaken:
        with self._instead_of_live("taking a snapshot"):
            return self._take_snapshot(segment, folder, offs)

    @contextmanager
    def _instead_of_live(self, doing: str) -> Iterator[None]:
        """Hold live imaging, if it runs, and go on with it afterwards: camera and light are free for single frames."""
        if self._recording.active:
            raise CameraError(f"A recording runs; stop it before {doing}, so that no frame is lost.")
        was_live = self.state is State.LIVE
        self._close_replay()
        self._life.begin(State.SNAPPING)
        try:
            self._connect()
            if was_live:
                self._light.hold()
            yield
        except Exception as error:
            if in_doubt(error):
                self.fail(error)  # now: nothing may shine again before it was dark
            raise
        finally:
            self._cancellation.over()
            # A failure meanwhile has moved the state on, and then nothing may be started again.
            if self.state is State.SNAPPING and was_live and self._bench.camera is None:
                self._stop_parts()  # it was left behind
                self._publish(Notice("warning", "The camera does not come back, so live imaging has ended."))
                self._life.move(State.IDLE)
                self.finished.set()
            elif self.state is State.SNAPPING:
                if was_live and not self._bench.running:
                    self._resume(self.settings.camera)
                self._life.move(State.LIVE if was_live else State.IDLE)

    def _calibrate(self, channel: str, frames: int, offs: int) -> None:
        given_up = lambda: offs != self._bench.offs or self.state is not State.SNAPPING  # noqa: E731
        with self._instead_of_live("taking a flat field"):
            profile = self._calibration.take(self._bench.snap, self.settings, channel, frames, given_up)
        self._set_flat_field(profile is not None or self.settings.flat_field)

    def _set_flat_field(self, on: bool) -> None:
        self._in_force.put(flat_field=on)
        if self._bench.camera is not None:
            self._meet()
        self._stream.redraw()

    def _set_measured_pixel(self, pixel_um: float | None) -> None:
        self._in_force.update("optics", measured_pixel_um=pixel_um)  # checks it
        self._in_force.put(optics=self._calibration.measured(self.settings.optics, pixel_um))
        self._calibration.tell(self.settings)

    def _take_snapshot(self, segment: bool, folder: Path, offs: int) -> SnapTaken:
        ended = lambda: offs != self._bench.offs or self.state is not State.SNAPPING or self._cancellation.cancelled  # noqa: E731
        try:
            frame = self._bench.snap(self.settings, ended)
        except DapiscopeError as error:
            if not isinstance(error, DeviceError):
                self._cancellation.check()  # it noticed by itself
            raise
        if not frame.light.confirmed:
            self._cancellation.check()  # it was cut short
        frame = self._calibration.correct(replace(frame, pixel_size_um=self._pixel_size(frame)), self.settings)
        self._stream.show(frame)
        counter, result, uncounted = self._count_snap(frame) if segment else (None, None, None)
        self._cancellation.at("files", 0.9)
        overlay = overlay_of(result) if result else None
        extra = {"dose": self.dose}
        files = save_snapshot(folder, frame, result, self._metadata(counter), overlay=overlay, extra=extra)
        named = {"image": files.image, "labels": files.labels, "table": files.nuclei, "overlay": files.overlay}
        saved = {name: path for name, path in named.items() if path is not None}
        model = (counter.name, counter.sha256) if counter is not None else ("", "")
        taken = SnapTaken(frame, result, saved, *model, extra["dose"])
        if uncounted is not None:
            self._publish(uncounted)
        self._publish(taken)
        return taken

    def _run_plan(self, plan: Plan, folder: Path) -> PlanResult:
        try:
            if self._recording.active:
                raise CameraError("A recording runs; stop it before starting a plan, so that no frame is lost.")
            self._stop_live()
            self._close_replay()
            check_room(plan, self.settings, folder)
            self._life.begin(State.PLAN)
            self._connect()
            self._meet(*(each.channel.name for each in plan.channels))
            self._await_counter()
            counts = self._counting.beside_plan()
            counter = self._counting.counter if counts is not None else None
            result = self._plans.run(folder, self._metadata(counter), self.settings, counts)
        finally:
            self._plans.release()
            if self.state is State.PLAN:
                self._life.move(State.IDLE)
        if isinstance(result.error, CameraGoneError):
            self.fail(result.error)  # as while live: the camera is taken back as soon as it is there
        elif result.error is not None:
            with suppress(DapiscopeError):
                self._report(partial(_raise, result.error))
        return result

    def _planned_frame(self, frame: Frame) -> None:
        self._stream.last_frame = frame
        self._stream.redraw()  # drawn on another thread: the plan is on time

    def _count_snap(self, frame: Frame) -> tuple[Counter | None, Segmentation | None, Notice | None]:
        """Return what counted `frame`, what it found, and what to tell once it is saved where it was not counted."""
        why = self._counting.refuses(frame)
        if why is not None:
            return None, None, Notice("warning", f"The nuclei were not counted: {why}. The picture is saved.")
        try:
            counter = self._counter_for_snap()
            self._cancellation.at("count", 0.5)
            found = self._await(self._models.submit(self._counting.find_exactly, frame, counter))
        except CancelledError:
            return None, None, Notice("info", "Counting was cancelled; the picture is saved.")
        self._counting.tell_exactly(found)
        return counter, found, None

    def _counter_for_snap(self) -> Counter:
        """Return what counts snapshots."""
        wanted = self.settings.snap.model
        self._cancellation.at("model", 0.3)
        counter = self._await(self._models.submit(self._counting.load, wanted))
        if counter.name != wanted:
            text = f"The model {wanted!r} is not installed; {counter.name!r} counted."
            if text not in self._told:
                self._publish(Notice("info", text))
        return counter

    def _start_recording(self, asked: Asked) -> None:
        path = self._need_imaging()
        if self._recording.active:
            return
        self._tell_unfinished(asked.folder)
        if self.settings.camera_images is None:  # a folder is played only as fast as it is counted and written
            with self._light.dark(lambda: self.state is State.LIVE):
                self._recording.measure(asked, self._bench.need_camera())
            path = self._need_imaging()
        labeller = self._bench.labeller
        review = labeller.review if labeller is not None else None
        meta = self._metadata(self._counting.counter)
        self._before_recording = self._tallies()
        self._recording.start(asked.folder, path, meta, asked.frames, review, asked.notes)

    def _need_imaging(self) -> LivePath:
        """Return the way of the frames that come, or are about to; CameraError where none would."""
        path = self._stream.path
        if path is None or self.state not in (State.LIVE, State.STARTING):
            raise CameraError("Live imaging has ended, so no recording was begun; start it again.")
        return path

    def _tell_unfinished(self, folder: Path) -> None:
        unfinished = unfinished_notice(folder)
        if unfinished is not None and unfinished.text not in self._told:
            self._publish(unfinished)

    def _tallies(self) -> dict[str, int]:
        stats = self.stats()
        return {"lost_camera": stats.lost_camera, "grabbed": stats.grabbed, "not_counted": stats.not_counted}

    def _recording_full(self) -> None:
        self._devices.submit(self._report, self._stop_recording)

    def _stop_recording(self) -> None:
        # Of the recording, and not of all the time since live imaging began.
        notes = {name: value - self._before_recording.get(name, 0) for name, value in self._tallies().items()}
        error = self._recording.stop({**notes, "dose": self.dose})
        if error is not None and self.state is State.FAILED:
            self._tell(error)  # the session has ended already; what became of its file is news all the same
        elif error is not None:
            raise error

    # ------------------------------------------------------------------ replay

    def _open_replay(self, path: Path, hold: bool, speed: float | None) -> None:
        if self.state is State.LIVE:
            self._stop_live()
            self.finished.clear()
        self._leave_replay()
        given = self.settings.segmentation.pixel_size_um
        size = given if isinstance(given, float) else None
        if self._counting.counter is None:
            self._await(self._load_selected_model(fatal=False))
        self._replay.open(path, pixel_size_um=size, hold=hold, speed=speed, use_told=given is None)
        self._in_force.enter_file(given)
        into = self._stream.begin(lossless=True)
        self._life.begin(State.REPLAYING)
        self._ticker = Ticker("app-stats", self._tick, TICK_S, self.fail)
        self._replay.play_into(into, self._replayed, self._replay_ended)

    def _replayed(self, frame: Frame) -> None:
        self._stream.last_frame = frame

    def _replay_ended(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error)
        self.finished.set()

    def _close_replay(self) -> None:
        if self._leave_replay() and self.state is State.REPLAYING:
            self._life.move(State.IDLE)

    def _leave_replay(self) -> bool:
        if not self._replay.active:
            return False
        self._stop_ticker()
        self._in_force.leave_file()
        return self._replay.close()

    def _stop_ticker(self) -> None:
        tickers, self._ticker, self._watch = (self._ticker, self._watch), None, None
        for ticker in tickers:
            if ticker is not None:
                ticker.stop()

    # ------------------------------------------------------------------ frames, on the source's thread

    def _frame_arrived(self, frame: Frame) -> None:
        path, labeller = self._stream.path, self._bench.labeller
        if path is None or labeller is None:
            return
        if self._light.frame_came():
            self._devices.submit(self._report, self._relight)
        labelled = replace(labeller.label(frame), pixel_size_um=self._pixel_size(frame))
        labelled = self._calibration.correct(labelled, self.settings)
        self._stream.last_frame = labelled
        path.feed(labelled)

    def _pixel_size(self, frame: Frame) -> float | None:
        given = self.settings.segmentation.pixel_size_um
        if isinstance(given, float):
            return given
        if frame.name:  # an image file that the emulator played: its scale is its own
            return frame.pixel_size_um
        camera = self._bench.camera
        return self.settings.optics.pixel_size_um(camera.settings.binning if camera is not None else 1)

    def _camera_ended(self, error: BaseException | None) -> None:
        if error is not None:
            self.fail(error)
        elif self._bench.running and self.state in (State.LIVE, State.STARTING):
            self._devices.submit(self._report, self._ended_by_itself, True)

    def _ended_by_itself(self) -> None:
        if self.settings.camera_images is None:
            return
        for name, reason in self._bench.rejected():
            self._publish(Notice("error", f"{name} could not be played: {reason}."))
        self._stop_live()

    # ------------------------------------------------------------------ helpers

    def _load_selected_model(self, *, fatal: bool = True) -> "Future[None]":
        work = partial(self._use_model, self.settings.segmentation.model, self._cancellation.asked)
        return self._models.submit(self._report, work, True) if fatal else self._models.submit(work)

    def _use_model(self, name: str, asked: int) -> None:
        """Load a model, on ``app-model``, and count with it unless `cancel` was called more than `asked` times."""
        if asked != self._cancellation.asked:
            return  # it waited behind one that was left behind
        self._publish(Underway("model", "model", 0.1))
        try:
            loaded = self._counting.load(name)
        except Exception:
            if asked == self._cancellation.asked:
                raise
            log.exception("a model whose loading was cancelled did not load")
            return
        finally:
            if asked == self._cancellation.asked:
                self._publish(Underway("model"))
        if asked == self._cancellation.asked:
            self._counting.use(loaded)
            if self._counting.on:
                self._stream.count(True)
            self._tell_model(loaded)

    def _tell_model(self, counter: Counter) -> None:
        self._publish(ModelReady(counter.name, counter.sha256, counter.provider_used))

    def _leave_models(self) -> None:
        """Wait for no model any more that is loaded or counts a snapshot; the one that counts goes on counting."""
        self._models.leave()
        self._publish(Underway("model"))
        counter = self._counting.counter
        if counter is not None and counter.name != self.settings.segmentation.model:
            self._in_force.update("segmentation", model=counter.name)
            self._tell_model(counter)

    def _metadata(self, counter: Counter | None) -> RunMetadata:
        camera, light = self._bench.camera, self._bench.light_info
        return RunMetadata.from_settings(
            self.settings,
            camera=camera.info.title if camera is not None else "",
            light=light.title if light is not None else "",
            model_name=counter.name if counter is not None else "",
            model_sha256=counter.sha256 if counter is not None else "",
        )

    def _light_failed(self, error: BaseException) -> None:
        if self.state in (State.LIVE, State.STARTING, State.SNAPPING, State.PLAN):
            self.fail(error)
        else:
            self._tell(error)

    def _tell(self, error: BaseException) -> None:
        """Publish what went wrong, unless that was said a moment ago."""
        if sentence(error) not in self._told:
            self._publish(Notice("error", sentence(error)))

    def _tick(self) -> None:
        self._stream.tell()
        self._recording.tell()
        self._watch_field()

    def _watch_field(self) -> None:
        """On the thread ``app-stats``: notice that the stage was moved."""
        frame = self.last_frame
        if self.state is State.LIVE and frame is not None:
            self._dose.look(frame)

    def _publish(self, event: Event) -> None:
        if isinstance(event, LightReady):
            watchdog_ms = self.settings.light.watchdog_ms if event.info.has_watchdog else 0
            self._dose.trust(watchdog_ms)
            if not event.info.has_watchdog:
                self._publish(Notice("warning", NO_WATCHDOG))
            elif not watchdog_ms:
                self._publish(Notice("warning", NO_WATCHDOG_SET))
        if isinstance(event, LightSeen) and event.reading is not None:
            self._dose.take(event.reading)
        if isinstance(event, Notice):
            self._told.append(event.text)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:
                # One deaf listener must not take the thread that told it, which may be the light's own.
                log.exception("a listener failed")
                self.fail(error)

    def _command(
        self,
        work: Callable[[], T],
        *,
        fatal: bool = False,
        worker: Worker | None = None,
        planned: bool = False,
        darkens: bool = False,
        touches: bool = True,
        cancelled: str = "",
    ) -> "Future[T]":
        if self.state is State.CLOSED:
            refused: Future[T] = Future()
            refused.set_exception(DapiscopeError("dapiscope is closing; start it again."))
            return refused
        if worker is not None:
            return worker.submit(self._report, work, fatal)
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
                self._teardown()
                self._life.move(State.IDLE)
            raise
        except Exception as error:
            if fatal or in_doubt(error) or not isinstance(error, DapiscopeError):
                self.fail(error)
            else:
                self._publish(Notice("error", sentence(error)))
            raise


def _raise(error: BaseException) -> None:
    raise error


def in_doubt(error: BaseException) -> bool:
    """Tell whether after `error` nobody knows what shines."""
    return isinstance(error, LightError) and not isinstance(error, LightRangeError | LightHeldError)


def sentence(error: BaseException) -> str:
    """Return what the operator reads: our own sentence, or what an unexpected error is called."""
    if isinstance(error, DapiscopeError):
        return str(error)
    what = " ".join(f"{type(error).__name__}, {error}".split())[:200]
    return f"Something unexpected went wrong ({what}): the light is being switched off; see the log."
