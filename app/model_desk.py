"""The corner of a session where models are loaded: on their own worker, waited for no longer than they are wanted."""

import logging
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Protocol, TypeVar

from app.announcer import Announcer
from app.cancellation import Cancellation, Worker
from app.counting_desk import Counter, CountingDesk
from app.errors import CancelledError, LightHeldError
from app.events import ModelReady, Notice, State, Underway
from app.frame import Frame, Segmentation
from app.in_force import InForce
from app.lifecycle import Lifecycle
from app.patience import LOOK_S

log = logging.getLogger(__name__)
T = TypeVar("T")


class Report(Protocol):
    """Runs work, and tells the operator what went wrong in it; see `app.session.Session`."""

    def __call__(self, work: Callable[[], T], fatal: bool = False) -> T:
        """Return what `work` returns; a failure of it ends the session if it is `fatal`."""
        ...


class ModelDesk:
    """Loads the models that `counting` counts with, on the worker ``app-model``, which counts snapshots too.

    Parameters
    ----------
    counting : CountingDesk
    in_force : InForce
    cancellation : Cancellation
    life : Lifecycle
    announcer : Announcer
        Gets `ModelReady`, `Underway`, and a `Notice` when another model counts than was asked for.
    report : callable
    counts : callable
        Called when a model was loaded that the present frames are counted with from now on.
    """

    def __init__(
        self,
        counting: CountingDesk,
        in_force: InForce,
        cancellation: Cancellation,
        life: Lifecycle,
        announcer: Announcer,
        report: Report,
        counts: Callable[[], None],
    ) -> None:
        self._counting, self._in_force, self._cancellation, self._life = counting, in_force, cancellation, life
        self._announcer, self._publish, self._report, self._counts = announcer, announcer.publish, report, counts
        self._worker = Worker("app-model")
        self._loading: Future[None] | None = None

    # ------------------------------------------------------------------ any thread

    def submit(self, work: Callable[[], T], fatal: bool = False) -> "Future[T]":
        """Do `work` behind the models that are loaded, and report what becomes of it."""
        return self._worker.submit(self._report, work, fatal)

    def choosing(self, name: str) -> Callable[[], None]:
        """Return, for `submit`, the loading of the model `name`, to be counted with from then on; asked for now."""
        asked = self._cancellation.asked
        return lambda: self._use(name, asked)

    def leave(self) -> None:
        """Wait for no model any more that is loaded or counts a snapshot; the one that counts goes on counting."""
        self._worker.leave()
        self._publish(Underway("model"))
        counter = self._counting.counter
        if counter is not None and counter.name != self._in_force.settings.segmentation.model:
            self._in_force.update("segmentation", model=counter.name)
            self._tell(counter)

    def shutdown(self, outlast: Callable[["Future[int]"], bool]) -> bool:
        """End the worker, once what it is at has been waited for with `outlast`. False when that hangs."""
        loaded = self._worker.submit(int)  # behind whatever is loaded now
        self._worker.shutdown(wait=False)
        if not outlast(loaded):
            return False
        self._worker.shutdown()
        return True

    # ------------------------------------------------------------------ on the device worker

    def begin(self) -> None:
        """Begin to load the selected model where none counts yet; a failure of it ends the session."""
        if self._counting.counter is None:
            self._loading = self.submit(self._selected(), fatal=True)

    def await_counter(self) -> None:
        """Wait for the model that `begin` has loaded, where none counts yet."""
        if self._counting.counter is None and self._loading is not None:
            self._cancellation.at("model", 0.6)
            self._await(self._loading)

    def load_selected(self) -> None:
        """Load the selected model, and wait for it, where none counts yet."""
        if self._counting.counter is None:
            self._await(self._worker.submit(self._selected()))

    def for_snapshots(self) -> Counter:
        """Return what counts snapshots, once it is loaded."""
        wanted = self._in_force.settings.snap.model
        self._cancellation.at("model", 0.3)
        counter = self._await(self._worker.submit(self._counting.load, wanted))
        if counter.name != wanted:
            self._announcer.once(Notice("info", f"The model {wanted!r} is not installed; {counter.name!r} counted."))
        return counter

    def find_exactly(self, frame: Frame, counter: Counter) -> Segmentation:
        """Return the nuclei of a single frame, whatever time it takes; CancelledError when nobody wants it any more."""
        return self._await(self._worker.submit(self._counting.find_exactly, frame, counter))

    def _await(self, loading: "Future[T]") -> T:
        """Wait on the device worker for a model, or for what it finds.

        Not once the session has ended, which needs that worker, nor once it was cancelled.
        """
        failures, asked = self._life.failures, self._cancellation.asked
        self._cancellation.check()
        while not wait([loading], LOOK_S).done:
            if self._life.state is State.CLOSED or self._life.failures != failures:
                raise LightHeldError("The session ended while a model was being loaded; ask again.")
            if self._cancellation.asked != asked:
                loading.cancel()
                raise CancelledError("Loading the model was cancelled; choose another, or ask again.")
        return loading.result()

    # ------------------------------------------------------------------ on ``app-model``

    def _selected(self) -> Callable[[], None]:
        return self.choosing(self._in_force.settings.segmentation.model)

    def _use(self, name: str, asked: int) -> None:
        """Load a model and count with it, unless `cancel` was called more than `asked` times."""
        if asked != self._cancellation.asked:
            return  # it waited behind one that was left behind
        self._publish(Underway("model", "model", 0.1))
        try:
            loaded = self._counting.load(name)
        except Exception:
            if asked == self._cancellation.asked:
                raise
            log.exception("a model whose loading was cancelled did not load")
            return
        finally:
            if asked == self._cancellation.asked:
                self._publish(Underway("model"))
        if asked == self._cancellation.asked:
            self._counting.use(loaded)
            if self._counting.on:
                self._counts()
            self._tell(loaded)

    def _tell(self, counter: Counter) -> None:
        self._publish(ModelReady(counter.name, counter.sha256, counter.provider_used))
