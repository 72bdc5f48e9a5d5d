"""The corner of a session where a plan is carried out: one at a time, told in events, ended from any thread."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app.clock import Clock
from app.errors import DapiscopeError, RefusedError
from app.events import Event, Notice, PlanEnded, PlanMoved
from app.frame import Frame
from app.plan import Plan
from app.plan_counts import PlanCounts
from app.plan_runner import PlanProgress, PlanResult, PlanRunner, Snap, check_plan_disk, estimate
from app.recording import Finishing, RunMetadata
from app.recording.files import check_room as check_free
from app.settings import Settings

if TYPE_CHECKING:
    from app.recording.zarr_follower import ZarrFollower

BUSY = "An acquisition plan runs; stop it first, or wait until it ends."


class PlanDesk:
    """At most one plan at a time.

    Parameters
    ----------
    publish : callable
        Gets `PlanMoved` and `PlanEnded`.
    seen : callable
        Gets every frame, on the thread that runs the plan; must be quick.
    clock : Clock
    """

    def __init__(self, publish: Callable[[Event], None], seen: Callable[[Frame], None], clock: Clock) -> None:
        self._publish, self._seen, self._clock = publish, seen, clock
        self._lock = threading.Lock()
        self._runner: PlanRunner | None = None

    @property
    def active(self) -> bool:
        """True from `claim` until `release`: nothing else may use camera and light."""
        return self._runner is not None

    def claim(self, plan: Plan, snap: Snap) -> bool:
        """Take the desk for `plan`; False when another one has it. From now on it can be stopped and paused."""
        with self._lock:
            if self._runner is not None:
                return False
            self._runner = PlanRunner(plan, snap, self._clock, self._tell)
            return True

    @property
    def finishing(self) -> Finishing | None:
        """How far closing the plan's file has come; see `app.recording.Recorder.finishing`. Any thread."""
        return runner.finishing if (runner := self._runner) is not None else None

    def abandon(self) -> None:
        """Close the plan's file with what was taken, for a frame that never ends. Any thread; waits."""
        if (runner := self._runner) is not None:
            runner.abandon()

    def run(
        self,
        folder: Path,
        meta: RunMetadata,
        settings: Settings,
        counts: PlanCounts | None = None,
        zarr: bool = False,
    ) -> PlanResult:
        """Carry out the claimed plan on this thread, into a new file in `folder`; see `PlanRunner.run`.

        An OME-Zarr image follows the file if `zarr`; what it is behind by is written when the plan has ended.
        """
        runner = self._runner
        if runner is None:
            raise RefusedError("The plan was given up before it began; start it again.", "plan")
        if not zarr:
            return self._ended(runner.run(folder, meta, settings, counts=counts))
        from app.recording.zarr_follower import ZarrFollower

        with ZarrFollower() as follower:
            result = self._ended(runner.run(folder, meta, settings, counts=counts, started=follower.start))
            if result.taken and result.finished:
                self._complete(follower, result.path)
        return result

    def _complete(self, follower: "ZarrFollower", path: Path) -> None:
        """Write what is left of the OME-Zarr image; whatever fails in it costs no frame."""
        self._publish(Notice("info", f"{path.name} is whole; the rest of its OME-Zarr image is being written."))
        try:
            made = follower.finish(path)
        except DapiscopeError as error:
            remedy = f"{path.name} is whole; make the image of it later (dapiscope export --zarr)."
            self._publish(Notice("warning", f"There is no OME-Zarr image: {error} {remedy}"))
        else:
            self._publish(Notice("info", f"OME-Zarr image written: {made.name}"))

    def _ended(self, result: PlanResult) -> PlanResult:
        self._publish(
            PlanEnded(
                result.path, result.taken, result.total, result.complete, result.reason, result.unconfirmed,
                result.counted, result.skipped,
            )
        )  # fmt: skip
        return result

    def release(self) -> None:
        """Leave the desk to others; idempotent."""
        self._runner = None

    def pause(self) -> None:
        """Take no further frame until `resume`. Any thread."""
        if (runner := self._runner) is not None:
            runner.pause()

    def resume(self) -> None:
        """Go on. Any thread."""
        if (runner := self._runner) is not None:
            runner.resume()

    def stop(self, why: str) -> None:
        """End the plan after the step being done; its file says `why`. Any thread."""
        if (runner := self._runner) is not None:
            runner.stop(why)

    def _tell(self, at: PlanProgress) -> None:
        if at.frame is not None:
            self._seen(at.frame)
        self._publish(
            PlanMoved(
                at.taken, at.total, at.late_ms, at.elapsed_s, at.left_s, at.disk_left_s, at.paused,
                at.counted, at.skipped,
            )
        )  # fmt: skip


def check_room(plan: Plan, settings: Settings, folder: Path, zarr: bool = False) -> None:
    """Refuse a plan, and its OME-Zarr image if `zarr`, for which the disk has no room, before its first light.

    Raises RefusedError; UsageError where the zarr library is not installed.
    """
    cost = estimate(plan, settings)
    if zarr:
        from app.recording.zarr_store import check_zarr, most_zarr_bytes

        check_zarr()
        check_free(folder, cost.bytes + most_zarr_bytes(cost.bytes), "the plan and its OME-Zarr image")
    check_plan_disk(folder, cost)
