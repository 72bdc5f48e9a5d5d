"""The guardian switches off when the app's pipe closes, however the app ends."""

import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.clock import ManualClock
from app.errors import LightError, LightGoneError, LightRangeError, LightStuckError
from app.hardware.base import LightInfo, LightReading, LightSource
from app.hardware.guardian import GuardedLight, Guardian
from app.hardware.led_box import LedBox
from app.hardware.lumencor import LumencorLight
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_simulator import port_to, serve_pty

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")

DARK = (0.0, 0.0, 0.0, 0.0)
APP = """
import sys, time
from app.hardware.light_discovery import light_at
light = light_at(sys.argv[1])
light.open()
light.set_watchdog(int(sys.argv[2]))
light.set(1, 0.5)
print(light._light.process_id, flush=True)
time.sleep(600)
"""


def wait_until(check, seconds: float = 20.0) -> None:
    end_s = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


def start_app(path: str, silence_ms: int = 0) -> tuple[subprocess.Popen, int]:
    app = subprocess.Popen(
        [sys.executable, "-c", APP, path, str(silence_ms)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    return app, int(app.stdout.readline())


def gone(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return True
    # An orphan that nobody collects stays as a zombie; it runs no more.
    status = Path(f"/proc/{process_id}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("box_type", [lambda: LedBox("Spectra III"), MightexBox])
def test_kill_9_of_the_app_is_dark(box_type):
    with serve_pty(box_type()) as server:
        app, guardian = start_app(server.path)
        assert server.box.levels_at(math.inf)[1] == pytest.approx(0.5)
        os.kill(app.pid, signal.SIGKILL)
        app.communicate()
        wait_until(lambda: server.box.levels_at(math.inf) == DARK)
        wait_until(lambda: gone(guardian))


def test_an_app_that_hangs_is_dark_after_the_agreed_silence():
    with serve_pty(LedBox("Spectra III")) as server:
        app, guardian = start_app(server.path, silence_ms=300)
        wait_until(lambda: server.box.levels_at(math.inf) == DARK)
        app.kill()
        app.communicate()
        wait_until(lambda: gone(guardian))


def test_a_guardian_that_is_told_to_end_goes_dark_first():
    with serve_pty(LedBox("Spectra III")) as server:
        light = GuardedLight("lumencor", server.path)
        light.open()
        light.set(0, 1.0)
        process = light._process
        os.kill(light.process_id, signal.SIGTERM)
        process.wait(20)
        assert server.box.levels_at(math.inf) == DARK
        with pytest.raises(LightGoneError):
            light.read()
        light.open()
        assert light.set(1, 0.5).levels[1] == 0.5
        light.close()
        assert server.box.levels_at(math.inf) == DARK


def test_a_guardian_that_was_killed_is_told_and_replaced(caplog):
    with serve_pty(LedBox("Spectra III")) as server:
        light = GuardedLight("lumencor", server.path)
        light.open()
        light.set(0, 1.0)
        os.kill(light.process_id, signal.SIGKILL)
        with pytest.raises(LightGoneError, match="guardian"):
            light.read()
        light.close()
        assert "MAY STILL BE ON" in caplog.text
        light.open()
        assert server.box.levels_at(math.inf) == DARK
        light.close()


def test_the_contract_holds_through_the_guardian(caplog):
    with serve_pty(MightexBox()) as server:
        light = GuardedLight("mightex", server.path, light_id="mightex:port")
        with pytest.raises(LightError, match="open it first"):
            light.read()
        light.open()
        light.open()
        assert light.info.id == "mightex:port"
        assert light.info.simulated
        assert not light.info.has_watchdog
        before = time.monotonic()
        reading = light.set(3, 0.25)
        assert before <= reading.asked_s <= reading.confirmed_s <= time.monotonic()
        assert reading.levels == server.box.levels_at(math.inf) == light.read().levels
        for line, level in ((4, 0.5), (0, 2.0), (0, 0.0), ("x", 0.5)):
            with pytest.raises(LightRangeError):
                light.set(line, level)
        assert light.set_watchdog(60_000) is False
        with pytest.raises(LightRangeError):
            light.set_watchdog(-1)
        assert light.off().dark
        light.set(0, 1.0)
        server.pull_cable()
        with pytest.raises(LightGoneError, match="cable"):
            light.read()
        process = light._process
        light.close()
        light.close()
        assert "MAY STILL BE ON" in caplog.text
        process.terminate()
        process.kill()
        process.wait()


def test_a_wrong_port_is_one_sentence_through_the_guardian():
    with pytest.raises(LightError, match="plug the light source in"):
        GuardedLight("mightex", "/dev/no-such-port").open()


def served(*requests: object, light=None, fault=None) -> tuple[list[dict], LedBox]:
    """Run a guardian in this process over written requests; the pipe closes behind them."""
    box = LedBox("Spectra III", clock=ManualClock())
    answers = io.StringIO()
    lines = "".join((request if isinstance(request, str) else json.dumps(request)) + "\n" for request in requests)
    guardian = Guardian(LumencorLight(port_to(box)), io.StringIO(lines), answers, box.clock)
    if fault:
        fault(box)
    thread = threading.Thread(target=guardian.run)
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    return [json.loads(line) for line in answers.getvalue().splitlines()], box


def test_a_closed_pipe_is_dark():
    answers, box = served({"do": "open"}, {"do": "set", "line": 0, "level": 0.5})
    assert answers[1]["reading"]["levels"] == [0.5, 0, 0, 0]
    assert box.levels_at(math.inf) == DARK


@pytest.mark.parametrize(
    "request_",
    ["noise", "{}", "[]", "null", '{"do": "dance"}', '{"do": "set"}', '{"do": "set", "line": {}, "level": 1}'],
)
def test_requests_that_make_no_sense_are_answered_and_light_nothing(request_):
    answers, box = served({"do": "open"}, request_)
    assert "error" in answers[1]
    assert box.changes_between(-math.inf, math.inf) == []


class Stubborn(LightSource):
    """A light source that refuses the next `refusals` times to go dark, and is closed like a real one after that."""

    def __init__(self, refusals):
        self.refusals, self.is_open, self.levels = refusals, False, DARK
        self.refused, self.dark = threading.Event(), threading.Event()

    @property
    def info(self):
        return LightInfo("stub", "stub", "1", "1", 4, ("a", "b", "c", "d"), has_watchdog=False, simulated=True)

    def open(self):
        self.is_open = True

    def set(self, line, level=0.0):
        if not self.is_open:
            raise LightError("The light source is not open; open it first.")
        if line is None and self.refusals:
            self.refusals -= 1
            self.refused.set()
            raise LightStuckError("THE LIGHT MAY STILL BE ON at stub; cut its power now.")
        self.levels = tuple(level if index == line else 0.0 for index in range(4))
        if line is None:
            self.dark.set()
        return self.read()

    def read(self):
        if not self.is_open:
            raise LightError("The light source is not open; open it first.")
        return LightReading(self.levels, 0.0, 0.0)

    def set_watchdog(self, timeout_ms):
        return False

    def close(self):
        self.is_open = False


def guarded(light, requests):
    """Answers of a guardian to `requests`, a generator that may look at `light` in between."""
    answers = io.StringIO()
    lines = (json.dumps(request) + "\n" for request in requests)
    guardian = threading.Thread(target=Guardian(light, lines, answers, ManualClock()).run)
    guardian.start()
    guardian.join(20)
    assert not guardian.is_alive()
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def test_an_off_that_failed_is_tried_again_though_the_program_speaks(monkeypatch):
    monkeypatch.setattr("app.hardware.guardian.PAUSE_S", 60.0)  # of its own it would be too late
    light = Stubborn(refusals=3)
    dark_before_the_end = []

    def requests():
        yield {"do": "open"}
        yield {"do": "silence", "ms": 20}
        yield {"do": "set", "line": 0, "level": 0.5}
        assert light.refused.wait(20)  # the guardian has stepped in, in vain
        yield {"do": "read"}
        yield {"do": "set", "line": 0, "level": 0.5}
        yield {"do": "set", "line": 1, "level": 0.5}
        assert light.dark.wait(20)
        dark_before_the_end.append(light.levels)
        yield {"do": "read"}
        yield {"do": "close"}

    answers = guarded(light, requests())
    assert [answer.get("error") for answer in answers[3:6]] == ["LightStuckError", "LightStuckError", "LightError"]
    assert dark_before_the_end == [DARK]
    assert answers[6]["reading"]["levels"] == list(DARK) and "guardian" in answers[6]["reading"]["faults"][0]
    assert answers[7] == {"closed": True}


@pytest.mark.parametrize("first", ["silence", "refusal"])
def test_an_off_that_failed_is_tried_again_though_the_program_says_nothing(monkeypatch, first):
    monkeypatch.setattr("app.hardware.guardian.PAUSE_S", 0.01)
    light = Stubborn(refusals=4)

    def requests():
        yield {"do": "open"}
        if first == "silence":
            yield {"do": "silence", "ms": 20}
        yield {"do": "set", "line": 0, "level": 0.5}
        if first == "refusal":
            yield {"do": "set", "line": None, "level": 0.0}
        assert light.dark.wait(20), "it gave up"

    guarded(light, requests())
    assert light.refusals == 0 and light.levels == DARK


def test_it_keeps_trying_until_the_box_confirms():
    def stubborn(box):
        take, seen = box.faults.take, [0]

        def later(name):
            if name == "deaf":
                seen[0] += 1
                return 30 < seen[0] < 90
            return take(name)

        box.faults.take = later

    _, box = served({"do": "open"}, {"do": "set", "line": 0, "level": 0.5}, fault=stubborn)
    assert box.levels_at(math.inf) == DARK
