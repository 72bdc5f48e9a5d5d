"""Threads and what passes between them; knows no device, file or model.

A `LatestSlot` keeps only the newest item and counts what it dropped: a slow stage skips, it never lags. A `Stage` is
one named thread that feeds on a slot and hands failure on instead of dying in silence. A `Ticker` does one thing again
and again, and does not die in silence either.
"""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestSlot(Generic[T]):
    """A mailbox for one item; a newer one replaces it, and the replaced one counts as skipped."""

    def __init__(self) -> None:
        self._ready = threading.Condition()
        self._item: T | None = None
        self._closed = False
        self._skipped = 0

    def put(self, item: T) -> None:
        """Leave `item`; never blocks. After `close` the item is ignored."""
        with self._ready:
            if self._closed:
                return
            if self._item is not None:
                self._skipped += 1
            self._item = item
            self._ready.notify()

    def put_blocking(self, item: T) -> bool:
        """Leave `item` once the slot is empty; for replay, where every frame counts. False after `close`."""
        with self._ready:
            while self._item is not None and not self._closed:
                self._ready.wait()
            if self._closed:
                return False
            self._item = item
            self._ready.notify_all()
            return True

    def get(self, timeout_s: float | None = None) -> T | None:
        """Take the item, waiting for one; None after `close` or when `timeout_s` ran out."""
        with self._ready:
            if self._item is None and not self._closed:
                self._ready.wait(timeout_s)
            item, self._item = self._item, None
            if item is not None:
                self._ready.notify_all()
            return item

    def close(self) -> None:
        """Wake every waiter; what still lies in the slot can be taken once more."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    @property
    def skipped(self) -> int:
        """Items replaced before anyone took them."""
        return self._skipped


class Stage(Generic[T]):
    """A named thread that calls `work` on each item of its slot.

    Parameters
    ----------
    name : str
        Thread name, e.g. ``"app-segment"``.
    work : callable
        Called with each item on the stage's thread.
    failed : callable
        Called once, on the stage's thread, with the exception that ended it.
    """

    def __init__(self, name: str, work: Callable[[T], None], failed: Callable[[BaseException], None]) -> None:
        self.slot: LatestSlot[T] = LatestSlot()
        self.done = 0
        self._work = work
        self._failed = failed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> bool:
        """Finish the item at hand and what lies in the slot, then end; False when that took too long."""
        self.slot.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            item = self.slot.get()
            if item is None:
                if self.slot.closed:
                    return
                continue
            try:
                self._work(item)
            except BaseException as error:  # noqa: BLE001 - handed on whole: the session ends with this reason
                self.slot.close()
                self._failed(error)
                return
            # Forget the item before waiting for the next, or its buffer stays taken while the stage idles.
            del item
            self.done += 1


class Ticker:
    """Calls `work` again and again, on its own thread, until stopped.

    Parameters
    ----------
    name : str
        Thread name.
    work : callable
    period_s : float
        From the end of one call to the next.
    failed : callable
        Called once, on that thread, with the exception that ended it.
    """

    def __init__(
        self, name: str, work: Callable[[], object], period_s: float, failed: Callable[[BaseException], None]
    ) -> None:
        self._work, self._period_s, self._failed = work, period_s, failed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._period_s):
            try:
                self._work()
            except Exception as error:  # noqa: BLE001 - handed on whole, as a stage does
                self._failed(error)
                return

    def stop(self) -> None:
        """End, waiting for the call at hand unless that is where this is asked."""
        self._stopped.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(5.0)
