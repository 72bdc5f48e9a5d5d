"""The firmware: its portable part on this machine, and the real binary on a simulated ATmega328P.

The light contract itself runs over the real binary in test_light_contract.py.
"""

import math
import os
import random
import shutil
import subprocess
import time

import pytest
import serial
from avr_board import FIRMWARE, AvrBoard

from app.errors import LightError
from app.hardware.light_discovery import DiscoveredLight, identify_light
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_port import SerialPort

DARK = (0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def board():
    made = AvrBoard(relay=False)
    yield made
    made.close()


@pytest.fixture
def light(board):
    made = LumencorLight(SerialPort(board.path))
    made.open()
    yield made
    made.close()


@pytest.mark.skipif(shutil.which("g++") is None or shutil.which("make") is None, reason="no g++ and make here")
def test_the_portable_part_passes_its_own_tests(tmp_path):
    done = subprocess.run(
        ["make", "-C", str(FIRMWARE), f"BUILD={tmp_path}", "test"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 checks failed" in done.stdout


def test_the_board_says_who_it_is(board, light):
    assert light.info.model == "dapiscope LED4"
    assert light.info.line_names == ("405", "488", "532", "633")
    assert light.info.has_watchdog
    assert not light.info.simulated


def test_it_is_found_and_held_without_a_guardian(board):
    found = identify_light(board.path, boot_s=4.0)
    assert found is not None
    assert (found.driver, found.has_watchdog) == ("lumencor", True)
    assert board.changes_between(-math.inf, math.inf) == []
    with DiscoveredLight(board.path) as light:
        assert isinstance(light._light, LumencorLight)


def test_the_leds_are_dimmed_faster_than_a_rolling_shutter_sees(board, light):
    board.tell("timers")
    board.tick()
    first_a, first_b, second_a, second_b = board.timers
    for control_a, control_b in ((first_a, first_b), (second_a, second_b)):
        assert control_a & 0b11 == 1  # phase correct, up to 255 and down again
        assert control_b & 0b11111 == 1  # the undivided clock
    assert 16_000_000 / 510 >= 20_000


def test_stopping_the_feed_is_dark_within_the_watchdogs_time(board, light):
    light.set(1, 0.5)
    assert light.set_watchdog(1500)
    for _ in range(18):
        time.sleep(0.1)
        assert light.read().levels[1] == pytest.approx(0.5, abs=0.01)
    asked_s = time.monotonic()
    light.read()
    fed_s = time.monotonic()
    board.wait_dark()
    dark_s, levels = board.changes_between(fed_s, math.inf)[-1]
    assert levels == DARK
    # The simulated board's clock runs late on a busy machine and then hurries to catch up.
    assert dark_s - asked_s >= 0.75
    assert "it went dark by itself" in light.read().faults


def test_a_killed_program_leaves_a_dark_board(board, light):
    light.set_watchdog(300)
    light.set(0, 1.0)
    light._port.close()  # what the system does for a program that was killed
    board.wait_dark()


def test_the_interlock_goes_dark_at_once_and_nothing_comes_back(board, light):
    light.set(3, 0.5)
    board.tell("open")
    board.wait_dark()
    assert "its safety lock is open" in light.read().faults
    with pytest.raises(LightError, match="safety lock is open"):
        light.set(3, 0.5)
    board.tell("close")
    board.tick()
    assert board.levels_at(math.inf) == DARK
    assert light.set(3, 0.5).levels[3] == pytest.approx(0.5, abs=0.01)


def test_a_reset_is_dark_and_the_driver_finds_the_board_again(board, light):
    light.set(2, 1.0)
    board.tell("reset")
    board.wait_dark()
    light._port.close()
    light.open()
    assert light.set(2, 0.25).levels == pytest.approx(board.levels_at(math.inf))


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_noise_on_the_line_lights_nothing(board):
    noise = random.Random(3)
    with serial.Serial(board.path, 115200, timeout=0.05) as line:
        for _ in range(100):
            line.write(noise.randbytes(60))
            line.read(1000)
        assert board.changes_between(-math.inf, math.inf) == []
        line.write(b"\n")
        line.reset_input_buffer()
        time.sleep(0.2)
        line.reset_input_buffer()
        line.write(b"GET MULCHACT\n")
        assert line.read_until(b"\n").endswith(b"A MULCHACT 0 0 0 0\r\n")


def test_a_flood_without_an_end_does_not_stop_the_watchdog(board, light):
    light.set(0, 1.0)
    light.set_watchdog(200)
    light._port.close()
    with serial.Serial(board.path, 115200, timeout=0.01, write_timeout=1) as line:
        end_s = time.monotonic() + 20
        while any(board.levels_at(math.inf)):
            assert time.monotonic() < end_s
            line.write(b"x" * 200)
            line.read(100)
