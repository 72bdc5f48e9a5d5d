"""Codecs of the commercial controllers: these bytes mean this, and no noise escapes or lights anything."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.clock import ManualClock
from app.errors import LightError
from app.hardware import coolled, lumencor, mightex, thorlabs
from app.hardware.coolled_box import CoolLedBox
from app.hardware.led_box import LedBox
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_light import BadReplyError
from app.hardware.serial_simulator import port_to
from app.hardware.thorlabs_box import ThorlabsBox

BOXES = [LedBox, MightexBox, ThorlabsBox, CoolLedBox]
LIGHTS = {
    LedBox: lumencor.LumencorLight,
    MightexBox: mightex.MightexLight,
    ThorlabsBox: thorlabs.ThorlabsLight,
    CoolLedBox: coolled.CoolLedLight,
}
TALK = [
    (MightexBox, b"ECHOOFF\n\r", b"## \r\n"),
    (
        MightexBox,
        b"DEVICEINFO\n\r",
        b"Mightex LED Driver:3.1.8 Device Module No.:SLC-SA04-S Device Serial No.:SIM-251013-011 \r\n",
    ),
    (MightexBox, b"?MODE 1\n\r", b"#0 \r\n"),
    (MightexBox, b"?current 1\n\r", b"#5 81 480 972 1468 1964 8 -72 8000 0 1000 10 \r\n"),
    (MightexBox, b"MODE 5 1\n\r", b"#? \r\n"),
    (MightexBox, b"NORMAL 1 1000 2000\n\r", b"#? \r\n"),
    (MightexBox, b"bogus\n\r", b"[ bogus is not defined] \r\n"),
    (ThorlabsBox, b"n?\r\n", b"DC4104\r\n"),
    (ThorlabsBox, b"O? 3\n", b"0\r\n"),
    (ThorlabsBox, b"e?\r\n", b"OK 0:No error\r\n"),
    (ThorlabsBox, b"xx 1\r\ne?\r\n", b"ERROR 11:Unknown command\r\n"),
    (ThorlabsBox, b"o -1 0\r\n", b""),
    (CoolLedBox, b"XMODEL\r", b"XMODEL=pE-4000\r\n"),
    (CoolLedBox, b"LAMS\n", b"LAM:A:405\r\nLAM:B:490\r\nLAM:C:525\r\nLAM:D:635\r\n"),
    (CoolLedBox, b"CSS?\r", b"CSSAXF000BXF000CXF000DXF000\r\n"),
    (CoolLedBox, b"CSSASN050\r", b"CSSASN050BXF000CXF000DXF000\r\n"),
    (CoolLedBox, b"CSSAXN050\r", b"CSSAXF050BXF000CXF000DXF000\r\n"),
    (CoolLedBox, b"BOGUS\r", b""),
]


@pytest.mark.parametrize(("box_type", "command", "answer"), TALK)
def test_a_simulated_box_answers_with_these_bytes(box_type, command, answer):
    assert box_type(clock=ManualClock()).feed(command) == answer


def test_mightex_bytes():
    assert mightex.encode("NORMAL 1 1000 250") == b"NORMAL 1 1000 250\n\r"
    assert mightex.acknowledged(b"## \r") is True
    assert mightex.acknowledged(b"\n#! \r") is False
    assert mightex.acknowledged(b"[ xx is not defined] \r") is False
    assert mightex.numbers(b"#5 81 -72 1000 10 \r", 2)[-2:] == (1000, 10)
    told = b"Mightex LED Driver:3.1.8 Device Module No.:SLC-SA04-U/S Device Serial No.:04-251013-011 \r"
    assert mightex.device(told) == mightex.Device("3.1.8", "SLC-SA04-U/S", "04-251013-011", 4)


def test_thorlabs_bytes():
    assert thorlabs.encode("o -1 0") == b"o -1 0\r\n"
    assert thorlabs.error(b"ERROR 10:Communication error\r\n") == (10, "Communication error")
    assert thorlabs.whole(b"250\r\n", 1000) == 250
    assert thorlabs.status(0x2 | 0x8 | 0x80 | 0x80000) == thorlabs.Status(
        True, True, (False, True, False, False), (False, False, False, True)
    )


def test_coolled_bytes():
    told = coolled.channels(b"CSSASN050BXF000\r\n")
    assert told == (coolled.Channel("A", True, True, 50), coolled.Channel("B", False, False, 0))
    assert [channel.lit for channel in told] == [True, False]
    assert coolled.encode("CSSASN050BXF000") == b"CSSASN050BXF000\r"


@pytest.mark.parametrize(
    ("encode", "command"),
    [
        (mightex.encode, "MODE 1 1\n\rMODE 2 1"),
        (mightex.encode, ""),
        (thorlabs.encode, "o 4 1"),
        (thorlabs.encode, "a 0 1"),
        (coolled.encode, "CSN"),
        (coolled.encode, "CSSASN050\rCSN"),
    ],
)
def test_what_is_no_command_is_never_sent(encode, command):
    with pytest.raises(LightError):
        encode(command)


PARSERS = [
    lambda noise: lumencor.integers(lumencor.parse(noise, "MULCHACT"), "MULCHACT", 4, 1),
    mightex.acknowledged,
    mightex.device,
    lambda noise: mightex.numbers(noise, 1),
    thorlabs.error,
    lambda noise: thorlabs.whole(noise, 1000),
    coolled.channels,
]
MEANT = [b"A MULCHACT 0 1 0 0\r\n", b"## \r", b"#1 \r", b"OK 0:none\r\n", b"1\r\n", b"CSSASN050BXF000\r\n", b"E X\r\n"]


@st.composite
def damaged(draw) -> bytes:
    """A true answer with bytes changed, lost or added."""
    answer = bytearray(draw(st.sampled_from(MEANT)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(answer)))
        answer[place : place + draw(st.integers(0, 2))] = draw(st.binary(max_size=2))
    return bytes(answer)


@given(st.one_of(st.binary(max_size=100), damaged()))
@settings(max_examples=400)
def test_no_noise_escapes_a_parser(noise):
    for parser in PARSERS:
        try:
            parser(noise)
        except BadReplyError:
            continue


def noise_bytes(random_: random.Random) -> bytes:
    """A burst of noise: random bytes, or pieces of real words in a random order."""
    words = [
        b"GET ",
        b"SET ",
        b"MODE",
        b"o ",
        b"CSS",
        b"XMODEL",
        b"MULCH",
        b"1 ",
        b"0 ",
        b"\n",
        b"\r",
        b"?",
        b"A",
        b"cc",
    ]
    if random_.random() < 0.5:
        return random_.randbytes(random_.randrange(24))
    return b"".join(random_.choice(words) for _ in range(random_.randrange(6)))


def fuzz(box_type, exchanges: int, seed: int) -> tuple[int, int]:
    """Exchange noise both ways: noise into the box, and the box's and random answers into the driver's parser.

    Returns (exchanges, light changes that the noise caused).
    """
    random_ = random.Random(seed)
    box = box_type(clock=ManualClock())
    for _ in range(exchanges):
        answer = box.feed(random_.randbytes(random_.randrange(24)))
        for parser in PARSERS:
            try:
                parser(answer if random_.random() < 0.5 else noise_bytes(random_))
            except BadReplyError:
                continue
    return exchanges, len(box.changes_between(-math.inf, math.inf))


@pytest.mark.parametrize("box_type", BOXES)
def test_noise_lights_nothing_and_raises_nothing(box_type):
    assert fuzz(box_type, 3000, seed=1) == (3000, 0)


@pytest.mark.prove
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("box_type", BOXES)
def test_a_million_random_exchanges(box_type):
    assert fuzz(box_type, 1_000_000, seed=2) == (1_000_000, 0)


class NoisyLine:
    """The line to a box that answers noise every so often."""

    def __init__(self, box, seed: int) -> None:
        self.box, self.random, self.got = box, random.Random(seed), bytearray()

    @property
    def in_waiting(self):
        return len(self.got)

    def read(self, size, /):
        if not self.got:
            self.box.clock.sleep(0.02)
        taken = bytes(self.got[:size])
        del self.got[:size]
        return taken

    def write(self, data, /):
        answer = self.box.feed(data)
        if self.random.random() < 0.2:
            place = self.random.randrange(len(answer) + 1)
            answer = answer[:place] + noise_bytes(self.random) + answer[place + self.random.randrange(3) :]
        self.got += answer

    def flush(self):
        pass

    def reset_input_buffer(self):
        self.got.clear()

    def close(self):
        pass


@pytest.mark.parametrize("box_type", BOXES)
@pytest.mark.parametrize("seed", range(12))
def test_a_driver_on_a_noisy_line_raises_only_light_errors_and_lights_nothing_unasked(box_type, seed):
    box = box_type(clock=ManualClock())
    light = LIGHTS[box_type](port_to(box))
    light.open()
    light._port._transport = NoisyLine(box, seed)
    random_ = random.Random(seed)
    asked: set[int] = set()
    for _ in range(25):
        line = random_.choice([None, 0, 1, 2, 3])
        try:
            asked |= {line} if line is not None else set()
            light.set(line, 0.5)
        except LightError:
            light._out_of_step = True
        lit = {index for index, level in enumerate(box.levels_at(math.inf)) if level}
        assert lit <= asked
        assert len(lit) <= 1


def test_a_hand_pod_is_noticed():
    box = CoolLedBox(clock=ManualClock())
    light = coolled.CoolLedLight(port_to(box))
    light.open()
    light.set(0, 0.5)
    box.press_pod(2, 30)
    reading = light.read()
    assert reading.levels == (0.5, 0, 0.3, 0)
    assert "it does not shine as it was set" in reading.faults
    assert light.off().dark


def test_a_channel_armed_for_ttl_is_not_off():
    box = CoolLedBox(clock=ManualClock())
    light = coolled.CoolLedLight(port_to(box))
    light.open()
    box.feed(b"CSSASF040\r")
    assert not light.read().dark


def test_a_missing_led_head_is_refused_before_anything_is_lit():
    box = ThorlabsBox(clock=ManualClock())
    box.missing.add(2)
    light = thorlabs.ThorlabsLight(port_to(box))
    light.open()
    with pytest.raises(LightError, match="channel 3"):
        light.set(2, 0.5)
    assert light.set(1, 0.5).levels[1] == 0.5


def test_a_stored_strobe_mode_is_not_off():
    box = MightexBox(clock=ManualClock())
    light = mightex.MightexLight(port_to(box))
    light.open()
    box.modes[3] = 2
    assert not light.read().dark
    assert light.off().dark
