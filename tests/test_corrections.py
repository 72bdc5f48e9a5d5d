"""Corrections by hand, pure: what an edit does, that it can be undone, and that the model's answer never changes."""

import errno
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from gui_fake_session import make_frame, make_result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.correction_files import Correction, corrections_path, counts_in, load_correction, rounded, save_corrections
from app.corrections import (
    Edit,
    corrected,
    corrected_segmentation,
    neck_at,
    outline_at,
    said,
    usual_diameter_px,
)
from app.errors import RecordingError, UsageError
from app.frame import read_only
from app.recording import RunMetadata, save_snapshot
from app.session_report import report_of
from app.shading import Shading

SQUARE = ((300.0, 50.0), (360.0, 50.0), (360.0, 110.0), (300.0, 110.0))
INTO_ONE, INTO_TWO = (130.0, 130.0), (440.0, 340.0)


@pytest.fixture
def base():
    """Two squares: 100…160 and 300…380 × 400…480 in frame pixels, at half the scale."""
    return make_result(make_frame())


def numbers(labels):
    return sorted(set(np.unique(labels).tolist()) - {0})


def edit(kind, *points):
    return Edit(kind, tuple(points), "Ada", 1_700_000_000.0)


def test_adding_fills_the_outline_and_nothing_that_is_taken(base):
    now = corrected(base.labels, [edit("add", *SQUARE)], base.zoom)
    assert numbers(now) == [1, 2, 3]
    assert (now == 3).sum() == pytest.approx(30 * 30, rel=0.1)
    # Over the first nucleus' edge: only what is free is added.
    over = corrected(base.labels, [edit("add", (120, 60), (200, 60), (200, 150), (120, 150))], base.zoom)
    assert ((over == 1) == (base.labels == 1)).all() and (over == 3).any()


def test_removing_takes_one_and_leaves_the_others(base):
    now = corrected(base.labels, [edit("remove", INTO_ONE)], base.zoom)
    assert numbers(now) == [2] and ((now == 2) == (base.labels == 2)).all()


def test_splitting_cuts_along_the_line_and_loses_no_pixel(base):
    now = corrected(base.labels, [edit("split", (440, 280), (440, 400))], base.zoom)
    assert numbers(now) == [1, 3, 4]
    assert ((now > 2) == (base.labels == 2)).all()
    assert (now == 3).sum() == pytest.approx((now == 4).sum(), rel=0.06)


def test_merging_makes_one_and_closes_the_gap():
    labels = np.zeros((100, 100), np.int32)
    labels[40:60, 20:40], labels[40:60, 44:64] = 1, 2
    now = corrected(labels, [edit("merge", (30, 50), (54, 50))])
    assert numbers(now) == [3]
    assert (now[42:58, 20:64] == 3).all()


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (edit("remove", (5, 5)), "no nucleus"),
        (edit("remove", (-50, 9999)), "no nucleus"),
        (edit("add", (110, 110), (150, 110), (150, 150)), "already"),
        (edit("add", (600, 400), (601, 400), (601, 401)), "too small"),
        (edit("add", (-90, -90), (-50, -90), (-50, -50)), "too small"),
        (edit("add", (1, 1), (2, 2)), "three corners"),
        (edit("split", (0, 0), (50, 0)), "meets no nucleus"),
        (edit("split", (101, 90), (101, 170)), "cuts off nothing"),
        (edit("split", INTO_ONE), "needs a line"),
        (edit("merge", INTO_ONE, (132, 132)), "same nucleus"),
        (edit("merge", INTO_ONE, INTO_TWO), "too far apart"),
        (edit("merge", INTO_ONE), "two nuclei"),
    ],
)
def test_an_edit_that_meets_nothing_is_one_sentence_that_says_what_to_do(base, made, says):
    before = base.labels.copy()
    with pytest.raises(UsageError, match=says) as told:
        corrected(base.labels, [made], base.zoom)
    assert str(told.value).count(".") == 1 and ":" in str(told.value)
    assert (base.labels == before).all()


coordinate = st.floats(-20, 660)
point = st.tuples(coordinate, coordinate)
edits = st.one_of(
    st.builds(lambda p: edit("remove", p), point),
    st.builds(lambda p: edit("add", *p), st.lists(point, min_size=3, max_size=6)),
    st.builds(lambda p: edit("split", *p), st.lists(point, min_size=2, max_size=2)),
    st.builds(lambda p: edit("merge", *p), st.lists(point, min_size=2, max_size=2)),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits, max_size=7))
def test_undoing_gives_exactly_the_former_labels_and_the_model_s_never_change(wanted):
    base = make_result(make_frame())
    before = base.labels.copy()
    locked = read_only(base.labels)
    done, states = [], [before]
    for each in wanted:
        try:
            now = corrected(locked, [*done, each], base.zoom)
        except UsageError:
            continue
        done.append(each)
        states.append(now)
    # Back again, one by one, and forward: each state is what it was, to the pixel.
    for length in range(len(done), -1, -1):
        assert (corrected(locked, done[:length], base.zoom) == states[length]).all()
    assert (base.labels == before).all()
    final, origins = corrected_segmentation(base, states[-1])
    assert final.count == len(origins) == len(numbers(states[-1]))
    assert final.nuclei["label"].tolist() == list(range(1, final.count + 1))
    # What no hand touched is the model's own row.
    for row, origin in zip(final.nuclei, origins, strict=True):
        rows = [r for r in base.nuclei if r["x_px"] == row["x_px"] and r["score"] == row["score"]]
        assert bool(rows) == (origin == "model")
    assert base.count == 2


def test_a_click_grows_to_what_is_bright_there():
    frame = make_frame()
    y, x = np.mgrid[:480, :640]
    pixels = np.where(np.hypot((y - 240) / 25, (x - 250) / 18) < 1, 180, 20).astype(np.uint8)
    frame = replace(frame, pixels=read_only(pixels))
    outline = outline_at(frame, np.zeros((240, 320), np.int32), (2.0, 2.0), (255.0, 235.0), 45.0)
    now = corrected(np.zeros((480, 640), np.int32), [Edit("add", outline)])
    assert (now > 0).sum() == pytest.approx(math.pi * 25 * 18, rel=0.08)
    rows, columns = np.nonzero(now)
    assert (rows.mean(), columns.mean()) == pytest.approx((240, 250), abs=1)


@pytest.mark.parametrize("at", [(0.0, 0.0), (639.0, 479.0), (320.0, 20.0), (-5.0, 3.0)])
def test_a_click_into_darkness_or_at_the_edge_gives_a_circle_of_the_usual_size(base, at):
    outline = outline_at(base.frame, base.labels, base.zoom, at, usual_diameter_px(base))
    assert len(outline) >= 3
    xs, ys = zip(*outline, strict=True)
    assert max(xs) - min(xs) <= 1.7 * usual_diameter_px(base) >= max(ys) - min(ys)


def test_a_nucleus_is_split_at_its_neck():
    y, x = np.mgrid[:120, :200]
    two = (np.hypot(y - 60, x - 60) < 35) | (np.hypot(y - 60, x - 118) < 35)
    labels = two.astype(np.int32)
    line = neck_at(labels, (1.0, 1.0), (70.0, 60.0))
    now = corrected(labels, [Edit("split", line)])
    assert numbers(now) == [2, 3]
    assert min((now == 2).sum(), (now == 3).sum()) > 0.45 * two.sum()


def test_both_counts_are_said():
    assert said(55, 57, [edit("add", *SQUARE)]) == "55 by the model, 57 corrected by hand (Ada)"


def test_what_a_hand_added_is_measured_as_the_model_measures_without_the_shading(tmp_path):
    shading = Shading("n", "ab" * 32, np.zeros((480, 640), np.uint16), np.full((4, 4), 2, np.float32), 255)
    base = make_result(replace(make_frame(), shading=shading))
    found, origins = corrected_segmentation(base, corrected(base.labels, [edit("add", *SQUARE)], base.zoom))
    assert origins[2] == "by hand" and found.nuclei["mean_intensity"][2] == pytest.approx(40)  # of 20 on the sensor
    picture = tmp_path / "a.tif"
    save_corrections(picture, Correction(base, (edit("add", *SQUARE),)))
    again = load_correction(picture, base.frame)
    assert again.base.nuclei["mean_intensity"][1] == pytest.approx(253, abs=1)  # of 127, not quite saturated


# --- files -----------------------------------------------------------------------------------------------------------


def test_corrections_lie_beside_the_picture_and_come_back_to_the_pixel(base, tmp_path):
    picture = tmp_path / "snapshot.ome.tif"
    edits = tuple(rounded(e) for e in (edit("add", *SQUARE), edit("split", (440, 280.123456), (440, 400))))
    path = save_corrections(picture, Correction(base, edits, "fast", "ab" * 32))
    assert path == tmp_path / "snapshot.ome.tif.corrections.json" == corrections_path(picture)
    again = load_correction(picture, base.frame)
    assert again.edits == edits and again.model_name == "fast"
    assert (again.base.labels == base.labels).all() and again.base.count == 2
    assert again.base.interval == base.interval and again.base.flags == base.flags
    wanted = corrected(base.labels, edits, base.zoom)
    assert (corrected(again.base.labels, again.edits, again.base.zoom) == wanted).all()
    assert counts_in(picture) == ((0, 2, 4, edits),)
    plain = json.loads(path.read_text())
    assert plain["frames"][0]["edits"][0]["by"] == "Ada"
    assert plain["frames"][0]["edits"][0]["at"] == "2023-11-14T22:13:20+00:00"
    saved = tifffile.imread(tmp_path / "snapshot_corrected_labels.tif")
    assert saved.shape == base.frame.shape and len(numbers(saved)) == 4
    table = (tmp_path / "snapshot_corrected_nuclei.csv").read_text().splitlines()
    assert table[0].endswith(",origin")
    assert sorted(line.rsplit(",", 1)[1] for line in table[1:]) == ["by hand"] * 3 + ["model"]


def test_frames_of_a_recording_are_kept_apart_and_undoing_all_leaves_nothing(base, tmp_path):
    picture = tmp_path / "recording.ome.tif"
    other = make_result(make_frame(7, fill=33))
    save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),)))
    save_corrections(picture, Correction(other, (edit("add", *SQUARE),)))
    assert [told[:3] for told in counts_in(picture)] == [(0, 2, 1), (7, 2, 3)]
    assert load_correction(picture, other.frame).edits[0].kind == "add"
    assert load_correction(picture, make_frame(8, fill=34)) is None
    assert (tmp_path / "recording-frame7_corrected_labels.tif").exists()
    save_corrections(picture, Correction(other, ()))
    assert [told[:3] for told in counts_in(picture)] == [(0, 2, 1)]
    assert not (tmp_path / "recording-frame7_corrected_labels.tif").exists()


def test_pictures_that_differ_in_their_suffix_alone_are_kept_apart(base, tmp_path):
    one, two = tmp_path / "a.png", tmp_path / "a.tif"
    other = make_result(make_frame(fill=33))
    save_corrections(one, Correction(base, (edit("remove", INTO_ONE),)))
    save_corrections(two, Correction(other, (edit("add", *SQUARE),)))
    assert [[told[:3] for told in counts_in(each)] for each in (one, two)] == [[(0, 2, 1)], [(0, 2, 3)]]
    tables = [f"{stem}_corrected_{what}" for stem in ("a-2", "a") for what in ("labels.tif", "nuclei.csv")]
    assert sorted(path.name for path in tmp_path.glob("*_corrected_*")) == tables
    save_corrections(two, Correction(other, ()))
    assert len(numbers(tifffile.imread(tmp_path / "a_corrected_labels.tif"))) == 1
    assert sorted(path.name for path in tmp_path.glob("*_corrected_*")) == tables[2:]
    assert not list(tmp_path.glob("a.tif*"))


@pytest.mark.parametrize("edited_before", [False, True])
@pytest.mark.parametrize("edits", [(("add", *SQUARE),), ()])
def test_a_refused_save_changes_nothing(base, tmp_path, monkeypatch, edited_before, edits):
    picture = tmp_path / "a.png"
    if edited_before:
        save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),)))
        save_corrections(picture, Correction(make_result(make_frame(fill=33)), (edit("remove", INTO_ONE),)))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    write = Path.write_text

    def refuse(self, *args, **options):
        if ".corrections.json" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, *args, **options)

    monkeypatch.setattr(Path, "write_text", refuse)
    if edited_before or edits:
        with pytest.raises(RecordingError, match="full"):
            save_corrections(picture, Correction(base, tuple(edit(*each) for each in edits)))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_no_table_is_replaced_or_removed_that_is_none_of_its_own(base, tmp_path):
    picture, foreign = tmp_path / "a.png", tmp_path / "a_corrected_nuclei.csv"
    foreign.write_text("somebody's")
    for edits in ((edit("remove", INTO_ONE),), (edit("add", *SQUARE),)):
        save_corrections(picture, Correction(base, edits))
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "a-2_corrected_labels.tif", "a-2_corrected_nuclei.csv", "a.png.corrections.json", foreign.name,
        ]  # fmt: skip
    save_corrections(picture, Correction(base, ()))
    assert foreign.read_text() == "somebody's" and list(tmp_path.iterdir()) == [foreign]
    path = save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),)))
    path.write_text(path.read_text().replace("a-2_corrected_nuclei.csv", "../a_corrected_nuclei.csv"))
    with pytest.raises(UsageError, match="rename it"):
        save_corrections(picture, Correction(base, ()))


def test_what_an_earlier_version_saved_is_gone_on_with(base, tmp_path):
    picture = tmp_path / "snapshot.ome.tif"
    plain = json.loads(save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),))).read_text())
    for path in tmp_path.iterdir():
        path.rename(tmp_path / path.name.replace("snapshot.ome.tif", "snapshot"))
    del plain["frames"][0]["tables"]
    (tmp_path / "snapshot.corrections.json").write_text(json.dumps(plain))
    assert [told[:3] for told in counts_in(picture)] == [(0, 2, 1)]
    assert counts_in(tmp_path / "snapshot.png") == ()
    save_corrections(picture, Correction(base, (edit("add", *SQUARE),)))
    assert len(list(tmp_path.iterdir())) == 3
    save_corrections(picture, Correction(base, ()))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"format": "dapiscope corrections 1", "frames": [1]}', "\x00\xff", '{"frames": 3}']
)
def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(base, tmp_path, text):
    picture = tmp_path / "a.png"
    corrections_path(picture).write_text(text)
    for call in (
        lambda: load_correction(picture, base.frame),
        lambda: save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),))),
        lambda: counts_in(picture),
    ):
        with pytest.raises(UsageError, match="rename it"):
            call()
    assert corrections_path(picture).read_text() == text


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_entry_is_one_sentence(tmp_path, data):
    base = make_result(make_frame())
    picture = tmp_path / "a.tif"
    corrections_path(picture).unlink(missing_ok=True)
    path = save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),)))
    plain = json.loads(path.read_text())
    entry = plain["frames"][0]
    key = data.draw(st.sampled_from(sorted(set(entry) - {"picture_sha256", "frame"})))
    entry[key] = data.draw(
        st.one_of(st.none(), st.integers(-5, 9), st.text(max_size=4), st.lists(st.integers(-3, 500), max_size=3))
    )
    path.write_text(json.dumps(plain))
    try:
        loaded = load_correction(picture, base.frame)
    except UsageError as error:
        assert "rename it" in str(error)
    else:
        assert loaded.base.frame is base.frame


def test_the_report_of_a_folder_tells_both_counts(base, tmp_path):
    picture = save_snapshot(tmp_path, base.frame, base, RunMetadata()).image
    save_corrections(picture, Correction(base, (edit("remove", INTO_ONE),)))
    assert report_of(tmp_path).corrected == {"snapshot.ome.tif": "2 by the model, 1 corrected by hand (Ada)"}
    corrections_path(picture).write_text("{")
    assert "rename it" in report_of(tmp_path).corrected["snapshot.ome.tif"]
