"""The disk: names that never overwrite, files that are whole or absent, and how fast and how full it is."""

import errno
import glob
import math
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TextIO

from app.errors import RecordingError, RefusedError
from app.images import split_name

KEEP_FREE_BYTES = 64 << 20
"""A recording ends before the disk is fuller than this, so that its last pages still fit."""


@dataclass(frozen=True, slots=True)
class DiskReport:
    """What a disk can take: measured bytes/s, free bytes, and the seconds they last at the asked rate."""

    bytes_per_s: float
    free_bytes: int
    seconds_left: float


def zarr_beside(recording: Path) -> Path:
    """Return the wished name of the OME-Zarr image of `recording`."""
    return recording.with_name(f"{split_name(recording.name)[0]}.ome.zarr")


def numbered(name: str, number: int) -> str:
    """Return `name` for the first try, ``stem-2.suffix`` for the second, and so on."""
    stem, suffix = split_name(name)
    return name if number == 1 else f"{stem}-{number}{suffix}"


def free_path(folder: Path, name: str) -> Path:
    """Return ``folder/name``, or with -2, -3… before the suffix if that exists already."""
    number = 1
    while os.path.lexists(folder / numbered(name, number)):  # a link that leads nowhere is there too
        number += 1
    return folder / numbered(name, number)


def disk_error(error: OSError, path: Path) -> RecordingError:
    """Return the operator's sentence for a failed write to `path`."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return RecordingError(f"The disk of {path.parent} is full: make room or choose another folder.")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return RecordingError(f"{path.parent} cannot be written to: choose another folder.")
    if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ESTALE}:
        return RecordingError(f"{path.parent} is not there or no folder: choose another folder.")
    return RecordingError(f"{path} could not be written ({error.strerror or error}): check the disk.")


def make_folder(folder: Path) -> None:
    """Make `folder` and its parents. Raises RecordingError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder / "x") from error


def sync_folder(folder: Path) -> None:
    """Make names created or removed in `folder` survive a power cut, where the system can."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def publish(temporary: Path, path: Path) -> None:
    """Give a finished temporary file its name, unless that name exists: then FileExistsError, and nothing changes."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        # A file system without hard links (FAT, some network shares): claim the name first, then take it.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        os.replace(temporary, path)


@contextmanager
def whole_file(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path` that takes its place at the end: the file is whole or unchanged.

    Raises
    ------
    RecordingError
        The write failed; nothing is left behind.
    FileExistsError
        It was to be `new`, and there is one by that name.
    """
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")  # others may write one by that name too
    try:
        yield temporary
        sync_file(temporary)
        if new:
            publish(temporary, path)
        else:
            os.replace(temporary, path)
    except FileExistsError:
        raise
    except OSError as error:
        raise disk_error(error, path) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_new(folder: Path, name: str, write: Callable[[Path], None]) -> Path:
    """Write a file under the first name of `free_path` that nobody else takes meanwhile, and return its path.

    Raises
    ------
    RecordingError
        The write failed; nothing is left behind.
    """
    while True:
        path = free_path(folder, name)
        try:
            with whole_file(path, new=True) as temporary:
                write(temporary)
        except FileExistsError:
            continue
        return path


def open_table(folder: Path, name: str) -> TextIO:
    """Open a table for writing under the first name of `free_path` that nobody else takes meanwhile. Raises OSError."""
    while True:
        with suppress(FileExistsError):
            # The name of an image need not be text, and its row is wanted all the same.
            return free_path(folder, name).open("x", newline="", encoding="utf-8", errors="backslashreplace")


Progress = Callable[[float], None]
"""Hears how much is done, 0…1, and raises what is to end the work; nothing of it is left then."""


def nobody_listens(_done: float) -> None:
    """Take note of no progress."""


def write_together(
    folder: Path,
    stem: str,
    writers: Mapping[str, Callable[[Path], None]],
    progress: Progress = nobody_listens,
) -> dict[str, Path]:
    """Write every file aside, then give all of them their names with one and the same number.

    Parameters
    ----------
    folder : Path
        Made if absent.
    stem : str
        Common start of the names; ``stem-2…`` and so on where one of them exists.
    writers : mapping of str to callable
        Suffix → writer to the path it is given. The first one claims the number.
    progress : callable
        Hears of each file before it is written.

    Returns
    -------
    dict of str to Path
        Suffix → final path.

    Raises
    ------
    RecordingError
        The disk refused; nothing is left behind.
    """
    make_folder(folder)
    done: list[Path] = []
    try:
        with tempfile.TemporaryDirectory(prefix=".dapiscope-", dir=folder) as name:
            for at, (suffix, write) in enumerate(writers.items()):
                progress(at / len(writers))
                write(Path(name) / f"file{suffix}")
                sync_file(Path(name) / f"file{suffix}")
            number = 1
            while True:
                # The image's name claims the number; that is one step, whoever else saves here at this moment.
                paths = {
                    suffix: folder / f"{stem if number == 1 else f'{stem}-{number}'}{suffix}" for suffix in writers
                }
                number += 1
                if any(path.exists() for path in paths.values()):
                    continue
                with suppress(FileExistsError):
                    for suffix, path in paths.items():
                        publish(Path(name) / f"file{suffix}", path)
                        done.append(path)
                    break
                _remove(done)
        sync_folder(folder)
        return paths
    except OSError as error:
        _remove(done)
        raise disk_error(error, folder / stem) from error


def _remove(paths: list[Path]) -> None:
    for path in paths:
        with suppress(OSError):
            path.unlink()
    paths.clear()


def sync_file(path: Path) -> None:
    """Make the content of a closed file survive a power cut."""
    fd = os.open(path, os.O_RDWR)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def part_folder(path: Path) -> Path:
    """Return where this process keeps what is to become the folder `path` while it is not whole."""
    return path.with_name(f"{_part_of_this_computer(path)}{os.getpid()}")


def _part_of_this_computer(path: Path) -> str:
    """Return how the names of such parts begin: on a shared disk another computer has processes of the same numbers."""
    return f".{path.name}.part-{platform.node()}-"


def remove_stale_parts(path: Path) -> None:
    """Remove what programs of this computer that were killed have left of the folder `path`."""
    import psutil

    prefix = _part_of_this_computer(path)
    for part in path.parent.glob(f"{glob.escape(prefix)}*"):
        pid = part.name.removeprefix(prefix)
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(part, ignore_errors=True)


class ReservedRoom:
    """Room kept for the end of a file, which nobody else can take; it is free again at `release`, or with the process.

    The room is a file without a name beside the one that it is for. Raises OSError where there is none.
    """

    STEP = 256 << 10

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder, buffering=0)
        self.size = 0

    def grow(self, size: int) -> None:
        """Keep at least `size` bytes; does nothing after `release`."""
        if size <= self.size or self._file.closed:
            return
        more = size - self.size + self.STEP
        try:
            self._allocate(more)
        except OSError as error:
            if error.errno != errno.EFBIG:  # a limit of a single file's size says nothing of the room on the disk
                raise
        self.size += more

    def _allocate(self, more: int) -> None:
        try:
            os.posix_fallocate(self._file.fileno(), self.size, more)
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
            self._file.seek(self.size)  # a system without it: the blocks are taken by writing them
            self._file.write(bytes(more))
            os.fsync(self._file.fileno())

    def release(self) -> None:
        """Give the room back; idempotent."""
        self._file.close()


def free_bytes(folder: Path) -> int:
    """Return what an ordinary user may still write to the disk of `folder`. Raises RecordingError."""
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise disk_error(error, folder / "x") from error


_WINDOW_BLOCKS = 64


def disk_speed(
    folder: Path,
    megabytes: int = 256,
    *,
    enough: float | None = None,
    patience_s: float = 8.0,
    progress: Progress = nobody_listens,
) -> float:
    """Measure the sequential write speed of the disk of `folder`, the last fsync included.

    Writes `megabytes` the way the recorder does (past the page cache where the system can), then removes them. Many
    disks begin several times faster than they can go on (caches, credit of a cloud volume); so what counts is the
    slowest half gigabyte, which is also what the recorder's queue can bridge.

    Parameters
    ----------
    folder : Path
        Made if absent.
    megabytes : int
        At most so much is written.
    enough : float, optional
        Bytes per second; the first half gigabyte below it ends the measurement.
    patience_s : float
        After this time the measurement ends with what it has seen.
    progress : callable
        Hears how much of it is done, by megabytes or by time.

    Returns
    -------
    float
        Bytes per second.

    Raises
    ------
    RecordingError
        Not even that could be written.
    """
    from app.recording.store import FrameStore

    make_folder(folder)
    block = bytearray(os.urandom(1 << 20)) * 8
    blocks = all_blocks = max(1, megabytes // 8)
    slowest = math.inf
    try:
        handle, name = tempfile.mkstemp(prefix=".dapiscope-speed-", dir=folder)
        os.close(handle)
        path = Path(name)
        try:
            store = FrameStore.reopen(path)
            try:
                begin_s = time.perf_counter()
                while blocks > 0 and time.perf_counter() - begin_s < patience_s:
                    window = min(blocks, _WINDOW_BLOCKS)
                    start_s = time.perf_counter()
                    for at in range(window):
                        spent = (start_s - begin_s) / patience_s
                        progress(min(max(1 - (blocks - at) / all_blocks, spent), 1.0))
                        store.append(memoryview(block))
                    store.sync()
                    slowest = min(slowest, window * len(block) / (time.perf_counter() - start_s))
                    blocks -= window
                    if enough is not None and slowest < enough:
                        break
                return slowest
            finally:
                store.close()
        finally:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(error, folder / "x") from error


def check_room(folder: Path, size: float, what: str) -> int:
    """Refuse to write `size` bytes where the disk of `folder` has no room for them; return how many it has.

    The folder is made if absent.

    Raises
    ------
    RefusedError
        ``reason="disk"``; the sentence says that `what` need the room.
    RecordingError
        The folder cannot be written to.
    """
    make_folder(folder)
    free = free_bytes(folder)
    if free < size + KEEP_FREE_BYTES:
        raise RefusedError(
            f"The disk of {folder} has {free / 1e9:.1f} GB free and {what} need {size / 1e9:.1f} GB: "
            "make room or choose another folder.",
            "disk",
        )
    return free


def check_disk(
    folder: Path,
    bytes_per_s: float,
    *,
    seconds: float = 60.0,
    margin: float = 1.2,
    speed: Callable[[Path], float] | None = None,
    progress: Progress = nobody_listens,
) -> DiskReport:
    """Refuse a recording that the disk of `folder` cannot take.

    Parameters
    ----------
    folder : Path
        Made if absent.
    bytes_per_s : float
        What the recording will write.
    seconds : float
        For at least how long there must be room.
    margin : float
        The disk must be this many times faster than `bytes_per_s`.
    speed : callable, optional
        Measures bytes/s of a folder; by default `disk_speed` over eight seconds' worth of the recording, 3 GB at most.
    progress : callable
        Hears how far the measurement is.

    Raises
    ------
    RefusedError
        ``reason="disk"``: no room, too slow, or not writable.
    """
    try:
        free = check_room(folder, bytes_per_s * seconds, f"{seconds:.0f} s of recording")
        wanted = bytes_per_s * margin
        if speed is not None:
            measured = speed(folder)
        else:
            megabytes = round(min(max(bytes_per_s * 8e-6, 64), 3072))
            measured = disk_speed(folder, megabytes, enough=wanted, progress=progress)
    except RecordingError as error:
        raise RefusedError(str(error), "disk") from error
    if measured < wanted:
        raise RefusedError(
            f"The disk of {folder} takes {measured / 1e6:.0f} MB/s and the recording needs {bytes_per_s / 1e6:.0f} "
            f"MB/s with a margin of {margin:g}: choose a faster disk, fewer frames per second or a smaller region.",
            "disk",
        )
    return DiskReport(measured, free, (free - KEEP_FREE_BYTES) / max(bytes_per_s, 1.0))
