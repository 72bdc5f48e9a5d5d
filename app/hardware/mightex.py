"""Driver for the Mightex Sirius SLC-SA/AA LED controllers with RS-232 (``-S`` models, e.g. SLC-SA04-S).

Sources: Mightex SDK Description v1.1.4 and published bench notes on firmware 3.1.8. 9600 baud, 8N1; a command ends
with LF CR, its one answer with SP CR LF. Channels count from 1. The controller tells its own switches, not the light:
a broken LED goes unnoticed here. What was stored in it lights up at power-on by itself, so `open` switches it off.
It has no watchdog, and its LEDs stay on when the port closes.
"""

import re
from dataclasses import dataclass

from app.errors import LightError, LightGoneError
from app.hardware.base import LightInfo
from app.hardware.serial_light import BadReplyError, Levels, SerialLight

BAUDRATE = 9600
REPLY_S = 0.5
END, REPLY_END = b"\n\r", b"\r"

DISABLED, NORMAL = 0, 1

_DEVICE = re.compile(r"Mightex LED Driver:\s*(\S+)\s+Device Module No\.:\s*(\S+)\s+Device Serial No\.:\s*(\S+)")
_COMMAND = re.compile(r"\??[A-Z]{4,10}( -?[0-9]{1,5}){0,4}\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Device:
    """What ``DEVICEINFO`` says."""

    firmware: str
    model: str
    serial: str
    lines: int


def encode(command: str) -> bytes:
    r"""Return `command` as bytes, e.g. ``encode("MODE 1 0")`` is ``b"MODE 1 0\n\r"``."""
    if not _COMMAND.match(command):
        raise LightError(f"{command!r} is no command for a Mightex controller; this is a mistake in dapiscope.")
    return command.encode("ascii") + END


def text(answer: bytes) -> str:
    """Return a complete answer as text without its ends; BadReplyError for noise or an unfinished one."""
    if not answer.endswith(REPLY_END):
        raise BadReplyError("The Mightex controller did not answer in time; check its cable and power.")
    if not all(32 <= byte < 127 or byte in b"\t\r\n" for byte in answer):
        raise BadReplyError("The Mightex controller answered noise; check its cable.")
    return answer.decode("ascii").strip()


def acknowledged(answer: bytes) -> bool:
    """Return True for ``##``, False for a refusal (``#!``, ``#?``, not defined); BadReplyError for anything else."""
    said = text(answer)
    if said == "##":
        return True
    if said in ("#!", "#?") or said.endswith("is not defined]"):
        return False
    raise BadReplyError(f"The Mightex controller answered {said[:40]!r} to a command; check its cable.")


def numbers(answer: bytes, least: int) -> tuple[int, ...]:
    """Return the numbers of an answer ``#1 2 3``, at least `least` of them; BadReplyError for anything else."""
    said = text(answer)
    if not re.fullmatch(r"#-?[0-9]{1,6}( -?[0-9]{1,6}){0,15}", said) or len(said.split()) < least:
        raise BadReplyError(f"The Mightex controller answered {said[:40]!r} to a question; check its cable.")
    return tuple(int(word) for word in said[1:].split())


def device(answer: bytes) -> Device:
    """Return who answered ``DEVICEINFO``; BadReplyError when it is no Mightex controller."""
    found = _DEVICE.search(text(answer))
    if found is None:
        raise BadReplyError("No Mightex controller answered; check the port, the cable and the power.")
    firmware, model, serial = found.groups()
    lines = re.search(r"SLC-[A-Z]{2}([0-9]{2})", model)
    return Device(firmware, model, serial, int(lines.group(1)) if lines else 4)


class MightexLight(SerialLight):
    """A Mightex Sirius controller; level 1 is the current that is stored in it as each channel's maximum."""

    def _identify(self) -> LightInfo:
        # The box may hold half a command of somebody else's.
        self._port.exchange(END, write_only=True)
        self._port.drain(quiet_s=0.05, timeout_s=0.3)
        self._port.exchange(encode("ECHOOFF"), until=REPLY_END, timeout_s=REPLY_S)
        self._out_of_step = True
        found = self._patiently(lambda: device(self._exchange("DEVICEINFO")))
        self._most = tuple(self._currents(line)[0] for line in range(found.lines))
        if not any(self._most):
            raise LightError(
                f"The Mightex controller at {self._id} has no maximum current stored for any channel; set the LEDs'"
                " rated currents with Mightex' own program and store them."
            )
        names = tuple(str(line + 1) for line in range(found.lines))
        simulated = found.serial.upper().startswith("SIM")
        return LightInfo(self._id, found.model, found.serial, found.firmware, found.lines, names, False, simulated)

    def _exchange(self, command: str) -> bytes:
        return self._port.exchange(encode(command), until=REPLY_END, timeout_s=REPLY_S)

    def _find_step(self) -> None:
        answer = self._exchange("DEVICEINFO")
        for _ in range(8):
            if b"Mightex" in answer:
                self._out_of_step = False
                return
            if not answer:
                break
            answer = self._port.read_line(until=REPLY_END, timeout_s=REPLY_S)
        raise BadReplyError("The Mightex controller does not answer; check its cable and power.")

    def _command(self, command: str) -> None:
        if not self._patiently(lambda: acknowledged(self._exchange(command))):
            raise LightError(f"The Mightex controller refused {command!r}; everything was switched off.")

    def _mode(self, line: int) -> int:
        return self._patiently(lambda: numbers(self._exchange(f"?MODE {line + 1}"), 1))[0]

    def _currents(self, line: int) -> tuple[int, int]:
        """Return (largest, set) in mA: the last two of a long row of numbers."""
        most, now = self._patiently(lambda: numbers(self._exchange(f"?CURRENT {line + 1}"), 2))[-2:]
        return max(most, 0), max(now, 0)

    def _current(self, line: int, level: float) -> int:
        return max(1, round(level * self._most[line]))

    def _nearest(self, line: int, level: float) -> float:
        if not self._most[line]:
            raise LightError(
                f"Channel {line + 1} of the Mightex controller has no maximum current stored; set its LED's rated"
                " current with Mightex' own program."
            )
        return self._current(line, level) / self._most[line]

    def _light(self, line: int, level: float) -> None:
        # There is no command for all channels: the others go dark first, so that two never shine together.
        for other in range(self.info.lines):
            if other != line:
                self._command(f"MODE {other + 1} {DISABLED}")
        self._command(f"NORMAL {line + 1} {self._most[line]} {self._current(line, level)}")
        self._command(f"MODE {line + 1} {NORMAL}")

    def _darken(self, attempt: int) -> None:
        problem: LightError | None = None
        for line in range(self.info.lines):
            try:
                self._command(f"MODE {line + 1} {DISABLED}")
                if attempt:
                    self._command(f"CURRENT {line + 1} 0")
            except LightGoneError:
                raise
            except LightError as error:
                problem = error  # the other lines still have to go off
                if self._out_of_step:
                    break
        if problem is not None:
            raise problem

    def _blind_off(self) -> bytes:
        return b"".join(encode(f"MODE {line + 1} {DISABLED}") for line in range(self.info.lines))

    def _readback(self) -> Levels:
        levels = []
        for line in range(self.info.lines):
            lit = self._mode(line) != DISABLED  # strobe and trigger modes may shine at any moment
            most = self._most[line] or 1
            levels.append(min(max(self._currents(line)[1], 1) / most, 1.0) if lit else 0.0)
        return tuple(levels)
