"""No frame may be labelled with a light that it did not have for the whole of its exposure."""

import dataclasses
import heapq
import math
import random
import threading

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import DapiscopeError
from app.frame import Frame, Light
from app.hardware.base import LightReading
from app.hardware.led_box import LedBox
from app.hardware.light_truth import (
    HISTORY,
    FrameLabeller,
    LightTimeline,
    common_window_ms,
    exposure_interval,
    frames_spoilt,
    switch_warning,
)
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_simulator import port_to
from app.settings import DEFAULT_CHANNELS, LightSettings

DARK, VIOLET, CYAN = (0.0,) * 4, (0.5, 0.0, 0.0, 0.0), (0.0, 0.25, 0.0, 0.0)
PIXEL = np.zeros((1, 1), np.uint8)


def frame(end_s: float, exposure_ms: float | None = 10.0, readout_ms: float = 20.0, index: int = 0) -> Frame:
    return Frame(PIXEL, index, end_s, 0.0, exposure_ms, 0.0, "Mono8", 0.1, readout_ms=readout_ms)


def timeline(*readings: tuple[tuple[float, ...], float, float], **options) -> LightTimeline:
    made = LightTimeline(DEFAULT_CHANNELS, **options)
    for levels, asked_s, confirmed_s in readings:
        made.record(LightReading(levels, asked_s, confirmed_s))
    return made


# Rolling-shutter arithmetic.


@pytest.mark.parametrize(
    ("exposure_ms", "readout_ms", "window_ms"), [(30, 22, 8), (15, 22, 0), (22, 22, 0), (15, 0, 15), (100, 53, 47)]
)
def test_rows_share_exposure_minus_readout(exposure_ms, readout_ms, window_ms):
    assert common_window_ms(exposure_ms, readout_ms) == window_ms


@given(st.floats(0.01, 500), st.floats(0, 100), st.integers(2, 60))
def test_the_common_window_is_when_every_row_is_open(exposure_ms, readout_ms, rows):
    starts = [readout_ms * row / (rows - 1) for row in range(rows)]
    brute = max(0.0, min(start + exposure_ms for start in starts) - max(starts))
    assert common_window_ms(exposure_ms, readout_ms) == pytest.approx(brute, abs=1e-6)
    start_s, end_s = exposure_interval(0.0, exposure_ms, readout_ms)
    assert end_s - start_s == pytest.approx((max(starts) + exposure_ms) / 1000)


@given(st.floats(1, 200), st.floats(0, 100), st.floats(5, 300), st.floats(0, 1000))
def test_no_switch_overlaps_more_frames_than_said(exposure_ms, readout_ms, period_ms, switch_ms):
    length_ms = exposure_ms + readout_ms
    hit = [k for k in range(-100, 300) if k * period_ms < switch_ms < k * period_ms + length_ms]
    assume(hit and hit[0] > -100 and hit[-1] < 299)
    assert len(hit) <= frames_spoilt(exposure_ms, readout_ms, period_ms)


def test_an_exposure_too_short_for_a_clean_switch_is_told():
    assert "expose longer than 22 ms" in switch_warning(15, 22)
    assert switch_warning(30, 22) == ""
    assert switch_warning(1, 0) == ""


# The timeline.


def test_nothing_is_confirmed_before_the_first_reading():
    assert timeline().light_during(0, 1).reason == "light was not read before the exposure"
    known = timeline((VIOLET, 1.0, 1.1))
    assert not known.light_during(0.5, 2).confirmed
    assert known.light_during(1.2, 1.3) == Light("405", 0.5, True, "")


def test_darkness_is_a_light_too():
    assert timeline((DARK, 1.0, 1.1)).light_during(1.2, 1.3) == Light(None, 0.0, True, "")


@pytest.mark.parametrize(
    ("start_s", "end_s", "channel"),
    [(1.2, 1.9, "405"), (1.2, 2.05, None), (2.05, 2.06, None), (2.05, 2.5, None), (2.1, 2.2, "488"), (1.2, 2.5, None)],
)
def test_a_switch_spoils_what_it_overlaps(start_s, end_s, channel):
    known = timeline((VIOLET, 1.0, 1.1))
    known.begin_change(2.0)
    known.record(LightReading(CYAN, 2.0, 2.1))
    light = known.light_during(start_s, end_s)
    assert light.channel == channel
    assert light.confirmed is (channel is not None)


def test_from_the_command_on_nothing_is_confirmed_until_it_is_read_back():
    known = timeline((VIOLET, 1.0, 1.1))
    known.begin_change(1.5)
    assert known.light_during(1.2, 1.4).confirmed
    assert known.light_during(1.2, 1.6).reason == "light was switching"
    known.record(LightReading(VIOLET, 1.4, 1.45))  # asked before the command left
    assert not known.light_during(1.5, 1.6).confirmed
    known.record(LightReading(CYAN, 1.5, 1.7))
    assert known.light_during(1.7, 1.8).channel == "488"


def test_after_an_error_nothing_is_confirmed():
    known = timeline((VIOLET, 1.0, 1.1))
    known.begin_change(1.5)
    known.lost(1.6, "the cable was pulled")
    assert known.light_during(1.2, 1.55).reason == "the cable was pulled"
    known.record(LightReading(DARK, 3.0, 3.1))
    assert not known.light_during(2.0, 3.05).confirmed
    assert known.light_during(3.1, 3.2).confirmed


def test_a_light_that_changed_by_itself_spoils_back_to_the_last_proof():
    known = timeline((VIOLET, 1.0, 1.1), (VIOLET, 1.5, 1.6), (DARK, 2.0, 2.1))
    assert known.light_during(1.2, 1.4).confirmed
    assert known.light_during(1.7, 1.8).reason == "light changed by itself"


def test_an_old_reading_confirms_nothing():
    known = timeline((VIOLET, 1.0, 1.1), max_age_s=0.5)
    assert known.light_during(1.2, 1.55).confirmed
    assert known.light_during(1.2, 1.65).reason == "light was not read back lately"
    known.record(LightReading(VIOLET, 1.7, 1.8))
    assert known.light_during(1.2, 1.65).confirmed


def test_a_reading_after_the_exposure_can_be_demanded():
    known = timeline((VIOLET, 1.0, 1.1))
    assert known.light_during(1.2, 1.3, need_after=True).reason == "light was not read after the exposure"
    known.record(LightReading(VIOLET, 1.25, 1.4))  # asked during the exposure
    assert not known.light_during(1.2, 1.3, need_after=True).confirmed
    known.record(LightReading(VIOLET, 1.45, 1.5))
    assert known.light_during(1.2, 1.3, need_after=True).confirmed


def test_what_is_read_later_can_speak_against_a_label():
    known = timeline((VIOLET, 0.0, 0.01))
    labeller = FrameLabeller(known, LightSettings())
    early, late = frame(0.1, 5.0, 0.0), frame(0.3, 5.0, 0.0)
    lights = [labeller.label(each).light for each in (early, late)]
    assert all(light.confirmed for light in lights)

    def review(light, of):
        return labeller.review(light, of.exposure_end_s, of.exposure_ms, of.readout_ms)

    known.record(LightReading(VIOLET, 0.2, 0.21))
    assert [review(light, of) for light, of in zip(lights, (early, late), strict=True)] == lights
    known.record(LightReading((0.0,) * 4, 0.4, 0.41))
    assert review(lights[0], early) == lights[0]  # a reading after it agreed
    assert review(lights[1], late).reason == "light changed by itself"
    assert review(lights[1], frame(0.45, 5.0, 0.0)).reason == "light changed by itself"  # labelled before it was known
    unconfirmed = Light(reason="gain had just changed")
    assert review(unconfirmed, late) is unconfirmed


def test_light_needs_time_to_settle():
    known = timeline((VIOLET, 1.0, 1.1), settle_s=0.05)
    assert not known.light_during(1.12, 1.2).confirmed
    assert known.light_during(1.16, 1.2).confirmed


def test_two_lights_or_a_nameless_one_are_no_channel():
    assert timeline(((0.5, 0.5, 0.0, 0.0), 1.0, 1.1)).light_during(1.2, 1.3).reason == "more than one light was on"
    other = LightTimeline(DEFAULT_CHANNELS[:1])
    other.record(LightReading(CYAN, 1.0, 1.1))
    assert "no channel" in other.light_during(1.2, 1.3).reason


def test_readings_out_of_order_change_nothing():
    known = timeline((VIOLET, 2.0, 2.1), (DARK, 1.0, 1.1))
    assert known.light_during(2.2, 2.3).channel == "405"


def test_memory_is_bounded_and_the_forgotten_past_is_not_confirmed():
    known = LightTimeline(DEFAULT_CHANNELS)
    for step in range(3 * HISTORY):
        known.begin_change(float(step))
        known.record(LightReading(VIOLET if step % 2 else DARK, float(step), step + 0.1))
    assert len(known._readings) == HISTORY
    assert len(known._unsure) <= HISTORY
    assert not known.light_during(10.2, 10.3).confirmed
    assert known.light_during(3 * HISTORY - 1 + 0.2, 3 * HISTORY - 1 + 0.3).confirmed


def test_many_threads_may_use_it():
    known = timeline((DARK, 0.0, 0.0))
    errors = []

    def ask():
        try:
            for _ in range(300):
                known.light_during(1.0, 2.0)
        except RuntimeError as error:  # a deque that changed while it was read
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for step in range(2000):
        known.record(LightReading(VIOLET, float(step), step + 0.1))
    for thread in threads:
        thread.join()
    assert not errors


# Skip counters.


def labels(labeller: FrameLabeller, ends: list[float]) -> list[str]:
    return [labeller.label(frame(end_s, 5.0, 0.0)).light.reason for end_s in ends]


def test_two_frames_are_marked_after_a_light_change_in_free_run():
    known = timeline((VIOLET, 0.0, 0.001))
    labeller = FrameLabeller(known, LightSettings())
    assert labels(labeller, [0.1]) == [""]
    known.begin_change(0.101)
    known.record(LightReading(CYAN, 0.101, 0.102))
    assert labels(labeller, [0.12, 0.14, 0.16]) == ["light had just changed"] * 2 + [""]


def test_three_after_gain_and_two_after_exposure():
    labeller = FrameLabeller(timeline((VIOLET, 0.0, 0.001)), LightSettings())
    labeller.changed_gain(0.1)
    labeller.changed_exposure(0.1)
    assert labels(labeller, [0.09]) == ["exposure had just changed"]  # delivered late, it says the new exposure
    assert [bool(reason) for reason in labels(labeller, [0.12, 0.14, 0.16, 0.18])] == [True, True, True, False]


def test_every_frame_is_marked_while_the_camera_takes_a_setting():
    labeller = FrameLabeller(timeline((VIOLET, 0.0, 0.001)), LightSettings())
    labeller.changed_gain(math.inf)
    assert labels(labeller, [0.1, 0.12, 0.14, 0.16, 0.18]) == ["gain had just changed"] * 5
    labeller.changed_gain(0.19)
    reasons = labels(labeller, [0.185, 0.2, 0.22, 0.24, 0.26])
    assert reasons == ["gain had just changed"] * 4 + [""]


def test_the_frames_skipped_after_a_slow_switch_are_those_after_its_end():
    known = timeline((VIOLET, 0.0, 0.001))
    labeller = FrameLabeller(known, LightSettings())
    known.begin_change(0.101)
    assert labels(labeller, [0.12, 0.14, 0.16]) == ["light was switching"] * 3
    known.record(LightReading(CYAN, 0.101, 0.17))
    assert labels(labeller, [0.18, 0.2, 0.22]) == ["light had just changed"] * 2 + [""]


def test_reviewing_a_frame_does_not_walk_through_the_whole_history():
    looked = []

    class Reading:
        levels = VIOLET

        def __init__(self, at_s):
            self.asked_s, self._at_s = at_s, at_s

        @property
        def confirmed_s(self):
            looked.append(1)
            return self._at_s

    known = LightTimeline(DEFAULT_CHANNELS)
    for step in range(HISTORY):
        known.record(Reading(float(step)))
    light = known.light_during(10.2, 10.3)
    assert light.confirmed
    looked.clear()
    assert known.doubt(light, 10.2, 10.3) == ""
    assert len(looked) < 50


def test_a_triggered_frame_is_not_skipped():
    labeller = FrameLabeller(timeline((VIOLET, 0.0, 0.001)), LightSettings(), free_run=False)
    labeller.changed_gain(0.1)
    assert labels(labeller, [0.12]) == [""]


def test_a_frame_without_exposure_time_keeps_its_light():
    labeller = FrameLabeller(timeline((VIOLET, 0.0, 0.001)), LightSettings())
    replayed = frame(1.0, None)
    assert labeller.label(replayed) is replayed


def test_uncertain_moments_widen_the_exposure():
    known = timeline((VIOLET, 0.0, 0.1))
    assert FrameLabeller(known, LightSettings(), free_run=False).label(frame(0.135)).light.confirmed
    wide = FrameLabeller(known, LightSettings(), free_run=False, margin_s=0.01)
    assert not wide.label(frame(0.135)).light.confirmed


# The proof: random sessions against the box's own history.


class SessionClock(ManualClock):
    """Frames end, and are labelled, while the driver waits for the box: as on a camera's own thread."""

    def __init__(self) -> None:
        super().__init__()
        self.due: list[tuple[float, int, Frame]] = []
        self.take = lambda frame: None

    def sleep(self, seconds: float) -> None:
        until_s = self.monotonic() + max(seconds, 0.0)
        while self.due and self.due[0][0] <= until_s:
            at_s, _, due = heapq.heappop(self.due)
            super().sleep(at_s - self.monotonic())
            self.take(due)
        super().sleep(until_s - self.monotonic())


class NoGuard(LightTimeline):
    """What a program without this module does: it believes the last reading."""

    def light_during(self, start_s, end_s, *, need_after=False):
        last = self.last_reading
        return Light() if last is None else self._name(last.levels)


class NoSwitchGuard(LightTimeline):
    """Only forgets to mark the moment at which a command leaves."""

    def begin_change(self, now_s):
        return


class Session:
    """A box, its driver, a rolling-shutter camera in free run, and everything they do in one random sequence."""

    def __init__(self, seed: int, timeline_type: type[LightTimeline] = LightTimeline, skips: bool = True) -> None:
        self.random = random.Random(seed)
        self.clock = SessionClock()
        self.clock.take = self.take
        self.box = LedBox(clock=self.clock)
        self.box.faults.delay_s = self.random.choice([0.0, 0.001, 0.02, 0.15])
        self.light = LumencorLight(port_to(self.box))
        self.timeline = timeline_type(DEFAULT_CHANNELS)
        self.labeller = FrameLabeller(self.timeline, LightSettings(), free_run=skips)
        self.labelled: list[Frame] = []
        self.index = 0
        self.next_s = self.clock.monotonic()
        self.exposure_ms, self.gain_db, self.readout_ms = 15.0, 0.0, self.random.choice([0.0, 22.0, 53.0])

    def take(self, frame: Frame) -> None:
        self.labelled.append(self.labeller.label(frame))

    def expose(self, seconds: float) -> None:
        """Plan the frames of the next `seconds`; what is asked of the camera acts one frame late."""
        until_s = self.clock.monotonic() + seconds
        while self.next_s < until_s:
            end_s = self.next_s + (self.exposure_ms + self.readout_ms) / 1000
            made = frame(end_s, self.exposure_ms, self.readout_ms, self.index)
            heapq.heappush(self.clock.due, (end_s, self.index, made))
            self.index += 1
            self.next_s += max(self.exposure_ms, 22.3) / 1000

    def act(self) -> None:
        kind = self.random.choice(["set", "set", "set", "off", "read", "wait", "wait", "gain", "exposure", "fault"])
        self.expose(1.0)
        try:
            if kind in ("set", "off"):
                self.timeline.begin_change(self.clock.monotonic())
                line = self.random.randrange(4) if kind == "set" else None
                self.timeline.record(self.light.set(line, self.random.choice([0.1, 0.5, 1.0])))
            elif kind == "read":
                self.timeline.record(self.light.read())
            elif kind == "gain":
                self.labeller.changed_gain(self.clock.monotonic())
            elif kind == "exposure":
                self.labeller.changed_exposure(self.clock.monotonic())
                self.exposure_ms = self.random.choice([1.0, 15.0, 40.0, 120.0])
            elif kind == "fault":
                setattr(self.box.faults, self.random.choice(["silent", "garbage", "partial", "deaf", "error"]), 1)
        except DapiscopeError as error:
            self.timeline.lost(self.clock.monotonic(), str(error))
        self.clock.sleep(self.random.choice([0.0, 0.01, 0.03, 0.1, 0.4]))

    def run(self, acts: int) -> "Session":
        self.light.open()
        self.timeline.record(self.light.read())
        for _ in range(acts):
            self.act()
        return self

    def wrong(self) -> list[Frame]:
        """Frames whose confirmed light the box did not have, for all of the exposure of every row."""
        return [taken for taken in self.labelled if taken.light.confirmed and not self.true(taken)]

    def true(self, taken: Frame) -> bool:
        start_s, end_s = exposure_interval(taken.exposure_end_s, taken.exposure_ms or 0.0, taken.readout_ms)
        had = [self.box.levels_at(start_s), *(levels for _, levels in self.box.changes_between(start_s, end_s))]
        names = [channel.name for channel in DEFAULT_CHANNELS]
        wanted = tuple(taken.light.intensity if name == taken.light.channel else 0.0 for name in names)
        return all(levels == wanted for levels in had)


def run_sessions(count: int, acts: int = 12, **options) -> tuple[int, int, int]:
    """Return (frames, confirmed frames, wrongly confirmed frames) of `count` random sessions."""
    frames = confirmed = wrong = 0
    for seed in range(count):
        session = Session(seed, **options).run(acts)
        frames += len(session.labelled)
        confirmed += sum(taken.light.confirmed for taken in session.labelled)
        wrong += len(session.wrong())
    return frames, confirmed, wrong


def test_no_frame_is_labelled_with_a_light_it_did_not_have():
    frames, confirmed, wrong = run_sessions(150)
    assert wrong == 0
    assert 0.2 < confirmed / frames < 0.95


@pytest.mark.parametrize("timeline_type", [NoGuard, NoSwitchGuard])
def test_without_the_guard_frames_are_labelled_wrongly(timeline_type):
    assert run_sessions(40, timeline_type=timeline_type, skips=False)[2] > 0


def test_the_timeline_alone_is_enough_when_the_moments_are_exact():
    assert run_sessions(60, skips=False)[2] == 0


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_ten_thousand_random_sequences():
    _, confirmed, wrong = run_sessions(10_000, acts=20)
    assert wrong == 0
    assert confirmed > 10_000
    assert run_sessions(200, acts=20, timeline_type=NoGuard, skips=False)[2] > 0


@given(st.data())
@settings(deadline=None, max_examples=150)
def test_a_box_that_goes_dark_by_itself_never_confirms_a_bracketed_frame_wrongly(data):
    """Readings come at random; the light dies at a random moment; bracketed labels are never wrong."""
    moments = sorted(data.draw(st.lists(st.floats(0.01, 10), min_size=2, max_size=12, unique=True)))
    died_s = data.draw(st.floats(0, 10))
    known = LightTimeline(DEFAULT_CHANNELS, max_age_s=100)
    for asked_s in moments:
        seen_s = asked_s + data.draw(st.floats(0, 0.005))
        known.record(LightReading(VIOLET if seen_s < died_s else DARK, asked_s, asked_s + 0.005))
    start_s = data.draw(st.floats(0, 10))
    end_s = start_s + data.draw(st.floats(0.001, 3))
    light = known.light_during(start_s, end_s, need_after=True)
    if light.confirmed:
        assert light.channel == ("405" if end_s <= died_s else None)
        assert end_s <= died_s or start_s >= died_s


def test_a_label_keeps_everything_else_of_the_frame():
    plain = frame(1.0)
    labelled = FrameLabeller(timeline((VIOLET, 0.0, 0.1)), LightSettings(), free_run=False).label(plain)
    assert dataclasses.replace(labelled, light=plain.light) == dataclasses.replace(plain) or labelled.index == 0
    assert labelled.light.channel == "405"
    assert math.isclose(labelled.exposure_end_s, 1.0)
