"""The only importer of pyserial: one exchange, one lock, one deadline, and every way a port dies as one error.

A port dies in many ways: pyserial's own exception, a plain OSError from `in_waiting`, a termios error from `flush`, a
TypeError when it is closed during a read. All of them become `LightGoneError` here, and nowhere else.
"""

import errno
import logging
import os
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import serial
import serial.tools.list_ports

from app.clock import Clock, SystemClock
from app.errors import LightError, LightGoneError

_log = logging.getLogger(__name__)

try:
    import termios

    _TERMINAL_ERRORS: tuple[type[Exception], ...] = (termios.error,)
except ImportError:  # Windows has none
    _TERMINAL_ERRORS = ()

PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError, TypeError, *_TERMINAL_ERRORS)
"""Whatever a dead or dying port raises; a TypeError comes from a close during a read."""

OPEN_ERRORS: tuple[type[Exception], ...] = (*PORT_ERRORS, ValueError, re.error)
"""The same, and what pyserial says to a malformed URL, or to a pattern in one."""

READ_SLICE_S = 0.02
"""A single read waits no longer than this, so that the overall deadline is kept."""

MAX_REPLY = 4096
"""Bytes; a longer answer without an end is noise."""


class Transport(Protocol):
    """What is needed of a port; pyserial's classes have it, and so has a box in the same process."""

    @property
    def in_waiting(self) -> int:
        """Bytes that can be read without waiting."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes, waiting at most `READ_SLICE_S`."""
        ...

    def write(self, data: bytes, /) -> Any:
        """Send `data`."""
        ...

    def flush(self) -> None:
        """Wait until everything is sent."""
        ...

    def reset_input_buffer(self) -> None:
        """Forget what was received and not read."""
        ...

    def close(self) -> None:
        """Release the port."""
        ...


@dataclass(frozen=True, slots=True)
class PortInfo:
    """A serial port of this machine."""

    device: str
    description: str
    hardware_id: str


def list_ports() -> tuple[PortInfo, ...]:
    """Return the serial ports of this machine, in name order; nothing is opened."""
    ports = [PortInfo(port.device, port.description, port.hwid) for port in serial.tools.list_ports.comports()]
    return tuple(sorted(ports, key=lambda port: port.device))


class SerialPort:
    """A serial line on which a command is written and an answer is read.

    Parameters
    ----------
    url : str
        A device (``/dev/ttyACM0``, ``COM3``) or a pyserial URL (``socket://127.0.0.1:7000``).
    baudrate : int
        Bits a second; 8 data bits, no parity, one stop bit, no flow control.
    clock : Clock, optional
        The machine's own by default.
    connect : callable, optional
        Makes the `Transport` instead of pyserial; for a box in the same process.
    """

    def __init__(
        self,
        url: str,
        *,
        baudrate: int = 115200,
        clock: Clock | None = None,
        connect: Callable[[], Transport] | None = None,
    ) -> None:
        self.url = url
        self.clock: Clock = clock or SystemClock()
        self._baudrate = baudrate
        self._connect = connect or self._open_pyserial
        self._lock = threading.RLock()
        self._transport: Transport | None = None
        self._rest = bytearray()  # received behind the end of an answer

    @property
    def is_open(self) -> bool:
        """True from `open` until `close` or the death of the port."""
        return self._transport is not None

    def open(self) -> None:
        """Claim the port for this program alone; idempotent. Raises LightError with the remedy."""
        with self._lock:
            if self._transport is not None:
                return
            try:
                self._transport = self._connect()
            except OPEN_ERRORS as error:
                raise LightError(_why_not_open(self.url, error)) from error

    def _open_pyserial(self) -> Transport:
        options: dict[str, Any] = {"baudrate": self._baudrate, "timeout": READ_SLICE_S, "write_timeout": 0.25}
        if os.name == "posix":
            options["exclusive"] = True  # Windows ports always are, and refuse the keyword
        port: Transport = serial.serial_for_url(self.url, **options)
        return port

    def exchange(
        self, command: bytes, *, until: bytes = b"\n", timeout_s: float = 0.3, write_only: bool = False
    ) -> bytes:
        r"""Forget old input, send `command` and return the answer.

        Parameters
        ----------
        command : bytes
            Sent as it is, terminator included.
        until : bytes
            The end of an answer.
        timeout_s : float
            For the whole exchange, in seconds.
        write_only : bool
            Do not wait for an answer.

        Returns
        -------
        bytes
            Up to and including `until`; shorter, possibly empty, when the time ran out.

        Raises
        ------
        LightGoneError
            The port died or was never opened.
        """
        with self._lock:
            port = self._need()
            try:
                port.reset_input_buffer()
                self._rest.clear()
                port.write(command)
                return b"" if write_only else self._read_until(port, until, timeout_s)
            except PORT_ERRORS as error:
                raise self._gone(error) from error

    def read_line(self, *, until: bytes = b"\n", timeout_s: float = 0.3) -> bytes:
        """Return one more line without sending anything; shorter, possibly empty, when the time ran out."""
        with self._lock:
            port = self._need()
            try:
                return self._read_until(port, until, timeout_s)
            except PORT_ERRORS as error:
                raise self._gone(error) from error

    def drain(self, *, quiet_s: float = 0.05, timeout_s: float = 1.0) -> bytes:
        """Read until the line has been quiet for `quiet_s`, at most for `timeout_s`, and return what came."""
        with self._lock:
            port = self._need()
            got, self._rest = self._rest, bytearray()
            try:
                now_s = self.clock.monotonic()
                end_s, quiet_at_s = now_s + timeout_s, now_s + quiet_s
                while now_s < min(end_s, quiet_at_s):
                    chunk = port.read(max(1, port.in_waiting))
                    now_s = self.clock.monotonic()
                    if chunk:
                        got += chunk[: max(0, MAX_REPLY - len(got))]
                        quiet_at_s = now_s + quiet_s
            except PORT_ERRORS as error:
                raise self._gone(error) from error
            return bytes(got)

    def _read_until(self, port: Transport, until: bytes, timeout_s: float) -> bytes:
        # The port's own read_until waits per byte: a byte every 150 ms would hold it for seconds.
        deadline_s = self.clock.monotonic() + timeout_s
        got, self._rest = self._rest, bytearray()
        while True:
            end = got.find(until)
            if end >= 0:
                self._rest = got[end + len(until) :]
                return bytes(got[: end + len(until)])
            # On a busy machine the time may run out while the answer already lies there: then it still counts.
            late = self.clock.monotonic() >= deadline_s
            if len(got) >= MAX_REPLY or (late and not port.in_waiting):
                return bytes(got)
            got += port.read(max(1, port.in_waiting))

    def _need(self) -> Transport:
        if self._transport is None:
            raise LightGoneError(f"The light source at {self.url} is not connected; connect it and open it again.")
        return self._transport

    def _gone(self, error: Exception) -> LightGoneError:
        self.close()
        _log.warning("port %s died: %r", self.url, error)
        return LightGoneError(
            f"The light source at {self.url} is gone ({_reason(error)}); check its cable and power, and that its light"
            " is off, then connect again."
        )

    def close(self) -> None:
        """Release the port; idempotent; never raises."""
        with self._lock:
            port, self._transport = self._transport, None
            self._rest.clear()
            if port is not None:
                # pyserial forgets to close a socket whose other end is gone.
                behind = getattr(port, "_socket", None)
                try:
                    port.close()
                    if behind is not None:
                        behind.close()
                except PORT_ERRORS as error:
                    _log.debug("closing %s: %r", self.url, error)


def _reason(error: Exception) -> str:
    text = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return " ".join(text.split()).rstrip(".")[:120] or type(error).__name__


def _why_not_open(url: str, error: Exception) -> str:
    code, text = getattr(error, "errno", None), str(error)
    if code == errno.ENOENT or "FileNotFoundError" in text:
        known = ", ".join(port.device for port in list_ports()) or "none"
        return f"There is no port {url}; plug the light source in or choose another port (this machine has: {known})."
    if code in (errno.EAGAIN, errno.EBUSY, errno.EWOULDBLOCK):
        return f"The port {url} is in use by another program; close that program and try again."
    if code in (errno.EACCES, errno.EPERM) or "PermissionError" in text:
        return (
            f"The port {url} may not be opened by this user, or another program has it; close that program, and on"
            " Linux add yourself to the group 'dialout'."
        )
    if code == errno.ECONNREFUSED or "refused" in text:
        return f"Nothing listens at {url}; start the light source or its simulator there and try again."
    return f"The port {url} could not be opened ({_reason(error)}); check its name and the cable."
