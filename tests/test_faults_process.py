"""Faults of the whole program: killed, stopped, hung up, seen from the LED box at the other end of a real port."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from fault_rig import StubCounter, note, plain, rig
from test_light_off import WINDOW

from app.desks import unfinished_notice
from app.events import LightSeen, Notice, State
from app.hardware.guardian import GuardedLight
from app.hardware.led_box import LedBox
from app.hardware.light_discovery import light_at
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_simulator import serve_pty
from app.recording import find_unfinished, open_replay, recover

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs pseudo-terminals and signals")

SMALL = """
import sys
sys.path.insert(0, "tests")
from pathlib import Path
from fault_rig import Rig
from app.hardware.light_discovery import light_at
made = Rig(Path(sys.argv[2]), light=lambda: light_at(sys.argv[1]))
made.session.start_live(record_to=made.folder, record_frames=100000).result(60)
print("live", flush=True)
made.session.finished.wait()
print("said:", made.sentence("error"), flush=True)
made.close()
"""


def wait_until(condition, seconds=50.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def lit(box):
    return any(box.levels_at(time.monotonic()))


def dark_after(box, struck_s):
    wait_until(lambda: not lit(box))
    changes = box.changes_between(struck_s, time.monotonic())
    return changes[-1][0] - struck_s if changes else 0.0


@contextmanager
def headless(port, folder, *more):
    command = [sys.executable, "-m", "app", "live", "--headless", "--fps", "8", "--light", port]
    with subprocess.Popen(
        [*command, "--out", str(folder), *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def small(port, folder):
    with subprocess.Popen(
        [sys.executable, "-c", SMALL, port, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout.readline().strip() == "live"
            yield process
        finally:
            process.kill()


def acknowledged(folder):
    """Frames whose line is in the journal: those were told to be safe."""
    lines = (line for path in folder.glob("*.frames.jsonl") for line in path.read_bytes().splitlines(keepends=True))
    return sum(line.startswith(b'{"offset"') and line.endswith(b"\n") for line in lines)


def kept(folder, promised):
    for found in find_unfinished(folder):
        recover(found.path)
    with open_replay(next(folder.glob("*.ome.tif"))) as replay:
        frames = sum(1 for _ in replay.frames())
        assert frames == replay.length >= promised
    return f"all {promised} acknowledged frames, {frames} in all"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal(tmp_path, number):
    box = LedBox()
    account = tmp_path / "run.json"
    with serve_pty(box) as server, headless(server.path, tmp_path, "--json", str(account)) as process:
        wait_until(lambda: lit(box) and acknowledged(tmp_path) > 1)
        promised, struck_s = acknowledged(tmp_path), time.monotonic()
        process.send_signal(number)
        dark_s = dark_after(box, struck_s)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0 and "recorded" in said and not lit(box)
        assert json.loads(account.read_text())["light"]["confirmed_off"]
        note(f"{number.name} without a window", "The account of the run.", kept(tmp_path, promised), dark_s)


@pytest.mark.parametrize(
    ("make", "limit", "what"), [(LedBox, "watchdog", "box with a watchdog"), (MightexBox, "guardian", "Mightex")]
)
def test_kill_9(tmp_path, make, limit, what):
    box = make()
    with serve_pty(box) as server, small(server.path, tmp_path) as process:
        wait_until(lambda: lit(box) and acknowledged(tmp_path) > 1)
        promised, struck_s = acknowledged(tmp_path), time.monotonic()
        process.kill()
        dark_s = dark_after(box, struck_s)
        process.communicate(timeout=30)
        sees = "At the next start: " + plain(unfinished_notice(tmp_path).text)
        note(f"kill -9, {what}", sees, kept(tmp_path, promised), dark_s, limit)


@pytest.mark.parametrize(
    ("make", "limit", "what"), [(LedBox, "watchdog", "box with a watchdog"), (MightexBox, "guardian", "Mightex")]
)
def test_the_program_stands_still(tmp_path, make, limit, what):
    """As in a suspended computer or a debugger: it neither dies nor does anything."""
    box = make()
    with serve_pty(box) as server, small(server.path, tmp_path) as process:
        wait_until(lambda: lit(box) and acknowledged(tmp_path) > 1)
        promised, struck_s = acknowledged(tmp_path), time.monotonic()
        process.send_signal(signal.SIGSTOP)
        dark_s = dark_after(box, struck_s)
        process.send_signal(signal.SIGCONT)
        said, _ = process.communicate(timeout=40)
        assert not lit(box)  # it woke, found the light off, and ended the run
        sees = "On waking up: " + plain(said.partition("said: ")[2].strip())
        note(f"program stands still (suspend), {what}", sees, kept(tmp_path, promised), dark_s, limit)


def test_the_guardian_is_killed(tmp_path):
    box = MightexBox()
    with serve_pty(box) as server:
        light = GuardedLight("mightex", server.path)
        with rig(tmp_path, box=box, light=lambda: light) as made:
            made.run_lit()
            made.strike(lambda: os.kill(light.process_id, signal.SIGKILL))
            dark_s = made.dark_after()
            sees = made.failed()
            made.confirmed_dark()
            note("guardian killed with kill -9", sees, made.kept(), dark_s, "guardian")


def test_the_cable_of_a_box_without_watchdog_is_pulled(tmp_path):
    box = MightexBox()
    with serve_pty(box) as server, rig(tmp_path, box=box, light=lambda: light_at(server.path)) as made:
        made.run_lit()
        guardian = made.session._bench._keeper._light._light._process
        made.strike(server.pull_cable)
        sees = made.failed()
        assert "check" in sees and lit(box)
        assert not made.of(LightSeen)[-1].known
        keeps = made.kept()
        assert not made.session.close()  # it does not claim that it is dark
        guardian.terminate()
        guardian.kill()
        guardian.wait()
        note("cable pulled from a box without watchdog (Mightex)", sees, keeps, float("inf"), "impossible")


def test_the_cable_of_the_home_built_box_is_pulled(tmp_path):
    box = LedBox()
    with serve_pty(box) as server, rig(tmp_path, box=box, light=lambda: light_at(server.path)) as made:
        made.run_lit()
        made.strike(server.pull_cable)
        wait_until(lambda: not made.of(LightSeen)[-1].known)
        sees, keeps = made.failed(), made.kept()
        dark_s = made.dark_after()  # nobody is left to ask: the box's own watchdog
        note("USB cable pulled from the home-built box", sees, keeps, dark_s, "watchdog")


@pytest.mark.parametrize("how", ["slot", "close", "signal"])
def test_the_window(tmp_path, how):
    box = LedBox()
    script = tmp_path / "window.py"
    script.write_text(WINDOW)
    command = [sys.executable, str(script)]
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(Path.cwd())}
    with (
        serve_pty(box) as server,
        subprocess.Popen(
            [*command, server.path, str(tmp_path / "window.ini"), how],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process,
    ):
        try:
            word, moment = process.stdout.readline().split()
            assert word == "lit"
            struck_s = float(moment)
            if how == "signal":
                struck_s = time.monotonic()
                process.send_signal(signal.SIGTERM)
            dark_s = dark_after(box, struck_s)
            if how == "slot":
                assert process.poll() is None
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=30)
            assert process.returncode == 0 and not lit(box)
            assert any(any(levels) for _, levels in box.changes_between(0, time.monotonic()))
        finally:
            process.kill()
    name, sees = {
        "slot": (
            "exception in a slot of the window",
            "Something unexpected went wrong (RuntimeError, a slot broke): the light is being switched off; see the"
            " log.",
        ),
        "close": ("window closed while live", "The window closes once the light is confirmed off."),
        "signal": ("SIGTERM to the window", "The window closes once the light is confirmed off."),
    }[how]
    note(name, sees, "nothing was recorded", dark_s)


def test_the_next_start_offers_recovery(tmp_path):
    with rig(tmp_path / "first", counter=StubCounter()) as made:
        made.run_lit()
        crashed = tmp_path / "again"
        crashed.mkdir()
        for path in made.folder.iterdir():
            (crashed / path.name).write_bytes(path.read_bytes())
        made.session.stop_live().result(20)
    with rig(crashed) as made:
        made.run_lit()
        offered = [notice for notice in made.of(Notice) if "dapiscope recover" in notice.text]
        assert len(offered) == 1 and offered[0].level == "warning"
        made.session.stop_live().result(20)
        assert made.session.state is State.IDLE
    done = subprocess.run(
        [sys.executable, "-m", "app", "recover", str(crashed)], capture_output=True, text=True, check=True, timeout=50
    )
    assert "frames recovered" in done.stdout
    assert not find_unfinished(crashed)
    nothing = subprocess.run(
        [sys.executable, "-m", "app", "recover", str(crashed), str(crashed / "no.ome.tif")],
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )
    assert nothing.returncode == 1 and "no.ome.tif does not exist" in nothing.stderr
    assert threading.active_count() < 20
