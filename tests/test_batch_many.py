"""Two thousand real images: one worker, two, a cluster, dead workers, an interrupt: always the same results."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_batch_resume import children, dask_cluster

from app.batch import segment_files
from app.batch_work import cluster, processes
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from benchmarks.bench_batch import digests, many_images

IMAGES = int(os.environ.get("DAPISCOPE_BATCH_IMAGES", "2000"))
DATA = Path(os.environ.get("DAPISCOPE_DATA", "-")) / "dsb2018" / "images"
SIZE_UM = 0.65

pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not DATA.is_dir(), reason="DAPISCOPE_DATA names no folder with dsb2018"),
]


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(load_model("fast"), provider="cpu", threads=1)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "in"
    many_images(DATA, folder, IMAGES)
    return folder


@pytest.fixture(scope="module")
def expected(images, tmp_path_factory, segmenter):
    out = tmp_path_factory.mktemp("expected")
    assert segment_all(images, out, segmenter, processes(1)) == IMAGES
    found = digests(out)
    assert len(found) == IMAGES + 2
    return found


def segment_all(images, out, segmenter, runner, halfway=lambda: None):
    """Return how many were segmented without an error; call `halfway` in the middle."""
    good = 0
    for step in segment_files([images], out, segmenter, SIZE_UM, runner=runner):
        good += not step.error
        if step.done == IMAGES // 2:
            halfway()
    return good


def test_two_workers(images, tmp_path, segmenter, expected):
    assert segment_all(images, tmp_path, segmenter, processes(2)) == IMAGES
    assert digests(tmp_path) == expected


def test_a_worker_killed_midway(images, tmp_path, segmenter, expected):
    killed = []

    def kill():
        killed.append(children()[0])
        os.kill(killed[0], signal.SIGKILL)

    assert segment_all(images, tmp_path, segmenter, processes(2), kill) == IMAGES
    assert killed and digests(tmp_path) == expected


def test_a_cluster_of_two_workers(images, tmp_path, segmenter, expected):
    with dask_cluster(tmp_path) as (address, _):
        assert segment_all(images, tmp_path / "out", segmenter, cluster(address)) == IMAGES
    assert digests(tmp_path / "out") == expected


def test_a_worker_of_a_cluster_killed_midway(images, tmp_path, segmenter, expected):
    with dask_cluster(tmp_path) as (address, hands):
        assert segment_all(images, tmp_path / "out", segmenter, cluster(address), hands[0].kill) == IMAGES
        assert hands[0].wait() == -signal.SIGKILL and hands[1].poll() is None
    assert digests(tmp_path / "out") == expected


def test_ctrl_c_and_the_same_command_again(images, tmp_path, expected):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "app", "segment", str(images), "--out", str(out), "--model", "fast"]
    command += ["--pixel-size-um", str(SIZE_UM), "--workers", "2"]
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        command,
        cwd=root,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell's background commands ignore Ctrl-C, and so would whatever they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as batch:
        while len(list(out.glob("*_labels.tif"))) < IMAGES // 2:
            assert batch.poll() is None, batch.communicate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                batch.wait(0.1)
        batch.send_signal(signal.SIGINT)
        _, told = batch.communicate()
    assert batch.returncode == 1 and "run the same command again" in told, told
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*_labels.tif")}
    assert IMAGES // 2 <= len(before) < IMAGES
    again = subprocess.run(command, cwd=root, text=True, capture_output=True, check=True)
    skipped = re.search(r"\((\d+) of them by an earlier run\)", again.stdout)
    # What was finished is neither computed nor written again; some of it had still to get its name.
    assert skipped and int(skipped[1]) >= len(before), again.stdout
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before
    assert digests(out) == expected
