"""What every simulated LED box has: a line parser, a true history of its light, and faults on command.

A box is a pure object: bytes in, bytes out, time from a clock that it is given. How it is reached (a pseudo-terminal,
a socket, or directly) is `app.hardware.serial_simulator`'s matter.
"""

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.clock import Clock, SystemClock

Levels = tuple[float, ...]
"""Per LED 0…1, 0 is dark."""

MAX_LINE = 128
"""Bytes; a longer command is noise and is dropped up to its end."""

HISTORY = 100_000
"""Light changes remembered."""


class HangUpError(Exception):
    """The box was unplugged while it was spoken to; only for those who serve a box."""


@dataclass
class Faults:
    """What goes wrong with the next replies: each number counts down by one a command; -1 is for ever.

    Attributes
    ----------
    silent : int
        The command is obeyed, the reply is lost.
    deaf : int
        The command is lost.
    garbage : int
        The reply arrives as noise.
    partial : int
        Only the first half of the reply arrives.
    error : int
        The command is refused and not obeyed.
    hang_up : int
        The line goes dead instead.
    delay_s : float
        Every reply comes that much later.
    """

    silent: int = 0
    deaf: int = 0
    garbage: int = 0
    partial: int = 0
    error: int = 0
    hang_up: int = 0
    delay_s: float = 0.0

    def take(self, name: str) -> bool:
        """Return True, and count down, when the fault `name` is to strike now."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0


class SimulatedBox(ABC):
    r"""A box of LEDs behind a serial line.

    Parameters
    ----------
    model : str
    lines : sequence of str
        Names of the LEDs.
    clock : Clock, optional
    line_end : bytes
        Characters that end a command.

    Attributes
    ----------
    faults : Faults
    stuck_on : bool
        The LEDs that shine cannot be switched off any more, whatever the box says.
    dead_leds : bool
        The box obeys, and its LEDs stay dark.
    """

    answers_empty_line = False
    simulated = True
    tells_stuck_light = True
    """False for a box that cannot see that an LED shines although it is switched off."""
    tells_dead_leds = True
    """False for a box that cannot see that an LED is dark although it is switched on."""

    def __init__(
        self, model: str, lines: tuple[str, ...], *, clock: Clock | None = None, line_end: bytes = b"\n\r"
    ) -> None:
        self.model, self.lines = model, lines
        self.clock: Clock = clock or SystemClock()
        self.faults = Faults()
        self.stuck_on = False
        self.dead_leds = False
        self.interlock_open = False
        self.on_change: Callable[[float, Levels, str], None] | None = None
        self._lock = threading.RLock()
        self._line_end = line_end
        self._partial = bytearray()
        self._overlong = False
        self._history: deque[tuple[float, Levels]] = deque([(float("-inf"), (0.0,) * len(lines))], maxlen=HISTORY)

    # What a kind of box says and does.

    @abstractmethod
    def answer(self, command: str) -> bytes:
        """Obey one command (without its end; whitespace stripped) and return the reply, terminators included."""

    @abstractmethod
    def refusal(self, command: str) -> bytes:
        """Return the reply to a command that is refused; empty where the box has none."""

    @abstractmethod
    def commanded(self) -> Levels:
        """Return what the LEDs would do if nothing were broken."""

    @abstractmethod
    def dark(self) -> None:
        """Switch every LED off, as a watchdog or an open interlock does."""

    # Bytes.

    def feed(self, data: bytes) -> bytes:
        """Take `data` as received on the line and return what the box sends.

        Raises HangUpError when the fault of that name strikes.
        """
        out = bytearray()
        with self._lock:
            self.tick()
            for byte in data:
                if byte not in self._line_end:
                    self._take(byte)
                    continue
                line, overlong = bytes(self._partial), self._overlong
                self._partial.clear()
                self._overlong = False
                out += self._reply(line, overlong)
        return bytes(out)

    def _take(self, byte: int) -> None:
        if len(self._partial) < MAX_LINE:
            self._partial.append(byte)
        else:
            self._overlong = True

    def _reply(self, line: bytes, overlong: bool) -> bytes:
        readable = not overlong and all(32 <= byte < 127 or byte in b"\t\r" for byte in line)
        command = line.decode("ascii").strip() if readable else "?"
        if not command and not self.answers_empty_line:
            return b""
        if self.faults.take("hang_up"):
            raise HangUpError
        if self.faults.take("deaf"):
            return b""
        refused = not readable or self.faults.take("error")
        reply = self.refusal(command) if refused else self.answer(command)
        self.note("command")
        return self._spoil(reply)

    def _spoil(self, reply: bytes) -> bytes:
        if self.faults.take("silent"):
            return b""
        if self.faults.take("garbage"):
            return bytes((byte * 7 + 129) % 256 for byte in reply) + b"\xff\x00\n"
        if self.faults.take("partial"):
            return reply[: len(reply) // 2]
        return reply

    # Light.

    def shining(self) -> Levels:
        """Return what the LEDs do now."""
        now = self._history[-1][1]
        if self.dead_leds:
            return (0.0,) * len(self.lines)
        wanted = self.commanded()
        return tuple(max(a, b) for a, b in zip(now, wanted, strict=True)) if self.stuck_on else wanted

    def note(self, cause: str, at_s: float | None = None) -> None:
        """Write the light into the history if it changed."""
        with self._lock:
            levels = self.shining()
            if levels != self._history[-1][1]:
                self._history.append((self.clock.monotonic() if at_s is None else at_s, levels))
                if self.on_change is not None:
                    self.on_change(self.clock.unix(), levels, cause)

    def tick(self) -> None:
        """Let time pass inside the box; a box with a watchdog does its work here."""
        return

    def levels_at(self, time_s: float) -> Levels:
        """Return what the LEDs did at `time_s` of the clock's monotonic axis."""
        with self._lock:
            self.tick()
            for changed_s, levels in reversed(self._history):
                if changed_s <= time_s:
                    return levels
            return self._history[0][1]

    def changes_between(self, start_s: float, end_s: float) -> list[tuple[float, Levels]]:
        """Return the light changes with ``start_s < time ≤ end_s`` as (time, levels), oldest first."""
        found = []
        with self._lock:
            self.tick()
            for changed_s, levels in reversed(self._history):
                if changed_s <= start_s:
                    break
                if changed_s <= end_s:
                    found.append((changed_s, levels))
        return found[::-1]

    # Faults of the whole box.

    def open_interlock(self) -> None:
        """Open the lid: everything goes dark and stays so."""
        with self._lock:
            self.tick()
            self.interlock_open = True
            self.dark()
            self.note("interlock")

    def close_interlock(self) -> None:
        """Close the lid; nothing lights up by itself."""
        self.interlock_open = False

    def power_cycle(self) -> None:
        """Unplug and plug in again: dark, and whatever was half received is forgotten."""
        with self._lock:
            self.tick()
            self._partial.clear()
            self.stuck_on = False
            self.reset()
            self.note("power")

    def reset(self) -> None:
        """Return to the state after power-up."""
        self.dark()
