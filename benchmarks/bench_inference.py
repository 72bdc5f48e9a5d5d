"""What counting one 3840×2160 frame costs, step by step, beside a naive path and the paper's network.

    python -m benchmarks.bench_inference [--rounds 30] [--threads 2] [--json FILE]

The pools of threads are set as the app sets them. All paths see the same simulated frames, in turn within one run, so
that the ratios hold on a busy machine too, and their labels are compared with the truth of those fields (F1 at IoU
0.5). The paper's network runs through the same scaling and session as ``fast``, at the scale its card names, and is
decoded by connected components. The naive path is the same network as one would first write it:
`skimage.transform.resize`, an onnxruntime session with its default options, and a loop over
`skimage.measure.regionprops`.
"""

import argparse
import functools
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

from app.build import share_the_cores
from app.frame import Frame, Light
from app.hardware.scene import Scene, SceneSpec
from app.hardware.sensor import Sensor
from app.inference.evaluation import evaluate_pair
from app.inference.model_card import Model, find_models, load_model
from app.inference.nuclei import nuclei_in
from app.inference.overlay import overlay_rgba, upscale_labels
from app.inference.preprocess import normalise
from app.inference.segmenter import Segmenter
from benchmarks.machine import machine

SHAPE = (2160, 3840)
PIXEL_UM = 0.1


@functools.cache
def field(spec: SceneSpec) -> tuple[Frame, Scene]:
    """Return a Mono8 frame of a simulated field as the camera sees it at a quarter of the light, and its truth."""
    scene = Scene(spec)
    pixels = np.zeros(SHAPE, np.uint8)
    Sensor({0: scene.root(0)}, SHAPE).expose(np.full((1, SHAPE[0]), 15 * 0.25), 0.0, "Mono8", pixels)
    light = Light("405", 0.25, True, "")
    return Frame(pixels, spec.seed, 0.0, 0.0, 15.0, 0.0, "Mono8", spec.pixel_size_um, light=light), scene


def frames(count: int = 4) -> list[Frame]:
    """Return frames of different fields of the simulated sample."""
    return [field(SceneSpec(seed=1 + index))[0] for index in range(count)]


def truth_of(frame: Frame) -> np.ndarray:
    """Return the true labels of one of `frames`."""
    return field(SceneSpec(seed=frame.index))[1].labels()


def naive_path(model: Model) -> Callable[[Frame], np.ndarray]:
    """Return the same network the obvious way: frame in, labels out (and a row a nucleus)."""
    session = onnxruntime.InferenceSession(model.data, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    given = model.card.input
    factor = PIXEL_UM / given.scale_um

    def count(frame: Frame) -> np.ndarray:
        size = (round(SHAPE[0] * factor), round(SHAPE[1] * factor))
        image = resize(frame.pixels, size, preserve_range=True, anti_aliasing=True).astype(np.float32)
        ready = normalise(image, given.normalisation, full_scale=frame.white)
        down, right = -size[0] % given.multiple_of, -size[1] % given.multiple_of
        padded = np.pad(ready, ((0, down), (0, right)), mode="symmetric")
        stacked = np.repeat(padded[None], given.channels, axis=0)[None]
        output = session.run(None, {name: stacked})[0][0, :, : size[0], : size[1]]
        labels = nuclei_in(np.ascontiguousarray(output), model.card).labels
        rows = []
        for region in regionprops(labels, image):
            rows.append((region.area, region.centroid, region.intensity_mean, region.eccentricity))
        assert len(rows) == labels.max()
        return labels

    return count


def timed(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1e3


def f1(frame: Frame, labels: np.ndarray) -> tuple[int, int, int]:
    """Return (matches at IoU 0.5, true, found) of labels at any scale."""
    truth = truth_of(frame)
    scores = evaluate_pair(truth, upscale_labels(labels, SHAPE))
    return scores.true_positives[0], scores.true, scores.predicted


def crowds(segmenter: Segmenter, rounds: int) -> dict[str, dict[str, float]]:
    """Return what frames with 55, 500 and 5,000 nuclei in view cost, and how well they are counted."""
    result = {}
    for count, pixel_um in ((None, 0.1), (500, 0.35), (5000, 0.65), (5000, 0.8)):
        frame, scene = field(SceneSpec(nuclei=count, pixel_size_um=pixel_um))
        found = segmenter.segment(frame)
        ms = statistics.median(timed(lambda: segmenter.segment(frame)) for _ in range(rounds))  # noqa: B023
        scores = evaluate_pair(scene.labels(), upscale_labels(found.labels, SHAPE))
        result[f"{scores.true} nuclei at {pixel_um} µm"] = {
            "ms": ms,
            "fps": 1e3 / ms,
            "us_a_nucleus": 1e3 * ms / scores.true,
            "model_pixels": found.labels.size,
            "counted": found.count,
            "f1": scores.f1(0.5),
        }
    return result


def run(rounds: int, threads: int = 2) -> dict[str, Any]:
    """Return all figures."""
    model = load_model("fast")
    segmenter = Segmenter(model, provider="cpu", threads=threads)
    ways: dict[str, Callable[[Frame], np.ndarray]] = {"fast": lambda frame: segmenter.segment(frame).labels}
    live = Segmenter(model)
    if live.way.precision != "f32":
        ways["fast, as live"] = lambda frame: live.segment(frame).labels
    if "paper" in find_models():
        paper = Segmenter(load_model("paper"), provider="cpu", threads=threads)
        ways["paper"] = lambda frame: paper.segment(frame).labels
    ways["naive"] = naive_path(model)
    pictures = frames()
    quality = {}
    for name, way in ways.items():
        found = np.sum([f1(frame, way(frame)) for frame in pictures], axis=0)
        quality[name] = {"f1": 2 * found[0] / (found[1] + found[2]), "true": int(found[1]), "counted": int(found[2])}
    steps: dict[str, list[float]] = {}
    whole: dict[str, list[float]] = {name: [] for name in ways}
    cpu: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds):
        frame = pictures[turn % len(pictures)]
        found_now = segmenter.segment(frame)
        for name, value in found_now.timings_ms.items():
            steps.setdefault(name, []).append(value)
        steps.setdefault("overlay", []).append(timed(lambda: overlay_rgba(found_now.labels)))  # noqa: B023
        for name, way in ways.items():
            if turn % 3 == 0 or name == "fast":
                worked = time.process_time()
                whole[name].append(timed(lambda: way(frame)))  # noqa: B023
                cpu[name].append((time.process_time() - worked) * 1e3)
    whole_ms, cpu_ms = ({name: statistics.median(each[name]) for name in ways} for each in (whole, cpu))
    return {
        "machine": machine(),
        "provider": segmenter.provider_used,
        "live": str(live.way),
        "threads": threads,
        "model_pixels": f"{found_now.labels.shape[1]}×{found_now.labels.shape[0]}",
        "step_ms": {name: statistics.median(values) for name, values in steps.items()},
        "whole_ms": whole_ms,
        "cpu_ms": cpu_ms,
        "times_fast": {name: value / whole_ms["fast"] for name, value in whole_ms.items()},
        "times_fast_cpu": {name: value / cpu_ms["fast"] for name, value in cpu_ms.items()},
        "quality": quality,
        "crowds": crowds(live, max(3, rounds // 10)),
    }


def show(result: dict[str, Any]) -> None:
    """Print the tables."""
    total = result["whole_ms"]["fast"]
    print(f"counting a frame: {result['provider']}, {result['threads']} thread(s), network at {result['model_pixels']}")
    for name, value in result["step_ms"].items():
        print(f"  {name:<24} {value:8.2f} ms {100 * value / total:6.1f} % of the whole")
    for name, value in result["whole_ms"].items():
        found = result["quality"][name]
        print(
            f"  whole, {name:<17} {value:8.2f} ms {value / total:6.2f} × fast "
            f"(CPU {result['cpu_ms'][name]:.1f} ms, {result['times_fast_cpu'][name]:.2f} ×), F1 {found['f1']:.3f}, "
            f"{found['counted']} of {found['true']} nuclei"
        )
    for name, found in result["crowds"].items():
        print(
            f"  {name:<24} {found['ms']:8.1f} ms {found['fps']:6.1f} fps {found['us_a_nucleus']:7.1f} µs a nucleus, "
            f"F1 {found['f1']:.3f}, {found['counted']} counted, network at {found['model_pixels'] / 1e6:.2f} Mpx"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="What counting one frame costs.")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    share_the_cores()
    result = run(options.rounds, options.threads)
    print(result["machine"])
    show(result)
    if options.json is not None:
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
