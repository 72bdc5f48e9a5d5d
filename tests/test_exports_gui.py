"""What the window exports is of the picture it shows: of this session, or of the file that is replayed."""

# ruff: noqa: F401, F811 - fixtures are found by their names

import csv
import json
from dataclasses import replace

import ome_types
import pytest
import tifffile
from gui_fake_session import FakeSession, make_frame, make_result
from gui_window import shown, window

from app.dose import ChannelDose
from app.events import DoseSeen, ReplayMoved, SnapTaken, State, StateChanged, Stats
from app.recording import Recorder, RunMetadata
from app.recording.ome import read_map
from app.session_report import report_of
from app.settings import SampleSettings, Settings

TODAY = Settings(sample=SampleSettings(sample="slide of today", operator="Ada"))


@pytest.fixture
def session():
    return FakeSession(TODAY)


def opened(qtbot, window, session, path, told, moments, length=9):
    """Replay frames of these moments (unix seconds) and count each of them."""
    session.publish(StateChanged(State.REPLAYING))
    qtbot.waitUntil(window.replay_bar.isVisible, timeout=5000)
    for number, unix_s in enumerate(moments):
        # All of them are played within a second.
        frame = replace(make_frame(number, source=str(path)), unix_time_s=unix_s)
        session.show(frame)
        session.publish(ReplayMoved(path, number + 1, length, False, 1.0, number, (), told))
        session.count(make_result(frame, interval=(1, 3)))
    qtbot.waitUntil(lambda: window.viewer.frame is frame and window.viewer.result is not None, timeout=5000)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def report(qtbot, window, tmp_path):
    window.actions_by_id["session_report"].trigger()
    path = tmp_path / "session-report.html"
    qtbot.waitUntil(path.exists, timeout=20_000)
    return path.read_text(encoding="utf-8")


OTHERS = RunMetadata(sample="slide of then", operator="Grace", camera="Camera of then", magnification=60.0)
OTHERS_TOLD = {**OTHERS.to_entries(), "dose": '{"channels": {"405": {"lit_s": 2.5, "dose_s": 0.5}}}'}


@pytest.mark.parametrize("told", [{}, OTHERS_TOLD], ids=["a file of somebody else", "a recording"])
def test_an_export_out_of_a_replay_says_what_the_file_says(qtbot, window, session, tmp_path, told):
    session.ready()
    (tmp_path / "a.ome.tif").touch()
    opened(qtbot, window, session, tmp_path / "a.ome.tif", told, [1.6e9], length=1)
    window.actions_by_id["export_nuclei"].trigger()
    path = tmp_path / "a_export.ome.tif"
    qtbot.waitUntil(path.exists, timeout=20_000)
    with tifffile.TiffFile(path) as tif:
        xml, notes = tif.ome_metadata, read_map(tif.ome_metadata)
    assert notes["exported from"] == "a.ome.tif" and '"source":{"all":"a.ome.tif"}' in "".join(notes.values())
    assert ("dose" in notes) == bool(told)
    assert "Ada" not in xml and "slide of today" not in xml
    assert str(tmp_path) not in xml, "where it lay on this computer"
    assert "Binning" not in xml and "NominalMagnification" not in xml, "nothing of today's settings"
    assert ("slide of then" in xml, "Camera of then" in xml, "Grace" in xml) == (bool(told),) * 3
    text = report(qtbot, window, tmp_path)
    assert "slide of today" not in text and ("slide of then" in text) == bool(told)
    assert ("2.5 s lit, 0.5 s at full power" in text) == bool(told)


def test_counts_of_a_replay_have_the_moments_of_the_recording(qtbot, window, session, tmp_path):
    session.count(make_result(make_frame(70)))  # live, before
    opened(qtbot, window, session, tmp_path / "a.tif", {}, [1.6e9 + 600 * n for n in range(4)])
    # Stepping back counts a frame again.
    again = replace(make_frame(1, source=str(tmp_path / "a.tif")), unix_time_s=1.6e9 + 600, exposure_end_s=11.0)
    session.count(make_result(again))
    qtbot.waitUntil(lambda: len(window.charts.counted) == 5)
    window.actions_by_id["export_counts"].trigger()
    qtbot.waitUntil((tmp_path / "counts.csv").exists, timeout=5000)
    table = rows(tmp_path / "counts.csv")
    assert [row["time_s"] for row in table] == ["0.000", "600.000", "1200.000", "1800.000"]
    text = report(qtbot, window, tmp_path)
    assert ">1800 s</text>" in text and "<b>30 min 0 s</b>" in text and "13 September 2020" in text


def test_a_replay_that_does_not_say_its_moments_has_none(qtbot, window, session, tmp_path):
    opened(qtbot, window, session, tmp_path / "a.tif", {}, [0.0] * 3)
    window.actions_by_id["export_counts"].trigger()
    qtbot.waitUntil((tmp_path / "counts.csv").exists, timeout=5000)
    assert {(row["time_s"], row["unix_time_s"]) for row in rows(tmp_path / "counts.csv")} == {("", "")}
    text = report(qtbot, window, tmp_path)
    assert ">frame 2</text>" in text and "duration" not in text and "Began" not in text
    assert "a.tif does not say when it was taken." in text


def test_the_report_of_a_session_has_its_dose_and_calls_no_frame_lost_that_is_not(
    qtbot, window, session, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "stats", lambda: Stats(grabbed=9, not_counted=5))
    session.publish(DoseSeen(1, {"405": ChannelDose(8.0, 2.0)}, 60.0))
    frame = make_frame()
    session.show(frame)
    session.count(make_result(frame))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    text = report(qtbot, window, tmp_path)
    assert "<th>405 (the field of view)</th><td>8 s lit, 2 s at full power</td>" in text
    assert "lost: light not confirmed" not in text
    assert "<th>not counted: another channel, light not confirmed, or counting off</th><td>5</td>" in text


@pytest.mark.parametrize(
    ("name", "index", "stem"), [("", 12, "a-frame12"), ("", 0, "a"), ("a (2 of 3).ome.tif", 1, "a-frame1")]
)
def test_an_export_is_named_after_the_file_of_its_picture(qtbot, window, session, tmp_path, name, index, stem):
    session.ready()
    path = tmp_path / "a.ome.tif"
    path.touch()
    session.publish(StateChanged(State.REPLAYING), ReplayMoved(path, index, 20, False, 1.0, 0))
    session.count(make_result(shown(qtbot, window, session, make_frame(index, source=str(path), name=name))))
    qtbot.waitUntil(lambda: window.viewer.result is not None)
    window.actions_by_id["export_nuclei"].trigger()
    ends = (".ome.tif", "_labels.tif", "_nuclei.csv", "_rois.zip", ".geojson", "_overlay.png")
    written = {f"{stem}_export{end}" for end in ends}

    def all_written():  # and the folder that they were written in is gone
        assert {each.name for each in tmp_path.iterdir()} - {"a.ome.tif", "window.ini"} == written

    qtbot.waitUntil(all_written, timeout=20_000)


def test_an_exported_snapshot_names_the_model_that_counted_it(qtbot, window, session, tmp_path):
    session.ready()
    frame = make_frame()
    session.show(frame)
    files, dose = {"image": tmp_path / "snapshot.ome.tif"}, {"channels": {"405": {"lit_s": 0.3, "dose_s": 0.1}}}
    session.publish(SnapTaken(frame, make_result(frame), files, "accurate", "5a5a", dose))
    qtbot.waitUntil(lambda: window.viewer.result is not None and window.presenter.snapped is not None)
    window.actions_by_id["export_nuclei"].trigger()
    path = tmp_path / "snapshot_export.ome.tif"
    qtbot.waitUntil(path.exists, timeout=20_000)
    xml = ome_types.from_tiff(path).to_xml()
    assert "5a5a" in xml and '"exported from">snapshot.ome.tif<' in xml, "it is no second snapshot"
    with tifffile.TiffFile(path) as tif:
        assert json.loads(read_map(tif.ome_metadata)["dose"]) == dose


def test_the_report_of_the_folder_takes_the_counts_that_the_window_exported(qtbot, window, session, tmp_path):
    recorder = Recorder(tmp_path / "recording.ome.tif", RunMetadata())
    recorder.start()
    for number in range(4):
        frame = make_frame(number)
        recorder.put(frame)
        session.count(make_result(frame, interval=(1, 3), flags=("edges",) if number == 3 else ()))
    recorder.close()
    qtbot.waitUntil(lambda: len(window.charts.counted) == 4)
    window.actions_by_id["export_counts"].trigger()
    qtbot.waitUntil((tmp_path / "counts.csv").exists, timeout=5000)
    told = report_of(tmp_path)
    assert [(point.count, point.interval, point.fit) for point in told.counts] == [(2, (1, 3), True)] * 3 + [
        (2, (1, 3), False)
    ]
    # Counts of another run, and what is no table of counts, are named instead of drawn or passed over.
    path = tmp_path / "counts.csv"
    text = path.read_text()
    path.write_text(text.replace(",17", ",16"))
    told = report_of(tmp_path)
    assert not told.counts and told.notes == [
        "counts.csv is not in the chart: its counts are not those of a recording here."
    ]
    path.write_text(text.replace("flags", "fit"))
    told = report_of(tmp_path)
    assert not told.counts and "counts.csv: 4 of its 4 rows are no counts of dapiscope" in told.notes[0]
