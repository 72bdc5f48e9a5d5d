"""A small process that owns the port of a light source without a watchdog.

The app talks to it over a pipe. When the pipe closes, because the app ended, crashed or was killed, or when the app
falls silent for longer than the agreed time, the guardian switches the light off and keeps trying until the box
confirms it, whatever the app says meanwhile. What it cannot cover is a pulled cable: then nobody can reach the box.

One line of JSON each way: a request ``{"do": "set", "line": 0, "level": 0.5}``, an answer ``{"reading": …}``,
``{"info": …}``, ``{"done": …}`` or ``{"error": "LightError", "text": …}``.
"""

import json
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import IO, Any

from app import errors
from app.clock import Clock, SystemClock
from app.errors import DapiscopeError, LightError, LightGoneError, LightStuckError
from app.hardware.base import LightInfo, LightReading, LightSource

_log = logging.getLogger(__name__)

TRIES, PAUSE_S = 600, 0.5
"""How often the guardian tries to switch off after the app is gone, and how far apart any of its tries are."""

START_S, ANSWER_S = 20.0, 15.0
"""Longest waits for a guardian to open the light source, and to answer a request."""


# The guardian's side.


class Guardian:
    """Serves one light source to whoever holds the other end of the pipe.

    Parameters
    ----------
    light : LightSource
        Closed.
    requests, answers : text streams
    clock : Clock
    """

    def __init__(self, light: LightSource, requests: IO[str], answers: IO[str], clock: Clock) -> None:
        self._light, self._requests, self._answers, self._clock = light, requests, answers, clock
        # A simple queue may be filled by a signal handler while the main thread waits in it.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._silence_s: float | None = None
        self._lit = False
        self._owed = False
        """The light has to go off and did not confirm it: nothing else is done before it does."""
        self._problem = ""
        self._stepped_in = False

    def stop(self) -> None:
        """End as if the pipe had closed."""
        self._lines.put(None)

    def run(self) -> None:
        """Serve until the pipe closes, then leave the light source dark."""
        threading.Thread(target=self._listen, name="app-guardian-pipe", daemon=True).start()
        try:
            self._serve()
        finally:
            self._go_dark(TRIES)
            self._light.close()

    def _listen(self) -> None:
        try:
            for line in self._requests:
                self._lines.put(line)
        except (OSError, ValueError) as error:
            _log.info("pipe: %r", error)
        self._lines.put(None)

    def _serve(self) -> None:
        while True:
            try:
                line = self._lines.get(timeout=PAUSE_S if self._owed else self._silence_s if self._lit else None)
            except queue.Empty:
                if not self._owed:
                    _log.warning("the app has been silent; switching the light off")
                    self._stepped_in = self._owed = True
                self._go_dark(1)
                continue
            if line is None:
                return
            answer = self._answer(line)
            try:
                self._answers.write(json.dumps(answer) + "\n")
                self._answers.flush()
            except (OSError, ValueError):
                return  # nobody listens any more
            if "closed" in answer:
                return

    def _go_dark(self, tries: int) -> None:
        """Switch off until it is confirmed; a light source that was never lit needs nothing."""
        for attempt in range(tries if self._lit else 0):
            if attempt:
                self._clock.sleep(PAUSE_S)
            try:
                self._light.open()  # again, should the port have died
                self._light.off()
            except Exception as error:  # noqa: BLE001 - nobody else can switch it off: no mistake may end the tries
                self._problem = str(error)
                _log.critical("%s", error)
                self._light.close()
            else:
                self._lit = self._owed = False
                return

    def _answer(self, line: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if self._owed:
                self._settle(request)
            return self._do(request)
        except DapiscopeError as error:
            # It may be on, and nobody else will see to it should the app say nothing more.
            self._owed = self._owed or (self._lit and isinstance(error, LightStuckError | LightGoneError))
            return {"error": type(error).__name__, "text": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            return {"error": "LightError", "text": f"The light's guardian did not understand a request ({error})."}

    def _settle(self, request: dict[str, Any]) -> None:
        """Try what is owed before `request` is looked at; a light that is asked for on top of it does not come on."""
        self._go_dark(1)
        if request["do"] == "close":
            return  # it has tries of its own
        if self._owed:
            said = (
                self._problem
                if self._problem.startswith("THE LIGHT")
                else f"THE LIGHT MAY STILL BE ON: {self._problem}"
            )
            raise LightStuckError(said)
        if request["do"] == "set" and request["line"] is not None:
            raise LightError("The light's guardian has just switched it off; see why, then switch it on again.")

    def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        match request["do"]:
            case "open":
                try:
                    self._light.open()
                except LightStuckError:
                    self._lit = True  # somebody left it on; from here on that is ours to end
                    raise
                self._lit = False
                return {"info": asdict(self._light.info)}
            case "set":
                self._lit = True
                self._stepped_in = False
                reading = self._light.set(request["line"], request["level"])
                self._lit = not reading.dark
                return {"reading": asdict(reading)}
            case "read":
                reading = self._light.read()
                told = ("its guardian switched it off after a silence of the program",) if self._stepped_in else ()
                return {"reading": asdict(replace(reading, faults=reading.faults + told))}
            case "silence":
                self._silence_s = request["ms"] / 1000 or None
                return {"done": True}
            case "close":
                self._go_dark(3)
                self._light.close()
                return {"closed": not self._lit}
            case other:
                raise LightError(f"The light's guardian knows no {other!r}; this is a mistake in dapiscope.")


def main(arguments: list[str]) -> None:
    """Be the guardian of the light source ``arguments = [driver, url, light id]``; talks over stdin and stdout."""
    from app.hardware.light_discovery import driver_at

    kind, url, light_id = arguments
    clock = SystemClock()
    guardian = Guardian(driver_at(kind, url, clock=clock, light_id=light_id), sys.stdin, sys.stdout, clock)

    def stop(number: int, frame: FrameType | None) -> None:
        guardian.stop()

    # Ctrl-C is for the app; it will close the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    guardian.run()


# The app's side.


class GuardedLight(LightSource):
    """A light source that is held by a guardian process.

    Its `info` says ``has_watchdog=False``, and `set_watchdog` returns False: the box itself has none, and a pulled
    cable is not covered. The guardian keeps the time all the same.

    Parameters
    ----------
    kind : str
        Name of the driver, see `app.hardware.light_discovery.KINDS`.
    url : str
        The port.
    clock : Clock, optional
        Only its sleep is used; moments come from the guardian, which shares the machine's monotonic clock.
    light_id : str, optional
    """

    def __init__(self, kind: str, url: str, *, clock: Clock | None = None, light_id: str | None = None) -> None:
        self._kind, self._url, self._id = kind, url, light_id or url
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._process: subprocess.Popen[str] | None = None
        self._answers: queue.Queue[str | None] = queue.Queue()
        self._info: LightInfo | None = None
        self._lit = False

    @property
    def info(self) -> LightInfo:
        """Who the light source is; known once open."""
        if self._info is None:
            raise LightError(f"The light source at {self._id} is not open; open it first.")
        return self._info

    @property
    def process_id(self) -> int | None:
        """The guardian's process, while there is one."""
        return None if self._process is None else self._process.pid

    def open(self) -> None:
        """Start the guardian and have it open the light source; idempotent."""
        with self._lock:
            if self._info is not None and self._process is not None and self._process.poll() is None:
                return
            self._end(0.0)
            self._start()
            try:
                told = self._ask({"do": "open"}, START_S)["info"]
            except BaseException:
                self._end(5.0)
                raise
            self._info = LightInfo(**{**told, "line_names": tuple(told["line_names"])})

    def _start(self) -> None:
        # A bundled program has no interpreter to hand a module to: it starts itself with a command of its own.
        frozen = getattr(sys, "frozen", False)
        program = [sys.executable, *(["light-guardian"] if frozen else ["-m", "app.hardware.guardian"])]
        root = str(Path(__file__).parent.parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [*program, self._kind, self._url, self._id],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # What ends the app's terminal or group must not end its guardian.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._answers = queue.Queue()
        threading.Thread(target=_pump, args=(self._process, self._answers), name="app-guardian", daemon=True).start()

    def _ask(self, request: dict[str, Any], timeout_s: float = ANSWER_S) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None:
            raise LightGoneError(f"The light source at {self._id} is not connected; connect it and open it again.")
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = self._answers.get(timeout=timeout_s)
        except (OSError, ValueError, queue.Empty):
            line = None
        if line is None:
            self._end(0.0)
            raise LightGoneError(
                f"The guardian of the light source at {self._id} is gone; check that the light is off, then connect"
                " again."
            )
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            kind = getattr(errors, answer["error"], LightError)
            raise (kind if issubclass(kind, LightError) else LightError)(answer["text"])
        return answer

    def _reading(self, request: dict[str, Any]) -> LightReading:
        with self._lock:
            self.info  # noqa: B018 -- raises when not open
            told = self._ask(request)["reading"]
            told = {**told, "levels": tuple(told["levels"]), "faults": tuple(told["faults"])}
            reading = LightReading(**told)
            self._lit = not reading.dark
            return reading

    def set(self, line: int | None, level: float = 0.0) -> LightReading:
        """Make one line shine and every other dark; see `LightSource.set`."""
        with self._lock:
            self.info  # noqa: B018 -- raises when not open
            if line is None:
                return self._reading({"do": "set", "line": None, "level": 0.0})
            try:
                request = {"do": "set", "line": int(line), "level": float(level)}
            except (TypeError, ValueError) as error:
                raise errors.LightRangeError(
                    f"A light is a line number and a level between 0 and 1, not {line!r} and {level!r}."
                ) from error
            self._lit = True
            return self._reading(request)

    def read(self) -> LightReading:
        """Ask the box what shines now."""
        return self._reading({"do": "read"})

    def set_watchdog(self, timeout_ms: int) -> bool:
        """Have the guardian switch off after that silence; returns False, as the box itself would not."""
        with self._lock:
            self.info  # noqa: B018 -- raises when not open
            if timeout_ms < 0:
                raise errors.LightRangeError(f"The watchdog takes 0 or more ms, not {timeout_ms}.")
            self._ask({"do": "silence", "ms": timeout_ms})
            return False

    def close(self) -> None:
        """Have the guardian switch off, confirm and end; idempotent; never raises."""
        with self._lock:
            if self._process is None:
                if self._lit:
                    _log.critical("THE LIGHT MAY STILL BE ON at %s: its guardian is gone", self._id)
                self._info, self._lit = None, False
                return
            try:
                dark = bool(self._ask({"do": "close"})["closed"])
            except (LightError, KeyError, ValueError) as error:
                dark = not self._lit
                _log.warning("guardian of %s: %s", self._id, error)
            if not dark:
                _log.critical("THE LIGHT MAY STILL BE ON at %s; its guardian keeps trying", self._id)
            self._info, self._lit = None, False
            self._end(10.0 if dark else 0.0)

    def _end(self, wait_s: float) -> None:
        """Close the pipe: the guardian goes dark and ends by itself; it is never killed, it may have work to do."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            if process.stdin is not None:
                process.stdin.close()
        except OSError as error:  # what was not sent yet cannot be sent any more
            _log.debug("closing the pipe: %r", error)
        if wait_s:
            try:
                process.wait(wait_s)
            except subprocess.TimeoutExpired:
                _log.warning("the guardian of %s still works", self._id)


def _pump(process: "subprocess.Popen[str]", answers: "queue.Queue[str | None]") -> None:
    if process.stdout is not None:
        with process.stdout as stream:
            for line in stream:
                answers.put(line)
    answers.put(None)
    process.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
