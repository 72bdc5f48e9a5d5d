"""What is known of each recorded frame besides its pixels, and the journal that keeps it while a file grows.

The journal is a text file beside the recording, one JSON object a line: a head first, then one line a frame. A line
is written only after its frame's pixels are safely on the disk, so every whole line names a readable frame; a line
cut short by a crash is dropped. When the recording has ended, the lines of frames of which more is known by then follow
once more (the last line of a frame counts), and one with what belongs into the file besides, for the case that the file
cannot be finished. The journal is removed when the recording is finished.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from app.errors import BadImageError
from app.frame import BITS, Frame, Light
from app.recording.metadata import RunMetadata

JOURNAL_SUFFIX = ".frames.jsonl"
_VERSION = 2
_READABLE = {1, 2}
"""Before 2 there were no notes, and no `lit`."""
_MAX_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class PlaneRecord:
    """One frame in a file: where its pixels lie, and everything else of it.

    `offset` and `size` are bytes; `place` is (t, c) in a plan, None in a stream; `flat_field` is the title of
    the shading that was taken out where the frame was shown and counted (the pixels in the file are raw); `lit` is what
    taking a planned frame cost in light: channel, seconds on at most, and those times the intensity; the rest is as in
    `Frame`.
    """

    offset: int
    height: int
    width: int
    index: int
    exposure_end_s: float
    unix_time_s: float
    exposure_ms: float | None
    gain_db: float | None
    pixel_format: str
    pixel_size_um: float | None
    light: Light
    source: str
    name: str
    readout_ms: float
    truth_count: int | None
    place: tuple[int, int] | None = None
    flat_field: str = ""
    lit: tuple[str, float, float] | None = None

    @classmethod
    def of(
        cls,
        frame: Frame,
        offset: int,
        place: tuple[int, int] | None,
        lit: tuple[str, float, float] | None = None,
    ) -> Self:
        """Return the record of `frame` whose pixels lie at `offset`."""
        return cls(
            offset=offset,
            height=frame.shape[0],
            width=frame.shape[1],
            index=frame.index,
            exposure_end_s=frame.exposure_end_s,
            unix_time_s=frame.unix_time_s,
            exposure_ms=frame.exposure_ms,
            gain_db=frame.gain_db,
            pixel_format=frame.pixel_format,
            pixel_size_um=frame.pixel_size_um,
            light=frame.light,
            source=frame.source,
            name=frame.name,
            readout_ms=frame.readout_ms,
            truth_count=frame.truth_count,
            place=place,
            flat_field=frame.shading.title if frame.shading is not None else "",
            lit=lit,
        )

    @property
    def item_bytes(self) -> int:
        """Bytes a pixel takes: 1 for 8 bits, else 2."""
        return 1 if BITS[self.pixel_format] <= 8 else 2

    @property
    def size(self) -> int:
        """Bytes of the pixels."""
        return self.height * self.width * self.item_bytes

    def to_line(self) -> bytes:
        """Return the journal's line, newline included."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False).encode() + b"\n"

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild from a parsed line. Raises ValueError or TypeError where it is none."""
        values = dict(plain)
        values["light"] = Light(**values["light"])
        place = values.get("place")
        values["place"] = None if place is None else (int(place[0]), int(place[1]))
        lit = values.get("lit")
        values["lit"] = None if lit is None else (str(lit[0]), float(lit[1]), float(lit[2]))
        record = cls(**values)
        whole = (record.offset, record.height, record.width, record.index)
        if any(type(value) is not int or value < 0 for value in whole) or record.pixel_format not in BITS:
            raise ValueError("numbers out of range")
        numbers = (
            record.exposure_end_s,
            record.unix_time_s,
            record.readout_ms,
            record.light.intensity,
            *(record.lit or ())[1:],
        )
        perhaps = (record.exposure_ms, record.gain_db, record.pixel_size_um, record.truth_count)
        if not all(math.isfinite(value) for value in (*numbers, *(value or 0 for value in perhaps))):
            raise ValueError("numbers that are none")
        texts = (record.name, record.source, record.flat_field, record.light.reason, record.light.channel or "")
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("texts that are none")
        return record


@dataclass(frozen=True, slots=True)
class JournalHead:
    """Who records since when, in which process, and what is known of the run besides, e.g. how it ended."""

    meta: RunMetadata
    started_unix_s: float
    pid: int
    notes: Mapping[str, Any] = field(default_factory=dict)


def journal_path(path: Path) -> Path:
    """Return where the journal of the recording `path` lies."""
    return path.with_name(path.name + JOURNAL_SUFFIX)


class Journal:
    """The journal of a growing file; holds a lock for as long as its process lives."""

    def __init__(self, path: Path, meta: RunMetadata, started_unix_s: float) -> None:
        """Create it. Raises FileExistsError where there is one, OSError when it cannot be written."""
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o644)
        lock(self._fd)
        self._whole = 0
        self._write(encode_head(meta, started_unix_s))

    def append(self, lines: Iterable[bytes]) -> None:
        """Write frames' lines and return when they survive a power cut."""
        try:
            self._write(b"".join(lines))
        except OSError:
            with suppress(OSError):  # half a line would take the next one with it
                os.ftruncate(self._fd, self._whole)
            raise

    def note(self, notes: Mapping[str, Any]) -> None:
        """Write what belongs into the file besides its frames; read back as `JournalHead.notes`."""
        self.append([json.dumps({"notes": dict(notes)}, separators=(",", ":"), default=str).encode() + b"\n"])

    def _write(self, data: bytes) -> None:
        done = 0
        while done < len(data):
            done += os.write(self._fd, data[done:])
        os.fsync(self._fd)
        self._whole += len(data)

    def close(self) -> None:
        """Close and unlock; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def encode_head(meta: RunMetadata, started_unix_s: float) -> bytes:
    """Return a journal's first line, newline included."""
    head = {"dapiscope": _VERSION, "started_unix_s": started_unix_s, "pid": os.getpid(), "meta": meta.to_json()}
    return json.dumps(head, separators=(",", ":"), default=str).encode() + b"\n"


def read_journal(path: Path) -> tuple[JournalHead, list[PlaneRecord]]:
    """Read a journal, up to its first line that is not whole.

    Raises
    ------
    BadImageError
        Not even the head can be read.
    """
    records: dict[int, PlaneRecord] = {}
    try:
        with path.open("rb") as file:
            head = _parse_head(file.readline(_MAX_LINE))
            while line := file.readline(_MAX_LINE):
                if not line.endswith(b"\n"):
                    break
                try:
                    plain = json.loads(line)
                    if "notes" in plain:
                        head = replace(head, notes={**head.notes, **plain["notes"]})
                    else:
                        record = PlaneRecord.from_plain(plain)
                        records[record.offset] = record
                except (ValueError, TypeError, KeyError, IndexError, AttributeError):
                    break
    except OSError as error:
        raise BadImageError(f"{path} cannot be read ({error.strerror}): the recording beside it is lost.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BadImageError(f"{path} is no journal of a recording: nothing can be recovered with it.") from error
    return head, list(records.values())


def _parse_head(line: bytes) -> JournalHead:
    plain = json.loads(line)
    if plain["dapiscope"] not in _READABLE:
        raise ValueError("unknown version")
    return JournalHead(RunMetadata.from_json(plain["meta"]), float(plain["started_unix_s"]), int(plain["pid"]))


def lock(fd: int) -> bool:
    """Hold `fd`'s file until this process ends; False when another one holds it."""
    try:
        import fcntl
    except ImportError:  # Windows keeps an open file from being moved or deleted by itself.
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def holding(path: Path) -> Iterator[bool]:
    """Hold the journal `path` meanwhile, as its writer would; gives False where another does. Raises OSError."""
    fd = os.open(path, os.O_RDWR)
    try:
        yield lock(fd)
    finally:
        os.close(fd)


def is_being_written(path: Path) -> bool:
    """Return True while a living process holds the journal `path`."""
    try:
        with holding(path) as held:
            return not held
    except OSError:
        return False
