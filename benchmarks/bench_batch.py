"""How much faster two workers are than one, on many small images.

    DAPISCOPE_DATA=DIR python -m benchmarks.bench_batch [--images 2000] [--pairs 3] [--workers 2] [--folder DIR]

The public images of the DSB 2018 set (below ``DAPISCOPE_DATA``) are turned and mirrored into as many as asked for. One
worker and several, each computing with one thread, take turns; the outputs must be equal byte for byte. For every pair
it prints how much faster the several were (wall), what they cost together against the one (CPU; 1 is no extra work),
and how many of the machine's cores others took meanwhile: only on otherwise idle cores does the first figure mean
something.
"""

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from app.batch import segment_files
from app.batch_work import processes
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from benchmarks.machine import machine

PIXEL_SIZE_UM = 0.65


def many_images(source: Path, folder: Path, number: int) -> None:
    """Write `number` PNG images to `folder`: those of `source`, then the same turned and mirrored in seven ways."""
    files = sorted(source.glob("*.png"))
    if not 0 < number <= 8 * len(files):
        raise SystemExit(f"{source} has {len(files)} PNG images, good for 1 to {8 * len(files)}, not {number}.")
    folder.mkdir(parents=True)
    for n in range(number):
        turn, index = divmod(n, len(files))
        image = cv2.imread(str(files[index]), cv2.IMREAD_UNCHANGED)
        if image is None:
            raise SystemExit(f"{files[index]} is no image that OpenCV reads; remove it from the folder.")
        turned = np.rot90(image[:, ::-1] if turn > 3 else image, turn)
        cv2.imwrite(str(folder / f"{n:05d}.png"), np.ascontiguousarray(turned))


def digests(out: Path) -> dict[str, str]:
    """Return the SHA-256 of every result in a folder by its name."""
    files = (path for path in out.iterdir() if not path.name.startswith("."))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@dataclass(frozen=True)
class Run:
    """What one batch cost: seconds, core-seconds of it and its workers, cores that others took meanwhile."""

    wall_s: float
    cpu_s: float
    others: float
    results: dict[str, str]


def _spent_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def once(images: Path, out: Path, segmenter: Segmenter, workers: int) -> Run:
    """Segment all of `images` and remove the results again."""
    began, spent, busy = time.perf_counter(), _spent_s(), _busy_s()
    steps = list(segment_files([images], out, segmenter, PIXEL_SIZE_UM, runner=processes(workers)))
    wall_s, cpu_s = time.perf_counter() - began, _spent_s() - spent
    others = max(_busy_s() - busy - cpu_s, 0.0) / wall_s
    failed = [step.error for step in steps if step.error]
    if failed:
        raise SystemExit(f"{len(failed)} images failed; the first: {failed[0]}")
    found = digests(out)
    shutil.rmtree(out)
    return Run(wall_s, cpu_s, others, found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Disk to work on.")
    options = parser.parse_args()
    if "DAPISCOPE_DATA" not in os.environ:
        raise SystemExit("DAPISCOPE_DATA names no folder with the public images: set it.")
    source = Path(os.environ["DAPISCOPE_DATA"]) / "dsb2018" / "images"
    segmenter = Segmenter(load_model("fast"), provider="cpu", threads=1)
    print(machine())
    faster, dearer = [], []
    with tempfile.TemporaryDirectory(prefix="bench-batch-", dir=options.folder) as name:
        images = Path(name) / "in"
        many_images(source, images, options.images)
        for pair in range(options.pairs):
            # Who begins takes turns too.
            order = (1, options.workers) if pair % 2 == 0 else (options.workers, 1)
            runs = {workers: once(images, Path(name) / "out", segmenter, workers) for workers in order}
            one, several = runs[1], runs[options.workers]
            if one.results != several.results:
                raise SystemExit("The results differ.")
            faster.append(one.wall_s / several.wall_s)
            dearer.append(several.cpu_s / one.cpu_s)
            for workers, run in runs.items():
                print(
                    f"pair {pair + 1}: {workers} worker{'s' * (workers > 1)}: {run.wall_s:6.1f} s, {run.cpu_s:6.1f} s "
                    f"of CPU, others took {run.others:.2f} cores"
                )
            print(f"pair {pair + 1}: {faster[-1]:.2f} times as fast for {dearer[-1]:.2f} times the CPU; equal results")
    print(
        f"{options.images} images, {options.workers} workers against one, median of {options.pairs} pairs: "
        f"{statistics.median(faster):.2f} times as fast for {statistics.median(dearer):.2f} times the CPU"
    )


if __name__ == "__main__":
    main()
