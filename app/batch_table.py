"""The tables of a batch of images, and the ledger that lets an interrupted batch go on where it was.

The ledger is a hidden text file beside the tables, one JSON object a line: a head first (model, scale), then one line
a finished image. A line is written before the rows it stands for, so rows that a crash cut short are found and cut
off at the next start; and it holds a checksum, so tables that somebody edited are left alone and new ones begun.

Images are finished in any order, and the tables have theirs. What is finished before its turn waits on the disk: the
labels in a hidden file, what was found beside them (`Found`). It is there after an interrupt or a crash too.

Who is at work holds the ledger. A shared disk may know nothing of another computer's hold, so its owner lies beside it
too: a file that only one can make, with the computer's name.
"""

import csv
import io
import json
import os
import platform
import sys
import zlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any, Literal, Self

from app.errors import BadImageError, RecordingError, RefusedError
from app.images import read_labels, split_name
from app.inference.measure import COUNT_COLUMNS
from app.recording import NUCLEI_COLUMNS, free_path
from app.recording.files import publish
from app.recording.journal import holding, lock

LEDGER = ".dapiscope-segment.jsonl"
_VERSION = 3
COUNTS_HEADER = ("image", "folder", "labels", *COUNT_COLUMNS, "model", "model_sha256", "note")
NUCLEI_HEADER = ("image", "labels", *NUCLEI_COLUMNS)
"""Images of several folders may have the same name; the name of the label image is one row's of counts alone."""

Scale = float | Literal["auto"] | None
Key = tuple[str, int, int]
"""What tells whether an image is the same as before: where it lies, its size, and when it was last changed, in ns."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found in one image: `counts` and `nuclei` are what follows the names in the rows of the tables."""

    key: Key
    counts: Sequence[Any]
    nuclei: Sequence[Sequence[Any]]
    count: int
    flags: tuple[str, ...]
    scale_source: str
    note: str
    labels_size: int = 0
    """Bytes of the label image; known once it is saved."""

    def save(self, part: Path) -> None:
        """Save it beside the finished labels in `part`; it is there whole or not at all. Raises OSError."""
        partial = part.with_suffix(".json.part")
        plain = {each.name: getattr(self, each.name) for each in fields(self)} | {"labels_size": part.stat().st_size}
        partial.write_text(json.dumps(plain), encoding="utf-8")
        partial.replace(part.with_suffix(".json"))

    @classmethod
    def load(cls, part: Path) -> Self:
        """Return what lies beside the labels in `part`. Raises OSError; ValueError where they do not belong to it."""
        plain = json.loads(part.with_suffix(".json").read_text(encoding="utf-8"))
        found = cls(**plain | {"key": tuple(plain["key"]), "flags": tuple(plain["flags"])})
        if part.stat().st_size != found.labels_size:
            raise ValueError(f"{part.name} is not whole")
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished image: what it was, what became of it, and where its rows end in the tables."""

    image: str
    size: int
    mtime_ns: int
    labels: str
    labels_size: int
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
    def key(self) -> Key:
        """Of the image."""
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


def image_key(path: Path) -> Key:
    """Return the key of an image. Raises OSError."""
    there = path.stat()
    # A link to an image is an image by another name: it has a row and labels of its own.
    return str(path.parent.resolve() / path.name), there.st_size, there.st_mtime_ns


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
        self.cut(end, crc)

    def after(self, data: bytes) -> tuple[int, int]:
        return self.end + len(data), zlib.crc32(data, self.crc)

    def append(self, data: bytes, end: int, crc: int) -> None:
        if self._file is not None:
            self._file.write(data)
            self._file.flush()
        self.end, self.crc = end, crc

    def cut(self, end: int, crc: int) -> None:
        """Take back what was appended since it ended at `end` with the checksum `crc`."""
        if self._file is not None:
            self._file.truncate(end)
            self._file.seek(end)
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
    """``counts.csv`` and ``nuclei.csv`` of one batch; every row is written when `add` returns.

    Use `open_tables`. By `Key`, `finished` tells what is done already, and `waiting` where the labels are of what was
    finished by an earlier run and is not in the tables yet.
    """

    out: Path
    head: Head
    counts: _Table
    nuclei: _Table
    ledger: int | None = None
    owner: Path | None = None
    """The file that says which computer holds the ledger."""
    finished: dict[Key, Entry] = field(default_factory=dict)
    waiting: dict[Key, Path] = field(default_factory=dict)

    @property
    def part_prefix(self) -> str:
        """How the names begin of files that wait for their own."""
        return _part_prefix(self.head.run)

    def add(self, image: Path, part: Path) -> Entry:
        """Add a finished image: what lies beside the labels in `part` to the tables, and these under their name.

        Raises OSError, after which no row is left that names labels which are not there; ValueError where it is not
        whole.
        """
        found = Found.load(part)
        while (entry := self._add_as(image, part, found)) is None:
            pass  # another batch into this folder took the name meanwhile: the next one that is free
        part.unlink(missing_ok=True)
        part.with_suffix(".json").unlink(missing_ok=True)
        self.finished[found.key] = entry
        return entry

    def _add_as(self, image: Path, part: Path, found: Found) -> Entry | None:
        """Add it under the first name that is free; None, and nothing is added, where that was taken meanwhile."""
        labels = free_path(self.out, f"{split_name(image.name)[0]}_labels.tif")
        folder = os.fsencode(image.absolute().parent).decode("utf-8", "replace")
        rows = encode([(image.name, folder, labels.name, *found.counts)])
        more = encode([(image.name, labels.name, *row) for row in found.nuclei])
        before = [(table, table.end, table.crc) for table in (self.counts, self.nuclei)]
        counts_end, nuclei_end = self.counts.after(rows), self.nuclei.after(more)
        path, size, mtime_ns = found.key
        entry = Entry(
            image=path,
            size=size,
            mtime_ns=mtime_ns,
            labels=labels.name,
            labels_size=found.labels_size,
            part=part.name,
            count=found.count,
            flags=found.flags,
            scale_source=found.scale_source,
            note=found.note,
            counts_end=counts_end[0],
            counts_crc=counts_end[1],
            nuclei_end=nuclei_end[0],
            nuclei_crc=nuclei_end[1],
        )
        length = 0 if self.ledger is None else os.fstat(self.ledger).st_size
        self._write(asdict(entry))
        self.counts.append(rows, *counts_end)
        self.nuclei.append(more, *nuclei_end)
        try:
            publish(part, labels)
        except OSError as error:
            # A row is never left to name the labels of another, or none.
            for table, end, crc in before:
                table.cut(end, crc)
            if self.ledger is not None:
                os.ftruncate(self.ledger, length)
            if isinstance(error, FileExistsError):
                return None
            raise
        return entry

    def _write(self, plain: dict[str, Any]) -> None:
        if self.ledger is not None:
            write_all(self.ledger, json.dumps(plain, separators=(",", ":")).encode() + b"\n")

    def find_waiting(self) -> None:
        """Find what an earlier run finished, and remove what it did not."""
        self.waiting = {}
        for part in sorted(self.out.glob(f"{self.part_prefix}*.tif")):
            with suppress(OSError, ValueError, TypeError, KeyError):
                self.waiting[Found.load(part).key] = part
        whole = {path for part in self.waiting.values() for path in (part, part.with_suffix(".json"))}
        _remove(set(self.out.glob(f"{self.part_prefix}*")) - whole)

    def _remove_abandoned(self) -> None:
        """Remove what waits of batches that this one cannot be: of other settings, or whose tables were edited.

        One that runs at this moment, here or on another computer, holds its ledger; where that cannot be told, on
        Windows, nothing is removed.
        """
        if sys.platform == "win32":
            return
        for path in self.out.glob(f"{LEDGER[:-6]}*.jsonl"):
            with suppress(OSError), holding(path) as held:
                if held and not _foreign(_owner_of(path)) and (read := _read_ledger(path)) is not None:
                    _remove(self.out.glob(f"{_part_prefix(read[0].run)}*"))

    def close(self, *, ended: bool = False) -> None:
        """Close the files.

        What never got its name is removed, but for what is finished of a batch that has not `ended` and can be gone on
        with; once a batch with a ledger has ended, that of others here too.
        """
        self.counts.close()
        self.nuclei.close()
        if ended or self.ledger is None:
            _remove(self.out.glob(f"{self.part_prefix}*"))
            if self.ledger is not None:
                self._remove_abandoned()
        else:
            self.find_waiting()
        if self.ledger is not None:
            os.close(self.ledger)
            self.ledger = None
        if self.owner is not None:
            _remove([self.owner])
            self.owner = None


def _owner_of(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.owner")


def _foreign(owner: Path) -> str | None:
    """Return the name of the other computer that holds a ledger, by the file `owner`; None where none does."""
    try:
        name = owner.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return None if name == platform.node() else name or "another computer"


def _own(ledger: Path) -> Path:
    """Hold `ledger` against other computers; RefusedError where one has it. Raises OSError."""
    owner = _owner_of(ledger)
    try:
        fd = os.open(owner, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    except FileExistsError:
        other = _foreign(owner)
        if other is None:
            return owner  # a batch here that was cut off: none that runs here holds the ledger
        raise RefusedError(
            f"A batch of {other} is at work in {owner.parent}, or was cut off there: wait for its end, or choose "
            f"another folder; if it does not run any more, delete {owner.name} there and start again.",
            "busy",
        ) from None
    try:
        write_all(fd, platform.node().encode())
    finally:
        os.close(fd)
    return owner


def _part_prefix(run: str) -> str:
    return f".dapiscope-{run}-"


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()


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
    RefusedError
        A batch of another computer is at work in it, or was cut off there.
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
    ledger = owner = None
    if keep:
        path = free_path(out, LEDGER)
        owner = _own(path)
        ledger = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND, 0o644)
        lock(ledger)
        write_all(ledger, json.dumps(asdict(head)).encode() + b"\n")
    tables = BatchTables(out, head, _Table(counts), _Table(nuclei), ledger, owner)
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
    owner = _own(path)
    head, entries, length = read
    begin = [(len(data), zlib.crc32(data)) for data in (encode([COUNTS_HEADER]), encode([NUCLEI_HEADER]))]
    counts = [begin[0], *((e.counts_end, e.counts_crc) for e in entries)]
    nuclei = [begin[1], *((e.nuclei_end, e.nuclei_crc) for e in entries)]
    whole = [_whole(out / head.counts, counts), _whole(out / head.nuclei, nuclei)]
    if None in whole:
        _remove([owner])
        return None
    kept = min(n for n in whole if n is not None) - 1
    tables = BatchTables(out, head, _Table(out / head.counts), _Table(out / head.nuclei), ledger, owner)
    for entry in entries[:kept]:
        if _has_labels(out, entry) or _publish_part(out, entry):
            tables.finished[entry.key] = entry
        else:
            tables.finished.pop(entry.key, None)
    tables.find_waiting()
    os.ftruncate(ledger, length[kept])
    tables.counts.reopen(*counts[kept])
    tables.nuclei.reopen(*nuclei[kept])
    return tables


def _has_labels(out: Path, entry: Entry) -> bool:
    """Tell whether a label image is there and whole: as it was written, or readable where somebody edited it.

    A power cut may leave one empty or cut short.
    """
    path = out / entry.labels
    try:
        return path.stat().st_size == entry.labels_size or bool(read_labels(path).size)
    except (OSError, BadImageError):
        return False


def _publish_part(out: Path, entry: Entry) -> bool:
    """Finish what a crash left half done: give the labels their name. False when they are gone."""
    part = out / entry.part
    try:
        if part.stat().st_size != entry.labels_size:
            return False
        publish(part, out / entry.labels)
        part.unlink()
    except (FileNotFoundError, FileExistsError):
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
