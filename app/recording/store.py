"""Raw frames on disk: one after the other, each on a page boundary, past the page cache where the system can.

Through the page cache a full-rate recording costs a whole CPU core (the kernel copies and ages every page); with
``O_DIRECT`` the same bytes cost a few per cent of one, which is what segmentation beside it needs. Where a file
system has no direct writes (tmpfs, network shares, other systems) the ordinary ones serve.
"""

import mmap
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

PAGE = 4096
"""Alignment of every frame, in the file and (for direct writes) in memory."""

_DIRECT: int = getattr(os, "O_DIRECT", 0)
_BINARY: int = getattr(os, "O_BINARY", 0)


def padded(size: int) -> int:
    """Return `size` rounded up to whole pages."""
    return -(-size // PAGE) * PAGE


class FrameStore:
    """The pixel part of a recording, open for appending. Not thread-safe: its owner is the writer thread.

    Every failed write raises OSError and leaves `end` where it was.
    """

    def __init__(self, fd: int, path: Path, *, direct: bool) -> None:
        self._fd, self._path = fd, path
        self._direct = direct
        self._bounce: mmap.mmap | None = None
        self.end = PAGE
        """Where the next frame goes; the first page is kept for the header."""

    @classmethod
    def create(cls, path: Path) -> Self:
        """Open a new file. Raises FileExistsError where there is one."""
        return cls._open(path, os.O_CREAT | os.O_EXCL)

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Open a file that is there, e.g. to finish it."""
        return cls._open(path, 0)

    @classmethod
    def _open(cls, path: Path, flags: int) -> Self:
        # Without O_DIRECT first: a file system that refuses it would leave a created file behind.
        fd = os.open(path, os.O_RDWR | _BINARY | flags, 0o644)
        direct = False
        if _DIRECT:
            with suppress(OSError):
                direct_fd = os.open(path, os.O_RDWR | _DIRECT)
                os.close(fd)
                fd, direct = direct_fd, True
        return cls(fd, path, direct=direct)

    def append(self, pixels: NDArray[np.generic] | memoryview | bytes) -> int:
        """Write one frame at `end` and return its offset."""
        array = np.asarray(pixels) if isinstance(pixels, np.ndarray) else np.frombuffer(pixels, np.uint8)
        offset, size = self.end, array.nbytes
        if self._direct:
            self._write_direct(array, size, offset)
        else:
            self._write(np.ascontiguousarray(array).data.cast("B"), offset)
        self.end = offset + padded(size)
        return offset

    def _write_direct(self, array: NDArray[np.generic], size: int, offset: int) -> None:
        aligned = array.ctypes.data % PAGE == 0 and size % PAGE == 0 and array.flags.c_contiguous
        if aligned and size:
            self._write(array.data.cast("B"), offset)
            return
        if self._bounce is None or len(self._bounce) < padded(size):
            self._bounce = mmap.mmap(-1, padded(size) or PAGE)
        target: NDArray[np.generic] = np.frombuffer(self._bounce, array.dtype, array.size)
        np.copyto(target.reshape(array.shape), array)
        self._write(memoryview(self._bounce)[: padded(size)], offset)

    def _write(self, view: memoryview, offset: int) -> None:
        done = 0
        while done < len(view):
            # A short write happens on a full disk or an interrupt; the next one says which.
            if hasattr(os, "pwrite"):
                done += os.pwrite(self._fd, view[done:], offset + done)
            else:
                os.lseek(self._fd, offset + done, os.SEEK_SET)
                done += os.write(self._fd, view[done:])

    def write_at(self, offset: int, data: bytes) -> None:
        """Write small things (header, tags, text) anywhere, through the page cache."""
        self._buffered()
        self._write(memoryview(data), offset)

    def write_header(self, header: bytes) -> None:
        """Write the first bytes of the file; one page at once, so that it is the old or the new, never half."""
        page = header.ljust(PAGE, b"\0")
        if self._direct:
            self._write_direct(np.frombuffer(page, np.uint8), PAGE, 0)
        else:
            self._write(memoryview(page), 0)

    def read(self, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset`."""
        self._buffered()
        os.lseek(self._fd, offset, os.SEEK_SET)
        return os.read(self._fd, size)

    def _buffered(self) -> None:
        if self._direct:
            import fcntl

            fcntl.fcntl(self._fd, fcntl.F_SETFL, fcntl.fcntl(self._fd, fcntl.F_GETFL) & ~_DIRECT)
            self._direct = False

    def sync(self) -> None:
        """Return when everything written survives a power cut."""
        getattr(os, "fdatasync", os.fsync)(self._fd)

    def truncate(self, size: int) -> None:
        """Cut the file to `size` bytes."""
        os.ftruncate(self._fd, size)

    @property
    def size(self) -> int:
        """Bytes in the file now."""
        return os.fstat(self._fd).st_size

    @property
    def free_bytes(self) -> int:
        """What may still be written to this file's disk."""
        return shutil.disk_usage(self._fd if os.name == "posix" else self._path.parent).free

    @property
    def deleted(self) -> bool:
        """True when the file has no name any more: what is written to it is lost at close."""
        return os.fstat(self._fd).st_nlink == 0

    def close(self) -> None:
        """Close; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
