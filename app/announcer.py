"""Telling whoever listens what happens in a session, and no mistake twice."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from weakref import WeakSet

from app.errors import DapiscopeError, sentence
from app.events import Event, Notice

log = logging.getLogger(__name__)


class Announcer:
    """Has every event reach every listener; any thread.

    Parameters
    ----------
    failed : callable
        Gets the exception of a listener that raised.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._listeners: list[Callable[[Event], None]] = []
        self._told: deque[str] = deque(maxlen=8)
        self._errors: WeakSet[DapiscopeError] = WeakSet()
        self._noting = threading.Lock()

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Have `listener` called with every event, on foreign threads; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def publish(self, event: Event) -> None:
        """Tell every listener of `event`."""
        if isinstance(event, Notice):
            self._told.append(event.text)
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception as error:
                # One deaf listener must not take the thread that told it, which may be the light's own.
                log.exception("a listener failed")
                self._failed(error)

    def once(self, notice: Notice) -> None:
        """Tell of `notice`, unless the same was said a moment ago."""
        if notice.text not in tuple(self._told):
            self.publish(notice)

    def tell(self, error: BaseException) -> None:
        """Tell what went wrong, unless that was said a moment ago."""
        if self.news(error):
            self.once(Notice("error", sentence(error)))

    def news(self, error: BaseException) -> bool:
        """Note that `error` is being told; False when this very error was told before.

        The "off" that fails comes back to whoever waits for it and to whoever asked for it, at once and on two threads.
        Another error of the same kind is news: what fails again is told again.
        """
        if not isinstance(error, DapiscopeError):
            return True
        with self._noting:
            new = error not in self._errors
            self._errors.add(error)
        return new
