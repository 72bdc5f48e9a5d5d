"""Many files: what is right is done, what is wrong is one line, and nothing is overwritten."""

import csv
import errno
import os
import sys
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile

from app.batch import segment_files
from app.errors import RecordingError
from app.frame import Frame, Light
from app.images import read_labels
from app.inference.evaluation import evaluate_folders
from app.inference.model_card import load_model
from app.inference.segmenter import Segmenter
from app.recording import NUCLEI_COLUMNS, RunMetadata, open_replay, save_snapshot
from app.session_report import load_snapshot


@pytest.fixture(scope="module")
def segmenter():
    return Segmenter(load_model("fast"), provider="cpu")


def field(seed=0, count=6, top=255):
    rng = np.random.default_rng(seed)
    image = np.full((150, 200), 15.0, np.float32)
    for number in range(count):
        centre = (30 + 45 * (number % 4), 40 + 60 * (number // 4))
        cv2.circle(image, centre, int(rng.integers(9, 12)), float(rng.uniform(90, 170)), -1)
    image = cv2.GaussianBlur(image, (0, 0), 1.0) + rng.normal(0, 2, image.shape)
    return np.clip(image * (top / 255), 0, top).astype(np.uint8 if top == 255 else np.uint16)


def save(path: Path, image) -> Path:
    path.write_bytes(imagecodecs.png_encode(image))
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_good_and_bad_files_side_by_side(tmp_path, segmenter, capfd):
    folder, out = tmp_path / "in", tmp_path / "out" / "deep"
    folder.mkdir()
    save(folder / "a.png", field())
    save(folder / "b16.png", field(1, 5, top=4095))
    save(folder / "c_rgb.png", np.repeat(field(2, 4)[..., None], 3, axis=-1))
    save(folder / "d_one.png", np.zeros((1, 1), np.uint8))
    (folder / "e_text.png").write_text("no image")
    (folder / "f_empty.tif").write_bytes(b"")
    tifffile.imwrite(folder / "g_whole.ome.tif", field())
    (folder / "h_cut.tif").write_bytes((folder / "g_whole.ome.tif").read_bytes()[:9000])
    steps = list(segment_files([folder, tmp_path / "absent.png"], out, segmenter, 0.65))
    assert [step.done for step in steps] == list(range(1, 10))
    assert {step.total for step in steps} == {9}
    assert [step.path.name for step in steps if step.error] == ["e_text.png", "f_empty.tif", "h_cut.tif", "absent.png"]
    assert {step.path.name: step.count for step in steps if not step.error} == {
        "a.png": 6, "b16.png": 5, "c_rgb.png": 4, "d_one.png": 0, "g_whole.ome.tif": 6,
    }  # fmt: skip
    counts = table(out / "counts.csv")
    assert list(counts[0])[:4] == ["image", "folder", "labels", "count"]
    assert [(row["image"], row["count"]) for row in counts][:3] == [
        ("a.png", "6"),
        ("b16.png", "5"),
        ("c_rgb.png", "4"),
    ]
    assert {(row["model"], row["model_sha256"], row["scale_source"]) for row in counts} == {
        ("fast", segmenter.sha256, "given")
    }
    assert float(counts[0]["density_per_mm2"]) == pytest.approx(6 / (150 * 200 * 0.65**2) * 1e6, rel=1e-3)
    assert [row["note"] for row in counts] == ["", "", "RGB: largest channel", "", ""]
    assert {step.note for step in steps} == {"", "RGB: largest channel"}
    nuclei = table(out / "nuclei.csv")
    assert tuple(nuclei[0]) == ("image", "labels", *NUCLEI_COLUMNS)
    assert len(nuclei) == 6 + 5 + 4 + 6
    labels = tifffile.imread(out / "a_labels.tif")
    assert (labels.shape, labels.dtype) == ((150, 200), np.uint16)
    assert np.unique(labels).tolist() == list(range(7))
    assert tifffile.imread(out / "d_one_labels.tif").shape == (1, 1)
    assert not (out / "e_text_labels.tif").exists()
    assert (out / "g_whole_labels.tif").exists(), "it is named after its picture, without .ome.tif"
    areas = [float(row["area_px"]) for row in nuclei if row["image"] == "a.png"]
    np.testing.assert_allclose(areas, np.bincount(labels.ravel())[1:])
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_and_links_to_nowhere_stop_nothing(tmp_path, segmenter):
    folder = tmp_path / "in"
    folder.mkdir()
    save(folder / 'zelle µ 細胞 [bold], "1".png', field())
    (folder / os.fsdecode(b"no text \xff.png")).write_bytes(imagecodecs.png_encode(field()))
    (folder / "round.png").symlink_to(folder / "round.png")
    (folder / "gone.png").symlink_to(folder / "nowhere.png")
    (folder / "folder.png").mkdir()
    steps = list(segment_files([folder, folder / "round.png"], tmp_path / "out", segmenter, 0.65))
    assert [step.count for step in steps if not step.error] == [6]
    told = [step.error.removeprefix(f"{folder}/") for step in steps if step.error]
    assert told[0] == "no text \ufffd.png has a name that is not UTF-8 text: rename it."
    assert [line.partition(" ")[0] for line in told[1:]] == ["gone.png", "round.png", "round.png"]
    (row,) = table(tmp_path / "out" / "counts.csv")
    assert row["image"] == 'zelle µ 細胞 [bold], "1".png'


def test_nothing_is_overwritten(tmp_path, segmenter):
    out = tmp_path / "out"
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / "same.png", field(count=3 if folder == "one" else 2))
    paths = [tmp_path / "one", tmp_path / "two"]
    assert [step.count for step in segment_files(paths, out, segmenter, 0.65)] == [3, 2]
    # Same names are told apart by their folder, and each row names its own label image.
    rows = table(out / "counts.csv")
    assert [(row["image"], row["folder"]) for row in rows] == [("same.png", str(path)) for path in paths]
    for row in rows:
        assert read_labels(out / row["labels"]).max() == int(row["count"])
    labels = [row["labels"] for row in table(out / "nuclei.csv")]
    assert labels == ["same_labels.tif"] * 3 + ["same_labels-2.tif"] * 2
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(before) == {"same_labels.tif", "same_labels-2.tif", "counts.csv", "nuclei.csv"}
    assert len(list(segment_files(paths[:1], out, segmenter, 0.65))) == 1
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert set(after) - set(before) == {"same_labels-3.tif", "counts-2.csv", "nuclei-2.csv"}
    assert all(after[name] == data for name, data in before.items())


def test_folder_with_results_in_it_can_be_run_again(tmp_path, segmenter):
    save(tmp_path / "a.png", field())
    tifffile.imwrite(tmp_path / "a.tif", field(1, 3))
    for number in range(3):  # the labels of a.tif are a_labels-2.tif, those of the next run -3 and -4
        steps = list(segment_files([tmp_path], tmp_path, segmenter, 0.65))
        assert [(step.path.name, step.count) for step in steps] == [("a.png", 6), ("a.tif", 3)], number
    with open_replay(tmp_path) as replay:
        assert replay.length == 2
    # And none of these label images is certain to be that of an image beside it.
    shot = load_snapshot(tmp_path / "a.tif", lambda: segmenter)
    assert (shot.found.count, shot.from_labels) == (3, False)


@pytest.mark.parametrize("kind", ["png", "jpg", "tif", "ome.tif"])
def test_a_disk_that_fails_while_one_file_is_read_stops_nothing(tmp_path, segmenter, monkeypatch, kind):
    """As of a share that drops out for a moment, or a file that is removed meanwhile."""
    folder = tmp_path / "in"
    folder.mkdir()
    bad = folder / f"b.{kind}"
    if kind == "ome.tif":
        frame = Frame(field(), 0, 0.0, 1.7e9, 15.0, 0.0, "Mono8", 0.65, Light("405", 0.25, True, ""))
        save_snapshot(folder, frame, None, RunMetadata(), stem="b")
    else:
        cv2.imwrite(str(bad), field())
    for name in ("a.png", "c.png"):
        save(folder / name, field())
    whole, pages = Path.read_bytes, tifffile.TiffPage.asarray

    def fail(what, path):
        if Path(path).name == bad.name:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return what

    monkeypatch.setattr(Path, "read_bytes", lambda path: fail(whole, path)(path))
    monkeypatch.setattr(tifffile.TiffPage, "asarray", lambda page: fail(pages, page.parent.filehandle.path)(page))
    steps = list(segment_files([folder], tmp_path / "out", segmenter, 0.65))
    assert [step.count for step in steps] == [6, None, 6]
    assert bad.name in steps[1].error and ("cannot be read (Input/output" in steps[1].error or kind == "ome.tif")


def test_rows_are_on_disk_when_progress_is_told(tmp_path, segmenter):
    run = segment_files([save(tmp_path / f"{n}.png", field()) for n in "ab"], tmp_path / "out", segmenter, "auto")
    assert next(run).scale_source == "estimated"
    assert len(table(tmp_path / "out" / "counts.csv")) == 1
    assert read_labels(tmp_path / "out" / "a_labels.tif").max() == 6
    run.close()


def test_folder_that_cannot_be_written_is_said(tmp_path, segmenter):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="choose another"):
        list(segment_files([save(tmp_path / "a.png", field())], tmp_path / "file", segmenter, 0.65))


def test_empty_folder_is_a_bad_file(tmp_path, segmenter):
    (tmp_path / "empty").mkdir()
    (step,) = segment_files([tmp_path / "empty"], tmp_path / "out", segmenter, 0.65)
    assert "no PNG" in step.error


def test_count_error_on_real_images(tmp_path, segmenter):
    data = os.environ.get("DAPISCOPE_DATA")
    if not data or not (Path(data) / "dsb2018_stage1_test").is_dir():
        pytest.skip("DAPISCOPE_DATA names no folder with dsb2018_stage1_test")
    folder = Path(data) / "dsb2018_stage1_test"
    steps = list(segment_files([folder / "images"], tmp_path, segmenter, "auto"))
    assert not [step.error for step in steps if step.error]
    report = evaluate_folders(folder / "labels", tmp_path)
    assert len(report.images) == len(steps) == 53
    assert report.overall.mean_abs_count_error_percent <= 25
    assert report.overall.f1["0.5"] >= 0.8
