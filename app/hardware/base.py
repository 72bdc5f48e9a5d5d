"""The two contracts of the microscope: `Camera` and `LightSource`.

What every implementation keeps, and `tests/test_*_contract.py` checks over each:

* `open`, `stop` and `close` are idempotent; `close` never raises and leaves the part safe (light off, camera idle).
* A value outside the limits raises and changes nothing. Nothing is ever clipped in silence.
* Settings that come back are those *read back*, not those asked for.
* A simulator is chosen by name, says `simulated` in its info, and can fail on command like the real thing.
* Methods may be called from any one thread at a time; the session calls them from its device worker only.
  Frames arrive on the camera's own thread.
* A part knows nothing of Qt, files, models or of other parts.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from app.frame import EndSink, Frame, FrameSink
from app.settings import CameraSettings


@dataclass(frozen=True, slots=True)
class CameraInfo:
    """Who the camera is; `id` is what ``--camera`` takes."""

    id: str
    vendor: str
    model: str
    serial: str
    simulated: bool
    pixel_um: float
    """Sensor pixel pitch in µm."""

    @property
    def title(self) -> str:
        """Return one line for people and files; a simulation says so."""
        text = f"{self.vendor} {self.model} {self.serial}".strip()
        return f"{text} (simulated)" if self.simulated and "simul" not in text.lower() else text


@dataclass(frozen=True, slots=True)
class CameraLimits:
    """What the camera accepts now, as (least, most); pixels are of the sensor before binning."""

    exposure_ms: tuple[float, float]
    gain_db: tuple[float, float]
    fps: tuple[float, float]
    width: tuple[int, int]
    height: tuple[int, int]
    roi_step: tuple[int, int]
    pixel_formats: tuple[str, ...]
    binnings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CameraStats:
    """Counters since `start`."""

    grabbed: int = 0
    """Good frames delivered to the sink."""
    lost: int = 0
    """Frames the camera made and the sink never saw: failed buffers and gaps in its numbering."""
    failed: int = 0
    """The part of `lost` that arrived damaged."""


class Camera(ABC):
    """A source of frames that can be configured and triggered. It is also a `FrameSource`."""

    @property
    @abstractmethod
    def info(self) -> CameraInfo:
        """Known from construction on, before `open`."""

    @property
    @abstractmethod
    def limits(self) -> CameraLimits:
        """Read from the open camera."""

    @property
    @abstractmethod
    def settings(self) -> CameraSettings:
        """What is in force, read back."""

    @property
    @abstractmethod
    def readout_ms(self) -> float:
        """Time from the first row's exposure start to the last row's, under the settings in force."""

    @abstractmethod
    def open(self) -> None:
        """Claim the camera. Raises CameraError with the remedy when there is none or it is in use."""

    @abstractmethod
    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Apply `settings` and return what was read back.

        While running only exposure, gain and frame rate may differ from those in force; anything else raises
        CameraError. Out-of-range values raise CameraError and change nothing.
        """

    @abstractmethod
    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Deliver frames to `sink` on the camera's thread until `stop`; see `app.frame.FrameSource`.

        With ``settings.trigger == "software"`` each `trigger` makes one frame; otherwise the camera runs free.
        `Frame.light` is left unknown: the camera cannot know it.
        """

    @abstractmethod
    def trigger(self) -> None:
        """Expose one frame. Raises CameraError unless started in software-trigger mode; waits until ready."""

    @abstractmethod
    def stop(self) -> None:
        """Stop delivering; idempotent; returns when the thread is gone. Counters stay readable."""

    @abstractmethod
    def stats(self) -> CameraStats:
        """Counters since the last `start`; callable from any thread."""

    @abstractmethod
    def close(self) -> None:
        """Stop and release the camera; idempotent; never raises."""

    def snap(self, timeout_s: float = 10.0) -> Frame:
        """Return one software-triggered frame; the camera must be open, stopped and set to software trigger.

        Raises CameraError when no good frame came within `timeout_s` beyond the exposure itself.
        """
        from app.hardware.snapping import snap_one

        return snap_one(self, timeout_s)

    def __enter__(self) -> Self:
        """Open."""
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


@dataclass(frozen=True, slots=True)
class LightInfo:
    """Who the light source is."""

    id: str
    """What ``--light`` takes."""
    model: str
    serial: str
    firmware: str
    lines: int
    """Number of LEDs."""
    line_names: tuple[str, ...]
    """Names as the box gives them, in line order."""
    has_watchdog: bool
    """True when the box goes dark by itself after a silence."""
    simulated: bool

    @property
    def title(self) -> str:
        """Return one line for people and files; a simulation says so."""
        text = f"{self.model} {self.serial}".strip()
        return f"{text} (simulated)" if self.simulated and "simul" not in text.lower() else text


@dataclass(frozen=True, slots=True)
class LightReading:
    """What the box said its LEDs do; never what it was asked.

    Attributes
    ----------
    levels : tuple of float
        Per line 0…1, 0 is off; as read back (the *actual* state where the box can tell it).
    asked_s : float
        Monotonic moment just before the first byte of the command (or of the reading) left.
    confirmed_s : float
        Monotonic moment at which the read-back had arrived. Between the two the light is in transition.
    faults : tuple of str
        Interlock, over-temperature…, in plain words; empty when all is well.
    """

    levels: tuple[float, ...]
    asked_s: float
    confirmed_s: float
    faults: tuple[str, ...] = ()

    @property
    def dark(self) -> bool:
        """True when every line reads off."""
        return not any(self.levels)


class LightSource(ABC):
    """LEDs of which at most one shines at a time.

    *Off means off*: `open`, `close`, any error and the end of the program leave every line off and read that back.
    When "off" cannot be confirmed after repeated tries, LightStuckError (or LightGoneError for a dead port) says so.
    """

    @property
    @abstractmethod
    def info(self) -> LightInfo:
        """Known once open."""

    @abstractmethod
    def open(self) -> None:
        """Claim the port, identify the box, switch everything off and read that back."""

    @abstractmethod
    def set(self, line: int | None, level: float = 0.0) -> LightReading:
        """Make `line` shine at `level` (0 < level ≤ 1) and every other line dark; None is all dark.

        Returns what was read back. Raises LightRangeError, and changes nothing, for a line or level that does not
        exist; LightError when the box refuses (interlock, supply limit) or reads back something else: then
        everything has been switched off. LightGoneError when the port died.
        """

    def off(self) -> LightReading:
        """Make everything dark and confirm it; tries again before it gives up with LightStuckError."""
        return self.set(None)

    @abstractmethod
    def read(self) -> LightReading:
        """Ask the box what shines now; changes nothing. Also feeds its watchdog."""

    @abstractmethod
    def set_watchdog(self, timeout_ms: int) -> bool:
        """Have the box go dark after `timeout_ms` without a command; 0 disables. False when it has no watchdog."""

    @abstractmethod
    def close(self) -> None:
        """Switch off, confirm, release the port; idempotent; never raises, but logs at CRITICAL if not confirmed."""

    def __enter__(self) -> Self:
        """Open."""
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
