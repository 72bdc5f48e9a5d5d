"""Driver for the CoolLED pE-4000 (and others with its grammar: pE-300, pE-2).

Source: CoolLED Commands Manual DOC-038 Iss. 2, and open drivers. USB CDC, any baud rate; a command ends with CR, an
answer with CR LF. ``CSS`` tells and sets all channels at once: letter, S or X (selected or not), N or F (on or off),
three digits of intensity in percent. There are no error answers: what was set is asked for again. A hand pod can
change everything at any moment. The light source tells its switches, not the light, and has no watchdog.
"""

import re
from dataclasses import dataclass

from app.errors import LightError
from app.hardware.base import LightInfo
from app.hardware.serial_light import BadReplyError, Levels, SerialLight

BAUDRATE = 57600
REPLY_S = 0.4
END = b"\r"

_CHANNEL = re.compile(r"([A-H])([SX])([NF])([0-9]{3})")


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel as ``CSS`` tells it."""

    letter: str
    selected: bool
    on: bool
    percent: int

    @property
    def lit(self) -> bool:
        """True when it shines."""
        return self.selected and self.on

    @property
    def quiet(self) -> bool:
        """True when nothing but a command can make it shine: a selected channel that is off waits for TTL."""
        return not self.selected

    def code(self) -> str:
        """Return its six characters."""
        return f"{self.letter}{'S' if self.selected else 'X'}{'N' if self.on else 'F'}{self.percent:03d}"


def encode(command: str) -> bytes:
    r"""Return `command` as bytes: ``XMODEL``, ``XVER``, ``LAMS``, ``CSS?`` or ``CSS`` with channels."""
    if command not in ("XMODEL", "XVER", "LAMS", "CSS?") and not re.fullmatch(f"CSS({_CHANNEL.pattern})+", command):
        raise LightError(f"{command!r} is no command for a CoolLED light source; this is a mistake in dapiscope.")
    return command.encode("ascii") + END


def text(answer: bytes) -> str:
    """Return a complete answer as text without its end; BadReplyError for noise or an unfinished one."""
    if not answer.endswith(b"\n"):
        raise BadReplyError("The CoolLED light source did not answer in time; check its cable and power.")
    if not all(32 <= byte < 127 or byte in b"\t\r\n" for byte in answer):
        raise BadReplyError("The CoolLED light source answered noise; check its cable.")
    return answer.decode("ascii").strip()


def channels(answer: bytes) -> tuple[Channel, ...]:
    """Return the channels of a ``CSS`` answer; BadReplyError for anything else."""
    said = text(answer)
    if not re.fullmatch(f"CSS({_CHANNEL.pattern}){{1,8}}", said):
        raise BadReplyError(f"The CoolLED light source answered {said[:60]!r} to CSS; check its cable.")
    found = [Channel(a, s == "S", n == "N", int(digits)) for a, s, n, digits in _CHANNEL.findall(said[3:])]
    if len({channel.letter for channel in found}) < len(found) or any(channel.percent > 100 for channel in found):
        raise BadReplyError(f"The CoolLED light source answered {said[:60]!r} to CSS; check its cable.")
    return tuple(found)


class CoolLedLight(SerialLight):
    """A CoolLED light source; level 1 is 100 %, the least is 1 %."""

    def _identify(self) -> LightInfo:
        # It may greet, and may hold half a command of somebody else's.
        self._port.exchange(END, write_only=True)
        self._port.drain(quiet_s=0.1, timeout_s=0.6)
        self._out_of_step = True
        now = self._patiently(self._ask_channels)
        self._letters = tuple(channel.letter for channel in now)
        model = self._model
        firmware = self._first_line("XVER").partition("=")[2]
        lamps = self._lamps()
        names = tuple(lamps.get(letter, letter) for letter in self._letters)
        return LightInfo(self._id, model, "", firmware, len(names), names, False, "SIM" in firmware.upper())

    def _exchange(self, command: str) -> bytes:
        return self._port.exchange(encode(command), timeout_s=REPLY_S)

    def _first_line(self, command: str) -> str:
        """Return the first of the lines that answer `command`, empty when none comes; the others are read away."""
        answer = self._exchange(command)
        self._port.drain(quiet_s=0.03, timeout_s=0.3)
        return text(answer) if answer.endswith(b"\n") else ""

    def _lamps(self) -> dict[str, str]:
        """Return the wavelength of each channel's lamp, where the light source tells them."""
        found, line = {}, self._exchange("LAMS")
        for _ in range(8):
            told = re.fullmatch(rb"LAM:([A-H]):([0-9]{3})\r?\n", line)
            if told is None:
                break
            found[told.group(1).decode()] = told.group(2).decode()
            line = self._port.read_line(timeout_s=0.05)
        return found

    def _find_step(self) -> None:
        answer = self._exchange("XMODEL")
        for _ in range(12):
            if answer.startswith(b"XMODEL=") and answer.endswith(b"\n"):
                self._model = text(answer).partition("=")[2] or "CoolLED"
                self._out_of_step = False
                return
            if not answer:
                break
            answer = self._port.read_line(timeout_s=REPLY_S)
        raise BadReplyError("No CoolLED light source answers; check the port, the cable and the power.")

    def _ask_channels(self) -> tuple[Channel, ...]:
        return channels(self._exchange("CSS?"))

    def _dark_code(self) -> str:
        return "".join(Channel(letter, False, False, 0).code() for letter in self._letters)

    def _nearest(self, line: int, level: float) -> float:
        return max(1, round(level * 100)) / 100

    def _light(self, line: int, level: float) -> None:
        wanted = [Channel(letter, False, False, 0) for letter in self._letters]
        wanted[line] = Channel(self._letters[line], True, True, round(level * 100))
        self._set("CSS" + "".join(channel.code() for channel in wanted))

    def _set(self, command: str) -> None:
        self._patiently(lambda: channels(self._exchange(command)))  # its echo; the reading decides

    def _darken(self, attempt: int) -> None:
        self._set("CSS" + self._dark_code())

    def _blind_off(self) -> bytes:
        return encode("CSS" + self._dark_code())

    def _readback(self) -> Levels:
        now = self._patiently(self._ask_channels)
        if tuple(channel.letter for channel in now) != self._letters:
            raise LightError("The CoolLED light source changed its channels; connect it again.")
        # Armed for TTL is not off.
        return tuple(0.0 if channel.quiet else max(channel.percent, 1) / 100 for channel in now)
