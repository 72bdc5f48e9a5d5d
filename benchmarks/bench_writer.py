"""How fast the recorder writes, against plain sequential writing of the same bytes, and what it costs in CPU.

    python benchmarks/bench_writer.py [FOLDER] [--frames 400] [--rounds 3] [--others] [--live-seconds 20]

The two take turns on the same disk; both end with an fsync. The ratio of the medians must be at least 0.9. Then
frames come in at the camera's rate (3840×2160 Mono8, 44.9 a second) and the queue's worst fill is printed.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata, disk_speed

SHAPE = (2160, 3840)
FPS = 44.9


def make_frame(pixels: np.ndarray, index: int) -> Frame:
    light = Light("405", 0.25, True, "")
    now_s = time.monotonic()
    return Frame(pixels, index, now_s, 1.7e9 + index / FPS, 15.0, 0.0, "Mono8", 0.1, light, source="benchmark")


def plain(folder: Path, images: list[np.ndarray], frames: int) -> tuple[float, float]:
    """Write with the operating system's ordinary calls; return (bytes/s, CPU s)."""
    path = folder / "plain.bin"
    start, cpu = time.perf_counter(), time.process_time()
    with path.open("wb", buffering=0) as file:
        for index in range(frames):
            file.write(images[index % len(images)].data)
        os.fsync(file.fileno())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    path.unlink()
    return frames * images[0].nbytes / seconds, cpu


def recorded(folder: Path, images: list[np.ndarray], frames: int) -> tuple[float, float]:
    """Write with the recorder, directories and metadata included; return (bytes/s, CPU s)."""
    recorder = Recorder(folder / "recorder.ome.tif", RunMetadata(camera="benchmark"))
    start, cpu = time.perf_counter(), time.process_time()
    recorder.start()
    for index in range(frames):
        while recorder.status.fill > 0.5:
            time.sleep(0.001)
        if not recorder.put(make_frame(images[index % len(images)], index)):
            break
    summary = recorder.close()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if summary.error is not None or summary.frames != frames:
        raise SystemExit(f"{summary.frames} of {frames} frames: {summary.error}")
    summary.path.unlink()
    return summary.bytes / seconds, cpu


def with_tifffile(folder: Path, images: list[np.ndarray], frames: int) -> tuple[float, float]:
    """Write with tifffile, one page a frame: what a library does that must suit everyone."""
    path = folder / "tifffile.tif"
    start, cpu = time.perf_counter(), time.process_time()
    with path.open("wb") as file, tifffile.TiffWriter(file, bigtiff=True) as tif:
        for index in range(frames):
            tif.write(images[index % len(images)], photometric="minisblack", contiguous=False, metadata=None)
        os.fsync(file.fileno())
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    path.unlink()
    return frames * images[0].nbytes / seconds, cpu


def with_zarr(folder: Path, images: list[np.ndarray], frames: int) -> tuple[float, float]:
    """Write with zarr, one uncompressed chunk a frame (no fsync: the library has none)."""
    import zarr

    path = folder / "frames.zarr"
    start, cpu = time.perf_counter(), time.process_time()
    array = zarr.create_array(
        path, shape=(frames, *SHAPE), chunks=(1, *SHAPE), dtype=np.uint8, compressors=None, filters=None
    )
    for index in range(frames):
        array[index] = images[index % len(images)]
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    shutil.rmtree(path)
    return frames * images[0].nbytes / seconds, cpu


def live(folder: Path, images: list[np.ndarray], seconds: float) -> None:
    recorder = Recorder(folder / "live.ome.tif", RunMetadata(camera="benchmark"))
    recorder.start()
    start, cpu = time.monotonic(), time.process_time()
    total = round(seconds * FPS)
    for index in range(total):
        time.sleep(max(0.0, start + index / FPS - time.monotonic()))
        if not recorder.put(make_frame(images[index % len(images)], index)):
            break
    peak = recorder.status.peak_fill
    cpu = time.process_time() - cpu
    elapsed = time.monotonic() - start
    summary = recorder.close()
    print(
        f"live: {summary.frames} of {total} frames at {FPS}/s ({summary.bytes / elapsed / 1e6:.0f} MB/s), queue at "
        f"most {100 * peak:.0f} % full, {100 * cpu / elapsed:.0f} % of a core, error: {summary.error}"
    )
    summary.path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--others", action="store_true", help="also measure tifffile and zarr")
    parser.add_argument("--live-seconds", type=float, default=20.0)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, SHAPE, dtype=np.uint8) for _ in range(4)]
    with tempfile.TemporaryDirectory(prefix="bench-writer-", dir=options.folder) as name:
        folder = Path(name)
        print(f"probe (disk_speed): {disk_speed(folder) / 1e6:.0f} MB/s")
        writers = {"plain": plain, "recorder": recorded}
        if options.others:
            writers |= {"tifffile": with_tifffile, "zarr": with_zarr}
        rates: dict[str, list[float]] = {kind: [] for kind in writers}
        for _ in range(options.rounds):
            for kind, write in writers.items():
                rate, cpu = write(folder, images, options.frames)
                rates[kind].append(rate)
                gigabytes = options.frames * images[0].nbytes / 1e9
                print(f"{kind:9s} {rate / 1e6:7.0f} MB/s  {cpu / gigabytes:5.2f} CPU s/GB")
        ratio = statistics.median(rates["recorder"]) / statistics.median(rates["plain"])
        print(f"ratio recorder / plain: {ratio:.2f}")
        live(folder, images, options.live_seconds)


if __name__ == "__main__":
    main()
