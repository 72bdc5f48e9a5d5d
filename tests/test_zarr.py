"""OME-Zarr: valid by an independent validator, lossless, and refused in a sentence where damaged."""

import json
import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import ome_types
import pytest
import tifffile

from app.clock import SystemClock
from app.desks import ReplayDesk
from app.errors import BadImageError, RecordingError, UsageError
from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata, open_replay
from app.recording.journal import PlaneRecord
from app.recording.told_scales import ToldScales
from app.settings import Settings

zarr = pytest.importorskip("zarr", reason="the extra zarr is not installed")
from app.recording.zarr_store import ZarrWriter, to_zarr  # noqa: E402 - after the skip

META = RunMetadata.from_settings(Settings(), camera="Camera (simulated)")


def make_frame(index, channel="405", shape=(30, 40), kind=np.uint16):
    pixels = np.random.default_rng(index).integers(0, 4000 if kind == np.uint16 else 255, shape).astype(kind)
    light = Light(channel, 0.2, True, "")
    form = "Mono12" if kind == np.uint16 else "Mono8"
    return Frame(pixels, index, index * 0.5, 1.7e9 + index * 0.5, 12.0, 1.0, form, 0.1, light, "camera", truth_count=3)


def append(writer, frame, place=None):
    writer.append(frame.pixels, PlaneRecord.of(frame, 0, place))


def write(path, frames):
    with ZarrWriter(path) as writer:
        for frame in frames:
            append(writer, frame)
        return writer.close(META, {"losses": 0})


def test_frames_come_back_with_everything(tmp_path):
    frames = [make_frame(i) for i in range(4)]
    path = write(tmp_path / "r.ome.zarr", frames)
    assert [p.name for p in tmp_path.iterdir()] == ["r.ome.zarr"]
    with open_replay(path) as replay:
        assert (replay.length, replay.info.kind, replay.info.pixel_size_um) == (4, "OME-Zarr", 0.1)
        assert replay.info.fps == pytest.approx(2.0)
        for sent, got in zip(frames, replay.frames(), strict=True):
            np.testing.assert_array_equal(got.pixels, sent.pixels)
            for name in ("index", "exposure_ms", "gain_db", "light", "pixel_format", "unix_time_s", "truth_count"):
                assert getattr(got, name) == getattr(sent, name)


@pytest.mark.parametrize("shape", [(30, 40), (1500, 2100)])
def test_an_independent_validator_accepts_it(tmp_path, shape):
    yaozarrs = pytest.importorskip("yaozarrs", reason="the validator yaozarrs is not installed")
    path = write(tmp_path / "r.ome.zarr", [make_frame(i, shape=shape) for i in range(2)])
    yaozarrs.validate_zarr_store(zarr.open_group(path, mode="r"))
    image = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]
    assert [axis["name"] for axis in image["axes"]] == ["t", "c", "z", "y", "x"]
    assert len(image["datasets"]) == (3 if shape[0] > 1000 else 1)
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"] == [0.5, 1.0, 1.0, 0.1, 0.1]


def test_a_recorded_plan_is_converted_with_its_channels(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", META)
    recorder.start()
    places = [(t, c) for t in range(3) for c in range(2)]
    frames = [make_frame(i, ("405", "488")[c]) for i, (t, c) in enumerate(places)]
    for frame, place in zip(frames, places, strict=True):
        recorder.put(frame, place)
    path = to_zarr(recorder.close().path, tmp_path / "r.ome.zarr")
    group = zarr.open_group(path, mode="r")
    assert group["0"].shape == (3, 2, 1, 30, 40)
    assert [c["label"] for c in group.attrs["ome"]["omero"]["channels"]] == ["405", "488"]
    np.testing.assert_array_equal(group["0"][2, 1, 0], frames[5].pixels)
    with open_replay(path) as replay:
        assert [frame.light.channel for frame in replay.frames()] == ["405", "488"] * 3
    assert to_zarr(tmp_path / "r.ome.tif", tmp_path / "r.ome.zarr").name == "r-2.ome.zarr"
    told = b"".join(file.read_bytes() for file in path.rglob("*") if file.suffix in {".json", ".xml"})
    assert str(tmp_path).encode() not in told, "where it lay on this computer"


def test_all_that_a_recording_knows_lies_beside_the_image_as_ome_xml(tmp_path):
    meta = replace(META, sample="U2OS", operator="Ada")
    recorder = Recorder(tmp_path / "r.ome.tif", meta)
    recorder.start()
    for number, place in enumerate([(0, 0), (0, 1), (1, 0)]):
        recorder.put(make_frame(number, ("488", "405")[place[1]]), place)
    source = recorder.close({"complete": False}).path
    path = to_zarr(source, tmp_path / "r.ome.zarr")
    xml = (path / "OME" / "METADATA.ome.xml").read_bytes()
    ome_types.validate_xml(xml)
    assert xml.count(b"<MetadataOnly/>") == 1 and b"TiffData" not in xml and b"BinData" not in xml
    ours, theirs = ome_types.from_xml(xml), ome_types.from_tiff(source)
    pixels = ours.images[0].pixels
    shape = zarr.open_group(path, mode="r")["0"].shape
    assert (pixels.size_t, pixels.size_c, pixels.size_z, pixels.size_y, pixels.size_x) == shape
    assert pixels.planes == theirs.images[0].pixels.planes and pixels.channels == theirs.images[0].pixels.channels
    assert ours.images[0].acquisition_date == theirs.images[0].acquisition_date
    assert (ours.instruments, ours.experimenters) == (theirs.instruments, theirs.experimenters)


def test_of_images_of_others_nothing_is_made_up(tmp_path):
    for number in range(3):
        path = tmp_path / "in" / f"{number}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.full((20, 30), (900, 60000, 900)[number], np.uint16))
        os.utime(path, (1e9 + number * 1000,) * 2)
    once = to_zarr(tmp_path / "in", tmp_path / "a.ome.zarr", pixel_size_um=0.65)
    for path in (once, to_zarr(once, tmp_path / "b.ome.zarr")):
        xml = (path / "OME" / "METADATA.ome.xml").read_bytes()
        ome_types.validate_xml(xml)
        (image,) = ome_types.from_xml(xml).images
        assert image.acquisition_date is None and {plane.delta_t for plane in image.pixels.planes} == {None}
        assert image.pixels.physical_size_x == 0.65 and image.pixels.significant_bits == 16
        ome = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        axes, step = ome["multiscales"][0]["axes"], ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]
        assert axes[0] == {"name": "t", "type": "time"} and step["scale"] == [1.0, 1.0, 1.0, 0.65, 0.65]
        with open_replay(path) as replay:
            assert (replay.info.fps, replay.info.pixel_size_um) == (None, 0.65)
            assert [frame.unix_time_s for frame in replay.frames()] == [0.0] * 3


@pytest.mark.parametrize("channels", [1, 2])
def test_a_step_of_the_time_axis_is_that_of_the_plan_where_channels_skip_times(tmp_path, channels):
    places = [(t, c) for t in range(7) for c in range(channels) if c or t % 2 == 0]
    with ZarrWriter(tmp_path / "r.ome.zarr") as writer:
        for number, (t, c) in enumerate(places):
            moment = 1.7e9 + 0.4 * t + 0.05 * c
            append(writer, replace(make_frame(number), unix_time_s=moment), (t, c))
        path = writer.close(META)
    image = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]["multiscales"][0]
    assert image["datasets"][0]["coordinateTransformations"][0]["scale"][0] == pytest.approx(0.4, abs=1e-3)


def z_stack(path):
    tifffile.imwrite(path, np.zeros((5, 20, 30), np.uint16), metadata={"axes": "ZYX"}, ome=True)


def positions(path):
    with tifffile.TiffWriter(path, ome=True) as tif:
        for _ in range(2):
            tif.write(np.zeros((3, 20, 30), np.uint16), metadata={"axes": "TYX"}, photometric="minisblack")


def rescaled(path):
    with Recorder(path, META) as recorder:
        for number in range(4):
            recorder.put(replace(make_frame(number), pixel_size_um=0.1 if number < 2 else 0.2))


@pytest.mark.parametrize("write_one", [z_stack, positions, rescaled])
def test_a_file_of_more_than_one_image_holds_is_refused_and_no_plane_is_lost(tmp_path, write_one):
    write_one(tmp_path / "r.ome.tif")
    with pytest.raises(RecordingError, match="OME-Zarr"):
        to_zarr(tmp_path / "r.ome.tif", tmp_path / "r.ome.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["r.ome.tif"]


def test_channels_that_skip_times_are_replayed_as_they_were_taken(tmp_path):
    recorder = Recorder(tmp_path / "r.ome.tif", META)
    recorder.start()
    places = [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1), (3, 0)]  # the second channel at every other time
    for number, (t, c) in enumerate(places):
        recorder.put(make_frame(number + 10, ("488", "405")[c]), (t, c))
    source = recorder.close().path
    once = to_zarr(source, tmp_path / "a.ome.zarr")
    twice = to_zarr(once, tmp_path / "b.ome.zarr")
    with open_replay(source) as replay:
        taken = list(replay.frames())
    for path in (once, twice):
        with open_replay(path) as replay:
            assert replay.length == len(places)
            for sent, got in zip(taken, replay.frames(), strict=True):
                assert (got.index, got.light, got.unix_time_s) == (sent.index, sent.light, sent.unix_time_s)
                np.testing.assert_array_equal(got.pixels, sent.pixels)
    lines = (once / "dapiscope" / "frames.jsonl").read_bytes().splitlines(keepends=True)
    (once / "dapiscope" / "frames.jsonl").write_bytes(b"".join(lines[:-1]))
    with pytest.raises(BadImageError, match="check the folder"):
        open_replay(once)


def test_what_a_recording_says_of_its_run_goes_along(tmp_path):
    meta = replace(META, sample="U2OS", operator="Ada", light="LED4 (simulated)", model_name="fast")
    recorder = Recorder(tmp_path / "r.ome.tif", meta)
    recorder.start()
    for number, channel in enumerate(("488", "405")):
        recorder.put(make_frame(number, channel), (0, number))
    source = recorder.close({"complete": False, "ended by": "It was stopped.", "dose": {"channels": {}}}).path
    once = to_zarr(source, tmp_path / "a.ome.zarr")
    for path in (once, to_zarr(once, tmp_path / "b.ome.zarr")):
        with open_replay(path) as replay:
            entries = replay.info.meta
            assert RunMetadata.from_entries(entries) == replace(meta, channels=META.channels)
            assert (entries["complete"], entries["ended by"]) == ("false", "It was stopped.")
            assert [replay.frame(n).light.channel for n in range(2)] == ["488", "405"]
        image = json.loads((path / "zarr.json").read_text())["attributes"]["ome"]
        assert [channel["label"] for channel in image["omero"]["channels"]] == ["488", "405"]
    # A replay says what was simulated.
    told = []
    desk = ReplayDesk(told.append, SystemClock(), ToldScales(tmp_path / "scales.json"))
    desk.open(once, pixel_size_um=None, hold=True, speed=None)
    desk.tell()
    desk.close()
    assert told[-1].simulated == ("camera", "light")


def test_images_of_other_writers_are_read(tmp_path):
    group = zarr.create_group(tmp_path / "foreign.zarr", zarr_format=2)
    data = np.random.default_rng(0).integers(0, 255, (2, 3, 20, 30), np.uint8)
    group.create_array("s0", data=data, chunks=(1, 1, 10, 30))
    axes = [{"name": n, "type": t} for n, t in (("c", "channel"), ("z", "space"), ("y", "space"), ("x", "space"))]
    axes[2]["unit"] = axes[3]["unit"] = "nanometer"
    transform = [{"type": "scale", "scale": [1, 1, 250, 250]}]
    group.attrs["multiscales"] = [
        {"version": "0.4", "axes": axes, "datasets": [{"path": "s0", "coordinateTransformations": transform}]}
    ]
    with open_replay(tmp_path / "foreign.zarr") as replay:
        assert (replay.length, replay.info.pixel_size_um) == (6, 0.25)
        np.testing.assert_array_equal(replay.frame(4).pixels, data[1, 1])


@pytest.mark.parametrize(
    ("unit", "step", "fps"), [("millisecond", 100, 10), ("second", 4, 0.25), ("minute", 1, 1 / 60)]
)
@pytest.mark.parametrize("common", [True, False])
def test_a_scale_may_stand_with_the_image_or_with_its_levels(tmp_path, unit, step, fps, common):
    group = zarr.create_group(tmp_path / "foreign.zarr", zarr_format=2)
    group.create_array("0", data=np.zeros((3, 20, 30), np.uint8), chunks=(1, 20, 30))
    axes = [{"name": "t", "type": "time", "unit": unit}]
    axes += [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    level, image = [[1, 1, 1], [step, 0.325, 0.325]] if common else [[step, 0.65, 0.65], [1, 0.5, 0.5]]
    known = {
        "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": level}]}],
        "coordinateTransformations": [{"type": "scale", "scale": image}],
    }
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, **known}]
    with open_replay(tmp_path / "foreign.zarr") as replay:
        assert replay.info.pixel_size_um == pytest.approx(0.325)
        assert replay.info.fps == pytest.approx(fps)


def test_twelve_bit_data_of_other_writers_is_seen(tmp_path):
    group = zarr.create_group(tmp_path / "foreign.zarr", zarr_format=2)
    group.create_array("0", data=np.full((2, 20, 30), 4095, np.uint16), chunks=(1, 20, 30))
    axes = [{"name": name, "type": "space"} for name in "zyx"]
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [{"path": "0"}]}]
    with open_replay(tmp_path / "foreign.zarr") as replay:
        assert (replay.length, replay.frame(1).pixel_format) == (2, "Mono12")


def test_pixels_that_are_not_square_have_no_size(tmp_path):
    path = write(tmp_path / "r.ome.zarr", [make_frame(0)])
    shutil.rmtree(path / "dapiscope")
    text = (path / "zarr.json").read_text()
    data = json.loads(text)
    data["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"][-2] = 0.2
    (path / "zarr.json").write_text(json.dumps(data))
    with open_replay(path) as replay:
        assert replay.info.pixel_size_um is None


def test_sizes_that_change_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(RecordingError, match="these change"), ZarrWriter(tmp_path / "r.ome.zarr") as writer:
        append(writer, make_frame(0))
        append(writer, make_frame(1, shape=(5, 6)))
    with pytest.raises(RecordingError, match="no frame"):
        ZarrWriter(tmp_path / "r.ome.zarr").close(META)
    assert not list(tmp_path.iterdir())


def damage_json(path):
    (path / "zarr.json").write_text("{")


def damage_axes(path):
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"name": "x"', '"name": "z"'))


def damage_path(path):
    text = (path / "zarr.json").read_text()
    (path / "zarr.json").write_text(text.replace('"path": "0"', '"path": "../../0"'))


def damage_size(path):
    text = (path / "0" / "zarr.json").read_text()
    (path / "0" / "zarr.json").write_text(text.replace("30,", "3000000000,"))


def damage_chunks(path):
    for chunk in (path / "0" / "c").rglob("*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:20])


def damage_frames(path):
    (path / "dapiscope" / "frames.jsonl").write_text("junk\n")


@pytest.mark.parametrize("damage", [damage_json, damage_axes, damage_path, damage_size, damage_chunks, damage_frames])
def test_damaged_folders_are_refused_in_a_sentence(tmp_path, damage):
    path = write(tmp_path / "r.ome.zarr", [make_frame(0)])
    damage(path)
    with pytest.raises(BadImageError) as refused, open_replay(path) as replay:
        list(replay.frames())
    assert str(refused.value).endswith(".") and "\n" not in str(refused.value)


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "r.ome.zarr", [make_frame(0)])
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UsageError, match=r"dapiscope\[zarr\]"):
        open_replay(path)
    with pytest.raises(UsageError, match=r"dapiscope\[zarr\]"):
        ZarrWriter(tmp_path / "x.ome.zarr")


def test_missing_chunks_are_not_shown_as_darkness(tmp_path):
    path = write(tmp_path / "r.ome.zarr", [make_frame(0), make_frame(1)])
    shutil.rmtree(path / "0" / "c" / "1")
    with open_replay(path) as replay:
        np.testing.assert_array_equal(replay.frame(0).pixels, make_frame(0).pixels)
        with pytest.raises(BadImageError, match="plane 2"):
            replay.frame(1)
