"""Batches on processes and clusters, interrupted, resumed, and with workers that die: always the same results."""

import contextlib
import itertools
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import psutil
import pytest
import tifffile

from app import batch_table, batch_work
from app.batch import segment_files
from app.batch_work import Outcome, Task, cluster, processes
from app.errors import DapiscopeError, RecordingError, RefusedError
from app.images import as_frame, read_image
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from app.large import LargeImage, is_large
from app.recording.tables import stream_labels


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(load_model("fast"), provider="cpu", threads=1)


def field(seed, size=(96, 128), pitch=40):
    rng = np.random.default_rng(seed)
    image = np.full(size, 15.0, np.float32)
    for y in range(20, size[0] - 10, pitch):
        for x in range(20, size[1] - 10, pitch):
            centre = (int(x + rng.integers(-5, 6)), int(y + rng.integers(-5, 6)))
            cv2.circle(image, centre, int(rng.integers(8, 11)), float(rng.uniform(90, 170)), -1)
    image = cv2.GaussianBlur(image, (0, 0), 1.0) + rng.normal(0, 2, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    for number in range(8):
        (made / f"field{number}.png").write_bytes(imagecodecs.png_encode(field(number)))
    (made / "field3.tif").write_bytes(b"not an image")
    return made


def results(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if not path.name.startswith(".")}


def run(folder, out, segmenter, **more):
    return list(segment_files([folder], out, segmenter, 0.65, **more))


@pytest.fixture
def expected(folder, tmp_path, segmenter):
    steps = run(folder, tmp_path / "expected", segmenter)
    assert sum(not step.error for step in steps) == 8 and sum(bool(step.error) for step in steps) == 1
    return results(tmp_path / "expected")


def interrupted(folder, out, segmenter, after):
    """Run until `after` files are told, then leave as an interrupt does."""
    steps = segment_files([folder], out, segmenter, 0.65, resume=True)
    for _ in range(after):
        next(steps)
    steps.close()


class Counting:
    """Counts what is really segmented."""

    def __init__(self, segmenter):
        self.segmenter, self.done = segmenter, 0

    def __getattr__(self, name):
        return getattr(self.segmenter, name)

    def segment(self, *args, **more):
        self.done += 1
        return self.segmenter.segment(*args, **more)


def test_two_processes_give_the_same_files(folder, tmp_path, segmenter, expected):
    steps = run(folder, tmp_path / "out", segmenter, runner=processes(2))
    assert [step.done for step in steps] == list(range(1, 10))
    assert results(tmp_path / "out") == expected


def test_a_rerun_redoes_nothing_and_changes_nothing(folder, tmp_path, segmenter, expected):
    run(folder, tmp_path / "out", segmenter, resume=True)
    before = results(tmp_path / "out")
    assert before == expected
    counting = Counting(segmenter)
    steps = run(folder, tmp_path / "out", counting, resume=True)
    assert counting.done == 0
    assert [(step.skipped, bool(step.error)) for step in steps] == [(True, False)] * 8 + [(False, True)]
    assert sum(step.count or 0 for step in steps) > 0
    assert results(tmp_path / "out") == before


@pytest.mark.parametrize("after", [1, 4, 7])
def test_an_interrupted_batch_ends_as_if_it_had_not_been(folder, tmp_path, segmenter, expected, after):
    interrupted(folder, tmp_path / "out", segmenter, after)
    counting = Counting(segmenter)
    steps = run(folder, tmp_path / "out", counting, resume=True)
    assert sum(step.skipped for step in steps) + counting.done == 8
    assert counting.done < 8
    assert results(tmp_path / "out") == expected
    assert not list((tmp_path / "out").glob(".dapiscope-*.tif"))


def test_a_link_to_an_image_has_its_own_row_after_an_interrupt_too(folder, tmp_path, segmenter):
    (folder / "field0-link.png").symlink_to(folder / "field0.png")
    run(folder, tmp_path / "expected", segmenter)
    interrupted(folder, tmp_path / "out", segmenter, 1)
    run(folder, tmp_path / "out", segmenter, resume=True)
    assert results(tmp_path / "out") == results(tmp_path / "expected")


@pytest.mark.parametrize("keep", ["rows", "ledger", "labels"])
def test_what_a_crash_cut_short_is_mended(folder, tmp_path, segmenter, expected, keep):
    out = tmp_path / "out"
    interrupted(folder, out, segmenter, 5)
    ledger = out / ".dapiscope-segment.jsonl"
    if keep == "rows":  # killed while a row was written: the labels have no name yet
        entry = json.loads(ledger.read_text().splitlines()[-1])
        (out / entry["labels"]).rename(out / entry["part"])
        text = (out / "nuclei.csv").read_bytes()
        (out / "nuclei.csv").write_bytes(text[:-7])
    elif keep == "ledger":  # killed while the ledger was written
        text = ledger.read_bytes()
        last = text.rstrip().rsplit(b"\n", 1)[0]
        entry = json.loads(text.splitlines()[-1])
        previous = json.loads(last.splitlines()[-1])
        ledger.write_bytes(text[:-9])
        for name in ("counts", "nuclei"):
            table = out / f"{name}.csv"
            table.write_bytes(table.read_bytes()[: previous[f"{name}_end"]])
        (out / entry["labels"]).unlink()
    else:  # killed before the labels had their name
        entry = json.loads(ledger.read_text().splitlines()[-1])
        (out / entry["labels"]).rename(out / entry["part"])
    run(folder, out, segmenter, resume=True)
    assert results(out) == expected


@pytest.mark.parametrize("cut", ["interrupt", "part", "found"])
def test_what_is_finished_before_its_turn_is_not_computed_again(folder, tmp_path, segmenter, expected, cut):
    """A large image is still being computed when all others are finished, and Ctrl-C comes."""
    out = tmp_path / "out"

    def late_first(tasks):
        first, *others = tasks
        for task in others:
            yield task, batch_work.segment_image(task, segmenter)
        (out / f"{first.part_prefix}{first.number}-0.tif").write_bytes(b"II*")  # begun
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, out, segmenter, resume=True, runner=late_first)
    assert len(table_rows(out)) == 0
    parts = sorted(out.glob(".dapiscope-*.tif"))
    assert len(parts) == len(list(out.glob(".dapiscope-*.json"))) == 7
    if cut == "part":  # by a power cut
        parts[0].write_bytes(parts[0].read_bytes()[:-20])
    elif cut == "found":
        parts[0].with_suffix(".json").write_text("{")
    counting = Counting(segmenter)
    steps = run(folder, out, counting, resume=True)
    assert counting.done == sum(not (step.skipped or step.error) for step in steps) == 1 + (cut != "interrupt")
    assert results(out) == expected
    assert [path.name for path in out.glob(".*")] == [".dapiscope-segment.jsonl"]


def test_nothing_hidden_is_left_of_a_batch_that_is_run_with_another_scale_then(folder, tmp_path, segmenter):
    out = tmp_path / "out"

    def late_first(tasks):
        yield from ((task, batch_work.segment_image(task, segmenter)) for task in list(tasks)[1:])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, out, segmenter, resume=True, runner=late_first)
    steps = segment_files([folder], out, segmenter, 0.6, resume=True)
    next(steps)
    steps.close()
    assert list(out.glob(".dapiscope-*.tif")), "it may be gone on with while the other has not ended"
    assert len(list(segment_files([folder], out, segmenter, 0.6, resume=True))) == 9
    assert {path.suffix for path in out.glob(".*")} == {".jsonl"}


def table_rows(out):
    return (out / "counts.csv").read_text().splitlines()[1:]


def test_labels_stay_where_their_row_is_gone(folder, tmp_path, segmenter, expected):
    """A power cut or an operator took it; the images that go on are others."""
    out = tmp_path / "out"
    run(folder, out, segmenter, resume=True)
    table = (out / "counts.csv").read_text().splitlines(keepends=True)
    (out / "counts.csv").write_text("".join(table[:-1]))
    list(segment_files(sorted(folder.iterdir())[:3], out, segmenter, 0.65, resume=True))
    assert (out / "field7_labels.tif").read_bytes() == expected["field7_labels.tif"]
    run(folder, out, segmenter, resume=True)
    assert (out / "field7_labels.tif").exists() and len(table_rows(out)) == 8
    assert (out / "field7_labels-2.tif").read_bytes() == expected["field7_labels.tif"]


def test_a_label_image_that_a_power_cut_emptied_is_made_again(folder, tmp_path, segmenter, expected):
    out = tmp_path / "out"
    run(folder, out, segmenter, resume=True)
    (out / "field2_labels.tif").write_bytes(b"")
    edited = tifffile.imread(out / "field4_labels.tif")
    tifffile.imwrite(out / "field4_labels.tif", np.where(edited == 1, 0, edited))  # by hand: it is left alone
    counting = Counting(segmenter)
    run(folder, out, counting, resume=True)
    assert counting.done == 1 and len(table_rows(out)) == 9
    assert (out / "field2_labels-2.tif").read_bytes() == expected["field2_labels.tif"]
    assert not (out / "field4_labels-2.tif").exists()


def test_another_model_scale_or_image_is_done_anew(folder, tmp_path, segmenter):
    out = tmp_path / "out"
    run(folder, out, segmenter, resume=True)
    counting = Counting(segmenter)
    list(segment_files([folder], out, counting, 0.6, resume=True))
    assert counting.done == 8
    assert (out / "counts-2.csv").exists() and (out / "field0_labels-2.tif").exists()
    (folder / "field0.png").write_bytes(imagecodecs.png_encode(field(99)))
    counting.done = 0
    run(folder, out, counting, resume=True)
    assert counting.done == 1
    assert (out / "counts.csv").read_text().count("field0.png") == 2


def test_tables_that_somebody_edited_are_left_alone(folder, tmp_path, segmenter):
    out = tmp_path / "out"
    run(folder, out, segmenter, resume=True)
    edited = (out / "counts.csv").read_text().replace("fast", "FAST")
    (out / "counts.csv").write_text(edited)
    run(folder, out, segmenter, resume=True)
    assert (out / "counts.csv").read_text() == edited
    assert (out / "counts-2.csv").exists()


@pytest.mark.parametrize("damage", ["damaged", "of tables with other columns"])
def test_a_ledger_that_cannot_be_used_is_as_if_there_was_none(folder, tmp_path, segmenter, damage):
    out = tmp_path / "out"
    run(folder, out, segmenter, resume=True)
    ledger = out / ".dapiscope-segment.jsonl"
    earlier = ledger.read_text().replace('"version": 3', '"version": 1')
    ledger.write_text("{}\n" if damage == "damaged" else earlier)
    counting = Counting(segmenter)
    run(folder, out, counting, resume=True)
    assert counting.done == 8 and (out / "counts-2.csv").exists()


def test_two_batches_at_once_do_not_share_tables(folder, tmp_path, segmenter):
    out = tmp_path / "out"

    def backwards(tasks):  # when the first is told, all others wait
        return ((task, batch_work.segment_image(task, segmenter)) for task in reversed(list(tasks)))

    first = segment_files([folder], out, segmenter, 0.65, resume=True, runner=backwards)
    next(first)
    second = run(folder, out, segmenter, resume=True)
    rest = list(first)
    assert len(second) == len(rest) + 1 == 9
    assert sorted(path.name for path in out.glob("counts*.csv")) == ["counts-2.csv", "counts.csv"]
    assert len({path.name for path in out.glob("*_labels*.tif")}) == 16


def test_labels_that_another_batch_took_the_name_of_meanwhile_get_the_next_one(
    folder, tmp_path, segmenter, expected, monkeypatch
):
    """Between the look for a free name and its use; the rows then name the labels that are the image's own."""
    out, theirs = tmp_path / "out", iter([b"of another batch"])
    really = batch_table.publish

    def late(part, path):
        for data in theirs:
            path.write_bytes(data)
        really(part, path)

    monkeypatch.setattr(batch_table, "publish", late)
    steps = run(folder, out, segmenter, resume=True)
    assert [step.count for step in steps] == [step.count for step in run(folder, tmp_path / "x", segmenter)]
    assert (out / "field0_labels.tif").read_bytes() == b"of another batch"
    assert (out / "field0_labels-2.tif").read_bytes() == expected["field0_labels.tif"]
    for table in ("counts.csv", "nuclei.csv"):
        as_if_alone = expected[table].replace(b"field0_labels.tif", b"field0_labels-2.tif")
        assert (out / table).read_bytes() == as_if_alone
    assert all(step.skipped for step in run(folder, out, segmenter, resume=True) if not step.error)


def test_a_link_to_nowhere_takes_a_name_too(folder, tmp_path, segmenter, expected):
    out = tmp_path / "out"
    out.mkdir()
    (out / "field0_labels.tif").symlink_to(tmp_path / "nowhere.tif")
    run(folder, out, segmenter, resume=True)
    assert (out / "field0_labels-2.tif").read_bytes() == expected["field0_labels.tif"]


def test_an_image_whose_labels_can_have_no_name_is_a_bad_file(folder, tmp_path, segmenter, expected):
    (folder / "field4.png").rename(folder / f"field4{'4' * 240}.png")
    out = tmp_path / "out"
    steps = run(folder, out, segmenter, resume=True)
    (bad,) = (step for step in steps if "4444" in step.path.name)
    assert bad.error.endswith("has too long a name for that of its labels: shorten it.")
    assert len(table_rows(out)) == 7 and {p.suffix for p in out.glob(".*")} == {".jsonl"}


def test_a_killed_worker_costs_nothing(folder, tmp_path, segmenter, expected):
    killed = []

    def kill_one():
        deadline = time.monotonic() + 30
        while not killed and time.monotonic() < deadline:
            for child in children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
                    killed.append(child)
                    return
            time.sleep(0.02)

    thread = threading.Thread(target=kill_one)
    thread.start()
    steps = run(folder, tmp_path / "out", segmenter, runner=processes(2))
    thread.join()
    assert killed
    assert [step.path.name for step in steps if step.error] == ["field3.tif"]
    assert results(tmp_path / "out") == expected


@pytest.mark.parametrize("error", [OSError("handle is closed"), BrokenPipeError(32, "Broken pipe")])
def test_a_pool_that_breaks_while_it_is_handed_a_task_costs_nothing(
    folder, tmp_path, segmenter, expected, monkeypatch, error
):
    left = [error]

    class Breaking(ProcessPoolExecutor):
        def submit(self, *args, **more):
            if self._queue_count == 1 and left:
                raise left.pop()
            return super().submit(*args, **more)

    monkeypatch.setattr(batch_work, "ProcessPoolExecutor", Breaking)
    steps = run(folder, tmp_path / "out", segmenter, runner=processes(2))
    assert not left
    assert [step.path.name for step in steps if step.error] == ["field3.tif"]
    assert results(tmp_path / "out") == expected


def test_a_worker_that_a_broken_pool_forgot_is_ended(folder, tmp_path, segmenter, expected, monkeypatch):
    ended = []

    class Forgetful(ProcessPoolExecutor):
        """As when a worker dies while the next one is being started: the pool does not know that one yet."""

        forgot = None

        def _spawn_process(self):
            if self.forgot is not None:
                return  # no third one either
            super()._spawn_process()
            first, *later = self._processes
            if later:
                self.forgot = self._processes.pop(later[0])
                os.kill(first, signal.SIGKILL)

        def shutdown(self, *args, **more):
            if self.forgot is not None:
                self.forgot.join(10)  # the real one waits for ever
                ended.append(not self.forgot.is_alive())
                self.forgot.kill()
            super().shutdown(*args, **more)

    monkeypatch.setattr(batch_work, "ProcessPoolExecutor", Forgetful)
    run(folder, tmp_path / "out", segmenter, runner=processes(2))
    assert ended and all(ended)  # twice where the first pool broke before it had all images
    assert results(tmp_path / "out") == expected


def children():
    import psutil

    return [child.pid for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_workers_end_with_a_batch_that_is_killed(folder, tmp_path):
    for number in range(100):
        shutil.copy(folder / "field0.png", folder / f"more{number}.png")
    command = [sys.executable, "-m", "app", "segment", folder, "--out", tmp_path / "out", "--model", "fast"]
    batch = subprocess.Popen([*command, "--workers", "2"], stderr=subprocess.DEVNULL)
    workers = []
    try:
        while batch.poll() is None and not list((tmp_path / "out").glob("*_labels.tif")):
            time.sleep(0.02)
        workers = psutil.Process(batch.pid).children()
        batch.kill()
        batch.wait()
        assert len(workers) >= 2 and not psutil.wait_procs(workers, timeout=20)[1]
    finally:
        for process in (batch, *workers):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()


def test_an_image_that_always_kills_its_worker_is_a_bad_file(folder, tmp_path, segmenter, monkeypatch):
    class Pool:
        """Breaks for one image, as the real one does when its worker is killed."""

        def __init__(self, *args, **more):
            pass

        def submit(self, work, task):
            future = batch_work.Future()
            if task.path.endswith("field5.png"):
                future.set_exception(batch_work.BrokenProcessPool("killed"))
            else:
                future.set_result(batch_work.segment_image(task, segmenter))
            return future

        def shutdown(self, **more):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *args):
            pass

    monkeypatch.setattr(batch_work, "ProcessPoolExecutor", Pool)
    steps = run(folder, tmp_path / "out", segmenter, runner=processes(2))
    assert {step.path.name: step.error for step in steps if step.error}["field5.png"].endswith("use fewer workers.")
    assert sum(not step.error for step in steps) == 7


def test_a_disk_that_refuses_ends_the_batch(folder, tmp_path, segmenter):
    def full(tasks):
        for task in tasks:
            yield task, Outcome("The results cannot be written (no space): free some space.", fatal=True)

    with pytest.raises(RecordingError, match="free some space"):
        run(folder, tmp_path / "out", segmenter, runner=full)


def test_another_model_on_the_worker_is_noticed(folder, tmp_path):
    task = Task(0, str(folder / "field0.png"), ("", 0, 0), str(tmp_path), ".x-", str(tmp_path), "fast", "0" * 64, 0.65)
    outcome = batch_work.segment_anywhere(task)
    assert outcome.fatal and "same dapiscope" in outcome.error


# ---------------------------------------------------------------------- large images


def test_a_large_image_has_no_seams(tmp_path, segmenter):
    image = field(5, size=(1500, 1400))
    path = tmp_path / "large.png"
    path.write_bytes(imagecodecs.png_encode(image))
    frame = as_frame(read_image(path), path)
    whole = segmenter.segment(frame, 0.65, exact=True)
    large = LargeImage(frame, segmenter, 0.65, tile_px=400)
    stream_labels(tmp_path / "labels.tif", large.rows(), frame.shape, 0.65)
    found = large.result()
    labels = tifffile.imread(tmp_path / "labels.tif")
    assert labels.shape == image.shape and labels.dtype == np.int32
    assert found.count == whole.count == labels.max() > 1000
    np.testing.assert_array_equal(np.bincount(labels.ravel())[1:], found.nuclei["area_px"])
    # Every nucleus is one piece, and the same piece as in one go.
    assert cv2.connectedComponents((labels > 0).astype(np.uint8))[0] - 1 <= found.count
    overlap = np.stack([labels.ravel(), whole.labels.ravel()])
    both = overlap[:, (overlap > 0).all(axis=0)]
    pairs, shared = np.unique(both, axis=1, return_counts=True)
    best = {a: (b, n) for (a, b), n in sorted(zip(pairs.T.tolist(), shared, strict=True), key=lambda pair: pair[1])}
    areas = np.bincount(whole.labels.ravel()), np.bincount(labels.ravel())
    iou = [n / (areas[1][a] + areas[0][b] - n) for a, (b, n) in best.items()]
    assert len(best) == found.count and min(iou) > 0.8 and np.mean(iou) > 0.98
    for name in ("touches_edge", "counted"):
        assert found.nuclei[name].sum() == pytest.approx(whole.nuclei[name].sum(), abs=2)
    assert found.flags == whole.flags
    assert found.density_per_mm2 == pytest.approx(whole.density_per_mm2, rel=0.005)


@pytest.mark.parametrize(("size_um", "tiled"), [(0.65, False), (2.6, True), (500.0, False), ("auto", False)])
def test_what_the_model_is_to_see_large_goes_tile_by_tile_too(segmenter, size_um, tiled):
    """An overview at a low magnification would be 250 million pixels; what is beyond all range is estimated."""
    frame = as_frame(read_image_of(np.zeros((4096, 4096), np.uint8)), Path(__file__))
    assert is_large(frame, segmenter, size_um) is tiled
    if size_um != "auto":
        assert is_large(replace(frame, pixel_size_um=size_um), segmenter, None) is tiled
        assert not is_large(replace(frame, pixel_size_um=size_um), segmenter, "auto")


def test_an_empty_large_image_is_too_dim(segmenter):
    frame = as_frame(read_image_of(np.full((900, 800), 20, np.uint8)), Path(__file__))
    large = LargeImage(replace(frame, pixel_size_um=0.65), segmenter, None, tile_px=400)
    assert sum(len(rows) for rows in large.rows()) == 900
    assert large.result().count == 0 and "too dim" in large.result().flags


def read_image_of(pixels):
    from app.images import StillImage

    return StillImage(pixels, None, "Mono8")


@pytest.mark.parametrize("blocks", [[130], [1, 1, 126, 2], [64, 64, 2], [63, 67]])
def test_rows_of_any_thickness_make_the_same_file(tmp_path, blocks):
    labels = np.arange(130 * 7, dtype=np.int32).reshape(130, 7)
    cuts = np.cumsum([0, *blocks])
    parts = (labels[a:b] for a, b in itertools.pairwise(cuts))
    stream_labels(tmp_path / "l.tif", parts, (130, 7), None)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.tif"), labels)


# ---------------------------------------------------------------------- a real cluster


@contextlib.contextmanager
def dask_cluster(tmp_path, workers=2):
    """Start a scheduler and workers as processes of their own; yields the address and the workers."""
    pytest.importorskip("distributed")
    info = tmp_path / "scheduler.json"
    base = [sys.executable, "-W", "ignore", "-m"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    scheduler = [*base, "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    started = [subprocess.Popen([*scheduler, "--scheduler-file", str(info)], **quiet)]
    try:
        deadline = time.monotonic() + 30
        while not (info.exists() and info.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        address = json.loads(info.read_text())["address"]
        worker = [*base, "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        env = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
        hands = [subprocess.Popen([*worker, "--name", f"w{n}"], env=env, **quiet) for n in range(workers)]
        started += hands
        yield address, hands
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


@pytest.mark.timeout(120)
def test_a_real_dask_cluster_gives_the_same_files(folder, tmp_path, segmenter, expected):
    with dask_cluster(tmp_path) as (address, _):
        steps = run(folder, tmp_path / "out", segmenter, runner=cluster(address))
    assert [step.path.name for step in steps if step.error] == ["field3.tif"]
    assert results(tmp_path / "out") == expected


@pytest.mark.timeout(120)
def test_a_killed_dask_worker_loses_nothing(folder, tmp_path, segmenter, expected):
    with dask_cluster(tmp_path) as (address, hands):
        steps = []
        for step in segment_files([folder], tmp_path / "out", segmenter, 0.65, runner=cluster(address)):
            if not steps:
                hands[0].kill()
            steps.append(step)
    assert [step.path.name for step in steps if step.error] == ["field3.tif"]
    assert results(tmp_path / "out") == expected


@pytest.mark.timeout(120)
def test_a_cluster_without_workers_is_said_and_a_scheduler_that_dies_says_how_to_go_on(
    folder, tmp_path, segmenter, monkeypatch
):
    monkeypatch.setattr(batch_work, "CONNECT_S", 1)
    monkeypatch.setattr(batch_work, "WORKERS_S", 0.2)

    def heard(sentence):
        said.append(sentence)
        (scheduler,) = (child for child in psutil.Process().children() if "distributed.cli" in str(child.cmdline()))
        scheduler.kill()

    said = []
    with dask_cluster(tmp_path, workers=0) as (address, _), pytest.raises(DapiscopeError, match="run the same command"):
        run(folder, tmp_path / "out", segmenter, runner=cluster(address, heard))
    assert said == [f"The cluster at {address} has no workers yet: start one with `dask worker {address}`."]


def test_no_scheduler_is_said_in_one_sentence(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(batch_work, "CONNECT_S", 0.5)
    with pytest.raises(DapiscopeError, match="No Dask scheduler answers"):
        cluster("tcp://127.0.0.1:9")


def owners(out):
    return sorted(out.glob(".*.owner"))


def test_a_ledger_that_another_computer_holds_is_not_taken(folder, tmp_path, segmenter, expected, monkeypatch):
    out = tmp_path / "out"
    steps = segment_files([folder], out, segmenter, 0.65, resume=True)
    for _ in range(4):
        next(steps)
    (owner,) = owners(out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with monkeypatch.context() as there:
        there.setattr("platform.node", lambda: "other")
        there.setattr("app.batch_table.lock", lambda fd: True)  # a disk that knows nothing of the first one's hold
        with pytest.raises(RefusedError, match=f"delete {owner.name} there") as refused:
            run(folder, out, segmenter, resume=True)
    assert refused.value.exit_code == 3 and "wait for its end" in str(refused.value)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    list(steps)
    assert results(out) == expected and not owners(out)


def test_what_waits_of_another_computers_batch_is_not_removed(folder, tmp_path, segmenter, monkeypatch):
    out = tmp_path / "out"
    interrupted(folder, out, segmenter, 3)
    assert not owners(out)
    (ledger,) = out.glob(".dapiscope-segment*.jsonl")
    part = out / f".dapiscope-{json.loads(ledger.read_text().splitlines()[0])['run']}-part.tif"
    part.write_bytes(b"at work")
    owner = ledger.with_name(f"{ledger.name}.owner")
    owner.write_text("other")
    list(segment_files([folder], out, segmenter, 0.5, resume=True))  # of other settings, so beside it
    assert part.exists() and owners(out) == [owner]


def test_a_batch_that_was_killed_here_is_gone_on_with_whatever_it_left(folder, tmp_path, segmenter, expected):
    out = tmp_path / "out"
    interrupted(folder, out, segmenter, 5)
    (ledger,) = out.glob(".dapiscope-segment*.jsonl")
    ledger.with_name(f"{ledger.name}.owner").write_text(platform.node())
    assert sum(step.skipped for step in run(folder, out, segmenter, resume=True)) == 4
    assert results(out) == expected and not owners(out)
