"""The light contract of `app.hardware.base`, run over every way to reach a box."""

import logging
import math
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from avr_board import AvrBoard

from app.clock import ManualClock
from app.errors import LightError, LightGoneError, LightRangeError, LightStuckError
from app.hardware.base import LightSource
from app.hardware.coolled import CoolLedLight
from app.hardware.coolled_box import CoolLedBox
from app.hardware.led_box import LedBox
from app.hardware.lumencor import LumencorLight
from app.hardware.mightex import MightexLight
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_port import SerialPort
from app.hardware.serial_simulator import port_to, serve_pty, serve_tcp
from app.hardware.simulated_box import SimulatedBox
from app.hardware.thorlabs import ThorlabsLight
from app.hardware.thorlabs_box import ThorlabsBox

DARK = (0.0, 0.0, 0.0, 0.0)


@dataclass
class Rig:
    """A light source, the box behind it, and how to cut the cable between them."""

    light: LightSource
    box: SimulatedBox
    pull_cable: Callable[[], None]

    @property
    def truth(self) -> tuple[float, ...]:
        return self.box.levels_at(math.inf)


@contextmanager
def in_process(box_type, light_type) -> Iterator[Rig]:
    box = box_type(clock=ManualClock())
    yield Rig(light_type(port_to(box)), box, lambda: setattr(box.faults, "hang_up", -1))


@contextmanager
def over_pty(box_type, light_type) -> Iterator[Rig]:
    if os.name != "posix":
        pytest.skip("this system has no pseudo-terminals")
    box = box_type()
    with serve_pty(box) as server:
        yield Rig(light_type(SerialPort(server.path)), box, server.pull_cable)


@contextmanager
def over_tcp(box_type, light_type) -> Iterator[Rig]:
    box = box_type()
    with serve_tcp(box) as server:
        yield Rig(light_type(SerialPort(server.path)), box, server.pull_cable)


WAYS = {"in-process": in_process, "pty": over_pty, "socket": over_tcp}


@contextmanager
def on_avr(relay: bool) -> Iterator[Rig]:
    """The real firmware on a simulated board: over its pty, or with a line between that can be made faulty."""
    box = AvrBoard(relay)
    try:
        if relay:
            yield Rig(LumencorLight(port_to(box)), box, lambda: setattr(box.faults, "hang_up", -1))
        else:
            yield Rig(LumencorLight(SerialPort(box.path)), box, box.unplug)
    finally:
        box.close()


def documented() -> ModuleType:
    """Return the worked example of docs/extending.md, run as the file that the page calls it."""
    page = (Path(__file__).parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(code.splitlines()) < 100, "the page promises less"
    module = ModuleType("quadled")
    exec(compile(code, "docs/extending.md", "exec"), module.__dict__)
    return module


EXAMPLE = documented()

KINDS = {
    "quadled": (EXAMPLE.QuadLedBox, EXAMPLE.QuadLedLight),
    "lumencor": (LedBox, LumencorLight),
    "mightex": (MightexBox, MightexLight),
    "thorlabs": (ThorlabsBox, ThorlabsLight),
    "coolled": (CoolLedBox, CoolLedLight),
}


# The way is the same whatever is spoken over it: one protocol over real ports is enough for every day.
RIGS = [
    *(f"{kind} in-process" for kind in KINDS),
    *(f"lumencor {way}" for way in WAYS if way != "in-process"),
    *(
        pytest.param(f"{kind} {way}", marks=pytest.mark.prove)
        for kind in KINDS
        for way in WAYS
        if kind != "lumencor" and way != "in-process"
    ),
    "firmware pty",
    "firmware relay",
]


@pytest.fixture(params=RIGS)
def rig(request) -> Iterator[Rig]:
    kind, way = request.param.split()
    with on_avr(way == "relay") if kind == "firmware" else WAYS[way](*KINDS[kind]) as made:
        yield made
        made.light.close()


def test_says_who_it_is_only_once_open(rig):
    with pytest.raises(LightError, match="open it first"):
        _ = rig.light.info
    rig.light.open()
    assert rig.light.info.lines == len(rig.light.info.line_names) == 4
    assert rig.light.info.simulated is rig.box.simulated
    assert rig.light.info.model


def test_open_switches_off_what_was_left_on(rig):
    rig.light.open()
    rig.light.set(2, 0.5)
    rig.light._port.close()  # a program that died without switching off
    rig.light._info = None
    assert any(rig.truth)
    rig.light.open()
    assert rig.truth == DARK


def test_open_and_close_may_be_repeated(rig):
    rig.light.open()
    rig.light.open()
    rig.light.close()
    rig.light.close()
    rig.light.open()
    assert rig.light.set(0, 0.5).levels[0] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("line", range(4))
def test_one_line_shines_and_the_box_agrees(rig, line):
    rig.light.open()
    reading = rig.light.set(line, 0.4)
    assert reading.levels == pytest.approx(rig.truth, abs=1e-6)
    assert [level > 0 for level in rig.truth] == [index == line for index in range(4)]
    assert rig.truth[line] == pytest.approx(0.4, abs=0.01)
    assert not reading.faults


def test_switching_never_shows_two_lines(rig):
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.light.set(3, 0.25)
    rig.light.set(1, 1.0)
    for _, levels in rig.box.changes_between(-math.inf, math.inf):
        assert sum(level > 0 for level in levels) <= 1


def test_a_line_changes_its_level_alone(rig):
    rig.light.open()
    rig.light.set(1, 0.2)
    rig.light.set(1, 0.8)
    assert rig.truth[1] == pytest.approx(0.8, abs=0.01)


def test_the_weakest_level_is_not_off(rig):
    rig.light.open()
    assert rig.light.set(0, 1e-9).levels[0] > 0
    assert rig.truth[0] > 0


@pytest.mark.parametrize("line", [None, 0])
def test_off_is_dark_and_confirmed(rig, line):
    rig.light.open()
    if line is not None:
        rig.light.set(line, 1.0)
    reading = rig.light.off()
    assert reading.dark
    assert rig.truth == DARK


@pytest.mark.parametrize(
    ("line", "level"), [(4, 0.5), (-1, 0.5), (0, 0.0), (0, -0.1), (0, 1.001), (0, math.nan), (0, math.inf), ("x", 0.5)]
)
def test_out_of_range_raises_and_changes_nothing(rig, line, level):
    rig.light.open()
    rig.light.set(2, 0.5)
    before = rig.truth, len(rig.box.changes_between(-math.inf, math.inf))
    with pytest.raises(LightRangeError):
        rig.light.set(line, level)
    assert (rig.truth, len(rig.box.changes_between(-math.inf, math.inf))) == before


def test_a_reading_brackets_the_switch(rig):
    rig.light.open()
    reading = rig.light.set(0, 0.5)
    switched_s = [time_s for time_s, _ in rig.box.changes_between(-math.inf, math.inf)]
    assert reading.asked_s <= switched_s[0] <= switched_s[-1] <= reading.confirmed_s


def test_read_tells_what_shines_and_changes_nothing(rig):
    rig.light.open()
    rig.light.set(3, 0.75)
    before = len(rig.box.changes_between(-math.inf, math.inf))
    assert rig.light.read().levels == pytest.approx(rig.truth, abs=1e-6)
    assert len(rig.box.changes_between(-math.inf, math.inf)) == before


def test_close_switches_off(rig):
    rig.light.open()
    rig.light.set(0, 1.0)
    rig.light.close()
    assert rig.truth == DARK


def test_leaving_by_an_exception_switches_off(rig):
    with pytest.raises(ZeroDivisionError), rig.light:
        rig.light.set(0, 1.0)
        _ = 1 / 0
    assert rig.truth == DARK


def test_a_closed_light_says_so(rig):
    rig.light.open()
    rig.light.close()
    for action in (rig.light.off, rig.light.read, lambda: rig.light.set(0, 0.5)):
        with pytest.raises(LightError):
            action()


@pytest.mark.parametrize("fault", ["silent", "garbage", "partial", "deaf"])
@pytest.mark.parametrize("skip", range(4))
def test_one_damaged_answer_never_leaves_the_wrong_light(rig, fault, skip):
    rig.light.open()
    rig.light.set(0, 0.5)
    _strike_after(rig.box, fault, skip)
    try:
        reading = rig.light.set(1, 0.5)
    except LightError:
        assert rig.truth == DARK
    else:
        assert reading.levels == pytest.approx(rig.truth, abs=1e-6)
        assert [level > 0 for level in rig.truth] == [False, True, False, False]


def _strike_after(box: SimulatedBox, fault: str, skip: int) -> None:
    """Let the fault strike once, after `skip` more commands."""
    take, seen = box.faults.take, [0]

    def later(name: str) -> bool:
        if name != fault:
            return take(name)
        seen[0] += 1
        return seen[0] == skip + 1

    box.faults.take = later  # type: ignore[method-assign]


def test_a_refused_command_leaves_everything_off(rig):
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.box.faults.error = 1
    try:
        rig.light.set(1, 0.5)
    except LightError:
        assert rig.truth == DARK
    else:
        assert [level > 0 for level in rig.truth] == [False, True, False, False]


def test_leds_that_stay_dark_are_an_error_where_the_box_can_tell(rig):
    rig.light.open()
    rig.box.dead_leds = True
    if not rig.box.tells_dead_leds:
        pytest.skip("this kind of box reads back its own switches only")
    with pytest.raises(LightError, match="switched off"):
        rig.light.set(0, 0.5)
    assert rig.truth == DARK


def test_a_light_that_stays_on_is_told_as_loudly_as_possible(rig, caplog):
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.box.stuck_on = True
    if not rig.box.tells_stuck_light:
        pytest.skip("this kind of box reads back its own switches only")
    with pytest.raises(LightStuckError, match="MAY STILL BE ON"):
        rig.light.off()
    with caplog.at_level(logging.CRITICAL):
        rig.light.close()
    assert "MAY STILL BE ON" in caplog.text
    caplog.clear()


def test_off_is_tried_again(rig):
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.box.faults.deaf = 1
    assert rig.light.off().dark
    assert rig.truth == DARK


def test_a_pulled_cable_is_light_gone(rig, caplog):
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.pull_cable()
    with pytest.raises(LightGoneError, match="check its cable"):
        rig.light.read()
    with pytest.raises(LightGoneError):
        rig.light.off()
    with caplog.at_level(logging.CRITICAL):
        rig.light.close()
    assert "MAY STILL BE ON" in caplog.text


def test_replugging_works_without_a_restart(rig):
    if not isinstance(rig.box.clock, ManualClock):
        pytest.skip("the served box cannot be plugged in again at the same address")
    rig.light.open()
    rig.pull_cable()
    with pytest.raises(LightGoneError):
        rig.light.read()
    rig.light.close()
    rig.box.faults.hang_up = 0
    rig.light.open()
    assert rig.light.set(1, 0.5).levels[1] == pytest.approx(0.5, abs=0.01)


def test_a_slow_box_is_still_understood(rig):
    rig.light.open()
    rig.box.faults.delay_s = 0.05
    assert rig.light.set(2, 0.5).levels[2] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("delay_s", [0.45, 0.9])
def test_late_answers_are_not_taken_for_others(rig, delay_s):
    if not isinstance(rig.box.clock, ManualClock):
        pytest.skip("takes seconds in real time")
    rig.light.open()
    rig.light.set(0, 0.5)
    rig.box.faults.delay_s = delay_s
    for action in (rig.light.read, lambda: rig.light.set(1, 0.25), rig.light.off):
        try:
            reading = action()
        except LightError:
            continue
        assert reading.levels == pytest.approx(rig.truth, abs=1e-6)
    rig.box.faults.delay_s = 0.0
    assert rig.light.off().dark
    assert rig.light.set(3, 0.5).levels == pytest.approx(rig.truth, abs=1e-6)


def test_the_watchdog_is_honest(rig):
    rig.light.open()
    assert rig.light.set_watchdog(1000) is rig.light.info.has_watchdog
    assert rig.light.set_watchdog(0) is rig.light.info.has_watchdog
