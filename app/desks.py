"""Two corners of a session that stand on their own: what is being recorded, and what is being replayed."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.clock import Clock
from app.errors import BadImageError, RecordingError, RefusedError
from app.events import DiskMeasured, Event, Notice, RecordingChanged, RecordingFinishing, ReplayMoved, ScaleMissing
from app.frame import Frame
from app.hardware.base import Camera
from app.live_path import LivePath
from app.recording import Finishing, Recorder, Replay, Review, RunMetadata, check_disk, find_unfinished
from app.recording.files import Progress, nobody_listens
from app.recording.replay import FindShading
from app.recording.sources import open_sequence
from app.recording.told_scales import ToldScales, usual_file

RECORDER_QUEUE_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A recording that was asked for: where, of how many frames (None: until it is stopped), after what give-ups.

    `notes` go into the file.
    """

    folder: Path
    frames: int | None
    give_ups: int
    notes: Mapping[str, Any] | None = None


class RecordingDesk:
    """At most one recording at a time, from a `LivePath` to a file.

    Parameters
    ----------
    publish : callable
        Gets `RecordingChanged`.
    failed : callable
        Gets the RecordingError that ended a recording.
    full : callable
        Called on the camera's thread when a recording of so many frames has them all.
    """

    def __init__(
        self, publish: Callable[[Event], None], failed: Callable[[RecordingError], None], full: Callable[[], None]
    ) -> None:
        self._publish, self._failed, self._full = publish, failed, full
        self._recorder: Recorder | None = None
        self._last: Recorder | None = None
        self._stopping = threading.Lock()
        self._path: LivePath | None = None
        self._give_ups = 0
        self.kept = 0
        """Frames in the last file that was finished."""

    @property
    def active(self) -> bool:
        """True while a file is open."""
        return self._recorder is not None

    @property
    def finishing(self) -> Finishing | None:
        """How far `stop` has come; see `app.recording.Recorder.finishing`. Any thread."""
        return self._last.finishing if self._last is not None else None

    def ask(self, folder: Path, frames: int | None = None, notes: Mapping[str, Any] | None = None) -> "Asked":
        """Return a recording as asked for now, into `folder`: whatever `give_up` ends from now on, it ends too."""
        return Asked(folder, frames, self._give_ups, notes)

    def measure(self, asked: "Asked", camera: Camera) -> None:
        """Refuse a recording that the disk cannot carry, or that was given up since it was asked for; RefusedError."""

        def look() -> None:
            if asked.give_ups != self._give_ups:
                raise RefusedError("The recording was cancelled before its first frame.", "cancelled")

        def progress(done: float) -> None:
            look()
            self._publish(DiskMeasured(done))

        look()
        try:
            check_rate(asked.folder, camera, asked.frames, progress)
            look()
        finally:
            self._publish(DiskMeasured(None))

    def give_up(self) -> None:
        """End what was asked for and has not begun, and the measurement for it that is under way; any thread."""
        self._give_ups += 1

    def start(
        self,
        folder: Path,
        path: LivePath,
        meta: RunMetadata,
        frames: int | None,
        review: Review | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        """Record what `path` is fed from now on, or the next `frames` of it, into a new file in `folder`.

        `review` has the last word on the light of each frame, `notes` are kept; see `app.recording.Recorder`.
        """
        wish = folder / "recording.ome.tif"
        recorder = Recorder(
            wish, meta, failed=self._failed, queue_bytes=RECORDER_QUEUE_BYTES, review=review, notes=notes
        )
        recorder.start()
        self._recorder, self._last, self._path = recorder, recorder, path
        path.recorded, path.record_limit, path.record_full = 0, frames, self._full
        path.record = recorder.put
        self._publish(RecordingChanged(True, recorder.path))

    def tell(self) -> None:
        """Publish how the recording stands."""
        recorder = self._recorder
        if recorder is not None:
            status = recorder.status
            self._publish(RecordingChanged(True, recorder.path, status.written, status.fill, status.seconds_left))
        elif (left := self.finishing) is not None:
            self._publish(RecordingFinishing(left.written, left.total))

    def stop(self, notes: Mapping[str, Any]) -> RecordingError | None:
        """Finish the file, with `notes` in it; idempotent; any thread. Returns what went wrong, if anything did."""
        with self._stopping:
            recorder, self._recorder = self._recorder, None
        if recorder is None:
            return None
        if self._path is not None:
            self._path.record = None
        summary = recorder.close(notes)
        self.kept = summary.frames
        if self._path is not None:
            self._path.recorded = summary.frames  # a disk that refused has not taken all that came
        self._publish(RecordingChanged(False, summary.path, summary.frames))
        return summary.error


def check_rate(folder: Path, camera: Camera, frames: int | None, progress: Progress = nobody_listens) -> None:
    """Refuse a recording that the disk under `folder` cannot carry, before its first frame; RefusedError.

    What fits into the recorder's queue needs no fast disk.
    """
    settings, limits = camera.settings, camera.limits
    width, height = settings.roi[2:] if settings.roi else (limits.width[1], limits.height[1])
    frame_bytes = width * height * (1 if settings.pixel_format == "Mono8" else 2) / settings.binning**2
    if frames is not None and frames * frame_bytes <= RECORDER_QUEUE_BYTES:
        return
    # A camera that runs free is as fast as its readout, whatever else the rate may be set to.
    fastest = 1000 / camera.readout_ms if camera.readout_ms else limits.fps[1]
    check_disk(folder, frame_bytes * (settings.fps or fastest), progress=progress)


def unfinished_notice(folder: Path) -> Notice | None:
    """Return what to tell about recordings in `folder` that were left unfinished; None when there are none."""
    found = find_unfinished(folder)
    if not found:
        return None
    frames = sum(each.frames for each in found)
    which = found[0].path.name if len(found) == 1 else f"{len(found)} recordings"
    return Notice(
        "warning",
        f"{which} in {folder} was left unfinished; `dapiscope recover {folder}` brings back {frames} frames.",
    )


class ReplayDesk:
    """At most one replay at a time, played into a `LivePath`."""

    def __init__(
        self,
        publish: Callable[[Event], None],
        clock: Clock,
        told: ToldScales | None = None,
        find_shading: FindShading | None = None,
    ) -> None:
        self._publish, self._clock, self._find_shading = publish, clock, find_shading
        self._told = told or ToldScales(usual_file())
        self._scale_missing = False
        self._replay: Replay | None = None
        self._path: LivePath | None = None
        self._seen: Callable[[Frame], None] = lambda frame: None
        self._simulated: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """True while a replay is open."""
        return self._replay is not None

    @property
    def pixel_size_um(self) -> float | None:
        """What is taken for the size of a pixel in what is open; None where nobody knows."""
        return self._replay.info.pixel_size_um if self._replay is not None else None

    def open(
        self, path: Path, *, pixel_size_um: float | None, hold: bool, speed: float | None, use_told: bool = True
    ) -> None:
        """Open `path`; BadImageError when it cannot be played.

        For a file without its own size, what was told of it by `remember_scale` is taken where `use_told`, and where
        nothing was, `ScaleMissing` asks for it. `pixel_size_um` is what is in force for whatever is opened: it says
        nothing of this file, and is not remembered.
        """
        sequence = open_sequence(path)
        self._scale_missing = sequence.info.pixel_size_um is None
        if self._scale_missing and pixel_size_um is None and use_told:
            pixel_size_um = self._told.of(path)
            if pixel_size_um is not None:
                said = f"{path.name}: {pixel_size_um:g} µm per pixel, as you said last time."
                self._publish(Notice("info", said))
            else:
                self._publish(ScaleMissing(path))
        self._replay = Replay(
            sequence,
            pixel_size_um=pixel_size_um,
            hold=hold,
            clock=self._clock,
            bad_file=self._bad_file,
            find_shading=self._find_shading,
        )
        self._replay.set_speed(speed)
        self._simulated = RunMetadata.from_entries(self._replay.info.meta).simulated  # others' files say nothing of it

    def remember_scale(self, pixel_size_um: float) -> None:
        """Keep what was just told of the file that is open, if it does not say its own."""
        if self._replay is not None and self._scale_missing:
            self._told.remember(self._replay.info.path, pixel_size_um)

    def play_into(
        self, path: LivePath, seen: Callable[[Frame], None], ended: Callable[[BaseException | None], None]
    ) -> None:
        """Start to play: every frame goes to `seen` and into `path`."""
        if self._replay is not None:
            self._path, self._seen = path, seen
            self._replay.start(self._take, ended)

    def command(self, do: Callable[[Replay], None]) -> None:
        """Play, pause, step, seek…; nothing happens when no replay is open."""
        replay = self._replay
        if replay is not None:
            do(replay)
            self.tell()

    def tell(self, shown: Frame | None = None) -> None:
        """Publish where the replay stands, and which frame was just `shown`."""
        replay = self._replay
        if replay is not None:
            at = ReplayMoved(
                replay.info.path,
                replay.position,
                replay.length,
                replay.playing,
                replay.speed or 0.0,
                None if shown is None else shown.index,
                self._simulated,
                replay.info.meta,
                replay.info.fps,
                not self._scale_missing,
            )
            self._publish(at)

    def close(self) -> bool:
        """Leave the replay; idempotent. True when one was open."""
        replay, self._replay = self._replay, None
        if replay is None:
            return False
        if self._path is not None:
            self._path.stop()  # first: a replay waits for the stages
        replay.close()
        return True

    def _take(self, frame: Frame) -> None:
        self._seen(frame)
        if self._path is not None:
            self._path.feed(frame)
        self.tell(frame)

    def _bad_file(self, _path: Path, error: BadImageError) -> None:
        self._publish(Notice("error", str(error)))
