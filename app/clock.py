"""Time, passed in, so that tests wait for nothing."""

import time
from typing import Protocol


class Clock(Protocol):
    """What a part may ask of time."""

    def monotonic(self) -> float:
        """Return seconds that never go back; all `_s` moments of frames and lights are on this axis."""
        ...

    def unix(self) -> float:
        """Return seconds since 1970, UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait; returns at once for zero and less."""
        ...


class SystemClock:
    """The machine's own clock."""

    def monotonic(self) -> float:
        """Return the machine's monotonic seconds."""
        return time.monotonic()

    def unix(self) -> float:
        """Return the machine's wall clock."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        if seconds > 0:
            time.sleep(seconds)


class ManualClock:
    """A clock that moves only when told to: `sleep` advances it at once."""

    def __init__(self, start_s: float = 1000.0) -> None:
        self._now_s = start_s

    def monotonic(self) -> float:
        """Return the present moment of this clock."""
        return self._now_s

    def unix(self) -> float:
        """Return the present moment as if the clock had started on 2026-01-01."""
        return 1_767_225_600.0 + self._now_s

    def sleep(self, seconds: float) -> None:
        """Advance."""
        self._now_s += max(seconds, 0.0)
