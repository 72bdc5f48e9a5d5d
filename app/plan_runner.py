"""Carries out a plan: frame by frame, on time, into one file, with pause, stop and resume.

Every frame has its own light: on, settled, triggered, read back, off; between frames the sample is dark. The moments
a frame is due are fixed when the plan starts, so that being late once never delays what follows; how late each frame
was is kept with the data. A plan that was stopped or failed leaves a valid file that says it is incomplete.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from app.clock import Clock
from app.errors import DapiscopeError, LightHeldError, RecordingError
from app.frame import Frame
from app.plan import Estimate, Plan, PlannedFrame
from app.plan_counts import PlanCounts
from app.recording import Finishing, Recorder, RecordingSummary, RunMetadata, check_disk
from app.recording.files import KEEP_FREE_BYTES
from app.settings import Settings

Snap = Callable[[Settings, Callable[[], bool]], Frame]
"""Takes one frame under the settings, light off before and after; `app.bench.Bench.snap` is one."""

DEFAULT_SHAPE = (2160, 3840)
READOUT_MS = 22.0
"""Of all rows of the default shape."""
_SLICE_S = 0.05
_QUEUE_FULL = 0.5


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """Where a plan stands, told after every frame and at every pause.

    Attributes
    ----------
    taken, total : int
    frame : Frame or None
        The last one.
    late_ms : float
        How much later than planned the newest time began; what follows within one time waits for its turn.
    elapsed_s, left_s : float
        Since the start, and estimated until the end.
    disk_left_s : float or None
        Until the disk would be full, at the plan's own pace and with frames of the size so far; None before the first.
    paused : bool
    counted, skipped : int
        Frames whose nuclei were counted by now, and those left out to stay on time.
    """

    taken: int
    total: int
    frame: Frame | None
    late_ms: float
    elapsed_s: float
    left_s: float
    disk_left_s: float | None
    paused: bool
    counted: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class PlanResult:
    """What became of a plan.

    Attributes
    ----------
    path : Path
        The file; it does not exist when no frame was taken.
    taken, total : int
    complete : bool
        Every planned frame is in the file.
    reason : str
        One sentence why it is not complete, else empty.
    error : DapiscopeError or None
        What failed; None for a plan that the operator stopped.
    deviation_ms : tuple of float
        How much later than planned each frame began.
    unconfirmed : int
        Frames whose light could not be confirmed; they are in the file and say so.
    counts : Path or None
        The table of counts beside the file.
    counted, skipped : int
        Frames whose nuclei were counted, and those left out to stay on time.
    finished : bool
        False where the file could not be made whole; `reason` says how it can be.
    """

    path: Path
    taken: int
    total: int
    complete: bool
    reason: str
    error: DapiscopeError | None
    deviation_ms: tuple[float, ...]
    unconfirmed: int
    counts: Path | None = None
    counted: int = 0
    skipped: int = 0
    finished: bool = True


def estimate(plan: Plan, settings: Settings) -> Estimate:
    """Return what `plan` will cost under `settings`; no device is touched."""
    camera = settings.camera
    height, width = (camera.roi[3], camera.roi[2]) if camera.roi else DEFAULT_SHAPE
    shape = (height // camera.binning, width // camera.binning)
    readout_ms = READOUT_MS * height / DEFAULT_SHAPE[0]
    return plan.estimate(shape, settle_ms=settings.light.settle_ms, readout_ms=readout_ms)


def check_plan_disk(folder: Path, cost: Estimate) -> None:
    """Refuse a plan that the disk cannot take, before its first light; RefusedError."""
    duration_s = max(cost.duration_s, 1.0)
    check_disk(folder, cost.bytes / duration_s, seconds=duration_s)


class PlanRunner:
    """One run of one plan.

    Parameters
    ----------
    plan : Plan
    snap : callable
        See `Snap`.
    clock : Clock
    told : callable, optional
        Gets a `PlanProgress` on the thread that runs the plan; must be quick.
    """

    def __init__(
        self,
        plan: Plan,
        snap: Snap,
        clock: Clock,
        told: Callable[[PlanProgress], None] | None = None,
    ) -> None:
        self._plan, self._snap, self._clock = plan, snap, clock
        self._told = told or (lambda progress: None)
        self._stop, self._paused = threading.Event(), threading.Event()
        self._why = ""
        self._counts: PlanCounts | None = None
        self._log = _Log()
        self._zero_s = 0.0
        self._late_ms = 0.0
        self._recorder: Recorder | None = None

    def pause(self) -> None:
        """Take no further frame until `resume`; the plan's clock stands still. Any thread."""
        self._paused.set()

    def resume(self) -> None:
        """Go on after `pause`. Any thread."""
        self._paused.clear()

    def stop(self, why: str = "The plan was stopped.") -> None:
        """End after the frame being taken; what was taken is kept, and the file says `why`. Any thread."""
        self._why = self._why or why
        self._stop.set()

    @property
    def finishing(self) -> Finishing | None:
        """How far closing the file has come; see `app.recording.Recorder.finishing`. Any thread."""
        return self._recorder.finishing if self._recorder is not None else None

    def abandon(self) -> None:
        """Close the file with what was taken, for a frame that never ends. Any thread; waits."""
        if self._recorder is not None:
            self._close(self._recorder, self._why)

    @property
    def paused(self) -> bool:
        """True between `pause` and `resume`."""
        return self._paused.is_set()

    def run(
        self,
        folder: Path,
        meta: RunMetadata,
        settings: Settings,
        name: str = "plan.ome.tif",
        counts: PlanCounts | None = None,
        started: Callable[[Recorder], object] = lambda recorder: None,
    ) -> PlanResult:
        """Carry out the plan on this thread and return what became of it.

        Parameters
        ----------
        folder : Path
            Made if absent.
        meta : RunMetadata
        settings : Settings
            In force once the camera is open: what the plan leaves open, and the size of a pixel.
        name : str
            Of the file; an existing one is never touched: -2, -3… is appended.
        counts : PlanCounts, optional
            Counts the frames beside the plan; without it none is counted.
        started : callable, optional
            Gets the recorder of the file, once it accepts frames.

        Raises
        ------
        RecordingError
            The folder cannot be written to; no light was switched on.
        """
        recorder = self._recorder = Recorder(folder / name, meta, notes=self._planned())
        recorder.start()
        if counts is not None:
            counts.start(recorder.path, lambda: recorder.status.acknowledged)
        self._counts = counts
        error: DapiscopeError | None = None
        try:
            started(recorder)
            self._run(recorder, settings)
        except DapiscopeError as problem:
            # A stop that came between two steps of a frame cancels that frame, which is no failure; nor is it the
            # reason where the disk failed meanwhile.
            cancelled = type(problem) is DapiscopeError or isinstance(problem, LightHeldError)
            error = problem if not cancelled else None if self._stop.is_set() else recorder.status.error or problem
        except BaseException as problem:
            self._close(recorder, f"A fault of the program ended the plan: {problem!r}.")
            raise
        total = len(self._plan.frames)
        done = error is None and self._log.taken == total
        reason = "" if done else str(error) if error is not None else self._why
        summary = self._close(recorder, reason)
        if summary.error is not None and (error is None or not summary.finished):
            error, reason = summary.error, str(summary.error)
        complete = done and summary.error is None and summary.frames == total
        return PlanResult(
            summary.path, summary.frames, total, complete, reason, error,
            tuple(self._log.deviation_ms), self._log.unconfirmed,
            *((counts.table, counts.counted, counts.skipped) if counts is not None else (None, 0, 0)),
            summary.finished,
        )  # fmt: skip

    # ------------------------------------------------------------------ one frame after the other

    def _run(self, recorder: Recorder, settings: Settings) -> None:
        self._zero_s = self._log.began_s = self._clock.monotonic()
        for number, planned in enumerate(self._plan.frames):
            if planned.restarts:
                self._zero_s = self._clock.monotonic() - planned.due_s
            if not self._wait_for(planned, recorder):
                return
            channel = self._plan.channels[planned.place[1]]
            self._log.shine(channel.channel.name, channel.intensity, self._clock.monotonic())
            try:
                frame, kept_s, problem = self._take(number, self._plan.settings_for(planned, settings), recorder)
            finally:
                lit = self._log.go_dark(self._clock.monotonic())
            deviation_ms = (kept_s - self._zero_s - planned.due_s) * 1000
            frame = replace(frame, index=number, pixel_size_um=pixel_size_of(frame, settings))
            if not recorder.put(frame, planned.place, lit):
                raise recorder.status.error or RecordingError("The file was closed while the plan ran: start it again.")
            self._log.note(deviation_ms, frame)
            if number == 0 or planned.due_s != self._plan.frames[number - 1].due_s:
                self._late_ms = deviation_ms
            if self._counts is not None:
                self._counts.offer(frame, planned.place[0])
            self._tell(recorder, frame)
            if problem is not None:
                raise problem

    def _take(self, number: int, settings: Settings, recorder: Recorder) -> tuple[Frame, float, DapiscopeError | None]:
        """Take a frame, and once more where its light could not be confirmed: such a frame proves nothing.

        Returns the frame, when the attempt that it is of began, and what failed in the second: the first is kept.
        """

        def pointless() -> bool:
            return self._stop.is_set() or recorder.status.error is not None

        first_s = self._clock.monotonic()
        frame = self._snap(settings, pointless)
        if frame.light.confirmed or pointless():
            return frame, first_s, None
        self._log.retaken.append(number)
        again_s = self._clock.monotonic()
        try:
            again = self._snap(settings, pointless)
        except DapiscopeError as problem:
            return frame, first_s, problem
        return (again, again_s, None) if again.light.confirmed else (frame, first_s, None)

    def _wait_for(self, planned: PlannedFrame, recorder: Recorder) -> bool:
        """Wait, in the dark, until `planned` is due and the disk has kept up; False when the plan was stopped.

        Raises the RecordingError of a disk that failed meanwhile: no frame is exposed that cannot be kept.
        """
        while True:
            if self._stop.is_set():
                return False
            if (failed := recorder.status.error) is not None:
                raise failed
            if self._paused.is_set():
                self._pause(recorder)
                continue
            # The wait for the disk costs punctuality, which is recorded, and no frame.
            behind = recorder.status.fill > _QUEUE_FULL
            left_s = self._zero_s + planned.due_s - self._clock.monotonic()
            if left_s <= 0 and not behind:
                return True
            self._clock.sleep(min(left_s, _SLICE_S) if left_s > 0 else 0.005)

    def _pause(self, recorder: Recorder) -> None:
        began_s = self._clock.monotonic()
        self._tell(recorder, None)
        while self._paused.is_set() and not self._stop.is_set() and recorder.status.error is None:
            self._clock.sleep(0.02)
        paused_s = self._clock.monotonic() - began_s
        self._zero_s += paused_s
        self._log.pauses.append((self._log.taken, paused_s))
        if not self._stop.is_set():
            self._tell(recorder, None)  # at once: the next frame, and with it the light, may be minutes away

    def _tell(self, recorder: Recorder, frame: Frame | None) -> None:
        total, taken = len(self._plan.frames), self._log.taken
        elapsed_s = self._clock.monotonic() - self._log.began_s
        left_s = 0.0
        if taken < total:
            # At least the rest of the timetable, and at least the rest of the work at the speed so far.
            timetable_s = self._zero_s + self._plan.frames[-1].due_s - self._clock.monotonic()
            left_s = max(timetable_s, self._log.busy_s / max(taken, 1) * (total - taken))
        disk_left_s = self._disk_left_s(recorder)
        counts = self._counts
        self._told(
            PlanProgress(
                taken, total, frame, self._late_ms, elapsed_s, left_s, disk_left_s, self._paused.is_set(),
                *((counts.counted, counts.skipped) if counts is not None else ()),
            )
        )  # fmt: skip

    def _disk_left_s(self, recorder: Recorder) -> float | None:
        """Return how long the disk lasts at the plan's pace: the rate so far jumps with every frame after a wait."""
        status, total = recorder.status, len(self._plan.frames)
        if not status.written or not self._log.taken:
            return None
        pace_s = max(self._plan.frames[-1].due_s / total, self._log.busy_s / self._log.taken)
        room = max(status.free_bytes - KEEP_FREE_BYTES, 0)
        return pace_s * room * status.written / max(status.bytes_written, 1)

    def _planned(self) -> dict[str, Any]:
        return {"plan": dict(self._plan.sequence), "frames planned": len(self._plan.frames)}

    def _close(self, recorder: Recorder, reason: str) -> RecordingSummary:
        kept = recorder.settle()
        self._log.keep(kept)
        if self._counts is not None:
            self._counts.finish(kept)
        return recorder.close(self._notes(reason))

    def _notes(self, reason: str) -> dict[str, Any]:
        """Return what the file tells of the run, which is over: it is dark, and the last count may take its time."""
        log = self._log
        notes: dict[str, Any] = {
            "complete": not reason,
            **self._planned(),
            "frames taken": log.taken,
            "began late, ms": [round(value, 3) for value in log.deviation_ms],
            "dose": {
                "upper_bound": True,
                "channels": {
                    name: {"lit_s": round(lit, 4), "dose_s": round(dose, 4)}
                    for name, (lit, dose) in log.dose_until(self._clock.monotonic()).items()
                },
            },
            "light not confirmed": log.unconfirmed,
            "taken twice": log.retaken,
        }
        if log.pauses:
            notes["pauses"] = [{"after frame": taken, "seconds": round(length, 3)} for taken, length in log.pauses]
        if reason:
            notes["ended by"] = reason
        # Said of a plan that counted nothing too, so that nobody takes another's table for its own.
        notes["nuclei"] = dict(self._counts.notes()) if self._counts is not None else {"counted": 0}
        return notes


@dataclass
class _Log:
    """What is kept of a run besides its frames."""

    began_s: float = 0.0
    busy_s: float = 0.0
    confirmed: list[bool] = field(default_factory=list)
    deviation_ms: list[float] = field(default_factory=list)
    retaken: list[int] = field(default_factory=list)
    pauses: list[tuple[int, float]] = field(default_factory=list)
    shining: tuple[str, float, float] | None = None
    """Channel, intensity, and since when, of the frame being taken."""
    dose: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Channel → (seconds with its light on at most, those times its intensity), of all that is over."""

    def shine(self, channel: str, intensity: float, now_s: float) -> None:
        self.shining = (channel, intensity, now_s)

    def go_dark(self, now_s: float) -> tuple[str, float, float] | None:
        """Add the light of a frame, whatever became of it; returns channel, seconds, and those times the intensity."""
        lit = None
        if self.shining is not None:
            channel, intensity, began_s = self.shining
            self.busy_s += now_s - began_s
            if intensity > 0:
                lit = (channel, now_s - began_s, (now_s - began_s) * intensity)
        self.dose, self.shining = self.dose_until(now_s), None
        return lit

    def dose_until(self, now_s: float) -> dict[str, tuple[float, float]]:
        """Return the dose with that of the frame being taken: from before the light's command to when it was dark."""
        if self.shining is None or self.shining[1] <= 0:
            return self.dose
        channel, intensity, began_s = self.shining
        lit, dose = self.dose.get(channel, (0.0, 0.0))
        return self.dose | {channel: (lit + now_s - began_s, dose + (now_s - began_s) * intensity)}

    def note(self, deviation_ms: float, frame: Frame) -> None:
        self.confirmed.append(frame.light.confirmed)
        self.deviation_ms.append(deviation_ms)

    def keep(self, frames: int) -> None:
        """Forget what was noted of frames from number `frames` on: the file lacks them."""
        del self.confirmed[frames:], self.deviation_ms[frames:]
        self.retaken = [number for number in self.retaken if number < frames]
        self.pauses = [(min(taken, frames), length) for taken, length in self.pauses]

    @property
    def taken(self) -> int:
        return len(self.deviation_ms)

    @property
    def unconfirmed(self) -> int:
        return self.confirmed.count(False)


def pixel_size_of(frame: Frame, settings: Settings) -> float | None:
    """Return µm per pixel of a camera frame: as given, else by the optics; a played file keeps its own."""
    given = settings.segmentation.pixel_size_um
    if isinstance(given, float):
        return given
    return frame.pixel_size_um if frame.name else settings.optics.pixel_size_um(settings.camera.binning)
