"""What a frame costs before anybody looks at it: the simulated camera's and the Basler driver's share.

    python benchmarks/bench_camera.py [--seconds 5] [--json FILE]

Times are CPU milliseconds of one core per 3840×2160 frame, with the ratio to a plain copy of the same bytes measured
in the same run; then both cameras run at 44.9 frames a second for a while. The Basler driver runs on pylon's emulator.
"""

import argparse
import itertools
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.frame import Frame
from app.hardware.base import Camera
from app.hardware.basler import BaslerCamera
from app.hardware.scene import Scene, SceneSpec
from app.hardware.sensor import LightHistory, Sensor
from app.hardware.simulated import SimulatedCamera
from app.settings import CameraSettings

SHAPE = (2160, 3840)


class Lamp:
    """A quarter of full power on line 0, for ever."""

    def levels_between(self, start_s: float, end_s: float) -> LightHistory:
        """Return what shone; see `app.hardware.simulated.LightProbe`."""
        return [(start_s, (0.25, 0.0, 0.0, 0.0))]


def cpu_ms(work: Callable[[], Any], rounds: int = 30) -> float:
    """Return the median CPU time of this thread in `work`."""
    times = []
    work()
    for _ in range(rounds):
        start = time.thread_time()
        work()
        times.append(1000 * (time.thread_time() - start))
    return statistics.median(times)


def stages() -> dict[str, float]:
    """Return CPU milliseconds of each step."""
    out8, out12 = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint16)
    # Eight sources in turn, as a camera's buffers are: one alone would lie in the processor's cache.
    sources8 = itertools.cycle([np.full_like(out8, number) for number in range(8)])
    sources12 = itertools.cycle([np.full_like(out12, number) for number in range(8)])
    result = {
        "plain copy, 8 bit": cpu_ms(lambda: np.copyto(out8, next(sources8))),
        "plain copy, 16 bit": cpu_ms(lambda: np.copyto(out12, next(sources12))),
    }
    start = time.thread_time()
    scene = Scene(SceneSpec())
    scene.root(0)
    result["make a field of 55 nuclei"] = 1000 * (time.thread_time() - start)
    sensor = Sensor({0: scene.root(0)}, SHAPE)
    doses = np.full((1, SHAPE[0]), 15 * 0.25)
    result["simulated frame, Mono8"] = cpu_ms(lambda: sensor.expose(doses, 0.0, "Mono8", out8))
    result["simulated frame, Mono12"] = cpu_ms(lambda: sensor.expose(doses, 0.0, "Mono12", out12))
    dim = [doses * factor for factor in (0.5, 1.0)]

    def switch() -> None:
        dim.reverse()
        sensor.expose(dim[0], 0.0, "Mono8", out8)

    result["simulated frame after a light change"] = cpu_ms(switch, 10)
    return result


def copies() -> dict[str, float]:
    """Return CPU milliseconds of taking one frame out of pylon's buffer."""
    times: list[float] = []

    class Timed(BaslerCamera):
        def _pixels(self, result: Any) -> Any:
            start = time.thread_time()
            taken = super()._pixels(result)
            times.append(1000 * (time.thread_time() - start))
            return taken

    found = {}
    for settings, bits in ((CameraSettings(pixel_format="Mono8"), 8), (CameraSettings(pixel_format="Mono12"), 16)):
        times.clear()
        with Timed("pylon:0815-0000") as camera:
            camera.configure(settings)
            run(camera, 2.0)
        found[f"Basler frame out of pylon's buffer, {bits} bit"] = statistics.median(times)
    return found


def run(camera: Camera, seconds: float) -> dict[str, float]:
    """Run `camera` for a while; return rate, losses, latency and its thread's share of one core."""
    latency_ms: list[float] = []
    arrivals: list[float] = []
    shares: list[float] = []
    over = threading.Event()

    def sink(frame: Frame) -> None:
        latency_ms.append(1000 * (time.monotonic() - frame.exposure_end_s))
        shares.append(time.thread_time())
        arrivals.append(time.perf_counter())

    camera.start(sink, lambda error: over.set())
    over.wait(seconds)
    camera.stop()
    wall = arrivals[-1] - arrivals[0]
    return {
        "fps": round((len(arrivals) - 1) / wall, 2),
        "lost": camera.stats().lost,
        "cpu_share_of_thread": round((shares[-1] - shares[0]) / wall, 3),
        "arrival_ms_p50": round(float(np.percentile(latency_ms, 50)), 2),
        "arrival_ms_p95": round(float(np.percentile(latency_ms, 95)), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What a frame costs before anybody looks at it.")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    os.environ["PYLON_CAMEMU"] = "1"
    steps = {**stages(), **copies()}
    copy8, copy16 = steps["plain copy, 8 bit"], steps["plain copy, 16 bit"]
    print(f"{os.cpu_count()} cores; CPU ms of one core per 3840×2160 frame, and × a plain copy of the same bytes")
    for name, value in steps.items():
        base = copy16 if "12" in name or "16" in name else copy8
        print(f"  {name:<45} {value:8.2f} ms {value / base:8.1f} ×")
    live = {}
    with SimulatedCamera(SceneSpec(), Lamp()) as simulated:
        for pixel_format in ("Mono8", "Mono12"):
            simulated.configure(CameraSettings(pixel_format=pixel_format))
            live[f"simulated {pixel_format}"] = run(simulated, options.seconds)
    with BaslerCamera("pylon:0815-0000") as camera:
        live["pylon emulator Mono8"] = run(camera, options.seconds)
    print("asked for 44.9 frames a second (the bus carries 22.4 in Mono12):")
    for name, figures in live.items():
        print(f"  {name:<24} " + "  ".join(f"{key} {value}" for key, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps({"steps_ms": steps, "live": live}, indent=1))


if __name__ == "__main__":
    main()
