"""The tables of a batch of images, and the ledger that lets an interrupted batch go on where it was.

The ledger is a hidden text file beside the tables, one JSON object a line: a head first (model, scale), then one line
a finished image. A line is written before the rows it stands for, so rows that a crash cut short are found and cut
off at the next start; and it holds a checksum, so tables that somebody edited are left alone and new ones begun.
"""

import csv
import io
import json
import os
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from app.errors import RecordingError
from app.inference.measure import COUNT_COLUMNS
from app.recording import NUCLEI_COLUMNS, free_path
from app.recording.files import publish
from app.recording.journal import lock

LEDGER = ".dapiscope-segment.jsonl"
_VERSION = 2
COUNTS_HEADER = ("image", "folder", "labels", *COUNT_COLUMNS, "model", "model_sha256", "note")
NUCLEI_HEADER = ("image", "labels", *NUCLEI_COLUMNS)
"""Images of several folders may have the same name; the name of the label image is one row's of counts alone."""

Scale = float | Literal["auto"] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished image: what it was, what became of it, and where its rows end in the tables."""

    image: str
    size: int
    mtime_ns: int
    labels: str
    part: str
    count: int
    flags: tuple[str, ...]
    scale_source: str
    note: str
    counts_end: int
    counts_crc: int
    nuclei_end: int
    nuclei_crc: int

    @property
    def key(self) -> tuple[str, int, int]:
        """What tells whether an image is the same as before."""
        return self.image, self.size, self.mtime_ns


@dataclass(frozen=True, slots=True)
class Head:
    """What a batch is: images are skipped only when all of this is the same."""

    model_sha256: str
    scale: Scale
    counts: str
    nuclei: str
    run: str
    version: int = _VERSION


def image_key(path: Path) -> tuple[str, int, int]:
    """Return where an image lies, its size and when it was last changed. Raises OSError."""
    there = path.stat()
    return str(path.resolve()), there.st_size, there.st_mtime_ns


@dataclass
class _Table:
    """A CSV file that is only appended to, with the checksum of all of it."""

    path: Path
    end: int = 0
    crc: int = 0
    _file: IO[bytes] | None = None

    def create(self, header: Sequence[str]) -> None:
        self._file = self.path.open("xb")
        data = encode([header])
        self.append(data, *self.after(data))

    def reopen(self, end: int, crc: int) -> None:
        self._file = self.path.open("r+b")
        self._file.truncate(end)
        self._file.seek(end)
        self.end, self.crc = end, crc

    def after(self, data: bytes) -> tuple[int, int]:
        return self.end + len(data), zlib.crc32(data, self.crc)

    def append(self, data: bytes, end: int, crc: int) -> None:
        if self._file is not None:
            self._file.write(data)
            self._file.flush()
        self.end, self.crc = end, crc

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def encode(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows as CSV text."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@dataclass
class BatchTables:
    """``counts.csv`` and ``nuclei.csv`` of one batch; every row is on disk when `add` returns.

    Use `open_tables`; `finished` tells what is done already, by `image_key`.
    """

    out: Path
    head: Head
    counts: _Table
    nuclei: _Table
    ledger: int | None = None
    finished: dict[tuple[str, int, int], Entry] = field(default_factory=dict)

    @property
    def part_prefix(self) -> str:
        """How the names begin of files that wait for their own."""
        return f".dapiscope-{self.head.run}-"

    def add(
        self,
        image: Path,
        key: tuple[str, int, int],
        part: Path,
        counts: Sequence[Any],
        nuclei: Sequence[Sequence[Any]],
        told: tuple[int, tuple[str, ...], str, str],
    ) -> None:
        """Add a finished image: its rows, and its labels, which lie in `part`, under their name. Raises OSError.

        `counts` and `nuclei` are what follows the names in the rows of the tables.
        """
        labels = free_path(self.out, f"{image.stem}_labels.tif")
        folder = os.fsencode(image.absolute().parent).decode("utf-8", "replace")
        rows = encode([(image.name, folder, labels.name, *counts)])
        more = encode([(image.name, labels.name, *row) for row in nuclei])
        counts_end, nuclei_end = self.counts.after(rows), self.nuclei.after(more)
        count, flags, scale_source, note = told
        entry = Entry(
            image=key[0],
            size=key[1],
            mtime_ns=key[2],
            labels=labels.name,
            part=part.name,
            count=count,
            flags=flags,
            scale_source=scale_source,
            note=note,
            counts_end=counts_end[0],
            counts_crc=counts_end[1],
            nuclei_end=nuclei_end[0],
            nuclei_crc=nuclei_end[1],
        )
        self._write(asdict(entry))
        self.counts.append(rows, *counts_end)
        self.nuclei.append(more, *nuclei_end)
        publish(part, labels)
        part.unlink(missing_ok=True)
        self.finished[key] = entry

    def _write(self, plain: dict[str, Any]) -> None:
        if self.ledger is not None:
            write_all(self.ledger, json.dumps(plain, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the files and remove what never got its name."""
        self.counts.close()
        self.nuclei.close()
        if self.ledger is not None:
            os.close(self.ledger)
            self.ledger = None
        for part in self.out.glob(f"{self.part_prefix}*.tif"):
            with suppress(OSError):
                part.unlink()


def open_tables(out: Path, model_sha256: str, scale: Scale, *, resume: bool) -> BatchTables:
    """Go on with the tables of an earlier batch with the same model and scale in `out`, or begin new ones.

    Parameters
    ----------
    out : Path
        Made if absent.
    model_sha256 : str
    scale : float, "auto" or None
    resume : bool
        False always begins new ones, and keeps no ledger.

    Raises
    ------
    RecordingError
        The folder cannot be written to.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        if resume:
            for path in sorted(out.glob(f"{LEDGER[:-6]}*.jsonl"), key=lambda path: (len(path.name), path.name)):
                tables = _go_on(out, path, model_sha256, scale)
                if tables is not None:
                    return tables
        return _begin(out, model_sha256, scale, resume)
    except OSError as error:
        raise RecordingError(f"The folder {out} cannot be written ({error.strerror}): choose another.") from None


def _begin(out: Path, model_sha256: str, scale: Scale, keep: bool) -> BatchTables:
    counts, nuclei = free_path(out, "counts.csv"), free_path(out, "nuclei.csv")
    head = Head(model_sha256, scale, counts.name, nuclei.name, os.urandom(6).hex())
    ledger = None
    if keep:
        ledger = os.open(free_path(out, LEDGER), os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        lock(ledger)
        write_all(ledger, json.dumps(asdict(head)).encode() + b"\n")
    tables = BatchTables(out, head, _Table(counts), _Table(nuclei), ledger)
    tables.counts.create(COUNTS_HEADER)
    tables.nuclei.create(NUCLEI_HEADER)
    return tables


def _go_on(out: Path, path: Path, model_sha256: str, scale: Scale) -> BatchTables | None:
    """Return the tables of the ledger `path`, cut to what is whole; None where they are not ours to go on with."""
    ledger = os.open(path, os.O_RDWR | os.O_APPEND)
    tables = None
    try:
        # A batch that runs at this moment holds the lock.
        tables = _resumed(out, path, ledger, model_sha256, scale) if lock(ledger) else None
    finally:
        if tables is None:
            os.close(ledger)
    return tables


def _resumed(out: Path, path: Path, ledger: int, model_sha256: str, scale: Scale) -> BatchTables | None:
    read = _read_ledger(path)
    if read is None or (read[0].model_sha256, read[0].scale) != (model_sha256, scale):
        return None
    head, entries, length = read
    begin = [(len(data), zlib.crc32(data)) for data in (encode([COUNTS_HEADER]), encode([NUCLEI_HEADER]))]
    counts = [begin[0], *((e.counts_end, e.counts_crc) for e in entries)]
    nuclei = [begin[1], *((e.nuclei_end, e.nuclei_crc) for e in entries)]
    whole = [_whole(out / head.counts, counts), _whole(out / head.nuclei, nuclei)]
    if None in whole:
        return None
    kept = min(n for n in whole if n is not None) - 1
    tables = BatchTables(out, head, _Table(out / head.counts), _Table(out / head.nuclei), ledger)
    for entry in entries[:kept]:
        if (out / entry.labels).exists() or _publish_part(out, entry):
            tables.finished[entry.key] = entry
        else:
            tables.finished.pop(entry.key, None)
    os.ftruncate(ledger, length[kept])
    tables.counts.reopen(*counts[kept])
    tables.nuclei.reopen(*nuclei[kept])
    return tables


def _publish_part(out: Path, entry: Entry) -> bool:
    """Finish what a crash left half done: give the labels their name. False when they are gone."""
    try:
        publish(out / entry.part, out / entry.labels)
        (out / entry.part).unlink(missing_ok=True)
    except FileNotFoundError:
        return False
    return True


def _read_ledger(path: Path) -> tuple[Head, list[Entry], list[int]] | None:
    """Return head, entries, and the ledger's length after the head and after each entry; None when it is damaged."""
    entries: list[Entry] = []
    lengths: list[int] = []
    head: Head | None = None
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                break
            try:
                plain = json.loads(line)
                if head is None:
                    head = Head(**plain)
                else:
                    entries.append(Entry(**plain | {"flags": tuple(plain["flags"])}))
            except (ValueError, TypeError, KeyError):
                break
            lengths.append((lengths[-1] if lengths else 0) + len(line))
    return None if head is None or head.version != _VERSION else (head, entries, lengths)


def _whole(path: Path, ends: Sequence[tuple[int, int]]) -> int | None:
    """Return how many of `ends` (offset, checksum) the file reaches; None where it was changed by others."""
    crc = position = 0
    try:
        with path.open("rb") as file:
            for number, (end, expected) in enumerate(ends):
                data = file.read(end - position)
                if len(data) < end - position:
                    return number or None
                crc, position = zlib.crc32(data, crc), end
                if crc != expected:
                    return None
            return None if file.read(1) else len(ends)
    except OSError:
        return None


def write_all(fd: int, data: bytes) -> None:
    """Write all of `data`. Raises OSError."""
    done = 0
    while done < len(data):
        done += os.write(fd, data[done:])
