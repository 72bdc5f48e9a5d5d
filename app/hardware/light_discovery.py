"""Which light source answers at a port, and the right driver for it.

Every question asked here only identifies: none switches a lamp, changes a mode or sets a level.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.clock import Clock, SystemClock
from app.errors import LightError, UsageError
from app.hardware import coolled, lumencor, mightex, thorlabs
from app.hardware.base import LightInfo, LightReading, LightSource
from app.hardware.serial_light import BadReplyError, SerialLight
from app.hardware.serial_port import SerialPort, list_ports

_log = logging.getLogger(__name__)

ASK_S = 0.3
"""A question to an unknown device."""


@dataclass(frozen=True, slots=True)
class FoundLight:
    """A light source that answered."""

    url: str
    title: str
    driver: str
    """``lumencor``, ``mightex``, ``thorlabs`` or ``coolled``."""
    has_watchdog: bool = False


@dataclass(frozen=True, slots=True)
class _Kind:
    """How to recognise and drive one protocol."""

    driver: type[SerialLight]
    baudrate: int
    ask: Callable[[SerialPort], tuple[str, bool] | None]
    """Returns (title, has a watchdog); None when somebody else is there."""


def _ask_lumencor(port: SerialPort) -> tuple[str, bool] | None:
    port.exchange(b"\n", write_only=True)
    port.drain(quiet_s=0.05, timeout_s=0.3)

    def ask(name: str) -> str | None:
        reply = lumencor.parse(port.exchange(lumencor.encode("GET", name), timeout_s=ASK_S), name)
        return " ".join(reply.values) if reply.ok else None

    model = ask("MODEL")
    if model is None:
        return None
    return f"{model} {ask('SN') or ''}".strip(), ask("WDT") is not None


def _ask_thorlabs(port: SerialPort) -> tuple[str, bool] | None:
    port.exchange(b"\r\n", write_only=True)
    port.drain(quiet_s=0.05, timeout_s=0.3)
    name = thorlabs.text(port.exchange(thorlabs.encode("n?"), timeout_s=ASK_S))
    if not any(model in name for model in thorlabs.MODELS):
        return None
    return f"Thorlabs {name} {thorlabs.text(port.exchange(thorlabs.encode('s?'), timeout_s=ASK_S))}", False


def _ask_coolled(port: SerialPort) -> tuple[str, bool] | None:
    port.exchange(b"\r", write_only=True)
    port.drain(quiet_s=0.05, timeout_s=0.3)
    said = coolled.text(port.exchange(coolled.encode("XMODEL"), timeout_s=ASK_S))
    return (f"CoolLED {said.partition('=')[2]}", False) if said.startswith("XMODEL=") else None


def _ask_mightex(port: SerialPort) -> tuple[str, bool] | None:
    port.exchange(mightex.END, write_only=True)
    port.drain(quiet_s=0.05, timeout_s=0.3)
    port.exchange(mightex.encode("ECHOOFF"), until=mightex.REPLY_END, timeout_s=ASK_S)
    answer = port.exchange(mightex.encode("DEVICEINFO"), until=mightex.REPLY_END, timeout_s=ASK_S)
    found = mightex.device(answer)
    return f"Mightex {found.model} {found.serial}", False


KINDS: dict[str, _Kind] = {
    "lumencor": _Kind(lumencor.LumencorLight, 115200, _ask_lumencor),
    "thorlabs": _Kind(thorlabs.ThorlabsLight, thorlabs.BAUDRATE, _ask_thorlabs),
    "coolled": _Kind(coolled.CoolLedLight, coolled.BAUDRATE, _ask_coolled),
    "mightex": _Kind(mightex.MightexLight, mightex.BAUDRATE, _ask_mightex),
}
"""In the order in which an unknown device is asked."""


def identify_light(
    url: str, *, clock: Clock | None = None, boot_s: float = 0.0, kinds: tuple[str, ...] = tuple(KINDS)
) -> FoundLight | None:
    """Return which light source answers at `url`; None when none does.

    Parameters
    ----------
    url : str
        A port or pyserial URL.
    clock : Clock, optional
    boot_s : float
        Keep asking that long: opening the port resets many boards, and so it is opened once a baud rate only.
    kinds : tuple of str
        Which of `KINDS` to ask for.

    Raises LightError when the port cannot be opened, LightGoneError when it dies.
    """
    clock = clock or SystemClock()
    slow = tuple(kind for kind in kinds if KINDS[kind].baudrate < 57600)
    fast = tuple(kind for kind in kinds if kind not in slow)
    found = _ask_all(url, clock, fast, 115200, 0.0) or _ask_all(url, clock, slow, mightex.BAUDRATE, 0.0)
    return found or (_ask_all(url, clock, fast, 115200, boot_s) if boot_s else None)


def _ask_all(url: str, clock: Clock, kinds: tuple[str, ...], baudrate: int, boot_s: float) -> FoundLight | None:
    deadline_s = clock.monotonic() + boot_s
    port = SerialPort(url, baudrate=baudrate, clock=clock)
    while kinds:
        for name in kinds:
            port.open()
            try:
                answer = KINDS[name].ask(port)
            except BadReplyError as error:
                _log.debug("%s is no %s: %s", url, name, error)
                continue
            except LightError:
                port.close()
                raise
            if answer is not None:
                port.close()
                return FoundLight(url, answer[0], name, answer[1])
        if clock.monotonic() >= deadline_s:
            break
    port.close()
    return None


def identify_lights(
    clock: Clock | None = None, asks: Callable[[str, float], None] = lambda _port, _done: None
) -> tuple[FoundLight, ...]:
    """Return the light sources at this machine's serial ports; lights nothing, and skips ports in use.

    `asks` is told each port before it is opened, and how many of them are done, 0…1; what it raises ends the search.
    """
    found = []
    # The others are sockets on the main board with nothing known behind them.
    ports = [port for port in list_ports() if port.hardware_id not in ("", "n/a")]
    for number, port in enumerate(ports):
        asks(port.device, number / len(ports))
        try:
            light = identify_light(port.device, clock=clock, boot_s=1.0)
        except LightError as error:
            _log.info("%s: %s", port.device, error)
            continue
        if light is not None:
            found.append(light)
    return tuple(found)


def split_url(url: str) -> tuple[str | None, str]:
    """Return (driver, port) of ``mightex:/dev/ttyUSB0``; the driver is None where the text names none."""
    name, colon, rest = url.partition(":")
    return (name, rest) if colon and name in KINDS else (None, url)


def driver_at(kind: str, url: str, *, clock: Clock | None = None, light_id: str | None = None) -> SerialLight:
    """Return the driver `kind` for the port `url`, not yet open. Raises UsageError for an unknown kind."""
    if kind not in KINDS:
        raise UsageError(f"There is no light driver {kind!r}; choose one of {', '.join(KINDS)}.")
    port = SerialPort(url, baudrate=KINDS[kind].baudrate, clock=clock)
    return KINDS[kind].driver(port, light_id=light_id or url)


class DiscoveredLight(LightSource):
    """A light source that is identified when it is opened, and driven by its own driver from then on.

    Parameters
    ----------
    url : str
        A port or URL, with the driver's name and a colon in front to force one.
    clock : Clock, optional
    guard : bool
        Hold a light source without a watchdog through a guardian process, which switches off when this one dies.
    """

    def __init__(self, url: str, *, clock: Clock | None = None, guard: bool = True) -> None:
        self._url, self._clock, self._guard = url, clock, guard
        self._light: LightSource | None = None

    @property
    def info(self) -> LightInfo:
        """Who the light source is; known once open."""
        return self._open_light().info

    def _open_light(self) -> LightSource:
        if self._light is None:
            raise LightError(f"The light source at {self._url} is not open; open it first.")
        return self._light

    def open(self) -> None:
        """Find out who is there, then open it; see `LightSource.open`."""
        if self._light is None:
            self._light = self._choose()
        try:
            self._light.open()
        except BaseException:
            self._light = None
            raise

    def _choose(self) -> LightSource:
        forced, port = split_url(self._url)
        if forced is None or forced == "lumencor":
            kinds = tuple(KINDS) if forced is None else (forced,)
            found = identify_light(port, clock=self._clock, boot_s=lumencor.BOOT_S, kinds=kinds)
            if found is None:
                raise LightError(
                    f"No light source that dapiscope knows answers at {port}; check the port, the cable and the power."
                )
            forced, watchdog = found.driver, found.has_watchdog
        else:
            watchdog = False
        if watchdog or not self._guard:
            return driver_at(forced, port, clock=self._clock, light_id=self._url)
        from app.hardware.guardian import GuardedLight

        return GuardedLight(forced, port, clock=self._clock, light_id=self._url)

    def set(self, line: int | None, level: float = 0.0) -> LightReading:
        """Make one line shine and every other dark; see `LightSource.set`."""
        return self._open_light().set(line, level)

    def off(self) -> LightReading:
        """Make everything dark and confirm it."""
        return self._open_light().off()

    def read(self) -> LightReading:
        """Ask the box what shines now."""
        return self._open_light().read()

    def set_watchdog(self, timeout_ms: int) -> bool:
        """Have the box, or else the guardian, switch off after a silence; True when the box itself does."""
        return self._open_light().set_watchdog(timeout_ms)

    def close(self) -> None:
        """Switch off, confirm, release the port; idempotent; never raises."""
        light, self._light = self._light, None
        if light is not None:
            light.close()


def light_at(url: str, *, clock: Clock | None = None) -> LightSource:
    """Return the light source at a port or pyserial URL, not yet open; it is identified when it is opened."""
    return DiscoveredLight(url, clock=clock)
