"""The only seam between the session's threads and Qt.

Events arrive on whatever thread they happened on and leave on the GUI thread, in order. Of pictures and results only
the newest waits, so a busy window falls behind in what it shows and never in time.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from app.errors import CancelledError
from app.events import (
    DiskMeasured,
    DoseSeen,
    Event,
    PictureReady,
    ResultReady,
    SnapTaken,
    State,
    StateChanged,
    StatsReady,
)
from app.gui.channel_shelf import ChannelShelf
from app.gui.composer import Composed, Composer, Look
from app.gui.count_history import Counted
from app.gui.session_port import SessionPort
from app.gui.side import Compared, ComposedBeside, Side

_LATEST_ONLY = (DiskMeasured, Composed, Compared, ComposedBeside, ResultReady, StatsReady, DoseSeen)
FLOWING = (State.LIVE, State.REPLAYING, State.PLAN)
"""Where one frame follows another."""
_BEGINNINGS = (State.STARTING, State.REPLAYING, State.PLAN)
"""With which frames of another source, or of another time, begin: what was found before is in none of them."""
_MEASURED = DiskMeasured(None)  # an end: it counts however soon the next measurement follows


class Bridge(QObject):
    """Brings events to the GUI thread, and files and other slow things off it.

    Signals
    -------
    happened : object
        An `app.events.Event` other than PictureReady, a `Composed` in its stead, or a `Counted`.
    """

    happened = Signal(object)
    _wake = Signal()
    _finished = Signal(object)

    def __init__(self, session: SessionPort, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._lock = threading.Lock()
        self._waiting: list[object] = []
        self._closed = False
        self._wake.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        # Through signals, because an exception in one receiver must not keep the others from hearing.
        self._finished.connect(_hand_over)
        self._files = ThreadPoolExecutor(1, thread_name_prefix="app-gui-files")
        self._kept: list[Future[Any]] = []
        self.composer = Composer(self._enqueue, session.fail)
        self.shelf = ChannelShelf()
        self.side: Side | None = None
        self._look = Look()
        self._unsubscribe = session.subscribe(self._listen)

    def set_look(self, look: Look) -> None:
        """Change how pictures are composed."""
        self._look = look
        self.composer.set_look(look)
        if self.side is not None:
            self.side.set_look(look)

    def open_side(self, model: str) -> Side:
        """Have a second model look at what the first one counts, until `close_side`."""
        from app.build import make_counter

        self.close_side()
        self.side = Side(model, make_counter, self._enqueue, self._session.fail)
        self.side.set_look(self._look)
        return self.side

    def close_side(self) -> None:
        """End the second model, off the window's thread: its network may be at work. Idempotent."""
        side, self.side = self.side, None
        if side is not None and not self._closed:
            self.off_thread(side.stop, lambda _done: None)

    def off_thread(self, work: Callable[[], Any], done: Callable[[Any], None], *, keep: bool = False) -> None:
        """Do `work` (files, folders) on a worker and hand its result, or its exception, to `done` on the GUI thread.

        What is to be kept, because somebody's work is lost without it, is done even when the window closes before.
        """

        def report(future: Future[Any]) -> None:
            if future.cancelled():
                return  # the window is closing
            error = future.exception()
            self._enqueue(_Call(done, error if error is not None else future.result()))

        if not self._closed:
            future = self._files.submit(work)
            if keep:
                self._kept = [each for each in self._kept if not each.done()] + [future]
            future.add_done_callback(report)

    def long_work(
        self, work: Callable[[Callable[[Any], None]], Any], moved: Callable[[Any], None], done: Callable[[Any], None]
    ) -> Callable[[], None]:
        """Do what takes long on the worker as `off_thread` does; returns how to give it up.

        `work` is handed what it tells its progress to: it reaches `moved` on the GUI thread, and raises CancelledError
        once the work was given up. Closing the window gives it up.
        """
        given_up = threading.Event()

        def tell(progress: Any) -> None:
            if given_up.is_set() or self._closed:
                raise CancelledError("Cancelled; nothing was kept.")
            self._enqueue(_Call(moved, progress))

        self.off_thread(lambda: work(tell), done)
        return given_up.set

    def lone_work(
        self, work: Callable[[Callable[[Any], None]], Any], moved: Callable[[Any], None], done: Callable[[Any], None]
    ) -> Callable[[], bool]:
        """Do what may hang as `long_work` does, on a thread of its own; returns how to leave it behind.

        Then `done` has CancelledError at once, and what comes late is thrown away; False when it had ended.
        """
        over = threading.Lock()  # taken once, by whoever is first

        def end(result: Any) -> bool:
            first = over.acquire(blocking=False)
            if first:
                self._enqueue(_Call(done, result))
            return first

        def tell(progress: Any) -> None:
            if over.locked() or self._closed:
                raise CancelledError("Cancelled; nothing was kept.")
            self._enqueue(_Call(lambda told: None if over.locked() else moved(told), progress))

        def run() -> None:
            try:
                result = work(tell)
            except BaseException as error:  # noqa: BLE001 - handed over, as a future does
                result = error
            end(result)

        threading.Thread(target=run, name="app-look", daemon=True).start()
        return lambda: end(CancelledError("Cancelled."))

    def close(self) -> None:
        """Listen no more; idempotent. Ends the threads of the bridge."""
        if self._closed:
            return
        self._closed = True
        self._unsubscribe()
        self.composer.close()
        if self.side is not None:
            self.side.stop()
        wait(self._kept)
        self._files.shutdown(wait=True, cancel_futures=True)

    def _listen(self, event: Event) -> None:
        side = self.side
        if isinstance(event, PictureReady):
            self.shelf.put(event.picture.frame)
            self.composer.show_picture(event.picture)
            if side is not None:
                side.show_picture(event.picture)
            return
        if isinstance(event, StateChanged):
            # Here and not where the window hears of it: by then the first result of what begins may be there already.
            self.composer.let_flow(event.state in FLOWING)
            if event.state in _BEGINNINGS:
                self.composer.show_result(None)
        if isinstance(event, ResultReady | SnapTaken):
            self.composer.show_result(event.segmentation)
            if event.segmentation is not None:
                if side is not None:
                    side.take(event.segmentation)
                # Only the newest result is shown, but every count is a point of the charts.
                replayed = self._session.state is State.REPLAYING
                self._enqueue(Counted.of(event.segmentation, replayed=replayed))
        self._enqueue(event)

    def _enqueue(self, event: object) -> None:
        with self._lock:
            if self._closed:
                return
            idle = not self._waiting
            if isinstance(event, _LATEST_ONLY):
                self._waiting = [e for e in self._waiting if type(e) is not type(event) or e == _MEASURED]
            self._waiting.append(event)
        if idle:
            self._wake.emit()

    @Slot()
    def _deliver(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for event in waiting:
            (self._finished if isinstance(event, _Call) else self.happened).emit(event)


class _Call:
    """A result on its way home."""

    def __init__(self, done: Callable[[Any], None], result: Any) -> None:
        self.done, self.result = done, result


def _hand_over(call: _Call) -> None:
    call.done(call.result)
