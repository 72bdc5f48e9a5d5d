"""The Lumencor codec, its driver on engines that differ, and the watchdog."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import DapiscopeError, LightError, LightRangeError
from app.hardware.led_box import LedBox
from app.hardware.lumencor import LumencorLight, Reply, encode, integers, parse
from app.hardware.serial_light import BadReplyError
from app.hardware.serial_port import SerialPort
from app.hardware.serial_simulator import port_to


class Script:
    """A line that expects commands in this order and answers what is written beside them."""

    in_waiting = 0

    def __init__(self, *exchanges: tuple[bytes, bytes]) -> None:
        self.left = list(exchanges)
        self.clock = ManualClock()
        self.answer = bytearray()

    def write(self, data):
        expected, answer = self.left.pop(0)
        assert data == expected
        self.answer += answer

    def read(self, size, /):
        taken = bytes(self.answer)
        if not taken:
            self.clock.sleep(0.02)
        self.answer.clear()
        return taken

    def reset_input_buffer(self):
        self.answer.clear()

    def flush(self):
        pass

    def close(self):
        pass


def lit_box(**options) -> tuple[LumencorLight, LedBox]:
    box = LedBox(clock=ManualClock(), **options)
    light = LumencorLight(port_to(box))
    light.open()
    return light, box


def test_commands_are_these_bytes():
    assert encode("GET", "VER") == b"GET VER\n"
    assert encode("SET", "MULCH", 0, 1, 0, 0) == b"SET MULCH 0 1 0 0\n"


@pytest.mark.parametrize("command", [("PUT", "CH", 1), ("SET", "CH 1\nSET CH", 0), ("SET", "CH", -1), ("SET", "ch", 1)])
def test_what_is_no_command_is_never_sent(command):
    with pytest.raises(LightRangeError):
        encode(*command)


@pytest.mark.parametrize(
    ("answer", "name", "reply"),
    [
        (b"A VER 1.0.6\r\n", "VER", Reply(True, ("1.0.6",))),
        (b"A MODEL Spectra III\r\n", "MODEL", Reply(True, ("Spectra", "III"))),
        (b"A MULCH\r\n", "MULCH", Reply(True, ())),
        (b"E CHINT\r\n", "CHINT", Reply(False, ("CHINT",))),
        (b"E UNKNOWNCMD\r\n", "WDT", Reply(False, ("UNKNOWNCMD",))),
    ],
)
def test_answers_mean_this(answer, name, reply):
    assert parse(answer, name) == reply


@pytest.mark.parametrize(
    "answer", [b"", b"A VE", b"A CHMAP 1\r\n", b"\xff\x80\n", b"hello\n", b"\n", b"A\n", b"AVER 1\n"]
)
def test_anything_else_is_a_bad_reply(answer):
    with pytest.raises(BadReplyError):
        parse(answer, "VER")


@pytest.mark.parametrize("values", [(), ("1", "0"), ("x",), ("-1",), ("1.5",), ("2",), ("٣",), ("1234567",)])
def test_numbers_are_checked(values):
    with pytest.raises(BadReplyError):
        integers(Reply(True, values), "CH", 1, most=1)


@given(st.binary(max_size=80), st.sampled_from(["VER", "MULCHACT", "STAT"]))
def test_no_noise_escapes_the_parser(noise, name):
    try:
        integers(parse(noise, name), name, 4, 1)
    except BadReplyError:
        return
    assert noise.startswith((b"A", b" ", b"\t", b"E", b"\r", b"\n"))


@given(st.lists(st.binary(max_size=40), max_size=20))
@settings(deadline=None)
def test_noise_lights_nothing(chunks):
    box = LedBox(clock=ManualClock())
    for chunk in chunks:
        box.feed(chunk)
    assert not any(box.levels_at(math.inf))


def test_the_whole_talk_is_these_bytes():
    four = "0 0 0 0"
    line = Script(
        (b"\n", b"E UNKNOWNCMD\r\n"),
        (b"GET VER\n", b"A VER 2.0\r\n"),
        (b"GET VER\n", b"A VER 2.0\r\n"),
        (b"GET MODEL\n", b"A MODEL Aura\r\n"),
        (b"GET SN\n", b"A SN 77\r\n"),
        (b"GET CHMAP\n", b"A CHMAP UV CYAN GREEN RED\r\n"),
        *[(f"GET MAXINT {i}\n".encode(), b"A MAXINT 255\r\n") for i in range(4)],
        (b"GET MULCH\n", b"A MULCH 0 0 0 1\r\n"),
        (b"GET MULCHACT\n", b"A MULCHACT 0 0 0 1\r\n"),
        (b"GET MULCHINT\n", b"A MULCHINT 0 0 0 9\r\n"),
        (b"GET STAT\n", b"A STAT 0\r\n"),
        (b"GET MULCHSTAT\n", f"A MULCHSTAT {four}\r\n".encode()),
        (b"GET WDT\n", b"E WDT\r\n"),
        (b"SET MULCH 0 0 0 0\n", b"A MULCH\r\n"),
        (b"GET MULCHACT\n", f"A MULCHACT {four}\r\n".encode()),
        (b"GET STAT\n", b"A STAT 0\r\n"),
        (b"GET MULCHSTAT\n", f"A MULCHSTAT {four}\r\n".encode()),
        (b"SET CHINT 1 64\n", b"A CHINT\r\n"),
        (b"SET MULCH 0 1 0 0\n", b"A MULCH\r\n"),
        (b"GET MULCHACT\n", b"A MULCHACT 0 1 0 0\r\n"),
        (b"GET MULCHINT\n", b"A MULCHINT 0 64 0 9\r\n"),
        (b"GET STAT\n", b"A STAT 1\r\n"),
        (b"GET MULCHSTAT\n", b"A MULCHSTAT 0 58 0 0\r\n"),
    )
    light = LumencorLight(SerialPort("script", clock=line.clock, connect=lambda: line))
    light.open()
    assert light.info.title == "Aura 77"
    assert not light.info.simulated
    reading = light.set(1, 0.25)
    assert reading.levels == (0, 64 / 255, 0, 0)
    assert reading.faults == ("its fan has failed", "CYAN is busy")
    assert not line.left


OPTIONAL = [
    "VER",
    "MODEL",
    "SN",
    "NUMCH",
    "CHMAP",
    "MULCHACT",
    "MULCHINT",
    "MULCHSTAT",
    "STAT",
    "ERRORTEXT",
    "TTLENABLE",
]


@pytest.mark.parametrize("missing", OPTIONAL)
def test_engines_may_lack_a_command(missing):
    light, box = lit_box(lacks=frozenset({missing}))
    assert light.set(2, 0.5).levels == (0, 0, 0.5, 0)
    assert light.off().dark
    assert not any(box.levels_at(math.inf))


@pytest.mark.parametrize("missing", ["MULCH", "MAXINT"])
def test_an_engine_without_the_essentials_is_refused(missing):
    box = LedBox(clock=ManualClock(), lacks=frozenset({missing}))
    light = LumencorLight(port_to(box))
    with pytest.raises(LightError):
        light.open()
    assert not light._port.is_open


def test_the_first_command_after_power_up_may_fail():
    light, _ = lit_box(greets_badly=True)
    assert light.info.model == "dapiscope LED4"


def test_a_board_that_still_boots_is_waited_for():
    box = LedBox(clock=ManualClock())
    box.faults.deaf = 10
    light = LumencorLight(port_to(box))
    light.open()
    assert light.info.lines == 4


@pytest.mark.parametrize("fault", ["silent", "garbage", "error", "deaf"])
def test_somebody_else_at_the_port_is_one_sentence(fault):
    box = LedBox(clock=ManualClock())
    setattr(box.faults, fault, -1)
    light = LumencorLight(port_to(box))
    with pytest.raises(LightError, match="check the port"):
        light.open()
    assert not light._port.is_open


def test_an_open_interlock_is_told_in_plain_words():
    light, box = lit_box()
    light.set(0, 0.5)
    box.open_interlock()
    assert "its safety lock is open" in light.read().faults
    with pytest.raises(LightError, match="safety lock is open"):
        light.set(0, 0.5)
    box.close_interlock()
    assert not any(box.levels_at(math.inf))
    assert light.set(0, 0.5).levels[0] == 0.5


def test_a_supply_limit_is_a_refusal_and_dark():
    light, box = lit_box(supply_limit=600)
    assert light.set(0, 0.6).levels[0] == 0.6
    with pytest.raises(LightError, match="refused"):
        light.set(0, 0.7)
    assert not any(box.levels_at(math.inf))


def test_a_ttl_line_that_holds_the_light_on_is_taken_away():
    light, box = lit_box()
    light.set(1, 0.5)
    box.ttl[1] = True
    assert light.off().dark
    assert not any(box.levels_at(math.inf))


def test_a_broken_switch_at_intensity_zero_is_not_off():
    light, box = lit_box()
    light.set(1, 0.5)
    box.stuck_on = True
    with pytest.raises(LightError, match="MAY STILL BE ON"):
        light.off()


def test_a_commercial_engine_has_no_watchdog():
    light, _ = lit_box(model="Spectra III")
    assert not light.info.has_watchdog
    assert light.set_watchdog(2000) is False


def test_the_watchdog_is_off_until_it_is_set():
    light, box = lit_box()
    light.set(0, 0.5)
    box.clock.sleep(3600)
    assert any(box.levels_at(math.inf))
    assert light.set_watchdog(2000)
    box.clock.sleep(1.9)
    assert light.read().levels[0] == 0.5  # a reading feeds it
    box.clock.sleep(1.9)
    assert light.read().levels[0] == 0.5
    fed_s = box.clock.monotonic()
    box.clock.sleep(10)
    assert box.levels_at(fed_s + 1.99) != (0, 0, 0, 0)
    assert box.levels_at(fed_s + 2.01) == (0, 0, 0, 0)
    assert "it went dark by itself" in light.read().faults


def test_refused_commands_and_noise_do_not_feed_the_watchdog():
    light, box = lit_box()
    light.set(0, 0.5)
    light.set_watchdog(1000)
    for _ in range(12):
        box.clock.sleep(0.1)
        box.feed(b"\x00\xffnoise\n\n\nSET CH 9 1\nGET NOTHING\n")
    assert not any(box.levels_at(math.inf))


@pytest.mark.parametrize("timeout_ms", [1, 99, 60_001, -5])
def test_a_watchdog_out_of_range_raises(timeout_ms):
    light, box = lit_box()
    with pytest.raises(LightRangeError):
        light.set_watchdog(timeout_ms)
    assert box.watchdog_ms == 0


def test_close_leaves_the_watchdog_as_after_power_up():
    light, box = lit_box()
    light.set_watchdog(2000)
    light.close()
    assert box.watchdog_ms == 0


def test_power_up_is_dark_with_the_watchdog_off():
    light, box = lit_box()
    light.set_watchdog(2000)
    light.set(0, 0.5)
    box.feed(b"SET MULCH 1 1")  # half a command
    box.power_cycle()
    assert not any(box.levels_at(math.inf))
    assert box.watchdog_ms == 0
    assert light.read().dark


def test_a_dead_switch_keeps_the_watchdog_armed():
    light, box = lit_box()
    light.set_watchdog(2000)
    light.set(0, 0.5)
    box.stuck_on = True
    light.close()
    assert box.watchdog_ms == 2000


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["set", "off", "read", "wait"]),
            st.integers(0, 3),
            st.floats(0.001, 1),
            st.sampled_from(["", "", "", "silent", "garbage", "partial", "deaf", "error", "interlock"]),
        ),
        max_size=12,
    )
)
@settings(deadline=None, max_examples=60)
def test_whatever_goes_wrong_the_light_is_as_told_or_off(steps):
    light, box = lit_box()
    wanted = (0.0,) * 4
    for action, line, level, fault in steps:
        if fault == "interlock":
            box.open_interlock()
            box.close_interlock()
            wanted = (0.0,) * 4
        elif fault:
            setattr(box.faults, fault, 1)
        try:
            if action == "set":
                wanted = light.set(line, level).levels
            elif action == "off":
                wanted = light.off().levels
            elif action == "read":
                assert light.read().levels == wanted
            else:
                box.clock.sleep(level)
        except DapiscopeError:
            if action in ("set", "off"):
                wanted = (0.0,) * 4
        truth = box.levels_at(math.inf)
        assert truth == pytest.approx(wanted)
    light.close()
    assert not any(box.levels_at(math.inf))
