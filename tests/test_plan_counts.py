"""Nuclei are counted while a plan runs: live, beside it, never in its way, and kept with its file."""

import csv
import errno
import json
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from gui_fake_session import make_result
from test_plan_runner import META, SETTINGS, Stand, entries, plan_of
from test_plan_session import Stand as SessionStand
from test_plan_session import plan_of as session_plan
from test_recording import make_frame

from app.clock import ManualClock, SystemClock
from app.errors import ModelError
from app.events import PlanEnded, ResultReady
from app.frame import Light
from app.plan_counts import HEADER, PlanCounts
from app.plan_runner import PlanRunner
from app.recording.store import FrameStore
from app.session_report import report_of


class Counter:
    """Finds two nuclei in whatever it is given, once it may."""

    def __init__(self, fails=False):
        self.seen, self.fails = [], fails
        self.may, self.at_work = threading.Event(), threading.Event()
        self.may.set()

    def __call__(self, frame):
        self.at_work.set()
        assert self.may.wait(20)
        self.seen.append(frame.index)
        if self.fails:
            raise ModelError("The network failed; choose another model.")
        return make_result(frame, interval=(1, 3))


def run(tmp_path, counter, stand=None, loops=4, channels=("405", "633"), said=None):
    clock = ManualClock()
    stand = stand or Stand(clock)
    stand.clock = clock
    plan = plan_of(channels=list(channels), time_plan={"interval": 1, "loops": loops})
    counts = PlanCounts(counter, SETTINGS.channels, "fast", failed=(said if said is not None else []).append)
    return PlanRunner(plan, stand.snap, clock).run(tmp_path, META, SETTINGS, counts=counts), counts


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_frames_that_show_nuclei_are_counted_and_kept_beside_the_file(tmp_path):
    counter = Counter()
    clock = ManualClock()
    stand = Stand(clock)
    plan = plan_of(channels=["405", "633"], time_plan={"interval": 1, "loops": 4})
    told = []
    counts = PlanCounts(counter, SETTINGS.channels, "fast", lambda found: told.append(found.frame.index))
    # One count is over before the next frame is taken.
    runner = PlanRunner(plan, stand.snap, clock, lambda at: at.frame.light.channel == "405" and wait(told, at))
    result = runner.run(tmp_path, META, SETTINGS, counts=counts)
    assert (result.taken, result.counted, result.skipped) == (8, 4, 0)
    assert result.counts == tmp_path / "plan_counts.csv"
    found = rows(result.counts)
    assert list(found[0]) == list(HEADER)
    assert [(row["frame"], row["time_point"], row["channel"], row["count"]) for row in found] == [
        (str(2 * t + 1), str(t), "405", "2")
        for t in range(4)  # 633 goes first
    ]
    notes = json.loads(entries(result.path)["nuclei"])
    assert notes == {"model": "fast", "counted": 4, "skipped": 0, "not countable": 4, "table": "plan_counts.csv"}
    # A second run leaves the first one's table alone.
    again, _ = run(tmp_path, Counter(), loops=1)
    assert again.counts.name == "plan-2_counts.csv" and len(rows(result.counts)) == 4
    report = report_of(tmp_path)
    assert [point.count for point in report.counts] == [2] * 5 and report.counts[0].interval == (1, 3)


def wait(told, at):
    for _ in range(2000):
        if told and told[-1] == at.frame.index:
            return
        threading.Event().wait(0.005)
    raise AssertionError("not counted")


def test_slow_counting_never_delays_the_plan_and_what_it_skips_is_said(tmp_path):
    counter = Counter()
    counter.may.clear()
    clock = ManualClock()
    stand = Stand(clock)
    stand.at[1] = lambda: counter.at_work.wait(20)  # it counts the first frame, and goes on for as long as the plan
    stand.at[9] = counter.may.set
    result, _ = run(tmp_path, counter, stand, loops=10, channels=("405",))
    assert result.complete and max(result.deviation_ms) < 1e-6
    assert result.counted + result.skipped == 10 and result.skipped >= 7
    assert counter.seen[0] == 0 and counter.seen[-1] == 9  # the latest, always
    notes = json.loads(entries(result.path)["nuclei"])
    assert (notes["counted"], notes["skipped"]) == (result.counted, result.skipped)
    assert report_of(tmp_path).losses["not counted, so that the plan stayed on time"] == result.skipped


def test_what_a_full_disk_did_not_take_is_not_in_the_table(tmp_path, monkeypatch):
    append, written, told = FrameStore.append, [], []

    def full(store, pixels):
        written.append(pixels)
        if len(written) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return append(store, pixels)

    monkeypatch.setattr(FrameStore, "append", full)
    clock = ManualClock()
    plan = plan_of(channels=["405"], time_plan={"interval": 1, "loops": 9})
    counts = PlanCounts(Counter(), SETTINGS.channels, "fast", lambda found: told.append(found.frame.index))
    runner = PlanRunner(plan, Stand(clock).snap, clock, lambda at: wait(told, at))
    result = runner.run(tmp_path, META, SETTINGS, counts=counts)
    assert len(told) >= 4 and (result.taken, result.counted) == (3, 3)
    assert [row["frame"] for row in rows(result.counts)] == ["0", "1", "2"]
    notes = json.loads(entries(result.path)["nuclei"])
    assert (notes["counted"], notes["table"]) == (3, "plan_counts.csv")


def test_a_kill_leaves_no_count_of_a_frame_that_does_not_come_back(tmp_path):
    told, safe = [], [1]
    counts = PlanCounts(Counter(), SETTINGS.channels, "fast", lambda found: told.append(found.frame.index))
    counts.start(tmp_path / "plan.ome.tif", lambda: safe[0])

    def in_the_table(number, safe_by_then):
        safe[0] = safe_by_then
        counts.offer(make_frame(number), number)
        wait(told, SimpleNamespace(frame=make_frame(number)))
        return [row["frame"] for row in rows(tmp_path / "plan_counts.csv")]

    assert in_the_table(0, 1) == ["0"]
    assert in_the_table(1, 1) == in_the_table(2, 1) == ["0"], "the last sync was before them"
    assert in_the_table(3, 3) == ["0", "1", "2"]
    assert counts.counted == 4
    counts.finish(4)
    assert (counts.counted, counts.skipped) == (4, 0)
    assert [row["frame"] for row in rows(tmp_path / "plan_counts.csv")] == ["0", "1", "2", "3"]


def test_a_failing_model_ends_the_counting_and_not_the_plan(tmp_path):
    said = []
    result, counts = run(tmp_path, Counter(fails=True), loops=5, channels=("405",), said=said)
    assert result.complete and result.counted == 0 and result.skipped == 5 and result.counts is None
    assert said == [counts.problem] and "network failed" in said[0] and "the plan goes on" in said[0]
    assert json.loads(entries(result.path)["nuclei"])["ended by"] == said[0]


def test_what_a_model_counted_before_it_failed_is_kept(tmp_path):
    counter, safe, told, said = Counter(), [0], [], []
    counts = PlanCounts(counter, SETTINGS.channels, "fast", lambda found: told.append(found.frame.index), said.append)
    counts.start(tmp_path / "plan.ome.tif", lambda: safe[0])
    counts.offer(make_frame(0), 0)
    wait(told, SimpleNamespace(frame=make_frame(0)))
    assert not (tmp_path / "plan_counts.csv").exists(), "its frame is not safe yet"
    counter.fails = True
    counts.offer(make_frame(1), 1)
    counts.finish(2)
    assert (counts.counted, counts.skipped, said) == (1, 1, [counts.problem])
    assert [row["frame"] for row in rows(counts.table)] == ["0"]


def test_frames_in_doubt_are_not_counted(tmp_path):
    stand, counter = Stand(ManualClock()), Counter()
    taken = stand.snap

    def snap(settings, cancelled):
        return replace(taken(settings, cancelled), light=Light("405", 0.5, False, "it flickers"))

    stand.snap = snap
    result, counts = run(tmp_path, counter, stand, loops=2, channels=("405",))
    assert result.unconfirmed == 2 and counter.seen == [] and counts.not_countable == 2
    assert (result.counted, result.skipped, result.counts) == (0, 0, None)


@pytest.fixture
def stand():
    made = SessionStand(SystemClock())
    yield made
    assert made.session.close()


def test_the_session_counts_a_plan_and_its_replay_finds_the_same(stand, tmp_path):
    result = stand.session.run_plan(session_plan(3, interval=0.5), tmp_path).result(60)
    assert result.complete and result.counted + result.skipped == 3 and result.counted >= 1
    live = {event.segmentation.frame.index: event.segmentation for event in stand.of(ResultReady)}
    assert len(live) == result.counted and {found.frame.light.channel for found in live.values()} == {"405"}
    (ended,) = stand.of(PlanEnded)
    assert (ended.counted, ended.skipped) == (result.counted, result.skipped)
    assert entries(result.path)["model"] == stand.session.counter.name
    logged = {int(row["frame"]): int(row["count"]) for row in rows(result.counts)}
    assert logged == {index: found.count for index, found in live.items()}
    del stand.events[:]
    stand.session.open_replay(result.path, hold=False, speed=None).result(30)
    assert stand.session.finished.wait(30)
    stand.session.close_replay().result(30)
    replayed = {event.segmentation.frame.index: event.segmentation for event in stand.of(ResultReady)}
    assert set(replayed) == {n for n in range(6) if n % 2}
    for index, found in live.items():
        np.testing.assert_array_equal(found.labels, replayed[index].labels)
        assert found.nuclei.tobytes() == replayed[index].nuclei.tobytes()


def test_a_plan_is_not_counted_where_counting_is_off(stand, tmp_path):
    stand.session.set_segmenting(False)
    result = stand.session.run_plan(session_plan(1), tmp_path).result(60)
    assert result.complete and result.counts is None and not stand.of(ResultReady)
    assert json.loads(entries(result.path)["nuclei"]) == {"counted": 0}  # nobody takes another's table for its own


def test_a_count_that_ends_after_its_plan_changes_nothing_any_more(tmp_path, monkeypatch):
    monkeypatch.setattr("app.plan_counts.PATIENCE_S", 0.01)
    counter = Counter()
    counter.may.clear()
    result, counts = run(tmp_path, counter, loops=1)
    counter.may.set()
    counts._stage.stop()
    assert counter.seen
    assert (result.counted, counts.counted) == (0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.ome.tif"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_ends_the_table_and_keeps_nothing_from_being_closed(tmp_path):
    said, swapped = [], threading.Event()

    def told(found):
        counts._file.close()
        counts._file = Path("/dev/full").open("w")
        counts._rows = csv.writer(counts._file)
        swapped.set()

    counts = PlanCounts(Counter(), SETTINGS.channels, "fast", told, said.append)
    counts.start(tmp_path / "plan.ome.tif", lambda: 1 << 30)
    counts.offer(make_frame(0), 0)
    assert swapped.wait(20)
    counts.offer(make_frame(1), 1)
    counts.finish(1 << 30)
    assert (counts.counted, counts.skipped) == (1, 1)
    assert said == [counts.problem]
    assert f"The disk of {tmp_path} is full" in said[0]


def test_a_disk_that_takes_neither_frames_nor_table_takes_every_count_back_once(tmp_path):
    told = threading.Semaphore(0)
    counts = PlanCounts(Counter(), SETTINGS.channels, "fast", lambda found: told.release())
    folder = tmp_path / "gone"
    folder.mkdir()
    counts.start(folder / "plan.ome.tif", lambda: 0)
    for number in range(5):
        counts.offer(make_frame(number), number)
        assert told.acquire(timeout=20)
    folder.rmdir()
    counts.finish(2)
    assert (counts.counted, counts.skipped, counts.table) == (0, 2, None)
    assert counts.problem
