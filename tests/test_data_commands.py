"""The commands plan, export and report, as a user types them."""

import csv
import gc
import json
import subprocess
import sys
import time
from dataclasses import replace

import imagecodecs
import numpy as np
import ome_types
import pytest
import roifile
import tifffile
from gui_fake_session import make_frame, make_result
from typer.testing import CliRunner

from app.__main__ import cli
from app.correction_files import Correction, save_corrections
from app.corrections import Edit
from app.errors import BadImageError, DapiscopeError, RefusedError, UsageError
from app.frame import Frame, Light
from app.recording import Recorder, RunMetadata, open_replay, save_snapshot
from app.recording.files import KEEP_FREE_BYTES
from app.recording.ome import read_map
from app.session_report import report_of
from app.settings import Settings

PLAN = """
channels:
  - {config: "405", exposure: 10}
  - {config: "633", exposure: 20}
time_plan: {interval: 0, loops: 2}
"""


SMALL = "[camera]\nroi = [640, 360, 1920, 1280]\n"
"""A part of the camera's field, where its size does not matter."""


@pytest.fixture
def run(tmp_path):
    (tmp_path / "small.toml").write_text(SMALL)

    def invoke(*args):
        if args[0] in ("plan", "snap") and "--dry-run" not in args:
            args = ("--config", tmp_path / "small.toml", *args)
        result = CliRunner().invoke(cli, [str(arg) for arg in args])
        if isinstance(result.exception, DapiscopeError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return invoke


@pytest.fixture
def plan_file(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def test_a_dry_run_says_what_it_takes_and_touches_nothing(run, plan_file, tmp_path):
    code, out = run("plan", plan_file, "--out", tmp_path / "out", "--dry-run", "--json", tmp_path / "a.json")
    assert code == 0 and "4 frames" in out and "gentlest light first" in out
    assert not (tmp_path / "out").exists()
    account = json.loads((tmp_path / "a.json").read_text())
    assert account["estimate"]["bytes"] == 4 * 2160 * 3840 * 2


def test_a_plan_is_carried_out_and_exported_and_reported(run, plan_file, tmp_path):
    out_dir = tmp_path / "out"
    code, out = run("plan", plan_file, "--out", out_dir, "--sample", "U2OS", "--json", tmp_path / "a.json", "--zarr")
    assert code == 0 and "4 of 4 frames" in out and "counted  " in out and "nuclei in the last" in out
    account = json.loads((tmp_path / "a.json").read_text())
    assert account["complete"] and account["light"]["confirmed_off"] and account["error"] is None
    counts = account["count"]
    assert counts["frames"] + counts["skipped"] == 2 and counts["last"] > 10  # of both frames at 405 nm
    assert (out_dir / "plan_counts.csv").read_text().count("\n") == counts["frames"] + 1
    with open_replay(out_dir / "plan.ome.tif") as replay:
        assert [replay.frame(n).light.channel for n in range(4)] == ["633", "405"] * 2
        assert replay.info.meta["sample"] == "U2OS"
    assert account["zarr"] == str(out_dir / "plan.ome.zarr") in "".join(out.split("\n"))
    with open_replay(out_dir / "plan.ome.zarr") as replay:
        assert [replay.frame(n).light.channel for n in range(4)] == ["633", "405"] * 2
        assert replay.info.meta["sample"] == "U2OS" and json.loads(replay.info.meta["complete"])
    exported = tmp_path / "exported"
    code, out = run("export", out_dir / "plan.ome.tif", "--frame", 1, "--out", exported, "--zarr")
    assert code == 0 and "found now" in out
    labels = tifffile.imread(exported / "plan-frame1_export_labels.tif")
    assert labels.max() > 10
    assert len(roifile.roiread(exported / "plan-frame1_export_rois.zip")) == labels.max()
    assert len(json.loads((exported / "plan-frame1_export.geojson").read_text())["features"]) == labels.max()
    assert (exported / "plan.ome.zarr").is_dir()
    code, out = run("report", out_dir)
    page = (out_dir / "report.html").read_text()
    assert code == 0 and "U2OS" in page and "plan.ome.tif" in page and "simulated" in page
    assert "Count over time" in page and f"{counts['frames']} of {counts['frames']}" in page


@pytest.mark.parametrize("channels", [("488", "405"), ("488", "532")])
def test_of_an_own_recording_the_first_plane_that_shows_nuclei_is_counted(run, tmp_path, channels):
    recorder = Recorder(tmp_path / "plan.ome.tif", RunMetadata.from_settings(Settings()))
    recorder.start()
    blank = np.full((96, 128), 15, np.uint8)
    stained = blank.copy()
    for x in (30, 64, 98):
        stained[40:58, x - 9 : x + 9] = 150
    for number, channel in enumerate(channels * 2):
        pixels = stained if channel == "405" else blank
        light = Light(channel, 0.2, True, "")
        frame = replace(make_frame(number, pixel_size_um=0.65, light=light), pixels=pixels)
        recorder.put(frame, divmod(number, 2))
    path = recorder.close().path
    shows = "405" in channels
    told = "plane 2 of 4, channel 405" if shows else "plane 1 of 4, channel 488"
    code, out = run("segment", path, "--out", tmp_path / "out", "--model", "fast")
    (row,) = csv.DictReader((tmp_path / "out" / "counts.csv").read_text().splitlines())
    assert code == 0 and (row["count"], row["note"]) == ("3" if shows else "0", told)
    code, out = run("export", path, "--out", tmp_path / "out", "--model", "fast")
    assert code == 0 and f"{row['count']} nuclei, found now ({told})" in out
    assert bool(list((tmp_path / "out").glob("plan-frame1_export*"))) == shows


def test_zarr_that_fails_is_told_before_the_light_or_beside_the_recording(run, plan_file, tmp_path, monkeypatch):
    def refuse(*_args):
        raise UsageError("OME-Zarr needs the zarr library.")

    monkeypatch.setattr("app.recording.zarr_follower.to_zarr", refuse)
    code, out = run("plan", plan_file, "--out", tmp_path / "a", "--zarr", "--no-count")
    assert code == 1 and "needs the zarr library" in out and "4 of 4 frames" in out
    assert (tmp_path / "a" / "plan.ome.tif").exists() and not (tmp_path / "a" / "plan_counts.csv").exists()
    monkeypatch.setattr("app.recording.zarr_store._zarr", refuse)
    with pytest.raises(UsageError, match="zarr library"):
        run("plan", plan_file, "--out", tmp_path / "b", "--zarr")
    assert not (tmp_path / "b").exists()


def test_the_zarr_image_is_part_of_what_a_plan_takes_of_the_disk(run, plan_file, tmp_path, monkeypatch):
    pytest.importorskip("zarr", reason="the extra zarr is not installed")
    raw = 4 * 2160 * 3840 * 2
    code, out = run("plan", plan_file, "--out", tmp_path / "out", "--zarr", "--dry-run", "--json", tmp_path / "a.json")
    assert code == 0 and f"{raw * 7 / 3e9:.2f} GB" in out and not (tmp_path / "out").exists()
    assert json.loads((tmp_path / "a.json").read_text())["estimate"]["bytes"] == raw * 7 // 3
    # Room for the recording alone.
    monkeypatch.setattr("app.recording.files.free_bytes", lambda folder: KEEP_FREE_BYTES + 4 * 1280 * 1920 * 2 + 1000)
    with pytest.raises(RefusedError, match="the plan and its OME-Zarr image need"):
        run("plan", plan_file, "--out", tmp_path / "out", "--zarr", "--no-count")
    assert not list((tmp_path / "out").iterdir())


def test_a_plan_that_cannot_be_is_a_usage_error(run, tmp_path):
    (tmp_path / "z.yaml").write_text("z_plan: {range: 3, step: 1}\nchannels: [DAPI]\n")
    with pytest.raises(UsageError, match="focus drive"):
        run("plan", tmp_path / "z.yaml", "--out", tmp_path)


def test_an_interrupt_ends_a_plan_in_order(tmp_path):
    (tmp_path / "long.yaml").write_text("channels: ['405']\ntime_plan: {interval: 1, loops: 60}\n")
    command = [sys.executable, "-m", "app", "plan", str(tmp_path / "long.yaml"), "--out", str(tmp_path / "out")]
    command += ["--json", str(tmp_path / "a.json")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "out" / "plan.ome.tif.frames.jsonl"
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and process.poll() is None:
        if journal.exists() and journal.read_bytes().count(b"\n") > 3:  # head, plan, and two frames
            process.send_signal(2)
            break
        time.sleep(0.1)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 1 and "stopped" in err
    account = json.loads((tmp_path / "a.json").read_text())
    assert not account["complete"] and account["light"]["confirmed_off"]
    with open_replay(tmp_path / "out" / "plan.ome.tif") as replay:
        assert replay.length == account["frames"]["taken"] >= 2
        assert replay.info.meta["complete"] == "false"


def test_a_snapshot_is_exported_as_it_was_saved(run, tmp_path):
    shots, exported = tmp_path / "shots", tmp_path / "exported"
    assert run("snap", "--out", shots, "--model", "fast")[0] == 0
    code, out = run("export", shots / "snapshot.ome.tif", "--out", exported)
    assert code == 0 and "as saved with it" in out
    both = ((shots, "snapshot"), (exported, "snapshot_export"))
    before, after = (tifffile.imread(folder / f"{stem}_labels.tif") for folder, stem in both)
    np.testing.assert_array_equal(before, after)
    saved, again = ((folder / f"{stem}_nuclei.csv").read_text().splitlines() for folder, stem in both)
    assert len(saved) == len(again)
    head = saved[0].split(",")
    for name in ("label", "area_px", "mean_intensity", "score"):
        column = head.index(name)
        values = [[float(line.split(",")[column]) for line in lines[1:]] for lines in (saved, again)]
        np.testing.assert_allclose(*values, rtol=1e-4)
    # The count keeps its interval, and the image its dose.
    saved, again = (notes_of(folder / f"{stem}.ome.tif") for folder, stem in both)
    assert json.loads(saved["segmentation"])["interval_90"] is not None and "405" in saved["dose"]
    assert json.loads(again["segmentation"])["interval_90"] == json.loads(saved["segmentation"])["interval_90"]
    assert again["dose"] == saved["dose"]
    assert str(tmp_path) not in "".join(again.values())
    assert run("report", shots)[0] == 0
    assert "last count" in (shots / "report.html").read_text()
    # With a pixel size of its own it is segmented anew.
    code, out = run(
        "export", shots / "snapshot.ome.tif", "--out", exported, "--pixel-size-um", "0.1", "--model", "fast"
    )
    assert code == 0 and "found now" in out


@pytest.fixture
def corrected_shot(tmp_path):
    """A snapshot of two squares, of which a hand removed one, split the other, and added a third; at half scale."""
    frame = replace(make_frame(), source="", light=Light("405", 0.25, True, ""))
    base = make_result(frame)
    picture = save_snapshot(tmp_path / "shots", frame, base, RunMetadata()).image
    with open_replay(picture) as replay:
        base = replace(base, frame=replay.frame(0))
    square = ((300.0, 50.0), (360.0, 50.0), (360.0, 110.0), (300.0, 110.0))
    edits = [("add", square), ("remove", ((130.0, 130.0),)), ("split", ((440.0, 280.0), (440.0, 400.0)))]
    save_corrections(picture, Correction(base, tuple(Edit(k, p, "Ada", 1.7e9) for k, p in edits), "fast", "ab" * 32))
    return picture


def notes_of(path):
    with tifffile.TiffFile(path) as tif:
        return read_map(tif.ome_metadata)


def read_export(folder, stem="snapshot_export"):
    """Return label image, table, ROIs, objects, overlay and the image's own notes."""
    with (folder / f"{stem}_nuclei.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    notes = notes_of(folder / f"{stem}.ome.tif")
    return (
        tifffile.imread(folder / f"{stem}_labels.tif"),
        table,
        roifile.roiread(folder / f"{stem}_rois.zip"),
        json.loads((folder / f"{stem}.geojson").read_text())["features"],
        imagecodecs.png_decode((folder / f"{stem}_overlay.png").read_bytes()),
        notes,
    )


def test_corrected_nuclei_are_exported_in_every_form(run, corrected_shot, tmp_path):
    code, out = run("export", corrected_shot, "--out", tmp_path / "out")
    assert code == 0 and "3 nuclei" in out and "2 by the model, 3 corrected by hand (Ada)" in out
    assert "these are the corrected ones" in " ".join(out.split())
    labels, table, rois, objects, overlay, notes = read_export(tmp_path / "out")
    by_hand = tifffile.imread(corrected_shot.with_name("snapshot_corrected_labels.tif"))
    np.testing.assert_array_equal(labels, by_hand)
    assert labels.max() == 3 and labels[130, 130] == 0 and labels[80, 330] > 0
    assert [row["origin"] for row in table] == ["by hand"] * 3
    assert len(rois) == len(objects) == 3 and all(roi.name.endswith("-by-hand") for roi in rois)
    assert [each["properties"]["metadata"] for each in objects] == [{"origin": "by hand"}] * 3
    for number, row in enumerate(table, start=1):
        assert float(row["area_px"]) == (labels == number).sum()
    assert not np.array_equal(overlay[80, 300], overlay[80, 250]) and overlay.shape == (480, 640, 3)
    assert json.loads(notes["segmentation"])["count"] == 3 and notes["model sha256"] == "ab" * 32
    assert "2 by the model, 3 corrected" in notes["corrected by hand"]


def test_the_model_s_own_nuclei_can_be_had_too(run, corrected_shot, tmp_path):
    code, out = run("export", corrected_shot, "--out", tmp_path / "out", "--nuclei", "model")
    assert code == 0 and "2 nuclei" in out and "3 corrected by hand (Ada)" in " ".join(out.split())
    assert "these are the model's" in " ".join(out.split())
    labels, table, rois, objects, _, notes = read_export(tmp_path / "out")
    assert labels.max() == len(table) == len(rois) == len(objects) == 2 and "origin" not in table[0]
    assert labels[130, 130] > 0 and json.loads(notes["segmentation"])["count"] == 2
    assert "model's" in notes["corrected by hand"]


def test_corrected_nuclei_go_to_parquet_and_the_report(run, corrected_shot, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert run("export", corrected_shot, "--out", tmp_path / "out", "--parquet")[0] == 0
    table = parquet.read_table(tmp_path / "out" / "snapshot_export_nuclei.parquet")
    assert table.column("origin").to_pylist() == ["by hand"] * 3 and str(table.schema.field("score").type) == "double"


def test_the_report_draws_what_a_hand_corrected(corrected_shot):
    report = report_of(corrected_shot.parent)
    ((caption, picture),) = report.pictures
    assert "corrected by hand" in caption and report.corrected == {
        corrected_shot.name: "2 by the model, 3 corrected by hand (Ada)"
    }
    assert np.ptp(picture[130, 95:105].astype(int), axis=-1).max() == 0  # the removed one has no outline


def test_what_was_corrected_is_not_exported_at_another_scale(run, corrected_shot, tmp_path):
    with pytest.raises(UsageError, match="pixel-size-um"):
        run("export", corrected_shot, "--out", tmp_path, "--nuclei", "corrected", "--pixel-size-um", "0.2")
    code, out = run("export", corrected_shot, "--out", tmp_path, "--pixel-size-um", "0.2", "--model", "fast")
    assert code == 0 and "corrections made by hand were not used" in " ".join(out.split())
    plain = corrected_shot.with_name("plain.png")
    plain.write_bytes(imagecodecs.png_encode(np.zeros((80, 90), np.uint8)))
    with pytest.raises(UsageError, match="correct it in the window"):
        run("export", plain, "--out", tmp_path, "--nuclei", "corrected")


def test_any_image_is_exported(run, tmp_path, monkeypatch):
    path = tmp_path / "field.png"
    path.write_bytes(imagecodecs.png_encode(np.full((80, 90), 30, np.uint8)))
    code, out = run("export", path, "--out", tmp_path / "out", "--pixel-size-um", "0.5", "--model", "fast")
    assert code == 0 and "0 nuclei" in out
    # Nothing is made up from the date of the file.
    (image,) = ome_types.from_tiff(tmp_path / "out" / "field_export.ome.tif").images
    assert image.acquisition_date is None and image.pixels.planes[0].delta_t is None
    with open_replay(tmp_path / "out" / "field_export.ome.tif") as replay:
        assert "readout_ms" not in replay.info.meta and replay.frame(0).unix_time_s == 0
    monkeypatch.chdir(tmp_path)
    assert run("export", ".", "--out", "dot", "--pixel-size-um", "0.5", "--model", "fast")[0] == 0
    assert (tmp_path / "dot" / "field_export.ome.tif").is_file()
    with pytest.raises(BadImageError, match="1 frames"):
        run("export", path, "--out", tmp_path / "out", "--frame", 3)


def record(folder, frames=6, began_s=1.7e9, **notes):
    meta = RunMetadata.from_settings(Settings(), camera="Camera")
    recorder = Recorder(folder / "recording.ome.tif", meta)
    recorder.start()
    for n in range(frames):
        light = Light("405", 0.5, n > 1, "" if n > 1 else "light just changed")
        recorder.put(Frame(np.full((40, 50), n, np.uint8), 10 + n, 0.0, began_s + n, 9.0, 0.0, "Mono8", 0.1, light))
    recorder.close({"lost_camera": 3, "dose": {"channels": {"405": {"lit_s": 2.5, "dose_s": 1.25}}}, **notes})


def counted(path, *rows, began_s=1.7e9):
    """Write the table of a run: (frame, count), and flags and an interval where there are some."""
    columns = "count,image,density_per_mm2,pixel_size_um,scale_source,flags,interval_low,interval_high"
    lines = [f"frame,unix_time_s,{columns}"]
    for frame, count, *more in rows:
        flags, low, high = more or ("", "", "")
        lines.append(f"{frame},{began_s + frame - 10:.6f},{count},,,,metadata,{flags},{low},{high}")
    path.write_text("\n".join(lines) + "\n")


def test_counts_and_frames_meet_in_the_report(tmp_path):
    record(tmp_path)
    counted(tmp_path / "counts.csv", (12, 50, "", 45, 55), (14, 52, "too dim", "", ""), (99, 1))
    with (tmp_path / "counts.csv").open("a") as file:
        file.write("broken\n")
    report = report_of(tmp_path)
    assert [(p.time_s, p.count, p.interval, p.fit) for p in report.counts] == [
        (2.0, 50, (45, 55), True), (4.0, 52, None, False),
    ]  # fmt: skip
    assert report.frames == {"recorded": 6, "snapshots": 0, "counted": 2, "light not confirmed": 2}
    assert report.losses == {"by the camera": 3}  # and no frame of a channel that is not counted
    assert report.dose == {"405 (the field of view until recording.ome.tif)": "2.5 s lit, 1.25 s at full power"}
    assert len(report.pictures) == 1 and report.ended_unix_s - report.started_unix_s == 5


def test_a_table_that_a_spreadsheet_saved_again_is_drawn(tmp_path):
    record(tmp_path)
    counted(tmp_path / "counts.csv", (12, 50))
    (tmp_path / "counts.csv").write_text((tmp_path / "counts.csv").read_text(), encoding="utf-8-sig")
    assert [point.count for point in report_of(tmp_path).counts] == [50]


@pytest.mark.parametrize("named", [True, False])
def test_each_run_s_counts_stand_at_its_own_time(tmp_path, named):
    """Both runs number their frames from the same one on, and the second is the longer."""
    notes = [{"nuclei": {"table": name}} if named else {} for name in ("counts.csv", "counts-2.csv")]
    record(tmp_path, frames=6, **notes[0])
    record(tmp_path, frames=9, began_s=1.7e9 + 100, **notes[1])
    counted(tmp_path / "counts.csv", (12, 50))
    counted(tmp_path / "counts-2.csv", (12, 70), began_s=1.7e9 + 100)
    counted(tmp_path / "counts-3.csv", (12, 70))  # of a replay: counted another time
    report = report_of(tmp_path)
    assert [(point.time_s, point.count) for point in report.counts] == [(2.0, 50), (102.0, 70)]
    assert [note for note in report.notes if "chart" in note] == [
        "counts-3.csv is not in the chart: its counts are not those of a recording here."
    ]


def test_a_run_has_no_counts_of_another_whose_table_took_its_name(tmp_path):
    """The first failed before it counted anything, or its table was moved away: the second's has that name too."""
    record(tmp_path, nuclei={"table": "counts.csv"})
    record(tmp_path, began_s=1.7e9 + 100, nuclei={"table": "counts.csv"})
    counted(tmp_path / "counts.csv", (12, 70), began_s=1.7e9 + 100)
    assert [(point.time_s, point.count) for point in report_of(tmp_path).counts] == [(102.0, 70)]


def test_a_plan_that_was_killed_finds_its_counts_by_their_moments(tmp_path):
    record(tmp_path, plan={})
    counted(tmp_path / "recording_counts.csv", (12, 50))
    assert [(point.time_s, point.count) for point in report_of(tmp_path).counts] == [(2.0, 50)]


def test_a_plan_that_counted_nothing_has_no_counts_of_another(tmp_path):
    record(tmp_path, plan={}, nuclei={"counted": 0})
    counted(tmp_path / "recording_counts.csv", (12, 50), began_s=1.7e9 - 100)
    assert report_of(tmp_path).counts == []


def test_what_was_exported_of_a_session_is_no_further_part_of_it(run, tmp_path):
    assert run("snap", "--out", tmp_path, "--model", "fast")[0] == 0
    before = report_of(tmp_path)
    assert run("export", tmp_path / "snapshot.ome.tif", "--out", tmp_path)[0] == 0
    path = tmp_path / "other.png"
    path.write_bytes(imagecodecs.png_encode(np.full((80, 90), 30, np.uint8)))
    assert run("export", path, "--out", tmp_path, "--pixel-size-um", "0.5", "--model", "fast")[0] == 0
    assert (tmp_path / "snapshot_export.ome.tif").exists() and (tmp_path / "other_export.ome.tif").exists()
    after = report_of(tmp_path)
    assert (after.frames, after.counts, after.dose) == (before.frames, before.counts, before.dose)
    assert (after.started_unix_s, after.ended_unix_s) == (before.started_unix_s, before.ended_unix_s)
    assert any("other_export.ome.tif does not say when" in note for note in after.notes)


def test_a_report_holds_no_more_frames_in_memory_than_it_shows(tmp_path, monkeypatch):
    for number in range(4):
        record(tmp_path, frames=1, began_s=1.7e9 + number)
    monkeypatch.setattr("app.session_report.MOST_PICTURES", 2)
    held = []

    def count(images):
        gc.collect()
        held.append(sum(isinstance(each, Frame) and each.shape == (40, 50) for each in gc.get_objects()))
        return {}

    monkeypatch.setattr("app.session_report._losses", count)
    report = report_of(tmp_path)
    assert report.frames["snapshots"] == 4 and len(report.pictures) == 2 and held == [0]


def test_a_folder_without_a_session_is_said(tmp_path):
    with pytest.raises(BadImageError, match="no recording"):
        report_of(tmp_path)
    (tmp_path / "bad.ome.tif").write_bytes(b"II*\0")
    with pytest.raises(BadImageError, match=r"no recording.*bad\.ome\.tif"):
        report_of(tmp_path)


def test_the_report_names_what_it_leaves_out(tmp_path):
    record(tmp_path)
    (tmp_path / "bad.ome.tif").write_bytes(b"II*\0")
    (tmp_path / "cut.ome.tif").write_bytes(bytes(5000))
    (tmp_path / "cut.ome.tif.frames.jsonl").write_text("{}")
    damaged, unfinished = (note for note in report_of(tmp_path).notes if note.startswith("Left out"))
    assert "bad.ome.tif is damaged" in damaged and "dapiscope recover" in unfinished
