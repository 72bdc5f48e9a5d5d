"""How much light each channel gave to the field in view, and when the field is another one.

Pure: readings and moments go in, seconds come out. A dose is light time × intensity, told in seconds at full power.
What is not known counts as lit: from the moment a light is asked for until the box said that it is off.
"""

import json
import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.hardware.base import LightReading
from app.settings import Channel


@dataclass(frozen=True, slots=True)
class ChannelDose:
    """What one channel gave to the present field.

    Attributes
    ----------
    lit_s : float
        Seconds with the light on.
    dose_s : float
        Seconds at full power that would give the same light.
    """

    lit_s: float = 0.0
    dose_s: float = 0.0


class DoseLedger:
    """Adds up the light on the present field; thread-safe.

    Parameters
    ----------
    channels : sequence of Channel
        Names the box's lines; a line that is no channel is told as ``"line N"``.
    budget_s : float or None
        Seconds at full power that a channel may give to one field before `crossed` tells of it.
    """

    def __init__(self, channels: Sequence[Channel], budget_s: float | None = None) -> None:
        self.budget_s = budget_s
        self.unseen_s = math.inf
        """A light that nobody read back cannot have shone longer than that: the box's watchdog, where it has one."""
        self._names = {channel.line: channel.name for channel in channels}
        self._lock = threading.Lock()
        self._last: LightReading | None = None
        self._lit_s: dict[int, float] = {}
        self._dose_s: dict[int, float] = {}
        self._told: set[int] = set()
        self._field = 1

    @property
    def field(self) -> int:
        """Number of the present field, from 1."""
        return self._field

    def take(self, reading: LightReading) -> None:
        """Take in what the box said; readings older than the last one change nothing."""
        with self._lock:
            last = self._last
            if last is not None:
                if reading.confirmed_s < last.confirmed_s:
                    return
                asked_s = max(reading.asked_s, last.confirmed_s)
                self._add(last.levels, min(asked_s - last.confirmed_s, self.unseen_s))
                # Somewhere between the question and the answer it changed, if it did: the brighter one counts.
                pairs = zip(last.levels, reading.levels, strict=False)
                self._add(tuple(max(pair) for pair in pairs), reading.confirmed_s - asked_s)
            else:
                self._add(reading.levels, reading.confirmed_s - reading.asked_s)
            self._last = reading

    def totals(self, now_s: float) -> dict[str, ChannelDose]:
        """Return the dose of every channel that shone on this field, up to `now_s`."""
        with self._lock:
            lit, dose = dict(self._lit_s), dict(self._dose_s)
            if self._last is not None:
                _add(lit, dose, self._last.levels, self._unread_s(now_s))
        return {self._name(line): ChannelDose(lit[line], dose[line]) for line in sorted(lit)}

    def crossed(self, now_s: float) -> tuple[str, ...]:
        """Return the channels whose dose passed the budget since this was last asked; each is told once a field."""
        if self.budget_s is None:
            return ()
        totals = self.totals(now_s)
        with self._lock:
            over = {name for name, total in totals.items() if total.dose_s > self.budget_s}
            fresh = tuple(sorted(over - {self._name(line) for line in self._told}))
            self._told |= {line for line in self._dose_s if self._name(line) in over}
            return fresh

    def new_field(self, now_s: float) -> None:
        """Begin at zero: another field is in view from `now_s` on, and what shines now has shone since then."""
        with self._lock:
            self._lit_s, self._dose_s, self._told = {}, {}, set()
            self._field += 1
            if self._last is not None:
                self._last = LightReading(self._last.levels, now_s, now_s)

    def as_notes(self, now_s: float) -> dict[str, object]:
        """Return plain JSON types for files: field, budget, and seconds by channel."""
        totals = self.totals(now_s)
        return {
            "field": self._field,
            "budget_s": self.budget_s,
            "channels": {
                name: {"lit_s": round(total.lit_s, 4), "dose_s": round(total.dose_s, 4)}
                for name, total in totals.items()
            },
        }

    def _add(self, levels: Sequence[float], seconds: float) -> None:
        _add(self._lit_s, self._dose_s, levels, seconds)

    def _unread_s(self, now_s: float) -> float:
        return min(max(0.0, now_s - self._last.confirmed_s), self.unseen_s) if self._last is not None else 0.0

    def _name(self, line: int) -> str:
        return self._names.get(line, f"line {line}")


def _add(lit: dict[int, float], dose: dict[int, float], levels: Sequence[float], seconds: float) -> None:
    for line, level in enumerate(levels):
        if level > 0 and seconds > 0:
            lit[line] = lit.get(line, 0.0) + seconds
            dose[line] = dose.get(line, 0.0) + level * seconds


def budget_warning(channel: str, totals: Mapping[str, ChannelDose], budget_s: float) -> str:
    """Return the sentence for a channel that passed its budget."""
    return (
        f"This field has had {totals[channel].dose_s:.0f} s of {channel} at full power, more than its budget of"
        f" {budget_s:g} s; move on to a new field or use less light."
    )


# Whether it is still the same field.

LOOK_PX = 128
"""Pictures are compared at this width."""

MOVED = 0.5
"""A field is another one when less than this part of it is left in view."""

SAME, OTHER = 0.5, 0.25
"""Correlations: above, two pictures show the same; below, they do not."""


class FieldWatch:
    """Notices that the stage was moved, from a picture now and then; not thread-safe.

    A new field is told only when the picture is unlike the one the field began with, wherever that is shifted by less
    than half a field, and when two pictures in a row agree about it: neither noise, a passing shadow, focusing nor a
    slow drift may set a dose to zero.
    """

    def __init__(self) -> None:
        self._channel: str | None = None
        self._first: NDArray[np.float32] | None = None
        self._before: NDArray[np.float32] | None = None

    def look(self, pixels: NDArray[np.uint8] | NDArray[np.uint16], channel: str) -> bool:
        """Return True when `pixels`, shape (H, W), lit by `channel`, show another field than before."""
        small = _shrink(pixels)
        if self._first is None or channel != self._channel or small.shape != self._first.shape:
            self._channel, self._first, self._before = channel, small, small
            return False
        before, self._before = self._before, small
        settled = before is not None and _likeness(before, small) > SAME
        if not settled or _likeness(self._first, small) > OTHER or _share_in_view(self._first, small) > MOVED:
            return False
        self._first = small
        return True


def _shrink(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    height, width = pixels.shape
    size = (LOOK_PX, max(8, round(LOOK_PX * height / width)))
    step = max(1, width // (4 * LOOK_PX))
    small = cv2.resize(np.ascontiguousarray(pixels[::step, ::step]), size, interpolation=cv2.INTER_AREA).astype(
        np.float32
    )
    # Without the uneven light, which stays where it is when the stage moves.
    flat: NDArray[np.float32] = small - cv2.GaussianBlur(small, (0, 0), LOOK_PX / 8)
    return flat


def _likeness(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    norm = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.sum(one * other)) / norm if norm > 0 else 1.0


def _share_in_view(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Return the part of `one` that `other` still shows, 0…1, where `other` is a shifted view of it; else 0."""
    height, width = one.shape
    (dx, dy), _ = cv2.phaseCorrelate(one, other, cv2.createHanningWindow((width, height), cv2.CV_32F))
    moved = _likeness(_cut(one, -round(dx), -round(dy)), _cut(other, round(dx), round(dy)))
    share = (1 - min(abs(dx) / width, 1.0)) * (1 - min(abs(dy) / height, 1.0))
    return share if moved > SAME else 0.0


def _cut(image: NDArray[np.float32], dx: int, dy: int) -> NDArray[np.float32]:
    """Return the part of `image` that a view shifted by (dx, dy) shares with it."""
    height, width = image.shape
    return image[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]


def dose_in_file(entries: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the dose that the file `name` tells among its `entries`, as `dose_lines` does; empty without one."""
    told = _told(entries)
    # A plan's file has the light of the plan; others what the field of view had got by the end of theirs.
    return dose_lines(told, name if "plan" in entries else f"the field of view until {name}")


def dose_note(entries: Mapping[str, str], frames: int) -> dict[str, Any]:
    """Return the note of the dose that goes with a copy of a file's only frame; empty where it has several `frames`."""
    told = _told(entries)
    return {"dose": told} if told and frames == 1 else {}


def _told(entries: Mapping[str, str]) -> Any:
    try:
        return json.loads(entries.get("dose", "{}"))
    except ValueError:
        return {}


def dose_lines(told: Any, whose: str) -> dict[str, str]:
    """Return a line a channel of a dose as files tell it, see `DoseLedger.as_notes`; `whose` light it was is said.

    What is no dose has no lines.
    """
    channels = told.get("channels", told) if isinstance(told, Mapping) else {}
    lines = {}
    for name, value in channels.items() if isinstance(channels, Mapping) else ():
        if isinstance(value, Mapping):
            shown = [f"{number:g} s {_WORDS.get(key, key)}" for key, number in value.items() if _is_number(number)]
            lines[f"{name} ({whose})"] = ", ".join(shown)
    return lines


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


_WORDS = {"lit_s": "lit", "dose_s": "at full power"}
