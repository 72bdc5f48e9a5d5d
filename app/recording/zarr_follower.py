"""OME-Zarr of a recording that still grows: plane by plane behind it, and never in its way.

What the recording has acknowledged is read back from its file, so no plane is in the OME-Zarr image before it is safe
in the recording. The image gets its name when the recording has ended. Whatever goes wrong here costs no frame: the
image is then made afterwards, as of any other recording.
"""

import logging
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from app.errors import RecordingError
from app.recording.files import KEEP_FREE_BYTES, zarr_beside
from app.recording.writer import Recorder
from app.recording.zarr_store import ZarrWriter, check_zarr, to_zarr

log = logging.getLogger(__name__)
_LOOK_EVERY_S = 0.1
_BUSY = 0.05
"""Of the recorder's queue: from there on the disk and the processor are its own."""
_ROOM_BYTES = 8 * KEEP_FREE_BYTES
"""A disk with less is left to the recording."""
_NICENESS = 10


class ZarrFollower:
    """Makes the OME-Zarr image of one recording, most of it while the recording grows.

    Use it as a context manager: what was not finished is removed.

    Raises
    ------
    UsageError
        The zarr library is not installed.
    """

    def __init__(self) -> None:
        check_zarr()
        self._ended = threading.Event()
        self._writer: ZarrWriter | None = None
        self._thread: threading.Thread | None = None

    def start(self, recorder: Recorder) -> None:
        """Follow `recorder`, which has been started, on the thread ``app-zarr``."""
        self._writer = ZarrWriter(zarr_beside(recorder.path))
        self._thread = threading.Thread(target=self._run, args=(recorder, self._writer), name="app-zarr", daemon=True)
        self._thread.start()

    @property
    def planes(self) -> int:
        """How many are in the image by now."""
        return self._writer.planes if self._writer is not None else 0

    def finish(self, path: Path) -> Path:
        """Write what is left of the recording `path`, which has ended, and return the image's path.

        Raises
        ------
        BadImageError, RecordingError
            The recording cannot be read, or the disk refused; nothing is left of the image.
        """
        self._join()
        begun, self._writer = self._writer, None
        return to_zarr(path, zarr_beside(path), begun)

    def close(self) -> None:
        """Stop, and remove what was not finished; idempotent."""
        self._join()
        if self._writer is not None:
            self._writer.discard()
            self._writer = None

    def _join(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    # ------------------------------------------------------------------ on the thread app-zarr

    def _run(self, recorder: Recorder, writer: ZarrWriter) -> None:
        if sys.platform == "linux":  # elsewhere threads have no niceness of their own
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            while not self._ended.is_set():
                if not _follow(recorder, writer):
                    self._ended.wait(_LOOK_EVERY_S)
        except Exception as error:  # noqa: BLE001 - the recording goes on, and its image is made when it has ended
            log.warning("the OME-Zarr image of %s is made when it has ended: %s", recorder.path, error)
            writer.discard()
            self._writer = None


def _follow(recorder: Recorder, writer: ZarrWriter) -> bool:
    """Write the next plane, if there is one and nothing else to do; False where there was not."""
    status = recorder.status
    if status.free_bytes < _ROOM_BYTES:
        raise RecordingError("the disk is nearly full")
    if status.acknowledged == writer.planes or status.fill > _BUSY:
        return False
    record = recorder.acknowledged(writer.planes)[0]
    kind, size = np.dtype(np.uint8 if record.item_bytes == 1 else "<u2"), record.height * record.width
    # Opened for each plane: Windows lets nobody remove or rename a file that is open.
    pixels = np.fromfile(recorder.path, kind, size, offset=record.offset)
    writer.append(pixels.reshape(record.height, record.width), record)
    return True
