"""A simulated Thorlabs DC4100/DC4104, byte for byte as its sources describe it; see `app.hardware.thorlabs`."""

from app.clock import Clock
from app.hardware.simulated_box import Levels, SimulatedBox

MODEL = "DC4104"
_HEAD_MA, _LIMIT_MA = 1000, 500


class ThorlabsBox(SimulatedBox):
    """Four LED heads behind CR LF; commands that set something are silent."""

    tells_stuck_light = False

    def __init__(self, model: str = MODEL, *, clock: Clock | None = None) -> None:
        super().__init__(model, ("405", "490", "530", "625"), clock=clock)
        self.serial = "SIM-00042"
        self.missing: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Return to the state after power-up."""
        self.on = [False] * 4
        self.current_ma = [0] * 4
        self.limit_ma = [_LIMIT_MA] * 4
        self.mode, self.single = 0, 1
        self.error = (0, "No error")

    def dark(self) -> None:
        """Switch every channel off."""
        self.on = [False] * 4

    def commanded(self) -> Levels:
        """Return the levels of the channels that are on, as parts of their limits."""
        return tuple(
            ma / limit if on and line not in self.missing else 0.0
            for line, (on, ma, limit) in enumerate(zip(self.on, self.current_ma, self.limit_ma, strict=True))
        )

    def refusal(self, command: str) -> bytes:
        """Set the error that ``e?`` will tell; a question that failed is answered by nothing."""
        if command == "e?":
            return b"ERROR 10:Communication error\r\n"
        self.error = (10, "Communication error")
        return b""

    def answer(self, command: str) -> bytes:
        """Obey one command."""
        name, *words = command.lower().split()
        try:
            values = [int(word) for word in words if len(word) <= 6]
        except ValueError:
            values = []
        if len(values) != len(words):
            return self._fail(13, "Invalid parameter")
        if name == "e?":
            (number, told), self.error = self.error, (0, "No error")
            return f"{'ERROR' if number else 'OK'} {number}:{told}\r\n".encode("ascii")
        if name.endswith("?"):
            return self._tell(name, values)
        return self._set(name, values)

    def _fail(self, number: int, told: str) -> bytes:
        self.error = (number, told)
        return b""

    def _tell(self, name: str, values: list[int]) -> bytes:
        alone = {"n?": self.model, "s?": self.serial, "v?": "1.7.0", "h?": "Thorlabs", "m?": self.mode}
        alone |= {"sm?": self.single, "r?": self._status()}
        if name in alone and not values:
            return f"{alone[name]}\r\n".encode("ascii")
        lines: dict[str, list[int] | list[str]] = {
            "o?": [int(on) for on in self.on],
            "cc?": self.current_ma,
            "l?": self.limit_ma,
            "ml?": [0 if line in self.missing else _HEAD_MA for line in range(4)],
            "wl?": list(self.lines),
        }
        if name not in lines:
            return self._fail(11, "Unknown command")
        if len(values) != 1 or values[0] not in range(4):
            return self._fail(12, "Parameter count")
        return f"{lines[name][values[0]]}\r\n".encode("ascii")

    def _status(self) -> int:
        word = 0
        for line in range(4):
            word |= (line in self.missing) << (5 + 2 * line)
            word |= (self.dead_leds and self.on[line]) << (13 + 2 * line)
        return word

    def _set(self, name: str, values: list[int]) -> bytes:
        counts = {"o": 2, "cc": 2, "l": 2, "m": 1, "sm": 1}
        if name not in counts:
            return self._fail(11, "Unknown command")
        if len(values) != counts[name]:
            return self._fail(12, "Parameter count")
        if name == "o" and values[0] in range(-1, 4) and values[1] in (0, 1):
            if values[0] >= 0 and self.single:
                return self._fail(1, "Multi selection needed")
            for line in range(4) if values[0] == -1 else [values[0]]:
                self.on[line] = bool(values[1])
        elif name == "cc" and values[0] in range(4) and 0 <= values[1] <= self.limit_ma[values[0]]:
            self.current_ma[values[0]] = values[1]
        elif name == "m" and values[0] in range(3) and not any(self.on):
            self.mode = values[0]
        elif name == "sm" and values[0] in (0, 1) and not any(self.on):
            self.single = values[0]
        else:
            return self._fail(3, "Out of range")
        return b""
