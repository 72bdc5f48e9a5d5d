"""No light without frames: when a running camera falls silent, the sample is not left to bleach unseen.

Pure: moments go in, decisions come out. The session asks it a few times a second and does what it says.
"""

import threading

SILENCE_S = 0.35
"""A camera that is silent for so long, and for longer than its own pace explains, gets no more light."""

FIRST_FRAME_S = 3.0
"""A camera that was just started may take so much longer for its first frame."""


ASLEEP_S = 0.15
"""Who looks later than that was held up himself, and blames no camera."""


def patience_s(period_s: float) -> float:
    """Return the seconds from one frame of a camera until it is taken for silent.

    A fast camera is dark within half a second; a slow one may lose one frame, and be late with the next.
    """
    return max(SILENCE_S, 2 * period_s + SILENCE_S / 2)


class Shutter:
    """Watches the frames of one running camera; thread-safe.

    Light goes off once a frame is overdue. It comes back only after two frames in a row came in time, so a camera that
    merely stammers does not make the light flicker.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limit_s = 0.0
        self._due_s: float | None = None
        self._last_s: float | None = None
        self._closed = False
        self._looked_s: float | None = None
        self._forgave = False

    def arm(self, now_s: float, period_s: float) -> None:
        """Begin to watch a camera that was started, or got another pace, at `now_s`.

        Parameters
        ----------
        now_s : float
        period_s : float
            From one frame to the next, exposure and readout included.
        """
        with self._lock:
            self._limit_s = patience_s(period_s)
            self._due_s = now_s + self._limit_s + FIRST_FRAME_S
            self._last_s, self._looked_s, self._closed, self._forgave = None, None, False, False

    def repace(self, now_s: float, period_s: float) -> None:
        """Expect frames at another pace from `now_s` on; a light that is off for want of frames stays off."""
        with self._lock:
            if self._due_s is not None:
                self._limit_s = patience_s(period_s)
                self._due_s = now_s + self._limit_s + FIRST_FRAME_S

    def disarm(self) -> None:
        """Stop to watch: the camera is being stopped on purpose."""
        with self._lock:
            self._due_s, self._closed = None, False

    @property
    def closed(self) -> bool:
        """True while the light is off for want of frames."""
        return self._closed

    def frame(self, now_s: float) -> bool:
        """Take note of a frame; True when the light may come back because of it."""
        with self._lock:
            if self._due_s is None:
                return False
            self._forgave = False
            steady = self._last_s is not None and now_s - self._last_s <= self._limit_s
            self._last_s, self._due_s = now_s, now_s + self._limit_s
            back = self._closed and steady
            self._closed = self._closed and not back
            return back

    def overdue(self, now_s: float) -> bool:
        """Tell, once an outage, that a frame is overdue at `now_s` and the light must go off."""
        with self._lock:
            looked_s, self._looked_s = self._looked_s, now_s
            if self._due_s is None or self._closed:
                return False
            if looked_s is not None and now_s - looked_s > ASLEEP_S and not self._forgave:
                # The whole program stood still, and the camera's thread with it: the frames get their chance, but one
                # only, or a program that is held up again and again would never blame the camera.
                self._due_s += now_s - looked_s
                self._forgave = True
            if now_s <= self._due_s:
                return False
            self._closed = True
            return True
