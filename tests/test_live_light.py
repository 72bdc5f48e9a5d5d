"""The light of live imaging, by itself: on while it is asked for and frames come, and never behind an "all off"."""

from dataclasses import dataclass, field

import pytest

from app.clock import ManualClock
from app.errors import RefusedError
from app.events import Event, Notice
from app.hardware.base import LightReading
from app.live_light import LiveLight
from app.settings import CameraSettings, Settings


@dataclass
class FakeBench:
    """Notes what shines; an "all off" is counted, as on the real one."""

    offs: int = 0
    shines: str | None = None
    did: list[str] = field(default_factory=list)
    meanwhile: object = None

    def switch(self, channel, level, offs=None):
        self.did.append(f"switch {channel}")
        if self.meanwhile is not None:
            self.meanwhile()
        if channel is not None and offs not in (None, self.offs):
            return None
        self.shines = channel if level else None
        return LightReading((level,) if channel else (0.0,), 0.0, 0.0, ())

    def all_off(self):
        self.offs += 1
        self.off()

    def off(self):
        self.did.append("off")
        self.shines = None

    def run(self, light, offs, settle_ms, sink, ended):
        self.did.append(f"run {light[0] if light else None} {offs}")
        self.shines = light[0] if light else None

    def pause(self):
        self.did.append("pause")

    def frame_period_s(self):
        return 0.02


@dataclass
class Live:
    bench: FakeBench = field(default_factory=FakeBench)
    clock: ManualClock = field(default_factory=ManualClock)
    told: list[Event] = field(default_factory=list)

    def __post_init__(self):
        settings = Settings(camera=CameraSettings(fps=50))
        self.channel = settings.light.channel
        self.light = LiveLight(self.bench, lambda: settings, self.clock, self.told.append)

    def run(self):
        self.light.ask(self.bench.offs)
        self.light.run(lambda frame: None, lambda error: None)

    def silent(self):
        """Let frames stay away, until the light was switched off for it."""
        for _ in range(100):
            self.clock.sleep(0.1)
            self.light.look()


@pytest.fixture
def live():
    return Live()


def test_what_was_asked_for_shines(live):
    live.run()
    assert live.bench.did == [f"run {live.channel} 0"]


def test_what_was_asked_for_before_an_all_off_does_not_shine(live):
    live.light.ask(live.bench.offs)
    live.bench.all_off()
    live.light.run(lambda frame: None, lambda error: None)
    assert live.bench.did[-1] == "run None 0" and not live.light.wanted


def test_live_in_the_dark_was_asked_for_and_is_not_lit(live):
    live.light.ask(None)
    live.light.run(lambda frame: None, lambda error: None)
    assert live.bench.shines is None
    live.light.come_back()
    assert live.bench.shines is None and not live.told


def test_nothing_comes_on_while_a_command_that_darkens_waits(live):
    live.run()
    darken = live.light.darkens(lambda: live.light.wanted)
    assert not live.light.wanted
    with live.light.dark(lambda: True):
        pass
    assert live.bench.did[-1] == "switch None"  # and not back
    assert darken() is False
    assert live.light.wanted  # it was carried out


def test_a_darkening_command_that_fails_is_over_too(live):
    live.run()

    def fails():
        raise ValueError

    with pytest.raises(ValueError):
        live.light.darkens(fails)()
    assert live.light.wanted


def test_without_frames_it_is_dark_and_told_once_and_with_frames_it_comes_back(live):
    live.run()
    live.silent()
    assert live.bench.did.count("off") == 1
    assert [notice.level for notice in live.told] == ["warning"]
    assert live.light.switch(live.channel, 0) is False and live.bench.shines is None  # nothing shines without frames
    assert not live.light.frame_came()  # one frame is none
    live.clock.sleep(0.02)
    assert live.light.frame_came()
    live.light.come_back()
    assert live.bench.shines == live.channel
    assert live.told[-1] == Notice("info", "Frames came again, so the light was switched back on.")


def test_frames_that_stay_away_while_it_goes_on_end_in_darkness(live):
    live.run()
    live.bench.meanwhile = live.silent
    assert live.light.switch(live.channel, 0) is False
    assert live.bench.shines is None


def test_a_pause_for_the_disk_is_dark_and_the_light_comes_back(live):
    live.run()
    with live.light.dark(lambda: True):
        assert live.bench.shines is None
    assert live.bench.shines == live.channel


def test_it_comes_back_after_a_refusal_and_stays_dark_after_a_failure(live):
    live.run()
    with pytest.raises(RefusedError), live.light.dark(lambda: True):
        raise RefusedError("The disk is too slow; take another.", "disk")
    assert live.bench.shines == live.channel
    with pytest.raises(OSError), live.light.dark(lambda: True):
        raise OSError
    assert live.bench.shines is None


def test_darkness_asked_for_during_a_pause_stays(live):
    live.run()
    with live.light.dark(lambda: True):
        live.bench.all_off()
    assert live.bench.shines is None


def test_a_pause_of_what_is_dark_lights_nothing(live):
    with live.light.dark(lambda: False):
        pass
    assert live.bench.did == []


def test_holding_disarms_the_watch_before_the_camera_stops(live):
    live.run()
    live.light.hold()
    assert live.bench.did[-2:] == ["switch None", "pause"]
    live.silent()
    assert not live.told
