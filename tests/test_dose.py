"""The dose ledger against brute force over the true light, and the field it belongs to."""

import dataclasses
import itertools
import json

import numpy as np
import pytest
from fault_rig import rig
from hypothesis import given
from hypothesis import strategies as st

from app.dose import ChannelDose, DoseLedger, FieldWatch, budget_warning
from app.events import DoseSeen, Notice, ResultReady
from app.hardware.base import LightReading
from app.hardware.scene import SceneSpec
from app.hardware.simulated import SimulatedCamera
from app.recording import open_replay
from app.settings import DEFAULT_CHANNELS, CameraSettings

DARK = (0.0, 0.0, 0.0, 0.0)


def lit(line, level):
    return tuple(level if index == line else 0.0 for index in range(4))


def ledger(*readings, budget_s=None):
    made = DoseLedger(DEFAULT_CHANNELS, budget_s)
    for levels, asked_s, confirmed_s in readings:
        made.take(LightReading(levels, asked_s, confirmed_s))
    return made


def test_a_dose_is_time_times_intensity():
    made = ledger(
        (DARK, 0, 0), (lit(0, 0.5), 1, 1), (lit(0, 0.5), 2, 2), (DARK, 3, 3), (lit(1, 1.0), 4, 4), (DARK, 5, 5)
    )
    assert made.totals(100) == {"405": ChannelDose(2.0, 1.0), "488": ChannelDose(1.0, 1.0)}


def test_what_shines_now_counts_up_to_now():
    made = ledger((DARK, 0, 0), (lit(2, 0.25), 1, 1))
    assert made.totals(1).get("532") in (None, ChannelDose())
    assert made.totals(5) == {"532": ChannelDose(4.0, 1.0)}


def test_while_a_switch_is_on_its_way_the_brighter_light_counts():
    made = ledger((DARK, 0, 0), (lit(0, 1.0), 1, 1.5), (DARK, 2, 2.25))
    assert made.totals(9)["405"].dose_s == pytest.approx(1.25)


def test_an_old_reading_changes_nothing():
    made = ledger((lit(0, 1.0), 5, 5), (DARK, 1, 1), (lit(0, 1.0), 6, 6))
    assert made.totals(6)["405"].dose_s == pytest.approx(1.0)


def test_a_new_field_begins_at_zero_and_counts_what_shines():
    made = ledger((DARK, 0, 0), (lit(0, 1.0), 1, 1))
    made.new_field(11.0)
    assert made.field == 2
    assert made.totals(11.0) == {}
    assert made.totals(13.0)["405"].dose_s == pytest.approx(2.0)
    made.take(LightReading(DARK, 14.0, 14.0))
    assert made.totals(20.0)["405"].dose_s == pytest.approx(3.0)


def test_the_budget_is_told_once_a_field():
    made = ledger((DARK, 0, 0), (lit(0, 1.0), 0, 0), budget_s=10)
    assert made.crossed(9.9) == ()
    made.take(LightReading(lit(0, 1.0), 10.5, 10.5))
    assert made.crossed(10.5) == ("405",)
    assert made.crossed(12) == ()
    made.new_field(12)
    made.take(LightReading(lit(0, 1.0), 23, 23))
    assert made.crossed(23) == ("405",)
    assert "11 s of 405" in budget_warning("405", made.totals(23), 10)
    assert ledger((lit(0, 1.0), 0, 0)).crossed(1e6) == ()


def test_a_box_that_was_out_of_reach_shone_no_longer_than_its_watchdog_lets_it():
    for unseen_s, dose_s in ((2.0, 2.0), (float("inf"), 3600.0)):
        made = ledger((lit(0, 1.0), 0, 0))
        made.unseen_s = unseen_s
        assert made.totals(3600)["405"].dose_s == pytest.approx(dose_s)
        made.take(LightReading(DARK, 3600, 3600))
        assert made.totals(4000)["405"].dose_s == pytest.approx(dose_s)


def test_a_line_without_a_channel_counts_too():
    made = DoseLedger(DEFAULT_CHANNELS[:1])
    made.take(LightReading(lit(3, 1.0), 0, 0))
    assert made.totals(2)["line 3"].dose_s == pytest.approx(2)
    assert json.loads(json.dumps(made.as_notes(2)))["channels"]["line 3"] == {"lit_s": 2.0, "dose_s": 2.0}


@given(
    st.lists(
        st.tuples(st.integers(-1, 3), st.floats(0.01, 1), st.floats(0.001, 2), st.floats(0, 0.3), st.floats(0, 1)),
        min_size=1,
        max_size=25,
    )
)
def test_the_ledger_never_tells_too_little(steps):
    """Switches act at a moment between question and answer; brute force adds up what really shone."""
    made = DoseLedger(DEFAULT_CHANNELS)
    now_s, truth, slack_s, shining, since_s = 0.0, np.zeros(4), 0.0, np.zeros(4), 0.0
    made.take(LightReading(DARK, 0.0, 0.0))
    for line, level, wait_s, answer_s, part in steps:
        asked_s = now_s + wait_s
        acts_s, confirmed_s = asked_s + part * answer_s, asked_s + answer_s
        truth += shining * (acts_s - since_s)
        shining, since_s = np.array(lit(line, level)), acts_s
        made.take(LightReading(lit(line, level), asked_s, confirmed_s))
        slack_s += answer_s
        now_s = confirmed_s
    truth += shining * (now_s - since_s)
    told = np.zeros(4)
    for index, channel in enumerate(DEFAULT_CHANNELS):
        told[index] = made.totals(now_s).get(channel.name, ChannelDose()).dose_s
    assert (told >= truth - 1e-9).all()
    assert (told <= truth + slack_s + 1e-9).all()


# ---------------------------------------------------------------------- the field


class Lamp:
    def levels_between(self, start_s, end_s):
        return [(start_s, lit(0, 0.25))]


@pytest.fixture(scope="module")
def fields():
    """Two pictures of each of two fields."""
    camera = SimulatedCamera(SceneSpec(width=1920, height=1080, pixel_size_um=0.2), light=Lamp())
    camera.open()
    camera.configure(CameraSettings(exposure_ms=15, trigger="software"))
    first = [camera.snap().pixels.copy() for _ in range(2)]
    camera.new_field()
    second = [camera.snap().pixels.copy() for _ in range(2)]
    camera.close()
    return first, second


def shifted(image, other, dx):
    moved = image.copy()
    moved[:, dx:], moved[:, :dx] = image[:, :-dx], other[:, :dx]
    return moved


def test_another_field_is_noticed_once_it_stands_still(fields):
    (a, b), (c, d) = fields
    watch = FieldWatch()
    assert [watch.look(picture, "405") for picture in (a, b, c, d, c, a, b)] == [
        *[False] * 3, True, False, False, True,
    ]  # fmt: skip


def test_a_moment_elsewhere_noise_and_darkness_are_no_new_field(fields):
    (a, b), (c, _) = fields
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 20, a.shape, dtype=np.uint8) for _ in range(3)]
    watch = FieldWatch()
    pictures = (a, c, b, noise[0], noise[1], noise[2], np.zeros_like(a), a, b)
    assert not any(watch.look(picture, "405") for picture in pictures)


@pytest.mark.parametrize(("dx", "new"), [(40, False), (300, False), (700, False), (1700, True)])
def test_a_shift_that_leaves_half_the_field_is_the_same_field(fields, dx, new):
    (a, _), (c, _) = fields
    watch = FieldWatch()
    moved = shifted(a, c, dx)
    assert [watch.look(picture, "405") for picture in (a, moved, moved)] == [False, False, new]


def test_another_channel_is_no_other_field(fields):
    (a, _), (c, d) = fields
    watch = FieldWatch()
    assert not any(watch.look(picture, channel) for picture, channel in ((a, "405"), (c, "488"), (d, "488")))


# ---------------------------------------------------------------------- in a session


def test_a_session_tells_and_saves_the_dose(tmp_path):
    with rig(tmp_path) as made:
        made.run_lit(frames=12)
        made.session.stop_live().result(20)
        told = made.of(DoseSeen)[-1]
        start_s = made.events[0][0] - 60
        true_s = true_dose(made.box, start_s)
        assert true_s > 0.1
        assert told.channels["405"].dose_s == pytest.approx(true_s, rel=0.2, abs=0.02)
        assert told.channels["405"].dose_s >= true_s - 1e-3
        with open_replay(next(tmp_path.glob("recording*.ome.tif"))) as replay:
            notes = json.loads(replay.info.meta["dose"])
        assert notes["channels"]["405"]["dose_s"] > 0.1
        made.session.new_field()
        assert made.of(DoseSeen)[-1].field == 2
        assert made.session.dose["channels"] == {}
        taken = made.session.snap(False, tmp_path).result(20)
        with open_replay(taken.files["image"]) as replay:
            assert "405" in json.loads(replay.info.meta["dose"])["channels"]
        assert 0.0 < made.session.dose["channels"]["405"]["lit_s"] < 2.0


def true_dose(box, start_s):
    """Brute force over the box's own history, in seconds of line 0 at full power."""
    changes = [(start_s, DARK), *box.changes_between(start_s, 1e18)]
    spans = itertools.pairwise(changes)
    return sum(levels[0] * (until_s - since_s) for (since_s, levels), (until_s, _) in spans)


def test_a_session_warns_beyond_the_budget_and_sees_another_field(tmp_path):
    with rig(tmp_path) as made:
        made.session._dose.ledger.budget_s = 0.05
        made.run_lit(record=False)
        made.wait(lambda: any("budget" in notice.text for notice in made.of(Notice)))
        assert len([notice for notice in made.of(Notice) if "budget" in notice.text]) == 1
        made.session._dose.ledger.budget_s = None
        made.wait(lambda: made.session._dose.watch._first is not None)
        expose = made.camera._expose
        rng = np.random.default_rng(2)
        other = np.kron(rng.integers(0, 2, (10, 15)), np.full((32, 32), 200)).astype(np.uint8)

        def elsewhere(*args):
            return dataclasses.replace(expose(*args), pixels=other)

        made.camera._expose = elsewhere
        made.wait(lambda: any("Another field" in notice.text for notice in made.of(Notice)))
        assert made.of(DoseSeen)[-1].field == 2
        seen = len(made.of(ResultReady))
        made.wait(lambda: len(made.of(ResultReady)) > seen)
