"""The recorder: lossless, bounded, loud, and never over another file."""

import errno
import json
import os
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import BadImageError, RecordingError, RefusedError
from app.frame import UNKNOWN_LIGHT, Frame, Light
from app.images import split_name
from app.recording import (
    Recorder,
    RunMetadata,
    check_disk,
    disk_speed,
    find_unfinished,
    free_path,
    open_replay,
    recover,
)
from app.recording.files import ReservedRoom, disk_error
from app.recording.finish import finish
from app.recording.journal import JOURNAL_SUFFIX, Journal, PlaneRecord, journal_path, read_journal
from app.recording.store import PAGE, FrameStore
from app.settings import Settings

META = RunMetadata.from_settings(Settings(), camera="Camera (simulated)", light="LED4", model_name="fast")
VIOLET = Light("405", 0.25, True, "")


def make_frame(index=0, shape=(40, 60), pixel_format="Mono8", light=VIOLET, **values):
    rng = np.random.default_rng(index)
    top = {"Mono8": 256, "Mono10": 1024, "Mono12": 4096, "Mono12p": 4096, "Mono16": 65536}[pixel_format]
    pixels = rng.integers(0, top, shape).astype(np.uint8 if top == 256 else np.uint16)
    known = {
        "index": index,
        "exposure_end_s": 5.0 + index * 0.1,
        "unix_time_s": 1.7e9 + index * 0.1,
        "exposure_ms": 15.0,
        "gain_db": 3.0,
        "pixel_format": pixel_format,
        "pixel_size_um": 0.1,
        "source": "camera",
    }
    return Frame(pixels=pixels, light=light, **(known | values))


def record(path, frames, **options):
    recorder = Recorder(path, META, **options)
    recorder.start()
    accepted = [recorder.put(frame) for frame in frames]
    return recorder.close(), accepted


FRAMES = st.builds(
    make_frame,
    index=st.integers(0, 10**9),
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    pixel_format=st.sampled_from(["Mono8", "Mono10", "Mono12", "Mono12p", "Mono16"]),
    light=st.builds(
        Light, st.sampled_from([None, "405", "488"]), st.floats(0, 1, width=32), st.booleans(), st.text(max_size=10)
    ),
    exposure_end_s=st.floats(0, 1e6),
    unix_time_s=st.floats(1e9, 2e9),
    exposure_ms=st.one_of(st.none(), st.floats(0.01, 1e4)),
    gain_db=st.one_of(st.none(), st.floats(0, 48)),
    pixel_size_um=st.one_of(st.none(), st.floats(0.01, 20)),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12),
    truth_count=st.one_of(st.none(), st.integers(0, 500)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(FRAMES, min_size=1, max_size=6))
def test_what_is_recorded_comes_back_to_the_bit(tmp_path, frames):
    summary, accepted = record(tmp_path / "r.ome.tif", frames)
    assert all(accepted) and summary.complete and summary.frames == len(frames)
    with open_replay(summary.path) as replay:
        assert replay.info.kind == "recording"
        for sent, got in zip(frames, replay.frames(), strict=True):
            assert got.pixels.dtype == sent.pixels.dtype
            np.testing.assert_array_equal(got.pixels, sent.pixels)
            for name in ("index", "exposure_end_s", "unix_time_s", "exposure_ms", "gain_db", "name", "truth_count"):
                assert getattr(got, name) == getattr(sent, name)
            assert got.pixel_format == sent.pixel_format or sent.pixel_format == "Mono12p"
            assert got.pixel_size_um == sent.pixel_size_um
            assert (got.light.channel, got.light.confirmed) == (sent.light.channel, sent.light.confirmed)
            assert got.light.intensity == pytest.approx(sent.light.intensity)
    summary.path.unlink()


def test_a_stream_opens_in_tifffile_with_axes_and_scale(tmp_path):
    frames = [make_frame(i, (48, 64), "Mono12") for i in range(5)]
    summary, _ = record(tmp_path / "r.ome.tif", frames)
    with tifffile.TiffFile(summary.path) as tif:
        assert tif.is_ome and not tif.is_bigtiff
        series = tif.series[0]
        assert (series.axes, series.shape, series.dtype) == ("TYX", (5, 48, 64), np.uint16)
        np.testing.assert_array_equal(series.asarray(), np.stack([f.pixels for f in frames]))
        top, bottom = tif.pages[0].tags["XResolution"].value
        assert top / bottom == pytest.approx(1e5) and tif.pages[0].tags["ResolutionUnit"].value == 3


def test_no_journal_and_no_lock_are_left(tmp_path):
    record(tmp_path / "r.ome.tif", [make_frame()])
    assert [path.name for path in tmp_path.iterdir()] == ["r.ome.tif"]


def test_a_recording_without_frames_leaves_no_file(tmp_path):
    summary, _ = record(tmp_path / "r.ome.tif", [])
    assert summary.frames == 0 and not list(tmp_path.iterdir())


def test_existing_names_are_never_touched(tmp_path):
    (tmp_path / "r.ome.tif").write_text("mine")
    (tmp_path / f"r-2.ome.tif{JOURNAL_SUFFIX}").write_text("of another")
    summary, _ = record(tmp_path / "r.ome.tif", [make_frame()])
    assert summary.path.name == "r-3.ome.tif"
    assert (tmp_path / "r.ome.tif").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.ome.tif", ("a", ".ome.tif")),
        ("a.b.tif", ("a.b", ".tif")),
        ("a", ("a", "")),
        ("a.OME.TIFF", ("a", ".OME.TIFF")),
    ],
)
def test_names_are_split_before_the_whole_suffix(name, parts):
    assert split_name(name) == parts


def test_free_path_counts_on(tmp_path):
    for name in ("a.ome.tif", "a-2.ome.tif"):
        (tmp_path / name).touch()
    assert free_path(tmp_path, "a.ome.tif").name == "a-3.ome.tif"


class SlowStore(FrameStore):
    """A disk that stands still until told."""

    gate = threading.Event()

    def append(self, pixels):
        self.gate.wait(30)
        return super().append(pixels)


def test_a_full_queue_ends_the_recording_loudly_and_keeps_what_it_took(tmp_path, monkeypatch):
    SlowStore.gate = threading.Event()
    monkeypatch.setattr("app.recording.writer.FrameStore", SlowStore)
    errors, told = [], threading.Event()
    recorder = Recorder(
        tmp_path / "r.ome.tif", META, failed=lambda e: (errors.append(e), told.set()), queue_bytes=5 * 40 * 60
    )
    recorder.start()
    taken = 0
    while recorder.put(make_frame(taken)):
        taken += 1
        assert taken < 50
    assert recorder.status.peak_fill == 1.0 and taken >= 5
    assert recorder.put(make_frame(99)) is False
    SlowStore.gate.set()
    assert told.wait(30)
    summary = recorder.close()
    assert len(errors) == 1 and "could not keep up" in str(errors[0]) and summary.error is errors[0]
    assert f"after {taken} frames" in str(errors[0])
    with open_replay(summary.path) as replay:
        assert [frame.index for frame in replay.frames()] == list(range(taken))
        assert json.loads(replay.info.meta["complete"]) is False and "keep up" in replay.info.meta["ended by"]


def test_what_a_failed_sync_lost_is_never_acknowledged(tmp_path, monkeypatch):
    class Failing(FrameStore):
        syncs = 0

        def sync(self):
            Failing.syncs += 1
            if Failing.syncs == 3:  # after the header's and the first frame's; the system reports a loss only once
                raise OSError(errno.EIO, "Input/output error")
            super().sync()

    monkeypatch.setattr("app.recording.writer.FrameStore", Failing)
    told = threading.Event()
    recorder = Recorder(tmp_path / "r.ome.tif", META, failed=lambda error: told.set(), sync_every_s=0.0)
    recorder.start()
    recorder.put(make_frame(0))
    while recorder.status.acknowledged < 1 and recorder.status.error is None:
        threading.Event().wait(0.001)
    recorder.put(make_frame(1))
    assert told.wait(20)
    summary = recorder.close()
    assert (summary.frames, summary.complete) == (1, False)
    with open_replay(summary.path) as replay:
        assert [frame.index for frame in replay.frames()] == [0]


def test_the_fill_level_shows_before_it_hurts(tmp_path, monkeypatch):
    SlowStore.gate = threading.Event()
    monkeypatch.setattr("app.recording.writer.FrameStore", SlowStore)
    with Recorder(tmp_path / "r.ome.tif", META, queue_bytes=10 * 40 * 60) as recorder:
        for i in range(6):
            recorder.put(make_frame(i))
        assert 0.4 < recorder.status.fill < 1
        SlowStore.gate.set()


def full_after(bytes_allowed):
    class FullStore(FrameStore):
        def _write(self, view, offset):
            if offset + len(view) > bytes_allowed:
                raise OSError(errno.ENOSPC, "No space left on device")
            super()._write(view, offset)

    return FullStore


def test_a_full_disk_ends_the_recording_and_what_was_written_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("app.recording.writer.FrameStore", full_after(PAGE + 10 * PAGE))
    errors, told = [], threading.Event()
    recorder = Recorder(tmp_path / "r.ome.tif", META, failed=lambda e: (errors.append(e), told.set()), sync_every_s=0)
    recorder.start()
    for i in range(30):
        recorder.put(make_frame(i))
    assert told.wait(30)
    summary = recorder.close()
    assert "full" in str(errors[0]) and summary.error is not None and summary.frames == 10
    # Its directories did not fit either: the file is refused, not short, and whole again once there is room.
    with pytest.raises(BadImageError, match="recover"):
        open_replay(summary.path)
    assert [found.frames for found in find_unfinished(tmp_path)] == [10]
    assert recover(summary.path).frames == 10
    with open_replay(summary.path) as replay:
        assert [frame.index for frame in replay.frames()] == list(range(10))
    assert not find_unfinished(tmp_path)


def test_what_was_learnt_of_the_light_survives_an_end_that_failed(tmp_path, monkeypatch):
    def review(light, exposure_end_s, *_exposure):
        return replace(light, confirmed=False, reason="it went out by itself") if exposure_end_s > 5.15 else light

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.recording.writer.finish", full)
        summary, _ = record(tmp_path / "r.ome.tif", [make_frame(i) for i in range(4)], review=review)
    assert not summary.finished and recover(summary.path).frames == 4
    with open_replay(summary.path) as replay:
        assert [frame.index for frame in replay.frames()] == [0, 1, 2, 3]
        assert [frame.light.confirmed for frame in replay.frames()] == [True, True, False, False]


@pytest.mark.parametrize("taken_at_the_end_too", [False, True])
def test_a_disk_filled_by_others_leaves_a_valid_file_or_says_how_to_get_one(
    tmp_path, monkeypatch, taken_at_the_end_too
):
    """A disk on which nothing is left but the room that the recorder keeps for itself."""
    disk = {"left": 1 << 20}

    def take(size):
        if size > disk["left"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        disk["left"] -= size

    class SmallRoom(ReservedRoom):
        def _allocate(self, more):
            take(more)

        def release(self):
            if not self._file.closed and not taken_at_the_end_too:
                disk["left"] += self.size
            super().release()

    class SmallStore(FrameStore):
        def append(self, pixels):
            take(pixels.nbytes)
            return super().append(pixels)

        def write_at(self, offset, data):
            take(len(data))
            super().write_at(offset, data)

    class SmallJournal(Journal):
        def _write(self, data):
            take(len(data))
            super()._write(data)

    monkeypatch.setattr("app.recording.writer.ReservedRoom", SmallRoom)
    monkeypatch.setattr("app.recording.writer.FrameStore", SmallStore)
    monkeypatch.setattr("app.recording.writer.Journal", SmallJournal)
    told = threading.Event()
    recorder = Recorder(tmp_path / "r.ome.tif", META, failed=lambda error: told.set(), sync_every_s=0)
    recorder.start()
    for i in range(5):
        recorder.put(make_frame(i))
    while recorder.status.acknowledged < 5:
        threading.Event().wait(0.001)
    disk["left"] = 0
    recorder.put(make_frame(5))
    assert told.wait(30)
    summary = recorder.close()
    assert (summary.frames, summary.complete, summary.finished) == (5, False, not taken_at_the_end_too)
    assert "full" in str(summary.error)
    if taken_at_the_end_too:
        assert f"dapiscope recover {tmp_path}" in str(summary.error) and "its 5 frames" in str(summary.error)
        with pytest.raises(BadImageError, match="recover"):
            open_replay(summary.path)
        assert recover(summary.path).frames == 5
    with open_replay(summary.path) as replay:
        assert [frame.index for frame in replay.frames()] == list(range(5))
        ended = replay.info.meta["ended by"]
        assert "died" not in ended and ("nothing says why" if taken_at_the_end_too else "full") in ended
    assert [path.name for path in tmp_path.iterdir()] == ["r.ome.tif"]


def test_of_two_who_recover_at_once_one_waits(tmp_path, monkeypatch):
    monkeypatch.setattr("app.recording.writer.FrameStore", full_after(PAGE + 3 * PAGE))
    summary, _ = record(tmp_path / "r.ome.tif", [make_frame(i) for i in range(9)], sync_every_s=0)
    told = []

    def second(*args, **options):
        with pytest.raises(BadImageError, match="another program: wait") as refused:
            recover(summary.path)
        told.append(refused.value)
        finish(*args, **options)

    monkeypatch.setattr("app.recording.finish.finish", second)
    assert recover(summary.path).frames == 3 and len(told) == 1
    with open_replay(summary.path) as replay:
        assert replay.length == 3


def test_a_recovered_file_says_what_really_ended_it(tmp_path, monkeypatch):
    monkeypatch.setattr("app.recording.writer.FrameStore", full_after(PAGE + 3 * PAGE))
    summary, _ = record(tmp_path / "r.ome.tif", [make_frame(i) for i in range(9)], sync_every_s=0)
    assert not summary.finished and recover(summary.path).frames == 3
    with open_replay(summary.path) as replay:
        assert "full" in replay.info.meta["ended by"] and replay.info.meta["recovered"] == "true"


def test_the_room_for_the_end_grows_with_the_frames_and_is_real(tmp_path):
    room = ReservedRoom(tmp_path)
    room.grow(3 * ReservedRoom.STEP)
    assert room.size >= 3 * ReservedRoom.STEP and os.fstat(room._file.fileno()).st_blocks * 512 >= room.size
    room.release()
    room.grow(1 << 40)
    assert not list(tmp_path.iterdir())


def test_a_file_size_limit_of_the_system_is_told_like_a_full_disk(tmp_path):
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (PAGE * 8, old[1]))
    try:
        recorder = Recorder(tmp_path / "r.ome.tif", META)
        recorder.start()
        for i in range(20):
            recorder.put(make_frame(i))
        error = recorder.close().error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert error is not None and "full" in str(error)
    assert recover(tmp_path / "r.ome.tif").frames >= 1


def test_a_deleted_recording_is_told(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", META, sync_every_s=0)
    recorder.start()
    (tmp_path / "r.ome.tif").unlink()
    recorder.put(make_frame())
    summary = recorder.close()
    assert summary.error is not None and "deleted" in str(summary.error)


def test_a_removed_folder_is_told(tmp_path):
    recorder = Recorder(tmp_path / "run" / "r.ome.tif", META, sync_every_s=0)
    recorder.start()
    recorder.put(make_frame())
    shutil.rmtree(tmp_path / "run")
    recorder.put(make_frame(1))
    summary = recorder.close()
    assert summary.error is not None and "deleted" in str(summary.error)


def test_a_renamed_folder_loses_nothing(tmp_path):
    recorder = Recorder(tmp_path / "run" / "r.ome.tif", META, sync_every_s=0)
    recorder.start()
    recorder.put(make_frame(0))
    (tmp_path / "run").rename(tmp_path / "moved")
    recorder.put(make_frame(1))
    assert recorder.close().frames == 2
    recover(tmp_path / "moved" / "r.ome.tif")
    with open_replay(tmp_path / "moved" / "r.ome.tif") as replay:
        assert [frame.index for frame in replay.frames()] == [0, 1]


def test_a_second_copy_of_the_program_takes_another_name(tmp_path):
    recorders = [Recorder(tmp_path / "r.ome.tif", META) for _ in range(3)]
    for recorder in recorders:
        recorder.start()
    for index, recorder in enumerate(recorders):
        recorder.put(make_frame(index))
    paths = [recorder.close().path for recorder in recorders]
    assert [path.name for path in paths] == ["r.ome.tif", "r-2.ome.tif", "r-3.ome.tif"]
    for index, path in enumerate(paths):
        with open_replay(path) as replay:
            assert replay.frame(0).index == index


def test_a_frame_that_contradicts_itself_ends_the_recording(tmp_path):
    summary, _ = record(tmp_path / "r.ome.tif", [make_frame(0), make_frame(1, pixel_format="Mono12", shape=(4, 4))])
    assert summary.complete
    bad = Frame(np.zeros((4, 4), np.uint8), 0, 0.0, 0.0, None, None, "Mono12", None)
    summary, _ = record(tmp_path / "r.ome.tif", [make_frame(0), bad])
    assert summary.frames == 1 and "Mono12" in str(summary.error)


def test_closing_from_within_failed_does_not_hang(tmp_path, monkeypatch):
    monkeypatch.setattr("app.recording.writer.FrameStore", full_after(PAGE))
    done = threading.Event()
    recorder = Recorder(tmp_path / "r.ome.tif", META, failed=lambda e: (recorder.close(), done.set()))
    recorder.start()
    recorder.put(make_frame())
    assert done.wait(30) and recorder.close().error is not None


def test_an_unwritable_folder_is_refused_at_once(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="choose another folder"):
        Recorder(tmp_path / "file" / "r.ome.tif", META).start()
    assert Recorder(tmp_path / "x.ome.tif", META).close().error is not None


def test_status_counts(tmp_path):
    clock = ManualClock()
    recorder = Recorder(tmp_path / "r.ome.tif", META, clock=clock, sync_every_s=0)
    recorder.start()
    for i in range(3):
        recorder.put(make_frame(i))
    clock.sleep(2)
    summary = recorder.close({"losses": {"camera": 2}})
    status = recorder.status
    assert (status.written, status.acknowledged, status.queued) == (3, 3, 0)
    assert status.bytes_written == summary.bytes == 3 * 40 * 60
    assert status.seconds_left is not None and status.seconds_left > 0
    with open_replay(summary.path) as replay:
        assert json.loads(replay.info.meta["losses"]) == {"camera": 2}


# ---------------------------------------------------------------------- journal and recovery


def unfinished(folder, frames):
    """Leave what a killed writer leaves."""
    path = folder / "r.ome.tif"
    store, journal = FrameStore.create(path), Journal(journal_path(path), META, 1.7e9)
    for frame in frames:
        plane = PlaneRecord.of(frame, store.end, None)
        store.append(frame.pixels)
        journal.append([plane.to_line()])
    store.close()
    journal.close()
    return path


def test_a_journal_cut_anywhere_gives_every_whole_line(tmp_path):
    path = unfinished(tmp_path, [make_frame(i) for i in range(4)])
    data = journal_path(path).read_bytes()
    for cut in range(data.index(b"\n") + 1, len(data) + 1, 13):
        journal_path(path).write_bytes(data[:cut])
        assert len(read_journal(journal_path(path))[1]) == data[:cut].count(b"\n") - 1


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), cut=st.integers(0, 2000))
def test_a_damaged_journal_never_raises_anything_else(tmp_path, data, cut):
    folder = tmp_path / "j"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    path = unfinished(folder, [make_frame(i, (3, 5)) for i in range(3)])
    journal = journal_path(path)
    journal.write_bytes(journal.read_bytes()[:cut] + data)
    find_unfinished(folder)
    try:
        frames = recover(path).frames
    except BadImageError:
        return
    if frames:
        with open_replay(path) as replay:
            for i, frame in enumerate(replay.frames()):
                np.testing.assert_array_equal(frame.pixels, make_frame(i, (3, 5)).pixels)


def test_a_journal_of_the_form_before_is_read(tmp_path):
    path = unfinished(tmp_path, [make_frame(i) for i in range(3)])
    lines = [json.loads(line) for line in journal_path(path).read_text().splitlines()]
    lines[0]["dapiscope"] = 1
    for line in lines[1:]:
        del line["lit"]
    journal_path(path).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert recover(path).frames == 3


def test_frames_that_the_disk_lost_are_said_to_be_missing(tmp_path):
    path = unfinished(tmp_path, [make_frame(i) for i in range(4)])
    os.truncate(path, PAGE + 2 * PAGE + 100)
    assert recover(path).frames == 2
    with open_replay(path) as replay:
        assert replay.info.meta["frames missing"] == "2"


def test_recovery_is_harmless_on_a_finished_file_and_refused_on_a_living_one(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", META)
    recorder.start()
    recorder.put(make_frame())
    with pytest.raises(BadImageError, match="still being written"):
        recover(recorder.path)
    assert not find_unfinished(tmp_path)
    summary = recorder.close()
    before = summary.path.read_bytes()
    with pytest.raises(BadImageError, match="no journal"):
        recover(summary.path)
    Journal(journal_path(summary.path), META, 0.0).close()  # killed between the header and the journal's end
    recover(summary.path)
    assert summary.path.read_bytes() == before and not journal_path(summary.path).exists()


# ---------------------------------------------------------------------- the disk


def test_a_slow_disk_is_refused_in_one_sentence(tmp_path):
    with pytest.raises(RefusedError, match="MB/s") as refused:
        check_disk(tmp_path, 373e6, speed=lambda folder: 100e6)
    assert refused.value.reason == "disk" and refused.value.exit_code == 3


def test_a_small_disk_is_refused(tmp_path):
    with pytest.raises(RefusedError, match="GB free"):
        check_disk(tmp_path, 1e18, speed=lambda folder: 1e20)


def test_an_absent_disk_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RefusedError, match="no folder"):
        check_disk(tmp_path / "file" / "x", 1.0)


def test_a_good_disk_is_measured_and_left_as_it_was(tmp_path):
    told = []
    assert disk_speed(tmp_path, 32, patience_s=1e9, progress=told.append) > 0
    assert told == pytest.approx([0.0, 0.25, 0.5, 0.75], abs=1e-3)
    report = check_disk(tmp_path, 1.0, speed=lambda folder: 5e8)
    assert report.bytes_per_s == 5e8 and report.seconds_left > 0
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "full"), (errno.EROFS, "cannot be written"), (errno.ENOENT, "not there"), (errno.EIO, "check")],
)
def test_every_disk_error_becomes_a_sentence(tmp_path, number, words):
    text = str(disk_error(OSError(number, os.strerror(number)), tmp_path / "x"))
    assert words in text and text.endswith(".")


def test_metadata_survives_the_journal():
    assert RunMetadata.from_json(json.loads(json.dumps(META.to_json()))) == META
    assert UNKNOWN_LIGHT.confirmed is False
