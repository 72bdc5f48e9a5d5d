"""What light a frame really had: rolling-shutter arithmetic, and the confirmed history of the light source.

A rolling shutter exposes its rows one after the other: they share light only for ``exposure − readout``. So a frame
is labelled with a light only when the box read that light back before the first row opened, nothing was commanded
and no reading disagreed until the last row closed. Everything here is pure: moments go in, labels come out.
"""

import math
import threading
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.frame import Frame, Light
from app.hardware.base import LightReading
from app.settings import Channel, LightSettings

HISTORY = 4096
"""Readings remembered; at four a second, a quarter of an hour."""


BY_ITSELF = "light changed by itself"


def common_window_ms(exposure_ms: float, readout_ms: float) -> float:
    """Return how long all rows are exposed together, in ms; 0 when they never are.

    Parameters
    ----------
    exposure_ms : float
        Exposure of one row.
    readout_ms : float
        From the first row's exposure start to the last row's; 0 for a global shutter.
    """
    return max(0.0, exposure_ms - readout_ms)


def exposure_interval(end_s: float, exposure_ms: float, readout_ms: float) -> tuple[float, float]:
    """Return (start, end) in seconds: first row opens, last row closes.

    Parameters
    ----------
    end_s : float
        End of the exposure of the last row.
    exposure_ms, readout_ms : float
        As in `common_window_ms`.
    """
    return end_s - (exposure_ms + readout_ms) / 1000, end_s


def frames_spoilt(exposure_ms: float, readout_ms: float, period_ms: float) -> int:
    """Return the most free-running frames that one instantaneous switch can overlap.

    Parameters
    ----------
    exposure_ms, readout_ms : float
    period_ms : float
        From one frame to the next.
    """
    return math.floor((exposure_ms + readout_ms) / period_ms) + 1


def switch_warning(exposure_ms: float, readout_ms: float) -> str:
    """Return one sentence when the exposure is too short for a light that switches between rows; else an empty text."""
    if readout_ms <= 0 or common_window_ms(exposure_ms, readout_ms) > 0:
        return ""
    return (
        f"At {exposure_ms:g} ms no moment is shared by all rows (the sensor reads out for {readout_ms:.3g} ms): frames"
        f" at a light change are thrown away; expose longer than {readout_ms:.3g} ms for a clean switch."
    )


@dataclass(frozen=True, slots=True)
class _Unsure:
    """The light was not known from `start_s` to `end_s` (infinity: still not)."""

    start_s: float
    end_s: float
    reason: str


class LightTimeline:
    """The confirmed history of a light source; thread-safe, of bounded memory.

    Parameters
    ----------
    channels : sequence of Channel
        Names the box's lines.
    max_age_s : float
        A reading older than this at the end of an exposure confirms nothing: the box may have gone dark by itself.
    settle_s : float
        Light that was read back needs that long to be steady.
    """

    def __init__(self, channels: Sequence[Channel], *, max_age_s: float = 1.0, settle_s: float = 0.0) -> None:
        self._names = {channel.line: channel.name for channel in channels}
        self._max_age_s, self._settle_s = max_age_s, settle_s
        self._lock = threading.Lock()
        self._readings: deque[LightReading] = deque(maxlen=HISTORY)
        # Every closed entry was closed by a reading, so the readings remembered always reach as far back.
        self._unsure: deque[_Unsure] = deque(maxlen=HISTORY)

    def begin_change(self, now_s: float) -> None:
        """Say that a command is about to leave; from `now_s` on nothing is confirmed until `record`."""
        self._open(now_s, "light was switching")

    def lost(self, now_s: float, reason: str) -> None:
        """Say that the light is not known any more, e.g. after an error, since the last reading; until the next."""
        last = self.last_reading
        self._open(now_s if last is None else min(now_s, last.confirmed_s), reason)

    def _open(self, now_s: float, reason: str) -> None:
        with self._lock:
            if self._unsure and math.isinf(self._unsure[-1].end_s):
                last = self._unsure.pop()
                now_s = min(now_s, last.start_s)
            self._unsure.append(_Unsure(now_s, math.inf, reason))

    def record(self, reading: LightReading) -> None:
        """Take in what the box said; readings that are older than what is known change nothing."""
        with self._lock:
            last = self._readings[-1] if self._readings else None
            if last is not None and reading.confirmed_s < last.confirmed_s:
                return
            steady_s = reading.confirmed_s + self._settle_s
            unsure = self._unsure[-1] if self._unsure else None
            if unsure is not None and math.isinf(unsure.end_s):
                if reading.asked_s < unsure.start_s:
                    return  # it was asked before the command left, and says nothing about what came of it
                self._unsure[-1] = replace(unsure, end_s=steady_s)
            elif last is None:
                self._unsure.append(_Unsure(-math.inf, steady_s, "light was not read yet"))
            elif reading.levels != last.levels:
                self._unsure.append(_Unsure(last.asked_s, steady_s, BY_ITSELF))
            self._readings.append(reading)

    @property
    def last_reading(self) -> LightReading | None:
        """The newest reading; None before the first."""
        with self._lock:
            return self._readings[-1] if self._readings else None

    def change_before(self, time_s: float) -> float:
        """Return when the newest change that was over by `time_s` ended; minus infinity for none."""
        with self._lock:
            for unsure in reversed(self._unsure):
                if unsure.end_s <= time_s:
                    return unsure.end_s if math.isfinite(unsure.start_s) else -math.inf  # the first reading is none
            return -math.inf

    def light_during(self, start_s: float, end_s: float, *, need_after: bool = False) -> Light:
        """Return the light that was confirmed for all of ``start_s`` … ``end_s``.

        Parameters
        ----------
        start_s, end_s : float
            First row opens, last row closes; monotonic seconds.
        need_after : bool
            Demand a reading that was asked for after `end_s`. Without it a box that goes dark by itself (watchdog,
            interlock) can be noticed up to `max_age_s` late.

        Returns
        -------
        Light
            Unconfirmed, without a channel and with the reason, whenever anything is in doubt.
        """
        with self._lock:
            base: LightReading | None = None
            after: LightReading | None = None
            for reading in reversed(self._readings):
                if reading.asked_s >= end_s:
                    after = reading
                elif reading.confirmed_s <= start_s:
                    base = reading
                    break
            if reason := self._doubt(start_s, end_s):
                return Light(reason=reason)
            if base is None:
                return Light(reason="light was not read before the exposure")
            if after is None and need_after:
                return Light(reason="light was not read after the exposure")
            if after is None and end_s - self._readings[-1].confirmed_s > self._max_age_s:
                return Light(reason="light was not read back lately")
            return self._name(base.levels)

    def doubt(self, light: Light, start_s: float, end_s: float) -> str:
        """Return what speaks by now against `light`, confirmed for ``start_s`` … ``end_s``; empty for nothing.

        A frame is labelled before the next reading comes, and only that tells of a box that went dark by itself.
        """
        with self._lock:
            if reason := self._doubt(start_s, end_s):
                return reason
            # A long recording asks this for every frame of it.
            place = bisect_right(self._readings, start_s, key=lambda reading: reading.confirmed_s)
            return "" if not place or self._name(self._readings[place - 1].levels) == light else BY_ITSELF

    def _doubt(self, start_s: float, end_s: float) -> str:
        for unsure in reversed(self._unsure):
            if unsure.start_s < end_s and unsure.end_s > start_s:
                return unsure.reason
            if unsure.end_s <= start_s:
                break
        return ""

    def _name(self, levels: tuple[float, ...]) -> Light:
        lit = [(line, level) for line, level in enumerate(levels) if level > 0]
        if not lit:
            return Light(None, 0.0, True, "")
        if len(lit) > 1:
            return Light(reason="more than one light was on")
        line, level = lit[0]
        if line not in self._names:
            return Light(reason=f"line {line} was on, which is no channel")
        return Light(self._names[line], level, True, "")


class FrameLabeller:
    """Writes the confirmed light into frames, in the order in which they come.

    Parameters
    ----------
    timeline : LightTimeline
    settings : LightSettings
        For the skip counts.
    free_run : bool
        In free run the frames right after a change of light, gain or exposure are marked, as the camera applies
        changes late; with a trigger every exposure begins after the change.
    margin_s : float
        Uncertainty of a frame's moments; the exposure is taken to be that much longer at both ends.
    """

    def __init__(
        self, timeline: LightTimeline, settings: LightSettings, *, free_run: bool = True, margin_s: float = 0.0
    ) -> None:
        self.timeline, self.free_run, self._margin_s = timeline, free_run, margin_s
        self._counts = {
            "light": settings.skip_after_light,
            "gain": settings.skip_after_gain,
            "exposure": settings.skip_after_exposure,
        }
        self._lock = threading.Lock()
        self._pending: dict[str, float] = {}  # kind: when it changed, until a frame has seen it
        self._left = dict.fromkeys(self._counts, 0)
        self._seen_change_s = -math.inf

    def changed_gain(self, at_s: float) -> None:
        """Say when the gain had changed; infinity while it changes: every frame is marked until it is said again."""
        with self._lock:
            self._pending["gain"] = at_s

    def changed_exposure(self, at_s: float) -> None:
        """Say when the exposure time had changed; as `changed_gain`."""
        with self._lock:
            self._pending["exposure"] = at_s

    def label(self, frame: Frame) -> Frame:
        """Return `frame` with its confirmed light; a frame without an exposure time comes back as it is."""
        if frame.exposure_ms is None:
            return frame
        start_s, end_s = exposure_interval(frame.exposure_end_s, frame.exposure_ms, frame.readout_ms)
        skipped = self._skip(end_s)
        if skipped and self.free_run:
            return replace(frame, light=Light(reason=f"{skipped} had just changed"))
        return replace(frame, light=self.timeline.light_during(start_s - self._margin_s, end_s + self._margin_s))

    def review(self, light: Light, end_s: float, exposure_ms: float | None, readout_ms: float) -> Light:
        """Return `light`, with which a frame was labelled, or what has to be said instead by what was read since."""
        if not light.confirmed or exposure_ms is None:
            return light
        start_s, end_s = exposure_interval(end_s, exposure_ms, readout_ms)
        reason = self.timeline.doubt(light, start_s - self._margin_s, end_s + self._margin_s)
        return Light(reason=reason) if reason else light

    def _skip(self, end_s: float) -> str:
        """Count this frame; return what changed just before it, or an empty text."""
        changed_s = self.timeline.change_before(end_s)
        found = ""
        with self._lock:
            if changed_s > self._seen_change_s:
                self._seen_change_s = changed_s
                self._left["light"] = self._counts["light"]
            for kind, at_s in list(self._pending.items()):
                if end_s > at_s:
                    del self._pending[kind]
                    self._left[kind] = self._counts[kind]
                elif self._counts[kind]:
                    found = kind  # exposed before the change and delivered after it: it says what it did not have
            for kind, left in self._left.items():
                if left:
                    self._left[kind] = left - 1
                    found = kind
            return found
