"""A simulated Mightex SLC-SA04-S, byte for byte as its sources describe it; see `app.hardware.mightex`."""

from app.clock import Clock
from app.hardware.simulated_box import Levels, SimulatedBox

MODEL = "SLC-SA04-S"
_RATED_MA = 1000


class MightexBox(SimulatedBox):
    """Four LED channels behind LF CR; it has no watchdog and forgets nothing when the port closes."""

    tells_stuck_light = tells_dead_leds = False

    def __init__(self, model: str = MODEL, *, clock: Clock | None = None) -> None:
        super().__init__(model, ("1", "2", "3", "4"), clock=clock)
        self.serial = "SIM-251013-011"
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-up, with nothing stored but the rated currents."""
        self.modes = [0] * 4
        self.most_ma = [_RATED_MA] * 4
        self.current_ma = [10] * 4

    def dark(self) -> None:
        """Disable every channel."""
        self.modes = [0] * 4

    def commanded(self) -> Levels:
        """Return the levels of the channels that are in a mode that shines."""
        return tuple(
            ma / most if mode and most else 0.0
            for mode, ma, most in zip(self.modes, self.current_ma, self.most_ma, strict=True)
        )

    def refusal(self, command: str) -> bytes:
        """Return the answer to a command with an error."""
        return self._say("#!")

    def _say(self, text: str) -> bytes:
        return f"{text} \r\n".encode("ascii")

    def answer(self, command: str) -> bytes:
        """Obey one command."""
        name, *words = command.upper().split()
        if name in ("ECHOOFF", "STORE") and not words:
            return self._say("##")
        if name == "DEVICEINFO" and not words:
            info = f"Mightex LED Driver:3.1.8 Device Module No.:{self.model} Device Serial No.:{self.serial}"
            return self._say(info)
        if name == "RESET" and not words:
            self.reset()
            return self._say("##")
        arguments = _whole(words)
        known = {"MODE": 2, "?MODE": 1, "NORMAL": 3, "CURRENT": 2, "?CURRENT": 1, "LOADVOLTAGE": 1}
        if name not in known:
            return self._say(f"[ {command[:40]} is not defined]")
        if arguments is None or len(arguments) != known[name] or not 1 <= arguments[0] <= 4:
            return self._say("#?")
        return self._say(self._obey(name, arguments[0] - 1, arguments[1:]))

    def _obey(self, name: str, line: int, values: list[int]) -> str:
        if name == "?MODE":
            return f"#{self.modes[line]}"
        if name == "?CURRENT":
            return f"#5 81 480 972 1468 1964 8 -72 8000 0 {self.most_ma[line]} {self.current_ma[line]}"
        if name == "LOADVOLTAGE":
            return f"#{line + 1}:{3200 if self.modes[line] else 0}"
        if name == "MODE" and values[0] in range(4):
            self.modes[line] = values[0]
            return "##"
        if name == "NORMAL" and 0 <= values[1] <= values[0] <= _RATED_MA:
            self.most_ma[line], self.current_ma[line] = values
            return "##"
        if name == "CURRENT" and 0 <= values[0] <= self.most_ma[line]:
            self.current_ma[line] = values[0]
            return "##"
        return "#?"


def _whole(words: list[str]) -> list[int] | None:
    if not all(word.isascii() and word.isdigit() and len(word) <= 6 for word in words):
        return None
    return [int(word) for word in words]
