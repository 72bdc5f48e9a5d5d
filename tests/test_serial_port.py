"""Every way a port dies is one error, and every exchange ends in time."""

import errno
import os

import pytest
import serial

from app.clock import ManualClock
from app.errors import LightError, LightGoneError
from app.hardware.led_box import LedBox
from app.hardware.serial_port import MAX_REPLY, PORT_ERRORS, SerialPort, list_ports
from app.hardware.serial_simulator import serve_pty, serve_tcp

needs_pty = pytest.mark.skipif(os.name != "posix", reason="this system has no pseudo-terminals")


class Line:
    """A transport whose reads follow a plan."""

    def __init__(self, clock, chunks=(), error=None, fails_in="read"):
        self.clock, self.chunks, self.error, self.fails_in = clock, list(chunks), error, fails_in
        self.closed = 0

    def _maybe(self, where):
        if self.error is not None and self.fails_in == where:
            raise self.error

    @property
    def in_waiting(self):
        self._maybe("in_waiting")
        return 0

    def read(self, size, /):
        self._maybe("read")
        self.clock.sleep(0.02)
        return self.chunks.pop(0) if self.chunks else b""

    def write(self, data, /):
        self._maybe("write")

    def flush(self):
        self._maybe("flush")

    def reset_input_buffer(self):
        self._maybe("reset_input_buffer")

    def close(self):
        self.closed += 1
        self._maybe("close")


def opened(**plan) -> tuple[SerialPort, Line]:
    clock = ManualClock()
    line = Line(clock, **plan)
    port = SerialPort("test", clock=clock, connect=lambda: line)
    port.open()
    return port, line


@pytest.mark.parametrize("where", ["read", "write", "in_waiting", "reset_input_buffer"])
@pytest.mark.parametrize("kind", PORT_ERRORS)
def test_every_death_is_light_gone(where, kind):
    port, line = opened(error=kind("dead"), fails_in=where)
    with pytest.raises(LightGoneError, match="check its cable"):
        port.exchange(b"GET VER\n")
    assert line.closed == 1
    assert not port.is_open
    with pytest.raises(LightGoneError):
        port.exchange(b"GET VER\n")


@pytest.mark.parametrize("kind", PORT_ERRORS)
def test_close_never_raises(kind):
    port, _ = opened(error=kind("dead"), fails_in="close")
    port.close()
    port.close()


def test_an_answer_in_pieces_is_put_together():
    port, _ = opened(chunks=[b"A ", b"VER", b" 1\r", b"\n"])
    assert port.exchange(b"GET VER\n") == b"A VER 1\r\n"


def test_what_follows_an_answer_is_kept_for_the_next_line_only():
    port, _ = opened(chunks=[b"one\r\ntwo\r\nthr"])
    assert port.exchange(b"?") == b"one\r\n"
    assert port.read_line() == b"two\r\n"
    assert port.exchange(b"?") == b""


def test_a_byte_now_and_then_does_not_stretch_the_deadline():
    port, _ = opened(chunks=[b"x"] * 1000)
    begun_s = port.clock.monotonic()
    assert 0 < len(port.exchange(b"?", timeout_s=0.2)) < 15
    assert port.clock.monotonic() - begun_s == pytest.approx(0.2, abs=0.05)


def test_an_answer_that_lies_there_counts_though_the_time_ran_out():
    port, line = opened()
    line.write = lambda data: line.clock.sleep(10)  # the machine was busy elsewhere
    assert port.exchange(b"?", timeout_s=0.0) == b""

    class Waiting(Line):
        @property
        def in_waiting(self):
            return len(self.chunks[0]) if self.chunks else 0

    clock = ManualClock()
    full = SerialPort("test", clock=clock, connect=lambda: Waiting(clock, [b"A VER 1\r", b"\n"]))
    full.open()
    assert full.exchange(b"?", timeout_s=0.0) == b"A VER 1\r\n"


def test_a_flood_without_an_end_is_cut():
    port, _ = opened(chunks=[b"x" * 1000] * 1000)
    assert len(port.exchange(b"?", timeout_s=1e9)) < MAX_REPLY + 1000
    assert len(port.drain(timeout_s=2.0)) <= MAX_REPLY


def test_drain_waits_for_quiet():
    port, _ = opened(chunks=[b"Hello", b"", b" you", b"", b"", b"", b"late"])
    assert port.drain(quiet_s=0.05) == b"Hello you"


def test_a_port_that_is_not_there_says_what_to_do():
    with pytest.raises(LightError, match="plug the light source in or choose another port"):
        SerialPort("/dev/no-such-port" if os.name == "posix" else "COM250").open()


def test_nobody_listening_says_what_to_do():
    with serve_tcp(LedBox()) as server:
        url = server.path
    with pytest.raises(LightError, match=r"Nothing listens|could not be opened"):
        SerialPort(url).open()


@pytest.mark.parametrize("url", ["nonsense://x", "socket://", "socket://host:notaport", "hwgrep://(", ""])
def test_a_malformed_address_is_one_sentence(url):
    with pytest.raises(LightError, match=r"check|choose|plug"):
        SerialPort(url).open()


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (serial.SerialException(errno.EAGAIN, "locked"), "close that program"),
        (serial.SerialException(errno.EACCES, "denied"), "dialout"),
        (serial.SerialException(errno.EIO, "io"), "check its name and the cable"),
    ],
)
def test_a_port_that_cannot_be_had_says_what_to_do(error, remedy):
    def connect():
        raise error

    with pytest.raises(LightError, match=remedy):
        SerialPort("test", connect=connect).open()


@needs_pty
def test_a_port_belongs_to_one_program():
    with serve_pty(LedBox()) as server:
        first, second = SerialPort(server.path), SerialPort(server.path)
        first.open()
        with pytest.raises(LightError, match="in use by another program"):
            second.open()
        first.close()
        second.open()
        second.close()


def test_ports_are_listed_without_opening_any():
    for port in list_ports():
        assert port.device
