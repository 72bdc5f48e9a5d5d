"""What a session tells whoever listens: small frozen facts, one type each, in the order they happened.

Listeners are called on the thread where the thing happened and must return quickly; the window's bridge turns each
into one queued Qt signal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from app.display import Picture
from app.dose import ChannelDose
from app.frame import Frame, Segmentation
from app.hardware.base import CameraInfo, CameraLimits, LightInfo, LightReading
from app.settings import CameraSettings


class State(StrEnum):
    """Where a session stands.

    ::

        IDLE ──► STARTING ──► LIVE ────► STOPPING ──► IDLE
          │          │          │            │
          │          └──────────┴─► FAILED ◄─┘   (light off, parts stopped; start again from here)
          ├──► SNAPPING ──► IDLE (or back to LIVE)
          ├──► PLAN ──► IDLE
          ├──► REPLAYING ──► IDLE
          └──► CLOSED
    """

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    SNAPPING = "snapping"
    PLAN = "plan"
    REPLAYING = "replaying"
    STOPPING = "stopping"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The session moved to `state`; `reason` is the operator's sentence when it FAILED."""

    state: State
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence for the operator. `level` is ``"info"``, ``"warning"`` or ``"error"``.

    The remedy ``"folder"`` is to save to another folder.
    """

    level: str
    text: str
    remedy: Literal["", "folder"] = ""


@dataclass(frozen=True, slots=True)
class CameraReady:
    """A camera is open, or its settings changed; all read back."""

    info: CameraInfo
    limits: CameraLimits
    settings: CameraSettings
    readout_ms: float


@dataclass(frozen=True, slots=True)
class LightReady:
    """A light source is open and dark."""

    info: LightInfo


@dataclass(frozen=True, slots=True)
class LightSeen:
    """What the box says shines. `channel` is None when dark; `known` is False when it no longer answers."""

    channel: str | None
    level: float
    known: bool
    reading: LightReading | None = None


@dataclass(frozen=True, slots=True)
class DoseSeen:
    """What each channel gave to field number `field` so far; `budget_s` is at full power, None where there is none."""

    field: int
    channels: Mapping[str, ChannelDose]
    budget_s: float | None

    @property
    def spent(self) -> frozenset[str]:
        """The channels that gave this field more than the budget."""
        if self.budget_s is None:
            return frozenset()
        return frozenset(name for name, total in self.channels.items() if total.dose_s > self.budget_s)


@dataclass(frozen=True, slots=True, eq=False)
class PictureReady:
    """A frame, ready to be shown."""

    picture: Picture


@dataclass(frozen=True, slots=True, eq=False)
class ResultReady:
    """A frame was segmented. `latency_ms` runs from the end of its exposure to this moment."""

    segmentation: Segmentation
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Rates over the last two seconds, and counters since the start of this run."""

    grabbed: int = 0
    lost_camera: int = 0
    displayed: int = 0
    skipped_display: int = 0
    segmented: int = 0
    skipped_segment: int = 0
    not_counted: int = 0
    """Frames whose light was not confirmed, or not the channel that shows nuclei."""
    recorded: int = 0
    fps_camera: float = 0.0
    fps_display: float = 0.0
    fps_segment: float = 0.0
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class StatsReady:
    """Comes about twice a second while frames flow."""

    stats: Stats


@dataclass(frozen=True, slots=True)
class SnapTaken:
    """A snapshot was taken and saved. `files` maps ``"image"``, ``"labels"``, ``"table"``, ``"overlay"`` to paths.

    The model is the one that counted; empty when none did. `dose` is what its file says of the light.
    """

    frame: Frame
    segmentation: Segmentation | None
    files: Mapping[str, Path] = field(default_factory=dict)
    model_name: str = ""
    model_sha256: str = ""
    dose: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """Recording started, goes on, or ended. `fill` is the writer's queue, 0…1; `seconds_left` the disk's."""

    active: bool
    path: Path | None = None
    frames: int = 0
    fill: float = 0.0
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class RecordingFinishing:
    """A file is being finished: the disk has taken `written` of its `total` frames."""

    written: int
    total: int


@dataclass(frozen=True, slots=True)
class DiskMeasured:
    """The disk is measured before a recording: `done` of it, 0…1; None when that is over."""

    done: float | None


Step = Literal["light", "camera", "model", "frames", "picture", "count", "files", "left"]
"""Opening the light, the camera; loading a model; starting the camera; taking, counting and writing a picture; waiting
for a call that was left behind."""


@dataclass(frozen=True, slots=True)
class Underway:
    """What takes long is at `step`, and `done` of it is over, 0…1; None when it has ended.

    ``"devices"`` is a command to camera and light, ``"model"`` is a model that is loaded beside them. `Session.cancel`
    ends both, but for the step ``"files"``: what was taken is kept.
    """

    work: Literal["devices", "model"]
    step: Step | None = None
    done: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanMoved:
    """The plan that runs has `taken` of its `total` frames, or was paused or went on.

    `late_ms` is how much later than planned the newest time began; `left_s` is estimated; `disk_left_s` is until the
    disk would be full at the plan's pace, None where that is not known. Of the frames that show nuclei, `counted` were
    counted by now, and `skipped` left out so that the plan stays on time.
    """

    taken: int
    total: int
    late_ms: float
    elapsed_s: float
    left_s: float
    disk_left_s: float | None
    paused: bool
    counted: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class PlanEnded:
    """A plan ended; `path` exists if a frame was `taken`, and `reason` says why it is not `complete`.

    `counted` and `skipped` are as for `PlanMoved`.
    """

    path: Path
    taken: int
    total: int
    complete: bool
    reason: str
    unconfirmed: int
    counted: int = 0
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class CalibrationMoved:
    """A flat field is being taken: `done` of `total` frames of its part ``"dark"`` or ``"flat"``."""

    channel: str
    part: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class CalibrationEnded:
    """A flat field was taken and kept under `name`, or `problem` says why not.

    `evenness` is the light where there is least of it over the light where there is most.
    """

    channel: str
    problem: str = ""
    name: str = ""
    evenness: float = 1.0


@dataclass(frozen=True, slots=True)
class FlatFieldState:
    """The newest flat field of a channel; `reaches` is False where the region in use is not within it."""

    name: str
    unix_time_s: float
    evenness: float
    exposure_ms: float
    gain_db: float
    reaches: bool


@dataclass(frozen=True, slots=True)
class FlatFieldSeen:
    """Whether correction is on, and which channels have a flat field for this camera, objective and binning."""

    on: bool
    channels: Mapping[str, FlatFieldState]
    camera: str = ""


@dataclass(frozen=True, slots=True)
class ReplayMoved:
    """The replay stands before frame `position` of `length`."""

    path: Path
    position: int
    length: int
    playing: bool
    speed: float
    frame_index: int | None = None
    """`Frame.index` of the frame just shown, where one was: recorded frames keep their numbers, gaps and all."""
    simulated: tuple[str, ...] = ()
    """Which parts were simulations when it was recorded: ``"camera"``, ``"light"``; empty for other programs' files."""
    told: Mapping[str, str] = field(default_factory=dict)
    """What the file says of itself; see `app.recording.RunMetadata.from_entries`."""
    fps: float | None = None
    """As recorded; None where the file does not say."""
    sized: bool = True
    """The file says how large its pixels are."""

    def shows(self, frame: Frame) -> bool:
        """Tell whether `frame` was read from what is replayed."""
        return self.path in (Path(frame.source), Path(frame.source).parent)


@dataclass(frozen=True, slots=True)
class ScaleMissing:
    """What was opened does not say how large its pixels are, and nobody has said so before."""

    path: Path


@dataclass(frozen=True, slots=True)
class ModelReady:
    """A model is loaded and warm."""

    name: str
    sha256: str
    provider: str


Event = (
    StateChanged
    | Notice
    | CameraReady
    | LightReady
    | LightSeen
    | DoseSeen
    | PictureReady
    | ResultReady
    | StatsReady
    | SnapTaken
    | RecordingChanged
    | RecordingFinishing
    | DiskMeasured
    | Underway
    | PlanMoved
    | PlanEnded
    | CalibrationMoved
    | CalibrationEnded
    | FlatFieldSeen
    | ReplayMoved
    | ScaleMissing
    | ModelReady
)
