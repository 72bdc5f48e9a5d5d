"""The recorder: every frame of a run into one OME-TIFF, or a loud end.

Frames wait in a bounded queue for the writer's own thread. What is *acknowledged* survives whatever comes: its pixels
were synced before its line in the journal was, and `app.recording.recover` finishes the file from there.
"""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from app.clock import Clock, SystemClock
from app.errors import RecordingError
from app.frame import Frame, Light
from app.recording.files import (
    KEEP_FREE_BYTES,
    ReservedRoom,
    disk_error,
    free_bytes,
    make_folder,
    numbered,
    sync_folder,
)
from app.recording.finish import RecordingSummary, finish
from app.recording.journal import Journal, PlaneRecord, journal_path
from app.recording.metadata import RunMetadata
from app.recording.store import FrameStore
from app.recording.tiff import UNFINISHED_HEADER

Failed = Callable[[RecordingError], None]
Review = Callable[[Light, float, float | None, float], Light]
"""Takes the light of a frame, and its `exposure_end_s`, `exposure_ms` and `readout_ms`; gives what is known by now."""


_TAIL_BYTES = 256 << 10
"""Room kept for what stands behind the frames: settings, notes…"""
_TAIL_BYTES_A_FRAME = 1 << 10
"""…and for a frame's directory and description, besides its texts."""


class Finishing(NamedTuple):
    """How far closing a file has come, in frames: handed to the disk, safe from a crash, and all of them."""

    written: int
    acknowledged: int
    total: int


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """Where a recording stands.

    Attributes
    ----------
    written : int
        Frames handed to the disk.
    acknowledged : int
        Frames that survive a crash or a power cut.
    queued : int
        Frames that wait.
    bytes_written : int
    fill, peak_fill : float
        Of the queue now, and at its worst so far, 0…1; at 1 the recording fails.
    free_bytes : int
        On the disk, as of the last sync.
    seconds_left : float or None
        Until the disk is full at the rate so far; None before that is known.
    error : RecordingError or None
        What ended the recording, if it did not end well.
    """

    written: int
    acknowledged: int
    queued: int
    bytes_written: int
    fill: float
    peak_fill: float
    free_bytes: int
    seconds_left: float | None
    error: RecordingError | None


class Recorder:
    """Writes frames to an OME-TIFF that grows without a limit, losslessly and in order.

    Parameters
    ----------
    path : Path
        Wished name, e.g. ``folder/recording.ome.tif``; an existing file is never touched: -2, -3… is appended.
    meta : RunMetadata
    failed : callable, optional
        Called once, on the thread ``app-writer``, when the recording ends by itself: queue full, write failed.
    queue_bytes : int
        Bound of the queue. One frame is always accepted.
    sync_every_s : float
        At most this long after it came in (and the disk being fast enough) a frame is acknowledged.
    clock : Clock, optional
    review : callable, optional
        See `Review`; asked for every frame when the file is finished.
    notes : mapping, optional
        What is known from the start and goes into the file, whatever becomes of it; see `close`.
    """

    def __init__(
        self,
        path: Path,
        meta: RunMetadata,
        *,
        failed: Failed | None = None,
        queue_bytes: int = 512 << 20,
        sync_every_s: float = 0.25,
        clock: Clock | None = None,
        review: Review | None = None,
        notes: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = path
        self._review: Review = review or (lambda light, *_exposure: light)
        self._wish, self._meta, self._failed = path, meta, failed
        self._limit, self._sync_every_s = queue_bytes, sync_every_s
        self._clock: Clock = clock or SystemClock()
        self._changed = threading.Condition()
        self._queue: deque[tuple[Frame, tuple[int, int] | None, tuple[str, float, float] | None]] = deque()
        self._accepted = 0
        self._queued_bytes = 0
        self._peak = 0.0
        self._accepting = False
        self._ending = self._settled = self._closing = False
        self._error: RecordingError | None = None
        self._records: list[PlaneRecord] = []
        self._pending: list[bytes] = []
        self._accepted = self._acknowledged = 0
        self._bytes = 0
        self._tail_bytes = _TAIL_BYTES
        self._free = 0
        self._started_s = self._synced_s = 0.0
        self._notes: dict[str, Any] = dict(notes or {})
        self._summary: RecordingSummary | None = None
        self._thread: threading.Thread | None = None
        self._store: FrameStore
        self._journal: Journal
        self._room: ReservedRoom

    def start(self) -> None:
        """Create the files and begin to accept frames.

        Raises
        ------
        RecordingError
            The folder cannot be written to; nothing is left there.
        """
        make_folder(self._wish.parent)
        self._free = free_bytes(self._wish.parent)
        try:
            self._room = ReservedRoom(self._wish.parent)
            try:
                self._room.grow(self._tail_bytes)
                self._create()
            except OSError:
                self._room.release()
                raise
        except OSError as error:
            raise disk_error(error, self._wish) from error
        self._started_s = self._synced_s = self._clock.monotonic()
        self._accepting = True
        self._thread = threading.Thread(target=self._run, name="app-writer", daemon=True)
        self._thread.start()

    def _create(self) -> None:
        number = 1
        while True:
            path = self._wish.with_name(numbered(self._wish.name, number))
            number += 1
            if journal_path(path).exists():
                continue
            with suppress(FileExistsError):
                self._store = FrameStore.create(path)
                break
        self.path = path
        try:
            self._journal = Journal(journal_path(path), self._meta, self._clock.unix())
            if self._notes:
                self._journal.note(self._notes)
            self._store.write_header(UNFINISHED_HEADER)
            self._store.sync()
        except OSError:
            self._store.close()
            with suppress(OSError):
                path.unlink()
                journal_path(path).unlink()
            raise
        sync_folder(path.parent)

    def put(
        self, frame: Frame, place: tuple[int, int] | None = None, lit: tuple[str, float, float] | None = None
    ) -> bool:
        """Accept a frame to be written. Never blocks, never raises.

        Parameters
        ----------
        frame : Frame
        place : (int, int), optional
            (t, c) of a planned acquisition; without it planes follow one another in time.
        lit : (str, float, float), optional
            What taking it cost in light; see `PlaneRecord`.

        Returns
        -------
        bool
            False when the recording has ended, by `close` or by a failure that `failed` has told or will tell.
        """
        size = frame.pixels.nbytes
        with self._changed:
            if not self._accepting:
                return False
            if self._queue and self._queued_bytes + size > self._limit:
                self._accepting = False
                self._error = RecordingError(
                    f"The recording ended after {self._accepted} frames because the disk could "
                    "not keep up: record fewer frames per second, a smaller region, or to a faster disk."
                )
                self._peak = 1.0
                self._changed.notify_all()
                return False
            self._queue.append((frame, place, lit))
            self._accepted += 1
            self._queued_bytes += size
            self._peak = max(self._peak, min(1.0, self._queued_bytes / self._limit))
            self._changed.notify_all()
        return True

    @property
    def status(self) -> RecorderStatus:
        """Where the recording stands; from any thread."""
        with self._changed:
            elapsed_s = self._clock.monotonic() - self._started_s
            rate = self._bytes / elapsed_s if elapsed_s > 0 else 0.0
            return RecorderStatus(
                written=len(self._records),
                acknowledged=self._acknowledged,
                queued=len(self._queue),
                bytes_written=self._bytes,
                fill=min(1.0, self._queued_bytes / self._limit),
                peak_fill=self._peak,
                free_bytes=self._free,
                seconds_left=max(0.0, self._free - KEEP_FREE_BYTES) / rate if rate > 0 else None,
                error=self._error,
            )

    def acknowledged(self, first: int) -> list[PlaneRecord]:
        """Return the frames that survive a crash, from number `first` on: their pixels can be read back by now."""
        with self._changed:
            return self._records[first : self._acknowledged]

    @property
    def finishing(self) -> Finishing | None:
        """How far `close` has come while it still works; else None. From any thread."""
        with self._changed:
            if not self._ending or self._summary is not None:
                return None
            return Finishing(len(self._records), self._acknowledged, self._accepted)

    def settle(self) -> int:
        """Accept no more, wait until what is queued is safe or lost, and return how many frames the file will have."""
        with self._changed:
            self._accepting = False
            self._ending = True
            self._changed.notify_all()
            if self._thread is not None and self._thread is not threading.current_thread():
                self._changed.wait_for(lambda: self._settled)
            return self._acknowledged

    def close(self, notes: Mapping[str, Any] | None = None) -> RecordingSummary:
        """Write what is queued, finish the file and return what became of it. Idempotent; never raises.

        Parameters
        ----------
        notes : mapping, optional
            JSON-able values to be stored with the data, e.g. ``{"losses": {"camera": 3}}``; ``{"complete": False}``
            marks what was stopped before its plan was done.
        """
        with self._changed:
            self._notes.update(notes or {})
            self._accepting = False
            self._ending = self._closing = True
            self._changed.notify_all()
        if self._thread is threading.current_thread():
            # From within `failed`: the file is finished when it returns.
            return RecordingSummary(self.path, self._acknowledged, self._bytes, self._error)
        if self._thread is not None:
            self._thread.join()
        if self._summary is None:
            self._summary = RecordingSummary(self.path, 0, 0, RecordingError("The recording was never started."))
        return self._summary

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # ------------------------------------------------------------------ on the thread app-writer

    def _run(self) -> None:
        try:
            self._write_all()
        except BaseException as error:  # noqa: BLE001 - any failure here ends the recording, loudly
            self._fail(error)
            # The last frames may be on the disk all the same.
            with suppress(OSError, RecordingError):
                self._sync()
        with self._changed:
            self._settled = True
            self._changed.notify_all()
        told = self._tell()
        with self._changed:
            while not self._closing:
                self._changed.wait()
        self._finish()
        if not told:
            self._tell()

    def _write_all(self) -> None:
        while True:
            with self._changed:
                if not self._queue and self._accepting:
                    self._changed.wait(self._sync_every_s if self._pending else None)
                item = self._queue.popleft() if self._queue else None
                ended = item is None and not self._accepting
            if item is not None:
                self._write(*item)
                with self._changed:
                    self._queued_bytes -= item[0].pixels.nbytes
                # Forget the frame before waiting for the next, or the camera's buffer stays taken.
                item = None
                if self._clock.monotonic() - self._synced_s >= self._sync_every_s:
                    self._sync()
            elif self._pending:
                self._sync()
            if ended:
                return

    def _write(self, frame: Frame, place: tuple[int, int] | None, lit: tuple[str, float, float] | None) -> None:
        record = PlaneRecord.of(frame, self._store.end, place, lit)
        if record.size != frame.pixels.nbytes or not record.size:
            raise RecordingError(
                f"Frame {frame.index} says {frame.pixel_format} but has {frame.pixels.dtype} pixels of shape "
                f"{frame.shape}: choose another pixel format."
            )
        line = record.to_line()
        self._tail_bytes += _TAIL_BYTES_A_FRAME + 2 * len(line)
        self._room.grow(self._tail_bytes)  # first: no frame is acknowledged that the end of the file has no room for
        self._store.append(frame.pixels)
        self._pending.append(line)
        with self._changed:
            self._records.append(record)
            self._bytes += record.size

    def _sync(self) -> None:
        """Acknowledge what was written: pixels first, then their lines in the journal."""
        lines, self._pending = self._pending, []  # a sync that failed once may succeed later without the data
        if lines:
            self._store.sync()
            self._journal.append(lines)
            with self._changed:
                self._acknowledged += len(lines)
        self._synced_s = self._clock.monotonic()
        if self._store.deleted:
            raise RecordingError(
                f"The recording {self.path} was deleted while it was written: record to another folder."
            )
        free = self._store.free_bytes
        with self._changed:
            self._free = free
        if free < KEEP_FREE_BYTES:
            raise RecordingError(
                f"The recording ended because the disk of {self.path.parent} is full: "
                "make room or choose another folder."
            )

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, OSError):
            error = disk_error(error, self.path)
        elif not isinstance(error, RecordingError):
            cause = error
            error = RecordingError(f"The recording ended by a fault of the program ({cause!r}): please report it.")
            error.__cause__ = cause
        with self._changed:
            self._accepting = False
            self._queue.clear()
            self._queued_bytes = 0
            self._error = self._error or error

    def _tell(self) -> bool:
        """Report the failure, if there is one."""
        error = self._error
        if error is not None and self._failed is not None:
            self._failed(error)
        return error is not None

    def _reviewed(self, record: PlaneRecord) -> PlaneRecord:
        light = self._review(record.light, record.exposure_end_s, record.exposure_ms, record.readout_ms)
        return record if light is record.light else replace(record, light=light)

    def _unfinished(self, frames: int) -> RecordingError:
        """Return the sentence for a file that could not be made whole."""
        why = str(self._error).rpartition(": ")[0] or str(self._error).rstrip(".")
        return RecordingError(
            f"{why}, and {self.path.name} is unfinished: make room and run `dapiscope recover {self.path.parent}`,"
            f" which brings back its {frames} frames."
        )

    def _finish(self) -> None:
        """Make the file whole with the frames that were acknowledged; on failure the journal stays for recovery."""
        finished = False
        records = self._records[: self._acknowledged]
        notes = self._notes | {"complete": self._error is None and self._notes.get("complete", True)}
        if self._error is not None:
            notes["ended by"] = str(self._error)
        self._room.release()
        try:
            reviewed = [self._reviewed(record) for record in records]
            # Should finishing fail, `recover` finds in the journal what is known by now.
            learnt = [new.to_line() for new, old in zip(reviewed, records, strict=True) if new is not old]
            with suppress(OSError):
                if learnt:
                    self._journal.append(learnt)
            with suppress(OSError):
                self._journal.note(notes)
            finish(self._store, self.path, reviewed, self._meta, notes)
            self._journal.close()
            journal_path(self.path).unlink(missing_ok=True)
            sync_folder(self.path.parent)
            finished = True
        except Exception as error:  # noqa: BLE001 - told as the end of the recording; the journal stays
            self._fail(error)
            self._error = self._unfinished(len(records))
        finally:
            self._journal.close()
            self._store.close()
        self._summary = RecordingSummary(self.path, len(records), sum(r.size for r in records), self._error, finished)
