"""What every LED box on a serial line has in common: the order of steps that keeps "off means off".

A driver of one protocol adds how to say things; when to say them, what to check and what to do when it goes wrong is
written here once, so that no protocol can forget it.
"""

import logging
import math
import operator
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import TypeVar

from app.errors import LightError, LightGoneError, LightRangeError, LightStuckError
from app.hardware.base import LightInfo, LightReading, LightSource
from app.hardware.serial_port import SerialPort

_log = logging.getLogger(__name__)

OFF_TRIES = 3
"""Attempts to go dark before LightStuckError; each more drastic than the one before."""

OFF_S = 2.0
"""No further attempt begins after that many seconds: whoever waits must be told."""

T = TypeVar("T")
Levels = tuple[float, ...]


class BadReplyError(LightError):
    """The box answered noise, something else, or nothing in time."""


class SerialLight(LightSource):
    """A light source behind a `SerialPort`; subclasses speak its protocol.

    Parameters
    ----------
    port : SerialPort
        Not yet open.
    light_id : str, optional
        What ``--light`` takes; the port's URL by default.
    """

    def __init__(self, port: SerialPort, *, light_id: str | None = None) -> None:
        self._port = port
        self._clock = port.clock
        self._id = light_id or port.url
        self._lock = threading.RLock()
        self._info: LightInfo | None = None
        self._expected: Levels | None = None
        self._confirmed_dark = True  # nothing was ever lit by us
        self._out_of_step = False  # an answer was damaged or late: the next one may belong to an earlier command

    # What a protocol adds. All but `_identify` may count on an identified box.

    @abstractmethod
    def _identify(self) -> LightInfo:
        """Find out who is there without lighting anything; raises LightError when it is no such box."""

    @abstractmethod
    def _nearest(self, line: int, level: float) -> float:
        """Return the level the box will really have for `level`; never 0."""

    @abstractmethod
    def _light(self, line: int, level: float) -> None:
        """Command `line` on at `level` and all others off; raises LightError when refused."""

    @abstractmethod
    def _darken(self, attempt: int) -> None:
        """Command everything off; `attempt` counts from 0 and may be answered by stronger means."""

    @abstractmethod
    def _blind_off(self) -> bytes:
        """Return the commands that switch everything off, for a box that may hear us though we do not hear it."""

    @abstractmethod
    def _find_step(self) -> None:
        """Read away late answers, clear `_out_of_step`; BadReplyError when the box does not answer."""

    @abstractmethod
    def _readback(self) -> Levels:
        """Ask what shines."""

    def _faults(self) -> tuple[str, ...]:
        """Ask what is wrong, in plain words."""
        return ()

    def _release(self) -> None:
        """Say goodbye after a confirmed off, before the port closes; errors are ignored."""
        return

    # The contract.

    @property
    def info(self) -> LightInfo:
        """Who the light source is; known once open."""
        if self._info is None:
            raise LightError(f"The light source at {self._id} is not open; open it first.")
        return self._info

    def open(self) -> None:
        """Claim the port, identify the box, switch everything off and read that back; idempotent."""
        with self._lock:
            if self._info is not None and self._port.is_open:
                return
            self._port.open()
            try:
                self._info = self._identify()
                self._go_dark(self._clock.monotonic())
            except BaseException:
                self._info = None
                self._port.close()
                raise

    def set(self, line: int | None, level: float = 0.0) -> LightReading:
        """Make one line shine and every other dark, and return what was read back; see `LightSource.set`."""
        with self._lock:
            asked_s = self._clock.monotonic()
            if line is None:
                return self._go_dark(asked_s)
            line, level = self._checked(line, level)
            wanted = self._nearest(line, level)
            expected = tuple(wanted if index == line else 0.0 for index in range(self.info.lines))
            self._confirmed_dark = False
            try:
                self._light(line, wanted)
                levels = self._readback()
                confirmed_s = self._clock.monotonic()
                faults = self._faults()
                if not _same(levels, expected):
                    raise LightError(self._not_as_asked(line, levels, faults))
            except LightGoneError:
                raise
            except LightError as error:
                self._go_dark(asked_s, because=error)
                raise
            self._expected = levels
            return LightReading(levels, asked_s, confirmed_s, faults)

    def read(self) -> LightReading:
        """Ask the box what shines now; changes nothing."""
        with self._lock:
            self.info  # noqa: B018 -- raises when not open
            asked_s = self._clock.monotonic()
            levels = self._readback()
            confirmed_s = self._clock.monotonic()
            faults = self._faults()
            if self._expected is not None and not _same(levels, self._expected):
                faults += ("it went dark by itself",) if not any(levels) else ("it does not shine as it was set",)
            return LightReading(levels, asked_s, confirmed_s, faults)

    def set_watchdog(self, timeout_ms: int) -> bool:
        """Return False: a box of this kind has no watchdog."""
        self.info  # noqa: B018 -- raises when not open
        return False

    def close(self) -> None:
        """Switch off, confirm, release the port; idempotent; never raises."""
        with self._lock:
            if self._info is None:
                self._port.close()
                return
            try:
                self._go_dark(self._clock.monotonic())
                self._release()
            except LightError as error:
                if not self._confirmed_dark:
                    _log.critical("THE LIGHT MAY STILL BE ON at %s: %s", self._id, error)
            except Exception:  # noqa: BLE001 -- closing must end with a closed port whatever happens
                _log.critical("THE LIGHT MAY STILL BE ON at %s", self._id, exc_info=True)
            finally:
                self._info = None
                self._port.close()

    # Steps.

    def _checked(self, line: int, level: float) -> tuple[int, float]:
        lines = self.info.lines
        try:
            index, value = operator.index(line), float(level)
        except (TypeError, ValueError) as error:
            raise LightRangeError(
                f"A light is a line number and a level between 0 and 1, not {line!r} and {level!r}."
            ) from error
        if not 0 <= index < lines:
            raise LightRangeError(f"The light source has lines 0 to {lines - 1}, not {index}; correct the channels.")
        if not (math.isfinite(value) and 0 < value <= 1):
            raise LightRangeError(f"The light's level must be above 0 and at most 1, not {value:g}; correct it.")
        return index, value

    def _go_dark(self, asked_s: float, because: LightError | None = None) -> LightReading:
        """Switch everything off until it reads dark; raise LightStuckError when it does not."""
        self.info  # noqa: B018 -- raises when not open
        self._expected = None
        problem: LightError | None = None
        begun_s = self._clock.monotonic()
        for attempt in range(OFF_TRIES):
            if attempt and self._clock.monotonic() - begun_s > OFF_S:
                break
            if self._out_of_step:
                self._port.exchange(self._blind_off(), write_only=True)
            try:
                self._darken(attempt)
            except LightGoneError:
                raise
            except LightError as error:
                # The reading decides, not the acknowledgement.
                problem = error
            try:
                levels = self._readback()
                confirmed_s = self._clock.monotonic()
            except LightGoneError:
                raise
            except LightError as error:
                problem = error
                continue
            if not any(levels):
                self._confirmed_dark = True
                return LightReading(levels, asked_s, confirmed_s, self._quiet_faults())
            self._confirmed_dark = False
            problem = LightError(f"it still reads {self._describe(levels)}")
        self._confirmed_dark = False
        raise LightStuckError(
            f"THE LIGHT MAY STILL BE ON at {self._id} ({str(problem).rstrip('.')}); cut its power now and check its"
            " cable."
        ) from (because or problem)

    def _quiet_faults(self) -> tuple[str, ...]:
        # A confirmed "off" stays confirmed even when the box cannot say how it feels.
        try:
            return self._faults()
        except LightGoneError:
            raise
        except LightError as error:
            _log.warning("faults of %s unknown: %s", self._id, error)
            return ()

    def _describe(self, levels: Levels) -> str:
        names = self.info.line_names
        lit = [f"{names[i]} at {level:.1%}" for i, level in enumerate(levels) if level]
        return "on: " + ", ".join(lit) if lit else "dark"

    def _not_as_asked(self, line: int, levels: Levels, faults: tuple[str, ...]) -> str:
        name = self.info.line_names[line]
        why = ", ".join(faults) or f"it reads {self._describe(levels)}"
        return (
            f"The light source did not switch {name} on as asked ({why}); everything was switched off, check the box."
        )

    def _patiently(self, exchange: Callable[[], T]) -> T:
        """Do one exchange; a damaged answer is asked for once more: every command may be repeated."""
        problem = BadReplyError("The light source does not answer; check its cable and power.")
        for _ in range(2):
            try:
                if self._out_of_step:
                    self._find_step()
                return exchange()
            except BadReplyError as error:
                self._out_of_step, problem = True, error
        raise problem

    def _try(self, step: Callable[[], object]) -> None:
        """Do `step` for what it is worth: its refusal changes nothing."""
        try:
            step()
        except LightGoneError:
            raise
        except LightError as error:
            _log.debug("%s: %s", self._id, error)


def _same(levels: Levels, expected: Levels) -> bool:
    return len(levels) == len(expected) and all(
        math.isclose(a, b, abs_tol=1e-6) for a, b in zip(levels, expected, strict=True)
    )
