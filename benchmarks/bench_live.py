"""The whole path, as an operator runs it: camera, display, counting, window and recording at once.

    python -m benchmarks.bench_live [--seconds 60] [--window] [--record DIR] [--camera sim|pylon]
                                    [--nuclei 500 --pixel-um 0.35] [--flat-field] [--json FILE]

Prints rates, losses, latency, the longest gaps of the window's event loop, and the drift of memory, threads and open
files. Figures of a shared machine are noisy: read them beside the machine's line and the load at the start.
"""

import argparse
import functools
import json
import os
import sys
import tempfile
import threading
import time
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app import build
from app.build import make_session
from app.events import PictureReady
from app.hardware import scene, simulated
from app.headless import RunLog, run_live
from app.session import Session
from app.settings import OpticsSettings, Settings
from benchmarks.machine import machine


class Drift:
    """Samples memory, threads and open files of this process twice a second on a thread of its own."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float, int, int]] = []
        self.cpu_s: dict[int, tuple[str, float, float]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bench-drift")
        self._thread.start()

    def _run(self) -> None:
        process = psutil.Process()
        while not self._over.wait(0.5):
            now = (time.monotonic(), process.memory_info().rss / 1e6, process.num_threads(), process.num_fds())
            self.samples.append(now)
            names = {thread.native_id: thread.name for thread in threading.enumerate()}
            for thread in process.threads():
                spent_s = thread.user_time + thread.system_time
                name, before_s, _ = self.cpu_s.get(thread.id, ("", spent_s, 0.0))
                # Those that Python does not know are the network's and Qt's.
                self.cpu_s[thread.id] = names.get(thread.id) or name or "other", before_s, spent_s

    def cores(self, seconds: float) -> dict[str, float]:
        """Return the part of a core that each kind of thread used over the run of `seconds`, the busiest first."""
        spent: dict[str, float] = {}
        for name, before_s, after_s in self.cpu_s.values():
            spent[name] = spent.get(name, 0.0) + max(after_s - before_s, 0.0)
        busy = sorted(spent.items(), key=lambda item: -item[1])
        return {name: round(spent_s / seconds, 3) for name, spent_s in busy if spent_s > 0.005 * seconds}

    def stop(self) -> dict[str, Any]:
        """Return the drift from the second fifth of the run, when buffers are filled, to the last."""
        self._over.set()
        self._thread.join()
        table = np.asarray(self.samples)
        fifth = max(len(table) // 5, 1)
        early, late = table[fifth : 2 * fifth], table[-fifth:]
        if not len(early):
            return {}
        memory = (np.median(late[:, 1]) / np.median(early[:, 1]) - 1) * 100
        return {
            "memory_mb": float(np.median(late[:, 1])),
            "memory_drift_percent": float(memory),
            "memory_mb_by_fifth": [round(float(np.median(part)), 1) for part in np.array_split(table[:, 1], 5)],
            "threads_drift": float(np.median(late[:, 2]) - np.median(early[:, 2])),
            "files_drift": float(np.median(late[:, 3]) - np.median(early[:, 3])),
        }


def keep_flat_field(folder: Path) -> None:
    """Take a flat field on the simulated slide, and have it found from now on."""
    setattr(build, "usual_folder", lambda: folder)  # noqa: B010 - a name of the module's own, for this run only
    session = make_session(Settings(seed=0))
    session.calibrate(session.selected_channel).result()
    session.close()


def in_window(session: Session, seconds: float, out: Path | None) -> tuple[dict[str, Any], dict[str, float]]:
    """Run with the window open; return the account and the gaps of the event loop in ms."""
    from PySide6.QtCore import QSettings, QTimer
    from PySide6.QtWidgets import QApplication

    from app.gui.application import run_window

    log = RunLog(session, out, draw=False)
    ticks = array("d")  # not a list: two hundred objects a second would be seen in the program's memory
    timers: list[QTimer] = []

    def begin() -> None:
        session.start_live(record_to=out)

    def first(event: object) -> None:
        if isinstance(event, PictureReady) and not ticks:
            ticks.append(time.perf_counter())

    session.subscribe(first)
    app = QApplication.instance() or QApplication([])
    timer = QTimer()
    timer.setInterval(5)
    timer.timeout.connect(lambda: ticks.append(time.perf_counter()) if ticks else None)
    timer.start()
    timers.append(timer)
    store = QSettings(os.path.join(os.environ.get("TMPDIR", "/tmp"), "dapiscope-bench.ini"), QSettings.Format.IniFormat)
    run_window(session, demo_seconds=seconds, begin=begin, store=store)
    timer.stop()
    account = log.summary(confirmed_off=session.close())
    log.close()
    gaps = np.diff(np.asarray(ticks)) * 1000
    del app
    # The first second builds the window; the last closes it.
    steady = gaps[(np.cumsum(gaps) > 1000) & (np.cumsum(gaps) < seconds * 1000)]
    if not len(steady):
        return account, {}
    return account, {f"gap_p{q}_ms": float(np.percentile(steady, q)) for q in (50, 95, 99, 100)}


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--record", type=Path)
    parser.add_argument("--camera", default="sim")
    parser.add_argument("--nuclei", type=int, help="In the simulated field, instead of the usual density.")
    parser.add_argument("--pixel-um", type=float, default=0.1)
    parser.add_argument("--flat-field", action="store_true", help="Take one first, and correct by it.")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    if options.camera == "pylon":
        os.environ.setdefault("PYLON_CAMEMU", "1")
    print(machine())
    drift = Drift()
    if options.nuclei is not None:
        # The sample has no place in the settings: nobody orders so many nuclei from a real one.
        assert simulated.__name__ in sys.modules  # annotations there have seen the class before it is replaced
        setattr(scene, "SceneSpec", functools.partial(scene.SceneSpec, nuclei=options.nuclei))  # noqa: B010
    optics = OpticsSettings(magnification=OpticsSettings().sensor_pixel_um / options.pixel_um)
    if options.flat_field:
        keep_flat_field(Path(tempfile.mkdtemp(prefix="dapiscope-bench-")))
    session = make_session(Settings(camera_id=options.camera, optics=optics, flat_field=options.flat_field))
    gaps: dict[str, float] = {}
    before = psutil.Process().cpu_times()
    if options.window:
        account, gaps = in_window(session, options.seconds, options.record)
    else:
        account = run_live(session, seconds=options.seconds, out=options.record)
    after = psutil.Process().cpu_times()
    cores = (after.user + after.system - before.user - before.system) / options.seconds
    result = {**account, "event_loop": gaps, "drift": drift.stop(), "cores_used": round(cores, 2)}
    result["cores_by_thread"] = drift.cores(options.seconds)
    shown = ("frames", "fps", "latency_ms", "count", "truth", "event_loop", "drift", "cores_used", "cores_by_thread")
    for name in (*shown, "error"):
        print(f"{name:<12} {result[name]}")
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), **result}, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
