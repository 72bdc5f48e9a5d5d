"""All benchmarks in one run, what ``make bench`` does.

    python -m benchmarks [--only NAME …] [--rounds 30] [--seconds 20] [--folder DIR] [--json FILE]

Prints a table a part and writes everything as JSON (bench.json in the temporary folder unless told otherwise). The
parts: stages (each alone), counting (against the paper's network and a naive path), writer (against plain writing),
start (time to the first overlay; what starting and stopping leaves), live (the whole path under the window).
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from app.build import make_session, share_the_cores
from app.inference.model_card import load_model
from app.inference.trial import measured_way
from app.settings import Settings
from benchmarks import bench_inference, bench_stages, bench_start, bench_writer
from benchmarks.bench_live import Drift, in_window
from benchmarks.machine import machine

PARTS = ("stages", "counting", "writer", "start", "live")


def writer(folder: Path | None, frames: int, rounds: int = 2) -> dict[str, float]:
    """Return MB/s of the recorder and of plain writing, taking turns, and their ratio."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, bench_writer.SHAPE, dtype=np.uint8) for _ in range(4)]
    rates: dict[str, list[float]] = {"plain": [], "recorder": []}
    with tempfile.TemporaryDirectory(prefix="bench-writer-", dir=folder) as name:
        for _ in range(rounds):
            rates["plain"].append(bench_writer.plain(Path(name), images, frames)[0] / 1e6)
            rates["recorder"].append(bench_writer.recorded(Path(name), images, frames)[0] / 1e6)
    result = {f"{kind}_mb_per_s": statistics.median(values) for kind, values in rates.items()}
    return {**result, "ratio": result["recorder_mb_per_s"] / result["plain_mb_per_s"]}


def live(seconds: float) -> dict[str, Any]:
    """Return the account of live imaging under the window: rates, latency, gaps of its loop, drift, cores."""
    session = make_session(Settings())
    drift, process, began = Drift(), psutil.Process(), time.monotonic()
    before = process.cpu_times()
    account, gaps = in_window(session, seconds, None)
    after, spent = process.cpu_times(), time.monotonic() - began
    cores = (after.user + after.system - before.user - before.system) / spent
    wanted = ("frames", "fps", "latency_ms", "count", "truth", "error")
    chosen = {name: account[name] for name in wanted}
    return {**chosen, "event_loop": gaps, "drift": drift.stop(), "cores": round(cores, 2)}


def show(figures: dict[str, Any], indent: str = "  ") -> None:
    """Print a dictionary, a line an entry."""
    for name, value in figures.items():
        text = f"{value:.3g}" if isinstance(value, float) else str(value)
        print(f"{indent}{name:<22} {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description="All benchmarks in one run.")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--folder", type=Path, help="Disk to write to.")
    parser.add_argument("--json", type=Path, default=Path(tempfile.gettempdir()) / "bench.json")
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    share_the_cores()
    way = measured_way(load_model("fast"))
    threads = way.way.threads
    result: dict[str, Any] = {"machine": machine(), "date": time.strftime("%Y-%m-%d"), "way": str(way.way)}
    print(f"{result['date']}  {result['machine']}\nthe network runs best as {way.way}; OpenCV {cv2.getNumThreads()}")
    parts: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
        "stages": (lambda: bench_stages.run(options.rounds, threads, options.folder), bench_stages.show),
        "counting": (lambda: bench_inference.run(options.rounds, threads), bench_inference.show),
        "writer": (lambda: writer(options.folder, 100), show),
        "start": (
            lambda: {**bench_start.starts(3), **bench_start.cycles(options.cycles, warm=20)["growth"]},
            show,
        ),
        "live": (lambda: live(options.seconds), show),
    }
    for name in PARTS:
        if name in options.only:
            run, tell = parts[name]
            print(f"\n{name}")
            result[name] = run()
            tell(result[name])
    options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\nall figures: {options.json}")


if __name__ == "__main__":
    main()
