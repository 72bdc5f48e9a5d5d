"""A live run or a replay without a window, and the account of any run: what scripts read.

The display stage runs as it does under the window, and every result is drawn into an overlay of that size, so that
the rates and the latency are those of real work.
"""

import csv
import json
import signal
import statistics
import threading
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import numpy as np
import psutil

from app.clock import Clock, SystemClock
from app.errors import CancelledError, DapiscopeError, RefusedError
from app.events import Event, Notice, PictureReady, RecordingChanged, ResultReady, State, StateChanged
from app.frame import Segmentation
from app.images import split_name
from app.inference.measure import COUNT_COLUMNS, MOMENT, count_row, known_pixel_size_um, moment_text
from app.inference.overlay import overlay_of, overlay_rgba, upscale_labels
from app.recording import make_folder
from app.recording.files import disk_error, open_table, whole_file, write_new
from app.recording.snapshot import write_png
from app.recording.tables import encode_labels
from app.session import Session

T = TypeVar("T")
DISPLAY_SIZE = (1280, 720)
COUNT_HEADER = ("frame", MOMENT, COUNT_COLUMNS[0], "image", *COUNT_COLUMNS[1:])


class RunLog:
    """Listens to a session and keeps the account of one run.

    Parameters
    ----------
    session : Session
    out : Path or None
        Folder for ``counts.csv``; also, for named images, ``<stem>_labels.tif`` and ``<stem>_overlay.png``.
    draw : bool
        Draw the overlay of every result (the window draws its own).
    """

    def __init__(self, session: Session, out: Path | None, *, draw: bool, clock: Clock | None = None) -> None:
        self._session = session
        self._out = out
        self._draw = draw
        self._clock = clock or SystemClock()
        self.first_frame = threading.Event()
        self.first_frame_s = 0.0
        self.counts = array("l")
        self.latencies_ms = array("d")
        self.notices: list[Notice] = []
        self.failure = ""
        self.interrupted = False
        self.recording: Path | None = None
        self._rows: Any = None
        self._file: Any = None
        self.notes: dict[str, Any] = {}
        """What a recording of this run is to say of it."""
        if out is not None:
            make_folder(out)
            self._file = open_table(out, "counts.csv")
            self.notes["nuclei"] = {"table": Path(self._file.name).name}
            self._rows = csv.writer(self._file)
            self._rows.writerow(COUNT_HEADER)
        self._overlay = np.empty((0, 0, 4), np.uint8)
        self._process = psutil.Process()
        self._memory_mb: list[float] = []
        self._unsubscribe = session.subscribe(self._listen)

    def elapsed_s(self) -> float:
        """Return the seconds since the first frame, 0 before it."""
        return self._clock.monotonic() - self.first_frame_s if self.first_frame.is_set() else 0.0

    def note_memory(self) -> None:
        """Take a sample of this process' memory, at most one a second of the run."""
        if len(self._memory_mb) <= self.elapsed_s():
            self._memory_mb.append(self._process.memory_info().rss / 1e6)

    def close(self) -> None:
        """Stop listening and finish the table."""
        self._unsubscribe()
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                self.failure = self.failure or str(disk_error(error, Path(self._file.name)))
            if self.failure and not self.counts:
                Path(self._file.name).unlink(missing_ok=True)  # nothing was counted: no table to be taken for a result
            self._file = None

    def summary(self, *, confirmed_off: bool) -> dict[str, Any]:
        """Return the account as the JSON contract of `dapiscope live` has it."""
        session, path = self._session, self._session.path
        stats = session.stats()
        frame, counter = session.last_frame, session.counter
        latencies = np.asarray(self.latencies_ms or [0.0])
        return {
            "frames": {
                "grabbed": stats.grabbed,
                "lost_camera": stats.lost_camera,
                "displayed": stats.displayed,
                "skipped_display": stats.skipped_display,
                "segmented": stats.segmented,
                "skipped_segment": stats.skipped_segment,
                "not_counted": stats.not_counted,
                "recorded": stats.recorded,
            },
            "fps": {
                "camera": round(path.camera_rate.overall(), 2) if path else 0.0,
                "display": round(path.display_rate.overall(), 2) if path else 0.0,
                "segment": round(path.segment_rate.overall(), 2) if path else 0.0,
            },
            "latency_ms": {
                "p50": round(float(np.percentile(latencies, 50)), 2),
                "p95": round(float(np.percentile(latencies, 95)), 2),
            },
            "count": {
                "last": self.counts[-1] if self.counts else None,
                "mean": round(statistics.fmean(self.counts), 3) if self.counts else None,
            },
            "truth": frame.truth_count if frame is not None else None,
            "light": {"confirmed_off": confirmed_off if session.light_opened else None},
            "dose": session.dose,
            "model": {
                "name": counter.name if counter else None,
                "sha256": counter.sha256 if counter else None,
                "provider": counter.provider_used if counter else None,
            },
            "memory_mb": self._memory(),
            "recording": str(self.recording) if self.recording else None,
            "notices": [notice.text for notice in self.notices if notice.text != self.failure],
            "bad_files": sum(notice.level == "error" and notice.text != self.failure for notice in self.notices),
            "interrupted": self.interrupted,
            "error": self.failure or None,
        }

    def _memory(self) -> dict[str, float | None]:
        """Resident memory: once the buffers are filled (a tenth of the run, at least 5 s), at the end, at most."""
        samples = self._memory_mb
        warm = min(max(5, len(samples) // 10), len(samples) - 1)
        return {
            "warm": round(samples[warm], 1) if samples else None,
            "end": round(samples[-1], 1) if samples else None,
            "peak": round(max(samples), 1) if samples else None,
        }

    def _listen(self, event: Event) -> None:
        match event:
            case PictureReady():
                if not self.first_frame.is_set():
                    self.first_frame_s = self._clock.monotonic()
                    self.first_frame.set()
            case ResultReady(segmentation=segmentation, latency_ms=latency_ms):
                self._take(segmentation, latency_ms)
            case Notice():
                self.notices.append(event)
            case StateChanged(state=State.FAILED, reason=reason):
                self.failure = reason
                self.first_frame.set()
            case RecordingChanged(active=active, path=recording, frames=frames):
                self.recording = recording if active or frames else None  # one without frames leaves no file
            case _:
                pass

    def _take(self, segmentation: Segmentation, latency_ms: float) -> None:
        drawn_from = self._clock.monotonic()
        if self._draw:
            self._draw_overlay(segmentation)
        self.counts.append(segmentation.count)
        self.latencies_ms.append(latency_ms + (self._clock.monotonic() - drawn_from) * 1000)
        if self._rows is not None:
            frame = segmentation.frame
            row = count_row(segmentation)
            try:
                self._rows.writerow([frame.index, moment_text(frame), row[0], frame.name, *row[1:]])
            except OSError as error:
                raise disk_error(error, Path(self._file.name)) from error
        if self._out is not None and segmentation.frame.name:
            self._save_image(self._out, segmentation)

    def _draw_overlay(self, segmentation: Segmentation) -> None:
        height, width = segmentation.frame.shape
        scale = min(DISPLAY_SIZE[0] / width, DISPLAY_SIZE[1] / height, 1.0)
        shape = (max(round(height * scale), 1), max(round(width * scale), 1))
        reuse = self._overlay if self._overlay.shape[:2] == shape else None
        self._overlay = overlay_rgba(segmentation.labels, shape=shape, out=reuse)

    def _save_image(self, out: Path, segmentation: Segmentation) -> None:
        """Keep what was found in a named image: the labels at its own size, and the picture with the outlines."""
        frame = segmentation.frame
        stem = split_name(frame.name)[0]
        labels = upscale_labels(segmentation.labels, frame.shape)
        size_um = known_pixel_size_um(segmentation)
        write_new(out, f"{stem}_labels.tif", lambda path: encode_labels(path, labels, size_um))
        write_new(out, f"{stem}_overlay.png", lambda path: write_png(path, overlay_of(segmentation)))


def save_overlay(path: Path, segmentation: Segmentation) -> None:
    """Write the frame with its nuclei outlined as an RGB PNG. Raises RecordingError; nothing is left then."""
    with whole_file(path) as temporary:
        write_png(temporary, overlay_of(segmentation))


@contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT, SIGTERM and SIGHUP set, so that a run always ends in order with the light off."""
    asked = threading.Event()

    def handler(_number: int, _frame: FrameType | None) -> None:
        asked.set()

    wanted = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, handler) for number in wanted}
    try:
        yield asked
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def run_live(
    session: Session,
    *,
    seconds: float | None,
    out: Path | None,
    record_frames: int | None = None,
    progress: Callable[[RunLog], None] | None = None,
) -> dict[str, Any]:
    """Run `session` live without a window for `seconds` from the first frame (None: until it ends or is stopped).

    With `out` every frame is recorded there, or the first `record_frames`, and the counts are written.

    Returns
    -------
    dict
        The account; with ``"refused"`` when it was refused at the start.

    Raises
    ------
    DapiscopeError
        Only before anything was opened; a failure during the run is in the account under ``"error"``.
    """
    log = RunLog(session, out, draw=True)
    refused = ""
    with stop_signals() as asked:
        try:
            _done(session, session.start_live(record_to=out, record_frames=record_frames, notes=log.notes), asked)
            _wait(session, log, seconds, asked, progress)
            if session.state is State.LIVE:
                _ended(session, session.stop_live())
        except DapiscopeError as error:
            if _given_up(error):
                log.interrupted = True
            elif isinstance(error, RefusedError):
                refused, log.failure = error.reason, str(error)
            else:
                log.failure = log.failure or str(error)
        finally:
            confirmed_off = session.close()
            log.close()
    account = log.summary(confirmed_off=confirmed_off)
    if refused:
        account["refused"] = refused
    return account


def run_replay(
    session: Session, path: Path, *, out: Path | None, progress: Callable[[RunLog], None] | None = None
) -> dict[str, Any]:
    """Count every frame of `path` as fast as the model goes; same account as `run_live`."""
    log = RunLog(session, out, draw=False)
    with stop_signals() as asked:
        try:
            _done(session, session.open_replay(path, hold=False, speed=None), asked)
            _wait(session, log, None, asked, progress)
            _ended(session, session.close_replay())
        except DapiscopeError as error:
            if _given_up(error):
                log.interrupted = True
            else:
                log.failure = log.failure or str(error)
        finally:
            confirmed_off = session.close()
            log.close()
    return log.summary(confirmed_off=confirmed_off)


def run_snap(session: Session, *, segment: bool, out: Path) -> dict[str, Any]:
    """Take one snapshot into `out`; same account as `run_live`, with the ``"files"``."""
    log = RunLog(session, None, draw=False)
    files: dict[str, str] = {}
    with stop_signals() as asked:
        try:
            taken = _done(session, session.snap(segment, out), asked)
            files = {name: str(path) for name, path in taken.files.items()}
            log.interrupted = asked.is_set() and segment and taken.segmentation is None
        except DapiscopeError as error:
            if _given_up(error):
                log.interrupted = True
            else:
                log.failure = log.failure or str(error)
        finally:
            confirmed_off = session.close()
            log.close()
    account = log.summary(confirmed_off=confirmed_off)
    account["frames"].update(grabbed=int(bool(files)), segmented=len(log.counts))
    return {**account, "files": files}


def _done(session: Session, doing: "Future[T]", asked: threading.Event) -> T:
    """Wait for what `session` is doing, and return what came of it; a signal cancels it."""
    while not wait([doing], 0.05).done:
        if asked.is_set():
            session.cancel()
            break
    return doing.result()


def _ended(session: Session, ending: "Future[None]") -> None:
    """Wait for the end of a run; a device that hangs in it is left to `Session.close`, which leaves it behind."""
    if session.outlast(ending):
        ending.result()


def _given_up(error: DapiscopeError) -> bool:
    """Tell whether `error` says that something was cancelled, as by a signal."""
    return isinstance(error, CancelledError) or (isinstance(error, RefusedError) and error.reason == "cancelled")


def _wait(
    session: Session,
    log: RunLog,
    seconds: float | None,
    asked: threading.Event,
    progress: Callable[[RunLog], None] | None,
) -> None:
    """Wait for the end: of the time, of the source, a failure, or a signal."""
    clock = SystemClock()
    while not session.finished.is_set():
        if asked.is_set():
            # Without a time to run for, being asked to stop is the way a run ends.
            log.interrupted = seconds is not None or session.state is State.REPLAYING
            return
        if log.first_frame.is_set() and seconds is not None:
            left_s = log.first_frame_s + seconds - clock.monotonic()
            if left_s <= 0:
                return
            asked.wait(min(left_s, 0.2))
        else:
            asked.wait(0.05)
        if log.first_frame.is_set():
            log.note_memory()
        if progress is not None:
            progress(log)


def write_json(path: Path, account: dict[str, Any]) -> None:
    """Write `account`, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.write_text(json.dumps(account, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
