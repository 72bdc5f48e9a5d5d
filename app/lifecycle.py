"""Where a session stands, and what may follow.

Two rules keep the light safe. A session ends, by a failure or by `close`, in one breath with the light being held dark:
nothing can begin in between. And only `begin` leads on to something that may shine: it refuses what was asked for
before the last failure, and everything once the session is closed.
"""

import threading
from collections.abc import Callable
from typing import Literal, TypeVar

from app.errors import LightHeldError
from app.events import Event, State, StateChanged

T = TypeVar("T")


class Lifecycle:
    """The state of one session; any thread.

    Parameters
    ----------
    publish : callable
        Gets `StateChanged`.
    release_light : callable
        Lets lights be switched on again, after an end that held them dark.
    """

    def __init__(self, publish: Callable[[Event], None], release_light: Callable[[], None]) -> None:
        self._publish, self._release_light = publish, release_light
        self._lock = threading.RLock()
        self._asked_after = 0
        self.state = State.IDLE
        self.failures = 0
        """How often the session failed."""

    def asked(self, work: Callable[[], T]) -> Callable[[], T]:
        """Return `work`, for the device worker, as asked for now: `begin` in it knows whether a failure came since."""
        failures = self.failures

        def fresh() -> T:
            self._asked_after = failures  # read by `begin`, on this same worker
            return work()

        return fresh

    def begin(self, state: State) -> None:
        """Move on to something that may shine, on the device worker; LightHeldError when that may not be."""
        with self._lock:
            if self.state is State.CLOSED:
                raise LightHeldError("dapiscope is closing; start it again.")
            if self._asked_after != self.failures:
                raise LightHeldError("Something failed since this was asked, so it was not done; ask again.")
            self._release_light()
            changed, self.state = self.state is not state, state
        if changed:
            self._publish(StateChanged(state))

    def move(self, state: State) -> None:
        """Move on to something that is as dark as what was before, or on the way there."""
        with self._lock:
            # Only `begin` leads out of a failure: a step that was under way when it happened must not hide it.
            if self.state in (State.CLOSED, State.FAILED) or self.state is state:
                return
            self.state = state
        self._publish(StateChanged(state))

    def end(self, state: Literal[State.FAILED, State.CLOSED], at_once: Callable[[], object]) -> bool:
        """End, and do `at_once` before anything else can begin. False when it had ended, and nothing was done."""
        with self._lock:
            if self.state in (state, State.CLOSED):
                return False
            self.state = state
            self.failures += state is State.FAILED
            at_once()
            return True
