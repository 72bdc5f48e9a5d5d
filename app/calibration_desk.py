"""The corner of a session that knows its calibration: flat fields taken, kept and put to use; the measured pixel.

Frames stay raw. A frame of a channel with a profile carries its shading along (`app.frame.Frame.shading`), and whoever
shows or counts it takes that out; recordings and snapshots name it for every frame, and a replay finds it by that name.
"""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.clock import Clock
from app.errors import BadImageError, DapiscopeError, DeviceError, RecordingError
from app.events import CalibrationEnded, CalibrationMoved, Event, FlatFieldSeen, FlatFieldState, Notice
from app.flat_field import Conditions, FlatFields, Profile, check_flat, mean_frame
from app.frame import Frame
from app.hardware.base import CameraInfo
from app.recording.files import whole_file
from app.settings import OpticsSettings, Settings
from app.shading import Shading

log = logging.getLogger(__name__)

FRAMES = 16
"""Averaged for each mean; the noise of a mean is a quarter of a frame's."""
TRIES = 5
"""At most how often a frame is taken whose light could not be confirmed."""
_MEASURED = "pixel-sizes.json"

Snap = Callable[[Settings, Callable[[], bool]], Frame]
"""Takes one frame under these settings with the light on for it alone; see `app.bench.Bench.snap`."""
_Key = tuple[str, int, tuple[int, int, int, int] | None]


def camera_key(info: CameraInfo) -> str:
    """Return under which name the calibration of a camera is kept.

    Every simulated sample has a camera of its own, and all have the same optics.
    """
    return info.model if info.simulated else info.title


@dataclass(frozen=True, slots=True)
class _Means:
    """The two means of a calibration, and how they were taken."""

    dark: NDArray[np.float32]
    flat: NDArray[np.float32]
    first: Frame


class CalibrationDesk:
    """Calibration of one microscope; `correct` and `find` may be called from any thread, the rest from one.

    Parameters
    ----------
    publish : callable
        Gets `CalibrationMoved`, `CalibrationEnded`, `FlatFieldSeen` and notices.
    folder : Path or None
        Where calibration is kept; None keeps and finds none.
    clock : Clock
    """

    def __init__(self, publish: Callable[[Event], None], folder: Path | None, clock: Clock) -> None:
        self._publish, self._folder, self._clock = publish, folder, clock
        self._fields = FlatFields(folder) if folder is not None else None
        self._camera = ""
        self._on = False
        self._lock = threading.Lock()
        self._shadings: dict[_Key, Shading | None] = {}
        self._found: dict[str, Shading | None] = {}
        self._cancelled = threading.Event()

    # ------------------------------------------------------------------ putting to use

    def meet(self, camera: str, settings: Settings, channels: Sequence[str] = ()) -> Settings:
        """Take note of the camera in use and get the shading of `channels` ready, the selected one if none is named.

        Returns
        -------
        Settings
            With the pixel size that was measured on this camera and objective, unless one stands there already.
        """
        self._camera = camera
        self._on = settings.flat_field
        if settings.optics.measured_pixel_um is None and (measured := self._measured(settings.optics)) is not None:
            optics = settings.optics.model_copy(update={"measured_pixel_um": measured})
            settings = settings.model_copy(update={"optics": optics})
        if self._on:
            for channel in channels or (settings.light.channel,):
                self._shading(channel, settings)
        return settings

    def correct(self, frame: Frame, settings: Settings) -> Frame:
        """Return `frame` with the shading of its channel, where correction is on and there is a profile."""
        channel = frame.light.channel
        if not self._on or channel is None:
            return frame
        shading = self._shading(channel, settings)
        return frame if shading is None or shading.shape != frame.shape else replace(frame, shading=shading)

    def correcting(self, snap: Snap) -> Snap:
        """Return `snap` with its frames corrected."""
        return lambda settings, cancelled: self.correct(snap(settings, cancelled), settings)

    def find(self, title: str) -> Shading | None:
        """Return the shading that a recording names; None, and a notice once, where it is not on this computer."""
        if title not in self._found:
            self._found[title] = self._fields.find(title) if self._fields is not None else None
            if self._found[title] is None:
                said = "This was recorded with a flat field that is not on this computer"
                self._publish(Notice("warning", f"{said}, so it is shown and counted without: {title.split(' ')[0]}."))
        return self._found[title]

    def _shading(self, channel: str, settings: Settings) -> Shading | None:
        key = (channel, settings.camera.binning, settings.camera.roi)
        with self._lock:
            if key not in self._shadings:
                self._shadings[key] = self._load(channel, settings)
            return self._shadings[key]

    def _load(self, channel: str, settings: Settings) -> Shading | None:
        kept = self._fields.newest(channel, self._conditions(settings)) if self._fields is not None else None
        if self._fields is None or kept is None:
            return None
        try:
            profile = self._fields.read(kept)
        except BadImageError as error:
            self._publish(Notice("error", str(error)))
            return None
        return profile.shading(settings.camera.roi, settings.camera.binning)

    def _conditions(self, settings: Settings) -> Conditions:
        optics = settings.optics
        return Conditions(self._camera, optics.magnification * optics.tube_factor, settings.camera.binning)

    def tell(self, settings: Settings) -> None:
        """Publish which channels have a profile for this camera, objective and binning."""
        states = {}
        for channel in settings.channels:
            kept = self._fields.newest(channel.name, self._conditions(settings)) if self._fields is not None else None
            if self._fields is None or kept is None:
                continue
            try:
                made, gain_db, evenness = self._fields.summary(kept)
            except BadImageError as error:
                log.warning("%s", error)  # the operator is told when it is to be used
                continue
            reaches = made.reach(settings.camera.roi, settings.camera.binning)
            states[channel.name] = FlatFieldState(
                kept.name, made.unix_time_s, evenness, made.exposure_ms, gain_db, reaches
            )
        self._publish(FlatFieldSeen(settings.flat_field, states, self._camera))

    # ------------------------------------------------------------------ taking a flat field

    def begin(self) -> None:
        """Forget an earlier `cancel`."""
        self._cancelled.clear()

    def cancel(self) -> None:
        """Give up the calibration that runs, after the frame being taken; any thread."""
        self._cancelled.set()

    def take(
        self, snap: Snap, settings: Settings, channel: str, frames: int, cancelled: Callable[[], bool]
    ) -> Profile | None:
        """Take dark and flat frames of `channel`, keep the profile, and return it; None when it was cancelled.

        The light is on for the exposures of the flat frames only, one by one. A field that is too dark or saturated
        is refused after its first frame.

        Raises
        ------
        DapiscopeError
            One sentence; nothing is kept.
        """
        if self._fields is None:
            raise RecordingError("There is no folder to keep a calibration in: check the user's data folder.")
        try:
            means = self._means(snap, settings, channel, frames, lambda: self._cancelled.is_set() or cancelled())
            profile = self._profile(means, settings, channel, frames)
        except DapiscopeError as error:
            given_up = self._cancelled.is_set() or cancelled()
            self._publish(CalibrationEnded(channel, "Cancelled; nothing was kept." if given_up else str(error)))
            if given_up:
                return None
            raise
        with self._lock:
            self._shadings.clear()
        self._publish(CalibrationEnded(channel, "", profile.name, profile.evenness))
        return profile

    def _means(
        self, snap: Snap, settings: Settings, channel: str, frames: int, cancelled: Callable[[], bool]
    ) -> _Means:
        first: list[Frame] = []

        def take(level: float, what: str) -> Iterator[NDArray[np.uint16]]:
            light = settings.light.model_copy(update={"channel": channel, "intensity": level})
            wanted = settings.model_copy(update={"light": light})
            for number in range(frames):
                self._publish(CalibrationMoved(channel, what, number, frames))
                frame = self._confirmed(snap, wanted, cancelled, f"{what} frame {number + 1} of {frames}")
                if number == 0:
                    first.append(frame)
                    if level > 0:
                        seen = np.asarray(frame.pixels, np.float32)
                        check_flat(seen - dark, seen, frame.white)
                yield np.asarray(frame.pixels, np.uint16)

        dark = mean_frame(take(0.0, "dark"))
        flat = mean_frame(take(settings.light.intensity, "flat"))
        return _Means(dark, flat, first[-1])

    def _confirmed(self, snap: Snap, settings: Settings, cancelled: Callable[[], bool], which: str) -> Frame:
        """Take one frame, again while its light could not be confirmed; each of them ends in confirmed darkness."""
        for left in reversed(range(TRIES)):
            frame = snap(settings, cancelled)
            if frame.light.confirmed:
                return frame
            if left:
                said = f"The {which} is taken again: its light could not be confirmed ({frame.light.reason})."
                self._publish(Notice("info", said))
        # No LightError: that one says that nobody knows what shines, and would end the session.
        raise DeviceError(
            f"The light of the {which} could not be confirmed in {TRIES} tries ({frame.light.reason}), so nothing was "
            "kept: check the LED box and its cable, and take the flat field again."
        )

    def _profile(self, means: _Means, settings: Settings, channel: str, frames: int) -> Profile:
        frame = means.first
        conditions = replace(
            self._conditions(settings),
            roi=settings.camera.roi,
            exposure_ms=frame.exposure_ms or 0.0,
            intensity=settings.light.intensity,
            frames=frames,
            unix_time_s=self._clock.unix(),
        )
        gain_db = frame.gain_db or 0.0
        profile = Profile.measured(
            channel, frame.pixel_format, gain_db, [means.dark], [means.flat], conditions=conditions
        )
        if self._fields is None:
            return profile
        return self._fields.keep(profile, means.flat)

    # ------------------------------------------------------------------ the measured pixel

    def measured(self, optics: OpticsSettings, pixel_um: float | None) -> OpticsSettings:
        """Keep what was measured for this camera and objective (None: forget it), and return the optics with it.

        `pixel_um` is µm in the sample per unbinned pixel. Raises RecordingError.
        """
        if self._folder is not None:
            known = self._read_measured()
            known.pop(self._objective(optics), None)
            if pixel_um is not None:
                known[self._objective(optics)] = pixel_um
            with whole_file(self._folder / _MEASURED) as temporary:
                temporary.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return optics.model_copy(update={"measured_pixel_um": pixel_um})

    def _measured(self, optics: OpticsSettings) -> float | None:
        value = self._read_measured().get(self._objective(optics))
        return value if value is not None and 1e-3 <= value <= 1e3 else None

    def _read_measured(self) -> dict[str, float]:
        if self._folder is None:
            return {}
        try:
            known = json.loads((self._folder / _MEASURED).read_text(encoding="utf-8"))
            return {str(name): float(value) for name, value in known.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("measured pixel sizes cannot be read: %s", error)
            return {}

    def _objective(self, optics: OpticsSettings) -> str:
        return f"{self._camera} {optics.magnification:g}x tube {optics.tube_factor:g}"
