"""Scores worked by hand, and against an independent implementation that goes through every pair."""

import json
import shutil

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from app.errors import BadImageError, UsageError
from app.inference.evaluation import THRESHOLDS, evaluate_folders, evaluate_pair, summarise


def brute_force(truth, predicted):
    """Hits a threshold by the assignment that makes most matches, and AP; every pair, pixel by pixel."""
    true_ids = [i for i in np.unique(truth) if i]
    predicted_ids = [i for i in np.unique(predicted) if i]
    iou = np.zeros((len(true_ids), len(predicted_ids)))
    for a, t in enumerate(true_ids):
        for b, p in enumerate(predicted_ids):
            iou[a, b] = ((truth == t) & (predicted == p)).sum() / ((truth == t) | (predicted == p)).sum()
    hits = []
    for threshold in THRESHOLDS:
        good = iou >= threshold
        rows, columns = linear_sum_assignment(-good.astype(float))
        hits.append(int(good[rows, columns].sum()))
    total = len(true_ids) + len(predicted_ids)
    ap = 1.0 if not total else float(np.mean([hit / (total - hit) for hit in hits]))
    return tuple(hits), ap


def box(shape, *boxes):
    labels = np.zeros(shape, np.int32)
    for number, (top, left, height, width) in enumerate(boxes, 1):
        labels[top : top + height, left : left + width] = number
    return labels


def test_perfect_prediction_scores_one_whatever_the_numbers():
    truth = box((20, 20), (1, 1, 5, 5), (10, 10, 6, 6))
    scores = evaluate_pair(truth, truth * 7)
    assert (scores.true, scores.predicted) == (2, 2)
    assert scores.f1(0.9) == scores.mean_ap == scores.dice == 1.0
    assert scores.split == scores.merged == scores.missed == scores.extra == 0


def test_half_shifted_box_by_hand():
    # 10 × 10 shifted by 2: 80 shared, 120 in the union, IoU 2/3; matches at 0.5, 0.55, 0.6 and 0.65 only.
    scores = evaluate_pair(box((20, 20), (0, 0, 10, 10)), box((20, 20), (2, 0, 10, 10)))
    assert scores.true_positives == (1, 1, 1, 1, 0, 0, 0, 0, 0, 0)
    assert scores.mean_ap == pytest.approx(0.4)
    assert scores.dice == pytest.approx(0.8)
    assert (scores.f1(0.5), scores.f1(0.75)) == (1.0, 0.0)
    assert scores.missed == scores.extra == 0  # it was found, if badly


def test_split_merge_missed_extra_by_hand():
    truth = box((30, 60), (0, 0, 10, 10), (0, 20, 10, 10), (0, 31, 10, 10), (20, 0, 5, 5))
    predicted = box((30, 60), (0, 0, 5, 10), (5, 0, 5, 10), (0, 20, 10, 21), (20, 50, 5, 5))
    scores = evaluate_pair(truth, predicted)
    assert (scores.split, scores.merged, scores.missed, scores.extra) == (1, 1, 1, 1)
    assert scores.count_error == 0
    # Two halves of exactly 0.5 IoU compete for one nucleus: one match.
    assert scores.true_positives[0] == 1


def test_empty_images():
    nothing, one = np.zeros((5, 5), np.int32), box((5, 5), (1, 1, 2, 2))
    assert evaluate_pair(nothing, nothing).mean_ap == 1.0
    assert evaluate_pair(nothing, nothing).dice == 1.0
    missed, extra = evaluate_pair(one, nothing), evaluate_pair(nothing, one)
    assert (missed.missed, missed.f1(0.5), missed.mean_ap) == (1, 0.0, 0.0)
    assert (extra.extra, extra.dice) == (1, 0.0)


LABELS = arrays(np.int32, (7, 8), elements=st.integers(0, 4))


@given(LABELS, LABELS)
@settings(max_examples=150, deadline=None)
def test_agrees_with_brute_force(truth, predicted):
    scores = evaluate_pair(truth, predicted)
    hits, ap = brute_force(truth, predicted)
    assert scores.true_positives == hits
    assert scores.mean_ap == pytest.approx(ap)
    mirrored = evaluate_pair(predicted, truth)
    assert (mirrored.split, mirrored.missed) == (scores.merged, scores.extra)


def test_overall_figures_by_hand():
    one = evaluate_pair(box((9, 9), (0, 0, 3, 3)), box((9, 9), (0, 0, 3, 3), (5, 5, 3, 3)))
    two = evaluate_pair(box((9, 9), (0, 0, 3, 3), (5, 5, 3, 3)), np.zeros((9, 9), np.int32))
    total = summarise([one, two])
    assert (total.true, total.predicted) == (3, 2)
    assert total.f1["0.5"] == pytest.approx(2 / 5)
    assert total.mean_ap == pytest.approx((0.5 + 0.0) / 2)
    assert total.count_bias == pytest.approx(-0.5)
    assert total.count_bias_percent == pytest.approx(-100 / 3)
    assert total.count_mae == pytest.approx(1.5)
    assert total.count_rmse == pytest.approx((5 / 2) ** 0.5)
    assert total.mean_abs_count_error_percent == pytest.approx(100.0)


@pytest.fixture
def folders(tmp_path):
    truth, found = tmp_path / "truth", tmp_path / "found"
    truth.mkdir()
    found.mkdir()
    labels = box((20, 20), (1, 1, 5, 5), (10, 10, 6, 6)).astype(np.uint16)
    for name in ("a", "b", "c"):
        (truth / f"{name}.png").write_bytes(imagecodecs.png_encode(labels))
    tifffile.imwrite(found / "a_labels.tif", labels)
    (found / "b.png").write_bytes(imagecodecs.png_encode(np.where(labels == 1, labels, 0)))
    return truth, found


def test_the_suffix_of_an_ome_tiff_is_no_part_of_its_name(folders):
    truth, found = folders
    (truth / "a.png").rename(truth / "a.ome.tif")
    assert [one.image for one in evaluate_folders(truth, found).images] == ["a", "b"]
    (found / "counts.csv").write_text("image,count\na.ome.tif,2\n")
    assert [one.image for one in evaluate_folders(truth, found / "counts.csv").images] == ["a"]


def test_folders_are_paired_by_name(folders):
    report = evaluate_folders(*folders)
    assert [scores.image for scores in report.images] == ["a", "b"]
    assert report.missing == ("c",)
    assert report.overall.count_bias_percent == pytest.approx(-25)
    header, rows = report.as_table()
    assert len(rows) == 3
    assert {len(row) for row in rows} == {len(header)}
    assert rows[-1][0] == "all 2"
    summary = dict(report.summary())
    assert summary["nuclei"] == "4 true, 3 predicted"
    assert summary["F1 at IoU 0.5"] == "0.857"
    again = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert again["overall"]["f1"]["0.5"] == pytest.approx(6 / 7)
    assert again["images"][1]["count_error"] == -1


def test_predictions_of_later_runs_are_told(folders):
    """It would be the score of an earlier model that is taken for that of the last one."""
    for name in ("a_labels-2.tif", "a_labels-3.tif", "z_labels-2.tif"):
        shutil.copy(folders[1] / "a_labels.tif", folders[1] / name)
    assert evaluate_folders(*folders).others == ("a_labels-2.tif", "a_labels-3.tif")


def test_hidden_files_are_no_label_images(folders):
    """As a Mac leaves them on a shared disk, beside every file."""
    for each in folders:
        (each / "._a.png").write_bytes(b"Mac OS X")
    report = evaluate_folders(*folders)
    assert [scores.image for scores in report.images] == ["a", "b"] and report.missing == ("c",)


def test_a_table_of_counts_may_come_out_of_a_spreadsheet(folders, tmp_path):
    table = tmp_path / "counts.csv"
    table.write_text("image,count\na.png,2\n", encoding="utf-8-sig")
    assert [scores.predicted for scores in evaluate_folders(folders[0], table).images] == [2]


def test_table_of_counts_is_enough_for_count_errors(folders, tmp_path):
    table = tmp_path / "counts.csv"
    table.write_text("frame,count,image\n0,2,a.png\n1,3,b.png\n")
    report = evaluate_folders(folders[0], table)
    assert report.overall.mean_abs_count_error_percent == pytest.approx(25)
    assert report.as_table()[1][0][4:] == ("–",) * 9
    assert "mean AP 0.5:0.05:0.95" not in dict(report.summary())
    json.dumps(report.as_dict(), allow_nan=False)


def test_what_cannot_be_compared_is_said(folders, tmp_path):
    truth, found = folders
    with pytest.raises(BadImageError, match="cannot be read"):
        evaluate_folders(truth, tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadImageError, match="no label image"):
        evaluate_folders(truth, tmp_path / "empty")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadImageError, match="table of counts"):
        evaluate_folders(truth, tmp_path / "bad.csv")
    tifffile.imwrite(found / "a_labels.tif", np.zeros((3, 3), np.uint8))
    with pytest.raises(UsageError, match="differ in size"):
        evaluate_folders(truth, found)
    for path in found.iterdir():
        path.rename(path.with_name("z" + path.name))
    with pytest.raises(BadImageError, match="names must agree"):
        evaluate_folders(truth, found)
