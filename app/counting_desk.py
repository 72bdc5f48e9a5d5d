"""The corner of a session where nuclei are counted: which model counts, and how each kind of frame is counted.

Models load on the session's worker ``app-model``, which counts snapshots too; live frames and replays are counted on
``app-segment``, plans on ``app-count``. All of them are counted here.
"""

from collections.abc import Callable
from typing import Any, Protocol

from app.clock import Clock
from app.errors import DapiscopeError
from app.events import Event, Notice, ResultReady
from app.frame import Frame, Segmentation
from app.in_force import PixelSize
from app.live_path import countable
from app.plan_counts import PlanCounts
from app.settings import Settings


class Counter(Protocol):
    """What turns frames into counts; `app.inference.segmenter.Segmenter` is one."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def sha256(self) -> str:
        """Hash of the model's file, hexadecimal."""
        ...

    @property
    def provider_used(self) -> str:
        """What computes it, e.g. ``"CPUExecutionProvider"``."""
        ...

    def segment(
        self, frame: Frame, pixel_size_um: PixelSize = None, *, tracker: Any = None, exact: bool = False
    ) -> Segmentation:
        """Find the nuclei in `frame`."""
        ...


class CountingDesk:
    """One model at a time, and what it found last.

    Parameters
    ----------
    load : callable
        Name of a model to a `Counter`; takes long.
    make_tracker : callable
        Makes a fresh memory of the nuclei's size, one a stream of frames.
    publish : callable
        Gets `ResultReady` and `Notice`.
    settings : callable
        Returns what is in force; asked for every frame.
    clock : Clock
    """

    def __init__(
        self,
        load: Callable[[str], Counter],
        make_tracker: Callable[[], Any],
        publish: Callable[[Event], None],
        settings: Callable[[], Settings],
        clock: Clock,
    ) -> None:
        self._load, self._make_tracker = load, make_tracker
        self._publish, self._settings, self._clock = publish, settings, clock
        self._loaded: dict[str, Counter] = {}
        self._tracker: Any = None
        self.counter: Counter | None = None
        """The model that counts, once it is loaded."""
        self.on = True
        """False only shows."""
        self.last_result: Segmentation | None = None

    # ------------------------------------------------------------------ models, on ``app-model``

    def load(self, name: str) -> Counter:
        """Return the model `name`, loaded once."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def use(self, counter: Counter) -> None:
        """Count with this model from now on."""
        self.counter = counter

    # ------------------------------------------------------------------ streams of frames

    def begin(self) -> Callable[[Frame], Segmentation] | None:
        """Return what counts the frames of a stream that begins; None where they are only shown."""
        self.new_scale()
        return self.count if self.on and self.counter is not None else None

    def new_scale(self) -> None:
        """Forget how large the nuclei were: the stream or its scale is another."""
        self._tracker = self._make_tracker()

    def count(self, frame: Frame) -> Segmentation:
        """Find the nuclei in a frame of a stream."""
        counter = self.counter
        if counter is None:
            raise DapiscopeError("No model is loaded; choose one in the segmentation panel.")
        tracker = None if frame.name else self._tracker
        result = counter.segment(frame, self._settings().segmentation.pixel_size_um, tracker=tracker)
        self.last_result = result
        return result

    def beside_plan(self) -> PlanCounts | None:
        """Return what counts beside a plan, as live frames are counted; None where counting is off."""
        counter = self.counter
        if counter is None or not self.on:
            return None
        self.new_scale()
        return PlanCounts(
            self.count, self._settings().channels, counter.name,
            told=self._tell,
            failed=lambda why: self._publish(Notice("warning", why)),
        )  # fmt: skip

    # ------------------------------------------------------------------ snapshots

    def refuses(self, frame: Frame) -> str | None:
        """Return why `frame` shows no nuclei to count; None when it does."""
        counting = frozenset(channel.name for channel in self._settings().channels if channel.counts_nuclei)
        if countable(frame, counting):
            return None
        return frame.light.reason or f"{frame.light.channel or 'darkness'} does not show nuclei"

    def find_exactly(self, frame: Frame, counter: Counter) -> Segmentation:
        """Return the nuclei of a single frame, whatever time it takes."""
        return counter.segment(frame, self._settings().segmentation.pixel_size_um, exact=True)

    def tell_exactly(self, found: Segmentation) -> None:
        """Tell what `find_exactly` found."""
        self.last_result = found
        self._tell(found)

    def _tell(self, found: Segmentation) -> None:
        self._publish(ResultReady(found, (self._clock.monotonic() - found.frame.exposure_end_s) * 1000))
