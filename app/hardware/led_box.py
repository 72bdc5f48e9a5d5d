"""A simulated LED box that speaks the Lumencor standard-mode protocol, with or without the watchdog extension.

Source of the protocol: Lumencor, *Light Engine Command Reference* 57-10018. Every command gets exactly one answer:
``A NAME values`` or ``E NAME``. The extension of the home-built box is ``GET/SET WDT ms`` (dark after that silence,
0 is off) and ``GET WDTSTAT`` (``A WDTSTAT armed trips``); a real engine answers ``E WDT``.
"""

from collections.abc import Callable

from app.clock import Clock
from app.hardware.simulated_box import Levels, SimulatedBox

DEFAULT_MODEL = "dapiscope LED4"
DEFAULT_LINES = ("405", "488", "532", "633")
WATCHDOG_MS = (100, 60_000)
"""Least and most milliseconds of the watchdog; 0 switches it off."""

_SAFETY_LOCK, _INTERLOCK = 4, 60


class _Refused(Exception):  # noqa: N818 -- never leaves this file; the box answers E
    """The command is not obeyed."""


class LedBox(SimulatedBox):
    """A box of LEDs with Lumencor's grammar.

    Parameters
    ----------
    model : str
        What it answers to ``GET MODEL``. Every model but `DEFAULT_MODEL` behaves like a commercial engine: no watchdog.
    clock : Clock, optional
    lines : tuple of str
        Channel names, without spaces.
    max_int : int
        Largest intensity.
    supply_limit : int or None
        Sum of the intensities of the lit channels above which a command is refused.
    lacks : set of str
        Commands that this model does not know.
    greets_badly : bool
        The first command after power-up fails, as real engines do.
    """

    answers_empty_line = True

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        clock: Clock | None = None,
        lines: tuple[str, ...] = DEFAULT_LINES,
        max_int: int = 1000,
        supply_limit: int | None = None,
        lacks: frozenset[str] = frozenset(),
        greets_badly: bool = False,
    ) -> None:
        super().__init__(model, lines, clock=clock, line_end=b"\n")
        self.max_int, self.supply_limit, self.greets_badly = max_int, supply_limit, greets_badly
        self.lacks = lacks if model == DEFAULT_MODEL else lacks | {"WDT", "WDTSTAT"}
        self.serial = "SIM-0001"
        self.ttl: list[bool] = [False] * len(lines)
        self._getters: dict[str, Callable[[], str]] = {
            "VER": lambda: "1.0.6",
            "MODEL": lambda: self.model,
            "SN": lambda: self.serial,
            "NUMCH": lambda: str(len(self.lines)),
            "CHMAP": lambda: " ".join(self.lines),
            "MAXINT": lambda: str(self.max_int),
            "MULCH": lambda: _join(self.on),
            "MULCHACT": lambda: _join(self._actual()),
            "MULCHINT": lambda: _join(self.counts),
            "MULCHSTAT": lambda: _join([_INTERLOCK if self.interlock_open else 0] * len(self.lines)),
            "MULCHTTL": lambda: _join(self.ttl),
            "MULTTLPIN": lambda: _join(self.ttl),
            "TTLENABLE": lambda: str(int(self.ttl_enabled)),
            "STAT": lambda: str(_SAFETY_LOCK if self.interlock_open else 0),
            "TEMP": lambda: "31.5",
            "ERRORTEXT": lambda: "Interlock open" if self.interlock_open else "No error",
            "WDT": lambda: str(self.watchdog_ms),
            "WDTSTAT": lambda: f"{int(self.watchdog_ms > 0)} {self.trips}",
        }
        self._indexed: dict[str, Callable[[int], str]] = {
            "MAXINT": lambda _: str(self.max_int),
            "CH": lambda index: str(int(self.on[index])),
            "CHACT": lambda index: str(self._actual()[index]),
            "CHINT": lambda index: str(self.counts[index]),
        }
        self._setters: dict[str, Callable[[list[str]], str]] = {
            "CH": self._set_one_switch,
            "CHINT": self._set_one_intensity,
            "MULCH": self._set_switches,
            "MULCHINT": self._set_intensities,
            "TTLENABLE": self._set_ttl_enabled,
            "TTLPOL": lambda words: "" if words in (["NEG"], ["POS"]) else _refuse(),
            "WDT": self._set_watchdog,
        }
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-up: dark, intensities 0, watchdog off."""
        self.on = [False] * len(self.lines)
        self.counts = [0] * len(self.lines)
        self.ttl_enabled = True
        self.watchdog_ms = 0
        self.trips = 0
        self._fed_s = self.clock.monotonic()
        self._fresh = True

    def dark(self) -> None:
        """Switch every channel off; intensities stay."""
        self.on = [False] * len(self.lines)

    def commanded(self) -> Levels:
        """Return the levels that the switches, the TTL inputs and the intensities ask for."""
        return tuple(count / self.max_int if lit else 0.0 for lit, count in zip(self._lit(), self.counts, strict=True))

    def _lit(self) -> list[bool]:
        if self.interlock_open:
            return [False] * len(self.lines)
        return [on or (ttl and self.ttl_enabled) for on, ttl in zip(self.on, self.ttl, strict=True)]

    def tick(self) -> None:
        """Go dark when the watchdog's time has passed; the history gets the moment it happened."""
        if not self.watchdog_ms:
            return
        due_s = self._fed_s + self.watchdog_ms / 1000
        if self.clock.monotonic() >= due_s and any(self.on):
            self.dark()
            self.trips += 1
            self.note("watchdog", due_s)

    # The protocol.

    def answer(self, command: str) -> bytes:
        """Obey one command; only a command that is obeyed feeds the watchdog."""
        words = command.split()
        known = len(words) >= 2 and words[0] in ("GET", "SET") and words[1] not in self.lacks
        unheard, self._fresh = self._fresh and self.greets_badly, False
        try:
            values = self._obey(words[0], words[1], words[2:]) if known and not unheard else None
        except _Refused:
            return self.refusal(command)
        if values is None:
            return b"E UNKNOWNCMD\r\n"
        self._fed_s = self.clock.monotonic()
        return f"A {words[1]} {values}".rstrip().encode("ascii") + b"\r\n"

    def refusal(self, command: str) -> bytes:
        """Return ``E NAME``."""
        words = command.split()
        return b"E " + (words[1] if len(words) > 1 else "UNKNOWNCMD").encode("ascii") + b"\r\n"

    def _obey(self, verb: str, name: str, words: list[str]) -> str | None:
        """Return the values of the answer, None for an unknown command."""
        if verb == "SET":
            setter = self._setters.get(name)
            return None if setter is None else setter(words)
        if name in self._getters and not words:
            return self._getters[name]()
        if name in self._indexed and len(words) == 1:
            return self._indexed[name](_number(words[0], len(self.lines) - 1))
        if name in self._getters or name in self._indexed:
            raise _Refused
        return None

    def _index(self, words: list[str], count: int) -> int:
        if len(words) != count:
            raise _Refused
        return _number(words[0], len(self.lines) - 1)

    def _switch(self, wanted: list[bool]) -> None:
        budget = sum(count for count, lit in zip(self.counts, wanted, strict=True) if lit)
        too_much = self.supply_limit is not None and budget > self.supply_limit
        if any(wanted) and (self.interlock_open or too_much):
            raise _Refused
        self.on = wanted

    def _dim(self, wanted: list[int]) -> None:
        lit = sum(count for count, on in zip(wanted, self.on, strict=True) if on)
        if self.supply_limit is not None and lit > self.supply_limit:
            raise _Refused
        self.counts = wanted

    def _set_one_switch(self, words: list[str]) -> str:
        index = self._index(words, 2)
        self._switch([_flag(words[1]) if i == index else on for i, on in enumerate(self.on)])
        return ""

    def _set_one_intensity(self, words: list[str]) -> str:
        index = self._index(words, 2)
        value = _number(words[1], self.max_int)
        self._dim([value if i == index else count for i, count in enumerate(self.counts)])
        return ""

    def _set_switches(self, words: list[str]) -> str:
        self._switch([_flag(word) for word in self._each(words)])
        return ""

    def _set_intensities(self, words: list[str]) -> str:
        self._dim([_number(word, self.max_int) for word in self._each(words)])
        return ""

    def _each(self, words: list[str]) -> list[str]:
        if len(words) != len(self.lines):
            raise _Refused
        return words

    def _set_ttl_enabled(self, words: list[str]) -> str:
        if len(words) != 1:
            raise _Refused
        self.ttl_enabled = _flag(words[0])
        return ""

    def _set_watchdog(self, words: list[str]) -> str:
        value = _number(words[0], WATCHDOG_MS[1]) if len(words) == 1 else -1
        if value < 0 or 0 < value < WATCHDOG_MS[0]:
            raise _Refused
        self.watchdog_ms = value
        return ""

    def _actual(self) -> list[int]:
        """What really shines, a broken switch included."""
        self.note("command")
        shining = self.shining()
        # A channel that is on at intensity 0 is on, though nothing can be seen.
        return [
            int(bool(level) or (lit and not count and not self.dead_leds))
            for level, lit, count in zip(shining, self._lit(), self.counts, strict=True)
        ]


def _refuse() -> str:
    raise _Refused


def _join(values: list[bool] | list[int]) -> str:
    return " ".join(str(int(value)) for value in values)


def _number(word: str, most: int) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 6) or int(word) > most:
        raise _Refused
    return int(word)


def _flag(word: str) -> bool:
    return bool(_number(word, 1))
