"""An acquisition plan as a form that can be filled in, and back; pure.

Whatever of a loaded plan the form cannot show (phases of times, other programs' metadata) goes through it unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from useq import MDASequence

from app.plan import ChannelExtra, Plan, PlanExtra, channel_named
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """One line of the form.

    Attributes
    ----------
    config : str
        What the plan calls the channel: its name, wavelength or stain.
    channel : str
        The microscope's channel that is meant.
    used : bool
    exposure_ms, gain_db : float
    intensity : float
        0…1.
    every : int
        Taken at every n-th time.
    """

    config: str
    channel: str
    used: bool
    exposure_ms: float
    gain_db: float
    intensity: float
    every: int = 1


@dataclass(frozen=True, slots=True)
class PlanForm:
    """What the window lets the operator choose.

    Attributes
    ----------
    rows : tuple of ChannelRow
        In the order of the plan; the channels that it leaves out come last.
    times : int
    interval_s : float
        0 is a burst: as fast as frames can be taken.
    phases : object
        A `useq-schema` time plan of several phases, in JSON types, which wins over `times` and `interval_s`; or None.
    by_channel : bool
        All times of one channel before the next channel's, instead of all channels at each time.
    keep_order : bool
        The channels as listed, instead of the gentlest light first.
    pixel_format : str
    metadata : mapping
        Of other programs.
    """

    rows: tuple[ChannelRow, ...]
    times: int = 1
    interval_s: float = 10.0
    phases: Any = None
    by_channel: bool = False
    keep_order: bool = False
    pixel_format: str = "Mono12"
    metadata: Mapping[str, Any] = field(default_factory=dict)


def empty_form(settings: Settings) -> PlanForm:
    """Return a form for the selected channel as it is set now, once."""
    rows = tuple(_unused(name, settings, used=name == settings.light.channel) for name in _names(settings))
    return PlanForm(rows)


def form_of(plan: Plan, settings: Settings) -> PlanForm:
    """Return the form that shows `plan`; what it leaves open is filled in from `settings`."""
    sequence = MDASequence.model_validate(dict(plan.sequence))
    extra = PlanExtra.model_validate(sequence.metadata.get("dapiscope") or {})
    rows = []
    for wanted in sequence.channels:
        own = extra.channels.get(wanted.config, ChannelExtra())
        name = channel_named(wanted.config, settings.channels).name
        exposure_ms = settings.camera.exposure_ms if wanted.exposure is None else wanted.exposure
        gain_db = settings.camera.gain_db if own.gain_db is None else own.gain_db
        intensity = settings.light.intensity if own.intensity is None else own.intensity
        rows.append(ChannelRow(wanted.config, name, True, exposure_ms, gain_db, intensity, wanted.acquire_every))
    if not rows:
        rows.append(_unused(settings.light.channel, settings, used=True))
    seen = {row.channel for row in rows}
    rows += [_unused(name, settings, used=False) for name in _names(settings) if name not in seen]
    times, interval_s, phases = _times(sequence, plan)
    order = [str(getattr(axis, "value", axis)) for axis in sequence.axis_order]
    return PlanForm(
        tuple(rows),
        times,
        interval_s,
        phases,
        "c" in order and "t" in order and order.index("c") < order.index("t"),
        extra.keep_order,
        extra.pixel_format,
        {key: value for key, value in plan.sequence.get("metadata", {}).items() if key != "dapiscope"},
    )


def sequence_of(form: PlanForm) -> dict[str, Any]:
    """Return the `useq-schema` sequence that the form describes, in JSON types; `app.plan.make_plan` judges it."""
    used = [row for row in form.rows if row.used]
    channels = [
        {"config": row.config, "exposure": row.exposure_ms}
        | ({"acquire_every": row.every} if row.every > 1 else {})
        for row in used
    ]  # fmt: skip
    own: dict[str, Any] = {
        "channels": {row.config: {"intensity": row.intensity, "gain_db": row.gain_db} for row in used},
        "pixel_format": form.pixel_format,
    }
    if form.keep_order:
        own["keep_order"] = True
    sequence: dict[str, Any] = {"channels": channels}
    if form.by_channel:
        sequence["axis_order"] = "ct"
    if form.phases is not None:
        sequence["time_plan"] = form.phases
    elif form.times > 1:
        sequence["time_plan"] = {"interval": form.interval_s, "loops": form.times}
    return sequence | {"metadata": {**form.metadata, "dapiscope": own}}


def _times(sequence: MDASequence, plan: Plan) -> tuple[int, float, Any]:
    times = sequence.time_plan
    if times is None:
        return 1, 10.0, None
    interval = getattr(times, "interval", None)
    if not isinstance(interval, timedelta):
        return plan.times, 0.0, plan.sequence["time_plan"]
    return times.num_timepoints(), interval.total_seconds(), None


def _names(settings: Settings) -> tuple[str, ...]:
    return tuple(channel.name for channel in settings.channels)


def _unused(name: str, settings: Settings, *, used: bool) -> ChannelRow:
    camera = settings.camera
    return ChannelRow(name, name, used, camera.exposure_ms, camera.gain_db, settings.light.intensity)
