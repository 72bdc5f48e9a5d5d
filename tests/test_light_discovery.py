"""Who is at a port is found out without lighting anything; the right driver and guard follow."""

import math
import os

import pytest

from app.clock import ManualClock
from app.errors import LightError, UsageError
from app.hardware import light_discovery
from app.hardware.coolled import CoolLedLight
from app.hardware.coolled_box import CoolLedBox
from app.hardware.guardian import GuardedLight
from app.hardware.led_box import LedBox
from app.hardware.light_discovery import driver_at, identify_light, identify_lights, light_at, split_url
from app.hardware.lumencor import LumencorLight
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_port import PortInfo, SerialPort
from app.hardware.serial_simulator import InProcessTransport, make_box, serve_tcp
from app.hardware.simulated_box import SimulatedBox
from app.hardware.thorlabs_box import ThorlabsBox

BOXES = {"lumencor": LedBox, "mightex": MightexBox, "thorlabs": ThorlabsBox, "coolled": CoolLedBox}


@pytest.fixture
def plug(monkeypatch):
    """Make every port lead to one box."""

    def into(box: SimulatedBox) -> SimulatedBox:
        monkeypatch.setattr(SerialPort, "_open_pyserial", lambda port: InProcessTransport(box))
        return box

    return into


@pytest.mark.parametrize("kind", BOXES)
def test_each_box_is_recognised_and_nothing_is_lit(plug, kind):
    box = plug(BOXES[kind](clock=ManualClock()))
    found = identify_light("port", clock=box.clock)
    assert found is not None
    assert found.driver == kind
    assert box.model in found.title
    assert found.has_watchdog is (kind == "lumencor")
    assert box.changes_between(-math.inf, math.inf) == []


@pytest.mark.parametrize("kind", BOXES)
def test_what_shines_is_not_touched_by_asking(plug, kind):
    box = plug(BOXES[kind](clock=ManualClock()))
    light = driver_at(kind, "port", clock=box.clock)
    light.open()
    light.set(1, 0.5)
    light._port.close()
    before = box.levels_at(math.inf)
    assert identify_light("port", clock=box.clock).driver == kind
    assert box.levels_at(math.inf) == before


@pytest.mark.parametrize("fault", ["deaf", "garbage", "silent"])
def test_a_stranger_is_none(plug, fault):
    box = plug(LedBox(clock=ManualClock()))
    setattr(box.faults, fault, -1)
    assert identify_light("port", clock=box.clock) is None
    with pytest.raises(LightError, match="No light source that dapiscope knows"):
        light_at("port", clock=box.clock).open()


def test_a_board_that_still_boots_is_waited_for(plug):
    box = plug(LedBox(clock=ManualClock()))
    box.faults.deaf = 20
    assert identify_light("port", clock=box.clock) is None
    box.faults.deaf = 20
    assert identify_light("port", clock=box.clock, boot_s=4.0).driver == "lumencor"


def test_the_ports_of_this_machine_are_asked_and_dead_ones_skipped(plug, monkeypatch):
    box = plug(LedBox(clock=ManualClock()))
    ports = (PortInfo("a", "LED box", "USB 2341:0043"), PortInfo("b", "", "n/a"))
    monkeypatch.setattr(light_discovery, "list_ports", lambda: ports)
    assert [light.url for light in identify_lights(box.clock)] == ["a"]
    box.faults.hang_up = -1
    assert identify_lights(box.clock) == ()


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("mightex:/dev/ttyUSB0", ("mightex", "/dev/ttyUSB0")),
        ("lumencor:socket://h:1", ("lumencor", "socket://h:1")),
        ("socket://h:1", (None, "socket://h:1")),
        ("COM3", (None, "COM3")),
    ],
)
def test_a_driver_may_be_named_in_front(url, parts):
    assert split_url(url) == parts


def test_an_unknown_driver_is_a_usage_error():
    with pytest.raises(UsageError, match="choose one of"):
        driver_at("laser", "port")


def test_a_box_with_a_watchdog_needs_no_guardian(plug):
    box = plug(LedBox(clock=ManualClock()))
    light = light_at("port", clock=box.clock)
    with light:
        assert isinstance(light._light, LumencorLight)
        assert light.set_watchdog(1000) is True
        assert light.info.id == "port"
        assert light.set(0, 0.5).levels == box.levels_at(math.inf)
        assert light.off().dark
    with pytest.raises(LightError, match="not open"):
        light.read()


def test_a_named_driver_is_believed(plug):
    box = plug(CoolLedBox(clock=ManualClock()))
    light = light_discovery.DiscoveredLight("coolled:port", clock=box.clock, guard=False)
    with light:
        assert isinstance(light._light, CoolLedLight)
        assert light.info.id == "coolled:port"


@pytest.mark.parametrize(
    ("model", "box_type"),
    [
        ("dapiscope LED4", LedBox),
        ("Spectra III", LedBox),
        ("Mightex SLC-SA04-S", MightexBox),
        ("DC4104", ThorlabsBox),
        ("CoolLED pE-4000", CoolLedBox),
    ],
)
def test_a_simulator_is_chosen_by_its_model(model, box_type):
    assert type(make_box(model)) is box_type


@pytest.mark.skipif(os.name != "posix", reason="the served box needs no guardian elsewhere")
def test_a_box_without_a_watchdog_gets_a_guardian():
    with serve_tcp(LedBox("Spectra III")) as server, light_at(server.path) as light:
        assert isinstance(light._light, GuardedLight)
        assert light.info.model == "Spectra III"
        assert light.set(2, 0.5).levels == server.box.levels_at(math.inf) == (0, 0, 0.5, 0)
        assert light.set_watchdog(1000) is False
