"""Long waits of the device worker that the operator can end, and what is left behind then.

No call into a driver can be interrupted. While a command that may be cancelled is carried out, such calls run on a
thread of their own (``app-call``), and the device worker waits for them. Once cancelled, a call has a second to end by
itself. One that does not is left behind: nobody waits for it any more, what it returns is thrown away, and its device
is closed on that thread as soon as it comes back.
"""

import logging
import math
import threading
from collections import deque
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

from app.clock import Clock
from app.errors import CancelledError, DapiscopeError
from app.events import Event, Step, Underway

log = logging.getLogger(__name__)
GRACE_S = 1.0
"""What a call may take to end by itself once it was cancelled."""
LOOK_S = 0.05
"""Between looks at something that is waited for."""
LEFT = (
    "A camera or light whose opening or start was cancelled has not come back from its driver yet; ask again in a "
    "moment, or unplug it and plug it in again."
)
T = TypeVar("T")


class Cancellation:
    """Who carries out commands asks here whether the present one was cancelled. `cancel` is for any thread.

    Parameters
    ----------
    publish : callable
        Gets `Underway`.
    clock : Clock
    """

    def __init__(self, publish: Callable[[Event], None], clock: Clock) -> None:
        self._publish, self._clock = publish, clock
        self.asked = 0
        """How often `cancel` was called."""
        self._asked_before: int | None = None  # of the present command; None: it cannot be cancelled
        self._said = ""
        self._changing = threading.RLock()  # a signal may cancel within a cancelling
        self._left: _Call[Any] | None = None

    def cancel(self) -> bool:
        """End what is carried out or waits, as far as it may be cancelled; True when the present command may."""
        with self._changing:
            self.asked += 1
            return self._asked_before is not None

    def during(self, work: Callable[[], T], said: str) -> Callable[[], T]:
        """Return `work`, asked for now, as a command that may be cancelled; the operator reads `said` then."""
        asked = self.asked

        def cancellable() -> T:
            self._asked_before, self._said = asked, said
            try:
                self.check()
                return work()
            finally:
                self.over()
                self._publish(Underway("devices"))

        return cancellable

    # ------------------------------------------------------------------ for the command that is carried out

    @property
    def cancelled(self) -> bool:
        """True when the present command was cancelled."""
        return self._asked_before is not None and self._asked_before != self.asked

    def check(self) -> None:
        """Raise CancelledError when the present command was cancelled."""
        if self.cancelled:
            raise CancelledError(self._said)

    def over(self) -> None:
        """Let what follows in the present command be carried out even if it was cancelled."""
        with self._changing:
            self._asked_before = None

    def settle(self) -> None:
        """Raise CancelledError when the present command was cancelled; from now on it cannot be."""
        with self._changing:
            self.check()
            self.over()

    def at(self, step: Step, done: float) -> None:
        """Tell what the present command is at; `done` is how much of it is over, 0…1."""
        if self._asked_before is not None:
            self._publish(Underway("devices", step, done))

    def outlast(self, asked: "Future[T]", timeout_s: float = math.inf, grace_s: float = GRACE_S) -> T:
        """Wait for what another thread does. Raises TimeoutError; CancelledError `grace_s` after a cancellation."""
        since_s: float | None = None
        waited_s = 0.0
        while not _over(asked):
            waited_s += LOOK_S
            if waited_s >= timeout_s:
                raise TimeoutError
            if not self.cancelled:
                continue
            if since_s is None:
                since_s = self._clock.monotonic()
            elif self._clock.monotonic() - since_s >= grace_s:
                raise CancelledError(self._said)
        return asked.result()

    def call(self, work: Callable[[], T], close: Callable[[], object], busy_s: float = 0.0) -> T:
        """Return what `work`, a call into a driver, returns; left behind, it does `close` when it comes back.

        It may be busy for `busy_s`, as a camera that exposes, before it is thought not to come back.
        """
        if self._asked_before is None:
            if self.left:
                raise DapiscopeError(LEFT)  # nothing could end the wait for it
            return work()
        if self.left:
            self.at("left", 0.0)
        self.rest()
        self.check()
        call = _Call(work, close)
        call.start()
        try:
            return self.outlast(call.answer, grace_s=busy_s + GRACE_S)
        except CancelledError:
            if not call.leave():
                return call.answer.result()
            self._left = call
            log.warning("a call into a driver was cancelled and has not come back yet")
            raise

    @property
    def left(self) -> bool:
        """True while a call that was left behind has not come back."""
        return self._left is not None and self._left.is_alive()

    def rest(self) -> None:
        """Wait for a call that was left behind, and for its device to be closed."""
        left = self._left
        while left is not None and left.is_alive():
            left.join(LOOK_S)
            self.check()
        self._left = None


def _over(asked: "Future[Any]") -> bool:
    """Wait a moment for `asked`; unlike `concurrent.futures.wait`, hear of one that was cancelled before it ran."""
    try:
        asked.exception(LOOK_S)
    except TimeoutError:
        return False
    except futures.CancelledError:
        pass
    return True


class Worker:
    """Does one thing after the other on a thread called `name`; it can be left behind with what it is at."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._changing = threading.Lock()
        self._pool = ThreadPoolExecutor(1, name)
        self._waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[..., T], *arguments: Any) -> "Future[T]":
        """Do `work` behind what was asked for before, unless that was left behind; any thread."""
        asked: Future[T] = Future()
        with self._changing:
            self._pool.submit(self._next)  # RuntimeError once it is shut down
            self._waiting.append((asked, partial(work, *arguments)))
        return asked

    def leave(self) -> None:
        """Have another thread do what waits, and what is asked for from now on."""
        with self._changing:
            left, self._pool = self._pool, ThreadPoolExecutor(1, self._name)
            left.shutdown(wait=False, cancel_futures=True)
            for _ in self._waiting:
                self._pool.submit(self._next)

    def _next(self) -> None:
        with self._changing:
            if not self._waiting:
                return
            asked, work = self._waiting.popleft()
        if not asked.set_running_or_notify_cancel():
            return
        try:
            asked.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            asked.set_exception(error)

    def shutdown(self, wait: bool = True) -> None:
        """End it; see `concurrent.futures.Executor.shutdown`."""
        self._pool.shutdown(wait=wait)


class _Call(threading.Thread, Generic[T]):
    """One call into a driver."""

    def __init__(self, work: Callable[[], T], close: Callable[[], object]) -> None:
        super().__init__(name="app-call", daemon=True)
        self.answer: Future[T] = Future()
        self._work, self._close = work, close
        self._deciding = threading.Lock()
        self._left_behind = False

    def run(self) -> None:
        """Do it."""
        value: Any = None
        problem: BaseException | None = None
        try:
            value = self._work()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            problem = error
        with self._deciding:
            if not self._left_behind:
                if problem is None:
                    self.answer.set_result(value)
                else:
                    self.answer.set_exception(problem)
                return
        log.info("a call that was left behind has come back", exc_info=problem)
        try:
            self._close()
        except Exception:
            log.exception("while closing what was left behind")

    def leave(self) -> bool:
        """Wait no more; False when it has just come back."""
        with self._deciding:
            self._left_behind = not self.answer.done()
            return self._left_behind
