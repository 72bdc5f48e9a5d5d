"""Where frames go: to the screen, to the segmenter and to the recorder, each on its own thread.

One path serves live imaging and replay; it does not know which. The screen and the segmenter take the latest frame
and count what they skip, unless the path is *lossless*: then the source waits, and every frame is shown and counted.
"""

import threading
from collections import deque
from collections.abc import Callable

from app.clock import Clock
from app.display import Contrast, Picture, View, render
from app.events import Event, PictureReady, ResultReady, Stats
from app.frame import Frame, Segmentation
from app.pipeline import Stage
from app.settings import Channel


class RateMeter:
    """Events per second over the last two seconds, and over the whole run."""

    def __init__(self, window_s: float = 2.0) -> None:
        self._window_s = window_s
        self._moments: deque[float] = deque()
        self._lock = threading.Lock()
        self.total = 0
        self._first_s = 0.0
        self._last_s = 0.0

    def tick(self, now_s: float) -> None:
        """Count one event."""
        with self._lock:
            if self.total == 0:
                self._first_s = now_s
            self.total += 1
            self._last_s = now_s
            self._moments.append(now_s)
            while self._moments and self._moments[0] < now_s - self._window_s:
                self._moments.popleft()

    def recent(self, now_s: float) -> float:
        """Return events per second over the window that ends at `now_s`."""
        with self._lock:
            inside = [moment for moment in self._moments if moment >= now_s - self._window_s]
            if len(inside) < 2:
                return 0.0
            return (len(inside) - 1) / max(now_s - inside[0], 1e-9)

    def overall(self) -> float:
        """Return events per second between the first and the last one."""
        with self._lock:
            return (self.total - 1) / (self._last_s - self._first_s) if self.total > 1 else 0.0


class Pace:
    """Notices when counting falls behind, and says once for each model what is skipped and what would help.

    A path never queues frames for counting: what cannot be counted in time is shown and recorded, not counted.
    """

    SKIPPED, PERIOD_S, LEAST = 0.2, 5.0, 20
    """Part of the countable frames that may be skipped, over this time; of fewer frames nothing can be said."""

    def __init__(self) -> None:
        self._since: tuple[float, Stats] | None = None
        self._said: set[str] = set()

    def begin(self) -> None:
        """Look at a new run."""
        self._since = None

    def look(self, now_s: float, stats: Stats, model: str) -> str | None:
        """Return the sentence for the operator when it is due; call it a few times a second with the run's counters."""
        if model in self._said:
            return None
        if self._since is None or stats.segmented < self._since[1].segmented:
            self._since = now_s, stats
            return None
        since_s, before = self._since
        if now_s - since_s < self.PERIOD_S:
            return None
        self._since = now_s, stats
        counted, skipped = stats.segmented - before.segmented, stats.skipped_segment - before.skipped_segment
        if skipped <= self.SKIPPED * (counted + skipped) or counted + skipped < self.LEAST:
            return None
        self._said.add(model)
        remedy = "choose the model fast" if model != "fast" else "lower the camera's frame rate or bin 2×2"
        seconds = now_s - since_s
        return (
            f"This computer counts {counted / seconds:.0f} of {(counted + skipped) / seconds:.0f} frames a second with "
            f"the model {model}; the others are shown and recorded, not counted. To count them all, {remedy}."
        )


def countable(frame: Frame, counting: frozenset[str]) -> bool:
    """Tell whether `frame` may be counted: its light was confirmed and shows nuclei.

    A file that says nothing about its light is counted: the operator chose it. A frame whose light was watched and
    not confirmed never is.
    """
    if not frame.light.watched:
        return True
    return frame.light.confirmed and frame.light.channel in counting


class _Spared:
    """Which frames the screen does without while counting is slow, so that counting gets what they would cost."""

    SLOW_S = 0.06
    """A count that takes longer is slow."""
    PERIOD_S = 1 / 32
    """The screen still gets a new frame so often, on average; beyond 30 a second the eye gains nothing."""

    def __init__(self) -> None:
        self._due_s = 0.0

    def skips(self, now_s: float, count_s: float) -> bool:
        """Tell whether the frame at `now_s` is not shown, the newest count having taken `count_s`."""
        if count_s <= self.SLOW_S:
            return False
        if now_s < self._due_s:
            return True
        self._due_s = max(self._due_s, now_s - self.PERIOD_S) + self.PERIOD_S
        return False


class LivePath:
    """The stages behind one source of frames.

    Parameters
    ----------
    publish : callable
        Gets the events; called on the stages' threads.
    segment : callable or None
        Frame to Segmentation; None shows without counting.
    channels : tuple of Channel
        To know whose frames show nuclei.
    clock : Clock
    failed : callable
        Gets the exception that ended a stage.
    lossless : bool
        The source waits for the screen and the segmenter.
    """

    def __init__(
        self,
        publish: Callable[[Event], None],
        segment: Callable[[Frame], Segmentation] | None,
        channels: tuple[Channel, ...],
        clock: Clock,
        failed: Callable[[BaseException], None],
        *,
        lossless: bool = False,
    ) -> None:
        self._publish = publish
        self.segment = segment
        self._counting = frozenset(channel.name for channel in channels if channel.counts_nuclei)
        self._clock = clock
        self._lossless = lossless
        self.view = View()
        self.contrast = Contrast()
        self.camera_rate, self.display_rate, self.segment_rate = RateMeter(), RateMeter(), RateMeter()
        self._display: Stage[Frame] = Stage("app-display", self._show, failed)
        self._segmenting: Stage[Frame] = Stage("app-segment", self._count, failed)
        self.record: Callable[[Frame], object] | None = None
        self.record_limit: int | None = None
        self.record_full: Callable[[], None] = lambda: None
        self._spared, self._count_s = _Spared(), 0.0
        self._not_shown = 0
        self.not_counted = 0
        self.recorded = 0
        self.latency_ms = 0.0
        self.last_frame: Frame | None = None
        self.last_result: Segmentation | None = None

    def start(self) -> None:
        """Start the threads."""
        self._display.start()
        self._segmenting.start()

    def feed(self, frame: Frame) -> None:
        """Take `frame`, on the source's thread. Recording comes first: it is the one that may not skip."""
        now_s = self._clock.monotonic()
        self.camera_rate.tick(now_s)
        self.last_frame = frame
        self._record(frame)
        if not self._lossless and self._spared.skips(now_s, self._count_s):
            self._not_shown += 1
        else:
            self._hand(self._display, frame)
        if self.segment is None or not countable(frame, self._counting):
            self.not_counted += 1
        else:
            self._hand(self._segmenting, frame)

    def stop(self) -> None:
        """Let the stages finish what they hold, and end them; idempotent."""
        self._display.stop()
        self._segmenting.stop()

    def stats(self, grabbed: int | None = None, lost: int = 0) -> Stats:
        """Return the counters; `grabbed` and `lost` are the camera's own where there is one."""
        now_s = self._clock.monotonic()
        return Stats(
            grabbed=self.camera_rate.total if grabbed is None else grabbed,
            lost_camera=lost,
            displayed=self._display.done,
            skipped_display=self._display.slot.skipped + self._not_shown,
            segmented=self._segmenting.done,
            skipped_segment=self._segmenting.slot.skipped,
            not_counted=self.not_counted,
            recorded=self.recorded,
            fps_camera=self.camera_rate.recent(now_s),
            fps_display=self.display_rate.recent(now_s),
            fps_segment=self.segment_rate.recent(now_s),
            latency_ms=self.latency_ms,
        )

    def picture(self, frame: Frame) -> Picture:
        """Return `frame` as the present view and contrast show it."""
        return render(frame, self.view, self.contrast)

    def _record(self, frame: Frame) -> None:
        record = self.record
        if record is None or (self.record_limit is not None and self.recorded >= self.record_limit):
            return
        if record(frame) is False:
            return  # the recorder has ended, and has said why
        self.recorded += 1
        if self.recorded == self.record_limit:
            self.record_full()

    def _hand(self, stage: Stage[Frame], frame: Frame) -> None:
        if self._lossless:
            stage.slot.put_blocking(frame)
        else:
            stage.slot.put(frame)

    def _show(self, frame: Frame) -> None:
        self._publish(PictureReady(self.picture(frame)))
        self.display_rate.tick(self._clock.monotonic())

    def _count(self, frame: Frame) -> None:
        segment = self.segment
        if segment is None:
            return
        begun_s = self._clock.monotonic()
        result = segment(frame)
        now_s = self._clock.monotonic()
        self._count_s = now_s - begun_s
        self.latency_ms = (now_s - frame.exposure_end_s) * 1000
        self.last_result = result
        self._publish(ResultReady(result, self.latency_ms))
        self.segment_rate.tick(self._clock.monotonic())
