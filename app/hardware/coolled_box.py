"""A simulated CoolLED pE-4000, byte for byte as its sources describe it; see `app.hardware.coolled`."""

import re

from app.clock import Clock
from app.hardware.simulated_box import Levels, SimulatedBox

MODEL = "pE-4000"


class CoolLedBox(SimulatedBox):
    """Four channels behind CR; unknown commands are not answered at all."""

    tells_stuck_light = tells_dead_leds = False

    def __init__(self, model: str = MODEL, *, clock: Clock | None = None) -> None:
        super().__init__(model, ("405", "490", "525", "635"), clock=clock)
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-up."""
        self.selected = [False] * 4
        self.on = [False] * 4
        self.percent = [0] * 4

    def dark(self) -> None:
        """Deselect every channel and switch it off."""
        self.selected, self.on = [False] * 4, [False] * 4

    def press_pod(self, line: int, percent: int) -> None:
        """Light one channel by the hand pod, as an operator may at any moment."""
        self.selected[line], self.on[line], self.percent[line] = True, True, percent
        self.note("pod")

    def commanded(self) -> Levels:
        """Return the levels of the channels that are selected and on."""
        return tuple(
            percent / 100 if selected and on else 0.0
            for selected, on, percent in zip(self.selected, self.on, self.percent, strict=True)
        )

    def refusal(self, command: str) -> bytes:
        """Return nothing: there are no error answers."""
        return b""

    def _channels(self) -> str:
        return "CSS" + "".join(
            f"{'ABCD'[i]}{'S' if self.selected[i] else 'X'}{'N' if self.on[i] else 'F'}{self.percent[i]:03d}"
            for i in range(4)
        )

    def answer(self, command: str) -> bytes:
        """Obey one command."""
        return "".join(f"{line}\r\n" for line in self._obey(command)).encode("ascii")

    def _obey(self, command: str) -> list[str]:
        if command == "XMODEL":
            return [f"XMODEL={self.model}"]
        if command == "XVER":
            return [
                "XFW_VER=SIM 1.0",
                *(f"XFW_VER={part} 1.0" for part in ("CONTROL", "POD", "A", "B", "C", "D", "USB")),
            ]
        if command == "LAMS":
            return [f"LAM:{letter}:{name}" for letter, name in zip("ABCD", self.lines, strict=True)]
        if command == "CSS?":
            return [self._channels()]
        if command in ("CSN", "CSF"):
            self.on = [selected and command == "CSN" for selected in self.selected]
            return [self._channels()]
        if re.fullmatch("CSS([A-D][SX][NF][0-9]{3}){1,4}", command):
            return self._set_all(command[3:])
        if match := re.fullmatch("C([A-D])([SXNF?]|I([0-9]{1,3}))", command):
            return self._set_one("ABCD".index(match[1]), match[2])
        return []

    def _set_all(self, code: str) -> list[str]:
        for start in range(0, len(code), 6):
            line, percent = "ABCD".index(code[start]), int(code[start + 3 : start + 6])
            if percent > 100:
                return [self._channels()]
            self.selected[line] = code[start + 1] == "S"
            # A channel that is not selected cannot be on.
            self.on[line] = self.selected[line] and code[start + 2] == "N"
            self.percent[line] = percent
        return [self._channels()]

    def _set_one(self, line: int, what: str) -> list[str]:
        letter = "ABCD"[line]
        if what in "SX":
            self.selected[line] = what == "S"
            self.on[line] = self.on[line] and self.selected[line]
        elif what in "NF":
            self.on[line] = self.selected[line] and what == "N"
        elif what.startswith("I") and int(what[1:]) <= 100:
            self.percent[line] = int(what[1:])
        return [f"C{letter}{self.percent[line]:03d}{'N' if self.on[line] else 'F'}"]
