"""Random switch, exposure and gain sequences: no frame is labelled with what it did not have, row by row.

The camera here is as real ones are: it says at once what it was told, and does it up to two frames (exposure) or three
(gain) later. The truth is the LED box's own history, looked up for every row of every frame.
"""

import heapq
import logging
import random
import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_light_truth import SessionClock, frame

from app.errors import DapiscopeError
from app.frame import Frame, Light
from app.hardware.led_box import LedBox
from app.hardware.light_truth import FrameLabeller, LightTimeline
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_simulator import port_to
from app.settings import DEFAULT_CHANNELS, LightSettings

NAMES = [channel.name for channel in DEFAULT_CHANNELS]
ROWS = 5
LEVELS = (0.1, 0.5, 1.0)
EXPOSURES_MS = (1.0, 15.0, 40.0, 120.0)
LAG = {"exposure": 2, "gain": 3}


@dataclass
class Taken:
    """A frame as it was labelled, and how it was really exposed."""

    frame: Frame
    exposure_ms: float
    gain_db: float


class Sequence:
    """One random session in simulated time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = SessionClock()
        self.clock.take = self.arrive
        self.box = LedBox(clock=self.clock)
        self.box.faults.delay_s = self.random.choice([0.0, 0.002, 0.03])
        self.light = LumencorLight(port_to(self.box))
        self.timeline = LightTimeline(DEFAULT_CHANNELS)
        self.labeller = FrameLabeller(self.timeline, LightSettings())
        self.readout_ms = self.random.choice([0.0, 22.0, 53.0])
        self.lag_s = self.random.choice([0.0, 0.01, 0.15])  # from the end of an exposure to its arrival
        self.told = {"exposure": 15.0, "gain": 0.0}
        self.done = dict(self.told)
        self.late: list[tuple[str, float, float, int]] = []  # kind, value, told at, frames still to come before it acts
        self.taken: list[Taken] = []
        self.end_s = self.clock.monotonic()
        self.plan()

    def plan(self) -> None:
        """Let the next frame be exposed as the camera really does it."""
        period_s = max(self.done["exposure"], 22.3) / 1000
        exposed_s = (self.done["exposure"] + self.readout_ms) / 1000
        self.end_s = max(self.end_s + period_s, self.clock.monotonic() + exposed_s)
        real = replace(frame(self.end_s, self.done["exposure"], self.readout_ms), gain_db=self.done["gain"])
        heapq.heappush(self.clock.due, (self.end_s + self.lag_s, len(self.taken), real))

    def arrive(self, real: Frame) -> None:
        """A frame comes in: it says what the camera was told by now, and is labelled."""
        said = replace(real, exposure_ms=self.told["exposure"], gain_db=self.told["gain"])
        self.taken.append(Taken(self.labeller.label(said), real.exposure_ms, real.gain_db))
        still = []
        for kind, value, told_s, left in self.late:
            if left == 0:
                self.done[kind] = value
            else:
                still.append((kind, value, told_s, left - (real.exposure_end_s > told_s)))
        self.late = still
        self.plan()

    def change(self, kind: str, value: float) -> None:
        """Change exposure or gain, as the bench does: the labeller first, then the camera."""
        now_s = self.clock.monotonic()
        (self.labeller.changed_gain if kind == "gain" else self.labeller.changed_exposure)(now_s)
        self.told[kind] = value
        # The frame under way is wrong, and at most as many in all as the skip count allows.
        lag = self.random.randrange(LAG[kind])
        self.late = [entry for entry in self.late if entry[0] != kind]
        self.late.append((kind, value, now_s, lag))

    def act(self) -> None:
        kind = self.random.choice(["on", "on", "on", "off", "read", "gain", "exposure", "fault", "lid", "wait"])
        try:
            if kind in ("on", "off"):
                self.timeline.begin_change(self.clock.monotonic())
                line = self.random.randrange(4) if kind == "on" else None
                self.timeline.record(self.light.set(line, self.random.choice(LEVELS)))
            elif kind == "read":
                self.timeline.record(self.light.read())
            elif kind == "gain":
                self.change("gain", self.random.choice([0.0, 6.0, 12.0]))
            elif kind == "exposure":
                self.change("exposure", self.random.choice(EXPOSURES_MS))
            elif kind == "lid":
                self.box.open_interlock()  # dark by itself, and noticed at the next reading
                self.clock.sleep(self.random.choice([0.0, 0.05, 0.3]))
                self.box.close_interlock()
                self.timeline.record(self.light.read())
            elif kind == "fault":
                setattr(self.box.faults, self.random.choice(["silent", "garbage", "partial", "deaf", "error"]), 1)
        except DapiscopeError as error:
            self.timeline.lost(self.clock.monotonic(), str(error))
        self.clock.sleep(self.random.choice([0.0, 0.005, 0.03, 0.1, 0.5]))

    def run(self, acts: int) -> "Sequence":
        self.light.open()
        self.timeline.record(self.light.read())
        for _ in range(acts):
            self.act()
        return self

    def wrong(self) -> list[Taken]:
        """Frames that claim what they did not have."""
        return [taken for taken in self.taken if self.saved(taken.frame).confirmed and not self.honest(taken)]

    def saved(self, said: Frame) -> Light:
        """The light with which a frame is saved."""
        return self.labeller.review(said.light, said.exposure_end_s, said.exposure_ms, said.readout_ms)

    def honest(self, taken: Taken) -> bool:
        said = taken.frame
        if (said.exposure_ms, said.gain_db) != (taken.exposure_ms, taken.gain_db):
            return False
        wanted = tuple(said.light.intensity if name == said.light.channel else 0.0 for name in NAMES)
        for row in range(ROWS):
            close_s = said.exposure_end_s - self.readout_ms / 1000 * (1 - row / (ROWS - 1))
            open_s = close_s - taken.exposure_ms / 1000
            changes = self.box.changes_between(open_s, close_s)
            # A switch at the very moment at which the row closes is none of its own.
            had = [self.box.levels_at(open_s), *(levels for moment, levels in changes if moment < close_s)]
            if any(levels != wanted for levels in had):
                return False
        return True


def run(seeds: range, acts: int = 12) -> tuple[int, int, int]:
    """Return frames, confirmed frames, and wrongly confirmed ones."""
    frames = confirmed = wrong = 0
    for seed in seeds:
        sequence = Sequence(seed).run(acts)
        frames += len(sequence.taken)
        confirmed += sum(sequence.saved(taken.frame).confirmed for taken in sequence.taken)
        wrong += len(sequence.wrong())
    return frames, confirmed, wrong


def test_no_frame_claims_what_it_did_not_have():
    frames, confirmed, wrong = run(range(150))
    assert wrong == 0
    assert 0.1 < confirmed / frames < 0.95


@given(st.integers(0, 2**32))
@settings(deadline=None, max_examples=40)
def test_nor_in_any_sequence_that_hypothesis_finds(seed):
    assert Sequence(seed).run(15).wrong() == []


def believe(timeline: LightTimeline, start_s: float, end_s: float, *, need_after: bool = False) -> Light:
    """What a program without the guard does: it takes the last reading for the truth."""
    last = timeline.last_reading
    return Light() if last is None else timeline._name(last.levels)


BELIEVE = (FrameLabeller, "review", lambda _labeller, light, *_exposure: light)


@pytest.mark.parametrize(
    "guards",
    [
        [(LightTimeline, "light_during", believe), BELIEVE],
        [(FrameLabeller, "changed_gain", lambda *_: None)],
        [(FrameLabeller, "changed_exposure", lambda *_: None)],
        [(FrameLabeller, "_skip", lambda *_: "")],
        [BELIEVE],
    ],
    ids=["timeline", "gain", "exposure", "skips", "review"],
)
def test_each_guard_is_needed(monkeypatch, guards):
    """The same sequences with a guard taken away: frames claim what they did not have."""
    for owner, name, instead in guards:
        monkeypatch.setattr(owner, name, instead)
    assert run(range(60))[2] > 0


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_ten_thousand_sequences():
    begun = time.monotonic()
    frames, confirmed, wrong = run(range(10_000), acts=20)
    # Shown by --log-cli-level=INFO.
    logging.getLogger(__name__).info(
        "10,000 sequences: %d frames, %d confirmed, %d wrongly, %.0f s",
        frames,
        confirmed,
        wrong,
        time.monotonic() - begun,
    )
    assert wrong == 0
    assert confirmed > 100_000
