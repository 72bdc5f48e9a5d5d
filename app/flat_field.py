"""Dark signal and flat field of one channel, and the folder where they are kept.

Both are means of many frames; a corrected image is ``(image − dark) × gain`` with the gain's mean 1, so that grey
values keep their meaning. A profile holds for one camera, channel, magnification and binning.
"""

import hashlib
import json
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray
from platformdirs import user_data_path

from app.errors import BadImageError, RecordingError, UsageError
from app.frame import BITS
from app.recording.files import whole_file
from app.shading import DARK_STEPS, Shading, parse_title

FLAT_RANGE = (0.25, 4.0)
"""A pixel that needs a gain beyond this is dead, hot or dirt, and is left as it is."""
LEAST_LIGHT = 0.02
"""Of full scale: a flat field darker than this above the dark signal says nothing."""
_VERSION = 2
_KEPT = 6
"""Profiles held by `shadings_in`."""

Roi = tuple[int, int, int, int]
"""(x, y, width, height)"""

_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, MemoryError, SyntaxError, AttributeError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
)
"""What reading a damaged archive of arrays can end in."""


def mean_frame(frames: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the mean of frames of one shape, float32. Raises UsageError without any, or when shapes differ."""
    total: NDArray[np.float64] | None = None
    count = 0
    for pixels in frames:
        if total is None:
            total = np.zeros(pixels.shape, np.float64)
        if pixels.shape != total.shape:
            raise UsageError("The frames differ in size: take them all with one region and binning.")
        total += pixels
        count += 1
    if total is None:
        raise UsageError("There is no frame to calibrate with: take at least one.")
    return np.asarray(total / count, np.float32)


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a profile was taken with, and what it therefore holds for; 0 and empty where it was not told.

    Attributes
    ----------
    camera : str
        Its title.
    magnification : float
        Of objective and tube together.
    binning : int
    roi : (int, int, int, int) or None
        (x, y, width, height) in sensor pixels; None is the whole sensor.
    exposure_ms, intensity : float
    frames : int
        Averaged, for each of the two means.
    unix_time_s : float
    """

    camera: str = ""
    magnification: float = 0.0
    binning: int = 1
    roi: Roi | None = None
    exposure_ms: float = 0.0
    intensity: float = 0.0
    frames: int = 0
    unix_time_s: float = 0.0

    def reach(self, roi: Roi | None, binning: int) -> bool:
        """Tell whether frames of this region of the sensor and this binning lie within those taken."""
        return binning == self.binning and (roi == self.roi or self.window(roi) is not None)

    def window(self, roi: Roi | None) -> Roi | None:
        """Return where this region lies in the frames taken, in their pixels; None where it reaches beyond them."""
        if roi is None:
            return None
        x, y = (roi[axis] - (self.roi[axis] if self.roi else 0) for axis in (0, 1))
        beyond = self.roi is not None and (x + roi[2] > self.roi[2] or y + roi[3] > self.roi[3])
        if x < 0 or y < 0 or beyond:
            return None
        x, y, width, height = (side // self.binning for side in (x, y, *roi[2:]))
        return x, y, width, height


def check_flat(light: NDArray[np.float32], flat: NDArray[Any], white: int) -> None:
    """Refuse a flat field that is too dark or saturated; `light` is it without the dark signal. UsageError."""
    if float(np.median(light)) < LEAST_LIGHT * white:
        raise UsageError("The flat field is too dark: raise the exposure or the light.")
    if float(np.mean(flat >= 0.98 * white)) > 0.001:
        raise UsageError("The flat field is saturated: lower the exposure or the light.")


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """Dark signal and flat field of one channel.

    Attributes
    ----------
    channel : str
    pixel_format : str
        One of `app.frame.BITS`.
    gain_db : float
    dark : ndarray of float32, shape (H, W)
        Grey values without light, in steps of 1/16.
    gain : ndarray of float32, shape (h, w)
        What to multiply by, on a grid over the frame; 1 on average.
    conditions : Conditions
    name : str
        Under which it is kept, empty before.
    """

    channel: str
    pixel_format: str
    gain_db: float
    dark: NDArray[np.float32]
    gain: NDArray[np.float32]
    conditions: Conditions = field(default_factory=Conditions)
    name: str = ""

    @classmethod
    def measured(
        cls,
        channel: str,
        pixel_format: str,
        gain_db: float,
        dark_frames: Iterable[NDArray[Any]],
        flat_frames: Iterable[NDArray[Any]],
        *,
        smooth_px: float | None = None,
        conditions: Conditions | None = None,
    ) -> Self:
        """Make a profile from frames without light and frames of an even field.

        Parameters
        ----------
        channel, pixel_format, gain_db, conditions
            See the attributes.
        dark_frames, flat_frames : iterable of ndarray, shape (H, W)
            Taken with the same exposure and gain.
        smooth_px : float, optional
            SD of a Gaussian over the flat field, which removes what noise and dust have left; 1/64 of the longer side
            when not given, 0 for none.

        Raises
        ------
        UsageError
            No frames, different sizes, or a flat field that is too dark or saturated.
        """
        dark, flat = mean_frame(dark_frames), mean_frame(flat_frames)
        if dark.shape != flat.shape:
            raise UsageError("Dark and flat frames differ in size: take them with one region and binning.")
        dark = np.asarray(np.rint(dark * DARK_STEPS) / DARK_STEPS, np.float32)
        light = flat - dark
        check_flat(light, flat, (1 << BITS[pixel_format]) - 1)
        sd = max(flat.shape) / 64 if smooth_px is None else smooth_px
        step = max(int(sd / 4), 1)  # finer than that, nothing is left after the smoothing
        if step > 1:
            size = (math.ceil(flat.shape[1] / step), math.ceil(flat.shape[0] / step))
            light = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.float32)
        if sd > 0:
            light = _smooth(light, sd / step)
        least, most = FLAT_RANGE
        with np.errstate(divide="ignore", invalid="ignore"):
            gain = np.asarray(float(light.mean()) / light, np.float32)
        gain = np.where(np.isfinite(gain) & (gain >= least) & (gain <= most), gain, np.float32(1))
        gain = np.asarray(gain / gain.mean(), np.float32)
        return cls(channel, pixel_format, gain_db, dark, gain, conditions or Conditions())

    @property
    def white(self) -> int:
        """The largest grey value of its format."""
        return (1 << BITS[self.pixel_format]) - 1

    @property
    def evenness(self) -> float:
        """Light where there is least of it, over light where there is most, 0…1."""
        return float(self.gain.min() / self.gain.max())

    @property
    def sha256(self) -> str:
        """Hash of what it says, hexadecimal; the name is no part of it."""
        told = hashlib.sha256(json.dumps(self._head(), sort_keys=True).encode())
        told.update(self._dark_steps().tobytes())
        told.update(self.gain.tobytes())
        return told.hexdigest()

    def _head(self) -> dict[str, Any]:
        return {
            "channel": self.channel,
            "pixel_format": self.pixel_format,
            "gain_db": self.gain_db,
            "shape": list(self.dark.shape),
            "conditions": asdict(self.conditions),
        }

    def _dark_steps(self) -> NDArray[np.uint16]:
        return np.asarray(np.clip(np.rint(self.dark * DARK_STEPS), 0, 65535), np.uint16)

    def apply(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return ``(pixels − dark) × gain``, rounded, in the type and range of `pixels`, pixel by pixel.

        Raises UsageError for an image of another size.
        """
        if pixels.shape != self.dark.shape:
            raise UsageError(
                f"The flat field was taken at {self.dark.shape[1]}×{self.dark.shape[0]} and the image is "
                f"{pixels.shape[1]}×{pixels.shape[0]}: take a flat field with this region and binning."
            )
        gain = cv2.resize(self.gain, pixels.shape[::-1], interpolation=cv2.INTER_LINEAR)
        corrected = cv2.subtract(pixels.astype(np.float32), self.dark)
        cv2.multiply(corrected, gain, dst=corrected)
        return np.asarray(np.clip(np.rint(corrected), 0, self.white), pixels.dtype)

    def whole(self) -> Shading:
        """Return what corrects frames of the region it was taken with."""
        return Shading(self.name, self.sha256, self._dark_steps(), self.gain, self.white)

    def shading(self, roi: Roi | None, binning: int) -> Shading | None:
        """Return what corrects frames of this region of the sensor; None where the profile does not reach."""
        if not self.conditions.reach(roi, binning):
            return None
        window = None if roi == self.conditions.roi else self.conditions.window(roi)
        return self.whole() if window is None else self.whole().part(window)

    def save(self, path: Path) -> None:
        """Write the profile, whole or not at all. Raises RecordingError."""
        with whole_file(path) as temporary, temporary.open("wb") as file:
            head = np.str_(json.dumps(self._head()))
            np.savez(file, version=np.int64(_VERSION), head=head, dark=self._dark_steps(), gain=self.gain)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a profile. Raises BadImageError when the file is missing, damaged or something else."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                version, head, conditions = _head_of(stored)
                steps, gain = stored["dark"], stored["gain"]
                dark = np.asarray(steps, np.float32) / np.float32(DARK_STEPS)
                kind, gain_db = str(head["pixel_format"]), float(head["gain_db"])
                profile = cls(str(head["channel"]), kind, gain_db, dark, gain, conditions)
        except _DAMAGED as error:
            raise BadImageError(f"{path} is no flat-field profile ({type(error).__name__}): take a new one.") from None
        right = version == _VERSION and kind in BITS and steps.dtype == np.uint16 and gain.dtype == np.float32
        if not (right and dark.ndim == gain.ndim == 2 and dark.size and gain.size and np.isfinite(gain).all()):
            raise BadImageError(f"{path} is no flat-field profile of this version: take a new one.")
        return profile


def _smooth(light: NDArray[np.float32], sd: float) -> NDArray[np.float32]:
    """Return `light` under a Gaussian; the slope goes on beyond the edges, so that these come out no brighter."""
    reach = min(math.ceil(4 * sd), *(side - 1 for side in light.shape))
    if reach < 1:
        return light
    wide = np.pad(light, reach, mode="reflect", reflect_type="odd")
    smooth = cv2.GaussianBlur(wide, (0, 0), sd, borderType=cv2.BORDER_REFLECT)
    return np.ascontiguousarray(smooth[reach:-reach, reach:-reach])


def _head_of(stored: Any) -> tuple[int, dict[str, Any], Conditions]:
    head = json.loads(str(stored["head"]))
    roi = head["conditions"]["roi"]
    return int(stored["version"]), head, Conditions(**{**head["conditions"], "roi": tuple(roi) if roi else None})


# ---------------------------------------------------------------------- the folder


def usual_folder() -> Path:
    """Return where this user's calibration is kept."""
    return user_data_path("dapiscope") / "calibration"


@dataclass(frozen=True, slots=True)
class Kept:
    """A profile in the folder: its name, e.g. ``"405_20x_bin1/20261124T031200"``, and its file."""

    name: str
    path: Path


class FlatFields:
    """The profiles under one folder, by camera, channel, magnification and binning; none is ever overwritten.

    Beside each profile lies a TIFF with the two means as they were taken, dark and flat, in sixteenths of grey values.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, profile: Profile, flat: NDArray[np.float32]) -> Profile:
        """Store a profile and the mean `flat` it came from; return it with its name. Raises RecordingError."""
        made = datetime.fromtimestamp(profile.conditions.unix_time_s, UTC)
        folder = self._place(profile.channel, profile.conditions)
        path = folder / f"{made:%Y%m%dT%H%M%S%f}.npz"
        if path.exists():
            raise RecordingError(f"{path} exists already: take the flat field again.")
        raw = np.asarray(np.clip(np.rint(np.stack([profile.dark, flat]) * DARK_STEPS), 0, 65535), np.uint16)
        with whole_file(path.with_name(f"{path.stem}_raw.tif")) as temporary:
            text = f"Mean dark and mean flat frame of channel {profile.channel}, in 1/{DARK_STEPS} grey values."
            tifffile.imwrite(
                temporary, raw, photometric="minisblack", compression="zlib", predictor=True, description=text
            )
        profile.save(path)  # last: from now on it is in force
        return replace(profile, name=self._name(path))

    def newest(self, channel: str, conditions: Conditions) -> Kept | None:
        """Return the newest profile for `channel` on this camera, magnification and binning; None without one."""
        try:
            found = max(self._place(channel, conditions).glob("*.npz"), default=None)
        except OSError:
            return None
        return None if found is None else Kept(self._name(found), found)

    def read(self, kept: Kept) -> Profile:
        """Return a profile of the folder. Raises BadImageError."""
        return replace(Profile.load(kept.path), name=kept.name)

    def summary(self, kept: Kept) -> tuple[Conditions, float, float]:
        """Return conditions, camera gain in dB and evenness of a profile, without reading all of it. BadImageError."""
        try:
            with kept.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                _, head, conditions = _head_of(stored)
                gain = stored["gain"]
                return conditions, float(head["gain_db"]), float(gain.min() / gain.max())
        except _DAMAGED as error:
            raise BadImageError(
                f"{kept.path} is no flat-field profile ({type(error).__name__}): take a new one."
            ) from None

    def named(self, name: str) -> Kept:
        """Return where the profile `name` lies, whether or not it does; a name never leads out of the folder."""
        parts = [_plain(part) for part in name.split("/") if part]
        return Kept(name, self.folder.joinpath(*parts[:-1], f"{parts[-1]}.npz") if parts else self.folder / "none")

    def find(self, title: str) -> Shading | None:
        """Return the shading that a recording names (`Shading.title`); None where it is not here, or is another."""
        try:
            name, sha256, window = parse_title(title)
            whole = self.read(self.named(name)).whole()
        except (ValueError, BadImageError):
            return None
        if whole.sha256 != sha256:
            return None
        return whole if window is None else whole.part(window)

    def _place(self, channel: str, conditions: Conditions) -> Path:
        key = f"{channel}_{conditions.magnification:g}x_bin{conditions.binning}"
        return self.folder / _plain(conditions.camera or "camera") / _plain(key)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).with_suffix("").as_posix()


def shadings_in(folder: Path) -> Callable[[str], Shading | None]:
    """Return `FlatFields.find` of a folder that reads each of the last few profiles once."""
    return lru_cache(_KEPT)(FlatFields(folder).find)


def _plain(text: str) -> str:
    """Return `text` as every file system takes it."""
    return re.sub(r"[^\w.-]+", "-", text).strip(".-") or "unnamed"
