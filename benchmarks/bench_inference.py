"""What counting one 3840×2160 frame costs, step by step, beside a naive path and the paper's network.

    python -m benchmarks.bench_inference [--rounds 30] [--json FILE]

All paths see the same simulated frames, in turn within one run, so that the ratios hold on a busy machine too. The
naive path is the same network as one would first write it: `skimage.transform.resize`, an onnxruntime session with
its default options, and a loop over `skimage.measure.regionprops`.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from skimage.measure import regionprops
from skimage.transform import resize

from app.frame import Frame, Light
from app.hardware.scene import Scene, SceneSpec
from app.hardware.sensor import Sensor
from app.inference.instances import decode
from app.inference.measure import measure
from app.inference.model_card import Model, find_models, load_model
from app.inference.overlay import overlay_rgba
from app.inference.preprocess import normalise
from app.inference.segmenter import Segmenter
from benchmarks.machine import machine

SHAPE = (2160, 3840)
PIXEL_UM = 0.1


def frames(count: int = 4) -> list[Frame]:
    """Return frames of the simulated sample."""
    sensor = Sensor({0: Scene(SceneSpec()).root(0)}, SHAPE)
    made = []
    for index in range(count):
        pixels = np.zeros(SHAPE, np.uint8)
        sensor.expose(np.full((1, SHAPE[0]), 15 * 0.25), 0.0, "Mono8", pixels)
        light = Light("405", 0.25, True, "")
        made.append(Frame(pixels, index, 0.0, 0.0, 15.0, 0.0, "Mono8", PIXEL_UM, light=light))
    return made


def naive_path(model: Model) -> Callable[[Frame], int]:
    """Return the same network the obvious way: frame in, count out."""
    session = onnxruntime.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    given = model.card.input
    factor = PIXEL_UM / given.scale_um

    def count(frame: Frame) -> int:
        size = (round(SHAPE[0] * factor), round(SHAPE[1] * factor))
        image = resize(frame.pixels, size, preserve_range=True, anti_aliasing=True).astype(np.float32)
        ready = normalise(image, given.normalisation, full_scale=frame.white)
        down, right = -size[0] % given.multiple_of, -size[1] % given.multiple_of
        padded = np.pad(ready, ((0, down), (0, right)), mode="symmetric")
        stacked = np.repeat(padded[None], given.channels, axis=0)[None]
        output = session.run(None, {name: stacked})[0][0, :, : size[0], : size[1]]
        labels = decode(np.ascontiguousarray(output), model.card.decode)
        rows = []
        for region in regionprops(labels, image):
            rows.append((region.area, region.centroid, region.intensity_mean, region.eccentricity))
        return len(rows)

    return count


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def crowd(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a network output (3, h, w) as `count` round nuclei would give, and a matching image (h, w)."""
    columns = round((count * 16 / 9) ** 0.5)
    rows = -(-count // columns)
    pitch = 24
    y, x = np.mgrid[: rows * pitch, : columns * pitch].astype(np.float32)
    radius = np.hypot(y % pitch - pitch / 2, x % pitch - pitch / 2)
    inside = radius < 9
    output = np.stack([inside, np.clip(1 - radius / 9, 0, 1), np.zeros_like(radius)]).astype(np.float32)
    return output, np.where(inside, 150, 10).astype(np.uint8)


def growth(model: Model, rounds: int) -> dict[str, float]:
    """Return milliseconds of decoding and measuring 500 and 5,000 nuclei at the model's scale."""
    result = {}
    for count in (500, 5000):
        output, image = crowd(count)
        labels = decode(output, model.card.decode)
        scores = np.ones(int(labels.max()), np.float32)
        for name, work in (
            ("decode", lambda: decode(output, model.card.decode)),  # noqa: B023 - called before the next turn
            ("measure", lambda: measure(labels, scores, image)),  # noqa: B023
        ):
            result[f"{name} {count} nuclei"] = statistics.median(timed(work) for _ in range(rounds))
    return result


def run(rounds: int) -> dict[str, Any]:
    """Return all figures."""
    model = load_model("fast")
    segmenter = Segmenter(model, threads=2)
    naive = naive_path(model)
    paper = Segmenter(load_model("paper"), threads=2) if "paper" in find_models() else None
    pictures = frames()
    steps: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {"fast": [], "naive": []}
    counts: dict[str, int] = {}
    segmenter.segment(pictures[0])
    naive(pictures[0])
    for turn in range(rounds):
        frame = pictures[turn % len(pictures)]
        begin = time.perf_counter()
        found = segmenter.segment(frame)
        whole["fast"].append((time.perf_counter() - begin) * 1e3)
        for name, value in found.timings_ms.items():
            steps.setdefault(name, []).append(value)
        steps.setdefault("overlay", []).append(timed(lambda: overlay_rgba(found.labels)))  # noqa: B023
        counts["fast"] = found.count
        if turn % 5 == 0:
            whole["naive"].append(timed(lambda: counts.update(naive=naive(frame))))  # noqa: B023
        if paper is not None and turn % 5 == 0:
            elapsed = timed(lambda: counts.update(paper=paper.segment(frame).count))  # noqa: B023
            whole.setdefault("paper", []).append(elapsed)
    return {
        "machine": machine(),
        "provider": segmenter.provider_used,
        "model_pixels": f"{found.labels.shape[1]}×{found.labels.shape[0]}",
        "counts": counts,
        "step_ms": {name: statistics.median(values) for name, values in steps.items()},
        "whole_ms": {name: statistics.median(values) for name, values in whole.items()},
        "growth_ms": growth(model, max(5, rounds // 3)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="What counting one frame costs.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    result = run(options.rounds)
    total = result["whole_ms"]["fast"]
    print(result["machine"])
    print(f"{result['provider']}, network at {result['model_pixels']}, counts {result['counts']}")
    for name, value in result["step_ms"].items():
        print(f"  {name:<24} {value:8.2f} ms {100 * value / total:6.1f} % of the whole")
    for name, value in result["whole_ms"].items():
        print(f"  whole, {name:<17} {value:8.2f} ms {value / total:6.2f} × fast")
    grown = result["growth_ms"]
    for name, value in grown.items():
        few = grown[name.replace("5000", "500")]
        print(f"  {name:<24} {value:8.2f} ms {value / few:6.2f} × 500 nuclei")
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
