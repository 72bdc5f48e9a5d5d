"""The light of live imaging: on while a channel is asked for and its frames come.

"All off" goes before everything, and is counted (`app.bench.Bench.offs`): what was asked for before the last one does
not shine after it. Nor does anything come on while a command that makes it dark waits (`LiveLight.darkens`). While the
camera sends no frames nothing shines; the light comes back with them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.bench import Bench
from app.clock import Clock
from app.errors import RefusedError
from app.events import Event, Notice
from app.frame import EndSink, FrameSink
from app.settings import Settings
from app.shutter import Shutter

T = TypeVar("T")


class LiveLight:
    """Lights the frames of one running camera. On the device worker, except `look` and `frame_came`.

    Parameters
    ----------
    bench : Bench
        Has the camera and the light.
    settings : callable
        Returns what is in force.
    clock : Clock
    publish : callable
        Gets a `Notice` when the light goes off for want of frames, and when it comes back.
    """

    def __init__(
        self, bench: Bench, settings: Callable[[], Settings], clock: Clock, publish: Callable[[Event], None]
    ) -> None:
        self._bench, self._settings, self._clock, self._publish = bench, settings, clock, publish
        self._asked: int | None = 0
        self._lock = threading.Lock()
        self._darkenings = 0  # how many commands wait, or are carried out, that end in darkness
        self.shutter = Shutter()

    def ask(self, offs: int | None) -> None:
        """Have the selected channel shine, asked for after `offs` times "all off"; None: live goes on in the dark."""
        self._asked = offs

    @property
    def wanted(self) -> bool:
        """True when a channel was asked for, and darkness was not since."""
        return self._asked == self._bench.offs and not self._darkenings

    def run(self, sink: FrameSink, ended: EndSink) -> None:
        """Light on, confirmed and settled, where it is wanted; then the camera."""
        settings = self._settings()
        light = settings.light
        shine = (light.channel, light.intensity) if self.wanted else None
        offs = self._asked
        if settings.camera_images is None:  # a folder is played only as fast as it is counted
            # Before the start: a camera that never comes back from it must not keep the light on.
            settled_s = self._clock.monotonic() + light.settle_ms / 1000
            self.shutter.arm(settled_s, self._bench.frame_period_s())
        self._bench.run(shine, offs, light.settle_ms, sink, ended)

    def hold(self) -> None:
        """Go dark, confirmed, and stop the camera: for single frames, or for settings that need it."""
        self.shutter.disarm()
        self._bench.switch(None, 0.0)
        self._bench.pause()

    def switch(self, name: str | None, offs: int | None) -> bool:
        """Shine `name`, unless "all off" was asked since `offs` was counted; None: go dark. True when it shines then.

        While the camera sends no frames nothing shines; the light comes on with them.
        """
        if name is not None and self.shutter.closed:
            return False
        read = self._bench.switch(name, self._settings().light.intensity, offs)
        if name is not None and self.shutter.closed:
            self._bench.off()  # the frames stayed away while it went on
            return False
        return read is not None and not read.dark

    @contextmanager
    def dark(self, live: Callable[[], bool]) -> Iterator[None]:
        """Hold the light off, if `live` imaging shines; it comes back unless darkness was asked or live has ended.

        It comes back after a RefusedError too; after any other, which may be a failure, it stays dark.
        """
        offs, shines = self._asked, live() and self._asked == self._bench.offs
        refused: RefusedError | None = None
        if shines:
            self._bench.switch(None, 0.0)
        try:
            yield
        except RefusedError as error:
            refused = error
        if shines and live() and self.wanted:
            self.switch(self._settings().light.channel, offs)
        if refused is not None:
            raise refused

    def come_back(self) -> None:
        """Frames come again after the light was switched off for want of them."""
        offs = self._asked
        if self.wanted and self.switch(self._settings().light.channel, offs) and self.wanted:
            # What was done, and not what is: it is read when darkness may have been asked for again.
            self._publish(Notice("info", "Frames came again, so the light was switched back on."))

    # ------------------------------------------------------------------ on other threads

    def darkens(self, work: Callable[[], T]) -> Callable[[], T]:
        """Return `work`, a command that makes it dark; until it has been carried out, nothing comes on any more."""
        with self._lock:
            self._darkenings += 1

        def darken() -> T:
            try:
                return work()
            finally:
                with self._lock:
                    self._darkenings -= 1

        return darken

    def frame_came(self) -> bool:
        """Take note of a frame, on the camera's thread; True when it is time to `come_back`."""
        return self.shutter.frame(self._clock.monotonic())

    def look(self) -> None:
        """Switch off when a frame is overdue, on the thread ``app-shutter``."""
        if self.shutter.overdue(self._clock.monotonic()):
            self._bench.off()
            self._publish(
                Notice("warning", "No frames come from the camera, so the light was switched off; check its cable.")
            )

    def repace(self) -> None:
        """Expect frames at the pace of the camera's present settings."""
        self.shutter.repace(self._clock.monotonic(), self._bench.frame_period_s())
