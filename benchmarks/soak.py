"""Live imaging, counting and recording for a long time, and what drifts meanwhile.

    python -m benchmarks.soak [--minutes 10] [--window] [--folder DIR] [--no-record] [--json FILE]

Recordings of half a minute follow each other and are removed when they are finished, so that the disk is written to all
the time and never filled. A line a minute; at the end the drift from the first quarter after the warm-up to the last.
Leaves with 1 when a frame was lost, or memory, handles, threads, rates or latency drifted more than they may.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from app.build import make_session
from app.errors import DapiscopeError
from app.events import Notice, RecordingChanged, ResultReady
from app.session import Session
from app.settings import Settings
from benchmarks.machine import machine

CHUNK_S, SAMPLE_S, WARM_S = 30.0, 5.0, 60.0
MAY_DRIFT = {"memory_mb": 1.0, "threads": 0.0, "files": 0.0, "fps_camera": 1.0, "fps_segment": 5.0, "p95_ms": 25.0}
"""Percent, in the bad direction; of threads and files not one more."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen during the last few seconds."""

    at_s: float
    grabbed: int
    lost: int
    recorded: int
    memory_mb: float
    threads: int
    files: int
    fps_camera: float
    fps_display: float
    fps_segment: float
    p50_ms: float
    p95_ms: float


class Watch:
    """Takes a `Sample` every few seconds on a thread of its own."""

    def __init__(self, session: Session) -> None:
        self.samples: list[Sample] = []
        self.notices: list[str] = []
        self.recorded = 0
        self._session = session
        self._latencies: list[float] = []
        self._over = threading.Event()
        self._process = psutil.Process()
        self._written = 0
        session.subscribe(self._listen)
        self._thread = threading.Thread(target=self._run, name="soak-watch")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when the thread is gone."""
        self._over.set()
        self._thread.join()

    def _listen(self, event: object) -> None:
        if isinstance(event, ResultReady):
            self._latencies.append(event.latency_ms)
        elif isinstance(event, RecordingChanged) and not event.active:
            self.recorded += event.frames
        elif isinstance(event, Notice) and event.level != "info":
            self.notices.append(event.text)

    def _run(self) -> None:
        began = time.monotonic()
        while not self._over.wait(SAMPLE_S):
            latencies, self._latencies = self._latencies, []
            stats = self._session.stats()
            middle, late = np.percentile(latencies or [0.0], (50, 95))
            files = getattr(self._process, "num_fds", getattr(self._process, "num_handles", int))()
            self.samples.append(
                Sample(
                    time.monotonic() - began,
                    stats.grabbed,
                    stats.lost_camera,
                    self.recorded,
                    self._process.memory_info().rss / 1e6,
                    self._process.num_threads(),
                    files,
                    stats.fps_camera,
                    stats.fps_display,
                    stats.fps_segment,
                    float(middle),
                    float(late),
                )
            )
            if len(self.samples) % round(60 / SAMPLE_S) == 0:
                print(line(self.samples[-1]), flush=True)


def line(sample: Sample) -> str:
    """Return a sample as one line."""
    return (
        f"  {sample.at_s / 60:5.1f} min  {sample.grabbed:7d} frames, {sample.lost} lost, {sample.recorded} recorded  "
        f"camera {sample.fps_camera:4.1f} display {sample.fps_display:4.1f} counting {sample.fps_segment:4.1f}/s  "
        f"p50 {sample.p50_ms:5.1f} p95 {sample.p95_ms:5.1f} ms  "
        f"{sample.memory_mb:6.1f} MB {sample.threads} threads {sample.files} files"
    )


def drift(samples: list[Sample]) -> dict[str, float]:
    """Return the change in percent (threads, files: in number) from the first quarter after the warm-up to the last."""
    steady = [sample for sample in samples if sample.at_s > WARM_S]
    quarter = max(len(steady) // 4, 1)
    changes = {}
    for name in MAY_DRIFT:
        early = statistics.median(getattr(sample, name) for sample in steady[:quarter])
        late = statistics.median(getattr(sample, name) for sample in steady[-quarter:])
        changes[name] = late - early if name in ("threads", "files") else 100 * (late / max(early, 1e-9) - 1)
    return changes


def record_in_turns(session: Session, folder: Path, over: threading.Event) -> None:
    """Record again and again, and remove what is finished, until `over` is set."""
    number = 0
    while not over.is_set():
        number += 1
        part = folder / str(number)
        try:
            session.start_recording(part).result(30)
            over.wait(CHUNK_S)
            session.stop_recording().result(60)
        except DapiscopeError as error:
            print(f"  recording ended: {error}", flush=True)
            return
        shutil.rmtree(part, ignore_errors=True)


def soak(minutes: float, folder: Path, *, record: bool, window: bool) -> dict[str, Any]:
    """Run, and return the account."""
    session = make_session(Settings())
    watch = Watch(session)
    over = threading.Event()
    with tempfile.TemporaryDirectory(prefix="dapiscope-soak-", dir=folder) as name:
        writer = threading.Thread(target=record_in_turns, args=(session, Path(name), over), name="soak-writer")

        def begin() -> None:
            session.start_live()
            watch.start()
            if record:
                writer.start()

        if window:
            from PySide6.QtCore import QSettings

            from app.gui.application import run_window

            store = QSettings(str(Path(name) / "window.ini"), QSettings.Format.IniFormat)
            end = threading.Timer(max(60 * minutes - 5, 1), over.set)
            end.start()
            run_window(session, demo_seconds=60 * minutes, begin=begin, store=store)
            end.cancel()
        else:
            begin()
            over.wait(60 * minutes)
        over.set()
        with contextlib.suppress(RuntimeError):  # never started
            writer.join()
        watch.stop()
        dark = session.close()
    changes = drift(watch.samples)
    good_up = {"fps_camera", "fps_segment"}
    # Less than four samples a quarter say nothing about drift.
    judged = MAY_DRIFT if sum(sample.at_s > WARM_S for sample in watch.samples) >= 16 else {}
    bad = [name for name, limit in judged.items() if (-changes[name] if name in good_up else changes[name]) > limit]
    last = watch.samples[-1]
    return {
        "machine": machine(),
        "minutes": minutes,
        "grabbed": last.grabbed,
        "lost": last.lost,
        "recorded": watch.recorded,
        "drift": changes,
        "drifted": bad,
        "notices": watch.notices,
        "dark": dark,
        "samples": [asdict(sample) for sample in watch.samples],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Live imaging, counting and recording for a long time.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--window", action="store_true")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    print(machine())
    result = soak(options.minutes, options.folder, record=not options.no_record, window=options.window)
    for name, change in result["drift"].items():
        print(f"  {name:<12} {change:+7.2f}{'' if name in ('threads', 'files') else ' %'}")
    print(f"  {result['grabbed']} frames, {result['lost']} lost, {result['recorded']} recorded; {result['notices']}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if result["lost"] or result["drifted"] or not result["dark"]:
        raise SystemExit(f"not steady: {', '.join(result['drifted']) or 'frames lost, or the light not off'}")


if __name__ == "__main__":
    main()
