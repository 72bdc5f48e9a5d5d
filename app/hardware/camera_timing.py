"""When a rolling-shutter camera's rows are exposed and its frames arrive; pure arithmetic.

The figures are the daA3840-45um's: 44.9 frames a second at 3840×2160 in Mono8, 18.7 under its bandwidth limit.
"""

from collections import deque
from dataclasses import dataclass

from app.settings import CameraSettings

BYTES_PER_S = {False: 3840 * 2160 * 44.9, True: 3840 * 2160 * 18.7}
"""What crosses the bus, by `throughput_limit`; derived from the camera's published frame rates."""
SENSOR_ROW_S = 7.5e-6
"""The sensor reads a row no faster than this, however small the picture."""
TRANSFER_S = 0.001
"""From the end of the last row's exposure to the frame's arrival, beyond the readout itself."""
UNSETTLED = 2
"""Frames after a change of the exposure that may still have the old one; they are marked, see `FrameLabeller`."""
_BYTES = {"Mono8": 1.0, "Mono12": 2.0, "Mono12p": 1.5}


@dataclass(frozen=True, slots=True)
class Timing:
    """One frame's course, in seconds."""

    exposure_s: float
    row_s: float
    """From one row of the delivered image to the next."""
    rows: int
    """Rows of the delivered image."""
    readout_s: float
    """From the first row's exposure start to the last row's."""
    period_s: float
    """From one free-running frame to the next."""


def timing_of(settings: CameraSettings, width: int, height: int) -> Timing:
    """Return the timing of a region of `width`×`height` sensor pixels under `settings`."""
    payload = width * height / settings.binning**2 * _BYTES[settings.pixel_format]
    readout_s = max(height * SENSOR_ROW_S, payload / BYTES_PER_S[settings.throughput_limit])
    exposure_s = settings.exposure_ms / 1000
    asked_s = 1 / settings.fps if settings.fps else 0.0
    rows = max(height // settings.binning, 1)
    return Timing(exposure_s, readout_s / rows, rows, readout_s, max(asked_s, readout_s, exposure_s))


class StampClock:
    """Turns arrivals into ends of exposure, with the jitter of the bus and of this machine taken out.

    The camera stamps a frame at a fixed moment of its exposure, but on a clock of its own. The frames that came
    through fastest tell how the two clocks relate; every other one is only late. Without stamps (they are 0) the
    arrival itself has to do.

    Parameters
    ----------
    transfer_s : float
        The least time from the end of the exposure to the arrival.
    window : int
        Frames remembered; short enough that the clocks' drift (some 50 µs a second) does not matter.
    """

    def __init__(self, transfer_s: float = TRANSFER_S, window: int = 256) -> None:
        self._transfer_s = transfer_s
        self._offsets: deque[float] = deque(maxlen=window)
        self._changed_s, self._unsettled = 0.0, 0

    def exposure_end(self, arrival_s: float, stamp_ns: int) -> float:
        """Return the end of the last row's exposure on the clock of `arrival_s`."""
        if stamp_ns <= 0:
            return arrival_s - self._transfer_s
        stamp_s = stamp_ns * 1e-9
        if self._unsettled:
            # It may still have the old exposure: a new offset from it would be wrong for all that follow.
            end_s = stamp_s + min(self._offsets) - self._transfer_s
            self._unsettled -= end_s > self._changed_s
            if not self._unsettled:
                self._offsets.clear()
            return end_s
        self._offsets.append(arrival_s - stamp_s)
        return stamp_s + min(self._offsets) - self._transfer_s

    def exposure_changed(self, now_s: float) -> None:
        """Say that the exposure changed at `now_s`, and with it the time from stamp to arrival."""
        self._changed_s, self._unsettled = now_s, UNSETTLED if self._offsets else 0

    def reset(self) -> None:
        """Forget: the camera starts anew."""
        self._offsets.clear()
        self._unsettled = 0
