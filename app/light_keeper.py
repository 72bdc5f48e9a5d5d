"""The one thread that talks to the light source while a session lasts.

Every command and every reading goes through it, so that a slow camera never delays the light. "All off" jumps the
queue and cancels the switches asked for before it. Between commands it reads the box back a few times a second: that
keeps the picture on screen true, feeds the box's watchdog, and notices a pulled cable.
"""

import itertools
import logging
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from app.clock import Clock
from app.errors import (
    DapiscopeError,
    LightError,
    LightGoneError,
    LightHeldError,
    LightRangeError,
    LightStuckError,
)
from app.events import LightSeen
from app.hardware.base import LightInfo, LightReading, LightSource
from app.hardware.light_truth import LightTimeline
from app.settings import Channel

log = logging.getLogger(__name__)

_URGENT, _NORMAL = 0, 1
_OF_ITS_OWN = (LightHeldError, LightRangeError, LightStuckError)
"""What is told as it is, also of a light source that is gone."""


@dataclass(order=True)
class _Job:
    priority: int
    number: int
    work: Callable[[], LightReading] = field(compare=False)
    future: "Future[LightReading]" = field(compare=False)
    is_switch: bool = field(compare=False, default=False)


class LightKeeper:
    """Keeps one light source: switches it, reads it back, and never leaves it on.

    Parameters
    ----------
    light : LightSource
        Closed; `open` opens it.
    channels : sequence of Channel
        Names and lines.
    timeline : LightTimeline
        Told of every transition before its first byte leaves, and of every reading.
    clock : Clock
    seen : callable
        Gets a `LightSeen` after every reading; called on the keeper's thread.
    failed : callable
        Gets the error when the light source stops answering or refuses outside a command.
    poll_s : float
        Seconds between readings when nothing is asked; fewer where a short watchdog wants it.
    """

    def __init__(
        self,
        light: LightSource,
        channels: Sequence[Channel],
        timeline: LightTimeline,
        clock: Clock,
        seen: Callable[[LightSeen], None],
        failed: Callable[[BaseException], None],
        poll_s: float = 0.4,
    ) -> None:
        self._light = light
        self._channels = {channel.name: channel for channel in channels}
        self._timeline = timeline
        self._clock = clock
        self._seen = seen
        self._failed = failed
        self._poll_s = poll_s
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._cancel_before = -1
        self._off: Future[LightReading] | None = None
        self._off_lock = threading.RLock()  # a signal may ask for darkness within an asking for it
        self._closing = threading.Event()
        self._locked = False
        self._dark_confirmed = False
        self._wants_dark = True
        self._lost: BaseException | None = None
        self.gone: LightGoneError | None = None
        """Why the light source is not there; None while it is, or again."""
        self._watchdog_ms = 0
        self._thread = threading.Thread(target=self._run, name="app-light", daemon=True)
        self._opened: Future[LightInfo] = Future()

    def open(self, watchdog_ms: int = 0, timeout_s: float = 15.0) -> LightInfo:
        """Open the light source, dark and read back, with its watchdog set where it has one."""
        self._watchdog_ms = watchdog_ms
        if watchdog_ms:
            self._poll_s = min(self._poll_s, watchdog_ms / 4000)  # the readings are what feeds it while all is well
        self._thread.start()
        try:
            return self._opened.result(timeout_s)
        except TimeoutError as error:
            raise LightGoneError(
                "The light source does not answer; check its cable and power, then connect again."
            ) from error
        finally:
            if not self._opened.done() or self._opened.exception() is not None:
                self._closing.set()  # nobody waits any more: it lets go of the port by itself, should it come back

    def lock(self) -> "Future[LightReading]":
        """Let nothing shine from now on, not even what was asked before, until `unlock`; and make everything dark."""
        self._locked = True
        return self.off()

    def unlock(self) -> None:
        """Let lights be switched on again."""
        self._locked = False

    def switch(self, channel: str | None, level: float = 0.0) -> "Future[LightReading]":
        """Ask for `channel` alone at `level`; None is dark. The future holds what was read back."""
        if channel is not None and channel not in self._channels:
            known = ", ".join(self._channels)
            return _refused(LightRangeError(f"There is no channel {channel!r}; choose one of {known}."))
        if channel is None or level == 0:
            return self.off()  # darkness is never cancelled, whatever else is asked meanwhile
        line = self._channels[channel].line
        return self._put(_NORMAL, lambda: self._switch(line, level), is_switch=True)

    def off(self) -> "Future[LightReading]":
        """Make everything dark before anything else; switches asked for earlier are cancelled."""
        with self._off_lock:
            self._cancel_before = next(self._numbers)
            # One that is under way or waits will do: many at once would only make a mute box wait for each.
            if self._off is None or self._off.done():
                self._off = self._put(_URGENT, lambda: self._switch(None, 0.0))
            return self._off

    def read(self) -> "Future[LightReading]":
        """Ask the box what shines now."""
        return self._put(_NORMAL, self._read)

    @property
    def dark_confirmed(self) -> bool:
        """True when the last thing the box said is that everything is off."""
        return self._dark_confirmed

    def close(self, timeout_s: float = 5.0) -> bool:
        """Switch off, confirm, release the port; idempotent. True when the box confirmed that it is dark."""
        if not self._closing.is_set():
            self._closing.set()
            self._locked = True
            self.off()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)
        return self._dark_confirmed

    def _put(self, priority: int, work: Callable[[], LightReading], is_switch: bool = False) -> "Future[LightReading]":
        future: Future[LightReading] = Future()
        if self._opened.done() and not self._thread.is_alive():
            return _refused(LightGoneError("The light source is closed; connect it again."))
        self._jobs.put(_Job(priority, next(self._numbers), work, future, is_switch))
        return future

    def _run(self) -> None:
        if not self._open():
            return
        try:
            while not (self._closing.is_set() and self._jobs.empty()):
                self._step()
        finally:
            self._light.close()

    def _open(self) -> bool:
        try:
            self._light.open()
            if self._watchdog_ms:
                self._light.set_watchdog(self._watchdog_ms)
            info = self._light.info
            self._read()
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits in `open`
            self._light.close()
            self._opened.set_exception(error)
            return False
        self._opened.set_result(info)
        return True

    def _step(self) -> None:
        try:
            job = self._jobs.get(timeout=self._poll_s)
        except queue.Empty:
            self._poll()
            return
        if job.is_switch and job.number < self._cancel_before:
            job.future.cancel()
            return
        if not job.future.set_running_or_notify_cancel():
            return
        try:
            job.future.set_result(job.work())
        except BaseException as error:  # noqa: BLE001 - handed to whoever asked
            gone = self.gone if isinstance(error, LightError) and not isinstance(error, _OF_ITS_OWN) else None
            self._note_error(gone or error)  # of a box that is gone, its driver knows only that its port is closed
            job.future.set_exception(gone or error)

    def _poll(self) -> None:
        """Read the box back; while "off" is owed and not confirmed, keep trying to switch off."""
        try:
            if self.gone is not None:
                self._reopen()
            elif self._wants_dark and not self._dark_confirmed:
                self._switch(None, 0.0)
            else:
                self._read()
        except Exception as error:  # noqa: BLE001 - the one thread that can switch off must outlive any mistake
            first = self._lost is None
            self._note_error(error)
            if first:
                self._failed(error)

    def _reopen(self) -> None:
        """Try a replugged cable: opening switches everything off and confirms it."""
        self._light.close()
        self._light.open()
        if self._watchdog_ms:
            self._light.set_watchdog(self._watchdog_ms)
        self._wants_dark = True
        self._read()

    def _switch(self, line: int | None, level: float) -> LightReading:
        shone = self._timeline.last_reading
        if line is not None and shone is not None and not shone.dark:
            self._read()  # whether it shone until now: after the switch nobody can tell. Darkness waits for nothing.
        if line is not None and self._locked:
            raise LightHeldError("The light stays off, because the session is being stopped; start it again.")
        self._wants_dark = line is None
        self._dark_confirmed = False
        self._timeline.begin_change(self._clock.monotonic())
        if line is not None and self._watchdog_ms:
            self._light.set_watchdog(self._watchdog_ms)  # a box that was reset meanwhile has forgotten it
        reading = self._light.off() if line is None else self._light.set(line, level)
        return self._take(reading)

    def _read(self) -> LightReading:
        reading = self._light.read()
        taken = self._take(reading)
        if reading.faults:
            raise LightError(f"The light source reports: {', '.join(reading.faults)}. Mend that, then start again.")
        return taken

    def _take(self, reading: LightReading) -> LightReading:
        self._lost, self.gone = None, None
        self._dark_confirmed = reading.dark
        self._timeline.record(reading)
        self._seen(self._describe(reading))
        return reading

    def _describe(self, reading: LightReading) -> LightSeen:
        lit = [(line, level) for line, level in enumerate(reading.levels) if level > 0]
        if not lit:
            return LightSeen(None, 0.0, True, reading)
        line, level = max(lit, key=lambda pair: pair[1])
        name = next((c.name for c in self._channels.values() if c.line == line), f"line {line}")
        return LightSeen(name, level, True, reading)

    def _note_error(self, error: BaseException) -> None:
        if isinstance(error, LightRangeError | LightHeldError):
            return
        self._lost = error
        if self.gone is None and isinstance(error, LightGoneError):
            self.gone = error  # until it answers, whatever else fails meanwhile
        self._dark_confirmed = False
        self._wants_dark = True  # after any fault the only thing owed is darkness, tried again at every poll
        self._timeline.lost(self._clock.monotonic(), str(error))
        self._seen(LightSeen(None, 0.0, False))
        log.error("light: %s", error)


def _refused(error: DapiscopeError) -> "Future[LightReading]":
    future: Future[LightReading] = Future()
    future.set_exception(error)
    return future
