"""Driver for the Thorlabs DC4100, DC4104 and LEDD4 four-channel LED controllers.

Sources: the text commands that open drivers use (Thorlabs documents only its VISA library), and the status bits of
the DC4100 manual, Rev. 2.2, section 6.3.24. 115200 baud, 8N1, lines end with CR LF. Commands that set something are
silent: ``e?`` asks afterwards whether they were obeyed. Channels count from 0. The controller tells its switches and
whether a head is missing or broken open; it has no watchdog.
"""

import re
from dataclasses import dataclass

from app.errors import LightError, LightGoneError
from app.hardware.base import LightInfo
from app.hardware.serial_light import BadReplyError, Levels, SerialLight

BAUDRATE = 115200
REPLY_S = 0.3
END = b"\r\n"
LINES = 4
MODELS = ("DC4100", "DC4104", "LEDD4")

_COMMAND = re.compile(r"(n|s|v|e|r|m|sm)\?|(o|l|ml|cc|wl)\? [0-3]|(m|sm) 0|o (-1|[0-3]) [01]|cc [0-3] [0-9]{1,4}")
_ERROR = re.compile(r"\S{1,20} (-?[0-9]{1,5}):(.{0,80})")


@dataclass(frozen=True, slots=True)
class Status:
    """What the word of ``r?`` says; per line where there are several."""

    no_supply: bool
    too_hot: bool
    missing: tuple[bool, ...]
    broken: tuple[bool, ...]


def encode(command: str) -> bytes:
    r"""Return `command` as bytes, e.g. ``encode("o 1 0")`` is ``b"o 1 0\r\n"``."""
    if not _COMMAND.fullmatch(command):
        raise LightError(f"{command!r} is no command for a Thorlabs controller; this is a mistake in dapiscope.")
    return command.encode("ascii") + END


def text(answer: bytes) -> str:
    """Return a complete answer as text without its end; BadReplyError for noise or an unfinished one."""
    if not answer.endswith(b"\n"):
        raise BadReplyError("The Thorlabs controller did not answer in time; check its cable and power.")
    if not all(32 <= byte < 127 or byte in b"\t\r\n" for byte in answer):
        raise BadReplyError("The Thorlabs controller answered noise; check its cable.")
    return answer.decode("ascii").strip()


def error(answer: bytes) -> tuple[int, str]:
    """Return (number, text) of the answer to ``e?``; number 0 is no error."""
    found = _ERROR.fullmatch(text(answer))
    if found is None:
        raise BadReplyError(f"The Thorlabs controller answered {text(answer)[:40]!r} to 'e?'; check its type.")
    return int(found.group(1)), found.group(2).strip()


def whole(answer: bytes, most: int) -> int:
    """Return a whole number 0…`most`; BadReplyError for anything else."""
    said = text(answer)
    if not re.fullmatch(r"[0-9]{1,10}", said) or int(said) > most:
        raise BadReplyError(f"The Thorlabs controller answered {said[:40]!r} instead of a number; check its cable.")
    return int(said)


def status(word: int) -> Status:
    """Return what the status word `word` means; its odd bits are states, its even ones mark changes."""

    def bit(number: int) -> bool:
        return bool(word >> number & 1)

    return Status(bit(1), bit(3), tuple(map(bit, (5, 7, 9, 11))), tuple(map(bit, (13, 15, 17, 19))))


class ThorlabsLight(SerialLight):
    """A Thorlabs four-channel controller in constant-current mode; level 1 is the user limit set on its panel."""

    def _identify(self) -> LightInfo:
        self._port.exchange(END, write_only=True)
        self._port.drain(quiet_s=0.03, timeout_s=0.3)
        self._out_of_step = True
        name, serial, firmware = (self._ask_text(command) for command in ("n?", "s?", "v?"))
        if not any(model in name for model in MODELS):
            raise LightError(f"The device at {self._id} is no Thorlabs DC4100, DC4104 or LEDD4; check the port.")
        # Modes may only be changed in the dark, and only a multi selection lets single channels be switched.
        for command in ("o -1 0", "sm 0", "m 0"):
            self._command(command)
        self._most = tuple(
            min(self._ask_whole(f"l? {i}", 9999), self._ask_whole(f"ml? {i}", 9999)) for i in range(LINES)
        )
        names = tuple(self._wavelength(line) for line in range(LINES))
        simulated = serial.upper().startswith("SIM")
        return LightInfo(self._id, name, serial, firmware, LINES, names, False, simulated)

    def _wavelength(self, line: int) -> str:
        said = self._ask_text(f"wl? {line}")
        return said if re.fullmatch(r"[0-9]{3,4}(\.[0-9])?", said) else str(line + 1)

    def _exchange(self, command: str) -> bytes:
        return self._port.exchange(encode(command), timeout_s=REPLY_S)

    def _find_step(self) -> None:
        answer = self._exchange("n?")
        for _ in range(8):
            if any(model.encode("ascii") in answer for model in MODELS):
                self._out_of_step = False
                return
            if not answer:
                break
            answer = self._port.read_line(timeout_s=REPLY_S)
        raise BadReplyError("No Thorlabs controller answers; check the port, the cable and the power.")

    def _ask_text(self, command: str) -> str:
        return self._patiently(lambda: text(self._exchange(command)))

    def _ask_whole(self, command: str, most: int) -> int:
        return self._patiently(lambda: whole(self._exchange(command), most))

    def _command(self, command: str) -> None:
        """Send what is not answered, and ask whether it was obeyed."""

        def send() -> tuple[int, str]:
            self._port.exchange(encode(command), write_only=True)
            return error(self._exchange("e?"))

        number, told = self._patiently(send)
        if number:
            raise LightError(f"The Thorlabs controller refused {command!r} ({told}); everything was switched off.")

    def _current(self, line: int, level: float) -> int:
        return max(1, round(level * self._most[line]))

    def _nearest(self, line: int, level: float) -> float:
        if not self._most[line]:
            raise LightError(f"No LED is plugged into channel {line + 1} of the Thorlabs controller; plug one in.")
        return self._current(line, level) / self._most[line]

    def _light(self, line: int, level: float) -> None:
        for other in range(LINES):
            if other != line:
                self._command(f"o {other} 0")
        self._command(f"cc {line} {self._current(line, level)}")
        self._command(f"o {line} 1")

    def _darken(self, attempt: int) -> None:
        self._command("o -1 0")
        if attempt:
            for line in range(LINES):
                self._try(lambda line=line: self._command(f"o {line} 0"))  # type: ignore[misc]
                self._try(lambda line=line: self._command(f"cc {line} 0"))  # type: ignore[misc]

    def _blind_off(self) -> bytes:
        return encode("o -1 0")

    def _readback(self) -> Levels:
        levels = []
        for line in range(LINES):
            lit = self._ask_whole(f"o? {line}", 1)
            most = self._most[line] or 1
            levels.append(min(max(self._ask_whole(f"cc? {line}", 9999), 1) / most, 1.0) if lit else 0.0)
        if not any(levels):
            return tuple(levels)
        # A head that is broken open, or an overheated controller, shines not, whatever its switch says.
        now = self._status()
        return tuple(
            0.0 if level and (now.too_hot or now.missing[line] or now.broken[line]) else level
            for line, level in enumerate(levels)
        )

    def _status(self) -> Status:
        return status(self._ask_whole("r?", 2**32 - 1))

    def _faults(self) -> tuple[str, ...]:
        now = self._status()
        found = [
            *(["its supply has failed"] if now.no_supply else []),
            *(["it is too hot"] if now.too_hot else []),
        ]
        for line in range(LINES):
            try:
                lit = self._ask_whole(f"o? {line}", 1)
            except LightGoneError:
                raise
            except LightError:
                continue
            if lit and (now.missing[line] or now.broken[line]):
                found.append(f"the LED of channel {line + 1} is missing or broken")
        return tuple(found)
