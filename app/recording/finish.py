"""Making a recording whole: at its end, or later, where that could not be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import BadImageError, FileError, RecordingError
from app.images import split_name
from app.recording.files import disk_error, remove_stale_parts, sync_folder, zarr_beside
from app.recording.journal import (
    JOURNAL_SUFFIX,
    PlaneRecord,
    holding,
    is_being_written,
    journal_path,
    read_journal,
)
from app.recording.metadata import RunMetadata
from app.recording.ome import build_ome
from app.recording.store import PAGE, FrameStore, padded
from app.recording.tiff import build_tail, is_finished


@dataclass(frozen=True, slots=True)
class RecordingSummary:
    """What became of a recording: its file, the frames in it, their bytes, and what ended it early, if anything."""

    path: Path
    frames: int
    bytes: int
    error: RecordingError | None = None
    finished: bool = True
    """False where the file could not be made whole: its journal is left, for `recover`."""

    @property
    def complete(self) -> bool:
        """True when it ended as asked and not by a failure."""
        return self.error is None


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A recording that was left unfinished: its file, the frames that `recover` will bring back, when it began."""

    path: Path
    frames: int
    started_unix_s: float


def finish(
    store: FrameStore,
    path: Path,
    records: Sequence[PlaneRecord],
    meta: RunMetadata,
    notes: Mapping[str, Any],
    title: str | None = None,
) -> None:
    """Write the directories and, last of all, the header that makes the file a TIFF. Raises OSError.

    A recording without frames leaves no file.
    """
    if not records:
        path.unlink(missing_ok=True)
        return
    end = max(record.offset + padded(record.size) for record in records)
    store.truncate(end)
    xml = build_ome(records, meta, notes, title or split_name(path.name)[0])
    tail = build_tail(records, end, xml, meta.software)
    store.write_at(tail.offset, tail.data)
    store.sync()
    store.write_header(tail.header)
    store.sync()


def recover(path: Path) -> RecordingSummary:
    """Finish a recording that was left unfinished, with every frame that was acknowledged.

    Harmless on a whole recording.

    Parameters
    ----------
    path : Path
        The recording; its journal lies beside it.

    Raises
    ------
    BadImageError
        There is nothing to recover, the journal is damaged, or another program still writes the file.
    RecordingError
        The disk refused; try again when there is room.
    """
    journal = journal_path(path)
    if not journal.exists():
        raise BadImageError(f"{path} has no journal beside it ({journal.name}): nothing can be recovered.")
    try:
        with holding(journal) as held:
            if not held:
                raise BadImageError(f"{path} is still being written by another program: wait for it to end.")
            records = _finish_held(path, journal)
        journal.unlink(missing_ok=True)  # another `recover` may have come to the same end
        sync_folder(path.parent)
        remove_stale_parts(zarr_beside(path))
    except OSError as error:
        raise disk_error(error, path) from error
    return RecordingSummary(path, len(records), sum(record.size for record in records))


def _finish_held(path: Path, journal: Path) -> list[PlaneRecord]:
    try:
        store = FrameStore.reopen(path)
    except OSError as error:
        raise BadImageError(f"{path} cannot be opened ({error.strerror}): only its journal is left.") from error
    try:
        return _finish_killed(store, path, journal)
    finally:
        store.close()


UNKNOWN_END = "It was left unfinished, as by a program that was killed; nothing says why."


def _finish_killed(store: FrameStore, path: Path, journal: Path) -> list[PlaneRecord]:
    try:
        head, records = read_journal(journal)
    except BadImageError:
        if store.size > PAGE:
            raise
        # Killed while both files were being made: there was no frame yet.
        path.unlink()
        return []
    if is_finished(store.read(0, PAGE)):
        return records
    whole = _readable(records, store.size)
    notes: dict[str, Any] = {"complete": False, "ended by": UNKNOWN_END, **head.notes, "recovered": True}
    if "dose" not in notes and any(record.lit for record in whole):
        notes["dose"] = _dose(whole)
    if len(whole) < len(records):
        notes |= {"complete": False, "frames missing": len(records) - len(whole)}
    elif notes["complete"]:
        del notes["ended by"]
    finish(store, path, whole, head.meta, notes)
    return whole


def _dose(records: Sequence[PlaneRecord]) -> dict[str, Any]:
    """Return the light of the frames of a plan; of a frame that was being taken when the program died nobody knows."""
    channels: dict[str, dict[str, float]] = {}
    for channel, lit_s, dose_s in (record.lit for record in records if record.lit):
        sums = channels.setdefault(channel, {"lit_s": 0.0, "dose_s": 0.0})
        sums["lit_s"] = round(sums["lit_s"] + lit_s, 4)
        sums["dose_s"] = round(sums["dose_s"] + dose_s, 4)
    return {"upper_bound": False, "channels": channels}


def _readable(records: Sequence[PlaneRecord], size: int) -> list[PlaneRecord]:
    """Return the records up to the first whose pixels are not in a file of `size` bytes."""
    whole: list[PlaneRecord] = []
    for record in records:
        if record.offset < PAGE or record.size == 0 or record.offset + record.size > size:
            break
        whole.append(record)
    return whole


def find_unfinished(folder: Path) -> list[Unfinished]:
    """Return what was left unfinished in `folder`, oldest name first; what is being written is left out."""
    found: list[Unfinished] = []
    if not folder.is_dir():
        return found
    for journal in sorted(folder.glob(f"*{JOURNAL_SUFFIX}")):
        path = journal.with_name(journal.name.removesuffix(JOURNAL_SUFFIX))
        if not path.exists() or is_being_written(journal):
            continue
        try:
            began = journal.stat().st_mtime
            head, records = read_journal(journal)
            found.append(Unfinished(path, len(_readable(records, path.stat().st_size)), head.started_unix_s))
        except FileError:
            found.append(Unfinished(path, 0, began))
        except OSError:
            continue
    return found
