"""OME-Zarr beside a recording that grows: the same image as afterwards, behind the recording, and never in its way."""

import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from app.errors import BadImageError, RecordingError
from app.recording import Recorder, find_unfinished, open_replay, recover

pytest.importorskip("zarr", reason="the extra zarr is not installed")
from test_zarr import META, make_frame

from app.recording import zarr_follower
from app.recording.zarr_follower import ZarrFollower
from app.recording.zarr_store import ZarrWriter, to_zarr

SHAPE = (1100, 1500)
"""Of two levels."""
PLACES = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]


@pytest.fixture
def recorder(tmp_path, monkeypatch):
    monkeypatch.setattr(zarr_follower, "_LOOK_EVERY_S", 0.001)
    with Recorder(tmp_path / "r.ome.tif", META, sync_every_s=0.01) as recorder:
        yield recorder


def put(recorder, numbers):
    for number in numbers:
        t, c = PLACES[number]
        recorder.put(make_frame(number, ("488", "405")[c], SHAPE), (t, c))


@pytest.fixture
def appended(monkeypatch):
    """Gets a release for every plane that is in an image."""
    planes = threading.Semaphore(0)
    append = ZarrWriter.append

    def count(self, pixels, record):
        append(self, pixels, record)
        planes.release()

    monkeypatch.setattr(ZarrWriter, "append", count)
    return planes


def wait_for(planes, number):
    for _ in range(number):
        assert planes.acquire(timeout=30)


def files(store):
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def test_it_is_the_image_that_is_made_afterwards(tmp_path, recorder, appended):
    with ZarrFollower() as follower:
        follower.start(recorder)
        put(recorder, range(3))
        wait_for(appended, 3)
        assert follower.planes == 3 and not (tmp_path / "r.ome.zarr").exists()
        put(recorder, range(3, 5))
        wait_for(appended, 2)
        path = recorder.close({"complete": False, "ended by": "It was stopped."}).path
        image = follower.finish(path)
    afterwards = to_zarr(path, tmp_path / "b.ome.zarr")
    assert image == tmp_path / "r.ome.zarr"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.ome.zarr", "r.ome.tif", "r.ome.zarr"]
    ours, theirs = files(image), files(afterwards)
    assert ours.keys() == theirs.keys() and len([name for name in ours if name.startswith("0/c")]) == len(PLACES)
    differ = {name for name in ours if ours[name] != theirs[name]}
    # The recording's own journal knows what its OME-XML has no column for; the image is named after itself.
    assert differ <= {"dapiscope/frames.jsonl", "OME/METADATA.ome.xml", "zarr.json"}
    assert json.loads(ours["zarr.json"].replace(b"r.ome.zarr", b"b.ome.zarr")) == json.loads(theirs["zarr.json"])
    with open_replay(image) as one, open_replay(afterwards) as two:
        assert one.info.meta["complete"] == "false" and one.info.meta["ended by"] == "It was stopped."
        assert one.length == two.length == len(PLACES)
        for number, (left, right) in enumerate(zip(one.frames(), two.frames(), strict=True)):
            np.testing.assert_array_equal(left.pixels, make_frame(number, shape=SHAPE).pixels)
            for name in ("index", "unix_time_s", "exposure_ms", "gain_db", "light", "pixel_format", "pixel_size_um"):
                assert getattr(left, name) == getattr(right, name)


def test_what_it_is_behind_is_made_when_the_recording_has_ended(tmp_path, recorder, appended):
    with ZarrFollower() as follower:
        follower.start(recorder)
        put(recorder, range(1))
        wait_for(appended, 1)
        follower._join()
        put(recorder, range(1, 5))
        image = follower.finish(recorder.close().path)
    with open_replay(image) as replay:
        assert [frame.index for frame in replay.frames()] == list(range(5))


def test_it_sleeps_while_frames_wait_for_the_disk():
    status = SimpleNamespace(free_bytes=1 << 40, acknowledged=4, fill=0.2)
    assert zarr_follower._follow(SimpleNamespace(status=status), SimpleNamespace(planes=2)) is False


def test_on_a_disk_that_gets_full_it_gives_its_room_to_the_recording(tmp_path, recorder, appended, monkeypatch):
    with ZarrFollower() as follower:
        follower.start(recorder)
        put(recorder, range(2))
        wait_for(appended, 2)
        assert list(tmp_path.glob(".r.ome.zarr.part-*"))
        monkeypatch.setattr(zarr_follower, "_ROOM_BYTES", 1 << 60)
        follower._thread.join(30)
        assert not list(tmp_path.glob(".r.ome.zarr.part-*"))
        put(recorder, range(2, 5))
        image = follower.finish(recorder.close().path)
    with open_replay(image) as replay:
        assert replay.length == len(PLACES)


def test_a_failure_costs_neither_the_recording_nor_the_image(tmp_path, recorder, monkeypatch):
    append, failed = ZarrWriter.append, threading.Event()

    def fail(self, pixels, record):
        if failed.is_set():
            return append(self, pixels, record)
        failed.set()
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(ZarrWriter, "append", fail)
    with ZarrFollower() as follower:
        follower.start(recorder)
        put(recorder, range(5))
        assert failed.wait(30)
        summary = recorder.close()
        assert summary.complete and summary.frames == len(PLACES)
        with open_replay(follower.finish(summary.path)) as replay:
            assert replay.length == len(PLACES)


def test_what_is_not_finished_leaves_nothing(tmp_path, recorder, appended):
    with pytest.raises(KeyboardInterrupt), ZarrFollower() as follower:
        follower.start(recorder)
        put(recorder, range(2))
        wait_for(appended, 2)
        raise KeyboardInterrupt
    assert recorder.close().frames == 2
    with ZarrFollower() as follower, pytest.raises(BadImageError):
        follower.finish(tmp_path / "never.ome.tif")
    assert [p.name for p in tmp_path.iterdir()] == ["r.ome.tif"]


def test_what_killed_programs_left_is_removed_and_what_others_write_is_not(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    here = platform.node()
    owners = [f"{here}-{dead.pid}", f"{here}-{os.getppid()}", f"another-{here}-{dead.pid}", f"{here}-2-{dead.pid}"]
    parts = [tmp_path / f".r.ome.zarr.part-{owner}" for owner in owners]
    for part in parts:
        (part / "0").mkdir(parents=True)
    with ZarrWriter(tmp_path / "r.ome.zarr") as writer, pytest.raises(RecordingError, match="one size"):
        writer.append(np.zeros((4, 5), np.uint8), _record())
        writer.append(np.zeros((4, 6), np.uint8), _record())
    assert [part.exists() for part in parts] == [False, True, True, True]


def _record():
    from app.recording.journal import PlaneRecord

    return PlaneRecord.of(make_frame(0), 0, None)


def test_a_plan_that_is_killed_leaves_its_recording_and_no_image(tmp_path):
    (tmp_path / "s.toml").write_text("[camera]\nroi = [640, 360, 640, 480]\n")
    (tmp_path / "p.yaml").write_text("channels: ['405']\ntime_plan: {interval: 0.2, loops: 500}\n")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "app", "--config", str(tmp_path / "s.toml"), "plan", str(tmp_path / "p.yaml")]
    with subprocess.Popen(
        [*command, "--out", str(out), "--zarr", "--no-count"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + 50
            while len(list(out.glob(".plan.ome.zarr.part-*/0/c/*"))) < 2:
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.send_signal(signal.SIGKILL)
    assert not (out / "plan.ome.zarr").exists()
    with pytest.raises(BadImageError):
        to_zarr(out / "plan.ome.tif", out / "plan.ome.zarr")
    (unfinished,) = find_unfinished(out)
    assert recover(unfinished.path).frames >= 2
    assert [p.name for p in out.iterdir()] == ["plan.ome.tif"]
    with open_replay(to_zarr(unfinished.path, out / "plan.ome.zarr")) as replay:
        assert replay.length >= 2 and replay.info.meta["complete"] == "false"
