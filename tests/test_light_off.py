"""A box in a process of its own, and a program that ends: the box has seen every light off, and wrote it down.

All the ways to end are tried in test_faults_process.py, on a box inside the test.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.skipif(os.name == "nt", reason="pseudo-terminals are a POSIX thing")

WINDOW = """
import sys
import time
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication
from app.build import make_session
from app.gui.application import run_window
from app.settings import CameraSettings, Settings

port, ini, how = sys.argv[1:]
session = make_session(Settings(light_id=port, camera=CameraSettings(fps=8)))


def boom():
    raise RuntimeError("a slot broke")


def end():
    if how == "slot":
        boom()
    elif how == "close":
        for widget in QApplication.topLevelWidgets():
            if widget.isVisible():
                widget.close()


def begin():
    session.start_live()
    timer = QTimer(QApplication.instance())
    timer.setInterval(50)

    def look():
        if session.last_result is not None:
            timer.stop()
            print("lit", time.monotonic(), flush=True)
            end()

    timer.timeout.connect(look)
    timer.start()


code = run_window(session, begin=begin, store=QSettings(ini, QSettings.Format.IniFormat))
print("ended", code, flush=True)
sys.exit(code)
"""


@contextmanager
def led_simulator(log):
    """Run `dapiscope led-simulator` as a process of its own; give the port's path."""
    command = [sys.executable, "-m", "app", "led-simulator", "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0


def changes(log):
    """Every change of the light that the box saw, as its levels."""
    return [json.loads(line)["levels"] for line in log.read_text().splitlines()] if log.exists() else []


def wait_until(condition, seconds=40.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def was_lit_and_is_dark(log):
    seen = changes(log)
    return any(map(any, seen)) and not any(seen[-1])


def headless(port):
    command = [sys.executable, "-m", "app", "live", "--headless", "--fps", "8", "--light", port]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_a_killed_run_goes_dark_by_the_watchdog_of_the_box(tmp_path):
    log = tmp_path / "light.jsonl"
    with led_simulator(log) as port:
        with headless(port) as process:
            wait_until(lambda: any(map(any, changes(log))))
            process.kill()
            process.wait(30)
        wait_until(lambda: was_lit_and_is_dark(log), 10)


def test_sigterm_closes_the_window_with_the_light_off(tmp_path):
    log = tmp_path / "light.jsonl"
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    with led_simulator(log) as port:
        command = [sys.executable, str(script), port, str(tmp_path / "window.ini"), "signal"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
            try:
                assert process.stdout.readline().startswith("lit")
                process.send_signal(signal.SIGTERM)
                assert process.wait(30) == 0
            finally:
                process.kill()
        assert was_lit_and_is_dark(log)
