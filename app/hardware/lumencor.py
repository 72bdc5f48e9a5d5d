"""Driver for the Lumencor standard-mode text protocol: the home-built box, and Lumencor's own engines.

Source: Lumencor, *Light Engine Command Reference* 57-10018 Rev C. 115200 baud, 8N1; a command ends with a line feed
and gets exactly one answer within 100 ms: ``A NAME values`` or ``E NAME``. The home-built box adds a watchdog:
``SET WDT ms`` and ``GET WDTSTAT``; an engine that answers E to it has none.
"""

import itertools
import re
from dataclasses import dataclass

from app.errors import LightError, LightGoneError, LightRangeError
from app.hardware.base import LightInfo
from app.hardware.serial_light import BadReplyError, Levels, SerialLight
from app.hardware.serial_port import SerialPort

REPLY_S = 0.3
"""Thrice what the reference allows: a USB adapter holds bytes back, and a busy machine is late."""

BOOT_S = 4.0
"""Opening the port resets many boards; their boot loader listens for up to two seconds first."""

WATCHDOG_MS = (100, 60_000)

_NAME = re.compile(r"[A-Z0-9]{1,16}\Z")

DEVICE_FAULTS = {
    1: "its fan has failed",
    2: "it is too hot",
    3: "it is too hot and its fan has failed",
    4: "its safety lock is open",
    5: "its hardware is configured wrongly",
    6: "it is in standby",
    7: "its cooler is still warming up",
}
"""Meaning of the codes of ``GET STAT``."""

LINE_FAULTS = {
    51: "does not exist",
    56: "has wrong hardware",
    57: "is locked",
    571: "is too hot",
    572: "has no fan",
    573: "is held off by the interlock",
    574: "would exceed the supply current",
    58: "is busy",
    60: "is held off by the open interlock",
    64: "is locked by its cooler",
    65: "is out of its temperature range",
}
"""Meaning of the codes of ``GET MULCHSTAT``."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the box."""

    ok: bool
    values: tuple[str, ...]


def encode(verb: str, name: str, *values: int) -> bytes:
    r"""Return a command as bytes, e.g. ``encode("SET", "CHINT", 1, 250)`` is ``b"SET CHINT 1 250\n"``.

    Raises LightRangeError for anything that is no command of the grammar.
    """
    if verb not in ("GET", "SET") or not _NAME.match(name) or any(value < 0 for value in values):
        raise LightRangeError(
            f"{verb} {name} {values} is no command for a light source; this is a mistake in dapiscope."
        )
    return " ".join((verb, name, *(str(int(value)) for value in values))).encode("ascii") + b"\n"


def parse(answer: bytes, name: str) -> Reply:
    """Return what `answer` says to the command `name`.

    Any answer that starts with E is a refusal; an acknowledgement must carry the command's own name. Raises
    BadReplyError for noise, an unfinished line, or an answer to something else.
    """
    if not answer.endswith(b"\n"):
        what = f"only {_show(answer)}" if answer else "nothing"
        raise BadReplyError(f"The light source answered {what} to {name} in time; check its cable and power.")
    if not all(32 <= byte < 127 or byte in b"\t\r\n" for byte in answer):
        raise BadReplyError(f"The light source answered noise to {name}; check its cable.")
    words = answer.decode("ascii").split()
    if len(words) >= 2 and words[0] == "A" and words[1] == name:
        return Reply(True, tuple(words[2:]))
    if words and words[0] == "E":
        return Reply(False, tuple(words[1:]))
    raise BadReplyError(f"The light source answered {_show(answer)} to {name}; check its cable and its type.")


def integers(reply: Reply, name: str, count: int, most: int = 999_999) -> tuple[int, ...]:
    """Return the `count` whole numbers 0…`most` of a reply; BadReplyError when it says anything else."""
    if len(reply.values) != count or not all(re.fullmatch(r"[0-9]{1,6}", value) for value in reply.values):
        raise BadReplyError(f"The light source answered {' '.join(reply.values)!r} to {name}; check its type.")
    numbers = tuple(int(value) for value in reply.values)
    if any(number > most for number in numbers):
        raise BadReplyError(f"The light source answered {numbers} to {name}, more than {most}; check its type.")
    return numbers


def _show(answer: bytes) -> str:
    return repr(answer[:60].decode("ascii", "replace").strip())


class LumencorLight(SerialLight):
    """A light engine in standard mode, or the home-built box that speaks like one."""

    def __init__(self, port: SerialPort, *, light_id: str | None = None) -> None:
        super().__init__(port, light_id=light_id)
        self._counts: tuple[int, ...] = ()  # largest intensity, per line
        self._has_actual = self._has_all_intensities = self._has_status = self._has_line_status = False
        self._markers = itertools.cycle(("VER", "SN", "MODEL"))

    # One command.

    def _ask(self, verb: str, name: str, *values: int) -> Reply:
        """Exchange one command; a damaged answer is asked for once more."""
        command = encode(verb, name, *values)
        return self._patiently(lambda: parse(self._port.exchange(command, timeout_s=REPLY_S), name))

    def _find_step(self) -> None:
        """Read away late answers: they come in order, so all are past once a marker is answered."""
        marker = next(self._markers)
        deadline_s = self._clock.monotonic() + 1.5 * REPLY_S
        line = self._port.exchange(encode("GET", marker), timeout_s=REPLY_S)
        while line and self._clock.monotonic() < deadline_s:
            if line.split(maxsplit=2)[:2] == [b"A", marker.encode("ascii")]:
                self._out_of_step = False
                return
            line = self._port.read_line(timeout_s=REPLY_S)
        got = f"answered {_show(line)}" if line else "did not answer"
        raise BadReplyError(f"The light source {got} to {marker}; check its cable and power.")

    def _must(self, verb: str, name: str, *values: int) -> Reply:
        reply = self._ask(verb, name, *values)
        if not reply.ok:
            raise LightError(f"The light source refused to switch ({self._why()}); everything was switched off.")
        return reply

    def _may(self, name: str, *values: int) -> Reply | None:
        """Ask what not every engine knows; None when it does not."""
        reply = self._ask("GET", name, *values)
        return reply if reply.ok else None

    def _why(self) -> str:
        faults = self._faults()
        text = self._may("ERRORTEXT")
        told = " ".join(text.values) if text is not None else ""
        return ", ".join(faults) or told or "it gives no reason; less intensity may help"

    # Who is there.

    def _identify(self) -> LightInfo:
        self._greet()
        version, model, serial = (self._may(name) for name in ("VER", "MODEL", "SN"))
        names = self._names()
        self._counts = tuple(self._largest(index) for index in range(len(names)))
        if self._may("MULCH") is None:
            raise LightError(
                f"The light source at {self._id} does not take all channels in one command (MULCH); set it to standard"
                " mode in its own menu."
            )
        self._has_actual = self._may("MULCHACT") is not None
        self._has_all_intensities = self._may("MULCHINT") is not None
        self._has_status = self._may("STAT") is not None
        self._has_line_status = self._may("MULCHSTAT") is not None
        watchdog = self._may("WDT") is not None
        serial_text = _text(serial)
        return LightInfo(
            id=self._id,
            model=_text(model) or "Lumencor",
            serial=serial_text,
            firmware=_text(version),
            lines=len(names),
            line_names=names,
            has_watchdog=watchdog,
            simulated=serial_text.upper().startswith("SIM"),
        )

    def _greet(self) -> None:
        """Wait until the box answers: its first command after power-up may fail, and it may still be booting."""
        deadline_s = self._clock.monotonic() + BOOT_S
        while True:
            self._port.exchange(b"\n", write_only=True)
            self._port.drain(quiet_s=0.03, timeout_s=0.3)
            for _ in range(3):  # an engine may lack one of the markers
                try:
                    self._find_step()
                except BadReplyError as error:
                    problem = error
                else:
                    return
            if self._clock.monotonic() >= deadline_s:
                raise LightError(
                    f"The device at {self._id} does not answer like a Lumencor light source;"
                    " check the port, the cable and the power."
                ) from problem
            self._clock.sleep(0.1)

    def _names(self) -> tuple[str, ...]:
        channels = self._may("CHMAP")
        if channels is not None and channels.values:
            return channels.values
        count = self._may("NUMCH")
        if count is None:
            raise LightError(f"The light source at {self._id} does not say how many channels it has; check its type.")
        return tuple(str(index) for index in range(integers(count, "NUMCH", 1, 64)[0]))

    def _largest(self, index: int) -> int:
        reply, name = self._may("MAXINT", index), "MAXINT"
        reply = reply or self._may("MAXINT")
        largest = integers(reply, name, 1)[0] if reply is not None else 0
        if largest < 1:
            raise LightError(f"The light source at {self._id} does not say its largest intensity; check its type.")
        return largest

    # What shines.

    def _steps(self, line: int, level: float) -> int:
        return max(1, round(level * self._counts[line]))

    def _nearest(self, line: int, level: float) -> float:
        return self._steps(line, level) / self._counts[line]

    def _light(self, line: int, level: float) -> None:
        # The intensity first, while the line is dark; then all switches in one command.
        self._must("SET", "CHINT", line, self._steps(line, level))
        self._must("SET", "MULCH", *(int(index == line) for index in range(self.info.lines)))

    def _darken(self, attempt: int) -> None:
        lines = self.info.lines
        if attempt and not self._out_of_step:
            self._try(lambda: self._ask("SET", "TTLENABLE", 0))
            self._try(lambda: self._ask("SET", "MULCHINT", *([0] * lines)))
            for index in range(lines):
                self._try(lambda index=index: self._ask("SET", "CH", index, 0))  # type: ignore[misc]
        reply = self._ask("SET", "MULCH", *([0] * lines))
        if not reply.ok:
            raise LightError("it refused to switch off")

    def _blind_off(self) -> bytes:
        return encode("SET", "MULCH", *([0] * self.info.lines))

    def _readback(self) -> Levels:
        lines = self.info.lines
        name = "MULCHACT" if self._has_actual else "MULCH"
        switches = integers(self._must_read(name), name, lines, 1)
        if not any(switches):
            return (0.0,) * lines
        if self._has_all_intensities:
            counts = integers(self._must_read("MULCHINT"), "MULCHINT", lines)
        else:
            counts = tuple(integers(self._must_read("CHINT", index), "CHINT", 1)[0] for index in range(lines))
        # A line that is on at intensity 0 is not off: its switch may be broken, and its intensity too.
        levels = zip(switches, counts, self._counts, strict=True)
        return tuple(min(max(count, 1) / most, 1.0) if on else 0.0 for on, count, most in levels)

    def _must_read(self, name: str, *values: int) -> Reply:
        reply = self._ask("GET", name, *values)
        if not reply.ok:
            raise LightError(f"The light source does not tell {name}; check the box.")
        return reply

    def _faults(self) -> tuple[str, ...]:
        found: list[str] = []
        if self._has_status:
            code = integers(self._must_read("STAT"), "STAT", 1)[0]
            if code:
                found.append(DEVICE_FAULTS.get(code, f"it reports code {code}"))
        if self._has_line_status and self._info is not None:
            codes = integers(self._must_read("MULCHSTAT"), "MULCHSTAT", self._info.lines)
            names = self._info.line_names
            if len(set(codes)) == 1:
                names, codes = ("every channel",), codes[:1]
            for name, code in zip(names, codes, strict=True):
                if code:
                    found.append(f"{name} {LINE_FAULTS.get(code, f'reports code {code}')}")
        return tuple(found)

    # The watchdog.

    def set_watchdog(self, timeout_ms: int) -> bool:
        """Have the box go dark after `timeout_ms` (100…60000) without a command; 0 disables. False when it has none."""
        if timeout_ms and not WATCHDOG_MS[0] <= timeout_ms <= WATCHDOG_MS[1]:
            raise LightRangeError(f"The watchdog takes 0 or {WATCHDOG_MS[0]} to {WATCHDOG_MS[1]} ms, not {timeout_ms}.")
        with self._lock:
            if not self.info.has_watchdog:
                return False
            if not self._ask("SET", "WDT", timeout_ms).ok:
                raise LightError(f"The light source refused a watchdog of {timeout_ms} ms; choose another time.")
            if integers(self._must_read("WDT"), "WDT", 1)[0] != timeout_ms:
                raise LightError("The light source did not keep its watchdog time; check its firmware.")
            return True

    def _release(self) -> None:
        # It is dark and confirmed so: the next program finds the box as after power-up.
        if self.info.has_watchdog:
            try:
                self._ask("SET", "WDT", 0)
            except LightGoneError:
                raise
            except LightError:
                return  # it stays armed, which harms nobody


def _text(reply: Reply | None) -> str:
    return " ".join(reply.values) if reply is not None else ""
