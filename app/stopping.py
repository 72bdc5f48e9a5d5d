"""The ends: of live imaging, of a start that was taken back, of a failed or closed session. The light goes off first.

The order is that of the start, reversed, and each step is tried whatever became of those before.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from app.bench import ANSWER_S, UNREAD
from app.errors import LightStuckError, in_doubt
from app.events import Notice, State
from app.heaps import give_back
from app.live_recording import LiveRecording
from app.patience import Patience
from app.recording import Finishing
from app.replaying import Replaying
from app.workplace import Workplace

log = logging.getLogger(__name__)
HUNG = (
    "A device's driver or a disk does not come back, so dapiscope leaves without it; before the next start, unplug the "
    "camera and plug it in again, and check that the folder in use can be reached."
)
DISK_HUNG = (
    "The disk does not take what was recorded, so dapiscope leaves without it; what reached the disk comes back with "
    "`dapiscope recover` and the recording's folder."
)


class Stopping:
    """Stops what runs; on the device worker, except what says otherwise."""

    def __init__(self, at: Workplace, recording: LiveRecording, replaying: Replaying) -> None:
        self._at, self._recording, self._replaying = at, recording, replaying

    def stop_live(self) -> None:
        """Light off, camera off, recording closed."""
        life = self._at.life
        if life.state not in (State.LIVE, State.STARTING):
            return
        life.move(State.STOPPING)
        try:
            self.stop_parts()
        except Exception as error:
            self._at.fail(
                error
            )  # also where the caller's own failure would not end the session: STOPPING leads nowhere
            raise
        life.move(State.IDLE)
        self._at.finished.set()
        give_back()

    def stop_parts(self) -> None:
        """Stop everything that runs, the light first. Each step is tried whatever became of those before."""
        at = self._at
        at.light.shutter.disarm()
        off = at.bench.off()
        problems: list[Exception] = []
        steps = [at.lookout.stop, at.bench.pause, at.stream.end, self._recording.stop]
        if at.life.state is State.FAILED:
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
            at.announcer.tell(problem)
        if problems:
            raise problems[0]

    def tear_down(self) -> Exception | None:
        """After a failure or at the end: stop everything, close the camera; the light's keeper goes on until dark.

        Returns that of the errors, all of them told, after which nobody knows what shines; None where there is none.
        """
        doubt: Exception | None = None
        for step in (self._replaying.leave, self.stop_parts, self._at.bench.release_camera):
            try:
                step()
            except Exception as error:
                log.exception("while stopping")
                self._at.announcer.tell(error)
                doubt = doubt or (error if in_doubt(error) else None)
        return doubt

    def end(self) -> None:
        """Tear down for good, and wait for what was left behind in a driver."""
        self.tear_down()
        self._at.cancellation.rest()

    # ------------------------------------------------------------------ on the thread that closes the session

    def finishing(self) -> Finishing | None:
        """How far the file being closed has come; None when none is."""
        return self._at.recording.finishing or self._at.plans.finishing

    def leave_behind(self, patience: Patience) -> None:
        """The device worker hangs in a driver or on a disk: close the files without it."""
        if self.finishing() is None:
            self._at.announcer.publish(Notice("error", HUNG))
            last = ThreadPoolExecutor(1, "app-devices-last")
            saved = last.submit(self._close_files)
            last.shutdown(wait=False)
            if patience.outlast(saved):
                return
        self._at.announcer.publish(Notice("error", DISK_HUNG))

    def _close_files(self) -> None:
        self._at.plans.abandon()
        try:
            self._recording.stop()
        except Exception as error:
            log.exception("while closing the recording")
            self._at.announcer.tell(error)
