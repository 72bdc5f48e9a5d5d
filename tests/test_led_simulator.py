"""The simulated box as a program of its own, and other people's drivers on it."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
import serial

from app.errors import UsageError
from app.hardware import serial_simulator
from app.hardware.led_box import LedBox
from app.hardware.light_discovery import light_at
from app.hardware.serial_simulator import serve_pty, simulated_light

needs_pty = pytest.mark.skipif(os.name != "posix", reason="this system has no pseudo-terminals")

PROGRAM = """
import sys
from pathlib import Path
from app.hardware.serial_simulator import run_simulator
run_simulator(sys.argv[1], int(sys.argv[2]) if sys.argv[2] else None, Path(sys.argv[3]) if sys.argv[3] else None)
"""


@contextmanager
def running(model: str = "dapiscope LED4", tcp: str = "", log: Path | str = ""):
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, model, tcp, str(log)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    try:
        yield program, program.stdout.readline().strip()
    finally:
        program.kill()
        program.communicate()


@needs_pty
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_port_first_and_ends_well_when_interrupted(number, tmp_path):
    log = tmp_path / "light.jsonl"
    with running(log=log) as (program, path):
        with light_at(path) as light:
            assert light.info.simulated
            light.set(1, 0.5)
        program.send_signal(number)
        _, told = program.communicate(timeout=20)
        assert program.returncode == 0
    assert "488 at 50.0% (command)" in told
    assert "all dark (command)" in told
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["levels"] for line in lines] == [[0, 0.5, 0, 0], [0, 0, 0, 0]]
    assert lines[0]["unix_s"] <= lines[1]["unix_s"]


def test_it_serves_over_tcp():
    with running(tcp="0") as (_, url):
        assert url.startswith("socket://")
        with light_at(url) as light:
            assert light.set(3, 1.0).levels == (0, 0, 0, 1)


@needs_pty
def test_the_watchdog_of_a_program_that_died_strikes_in_real_time(tmp_path):
    log = tmp_path / "light.jsonl"
    with running(log=log) as (program, path):
        light = light_at(path)
        light.open()
        light.set_watchdog(150)
        light.set(0, 1.0)
        light._light._port.close()  # as a killed program would
        for told in program.stderr:
            if "dark" in told:
                break
        assert "watchdog" in told
    assert json.loads(log.read_text().splitlines()[-1])["cause"] == "watchdog"


@needs_pty
def test_any_serial_program_can_talk_to_it():
    with serve_pty(LedBox()) as server, serial.Serial(server.path, 115200, timeout=1) as line:
        line.write(b"GET VER\nSET CHINT 2 500\nSET CH 2 1\nGET MULCHACT\nGET WDT\nGET WDTSTAT\nBOGUS\n")
        answers = [line.readline() for _ in range(7)]
    assert answers[1:] == [
        b"A CHINT\r\n", b"A CH\r\n", b"A MULCHACT 0 0 1 0\r\n", b"A WDT 0\r\n", b"A WDTSTAT 0 0\r\n",
        b"E UNKNOWNCMD\r\n",
    ]  # fmt: skip


def test_a_system_without_ptys_says_what_to_do(monkeypatch):
    monkeypatch.setattr(serial_simulator.os, "name", "nt")
    with pytest.raises(UsageError, match="--tcp"), serve_pty(LedBox()):
        pass


def test_the_simulated_light_says_so_and_knows_the_truth():
    light, box = simulated_light()
    with light:
        reading = light.set(0, 0.25)
        assert light.info.id == "sim"
        assert light.info.title.endswith("(simulated)") or "SIM" in light.info.title
        assert box.levels_at(reading.confirmed_s) == reading.levels
        assert box.changes_between(reading.asked_s - 1, reading.asked_s) == []
        assert len(box.changes_between(reading.asked_s, reading.confirmed_s)) == 1
    assert box.levels_at(box.clock.monotonic()) == (0, 0, 0, 0)


# python-microscope, unmodified, from an interpreter of its own (it is GPL and no dependency of ours).

THEIRS = os.environ.get("DAPISCOPE_MICROSCOPE_PYTHON", "")

LUMENCOR = """
import sys
from microscope.controllers.lumencor import SpectraIIILightEngine
engine = SpectraIIILightEngine(sys.argv[1])
print("devices", list(engine.devices))
for name, light in engine.devices.items():
    light.power = 0.25
    light.enable()
    print(name, "on", light.get_is_on(), light.power)
    light.disable()
    print(name, "off", light.get_is_on())
engine.shutdown()
"""


COOLLED = """
import sys
from microscope.controllers.coolled import CoolLED
controller = CoolLED(sys.argv[1])
print("devices", list(controller.devices))
for name, light in controller.devices.items():
    light.power = 0.4
    light.enable()
    print(name, "on", light.get_is_on(), light.power)
    light.disable()
    print(name, "off", light.get_is_on())
controller.shutdown()
"""


def has_microscope() -> bool:
    if not THEIRS:
        return False
    return subprocess.run([THEIRS, "-c", "import microscope"], capture_output=True, check=False).returncode == 0


needs_microscope = pytest.mark.skipif(
    not has_microscope(), reason="DAPISCOPE_MICROSCOPE_PYTHON names no interpreter that has python-microscope"
)


def drive(script: str, path: str) -> str:
    done = subprocess.run([THEIRS, "-c", script, path], capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_pty
@needs_microscope
def test_python_microscope_drives_the_lumencor_simulator(tmp_path):
    log = tmp_path / "light.jsonl"
    with running("Spectra III", log=log) as (_, path):
        told = drive(LUMENCOR, path)
    assert "devices ['405', '488', '532', '633']" in told
    for line, name in enumerate(("405", "488", "532", "633")):
        assert f"{name} on True 0.25\n{name} off False" in told
        levels = [json.loads(row)["levels"] for row in log.read_text().splitlines()]
        assert levels[2 * line] == [0.25 if index == line else 0 for index in range(4)]
        assert levels[2 * line + 1] == [0, 0, 0, 0]


@needs_pty
@needs_microscope
def test_python_microscope_drives_the_coolled_simulator(tmp_path):
    log = tmp_path / "light.jsonl"
    with running("CoolLED pE-4000", log=log) as (_, path):
        told = drive(COOLLED, path)
    assert "devices ['A', 'B', 'C', 'D']" in told
    for name in "ABCD":
        assert f"{name} on True 0.4\n{name} off False" in told
    levels = [json.loads(row)["levels"] for row in log.read_text().splitlines()]
    assert levels[::2] == [[0.4 if index == line else 0 for index in range(4)] for line in range(4)]
    assert levels[1::2] == [[0, 0, 0, 0]] * 4
