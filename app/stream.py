"""The present run of frames, live or replayed: on their way to the screen and to the counting, and told in counters.

The way itself is `app.live_path.LivePath`, one a run; here is what outlives a run: view, last frame, counters.
"""

import threading
from collections.abc import Callable
from dataclasses import replace

from app.clock import Clock
from app.counting_desk import CountingDesk
from app.display import Contrast, View, render
from app.events import Event, Notice, PictureReady, Stats, StatsReady
from app.frame import Frame
from app.hardware.base import CameraStats
from app.live_path import LivePath, Pace
from app.settings import Settings


class Stream:
    """What is shown and counted, now or last.

    Parameters
    ----------
    publish : callable
        Gets `PictureReady`, `StatsReady` and `Notice`.
    counting : CountingDesk
    settings : callable
        Returns what is in force.
    clock : Clock
    failed : callable
        Gets the exception that ended a stage.
    later : callable
        Runs what it gets on a thread that may take its time.
    still : callable
        Tells whether nothing but a redraw brings another view to the screen.
    """

    def __init__(
        self,
        publish: Callable[[Event], None],
        counting: CountingDesk,
        settings: Callable[[], Settings],
        clock: Clock,
        failed: Callable[[BaseException], None],
        later: Callable[[Callable[[], None]], object],
        still: Callable[[], bool],
    ) -> None:
        self._publish, self._counting, self._settings, self._clock = publish, counting, settings, clock
        self._failed, self._later, self._still = failed, later, still
        self._camera: Callable[[], CameraStats] | None = None
        self._pace = Pace()
        self._view, self._contrast = View(), Contrast()
        self._redraws = threading.Event()
        self.path: LivePath | None = None
        """The stages of the present or last run."""
        self.last_frame: Frame | None = None

    # ------------------------------------------------------------------ runs, on the device worker

    def begin(self, *, lossless: bool, camera: Callable[[], CameraStats] | None = None) -> LivePath:
        """Start the stages of a new run, and return their way in; `camera` returns its counters where there is one."""
        settings, count = self._settings(), self._counting.begin()
        path = LivePath(self._publish, count, settings.channels, self._clock, self._failed, lossless=lossless)
        path.view, path.contrast = self._view, self._contrast
        self._camera, self.path = camera, path
        self._pace.begin()
        path.start()
        return path

    def end(self) -> None:
        """Let the stages finish what they hold; idempotent."""
        if self.path is not None:
            self.path.stop()
            still = replace(self.stats(), fps_camera=0.0, fps_display=0.0, fps_segment=0.0, latency_ms=0.0)
            self._publish(StatsReady(still))

    # ------------------------------------------------------------------ counting and counters, any thread

    def count(self, on: bool) -> None:
        """Count the frames of the present run from now on, or only show them."""
        if self.path is not None:
            self.path.segment = self._counting.count if on else None

    def stats(self) -> Stats:
        """Rates and counters of the present or last run."""
        path, camera = self.path, self._camera  # another run may begin meanwhile
        if path is None:
            return Stats()
        if camera is None:
            return path.stats()
        counts = camera()
        return path.stats(counts.grabbed, counts.lost)

    def tell(self) -> None:
        """Publish the counters, and when counting falls behind."""
        stats, counter = self.stats(), self._counting.counter
        self._publish(StatsReady(stats))
        behind = self._pace.look(self._clock.monotonic(), stats, counter.name) if counter is not None else None
        if behind is not None:
            self._publish(Notice("warning", behind))

    # ------------------------------------------------------------------ the screen, any thread

    def look_at(self, view: View | None = None, contrast: Contrast | None = None) -> None:
        """Show another region or other grey values, from the next picture on."""
        if view is not None:
            self._view = view
        if contrast is not None:
            self._contrast = contrast
        self.redraw()

    def show(self, frame: Frame) -> None:
        """Bring a single frame to the screen."""
        self.last_frame = frame
        self._publish(PictureReady(render(frame, self._view, self._contrast)))

    def redraw(self) -> None:
        """See that the last frame is shown in the present view, by a run or `later`."""
        if self.path is not None:
            self.path.view, self.path.contrast = self._view, self._contrast
        if self.last_frame is not None and self._still() and not self._redraws.is_set():
            self._redraws.set()  # one redraw waits at most; it takes the view as it is then
            self._later(self._redraw_last)

    def _redraw_last(self) -> None:
        self._redraws.clear()
        if self.last_frame is not None:
            self.show(self.last_frame)
