"""Films (AVI, MP4, MOV, MKV) as frames, through OpenCV's FFmpeg. Films are lossy and 8-bit: the info says so."""

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np

from app.errors import BadImageError
from app.frame import Frame, Light, read_only
from app.images import MAX_PIXELS
from app.recording.sources import ImageSequence, ReplayInfo

# Read once, when OpenCV opens its first film: FFmpeg's complaints about damaged films never reach the screen.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")


def is_film(head: bytes) -> bool:
    """Return True when the first bytes of a file are those of a film."""
    return (head[:4] == b"RIFF" and head[8:11] == b"AVI") or head[4:8] == b"ftyp" or head[:4] == b"\x1aE\xdf\xa3"


class VideoSequence(ImageSequence):
    """The frames of a film; grey by the brightest of the colour channels."""

    def __init__(self, path: Path) -> None:
        import cv2

        self._cv2, self._path, self._lock = cv2, path, threading.Lock()
        try:
            self._film: Any = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
            opened = self._film.isOpened()
        except cv2.error:
            opened = False
        if not opened:
            raise self._damaged()
        width = int(self._film.get(cv2.CAP_PROP_FRAME_WIDTH))
        height = int(self._film.get(cv2.CAP_PROP_FRAME_HEIGHT))
        length = int(self._film.get(cv2.CAP_PROP_FRAME_COUNT))
        fps = float(self._film.get(cv2.CAP_PROP_FPS))
        if length <= 0 or not 0 < width * height <= MAX_PIXELS:
            self.close()
            raise self._damaged()
        self._fps = fps if 0.01 < fps < 10_000 else None
        self._next = 0
        self.info = ReplayInfo(
            path,
            "video",
            length,
            (height, width),
            None,
            self._fps,
            f"{path.name} ({length} frames)",
            {"note": "A film: 8 bits, compressed with loss."},
        )
        try:
            self.read(0)
        except BadImageError:
            self.close()
            raise

    def _damaged(self) -> BadImageError:
        return BadImageError(f"{self._path} cannot be read as a film: convert it to MP4 or to a TIFF stack.")

    def read(self, index: int) -> Frame:
        """Return frame `index`; in order is fast, anywhere else the film is searched."""
        with self._lock:
            if self._film is None:
                raise BadImageError(f"{self._path} is closed: open it again.")
            try:
                if index != self._next:
                    self._film.set(self._cv2.CAP_PROP_POS_FRAMES, index)
                good, picture = self._film.read()
            except self._cv2.error as error:
                raise self._damaged() from error
            self._next = index + 1 if good else -1
        if not good:
            raise BadImageError(f"{self._path} breaks off at frame {index + 1} of {self.info.length}: copy it again.")
        pixels = np.asarray(picture)
        if pixels.ndim == 3:
            pixels = pixels.max(axis=2) if pixels.shape[2] > 1 else pixels[..., 0]
        return Frame(
            pixels=read_only(np.ascontiguousarray(pixels, dtype=np.uint8)),
            index=index,
            exposure_end_s=index / self._fps if self._fps else 0.0,
            unix_time_s=0.0,
            exposure_ms=None,
            gain_db=None,
            pixel_format="Mono8",
            pixel_size_um=None,
            light=Light(reason="the file does not say"),
            source=str(self._path),
        )

    def close(self) -> None:
        """Release the film."""
        with self._lock:
            if self._film is not None:
                self._film.release()
                self._film = None
