"""One frame at the least dose: light on, settle, trigger, wait, light off.

The light is on only while a frame is being taken, is read back before and after the exposure, and goes off whatever
happens in between.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from app.clock import Clock
from app.errors import DapiscopeError
from app.frame import Frame, Light
from app.hardware.base import Camera, LightReading
from app.settings import CameraSettings


class Lamp(Protocol):
    """What an acquisition needs of the light: blocking, confirmed switches."""

    def on(self, channel: str, level: float) -> LightReading:
        """Shine `channel` alone and return what was read back."""
        ...

    def off(self) -> LightReading:
        """Go dark and return what was read back."""
        ...

    def read(self) -> LightReading:
        """Return what shines."""
        ...


def acquire(
    camera: Camera,
    lamp: Lamp,
    settings: CameraSettings,
    channel: str,
    level: float,
    settle_ms: float,
    clock: Clock,
    cancelled: Callable[[], bool] = lambda: False,
) -> Frame:
    """Take one frame under `channel`; the camera must be open and stopped.

    Parameters
    ----------
    camera : Camera
    lamp : Lamp
    settings : CameraSettings
        Used with software trigger.
    channel : str
    level : float
        0…1; 0 takes a dark frame.
    settle_ms : float
        Wait between the confirmed switch and the trigger.
    clock : Clock
    cancelled : callable
        Asked just before the light goes on.

    Returns
    -------
    Frame
        Its light is confirmed only when the readings before and after the exposure agree.

    Raises
    ------
    CameraError, LightError
        With the light off, or the attempt to switch it off reported.
    """
    camera.configure(settings.model_copy(update={"trigger": "software"}))
    if cancelled():
        raise DapiscopeError("The snapshot was cancelled before the light went on.")
    try:
        before = lamp.on(channel, level) if level > 0 else lamp.off()
        if cancelled():
            raise DapiscopeError("The snapshot was cancelled; the light is off again.")
        clock.sleep(settle_ms / 1000)
        triggered_s = clock.monotonic()
        frame = camera.snap()
        after = lamp.read()
    finally:
        lamp.off()
    return replace(frame, light=_agreed(before, after, frame, triggered_s, channel if level > 0 else None))


def _agreed(before: LightReading, after: LightReading, frame: Frame, triggered_s: float, channel: str | None) -> Light:
    exposure_s = (frame.exposure_ms or 0.0) / 1000 + frame.readout_ms / 1000
    level = max(before.levels, default=0.0)
    if frame.exposure_end_s < triggered_s:
        return Light(channel, level, False, "the frame is older than its trigger")
    if before.levels != after.levels:
        return Light(channel, level, False, "the light changed during the exposure")
    # No exposure begins before its trigger, whatever a camera's idea of its end.
    if before.confirmed_s > max(frame.exposure_end_s - exposure_s, triggered_s):
        return Light(channel, level, False, "the exposure began before the light was confirmed")
    return Light(channel, level, True, "")
