"""dapiscope from Python: open the microscope, take frames, run plans, count nuclei, read recordings.

::

    from app.api import open_microscope, segment, read_recording

    with open_microscope(camera="sim", light="sim") as microscope:
        frame = microscope.snap("405", exposure_ms=15, intensity=0.25)
    found = segment(frame)
    print(found.count, "nuclei,", found.density_per_mm2, "per mm²")

Everything raises the errors of `app.errors`; leaving the ``with`` block switches the light off and confirms it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from useq import MDASequence

from app.build import make_bench, make_counter, make_tracker
from app.calibration_desk import CalibrationDesk, camera_key
from app.clock import Clock, SystemClock
from app.errors import BadImageError, LightStuckError, UsageError
from app.events import Event, Notice
from app.flat_field import usual_folder
from app.frame import Frame, Segmentation, read_only
from app.inference.segmenter import Segmenter
from app.live_path import countable
from app.plan import Plan, load_plan, make_plan
from app.plan_counts import PlanCounts
from app.plan_runner import PlanProgress, PlanResult, PlanRunner, check_plan_disk, estimate, pixel_size_of
from app.recording import Recorder, Replay, RunMetadata, open_replay
from app.recording.sources import counted_channels
from app.settings import Settings

log = logging.getLogger(__name__)

__all__ = ["Microscope", "Recording", "open_microscope", "read_recording", "segment"]


def open_microscope(
    *,
    camera: str | None = None,
    light: str | None = None,
    settings: Settings | None = None,
    clock: Clock | None = None,
) -> "Microscope":
    """Open camera and light source; everything is dark, and the light source has said so.

    Parameters
    ----------
    camera : str, optional
        ``"sim"``, ``"pylon"`` or ``"pylon:SERIAL"``; what `settings` say when not given.
    light : str, optional
        ``"sim"``, a serial port, or a URL such as ``"socket://host:port"``; likewise.
    settings : Settings, optional
        Everything else: channels, optics, sample, operator.
    clock : Clock, optional

    Raises
    ------
    CameraError, LightError, UsageError
        A part is not there or does not answer.
    """
    named = {name: value for name, value in (("camera_id", camera), ("light_id", light)) if value is not None}
    microscope = Microscope((settings or Settings()).model_copy(update=named), clock)
    microscope.open()
    return microscope


class Microscope:
    """Camera and light as one instrument; a context manager. Use it from one thread; see `open_microscope`."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._bench = make_bench(settings, self._clock)
        self._closed = False
        self._calibration = CalibrationDesk(_log, usual_folder(), self._clock)
        self._runner: PlanRunner | None = None

    def open(self) -> None:
        """Open what is not open yet, or anew what was closed. After an error nothing is left open."""
        if self._closed:
            self._bench, self._closed = make_bench(self.settings, self._clock), False
        try:
            self._bench.connect(self.settings)
            self._meet(self.channels)
        except BaseException:
            self._shut()
            raise

    def _meet(self, channels: tuple[str, ...]) -> None:
        """Have what was measured on this camera and objective at hand: the pixel, and the flat fields if wanted."""
        self.settings = self._calibration.meet(camera_key(self._bench.need_camera().info), self.settings, channels)

    @property
    def camera(self) -> str:
        """Name of the camera; a simulation says so."""
        return self._bench.need_camera().info.title

    @property
    def light(self) -> str:
        """Name of the light source; a simulation says so."""
        return self._bench.light_info.title if self._bench.light_info is not None else ""

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the light channels."""
        return tuple(channel.name for channel in self.settings.channels)

    def snap(
        self,
        channel: str | None = None,
        *,
        exposure_ms: float | None = None,
        gain_db: float | None = None,
        intensity: float | None = None,
        pixel_format: Literal["Mono8", "Mono12", "Mono12p"] | None = None,
    ) -> Frame:
        """Take one frame at the least dose: light on, settled, exposed, light off.

        Parameters
        ----------
        channel : str, optional
            Name of the light channel; the one in the settings when not given, as for everything else here.
        exposure_ms, gain_db : float, optional
        intensity : float, optional
            0…1; 0 takes a dark frame.
        pixel_format : str, optional

        Returns
        -------
        Frame
            `light.confirmed` says whether the light was what was asked for, for the whole exposure.

        Raises
        ------
        UsageError
            There is no such channel, or a value is out of range; nothing was switched on.
        CameraError, LightError
            With the light off.
        """
        settings = self._changed(channel, exposure_ms, gain_db, intensity, pixel_format)
        frame = self._bench.snap(settings, lambda: False)
        return self._calibration.correct(replace(frame, pixel_size_um=pixel_size_of(frame, settings)), settings)

    def plan(self, plan: Plan | MDASequence | Mapping[str, Any] | Path | str) -> Plan:
        """Return a plan for this microscope from a `useq-schema` sequence, a mapping like one, or a file.

        Raises UsageError for what this microscope has not got.
        """
        if isinstance(plan, Plan):
            return plan
        if isinstance(plan, str | Path):
            return load_plan(Path(plan), self.settings)
        return make_plan(plan, self.settings)

    def run_plan(
        self,
        plan: Plan | MDASequence | Mapping[str, Any] | Path | str,
        out: Path | str,
        *,
        told: Callable[[PlanProgress], None] | None = None,
        name: str = "plan.ome.tif",
        model: str | None = "fast",
        counted: Callable[[Segmentation], object] = lambda found: None,
        started: Callable[[Recorder], object] = lambda recorder: None,
    ) -> PlanResult:
        """Carry out a plan into one OME-TIFF in the folder `out`, and return what became of it.

        Parameters
        ----------
        plan
            See `plan`.
        out : Path or str
        told : callable, optional
            Gets an `app.plan_runner.PlanProgress` after every frame. From it, or from another thread, `stop`, `pause`
            and `resume` may be called.
        name : str
            Of the file.
        model : str or None
            Counts the frames of channels that show nuclei while the plan runs, into a table beside the file; frames
            that it has no time for are skipped and told. None does not count.
        counted : callable, optional
            Gets every count, on another thread.
        started : callable, optional
            Gets what writes the file before the first light, e.g. `ZarrFollower.start`.

        Raises
        ------
        UsageError, RefusedError, RecordingError
            Before the first light. What fails later is told in the result, and the file says that it is incomplete.
        """
        ready = self.plan(plan)
        folder = Path(out)
        check_plan_disk(folder, estimate(ready, self.settings))
        counter = _counter(model) if model is not None else None
        meta = RunMetadata.from_settings(
            self.settings, camera=self.camera, light=self.light,
            model_name=counter.name if counter is not None else "",
            model_sha256=counter.sha256 if counter is not None else "",
        )  # fmt: skip
        counts = _counts(counter, self.settings, counted) if counter is not None else None
        snap = self._calibration.correcting(self._bench.snap)
        self._runner = PlanRunner(ready, snap, self._clock, told)
        try:
            return self._runner.run(folder, meta, self.settings, name, counts, started)
        finally:
            self._runner = None

    def stop(self) -> None:
        """End the plan that runs, after the frame being taken. Any thread."""
        self._tell_runner(PlanRunner.stop)

    def pause(self) -> None:
        """Hold the plan that runs. Any thread."""
        self._tell_runner(PlanRunner.pause)

    def resume(self) -> None:
        """Go on with the plan that was paused. Any thread."""
        self._tell_runner(PlanRunner.resume)

    def _tell_runner(self, what: Callable[[PlanRunner], None]) -> None:
        runner = self._runner
        if runner is not None:
            what(runner)

    def close(self) -> None:
        """Switch the light off, confirm it, release everything; idempotent.

        Raises
        ------
        LightStuckError
            The light source did not confirm that it is dark.
        """
        if not self._shut():
            raise LightStuckError("The light could not be confirmed off: check the LED box now.")

    def _shut(self) -> bool:
        self._closed = True
        self._bench.hold_dark()
        try:
            self._bench.release_camera()
        finally:
            dark = self._bench.close_light()
        return dark

    def __enter__(self) -> Self:
        """Return the open microscope."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _changed(
        self,
        channel: str | None,
        exposure_ms: float | None,
        gain_db: float | None,
        intensity: float | None,
        pixel_format: str | None,
    ) -> Settings:
        if channel is not None and channel not in self.channels:
            raise UsageError(f"There is no channel {channel!r}: choose from {', '.join(self.channels)}.")
        tree = self.settings.model_dump()
        wanted = {
            ("light", "channel"): channel,
            ("light", "intensity"): intensity,
            ("camera", "exposure_ms"): exposure_ms,
            ("camera", "gain_db"): gain_db,
            ("snap", "pixel_format"): pixel_format,
        }
        for (section, name), value in wanted.items():
            if value is not None:
                tree[section][name] = value
        try:
            return Settings.model_validate(tree)
        except ValidationError as error:
            first = error.errors()[0]
            raise UsageError(f"{first['loc'][-1]}: {first['msg']}, not {first['input']!r}.") from None


def _log(event: Event) -> None:
    if isinstance(event, Notice):
        log.warning("%s", event.text)


# ---------------------------------------------------------------------- counting


@lru_cache(maxsize=4)
def _counter(model: str) -> Segmenter:
    return make_counter(model)


def _counts(counter: Segmenter, settings: Settings, counted: Callable[[Segmentation], object]) -> PlanCounts:
    tracker, size = make_tracker(), settings.segmentation.pixel_size_um
    return PlanCounts(
        lambda frame: counter.segment(frame, size, tracker=tracker), settings.channels, counter.name, counted
    )


def segment(
    image: Frame | NDArray[Any],
    *,
    pixel_size_um: float | Literal["auto"] | None = None,
    model: str = "accurate",
) -> Segmentation:
    """Find and measure the nuclei in a frame or an array.

    Parameters
    ----------
    image : Frame or ndarray of uint8 or uint16, shape (H, W)
        Grey values; a uint16 array that stays below 4096 counts as 12-bit.
    pixel_size_um : float, "auto" or None
        µm per pixel; ``"auto"`` estimates it from the size of the nuclei; None takes the frame's own.
    model : str
        ``"accurate"`` takes ``"fast"`` where it is not installed.

    Returns
    -------
    Segmentation
        `labels` at the size of the image, int32; `nuclei` one row a nucleus; `flags` why not to trust the count.

    Raises
    ------
    UsageError, BadImageError, ModelError
    """
    number = isinstance(pixel_size_um, int | float) and not isinstance(pixel_size_um, bool)
    if not (number or pixel_size_um in (None, "auto")):
        raise UsageError(f'The pixel size is a number of µm, "auto" or None, not {pixel_size_um!r}.')
    frame = image if isinstance(image, Frame) else _frame_of(image)
    return _counter(model).segment(frame, pixel_size_um, exact=True)


def _frame_of(pixels: NDArray[Any]) -> Frame:
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or not pixels.size:
        raise BadImageError("An image is an array of shape (H, W): take one plane of it.")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise BadImageError(f"An image has uint8 or uint16 grey values, not {pixels.dtype}: convert it first.")
    kind = "Mono8" if pixels.dtype == np.uint8 else "Mono12" if int(pixels.max()) < 4096 else "Mono16"
    return Frame(read_only(np.ascontiguousarray(pixels)), 0, 0.0, 0.0, None, None, kind, None, name="array")


# ---------------------------------------------------------------------- reading


class Recording:
    """The frames of a recording, stack, folder, film or OME-Zarr: a sequence and a context manager.

    Attributes
    ----------
    info : ReplayInfo
        Kind, shape, pixel size, rate, and `meta`: whatever else the file says of itself.
    """

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.info = replay.info
        self._counting = counted_channels(replay.info)

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._replay.length

    def __getitem__(self, index: int) -> Frame:
        """Return frame `index` with its own time, exposure and light. Raises IndexError, BadImageError."""
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._replay.frame(index % len(self))

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        return self._replay.frames()

    def shows_nuclei(self, frame: Frame) -> bool:
        """Tell whether `frame` is one to count: its light was confirmed and shows nuclei, or nothing is known of it."""
        return countable(frame, self._counting)

    def close(self) -> None:
        """Release the file."""
        self._replay.close()

    def __enter__(self) -> Self:
        """Return the recording."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()


def read_recording(path: Path | str, *, pixel_size_um: float | None = None) -> Recording:
    """Open whatever dapiscope can replay.

    Frames that were taken with a flat field come with it (`Frame.shading`) and are counted by it, as in the window.

    Parameters
    ----------
    path : Path or str
    pixel_size_um : float, optional
        Wins over what the file says.

    Raises
    ------
    BadImageError
        Nothing there can be read.
    """
    find = CalibrationDesk(_log, usual_folder(), SystemClock()).find
    return Recording(open_replay(Path(path), pixel_size_um=pixel_size_um, find_shading=find))
