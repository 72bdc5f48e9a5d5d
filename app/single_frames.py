"""Frames that are taken one by one, each lit for its exposure alone: snapshots, flat fields and acquisition plans.

Snapshots and flat fields hold live imaging and go on with it; a plan ends it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.counting_desk import Counter
from app.errors import (
    CameraError,
    CameraGoneError,
    CancelledError,
    DapiscopeError,
    DeviceError,
    in_doubt,
)
from app.events import Notice, SnapTaken, State
from app.frame import Frame, Segmentation
from app.imaging import Imaging
from app.inference.overlay import overlay_of
from app.model_desk import Report
from app.plan import Plan
from app.plan_desk import check_room
from app.plan_runner import PlanResult
from app.recording import save_snapshot
from app.replaying import Replaying
from app.starting import Starting
from app.stopping import Stopping
from app.workplace import Workplace


class SingleFrames:
    """Takes single frames with the camera at rest; on the device worker."""

    def __init__(
        self,
        at: Workplace,
        imaging: Imaging,
        replaying: Replaying,
        starting: Starting,
        stopping: Stopping,
        report: Report,
    ) -> None:
        self._at, self._imaging, self._replaying = at, imaging, replaying
        self._starting, self._stopping, self._report = starting, stopping, report

    @contextmanager
    def _instead_of_live(self, doing: str) -> Iterator[None]:
        """Hold live imaging, if it runs, and go on with it afterwards: camera and light are free for single frames."""
        at, life = self._at, self._at.life
        if at.recording.active:
            raise CameraError(f"A recording runs; stop it before {doing}, so that no frame is lost.")
        was_live = life.state is State.LIVE
        self._replaying.close()
        life.begin(State.SNAPPING)
        try:
            self._starting.connect()
            if was_live:
                at.light.hold()
            yield
        except Exception as error:
            if in_doubt(error):
                at.fail(error)  # now: nothing may shine again before it was dark
            raise
        finally:
            at.cancellation.over()
            # A failure meanwhile has moved the state on, and then nothing may be started again.
            if life.state is State.SNAPPING and was_live and at.bench.camera is None:
                self._stopping.stop_parts()  # it was left behind
                at.announcer.publish(Notice("warning", "The camera does not come back, so live imaging has ended."))
                life.move(State.IDLE)
                at.finished.set()
            elif life.state is State.SNAPPING:
                if was_live and not at.bench.running:
                    self._imaging.resume(at.settings.camera)
                life.move(State.LIVE if was_live else State.IDLE)

    # ------------------------------------------------------------------ snapshots

    def snap(self, segment: bool, folder: Path, offs: int) -> SnapTaken:
        """Take one frame, asked for after `offs` times "all off", save it, and count its nuclei if `segment`."""
        with self._instead_of_live("taking a snapshot"):
            return self._take_snapshot(segment, folder, offs)

    def _take_snapshot(self, segment: bool, folder: Path, offs: int) -> SnapTaken:
        at = self._at
        frame = self._snap(offs)
        at.stream.show(frame)
        counter, result, uncounted = self._count(frame) if segment else (None, None, None)
        at.cancellation.at("files", 0.9)
        overlay = overlay_of(result) if result else None
        extra = {"dose": at.dose.as_notes()}
        files = save_snapshot(folder, frame, result, at.metadata(counter), overlay=overlay, extra=extra)
        named = {"image": files.image, "labels": files.labels, "table": files.nuclei, "overlay": files.overlay}
        saved = {name: path for name, path in named.items() if path is not None}
        model = (counter.name, counter.sha256) if counter is not None else ("", "")
        taken = SnapTaken(frame, result, saved, *model, extra["dose"])
        if uncounted is not None:
            at.announcer.publish(uncounted)
        at.announcer.publish(taken)
        return taken

    def _snap(self, offs: int) -> Frame:
        at = self._at

        def ended() -> bool:
            return offs != at.bench.offs or at.life.state is not State.SNAPPING or at.cancellation.cancelled

        try:
            frame = at.bench.snap(at.settings, ended)
        except DapiscopeError as error:
            if not isinstance(error, DeviceError):
                at.cancellation.check()  # it noticed by itself
            raise
        if not frame.light.confirmed:
            at.cancellation.check()  # it was cut short
        return self._imaging.calibrated(frame)

    def _count(self, frame: Frame) -> tuple[Counter | None, Segmentation | None, Notice | None]:
        """Return what counted `frame`, what it found, and what to tell once it is saved where it was not counted."""
        at = self._at
        why = at.counting.refuses(frame)
        if why is not None:
            return None, None, Notice("warning", f"The nuclei were not counted: {why}. The picture is saved.")
        try:
            counter = at.models.for_snapshots()
            at.cancellation.at("count", 0.5)
            found = at.models.find_exactly(frame, counter)
        except CancelledError:
            return None, None, Notice("info", "Counting was cancelled; the picture is saved.")
        at.counting.tell_exactly(found)
        return counter, found, None

    # ------------------------------------------------------------------ flat fields

    def calibrate(self, channel: str, frames: int, offs: int) -> None:
        """Take dark frames and frames of the even field in view, and keep what they say of `channel`."""
        at = self._at

        def given_up() -> bool:
            return offs != at.bench.offs or at.life.state is not State.SNAPPING

        with self._instead_of_live("taking a flat field"):
            profile = at.calibration.take(at.bench.snap, at.settings, channel, frames, given_up)
        self._imaging.set_flat_field(profile is not None or at.settings.flat_field)

    # ------------------------------------------------------------------ plans

    def run_plan(self, plan: Plan, folder: Path, zarr: bool = False) -> PlanResult:
        """Carry out the plan that has claimed the desk, into a new file in `folder`; it is dark afterwards.

        An OME-Zarr image is made beside it if `zarr`.
        """
        at = self._at
        try:
            if at.recording.active:
                raise CameraError("A recording runs; stop it before starting a plan, so that no frame is lost.")
            self._stopping.stop_live()
            self._replaying.close()
            check_room(plan, at.settings, folder, zarr)
            at.life.begin(State.PLAN)
            self._starting.connect()
            self._imaging.meet(*(each.channel.name for each in plan.channels))
            at.models.await_counter()
            counts = at.counting.beside_plan()
            counter = at.counting.counter if counts is not None else None
            result = at.plans.run(folder, at.metadata(counter), at.settings, counts, zarr)
        finally:
            at.plans.release()
            if at.life.state is State.PLAN:
                at.life.move(State.IDLE)
        if isinstance(result.error, CameraGoneError):
            at.fail(result.error)  # as while live: the camera is taken back as soon as it is there
        elif result.error is not None:
            with suppress(DapiscopeError):
                self._report(lambda: _raise(result.error))
        return result


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error
