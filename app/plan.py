"""Acquisition plans: a `useq-schema` sequence becomes the frames this microscope takes, with their cost. Pure.

The microscope has light, a camera and a clock; nothing in it moves. Channels and times are planned; every other axis
is refused in one sentence, unless it names a single place. What `useq-schema` has no field for stands under
``metadata: dapiscope:`` in the file.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from useq import Channel as PlannedChannel
from useq import MDASequence, MultiPhaseTimePlan

from app.errors import UsageError
from app.recording.files import whole_file
from app.settings import CameraSettings, Channel, LightSettings, Settings

MOST_FRAMES = 200_000
"""Longer plans are refused: they are a mistake of a zero, or need several files."""
MOST_BYTES = 1 << 20
"""A larger file is no plan."""
OVERHEAD_MS = 60.0
"""What switching and reading back the light and starting the camera take a frame, for the estimate."""


class _Extra(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChannelExtra(_Extra):
    """What a plan says of a channel beyond `useq-schema`; None takes what the session has in force."""

    intensity: Annotated[float, Field(ge=0, le=1)] | None = None
    gain_db: Annotated[float, Field(ge=0, le=48)] | None = None


class PlanExtra(_Extra):
    """``metadata: dapiscope:`` of a plan."""

    channels: dict[str, ChannelExtra] = {}
    """By the name the plan gives the channel."""
    keep_order: bool = False
    """True takes the channels as written instead of the gentlest light first."""
    pixel_format: Literal["Mono8", "Mono12", "Mono12p"] = "Mono12"


@dataclass(frozen=True, slots=True)
class PlanChannel:
    """One channel of a plan: which light of the microscope, and how it is used."""

    channel: Channel
    exposure_ms: float
    gain_db: float
    intensity: float


@dataclass(frozen=True, slots=True)
class PlannedFrame:
    """One frame to take.

    Attributes
    ----------
    place : (int, int)
        (t, c) in the file; c counts the channels in the order they are taken.
    due_s : float
        When its light goes on, seconds after the zero of its clock.
    restarts : bool
        True where the plan's clock starts at zero anew, with this frame.
    """

    place: tuple[int, int]
    due_s: float
    restarts: bool = False


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a plan will cost.

    Attributes
    ----------
    duration_s : float
    frames, bytes : int
    late : int
        Times that cannot begin when they are due, because what comes before takes too long.
    light_s : mapping of str to float
        Channel → seconds that the sample is lit.
    dose_s : mapping of str to float
        The same at full power: seconds × intensity.
    """

    duration_s: float
    frames: int
    bytes: int
    late: int
    light_s: Mapping[str, float]
    dose_s: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """Frames to take, in this order.

    Attributes
    ----------
    channels : tuple of PlanChannel
        In the order they are taken, which is their order in the file: programs that take planes as they come are
        right too.
    frames : tuple of PlannedFrame
    pixel_format : str
    sequence : mapping
        The `useq-schema` sequence as JSON types, to be kept with the data.
    note : str
        One sentence where the order was changed, else empty.
    """

    channels: tuple[PlanChannel, ...]
    frames: tuple[PlannedFrame, ...]
    pixel_format: str
    sequence: Mapping[str, Any]
    note: str = ""

    @property
    def times(self) -> int:
        """Time points."""
        return max(frame.place[0] for frame in self.frames) + 1

    def settings_for(self, frame: PlannedFrame, base: Settings) -> Settings:
        """Return `base` with the light, exposure and gain of `frame`."""
        channel = self.channels[frame.place[1]]
        camera = base.camera.model_copy(update={"exposure_ms": channel.exposure_ms, "gain_db": channel.gain_db})
        light = base.light.model_copy(update={"channel": channel.channel.name, "intensity": channel.intensity})
        snap = base.snap.model_copy(update={"pixel_format": self.pixel_format})
        return base.model_copy(update={"camera": camera, "light": light, "snap": snap})

    def estimate(
        self, shape: tuple[int, int], *, settle_ms: float, readout_ms: float, overhead_ms: float = OVERHEAD_MS
    ) -> Estimate:
        """Return what the plan will cost on a camera whose frames have `shape` (H, W) pixels."""
        now_s, zero_s, late, last_due_s = 0.0, 0.0, 0, 0.0
        light_s: dict[str, float] = {}
        dose_s: dict[str, float] = {}
        for frame in self.frames:
            if frame.restarts:
                zero_s = now_s - frame.due_s
            due_s = zero_s + frame.due_s
            late += due_s > last_due_s and due_s < now_s - 1e-3
            last_due_s = due_s
            now_s = max(now_s, due_s)
            channel = self.channels[frame.place[1]]
            lit_s = (settle_ms + channel.exposure_ms + readout_ms + overhead_ms) / 1000
            now_s += lit_s
            name = channel.channel.name
            if channel.intensity > 0:
                light_s[name] = light_s.get(name, 0.0) + lit_s
                dose_s[name] = dose_s.get(name, 0.0) + lit_s * channel.intensity
        size = shape[0] * shape[1] * (1 if self.pixel_format == "Mono8" else 2)
        return Estimate(now_s, len(self.frames), size * len(self.frames), late, light_s, dose_s)


def load_plan(path: Path, settings: Settings) -> Plan:
    """Read a plan from a YAML or JSON file.

    Parameters
    ----------
    path : Path
        ``.yaml``, ``.yml`` or ``.json``.
    settings : Settings
        The channels there are, and what a plan leaves open: exposure, gain, intensity.

    Raises
    ------
    UsageError
        The file is missing or no plan, or asks for what this microscope has not got.
    """
    return make_plan(_parse(path), settings)


def make_plan(sequence: MDASequence | Mapping[str, Any], settings: Settings) -> Plan:
    """Return the frames of a `useq-schema` sequence for this microscope.

    Parameters
    ----------
    sequence : MDASequence or mapping
        A mapping is validated first; a key that means nothing is refused, not ignored.
    settings : Settings
        See `load_plan`.

    Raises
    ------
    UsageError
        One sentence: what is wrong, or what this microscope has not got.
    """
    if not isinstance(sequence, MDASequence):
        plain = sequence
        if plain.get("setup"):  # useq writes it so that it cannot read it again
            raise UsageError(_NO_SETUP)
        sequence = _validated(plain)
        _refuse_what_was_dropped({key: value for key, value in plain.items() if key != "uid"}, sequence)
    _refuse_what_is_missing(sequence)
    extra = _extra(sequence)
    wanted = sequence.channels or (PlannedChannel(config=settings.light.channel, exposure=None),)
    _check_extra_names(extra, wanted)
    order = [(_plan_channel(each, extra, settings), each) for each in wanted]
    if not extra.keep_order:
        # Long waves first: what comes before cannot bleach the dye that only shorter waves excite, and the violet
        # light that harms most comes last and never waits for the others.
        order.sort(key=lambda pair: -pair[0].channel.wavelength_nm)
    channels = tuple(channel for channel, _ in order)
    frames = _frames(sequence, tuple(each for _, each in order))
    changed = [each for _, each in order] != list(wanted)
    names = ", ".join(channel.channel.name for channel in channels)
    order_note = f"The channels are taken in the order {names}, the gentlest light first." if changed else ""
    note = " ".join(filter(None, (order_note, _stays(sequence))))
    plain = _plain(sequence)
    return Plan(channels, frames, extra.pixel_format, plain, note)


def save_plan(plan: Plan, path: Path) -> Path:
    """Write the sequence of `plan` as YAML, or JSON where the name says so; an existing file is never touched.

    Raises
    ------
    UsageError
        The file exists.
    RecordingError
        The disk refused; nothing is left behind.
    """
    if path.suffix.lower() == ".json":
        text = json.dumps(plan.sequence, indent=2) + "\n"
    else:
        import yaml

        text = yaml.safe_dump(dict(plan.sequence), sort_keys=False, allow_unicode=True)
    try:
        with whole_file(path, new=True) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise UsageError(f"{path} exists already: choose another name.") from None
    return path


# ---------------------------------------------------------------------- reading


def _parse(path: Path) -> Mapping[str, Any]:
    suffix = path.suffix.lower()
    if suffix not in {".yaml", ".yml", ".json"}:
        raise UsageError(f"{path} is no plan: name a .yaml or .json file.")
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read ({error.strerror}): check the path.") from None
    if len(data) > MOST_BYTES:
        raise UsageError(f"{path} is larger than a plan can be: name another file.")
    try:
        parsed = json.loads(data) if suffix == ".json" else _yaml(data, path)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no {suffix[1:].upper()} ({_first_line(error)}): mend it there.") from None
    if not isinstance(parsed, Mapping):
        raise UsageError(f"{path} is no plan: it must name channels, a time_plan or both.")
    return parsed


def _yaml(data: bytes, path: Path) -> Any:
    import yaml

    try:
        # A few lines of them can stand for more than the memory holds, or for something that contains itself.
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(data, yaml.SafeLoader)):
            raise UsageError(f"{path} has a YAML alias (*name), which no plan needs: write out what it stands for.")
        return yaml.safe_load(data)
    except yaml.YAMLError as error:
        raise ValueError(str(error).replace("\n", " ")) from error


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:160] if lines else type(error).__name__


def _plain(sequence: MDASequence) -> dict[str, Any]:
    """Return the sequence in plain JSON types, as its files will have it."""
    try:
        return dict(json.loads(sequence.model_dump_json(exclude_unset=True)))
    except (ValueError, RecursionError) as error:
        why = _first_line(error).encode(errors="replace").decode()
        raise UsageError(f"The plan's metadata can hold texts, numbers, lists and mappings only ({why}).") from None


def _refuse_what_was_dropped(plain: Any, made: Any, where: str = "") -> None:
    """Refuse keys of `plain`, at any depth, that `useq-schema` dropped without a word when it made `made` of it."""
    if isinstance(made, Sequence) and isinstance(plain, Sequence) and not isinstance(plain, str):
        for part, part_made in zip(plain, made, strict=False):
            _refuse_what_was_dropped(part, part_made, where)
    elif isinstance(made, MultiPhaseTimePlan) and not isinstance(plain, Mapping):
        _refuse_what_was_dropped(plain, made.phases, where)
    elif isinstance(made, BaseModel) and isinstance(plain, Mapping):
        for key, value in plain.items():
            if key not in type(made).model_fields:
                raise UsageError(_why_not(str(key), plain, where))
            _refuse_what_was_dropped(value, getattr(made, key), key)


def _why_not(key: str, plain: Mapping[str, Any], where: str) -> str:
    if where == "channels":
        return (
            f"A plan's channel has no {key!r}: intensity and gain_db stand under metadata: dapiscope: channels:, "
            "see docs/plans.md."
        )
    if {"interval", "loops", "duration"} <= set(plain):
        return "The plan's times are said twice: give the interval with loops or with a duration, not with both."
    if not where:
        return f"A plan has no {key!r}: see docs/plans.md for what it can say."
    beside = ", ".join(str(each) for each in plain if each != key)
    return f"A plan's {where} has no {key!r}{f' beside {beside}' if beside else ''}: see docs/plans.md."


def _validated(plain: Mapping[str, Any]) -> MDASequence:
    try:
        return MDASequence.model_validate(dict(plain))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "plan"
        raise UsageError(f"The plan's {where} cannot be used: {first['msg'].rstrip('.').lower()}.") from None
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, RecursionError) as error:
        raise UsageError(f"The plan cannot be used: {_first_line(error)}.") from None


# ---------------------------------------------------------------------- what this microscope has not got


_NO_SETUP = "Set the camera up in the settings: remove setup from the plan."


def _refuse_what_is_missing(sequence: MDASequence) -> None:
    if _any(sequence.stage_positions) and not _is_one_place(sequence.stage_positions):
        raise UsageError("This microscope has no motorised stage: remove stage_positions from the plan.")
    if sequence.time_plan and "t" not in sequence.axis_order:
        raise UsageError("The plan has times and its axis_order no t: write axis_order: tc, or leave it out.")
    if len(sequence.channels) > 1 and "c" not in sequence.axis_order:
        raise UsageError("The plan has channels and its axis_order no c: write axis_order: tc, or leave it out.")
    if sequence.grid_plan is not None:
        raise UsageError("This microscope has no motorised stage: remove grid_plan from the plan.")
    if sequence.z_plan is not None and not _is_one_plane(sequence.z_plan):
        raise UsageError("This microscope has no focus drive: remove z_plan from the plan.")
    if sequence.autofocus_plan is not None:
        raise UsageError("This microscope has no autofocus: remove autofocus_plan from the plan.")
    if sequence.setup is not None:
        raise UsageError(_NO_SETUP)
    if {"t", "c"} & set(sequence.keep_shutter_open_across):
        raise UsageError("The light goes off after every frame: remove keep_shutter_open_across from the plan.")
    for channel in sequence.channels:
        if channel.z_offset:
            raise UsageError(f"This microscope has no focus drive: remove z_offset of {channel.config!r} in the plan.")
        if channel.camera:
            raise UsageError(f"There is one camera only: remove camera of {channel.config!r} from the plan.")


def _any(positions: Any) -> bool:
    """Return True for positions of either kind, a list or a plate."""
    return not isinstance(positions, tuple) or bool(positions)


def _is_one_place(positions: Any) -> bool:
    """Return True for a single position without a sequence of its own: it asks for no movement between frames."""
    return isinstance(positions, tuple) and len(positions) == 1 and positions[0].sequence is None


def _is_one_plane(z_plan: Any) -> bool:
    """Return True for a single plane that is absolute, or no distance away: it asks for no movement between frames."""
    try:
        return bool(z_plan.num_positions() == 1) and (not z_plan.is_relative or list(z_plan) == [0])
    except (ValueError, ArithmeticError):
        return False


def _stays(sequence: MDASequence) -> str:
    """Return what to tell of the one place and the one plane that a plan may name; empty where it names none."""
    named = [name for name in ("stage_positions", "z_plan") if getattr(sequence, name)]
    if not named:
        return ""
    return f"Nothing moves: {' and '.join(named)} name one place, and the pictures are taken where the sample stands."


def _extra(sequence: MDASequence) -> PlanExtra:
    try:
        return PlanExtra.model_validate(sequence.metadata.get("dapiscope") or {})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["metadata", "dapiscope", *(str(part) for part in first["loc"])])
        raise UsageError(f"The plan's {where} cannot be used: {first['msg'].rstrip('.').lower()}.") from None


def _check_extra_names(extra: PlanExtra, wanted: Iterable[PlannedChannel]) -> None:
    names = {channel.config for channel in wanted}
    for name in extra.channels:
        if name not in names:
            raise UsageError(f"The plan sets the light of {name!r} and has no such channel: add it or remove that.")


def _plan_channel(wanted: PlannedChannel, extra: PlanExtra, settings: Settings) -> PlanChannel:
    own = extra.channels.get(wanted.config, ChannelExtra())
    exposure_ms = settings.camera.exposure_ms if wanted.exposure is None else wanted.exposure
    gain_db = settings.camera.gain_db if own.gain_db is None else own.gain_db
    intensity = settings.light.intensity if own.intensity is None else own.intensity
    try:
        CameraSettings(exposure_ms=exposure_ms, gain_db=gain_db)
        LightSettings(intensity=intensity)
    except ValidationError as error:
        first = error.errors()[0]
        what = str(first["loc"][-1]).replace("_", " ")
        raise UsageError(f"The {what} of channel {wanted.config!r} cannot be used: {first['msg'].lower()}.") from None
    return PlanChannel(channel_named(wanted.config, settings.channels), exposure_ms, gain_db, intensity)


def channel_named(name: str, channels: Sequence[Channel]) -> Channel:
    """Return the channel that `name` means: its name, its wavelength in nm, or its stain."""
    plain = name.strip().lower().removesuffix("nm").strip()
    for channel in channels:
        if plain == channel.name.lower():
            return channel
    for channel in channels:
        if plain and plain in {f"{channel.wavelength_nm:g}", channel.stain.lower()}:
            return channel
    known = ", ".join(f"{c.name} ({c.stain})" if c.stain else c.name for c in channels)
    raise UsageError(f"There is no channel {name!r}: choose from {known}.")


# ---------------------------------------------------------------------- frames


def _frames(sequence: MDASequence, order: tuple[PlannedChannel, ...]) -> tuple[PlannedFrame, ...]:
    """Return the frames with the channels in the order they are taken; the sequence itself says which and when."""
    _check_length(sequence, len(order))
    taken = sequence.replace(channels=order, stage_positions=(), z_plan=None)
    frames: list[PlannedFrame] = []
    try:
        for event in taken.iter_events():
            place = (event.index.get("t", 0), event.index.get("c", 0))
            due_s = event.min_start_time or 0.0
            frames.append(PlannedFrame(place, due_s, event.reset_event_timer and bool(frames)))
    except (ValueError, ArithmeticError) as error:
        raise UsageError(f"The plan's times cannot be used: {_first_line(error)}.") from None
    if not frames:
        raise UsageError("The plan takes no frame: give it a channel or a time.")
    if any(frame.due_s < 0 for frame in frames):
        raise UsageError("The plan's interval is negative: give it in seconds from 0 on.")
    return tuple(frames)


def _check_length(sequence: MDASequence, channels: int) -> None:
    if sequence.time_plan is None:
        return
    try:
        times = sequence.time_plan.num_timepoints()
    except ArithmeticError:
        raise UsageError("The plan's interval is zero: give it loops instead of a duration.") from None
    if times * channels > MOST_FRAMES:
        raise UsageError(f"The plan has more than {MOST_FRAMES:,} frames: split it.")
    if times < 1:
        raise UsageError("The plan takes no frame: its duration or interval is negative.")
