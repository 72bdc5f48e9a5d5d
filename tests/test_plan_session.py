"""A plan in a session on the simulators: paused, resumed, stopped, failed; and nothing else drives the microscope."""

import json
import threading
import time

import numpy as np
import pytest
import tifffile

import app.build
from app.clock import SystemClock
from app.errors import DapiscopeError, RecordingError, RefusedError, UsageError
from app.events import LightSeen, Notice, PictureReady, PlanEnded, PlanMoved, State, StateChanged
from app.plan import make_plan
from app.recording import open_replay
from app.recording.ome import read_map
from app.settings import CameraSettings, LightSettings, Settings

SETTINGS = Settings(
    camera=CameraSettings(roi=(0, 0, 320, 240), exposure_ms=5), light=LightSettings(intensity=0.5, settle_ms=1)
)


class SkippingClock(SystemClock):
    """The machine's clock, which the test puts forward."""

    ahead_s = 0.0

    def monotonic(self):
        return super().monotonic() + self.ahead_s

    def unix(self):
        return super().unix() + self.ahead_s


class Stand:
    def __init__(self, clock):
        self.session = app.build.make_session(SETTINGS, clock)
        self.clock = clock
        self.events = []
        self.changed = threading.Condition()
        self.reactions = []
        self.session.subscribe(self.take)

    def take(self, event):
        for reaction in self.reactions:
            reaction(event)
        with self.changed:
            self.events.append(event)
            self.changed.notify_all()

    def of(self, kind):
        with self.changed:
            return [event for event in self.events if isinstance(event, kind)]

    def wait(self, condition):
        with self.changed:
            assert self.changed.wait_for(condition, 20), [
                e for e in self.events if isinstance(e, StateChanged | Notice)
            ]

    def at(self, taken, do):
        """Call `do` once when a plan has `taken` frames, on the plan's own thread."""
        done = []

        def react(event):
            if isinstance(event, PlanMoved) and event.taken == taken and not done:
                done.append(True)
                do()

        self.reactions.append(react)

    @property
    def dark(self):
        box = self.session._parts.light.__self__._box
        return not any(box.levels_at(self.clock.monotonic()))

    @property
    def states(self):
        return [event.state for event in self.of(StateChanged)]


@pytest.fixture
def stand():
    made = Stand(SkippingClock())
    yield made
    assert made.session.close()
    assert made.dark


def plan_of(times, interval=0.15, channels=("405", "633")):
    return make_plan({"channels": list(channels), "time_plan": {"interval": interval, "loops": times}}, SETTINGS)


def notes(path):
    with tifffile.TiffFile(path) as tif:
        return read_map(tif.ome_metadata)


def test_a_plan_runs_in_the_session_and_it_is_dark_afterwards(stand, tmp_path):
    result = stand.session.run_plan(plan_of(3), tmp_path).result(30)
    assert result.complete and result.taken == 6
    assert stand.states == [State.PLAN, State.IDLE]
    assert [event.taken for event in stand.of(PlanMoved)] == [1, 2, 3, 4, 5, 6]
    (ended,) = stand.of(PlanEnded)
    assert (ended.path, ended.complete, ended.unconfirmed) == (result.path, True, 0)
    assert {e.channel for e in stand.of(LightSeen)} == {"405", "633", None}
    stand.wait(lambda: bool(stand.of(PictureReady)))
    assert stand.dark


def test_an_ome_zarr_image_is_made_beside_a_plan(stand, tmp_path):
    pytest.importorskip("zarr")
    result = stand.session.run_plan(plan_of(3), tmp_path, True).result(60)
    assert result.complete and stand.states == [State.PLAN, State.IDLE]
    with open_replay(tmp_path / "plan.ome.tif") as one, open_replay(tmp_path / "plan.ome.zarr") as other:
        assert one.length == other.length == 6
        assert all((one.frame(n).pixels == other.frame(n).pixels).all() for n in range(6))
    assert stand.of(Notice)[-1].text == "OME-Zarr image written: plan.ome.zarr"


def test_an_ome_zarr_image_that_fails_costs_no_frame(stand, tmp_path, monkeypatch):
    pytest.importorskip("zarr")

    def fail(_path, _out, begun):
        if begun is not None:
            begun.discard()
        raise RecordingError("The disk is full.")

    monkeypatch.setattr("app.recording.zarr_follower.to_zarr", fail)
    result = stand.session.run_plan(plan_of(2), tmp_path, True).result(60)
    assert result.complete and [path.name for path in tmp_path.glob("*.ome*")] == ["plan.ome.tif"]
    assert "There is no OME-Zarr image: The disk is full. plan.ome.tif is whole" in stand.of(Notice)[-1].text


@pytest.mark.parametrize("free", [0, 10**6])
def test_a_plan_is_refused_where_its_ome_zarr_image_has_no_room(stand, tmp_path, monkeypatch, free):
    monkeypatch.setattr("app.recording.files.free_bytes", lambda _folder: free)
    with pytest.raises(RefusedError, match="OME-Zarr"):
        stand.session.run_plan(plan_of(1), tmp_path, True).result(20)
    assert stand.session.state is State.IDLE and not list(tmp_path.glob("*.ome*"))
    monkeypatch.undo()
    assert stand.session.run_plan(plan_of(1), tmp_path).result(20).complete


def test_a_pause_of_an_hour_shifts_the_plan_and_is_recorded(stand, tmp_path):
    stand.at(4, stand.session.pause_plan)
    asked = stand.session.run_plan(plan_of(4, interval=0.3), tmp_path)
    stand.wait(lambda: any(event.paused for event in stand.of(PlanMoved)))
    assert stand.session.state is State.PLAN and not asked.done()
    stand.wait(lambda: stand.of(LightSeen)[-1].channel is None)
    taken = len(stand.of(PlanMoved))
    stand.clock.ahead_s += 3600
    time.sleep(0.2)
    assert len(stand.of(PlanMoved)) == taken
    stand.session.resume_plan()
    result = asked.result(30)
    assert result.complete and result.taken == 8
    (pause,) = json.loads(notes(result.path)["pauses"])
    assert pause["after frame"] == 4 and 3600 <= pause["seconds"] < 3630
    with open_replay(result.path) as replay:
        ends = [replay.frame(n).exposure_end_s for n in range(8)]
    assert ends[4] - ends[3] > 3600
    # The pause is no lateness: what follows keeps the intervals of the timetable.
    assert max(result.deviation_ms[4:]) < 60_000


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (lambda session: session.stop_plan(), "The plan was stopped."),
        (lambda session: session.all_off(), "All lights were switched off."),
    ],
    ids=["stop", "escape"],
)
def test_a_stopped_plan_leaves_a_file_that_says_so(stand, tmp_path, how, why):
    stand.at(3, lambda: how(stand.session))
    result = stand.session.run_plan(plan_of(50), tmp_path).result(30)
    assert (result.complete, result.error, result.reason) == (False, None, why)
    assert 3 <= result.taken < 6
    assert json.loads(notes(result.path)["complete"]) is False and notes(result.path)["ended by"] == why
    assert stand.session.state is State.IDLE
    assert stand.dark
    # And the next plan is none the worse.
    assert stand.session.run_plan(plan_of(1), tmp_path).result(30).complete


def test_stopping_a_paused_plan_ends_it(stand, tmp_path):
    stand.at(1, stand.session.pause_plan)
    asked = stand.session.run_plan(plan_of(9), tmp_path)
    stand.wait(lambda: any(event.paused for event in stand.of(PlanMoved)))
    stand.session.stop_plan()
    assert asked.result(20).taken == 1


def test_nothing_else_drives_the_microscope_meanwhile(stand, tmp_path):
    stand.at(1, stand.session.pause_plan)
    asked = stand.session.run_plan(plan_of(2), tmp_path)
    stand.wait(lambda: any(event.paused for event in stand.of(PlanMoved)))
    session = stand.session
    for command in (
        session.start_live,
        session.connect,
        lambda: session.snap(False, tmp_path),
        lambda: session.set_channel("488"),
        lambda: session.set_camera(CameraSettings(exposure_ms=7)),
        lambda: session.run_plan(plan_of(1), tmp_path),
    ):
        with pytest.raises(DapiscopeError, match="plan runs"):
            command().result(5)
    assert any("plan runs" in notice.text for notice in stand.of(Notice))
    session.resume_plan()
    assert asked.result(20).complete
    assert session.settings.light.channel == "405"
    assert State.LIVE not in stand.states


def test_a_plan_ends_live_and_stays_dark(stand, tmp_path):
    stand.session.start_live().result(20)
    assert stand.session.run_plan(plan_of(1), tmp_path).result(20).complete
    assert stand.states[-3:] == [State.IDLE, State.PLAN, State.IDLE]
    assert stand.dark


def test_an_unplugged_camera_fails_the_session_and_keeps_the_frames(stand, tmp_path):
    stand.session.connect().result(20)
    stand.at(3, lambda: stand.session._bench.camera.faults.unplug())
    result = stand.session.run_plan(plan_of(50), tmp_path).result(30)
    assert result.error is not None and result.taken == 3
    stand.wait(lambda: stand.states[-1] is State.FAILED)
    assert json.loads(notes(result.path)["complete"]) is False
    assert stand.dark


def test_closing_ends_the_plan_and_its_file(tmp_path):
    stand = Stand(SystemClock())
    asked = stand.session.run_plan(plan_of(500), tmp_path)
    stand.wait(lambda: len(stand.of(PlanMoved)) >= 2)
    assert stand.session.close()
    result = asked.result(0)
    assert not result.complete and result.reason == "dapiscope was closed."
    assert notes(result.path)["ended by"] == "dapiscope was closed."
    assert stand.dark


def test_a_failure_elsewhere_ends_the_plan_in_the_dark(stand, tmp_path):
    asked = stand.session.run_plan(plan_of(500), tmp_path)
    stand.wait(lambda: len(stand.of(PlanMoved)) >= 2)
    stand.session.fail(RuntimeError("a slot broke"))
    assert "a slot broke" in asked.result(20).reason
    assert stand.session.state is State.FAILED
    stand.wait(lambda: stand.dark)


def test_a_plan_without_room_is_refused_in_the_dark(stand, tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise RefusedError("The disk is too small.", "disk")

    monkeypatch.setattr("app.plan_runner.check_disk", refuse)
    with pytest.raises(RefusedError):
        stand.session.run_plan(plan_of(1), tmp_path).result(20)
    assert stand.session.state is State.IDLE
    assert all(event.channel is None for event in stand.of(LightSeen))
    monkeypatch.undo()
    assert stand.session.run_plan(plan_of(1), tmp_path).result(20).complete


def scale_of(path):
    with open_replay(path) as replay:
        return replay.info.pixel_size_um


def test_a_plan_has_the_scale_of_its_own_camera(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    before = Stand(SystemClock()).session
    before.connect().result(20)
    before.set_measured_pixel(0.125).result(20)
    assert before.close()
    session = Stand(SystemClock()).session
    # The camera, and with it what was measured on it, becomes known in the course of the plan.
    assert scale_of(session.run_plan(plan_of(1), tmp_path).result(30).path) == pytest.approx(0.125)
    picture = np.full((64, 64), 8, np.uint8)
    tifffile.imwrite(tmp_path / "other.tif", picture)
    session.open_replay(tmp_path / "other.tif").result(20)
    session.set_pixel_size(0.65)  # said of that file alone
    assert scale_of(session.run_plan(plan_of(1), tmp_path).result(30).path) == pytest.approx(0.125)
    assert session.close()


CHANNELS = [{"config": "DAPI", "exposure": 1}]
ALL_AXES = {
    "axis_order": "tpgcz",
    "time_plan": {"interval": 0.1, "loops": 2},
    "stage_positions": [(1, 1, 1)],
    "grid_plan": {"rows": 2, "columns": 2},
    "z_plan": {"range": 3, "step": 1},
    "channels": CHANNELS,
}
"""The example of `useq.MDASequence`."""
PHASES = [{"interval": 0.1, "loops": 2}, {"interval": 0.2, "loops": 2}]

RUN = {
    "several channels": ({"channels": ["DAPI", {"config": "488", "exposure": 5}]}, 2),
    "interval and loops": ({"channels": CHANNELS, "time_plan": {"interval": 0.1, "loops": 3}}, 3),
    "interval and duration": ({"channels": CHANNELS, "time_plan": {"interval": 0.1, "duration": 0.2}}, 3),
    "duration and loops": ({"channels": CHANNELS, "time_plan": {"duration": 0.2, "loops": 3}}, 3),
    "phases": ({"channels": CHANNELS, "time_plan": {"phases": PHASES}}, 3),  # phases share a time
    "some times only": (
        {"channels": ["DAPI", {"config": "488", "acquire_every": 2}], "time_plan": {"interval": 0.1, "loops": 3}}, 5
    ),
    "one position": ({"channels": CHANNELS, "stage_positions": [(10, 20, 30)]}, 1),
    "one plane": ({"channels": CHANNELS, "z_plan": {"relative": [0]}}, 1),
}  # fmt: skip

README = {
    "stage_positions": [(100, 100, 30), (200, 150, 35)],
    "channels": ["DAPI", "FITC"],
    "time_plan": {"interval": 1, "loops": 20},
    "z_plan": {"range": 4, "step": 0.5},
    "axis_order": "tpcz",
}
REFUSED = {
    "every axis": (ALL_AXES, "grid_plan"),
    "the README's": (README, "stage_positions"),
    "positions": ({"channels": CHANNELS, "stage_positions": [(1, 1, 1), {"x": 2, "y": 3}]}, "stage_positions"),
    "a grid at a position": (
        {"channels": CHANNELS, "stage_positions": [{"x": 0, "sequence": {"grid_plan": {"rows": 2, "columns": 1}}}]},
        "stage_positions",
    ),
    "a plate": ({"channels": CHANNELS, "stage_positions": {"plate": 96, "a1_center_xy": (0, 0)}}, "stage_positions"),
    "rows and columns": ({"channels": CHANNELS, "grid_plan": {"rows": 1, "columns": 2}}, "grid_plan"),
    "edges": ({"channels": CHANNELS, "grid_plan": {"top": 1, "bottom": 0, "left": 0, "right": 1}}, "grid_plan"),
    "top and bottom": ({"channels": CHANNELS, "z_plan": {"top": 10, "bottom": 0, "step": 2}}, "z_plan"),
    "above and below": ({"channels": CHANNELS, "z_plan": {"above": 4, "below": 2, "step": 1}}, "z_plan"),
    "a range": ({"channels": CHANNELS, "z_plan": {"range": 4, "step": 0.5}}, "z_plan"),
    "autofocus": (
        {"channels": CHANNELS, "autofocus_plan": {"autofocus_device_name": "Z", "axes": ("p",)}}, "autofocus_plan"
    ),
    "a setup": (
        {"setup": {"properties": [("Camera", "Binning", "2")]}, "channels": CHANNELS, "time_plan": PHASES[0]}, "setup"
    ),
}  # fmt: skip


def test_what_useq_shows_by_example_runs_where_nothing_has_to_move(stand, tmp_path):
    for name, (sequence, frames) in RUN.items():
        result = stand.session.run_plan(make_plan(sequence, SETTINGS), tmp_path).result(30)
        assert (name, result.complete, result.taken) == (name, True, frames)
        with open_replay(result.path) as replay:
            assert replay.length == frames


@pytest.mark.parametrize("name", REFUSED)
def test_what_useq_shows_by_example_is_refused_by_the_name_of_the_axis(name):
    sequence, axis = REFUSED[name]
    with pytest.raises(UsageError) as caught:
        make_plan(sequence, SETTINGS)
    said = str(caught.value)
    assert f"remove {axis} from the plan" in said
    assert said.count(". ") == 0 and "\n" not in said
