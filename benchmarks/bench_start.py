"""How long until the first nuclei are on the screen, and whether starting and stopping leaves anything behind.

    python -m benchmarks.bench_start [--starts 5] [--cycles 100] [--json FILE]

A start is a fresh process: from the moment the shell would have called ``dapiscope live`` until the window has painted
its first picture with nuclei outlined. A cycle is live imaging started, run until the first count, and stopped.
"""

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from app.build import make_session
from app.events import ResultReady
from app.settings import Settings
from benchmarks.machine import machine

CHILD = """
import sys, time
began = float(sys.argv[1])
moments = {"interpreter": time.time() - began}
from app.commands.options import settings_of
from app.commands.window import show_window
moments["command line"] = time.time() - began
import app.gui.composer as composer
moments["window's imports"] = time.time() - began
paint = composer.compose
def watched(*args):
    done = paint(*args)
    moments.setdefault("first picture", time.time() - began)
    if done.result is not None and "first overlay" not in moments:
        moments["first overlay"] = time.time() - began
        from PySide6.QtCore import QMetaObject, QCoreApplication, Qt
        import os, json
        print(json.dumps(moments), flush=True)
        os.kill(os.getpid(), 15)
    return done
composer.compose = watched
from app.settings import Settings
sys.argv = ["dapiscope"]
show_window(Settings(), start_live=True)
"""


def start_once() -> dict[str, float]:
    """Return the moments of one start in seconds since it was asked for."""
    env = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(time.time())], env=env, capture_output=True, text=True, timeout=60
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise SystemExit(f"no overlay came: {done.stderr[-2000:]}")
    moments: dict[str, float] = json.loads(lines[0])
    return moments


def starts(count: int) -> dict[str, float]:
    """Return the median moments of `count` warm starts; one before them warms the disk's cache."""
    start_once()
    runs = [start_once() for _ in range(count)]
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return {**medians, "slowest": max(run["first overlay"] for run in runs)}


def footprint() -> dict[str, float]:
    """Return memory, threads and open files of this process."""
    gc.collect()
    process = psutil.Process()
    files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
    return {"memory_mb": process.memory_info().rss / 1e6, "threads": threading.active_count(), "files": files}


def cycles(count: int, warm: int = 50) -> dict[str, Any]:
    """Return what `count` starts and stops of live imaging left behind, after `warm` more."""
    session = make_session(Settings())
    counted = threading.Event()
    session.subscribe(lambda event: counted.set() if isinstance(event, ResultReady) else None)
    before: dict[str, float] = {}
    marks = []
    for number in range(warm + count):
        counted.clear()
        session.start_live().result(20)
        if not counted.wait(10):
            raise SystemExit(f"nothing was counted in cycle {number}")
        session.stop_live().result(20)
        if number + 1 == warm:
            before = footprint()
        if number + 1 in (warm + count // 2, warm + count):
            marks.append(footprint())
    dark = session.close()
    closed = footprint()
    growth = {name: marks[-1][name] - before[name] for name in before}
    return {
        "cycles": count,
        "before": before,
        "half": marks[0],
        "after": marks[-1],
        "growth": growth,
        "closed": closed,
        "dark": dark,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Start-up time, and what starting and stopping leaves behind.")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--cycles", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    print(machine())
    result: dict[str, Any] = {"machine": machine()}
    if options.starts:
        result["start_s"] = starts(options.starts)
        for name, value in result["start_s"].items():
            print(f"  {name:<20} {value:6.2f} s")
    if options.cycles:
        result["cycles"] = cycles(options.cycles)
        for name, value in result["cycles"].items():
            print(f"  {name:<20} {value}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
