"""Replay: every kind of file as the same stream of frames, under control, and hostile files refused in a sentence."""

import struct
import threading
from contextlib import closing
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import BadImageError
from app.frame import Frame, FrameSource, Light
from app.images import read_image
from app.pipeline import LatestSlot
from app.recording import Recorder, RunMetadata, open_replay
from app.recording.sources import natural_key, open_sequence, plane_to_count


def picture(index, shape=(30, 40), kind=np.uint8):
    return np.random.default_rng(index).integers(0, np.iinfo(kind).max, shape).astype(kind)


@pytest.fixture
def recording(tmp_path):
    recorder = Recorder(tmp_path / "run.ome.tif", RunMetadata(camera="test"))
    recorder.start()
    for i in range(10):
        light = Light("405", 0.25, i >= 2, "" if i >= 2 else "light just changed")
        recorder.put(Frame(picture(i), 100 + i, i * 0.5, 1.7e9 + i * 0.5, 15.0, 2.0, "Mono8", 0.1, light))
    return recorder.close().path


@pytest.fixture
def folder(tmp_path):
    where = tmp_path / "images"
    where.mkdir()
    for i in (1, 2, 10):
        (where / f"f{i}.png").write_bytes(imagecodecs.png_encode(picture(i)))
    return where


@pytest.fixture
def play():
    players = []

    def make(path, **options):
        players.append(Player(path, **options))
        return players[-1]

    yield make
    for player in players:
        player.replay.close()


class Player:
    """A sink that remembers, on a replay with a clock that jumps."""

    def __init__(self, path, **options):
        self.frames, self.errors, self.ended = [], [], threading.Event()
        self.clock = ManualClock()
        self.replay = open_replay(path, clock=self.clock, **options)
        self.seen = threading.Condition()

    def start(self):
        self.replay.start(self.sink, self.end)
        return self

    def sink(self, frame):
        with self.seen:
            self.frames.append((frame.index, self.clock.monotonic()))
            self.seen.notify_all()

    def end(self, error):
        self.errors.append(error)
        self.ended.set()

    def wait_for(self, count):
        with self.seen:
            assert self.seen.wait_for(lambda: len(self.frames) >= count, 20)

    @property
    def indices(self):
        return [index for index, _ in self.frames]


def test_it_is_a_frame_source(recording):
    with open_replay(recording) as replay:
        assert isinstance(replay, FrameSource)


def test_frames_keep_what_was_recorded(recording, play):
    with open_replay(recording) as replay:
        assert (replay.length, replay.info.kind, replay.info.fps) == (10, "recording", pytest.approx(2.0))
        frame = replay.frame(5)
        assert (frame.index, frame.exposure_ms, frame.gain_db, frame.pixel_size_um) == (105, 15.0, 2.0, 0.1)
        assert frame.light == Light("405", 0.25, True, "") and frame.exposure_end_s == 2.5
        assert replay.frame(1).light == Light("405", 0.25, False, "light just changed")
        with pytest.raises(ValueError, match="read-only"):
            frame.pixels[0, 0] = 1


def test_where_no_channel_is_known_the_first_plane_is_counted_and_that_is_said(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", RunMetadata())
    recorder.start()
    for index in range(3):
        light = Light("405", 0.25, True, "")
        recorder.put(Frame(picture(index), index, 0.0, 1.7e9, 9.0, 0.0, "Mono8", 0.1, light))
    with closing(open_sequence(recorder.close().path)) as sequence:
        assert plane_to_count(sequence) == (0, "plane 1 of 3; the file names no channel that shows nuclei")


def test_playing_keeps_the_recorded_rate_and_ends_once(recording, play):
    player = play(recording).start()
    assert player.ended.wait(20)
    assert player.errors == [None] and player.indices == list(range(100, 110))
    steps = np.diff([moment for _, moment in player.frames])
    np.testing.assert_allclose(steps, 0.5, atol=1e-6)
    player.replay.close()


@pytest.mark.parametrize(("speed", "step"), [(2.0, 0.25), (0.5, 1.0), (None, 0.0), (0, 0.0)])
def test_speed(recording, speed, step, play):
    player = play(recording)
    player.replay.set_speed(speed)
    player.start()
    assert player.ended.wait(20)
    np.testing.assert_allclose(np.diff([moment for _, moment in player.frames]), step, atol=1e-6)


def test_pause_step_seek_and_hold(recording, play):
    player = play(recording, hold=True)
    replay = player.replay
    replay.pause()
    player.start()
    replay.step()
    player.wait_for(1)
    replay.step()
    player.wait_for(2)
    replay.step(-1)
    player.wait_for(3)
    replay.seek(7)
    player.wait_for(4)
    replay.seek(99)
    player.wait_for(5)
    assert player.indices == [100, 101, 100, 107, 109]
    assert not replay.playing and replay.position == 10
    replay.play()  # at the end: from the start
    player.wait_for(15)
    assert player.indices[5:] == list(range(100, 110)) and not player.ended.is_set()
    replay.seek(3)
    player.wait_for(16)
    assert player.indices[-1] == 103
    replay.close()
    assert player.errors == [None]


def test_loop_goes_on_until_stopped(recording, play):
    player = play(recording)
    player.replay.set_loop(True)
    player.replay.set_speed(None)
    player.start()
    player.wait_for(25)
    player.replay.stop()
    player.replay.stop()
    assert player.indices[:25] == [100 + i % 10 for i in range(25)] and player.errors == [None]


def test_a_loop_of_nothing_but_bad_frames_ends(folder, play):
    player = play(folder, bad_file=lambda path, error: None)
    for file in folder.iterdir():
        file.write_bytes(b"gone")
    player.replay.set_loop(True)
    player.start()
    assert player.ended.wait(20) and player.frames == []


def test_a_sink_that_blocks_loses_nothing(recording, play):
    slot, taken = LatestSlot(), []
    with open_replay(recording) as replay:
        replay.set_speed(None)
        replay.start(slot.put_blocking, lambda error: slot.close())
        while (frame := slot.get(20)) is not None:
            taken.append(frame.index)
    assert taken == list(range(100, 110)) and slot.skipped == 0


def test_delivery_is_stamped_by_the_clock_it_was_given(recording, play):
    clock, frames, ended = ManualClock(5000.0), [], threading.Event()
    replay = open_replay(recording, clock=clock)
    replay.start(frames.append, lambda error: ended.set())
    assert ended.wait(20)
    assert frames[0].exposure_end_s == 5000.0 and frames[0].unix_time_s == 1.7e9
    assert replay.frame(1).recorded_s is None
    replay.close()


def test_what_is_replayed_knows_its_time_in_the_recording(recording, folder):
    for path, period_s in ((recording, 0.5), (folder, 0.1)):  # a folder says no times: those it is played with
        frames, ended = [], threading.Event()
        with open_replay(path, clock=ManualClock(5000.0)) as replay:
            replay.start(frames.append, lambda error, ended=ended: ended.set())
            assert ended.wait(20)
        moments = [frame.moment_s for frame in frames]
        assert moments == pytest.approx([period_s * each for each in range(len(frames))]) and len(moments) > 2


# ---------------------------------------------------------------------- kinds of files


def test_a_folder_plays_in_natural_order(folder, play):
    with open_replay(folder) as replay:
        assert [frame.name for frame in replay.frames()] == ["f1.png", "f2.png", "f10.png"]
        assert replay.info.kind == "folder" and replay.info.pixel_size_um is None
        np.testing.assert_array_equal(replay.frame(2).pixels, picture(10))


@given(st.lists(st.integers(0, 10**6), min_size=2, max_size=5, unique=True))
def test_natural_order_is_numeric(numbers):
    names = sorted((Path(f"img_{n}.png") for n in numbers), key=natural_key)
    assert names == [Path(f"img_{n}.png") for n in sorted(numbers)]


def test_a_bad_file_in_a_folder_is_told_and_skipped(folder, play):
    (folder / "f3.png").write_text("no image")
    told = []
    with open_replay(folder, bad_file=lambda path, error: told.append((path.name, str(error)))) as replay:
        assert [frame.name for frame in replay.frames()] == ["f1.png", "f2.png", "f10.png"]
    assert [name for name, _ in told] == ["f3.png"] and told[0][1].endswith(".")
    with open_replay(folder) as replay, pytest.raises(BadImageError):
        list(replay.frames())
    player = play(folder).start()
    assert player.ended.wait(20) and isinstance(player.errors[0], BadImageError)


def test_a_file_of_many_pages_in_a_folder_plays_all_of_them(folder, recording, play):
    write_imagej(folder / "f3.tif")  # several planes behind one directory, or several directories
    recording.rename(folder / "f4.ome.tif")
    tifffile.imwrite(folder / "f5.tif", picture(77))
    with open_replay(folder / "f3.tif") as alone, open_replay(folder) as replay:
        planes = alone.length
        names = [frame.name for frame in replay.frames()]
        stack = [f"f3 ({page + 1} of {planes}).tif" for page in range(planes)]
        own = [f"f4 ({page + 1} of 10).ome.tif" for page in range(10)]
        assert planes > 1 and names == ["f1.png", "f2.png", *stack, *own, "f5.tif", "f10.png"]
        assert [frame.index for frame in replay.frames()] == list(range(replay.length))
        for page in reversed(range(planes)):
            np.testing.assert_array_equal(replay.frame(2 + page).pixels, alone.frame(page).pixels)
        assert replay.frame(2 + planes + 5).light == Light("405", 0.25, True, "")
        assert replay.info.title == f"images ({replay.length} images in 6 files)"
    player = play(folder).start()
    assert player.ended.wait(20) and player.errors == [None] and player.indices == list(range(14 + planes))


def test_a_damaged_stack_in_a_folder_is_told_once_and_skipped(folder, recording):
    whole = recording.read_bytes()
    (folder / "f3.ome.tif").write_bytes(whole[: len(whole) // 2])
    told = []
    with open_replay(folder, bad_file=lambda path, error: told.append(path.name)) as replay:
        assert [frame.name for frame in replay.frames()] == ["f1.png", "f2.png", "f10.png"]
    assert told == ["f3.ome.tif"]


def test_outputs_of_a_snapshot_are_not_played(folder, play):
    for name in ("f1_labels.tif", "f1_overlay.png", "f1_labels-2.tif", "f1_overlay-2.png"):
        (folder / name).write_bytes(b"x")
    with open_replay(folder) as replay:
        assert replay.length == 3


def test_the_size_that_was_given_wins(recording, play):
    with open_replay(recording, pixel_size_um=0.5) as replay:
        assert replay.info.pixel_size_um == 0.5 and replay.frame(0).pixel_size_um == 0.5


STACK = np.stack([picture(i, kind=np.uint16) for i in range(4)])


def write_imagej(path):
    tifffile.imwrite(
        path, STACK, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "um", "axes": "TYX", "finterval": 0.1}
    )


def write_contiguous(path):
    """ImageJ's way for large stacks: one directory, all planes behind it."""
    with tifffile.TiffWriter(path, imagej=True) as tif:
        tif.write(STACK, contiguous=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(path, mode="r+b") as tif:
        first = tif.pages[0]
        entries = struct.unpack(">H" if tif.byteorder == ">" else "<H", first_bytes(path, first.offset, 2))[0]
        at = first.offset + 2 + 12 * entries
    data = bytearray(path.read_bytes())
    data[at : at + 4] = bytes(4)
    path.write_bytes(data)


def first_bytes(path, offset, count):
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(count)


def write_ome(path):
    metadata = {"axes": "TYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "Channel": {"Name": ["DAPI"]}}
    metadata["Plane"] = {"ExposureTime": [0.02] * 4, "DeltaT": [0.0, 0.1, 0.2, 0.3]}
    tifffile.imwrite(path, STACK, ome=True, metadata=metadata)


def write_lzw(path):
    tifffile.imwrite(path, STACK, compression="lzw", photometric="minisblack", metadata=None)


@pytest.mark.parametrize("write", [write_imagej, write_contiguous, write_ome, write_lzw])
def test_stacks_of_others(tmp_path, write, play):
    path = tmp_path / ("s.ome.tif" if write is write_ome else "s.tif")
    write(path)
    with open_replay(path) as replay:
        assert replay.length == 4
        for i, frame in enumerate(replay.frames()):
            assert frame.index == i and frame.pixels.dtype == np.uint16
            np.testing.assert_array_equal(frame.pixels, STACK[i])
            assert not frame.light.confirmed
        if write in (write_imagej, write_ome):
            assert replay.info.pixel_size_um == pytest.approx(0.5) and replay.info.kind in {"TIFF", "OME-TIFF"}
        if write is write_imagej:
            assert replay.info.fps == pytest.approx(10)
        if write is write_ome:
            assert replay.frame(2).exposure_ms == pytest.approx(20)
            assert replay.frame(2).light.channel == "DAPI"
            assert replay.frame(2).exposure_end_s == pytest.approx(0.2)


def test_a_colour_stack_becomes_grey(tmp_path, play):
    colours = np.random.default_rng(0).integers(0, 255, (3, 20, 30, 3), np.uint8)
    tifffile.imwrite(tmp_path / "c.tif", colours, photometric="rgb", metadata=None)
    with open_replay(tmp_path / "c.tif") as replay:
        np.testing.assert_array_equal(replay.frame(1).pixels, colours[1].max(axis=-1))


def test_a_single_image_is_a_replay_of_one(tmp_path, play):
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(picture(1)))
    with open_replay(tmp_path / "a.png") as replay:
        assert (replay.length, replay.info.kind) == (1, "image")


@pytest.mark.parametrize(("name", "code"), [("f.avi", "MJPG"), ("f.mp4", "mp4v")])
def test_films(tmp_path, name, code):
    path = tmp_path / name
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 20.0, (64, 48))
    assert writer.isOpened()
    for i in range(12):
        writer.write(np.full((48, 64, 3), 20 * i, np.uint8))
    writer.release()
    with open_replay(path) as replay:
        assert (replay.length, replay.info.kind, replay.info.fps) == (12, "video", pytest.approx(20.0))
        levels = [int(np.median(frame.pixels)) for frame in replay.frames()]
        np.testing.assert_allclose(levels, [20 * i for i in range(12)], atol=4)
        assert abs(int(np.median(replay.frame(3).pixels)) - 60) <= 4
        assert replay.frame(5).exposure_end_s == pytest.approx(0.25)
        with pytest.raises(BadImageError, match="frame 21 of 12"):
            replay.frame(20)
    (tmp_path / "cut.mp4").write_bytes(path.read_bytes()[:200])
    assert refused(tmp_path / "cut.mp4")


# ---------------------------------------------------------------------- hostile files


def refused(path):
    """Open and read all of it; only a BadImageError of one sentence may come out."""
    try:
        with open_replay(path) as replay:
            for frame in replay.frames():
                assert frame.pixels.ndim == 2
    except BadImageError as error:
        assert "\n" not in str(error) and str(error).endswith(".")
        return True
    return False


def test_missing_empty_and_foreign_files(tmp_path):
    (tmp_path / "empty.tif").touch()
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "none").mkdir()
    for name in ("absent.tif", "empty.tif", "text.png", "none"):
        assert refused(tmp_path / name)


def test_a_header_that_claims_more_than_is_there(tmp_path):
    path = tmp_path / "big.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8))
    data = bytearray(path.read_bytes())
    for tag in (256, 257):
        at = data.index(struct.pack("<HH", tag, 3 if struct.pack("<HH", tag, 3) in data else 4))
        data[at + 2 : at + 4] = struct.pack("<H", 4)
        data[at + 8 : at + 12] = struct.pack("<I", 20_000)
    path.write_bytes(data)
    assert refused(path)


@pytest.mark.parametrize("kind", ["recording", "stack"])
def test_a_file_cut_anywhere_is_never_silently_short(tmp_path, recording, kind):
    if kind == "stack":
        recording = tmp_path / "s.tif"
        write_imagej(recording)
    whole = recording.read_bytes()
    for cut in range(0, len(whole) - 1, max(1, len(whole) // 60)):
        path = tmp_path / "cut.tif"
        path.write_bytes(whole[:cut])
        assert refused(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10**6), value=st.binary(min_size=1, max_size=12), which=st.integers(0, 2))
def test_a_damaged_file_is_read_or_refused(tmp_path, recording, at, value, which):
    path = tmp_path / "damaged.tif"
    if which == 0:
        whole = recording.read_bytes()
        tail = whole.index(b"<?xml")
        at = tail + at % (len(whole) - tail)
    else:
        (write_imagej if which == 1 else write_ome)(path)
        whole = path.read_bytes()
        at %= len(whole)
    path.write_bytes(whole[:at] + value + whole[at + len(value) :])
    refused(path)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=200), magic=st.sampled_from([b"II*\0", b"MM\0*", b"II+\0", b"\x89PNG\r\n\x1a\n", b""]))
def test_noise_is_refused(tmp_path, data, magic):
    path = tmp_path / "noise.bin"
    path.write_bytes(magic + data)
    assert refused(path)


SIZES = [
    ({"PhysicalSizeX": 26.5, "PhysicalSizeY": 26.5}, {}, 26.5),
    ({"PhysicalSizeX": 5e-7, "PhysicalSizeXUnit": "m", "PhysicalSizeY": 5e-7, "PhysicalSizeYUnit": "m"}, {}, 0.5),
    ({"PhysicalSizeX": 7.0, "PhysicalSizeXUnit": "m", "PhysicalSizeY": 7.0, "PhysicalSizeYUnit": "m"}, {}, None),
    ({}, {"resolution": (1e4 / 0.5, 1e4 / 0.5), "resolutionunit": "CENTIMETER"}, 0.5),
    ({}, {"resolution": (72, 72), "resolutionunit": "INCH"}, None),
]


@pytest.mark.parametrize(("ome", "tags", "size_um"), SIZES)
def test_a_batch_and_a_replay_agree_on_the_pixel_size(tmp_path, ome, tags, size_um):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, np.full((20, 30), 7, np.uint16), ome=True, metadata={"axes": "YX", **ome}, **tags)
    with open_replay(path) as replay:
        assert read_image(path).pixel_size_um == replay.info.pixel_size_um == replay.frame(0).pixel_size_um
        assert replay.info.pixel_size_um == (None if size_um is None else pytest.approx(size_um))


def test_pages_in_colours_are_one_channel_and_times_have_their_units(tmp_path):
    path = tmp_path / "a.ome.tif"
    planes = {"TheT": [0, 1, 2], "TheC": [0] * 3, "TheZ": [0] * 3}
    metadata = {"axes": "TYXS", "Plane": {**planes, "DeltaT": [0, 1, 2], "DeltaTUnit": ["d"] * 3}}
    tifffile.imwrite(path, np.zeros((3, 20, 30, 3), np.uint8), ome=True, metadata=metadata, photometric="rgb")
    data = path.read_bytes()
    for unit, day_s in ((b'"d"', 86400.0), (b'"x"', None)):
        path.write_bytes(data.replace(b'DeltaTUnit="d"', b"DeltaTUnit=" + unit))
        with closing(open_sequence(path)) as sequence:
            assert [sequence.place_of(index) for index in range(3)] == [(0, 0), (1, 0), (2, 0)]
            assert sequence._infos[1].exposure_end_s == day_s
