"""The corner of a session where a plan is carried out: one at a time, told in events, ended from any thread."""

import threading
from collections.abc import Callable
from pathlib import Path

from app.clock import Clock
from app.errors import RefusedError
from app.events import Event, PlanEnded, PlanMoved
from app.frame import Frame
from app.plan import Plan
from app.plan_counts import PlanCounts
from app.plan_runner import PlanProgress, PlanResult, PlanRunner, Snap, check_plan_disk, estimate
from app.recording import Finishing, RunMetadata
from app.settings import Settings

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

    def run(self, folder: Path, meta: RunMetadata, settings: Settings, counts: PlanCounts | None = None) -> PlanResult:
        """Carry out the claimed plan on this thread, into a new file in `folder`; see `PlanRunner.run`."""
        runner = self._runner
        if runner is None:
            raise RefusedError("The plan was given up before it began; start it again.", "plan")
        result = runner.run(folder, meta, settings, counts=counts)
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


def check_room(plan: Plan, settings: Settings, folder: Path) -> None:
    """Refuse a plan that the disk under `folder` cannot take, before its first light; RefusedError."""
    check_plan_disk(folder, estimate(plan, settings))
