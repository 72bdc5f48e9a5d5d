"""One frame at the least dose, and the keeper of the light, over the simulated box."""

import threading
import time

import numpy as np
import pytest

from app.acquisition import acquire
from app.clock import ManualClock, SystemClock
from app.errors import CameraError, DapiscopeError, LightGoneError, LightRangeError
from app.events import LightSeen
from app.frame import Frame
from app.hardware.base import LightReading
from app.hardware.light_truth import LightTimeline
from app.hardware.serial_simulator import simulated_light
from app.light_keeper import LightKeeper
from app.settings import DEFAULT_CHANNELS, CameraSettings


class ScriptedLamp:
    """Notes what was asked; reads back what the test wants."""

    def __init__(self, clock, after=None):
        self.clock, self.log, self.after = clock, [], after

    def _reading(self, levels):
        now = self.clock.monotonic()
        return LightReading(levels, now, now)

    def on(self, channel, level):
        self.log.append(("on", channel, level))
        return self._reading((level, 0.0, 0.0, 0.0))

    def off(self):
        self.log.append(("off",))
        return self._reading((0.0,) * 4)

    def read(self):
        self.log.append(("read",))
        return self._reading(self.after or (0.5, 0.0, 0.0, 0.0))


class ScriptedCamera:
    """Exposes for the time it was told, on the test's clock."""

    def __init__(self, clock, lamp, error=None):
        self.clock, self.lamp, self.error, self.configured = clock, lamp, error, None

    def configure(self, settings):
        self.configured = settings
        return settings

    def snap(self, timeout_s=10.0):
        self.lamp.log.append(("expose",))
        if self.error:
            raise self.error
        self.clock.sleep(self.configured.exposure_ms / 1000)
        pixels = np.zeros((4, 4), np.uint16)
        return Frame(pixels, 0, self.clock.monotonic(), 0.0, self.configured.exposure_ms, 0.0, "Mono12", 0.1)


def snap_with(clock, lamp, camera, **more):
    return acquire(camera, lamp, CameraSettings(exposure_ms=20), "405", 0.5, 5.0, clock, **more)


def test_light_on_settle_expose_read_back_off_in_this_order():
    clock = ManualClock()
    lamp = ScriptedLamp(clock)
    camera = ScriptedCamera(clock, lamp)
    frame = snap_with(clock, lamp, camera)
    assert [entry[0] for entry in lamp.log] == ["on", "expose", "read", "off"]
    assert camera.configured.trigger == "software"
    assert frame.light.confirmed
    assert (frame.light.channel, frame.light.intensity) == ("405", 0.5)


def test_a_light_that_changed_meanwhile_is_not_confirmed():
    clock = ManualClock()
    lamp = ScriptedLamp(clock, after=(0.0, 0.5, 0.0, 0.0))
    frame = snap_with(clock, lamp, ScriptedCamera(clock, lamp))
    assert not frame.light.confirmed
    assert "changed" in frame.light.reason


def test_the_light_goes_off_when_the_camera_fails():
    clock = ManualClock()
    lamp = ScriptedLamp(clock)
    with pytest.raises(CameraError):
        snap_with(clock, lamp, ScriptedCamera(clock, lamp, CameraError("no frame came")))
    assert lamp.log[-1] == ("off",)


def test_a_cancelled_snapshot_never_lights_up():
    clock = ManualClock()
    lamp = ScriptedLamp(clock)
    with pytest.raises(DapiscopeError, match="cancelled"):
        snap_with(clock, lamp, ScriptedCamera(clock, lamp), cancelled=lambda: True)
    assert lamp.log == []


@pytest.fixture
def bench():
    clock = SystemClock()
    light, box = simulated_light(clock)
    seen: list[LightSeen] = []
    failures: list[BaseException] = []
    timeline = LightTimeline(DEFAULT_CHANNELS)
    keeper = LightKeeper(light, DEFAULT_CHANNELS, timeline, clock, seen.append, failures.append, poll_s=0.02)
    yield keeper, box, seen, failures, clock
    keeper.close()


def lit(box, clock):
    return box.levels_at(clock.monotonic())


def wait_for(condition, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_the_keeper_switches_and_reads_back(bench):
    keeper, box, seen, _, clock = bench
    keeper.open()
    keeper.switch("488", 0.5).result(5)
    assert lit(box, clock) == pytest.approx((0.0, 0.5, 0.0, 0.0))
    assert (seen[-1].channel, seen[-1].known) == ("488", True)
    assert not keeper.dark_confirmed
    keeper.off().result(5)
    assert keeper.dark_confirmed
    assert not any(lit(box, clock))


def test_closing_leaves_the_box_dark_and_says_so(bench):
    keeper, box, _, _, clock = bench
    keeper.open()
    keeper.switch("405", 1.0).result(5)
    assert keeper.close()
    assert not any(lit(box, clock))
    with pytest.raises(LightGoneError):
        keeper.switch("405", 1.0).result(5)


def test_an_unknown_channel_or_level_changes_nothing(bench):
    keeper, box, _, failures, clock = bench
    keeper.open()
    keeper.switch("405", 0.3).result(5)
    for channel, level in (("700", 0.5), ("405", 1.5), ("405", -0.1)):
        with pytest.raises(LightRangeError):
            keeper.switch(channel, level).result(5)
    assert lit(box, clock)[0] == pytest.approx(0.3)
    assert failures == []


def test_off_overtakes_and_cancels_the_switches_asked_before(bench):
    keeper, box, _, _, clock = bench
    keeper.open()
    gate = threading.Event()
    started = threading.Event()

    def block():
        started.set()
        gate.wait(5)
        return keeper._light.read()

    keeper._put(1, block)
    assert started.wait(5)
    late = keeper.switch("405", 1.0)
    off = keeper.off()
    gate.set()
    assert off.result(5).dark
    assert wait_for(lambda: late.cancelled())
    assert not any(lit(box, clock))


def test_a_box_that_falls_silent_is_reported_once_and_switched_off_when_it_speaks_again(bench):
    keeper, box, seen, failures, clock = bench
    keeper.open()
    keeper.switch("405", 1.0).result(5)
    box.faults.silent = 6
    assert wait_for(lambda: failures)
    assert wait_for(lambda: not seen[-1].known or keeper.dark_confirmed)
    assert wait_for(lambda: keeper.dark_confirmed)
    assert not any(lit(box, clock))
    assert len(failures) == 1
