"""A snapshot is all of its files or none, never over another, and says only what is known."""

import csv
import errno
import json
import threading

import imagecodecs
import numpy as np
import pytest
import tifffile

from app.errors import RecordingError
from app.frame import NUCLEUS_DTYPE, Frame, Light, Segmentation
from app.recording import NUCLEI_COLUMNS, RunMetadata, full_labels, open_replay, save_snapshot, write_csv, write_labels
from app.recording.files import publish
from app.settings import SampleSettings, Settings

META = RunMetadata.from_settings(
    Settings(sample=SampleSettings(sample="U2OS, plate 3", operator="Ada")),
    camera="Camera (simulated)",
    light="LED4",
    model_name="fast",
    model_sha256="ab" * 32,
)


def make_frame(pixel_size_um=0.1, light=None):
    pixels = np.random.default_rng(0).integers(0, 4096, (60, 90)).astype(np.uint16)
    light = light or Light("405", 0.25, True, "")
    return Frame(pixels, 7, 3.0, 1.7e9, 20.0, 1.5, "Mono12", pixel_size_um, light, "camera", "", 22.0)


def make_segmentation(frame):
    labels = np.zeros((20, 30), np.int32)
    labels[2:6, 3:8], labels[10:18, 20:30] = 1, 2
    nuclei = np.zeros(2, NUCLEUS_DTYPE)
    nuclei["label"], nuclei["y_px"], nuclei["x_px"] = [1, 2], [12.0, 42.0], [16.5, 75.0]
    nuclei["area_px"], nuclei["area_um2"] = [180, 720], [1.8, np.nan]
    nuclei["touches_edge"], nuclei["counted"], nuclei["score"] = [False, True], [True, True], 0.9
    return Segmentation(frame, labels, (3.0, 3.0), nuclei, 120.5, frame.pixel_size_um, "metadata", (), (1, 3))


def save(folder, frame=None, **options):
    frame = frame or make_frame()
    overlay = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    return save_snapshot(folder, frame, make_segmentation(frame), META, overlay=overlay, **options)


def test_the_image_is_saved_in_full_depth_with_true_metadata(tmp_path):
    frame = make_frame()
    files = save(tmp_path, frame, extra={"light readback": {"405": 0.25}})
    with open_replay(files.image) as replay:
        saved = replay.frame(0)
        np.testing.assert_array_equal(saved.pixels, frame.pixels)
        for name in ("index", "exposure_ms", "gain_db", "pixel_size_um", "pixel_format", "light", "unix_time_s"):
            assert getattr(saved, name) == getattr(frame, name)
        meta = replay.info.meta
    assert (meta["sample"], meta["operator"], meta["camera"]) == ("U2OS, plate 3", "Ada", "Camera (simulated)")
    assert meta["model sha256"] == "ab" * 32 and json.loads(meta["light readback"]) == {"405": 0.25}
    assert json.loads(meta["segmentation"])["count"] == 2
    assert json.loads(meta["settings"])["optics"]["magnification"] == 20.0
    assert RunMetadata.from_entries(meta) == META
    assert RunMetadata.from_entries({"settings": "[]", "camera": "c"}).camera == "c"


def test_the_settings_of_another_version_are_read_as_far_as_they_are_known():
    entries = META.to_entries()
    settings = json.loads(entries["settings"])
    settings["optics"]["condenser"] = settings["channels"][0]["laser_class"] = settings["robot"] = 1
    meta = RunMetadata.from_entries(entries | {"settings": json.dumps(settings)})
    assert (meta.channels, meta.magnification) == (META.channels, META.magnification) and meta.settings == settings
    # A damaged part takes nothing else with it.
    settings["channels"][1]["wavelength_nm"] = "green"
    settings["optics"] = []
    meta = RunMetadata.from_entries(entries | {"settings": json.dumps(settings)})
    assert meta.channels == (META.channels[0], *META.channels[2:]) and meta.magnification is None


def test_the_table_has_units_and_leaves_the_unknown_empty(tmp_path):
    files = save(tmp_path)
    with files.nuclei.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == NUCLEI_COLUMNS and len(rows) == 2
    assert (float(rows[0]["x_um"]), float(rows[0]["y_um"]), float(rows[0]["area_um2"])) == (1.65, 1.2, 1.8)
    assert rows[1]["area_um2"] == "" and rows[1]["touches_edge"] == "1"
    files = save(tmp_path, make_frame(pixel_size_um=None))
    with files.nuclei.open(newline="") as file:
        assert next(csv.DictReader(file))["x_um"] == ""


def test_labels_have_the_size_of_the_frame_and_its_scale(tmp_path):
    frame = make_frame()
    files = save(tmp_path, frame)
    with tifffile.TiffFile(files.labels) as tif:
        labels = tif.asarray()
        top, bottom = tif.pages[0].tags["XResolution"].value
        assert top / bottom == pytest.approx(1e5) and tif.pages[0].tags["ResolutionUnit"].value == 3
    assert labels.shape == frame.shape and labels.dtype == np.uint16
    np.testing.assert_array_equal(np.unique(labels, return_counts=True)[1][1:], [180, 720])
    np.testing.assert_array_equal(labels, full_labels(make_segmentation(frame)))


def test_many_labels_are_kept(tmp_path):
    labels = np.arange(300 * 300, dtype=np.int32).reshape(300, 300)
    write_labels(tmp_path / "l.tif", labels)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "l.tif"), labels)
    write_labels(tmp_path / "e.tif", np.zeros((1, 1), np.int32))
    assert tifffile.imread(tmp_path / "e.tif").shape == (1, 1)


def test_the_overlay_is_the_picture_that_was_given(tmp_path):
    overlay = imagecodecs.png_decode(save(tmp_path).overlay.read_bytes())
    np.testing.assert_array_equal(overlay, np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8))


def test_names_count_on_together(tmp_path):
    (tmp_path / "snapshot_nuclei.csv").write_text("mine")
    first, second = save(tmp_path), save(tmp_path)
    assert [path.name for path in (first.image, first.labels, first.nuclei, first.overlay)] == [
        "snapshot-2.ome.tif",
        "snapshot-2_labels.tif",
        "snapshot-2_nuclei.csv",
        "snapshot-2_overlay.png",
    ]
    assert second.image.name == "snapshot-3.ome.tif" and (tmp_path / "snapshot_nuclei.csv").read_text() == "mine"


def test_two_at_once_never_share_a_name(tmp_path):
    taken, lock = [], threading.Lock()

    def work():
        files = save(tmp_path)
        with lock:
            taken.append(files.image.name)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(taken)) == 4 and len(list(tmp_path.iterdir())) == 16


def test_without_a_segmentation_there_is_only_the_image(tmp_path):
    files = save_snapshot(tmp_path, make_frame(), None, META, stem="plate 3.well A")
    assert [path.name for path in tmp_path.iterdir()] == ["plate 3.well A.ome.tif"]
    assert (files.labels, files.nuclei, files.overlay) == (None, None, None)


def test_an_unconfirmed_light_is_never_called_the_channel(tmp_path):
    frame = make_frame(light=Light("405", 0.25, False, "the light changed during the exposure"))
    files = save_snapshot(tmp_path, frame, None, META)
    with tifffile.TiffFile(files.image) as tif:
        xml = tif.ome_metadata
    assert "ExcitationWavelength" not in xml and 'Name="405"' not in xml
    with open_replay(files.image) as replay:
        assert replay.frame(0).light == frame.light


@pytest.mark.parametrize("where", ["app.recording.snapshot.encode_csv", "app.recording.files.sync_file"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, where):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(where, full)
    with pytest.raises(RecordingError, match="full"):
        save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_failure_while_naming_leaves_nothing(tmp_path, monkeypatch):
    def fail_at_csv(temporary, path):
        if path.suffix == ".csv":
            raise OSError(errno.EIO, "Input/output error")
        publish(temporary, path)

    monkeypatch.setattr("app.recording.files.publish", fail_at_csv)
    with pytest.raises(RecordingError):
        save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_hard_links_names_are_claimed_first(tmp_path, monkeypatch):
    def no_links(*args):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    (tmp_path / "snapshot.ome.tif").write_text("mine")
    assert save(tmp_path).image.name == "snapshot-2.ome.tif"
    assert (tmp_path / "snapshot.ome.tif").read_text() == "mine"
    with pytest.raises(FileExistsError):
        publish(tmp_path / "snapshot-2.ome.tif", tmp_path / "snapshot.ome.tif")


def test_an_unusable_folder_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RecordingError, match="choose another folder"):
        save(tmp_path / "file" / "x")


def test_a_table_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "counts.csv"
    write_csv(path, ["image", "count"], [["a, b.png", 3]])
    assert path.read_text().splitlines() == ["image,count", '"a, b.png",3']

    def broken():
        yield ["a", 1]
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RecordingError):
        write_csv(path, ["image", "count"], broken())
    assert path.read_text().startswith("image,count") and [p.name for p in tmp_path.iterdir()] == ["counts.csv"]
