"""A recording survives the death of its writer and of the power: nothing acknowledged is ever lost."""

import logging
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from app.errors import BadImageError
from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata, find_unfinished, open_replay, recover
from app.recording.journal import Journal, journal_path
from app.recording.store import FrameStore

ROOT = Path(__file__).resolve().parent.parent

WRITER = """
import sys, time
from pathlib import Path
import numpy as np
from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata
recorder = Recorder(Path(sys.argv[1]), RunMetadata(camera="test"), queue_bytes=1 << 24, sync_every_s=0.005)
recorder.start()
said = -1
for i in range(int(sys.argv[2])):
    while recorder.status.fill > 0.5:
        time.sleep(0.0005)
    pixels = np.full((300, 401), i % 251, np.uint8)
    pixels[0, :4] = np.frombuffer(i.to_bytes(4, "little"), np.uint8)
    recorder.put(Frame(pixels, i, i * 0.02, 1.7e9 + i * 0.02, 15.0, 0.0, "Mono8", 0.1, Light("405", 0.2, True, "")))
    if recorder.status.acknowledged != said:
        said = recorder.status.acknowledged
        print(said, recorder.path, flush=True)
recorder.close()
print("closed", recorder.path, flush=True)
"""


def expected(index, shape=(300, 401)):
    pixels = np.full(shape, index % 251, np.uint8)
    pixels[0, :4] = np.frombuffer(index.to_bytes(4, "little"), np.uint8)
    return pixels


def frames_in(path):
    with open_replay(path) as replay:
        for i, frame in enumerate(replay.frames()):
            assert frame.index == i
            np.testing.assert_array_equal(frame.pixels, expected(i, frame.shape))
        return replay.length


def kill_once(folder, rng):
    """Record in another process, kill it at a random moment; return (acknowledged, readable) or None if too early."""
    command = [sys.executable, "-c", WRITER, str(folder / "r.ome.tif"), str(rng.choice([5, 40, 100_000]))]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()  # it has begun
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        said = first + process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    lines = [line.split() for line in said.splitlines(keepends=True) if line.endswith(b"\n")]
    path = Path(lines[-1][1].decode())
    numbers = [int(line[0]) for line in lines if line[0] != b"closed"]
    for found in find_unfinished(folder):
        with pytest.raises(BadImageError):
            open_replay(found.path)
        recover(found.path)
    assert not find_unfinished(folder) and not journal_path(path).exists()
    readable = frames_in(path) if path.exists() else 0
    for file in folder.iterdir():
        file.unlink()
    return numbers[-1], readable


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_kill_9_loses_nothing_acknowledged(tmp_path):
    rng = random.Random(1)
    for _ in range(3):
        acknowledged, readable = kill_once(tmp_path, rng)
        assert readable >= acknowledged


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_200_times_kill_9_loses_nothing_acknowledged(tmp_path):
    rng = random.Random(2)
    results = [kill_once(tmp_path, rng) for _ in range(200)]
    # Shown by --log-cli-level=INFO.
    acknowledged, readable = (sum(column) for column in zip(*results, strict=True))
    logging.getLogger(__name__).info("200 kills: %d frames acknowledged, %d readable", acknowledged, readable)
    assert all(found >= promised for promised, found in results)


# ---------------------------------------------------------------------- power loss


class Disk:
    """Remembers every write and sync, in order, to tell what a power cut would have left at any moment."""

    def __init__(self):
        self.log = []
        self.recorder = None

    def note(self, what, *values):
        self.log.append((what, *values, self.recorder.status.acknowledged if self.recorder else 0))

    def image_after(self, steps, rng=None):
        """Return (pixel file, journal): what was synced in the first `steps`, and at random some of the rest."""
        data, pending, journal = bytearray(), [], bytearray()
        for step in self.log[:steps]:
            if step[0] == "write":
                pending.append(step[1:3])
            elif step[0] == "size":
                pending.append((None, step[1]))
            elif step[0] == "sync":
                for write in pending:
                    self._apply(data, *write)
                pending = []
            elif step[0] == "line":
                journal += step[1]
        for write in pending if rng else []:
            if rng.random() < 0.5:
                self._apply(data, *write)
        return bytes(data), bytes(journal)

    @staticmethod
    def _apply(data, offset, value):
        if offset is None:
            del data[value:]
            data.extend(bytes(value - len(data)))
        else:
            data.extend(bytes(max(0, offset + len(value) - len(data))))
            data[offset : offset + len(value)] = value


def traced(disk):
    class TracedStore(FrameStore):
        def _write(self, view, offset):
            super()._write(view, offset)
            disk.note("write", offset, bytes(view))

        def truncate(self, size):
            super().truncate(size)
            disk.note("size", size)

        def sync(self):
            super().sync()
            disk.note("sync")

    class TracedJournal(Journal):
        def _write(self, data):
            super()._write(data)
            disk.note("line", bytes(data))

    return TracedStore, TracedJournal


def test_a_power_cut_at_any_moment_loses_nothing_acknowledged(tmp_path, monkeypatch):
    disk = Disk()
    store, journal = traced(disk)
    monkeypatch.setattr("app.recording.writer.FrameStore", store)
    monkeypatch.setattr("app.recording.writer.Journal", journal)
    recorder = Recorder(tmp_path / "r.ome.tif", RunMetadata(), sync_every_s=0.0)
    recorder.start()
    disk.recorder = recorder
    light = Light("405", 0.2, True, "")
    for i in range(12):
        recorder.put(Frame(expected(i, (20, 30)), i, i * 0.1, 1.7e9 + i, 15.0, 0.0, "Mono8", 0.1, light))
    assert recorder.close().frames == 12
    rng = random.Random(3)
    outcomes = set()
    for steps in range(1, len(disk.log) + 1):
        for chance in (None, rng, rng):
            folder = tmp_path / "after"
            folder.mkdir(exist_ok=True)
            path = folder / "r.ome.tif"
            data, lines = disk.image_after(steps, chance)
            path.write_bytes(data)
            journal_path(path).write_bytes(lines)
            acknowledged = disk.log[steps - 1][-1]
            recover(path)
            readable = frames_in(path) if path.exists() else 0
            assert readable >= acknowledged
            outcomes.add(readable)
            for file in folder.iterdir():
                file.unlink()
    assert outcomes >= {0, 1, 11, 12}


def test_the_journal_never_runs_ahead_of_the_pixels(tmp_path, monkeypatch):
    disk = Disk()
    store, journal = traced(disk)
    monkeypatch.setattr("app.recording.writer.FrameStore", store)
    monkeypatch.setattr("app.recording.writer.Journal", journal)
    recorder = Recorder(tmp_path / "r.ome.tif", RunMetadata())
    recorder.start()
    for i in range(5):
        recorder.put(Frame(expected(i, (20, 30)), i, 0.0, 1.7e9, None, None, "Mono8", None))
    recorder.close()
    steps = [step for step in disk.log if not (step[0] == "line" and step[1].startswith(b'{"notes"'))]
    kinds = [step[0] for step in steps]
    for at, kind in enumerate(kinds):
        if kind == "line" and "write" in kinds[:at]:
            assert kinds[at - 1] == "sync"
