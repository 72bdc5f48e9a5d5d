"""Ways to reach a simulated LED box: in this process, over a pseudo-terminal, over a socket.

The bytes are the same on all three, so the driver's code is too. The box itself is `app.hardware.led_box`.
"""

import errno
import json
import logging
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from app.clock import Clock
from app.errors import LightError, UsageError
from app.hardware.coolled_box import CoolLedBox
from app.hardware.led_box import DEFAULT_MODEL, LedBox
from app.hardware.lumencor import LumencorLight
from app.hardware.mightex_box import MightexBox
from app.hardware.serial_port import READ_SLICE_S, SerialPort
from app.hardware.simulated_box import HangUpError, Levels, SimulatedBox
from app.hardware.thorlabs_box import ThorlabsBox

_log = logging.getLogger(__name__)

POLL_S = 0.01
"""A served box looks at its watchdog this often."""


# In this process.


class InProcessTransport:
    """The line to a box in the same process; a `app.hardware.serial_port.Transport`."""

    def __init__(self, box: SimulatedBox) -> None:
        self._box, self._clock = box, box.clock
        self._received = bytearray()
        self._late: list[tuple[float, bytes]] = []  # (due, reply)
        self._dead = False

    def _check(self) -> None:
        if self._dead:
            raise OSError(5, "the simulated cable was pulled")

    def _deliver(self) -> None:
        now_s = self._clock.monotonic()
        while self._late and self._late[0][0] <= now_s:
            self._received += self._late.pop(0)[1]

    @property
    def in_waiting(self) -> int:
        """Bytes received."""
        self._check()
        self._deliver()
        return len(self._received)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; waits one slice when there are none."""
        self._check()
        self._deliver()
        if not self._received:
            self._clock.sleep(READ_SLICE_S)
            self._deliver()
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken

    def write(self, data: bytes, /) -> int:
        """Hand `data` to the box."""
        self._check()
        try:
            reply = self._box.feed(data)
        except HangUpError:
            self._dead = True
            raise OSError(5, "the simulated cable was pulled") from None
        if reply:
            self._late.append((self._clock.monotonic() + self._box.faults.delay_s, reply))
        return len(data)

    def flush(self) -> None:
        """Nothing waits to be sent."""
        self._check()

    def reset_input_buffer(self) -> None:
        """Forget what was received; what is still on its way will come."""
        self._check()
        self._deliver()
        self._received.clear()

    def close(self) -> None:
        """Let go; the box does not notice, as a real one would not."""
        self._dead = True


def port_to(box: SimulatedBox, url: str = "sim") -> SerialPort:
    """Return a port whose other end is `box`, on the box's clock."""
    return SerialPort(url, clock=box.clock, connect=lambda: InProcessTransport(box))


def simulated_light(clock: Clock | None = None, model: str = DEFAULT_MODEL) -> tuple[LumencorLight, LedBox]:
    """Return a light source with its simulated box, which knows the truth; not yet open."""
    box = LedBox(model, clock=clock)
    return LumencorLight(port_to(box), light_id="sim"), box


# Over a pseudo-terminal or a socket.


@dataclass
class Server:
    """A box that is being served.

    Attributes
    ----------
    box : SimulatedBox
    path : str
        What a program opens: a pty's path or a ``socket://`` URL.
    """

    box: SimulatedBox
    path: str
    unplug: threading.Event
    """Set when the cable was pulled."""
    thread: threading.Thread | None = None

    def pull_cable(self) -> None:
        """Hang up for good; returns when the line is dead."""
        self.unplug.set()
        if self.thread is not None:
            self.thread.join(5)

    @property
    def url(self) -> str:
        """The same as `path`."""
        return self.path


def _speak(box: SimulatedBox, data: bytes, stopping: threading.Event) -> bytes:
    """Feed the box and hold its answer back for as long as its fault says."""
    reply = box.feed(data)
    if reply and box.faults.delay_s:
        stopping.wait(box.faults.delay_s)
    return reply


@contextmanager
def serve_pty(box: SimulatedBox) -> Iterator[Server]:
    """Serve `box` on a new pseudo-terminal (Linux, macOS) until the block ends.

    Yields a `Server` whose `path` any serial program can open. Raises UsageError where there are no such terminals.
    """
    if os.name != "posix":
        raise UsageError("This system has no pseudo-terminals; serve the simulated light over TCP with --tcp 7000.")
    import tty

    master, slave = os.openpty()
    # Raw before anybody opens it: else early bytes are echoed and line ends translated. The slave end stays open
    # here, else the master reads an error whenever a program closes its own.
    tty.setraw(slave)
    os.set_blocking(master, False)
    server = Server(box, os.ttyname(slave), threading.Event())
    stopping = threading.Event()

    def serve() -> None:
        try:
            while not stopping.is_set() and not server.unplug.is_set():
                ready, _, _ = select.select([master], [], [], POLL_S)
                box.tick()
                if ready:
                    reply = _speak(box, os.read(master, 4096), stopping)
                    if reply:
                        _write_what_fits(master, reply)
        except (HangUpError, OSError) as error:
            _log.info("simulated light hung up: %r", error)
        finally:
            os.close(master)
            os.close(slave)

    yield from _serving(server, serve, stopping)


def _write_what_fits(master: int, reply: bytes) -> None:
    try:
        os.write(master, reply)
    except BlockingIOError:
        _log.warning("nobody reads the simulated light's answers")  # a real line loses them too


@contextmanager
def serve_tcp(box: SimulatedBox, port: int = 0) -> Iterator[Server]:
    """Serve `box` on a TCP port of this machine (0 chooses a free one), one program at a time."""
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is in use by another program" if taken else f"cannot be served ({error.strerror})"
        raise LightError(f"The port {port} {why}: choose another port with --tcp.") from error
    listener.settimeout(POLL_S)
    server = Server(box, f"socket://127.0.0.1:{listener.getsockname()[1]}", threading.Event())
    stopping = threading.Event()

    def serve() -> None:
        with listener:
            while not stopping.is_set() and not server.unplug.is_set():
                box.tick()
                try:
                    client, _ = listener.accept()
                except TimeoutError:
                    continue
                with client:
                    if not _serve_client(server, client, stopping):
                        return

    yield from _serving(server, serve, stopping)


def _serve_client(server: Server, client: socket.socket, stopping: threading.Event) -> bool:
    """Answer one program until it leaves; False when the box hung up."""
    client.settimeout(POLL_S)
    while not stopping.is_set() and not server.unplug.is_set():
        server.box.tick()
        try:
            data = client.recv(4096)
            if not data:
                return True
            client.sendall(_speak(server.box, data, stopping))
        except TimeoutError:
            continue
        except HangUpError:
            return False
        except OSError as error:
            _log.info("program at the simulated light left: %r", error)
            return True
    return False


def _serving(server: Server, serve: Callable[[], None], stopping: threading.Event) -> Iterator[Server]:
    server.thread = thread = threading.Thread(target=serve, name="app-led-simulator", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        stopping.set()
        thread.join(5)


# The command line.


def make_box(model: str) -> SimulatedBox:
    """Return the simulated box that calls itself `model`: a Mightex SLC…, Thorlabs DC41…, CoolLED pE-…, or Lumencor."""
    name = model.removeprefix("Mightex ").removeprefix("Thorlabs ").removeprefix("CoolLED ")
    if name.startswith("SLC-"):
        return MightexBox(name)
    if name.startswith(("DC4100", "DC4104", "LEDD4")):
        return ThorlabsBox(name)
    if name.startswith("pE-"):
        return CoolLedBox(name)
    return LedBox(model)


def run_simulator(model: str = DEFAULT_MODEL, tcp: int | None = None, log: Path | None = None) -> None:
    """Serve a simulated box until SIGINT or SIGTERM; the first line on stdout is what to open.

    Parameters
    ----------
    model : str
    tcp : int, optional
        TCP port to serve on (0 chooses one) instead of a pseudo-terminal; always so where there are none.
    log : Path, optional
        Gets one JSON line a light change: ``unix_s``, ``levels`` and ``cause``. Each is on disk before the next.

    Light changes are also told on stderr. Must run on the main thread.
    """
    box = make_box(model)
    over_tcp = tcp is not None or os.name != "posix"
    stop = threading.Event()

    def stop_now(number: int, frame: FrameType | None) -> None:
        stop.set()

    with ExitStack() as stack:
        record = stack.enter_context(log.open("a", encoding="utf-8")) if log is not None else None

        def changed(unix_s: float, levels: Levels, cause: str) -> None:
            lit = ", ".join(f"{box.lines[i]} at {level:.1%}" for i, level in enumerate(levels) if level)
            if record is not None:
                record.write(json.dumps({"unix_s": unix_s, "levels": levels, "cause": cause}) + "\n")
                record.flush()
            with suppress(OSError):  # whoever read it may be gone; the box lives on
                sys.stderr.write(f"{lit or 'all dark'} ({cause})\n")
                sys.stderr.flush()

        box.on_change = changed
        before = {number: signal.signal(number, stop_now) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            server = stack.enter_context(serve_tcp(box, tcp or 0) if over_tcp else serve_pty(box))
            sys.stdout.write(f"{server.path}\n")
            sys.stdout.flush()
            while not stop.wait(0.1):
                pass
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
