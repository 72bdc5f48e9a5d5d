"""What each stage of the live path costs alone, in the order a frame meets them.

    python -m benchmarks.bench_stages [--rounds 40] [--folder DIR] [--json FILE]

All stages take turns on the same 3840×2160 frames within one run, so that the ratios to a plain copy of a frame hold on
a busy machine too. The floors beside them: memory bandwidth (that copy), arithmetic (a matrix product on one core) and
the disk (plain sequential writing).
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

from app.display import Contrast, View, render
from app.frame import BufferPool
from app.inference.measure import background_level, measure, outline_steepness, quality_flags
from app.inference.model_card import load_model
from app.inference.nuclei import nuclei_in
from app.inference.overlay import overlay_rgba
from app.inference.preprocess import normalise
from app.inference.scale import to_scale
from app.inference.segmenter import Segmenter
from app.recording import Recorder, RunMetadata
from benchmarks.bench_inference import PIXEL_UM, frames
from benchmarks.bench_writer import plain
from benchmarks.machine import machine

VIEW = View(size=(1280, 720))
FAST_KFLOP_PER_PIXEL = 11.1
"""Of the network ``fast``, per pixel at the model's scale: counted from its convolutions."""


def make_stages(threads: int, folder: Path) -> tuple[dict[str, Callable[[int], Any]], Recorder]:
    """Return each stage as a function of the turn's number, and the recorder that the last one feeds."""
    pictures = frames()
    model = load_model("fast")
    segmenter = Segmenter(model, provider="cpu", threads=threads)
    factor = PIXEL_UM / model.card.input.scale_um
    pool = BufferPool(pictures[0].shape, np.uint8)
    images = [to_scale(frame.pixels, factor) for frame in pictures]
    ready = [normalise(image, model.card.input.normalisation) for image in images]
    network = segmenter._network  # noqa: SLF001 - the one stage that has no public name
    outputs = [network.run(each).copy() for each in ready]
    nuclei = [nuclei_in(output, model.card) for output in outputs]
    layer = np.empty((VIEW.size[1], VIEW.size[0], 4), np.uint8)
    recorder = Recorder(folder / "stages.ome.tif", RunMetadata(camera="benchmark"))
    recorder.start()

    def measured(i: int) -> None:
        labels, runs = nuclei[i].labels, nuclei[i].runs
        table = measure(labels, nuclei[i].scores, images[i], pixel_size_um=PIXEL_UM, runs=runs)
        background = background_level(labels, images[i])
        steepness = outline_steepness(labels, len(table), images[i], background, runs, sampled=True)
        quality_flags(labels, table, images[i], background, 255, steepness)

    def grab(i: int) -> None:
        np.copyto(pool.take(), pictures[i].pixels)

    def write(i: int) -> None:
        while recorder.status.fill > 0.5:
            time.sleep(0.001)
        recorder.put(pictures[i])

    steps: dict[str, Callable[[int], Any]] = {
        "grab/copy": grab,
        "scale": lambda i: to_scale(pictures[i].pixels, factor),
        "normalise": lambda i: normalise(images[i], model.card.input.normalisation),
        "network": lambda i: network.run(ready[i]),
        "decode": lambda i: nuclei_in(outputs[i], model.card),
        "measure": measured,
        "overlay": lambda i: overlay_rgba(nuclei[i].labels, shape=(VIEW.size[1], VIEW.size[0]), out=layer),
        "display": lambda i: render(pictures[i], VIEW, Contrast()),
        "write": write,
    }

    def in_turns(work: Callable[[int], Any]) -> Callable[[int], Any]:
        return lambda turn: work(turn % len(pictures))

    return {name: in_turns(work) for name, work in steps.items()}, recorder


def gflops(side: int = 1024, rounds: int = 5) -> float:
    """Return the arithmetic of one core in GFLOP/s: a float32 matrix product as OpenCV or numpy's BLAS gives it."""
    one, other = (np.random.default_rng(seed).random((side, side), np.float32) for seed in (1, 2))
    times = []
    for _ in range(rounds):
        start, cpu = time.perf_counter(), time.process_time()
        one @ other
        times.append(max(time.perf_counter() - start, time.process_time() - cpu))
    return 2 * side**3 / min(times) / 1e9


def run(rounds: int, threads: int, folder: Path | None = None) -> dict[str, Any]:
    """Return all figures: medians in ms of the wall clock, and CPU ms of all threads together."""
    with tempfile.TemporaryDirectory(prefix="bench-stages-", dir=folder) as name:
        steps, recorder = make_stages(threads, Path(name))
        walls: dict[str, list[float]] = {step: [] for step in steps}
        cpus: dict[str, list[float]] = {step: [] for step in steps}
        for turn in range(-3, rounds):
            for step, work in steps.items():
                wall, cpu = time.perf_counter(), time.process_time()
                work(turn % 1024)
                if turn >= 0:
                    walls[step].append((time.perf_counter() - wall) * 1e3)
                    cpus[step].append((time.process_time() - cpu) * 1e3)
        # The write stage only hands over; its cost is that of all frames until they are safe on the disk.
        begin = time.perf_counter()
        summary = recorder.close()
        left = (time.perf_counter() - begin) * 1e3 / max(summary.frames, 1)
        images = [np.random.default_rng(0).integers(0, 256, (2160, 3840), dtype=np.uint8) for _ in range(2)]
        disk, _ = plain(Path(name), images, 40)
    wall_ms = {step: statistics.median(values) for step, values in walls.items()}
    wall_ms["write"] = statistics.fmean(walls["write"]) + left
    frame_bytes = 3840 * 2160
    model_pixels = (3840 * 2160) * (PIXEL_UM / load_model("fast").card.input.scale_um) ** 2
    return {
        "machine": machine(),
        "threads": threads,
        "wall_ms": wall_ms,
        "cpu_ms": {step: statistics.median(values) for step, values in cpus.items()},
        "times_a_copy": {step: value / wall_ms["grab/copy"] for step, value in wall_ms.items()},
        "floors": {
            "memory_gb_per_s": 2 * frame_bytes / wall_ms["grab/copy"] / 1e6,
            "gflops_one_core": gflops(),
            "network_gflops": FAST_KFLOP_PER_PIXEL * model_pixels / wall_ms["network"] / 1e3,
            "disk_mb_per_s": disk / 1e6,
            "disk_ms_a_frame": frame_bytes / disk * 1e3,
        },
    }


def show(result: dict[str, Any]) -> None:
    """Print the table."""
    print(f"stages alone, 3840×2160 Mono8, network on {result['threads']} thread(s)")
    print(f"  {'stage':<12}{'ms':>9}{'CPU ms':>9}{'× copy':>9}")
    for step, wall in result["wall_ms"].items():
        print(f"  {step:<12}{wall:9.2f}{result['cpu_ms'][step]:9.2f}{result['times_a_copy'][step]:9.1f}")
    floors = result["floors"]
    print(
        f"  floors: memory {floors['memory_gb_per_s']:.1f} GB/s; one core {floors['gflops_one_core']:.0f} GFLOP/s, the "
        f"network does {floors['network_gflops']:.0f}; plain writing {floors['disk_mb_per_s']:.0f} MB/s "
        f"({floors['disk_ms_a_frame']:.1f} ms a frame)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What each stage of the live path costs alone.")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    result = run(options.rounds, options.threads, options.folder)
    print(result["machine"])
    show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
