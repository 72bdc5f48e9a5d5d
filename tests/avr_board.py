"""The real firmware on a simulated microcontroller, for the tests that drive it; skips where the tools are absent."""

import atexit
import functools
import math
import os
import shutil
import subprocess
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import serial

from app.clock import SystemClock
from app.hardware.simulated_box import Faults, SimulatedBox

FIRMWARE = Path(__file__).parent.parent / "firmware"


@functools.cache
def build() -> Path | str:
    """Build the firmware and its simulated board; the folder, or why it cannot be built."""
    missing = [tool for tool in ("make", "avr-g++", "gcc") if shutil.which(tool) is None]
    if missing:
        return f"no {', '.join(missing)} here (Debian: gcc-avr avr-libc)"
    if not Path("/usr/include/simavr/sim_avr.h").exists():
        return "no simavr here (Debian: libsimavr-dev libelf-dev)"
    folder = Path(tempfile.mkdtemp(prefix="dapiscope-firmware-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    goals = [f"{folder}/firmware.elf", f"{folder}/board"]
    subprocess.run(["make", "-C", str(FIRMWARE), f"BUILD={folder}", *goals], check=True, capture_output=True)
    return folder


class AvrBoard(SimulatedBox):
    """The board as a box: its history is what its pins drove.

    With ``relay=True`` commands pass through this object, so that the line can be made faulty; otherwise a driver
    opens `path` itself.
    """

    answers_empty_line = True
    tells_stuck_light = tells_dead_leds = False
    simulated = False

    def __init__(self, relay: bool) -> None:
        folder = build()
        if isinstance(folder, str):
            pytest.skip(folder)
        super().__init__("dapiscope LED4", ("405", "488", "532", "633"), clock=SystemClock(), line_end=b"\n")
        self._relay = relay
        self._program = subprocess.Popen(
            [str(folder / "board"), str(folder / "firmware.elf")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with suppress(PermissionError):  # a real one is no slower while other tests run
            os.setpriority(os.PRIO_PROCESS, self._program.pid, -10)
        self.path = next(told.split()[1] for told in self._program.stdout if told.startswith("pty "))
        self.timers: tuple[int, ...] = ()
        self.board_us: list[int] = []
        self._marks = threading.Semaphore(0)
        self._reader = threading.Thread(target=self._listen)
        self._reader.start()
        self._line = serial.Serial(self.path, 115200, timeout=1) if relay else None

    @property
    def faults(self) -> Faults:
        if not self._relay:
            pytest.skip("a real line cannot be made faulty on command; the relayed one is")
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults

    def _listen(self) -> None:
        for told in self._program.stdout:
            if told.startswith("mark"):
                self._marks.release()
            if told.startswith("timers "):
                self.timers = tuple(int(part) for part in told.split()[1:])
            if not told.startswith("light "):
                continue
            _, at_s, board_us, *parts = told.split()
            self._history.append((float(at_s), tuple(int(part) / 255 for part in parts)))
            self.board_us.append(int(board_us))

    def tell(self, command: str) -> None:
        self._program.stdin.write(f"{command}\n")
        self._program.stdin.flush()

    def tick(self) -> None:
        """Wait until all that the board did is in the history."""
        if self._program.poll() is None:
            try:
                self.tell("mark")
                assert self._marks.acquire(timeout=20)
            except BrokenPipeError:
                return

    def wait_dark(self) -> None:
        end_s = time.monotonic() + 20
        while any(self.levels_at(math.inf)):
            assert time.monotonic() < end_s, "it did not go dark"
            time.sleep(0.01)

    def answer(self, command: str) -> bytes:
        self._line.reset_input_buffer()
        self._line.write(command.encode("ascii") + b"\n")
        return self._line.readline()

    def refusal(self, command: str) -> bytes:
        return self.answer("BOGUS")

    def commanded(self):
        return self._history[-1][1]

    def dark(self) -> None:
        self.tell("reset")

    def changes_between(self, start_s: float, end_s: float):
        """Return the changes; the board's own first report of darkness is none."""
        found = super().changes_between(start_s, end_s)
        return found[1:] if found and not any(found[0][1]) and found[0] == self._history[1] else found

    def unplug(self) -> None:
        """End the board, and with it the line."""
        self.close()

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
        self._program.stdin.close()
        self._program.wait(20)
        self._reader.join(20)
        self._program.stdout.close()
