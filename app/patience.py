"""How long the end of a session waits: for devices not long, for a disk that still takes frames as long as it does."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from app.clock import Clock
from app.events import Event, RecordingFinishing
from app.recording import Finishing

DEVICE_S, DISK_S = 30.0, 300.0
"""What a device may take to stop when the session closes; and a disk on which a recording does not grow any more."""
LOOK_S = 0.05
"""Between looks at something that is waited for."""


class Patience:
    """Waits for work that may never end, on the thread that closes the session.

    Parameters
    ----------
    finishing : callable
        Returns how far the file being closed has come; None when none is.
    publish : callable
        Gets `RecordingFinishing` whenever the file has grown.
    clock : Clock
    """

    def __init__(
        self, finishing: Callable[[], Finishing | None], publish: Callable[[Event], None], clock: Clock
    ) -> None:
        self._finishing, self._publish, self._clock = finishing, publish, clock

    def outlast(self, work: "Future[Any]") -> bool:
        """Wait for `work` as long as a device may take, and while a file is still growing. False when it hangs."""
        since_s, seen = self._clock.monotonic(), self._finishing()
        while not wait([work], LOOK_S).done:
            now_s, grown = self._clock.monotonic(), self._finishing()
            if grown != seen:
                since_s, seen = now_s, grown
                if grown is not None:
                    self._publish(RecordingFinishing(grown.written, grown.total))
            if now_s - since_s > (DEVICE_S if grown is None else DISK_S):
                return False
        return True
