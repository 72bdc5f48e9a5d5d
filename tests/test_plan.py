"""Plans: what a sequence means here, what is refused, and what it costs."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
import useq
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import UsageError
from app.plan import load_plan, make_plan, save_plan
from app.settings import CameraSettings, LightSettings, Settings

BASE = Settings(camera=CameraSettings(exposure_ms=12, gain_db=3), light=LightSettings(intensity=0.2))


def plan(**sequence):
    return make_plan(sequence, BASE)


def taken(made):
    return [(made.channels[f.place[1]].channel.name, f.place, f.due_s) for f in made.frames]


def test_channels_and_times_the_gentlest_light_first():
    made = plan(channels=["405", {"config": "633", "exposure": 30}], time_plan={"interval": 2, "loops": 2})
    assert taken(made) == [("633", (0, 0), 0), ("405", (0, 1), 0), ("633", (1, 0), 2), ("405", (1, 1), 2)]
    assert [channel.exposure_ms for channel in made.channels] == [30, 12]
    assert "633, 405" in made.note
    assert made.times == 2


def test_the_order_can_be_kept():
    made = plan(channels=["405", "633"], metadata={"dapiscope": {"keep_order": True}})
    assert [name for name, _, _ in taken(made)] == ["405", "633"]
    assert made.note == ""


def test_gain_intensity_and_depth_stand_in_the_metadata():
    extra = {"channels": {"405": {"intensity": 0.05, "gain_db": 12}}, "pixel_format": "Mono8"}
    made = plan(channels=["405", "488"], metadata={"dapiscope": extra, "someone else": 1})
    assert [(c.intensity, c.gain_db) for c in made.channels] == [(0.2, 3), (0.05, 12)]
    chosen = made.settings_for(made.frames[-1], BASE)
    assert (chosen.light.channel, chosen.light.intensity, chosen.camera.gain_db) == ("405", 0.05, 12)
    assert chosen.snap.pixel_format == "Mono8"


def test_without_channels_the_selected_one_is_used():
    assert taken(plan(time_plan={"interval": 1, "loops": 2})) == [("405", (0, 0), 0), ("405", (1, 0), 1)]


def test_a_channel_is_known_by_name_wavelength_or_stain():
    made = plan(channels=["DAPI", "488 nm", "532nm", "633"])
    assert [c.channel.name for c in made.channels] == ["633", "532", "488", "405"]


def test_bursts_skipped_times_and_phases():
    burst = plan(channels=["488"], time_plan={"interval": 0, "loops": 5})
    assert [f.due_s for f in burst.frames] == [0] * 5
    every = plan(channels=["488", {"config": "405", "acquire_every": 2}], time_plan={"interval": 1, "loops": 3})
    assert [f.place for f in every.frames] == [(0, 0), (0, 1), (1, 0), (2, 0), (2, 1)]
    phases = plan(channels=["488"], time_plan=[{"interval": 1, "loops": 2}, {"interval": 5, "loops": 2}])
    assert [f.due_s for f in phases.frames] == [0, 1, 6]


def test_one_channel_after_the_other_has_a_clock_each():
    made = plan(channels=["405", "488"], time_plan={"interval": 1, "loops": 2}, axis_order="ct")
    assert [(f.place, f.due_s, f.restarts) for f in made.frames] == [
        ((0, 0), 0, False), ((1, 0), 1, False), ((0, 1), 0, True), ((1, 1), 1, False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sequence", "said"),
    [
        ({"stage_positions": [(1, 2), (3, 4)]}, "no motorised stage: remove stage_positions"),
        ({"stage_positions": [{"sequence": {"channels": ["405"]}}]}, "no motorised stage"),
        ({"z_plan": {"relative": [2]}}, "no focus drive"),
        ({"z_plan": {"range": 1e12, "step": 1e-3}}, "no focus drive"),
        ({"grid_plan": {"rows": 2, "columns": 2}}, "no motorised stage"),
        ({"z_plan": {"range": 3, "step": 1}}, "no focus drive"),
        ({"autofocus_plan": {"autofocus_device_name": "Z", "axes": ("c",)}}, "no autofocus"),
        ({"channels": [{"config": "405", "z_offset": 2}]}, "no focus drive"),
        ({"channels": [{"config": "405", "camera": "two"}]}, "one camera"),
        ({"channels": ["FITC"]}, "no channel 'FITC'"),
        ({"channels": ["405"], "keep_shutter_open_across": ["t"]}, "goes off after every frame"),
        ({"channels": ["405"], "setup": {"properties": [("a", "b", 1)]}}, "remove setup"),
        ({"channels": [{"config": "405", "intensity": 1}]}, "no 'intensity'"),
        ({"channels": [{"config": "405", "exposure": 1e9}]}, "exposure ms"),
        ({"channels": [{"config": "405", "exposure": -1}]}, "cannot be used"),
        ({"chanels": ["405"]}, "no 'chanels'"),
        ({"channels": 3}, "cannot be used"),
        ({"channels": ["405"], "metadata": {"dapiscope": {"channels": {"488": {}}}}}, "no such channel"),
        ({"channels": ["405"], "metadata": {"dapiscope": {"channels": {"405": {"intensity": 2}}}}}, "intensity"),
        ({"channels": ["405"], "metadata": {"dapiscope": {"gain": 2}}}, "gain"),
        ({"time_plan": {"interval": 1, "loops": 2, "duration": 60}}, "not with both"),
        ({"time_plan": [{"interval": 1, "loops": 2, "duration": 60}]}, "not with both"),
        ({"time_plan": {"interval": 1, "loops": 2, "bogus": 3}}, "no 'bogus' beside interval, loops"),
        ({"time_plan": {"phases": [{"interval": 1, "loops": 2}], "nonsense": 4}}, "no 'nonsense'"),
        ({"time_plan": {"phases": [{"interval": 1, "loops": 2, "nonsense": 4}]}}, "phases has no 'nonsense'"),
        ({"time_plan": [{"interval": 1, "loops": 2, "nonsense": 4}]}, "time_plan has no 'nonsense'"),
        ({"z_plan": {"absolute": [5], "nonsense": 4}}, "z_plan has no 'nonsense'"),
        ({"stage_positions": [{"x": 5, "nonsense": 4}]}, "stage_positions has no 'nonsense'"),
        ({"channels": ["405"], "time_plan": {"interval": 1, "loops": 2}, "axis_order": "c"}, "axis_order no t"),
        ({"channels": ["405", "488"], "time_plan": {"interval": 1, "loops": 2}, "axis_order": "t"}, "axis_order no c"),
        ({"time_plan": {"interval": 1, "loops": 10**12}}, "more than 200,000"),
        ({"time_plan": {"interval": 0, "duration": 5}}, "interval is zero"),
        ({"time_plan": {"interval": -1, "loops": 5}}, "negative"),
        ({"time_plan": {"interval": 1, "loops": 0}}, "cannot be used"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(sequence, said):
    with pytest.raises(UsageError) as caught:
        make_plan(sequence, BASE)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_library_s_own_documented_sequence_is_refused():
    # The example in the documentation of useq.MDASequence: every axis there is.
    own = useq.MDASequence(
        axis_order="tpgcz",
        time_plan={"interval": 0.1, "loops": 2},
        stage_positions=[(1, 1, 1)],
        grid_plan={"rows": 2, "columns": 2},
        z_plan={"range": 3, "step": 1},
        channels=[{"config": "DAPI", "exposure": 1}],
    )
    with pytest.raises(UsageError, match="stage"):
        make_plan(own, BASE)
    still = own.replace(stage_positions=(), grid_plan=None, z_plan=None)
    assert taken(make_plan(still, BASE)) == [("405", (0, 0), 0), ("405", (1, 0), 0.1)]


@pytest.mark.parametrize(
    "axis",
    [
        {"stage_positions": [(1, 2, 3)]},
        {"stage_positions": [{}]},
        {"z_plan": {"relative": [0]}},
        {"z_plan": {"absolute": [5]}},
        {"z_plan": {"above": 0, "below": 0, "step": 1}, "stage_positions": [{"name": "here"}]},
    ],
)
def test_one_place_and_one_plane_ask_for_no_movement(axis):
    made = plan(channels=["488", "405"], time_plan={"interval": 1, "loops": 2}, **axis)
    plain = plan(channels=["488", "405"], time_plan={"interval": 1, "loops": 2})
    assert made.frames == plain.frames
    assert made.note.startswith("Nothing moves: " + " and ".join(sorted(axis)))
    assert made.sequence.keys() == {"channels", "time_plan", *axis}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(["channels", "time_plan", "metadata", "axis_order", "z_plan", "stage_positions", "setup"])
KNOWN = st.sampled_from([{"interval": 1, "loops": 3}, ["405"], {"dapiscope": {"keep_order": True}}, "ct", [{}]])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(FIELDS, JSON | KNOWN, max_size=4))
def test_anything_is_a_plan_or_one_sentence(sequence):
    try:
        made = make_plan(sequence, BASE)
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert made.frames
        assert json.dumps(made.sequence)


@pytest.mark.parametrize("name", ["plan.yaml", "plan.json"])
def test_a_plan_survives_saving_and_loading(tmp_path, name):
    made = plan(
        channels=[{"config": "405", "exposure": 9.5}, "532"],
        time_plan=[{"interval": 0.25, "loops": 3}, {"interval": 60, "duration": 600}],
        metadata={"dapiscope": {"channels": {"405": {"intensity": 0.1}}}},
    )
    path = save_plan(made, tmp_path / name)
    again = load_plan(path, BASE)
    assert (again.channels, again.frames, again.pixel_format) == (made.channels, made.frames, made.pixel_format)
    with pytest.raises(UsageError, match="exists"):
        save_plan(made, path)


BOMB = "channels: ['405']\nmetadata:\n  a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"  {this}: &{this} [{', '.join(9 * [f'*{before}'])}]\n" for before, this in pairwise("abcdefghi")
)
"""Four hundred bytes that stand for 387 million texts."""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("absent.yaml", None, "cannot be read"),
        ("plan.txt", "channels: [405]", "name a .yaml"),
        ("plan.yaml", "channels: [", "no YAML"),
        ("plan.yaml", "!!python/object:os.system {}", "no YAML"),
        ("plan.json", "{", "no JSON"),
        ("plan.json", "[1]", "must name channels"),
        ("plan.yaml", "", "must name channels"),
        ("plan.yaml", " " * (1 << 21), "larger"),
        ("plan.yaml", "channels: ['405']\nmetadata: {x: !!binary /9j/4AAQ}", "texts, numbers"),
        ("plan.json", '{"channels": ["405"], "metadata": {"x": "\\ud800"}}', "texts, numbers"),
        ("plan.yaml", "channels: ['405']\nmetadata: &m {x: *m}", "write out what it stands for"),
        ("plan.yaml", BOMB, "write out what it stands for"),
        ("plan.json", "[" * 100_000, "no JSON"),
    ],
)
def test_a_file_that_is_no_plan(tmp_path: Path, name, text, said):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said):
        load_plan(tmp_path / name, BASE)


def test_the_cost_is_told_beforehand():
    made = plan(
        channels=[{"config": "405", "exposure": 20}, {"config": "488", "exposure": 100}],
        time_plan={"interval": 1, "loops": 10},
        metadata={"dapiscope": {"channels": {"405": {"intensity": 0.5}, "488": {"intensity": 0.0}}}},
    )
    cost = made.estimate((2160, 3840), settle_ms=5, readout_ms=22, overhead_ms=3)
    assert cost.frames == 20 and cost.bytes == 20 * 2160 * 3840 * 2
    assert cost.duration_s == pytest.approx(9 + 0.130 + 0.050)
    assert cost.light_s == pytest.approx({"405": 10 * 0.050})
    assert cost.dose_s == pytest.approx({"405": 10 * 0.025})
    assert cost.late == 0
    hasty = plan(channels=["405", "488"], time_plan={"interval": 0.05, "loops": 4})
    assert hasty.estimate((4, 4), settle_ms=5, readout_ms=22, overhead_ms=3).late == 3


def test_the_plan_in_the_documentation_is_one(tmp_path):
    text = (Path(__file__).parent.parent / "docs" / "plans.md").read_text(encoding="utf-8")
    (tmp_path / "plan.yaml").write_text(text.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    made = load_plan(tmp_path / "plan.yaml", BASE)
    assert len(made.frames) == 30 and made.channels[1].intensity == 0.1
