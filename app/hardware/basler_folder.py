"""A folder of images, played through pylon's own camera emulator: the real driver's path with known pictures."""

import logging
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tifffile

from app.clock import Clock
from app.errors import CameraError
from app.frame import EndSink, Frame, FrameSink
from app.hardware.basler import BaslerCamera
from app.settings import CameraSettings

SUFFIXES = frozenset({".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"})
"""Files of a folder that are taken for images; what is none inside is reported and skipped."""
_JPEG = frozenset({".jpg", ".jpeg"})
_TIFF = frozenset({".tif", ".tiff"})
_SAFE_COMPRESSIONS = frozenset({1, 5, 8, 32773, 32946})
"""None, LZW, deflate, PackBits. pylon's JPEG reader calls exit() on a damaged file, and the light stays on."""
MAX_SIDE = 32_768
MAX_PIXELS = 200_000_000
_log = logging.getLogger(__name__)
_PATIENCE_S = 10.0
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Header:
    """What an image file says of itself."""

    width: int
    height: int
    bits: int
    pages: int = 1
    planar: bool = False
    """True when its colours are stored one after the other, which pylon takes for rows."""
    compression: int = 1
    """As TIFF numbers them."""


def read_header(path: Path) -> Header | None:
    """Return size and depth of a PNG or TIFF without reading its pixels; None for other or broken files."""
    if path.suffix.lower() in _TIFF:
        return _tiff_header(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(26)
    except OSError:
        return None
    if len(start) < 26 or not start.startswith(b"\x89PNG\r\n\x1a\n") or start[12:16] != b"IHDR":
        return None
    width, height, bits = struct.unpack(">IIB", start[16:25])
    return Header(width, height, 16 if bits == 16 else 8)


def _tiff_header(path: Path) -> Header | None:
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            planar = page.samplesperpixel > 1 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE
            size = int(page.imagewidth), int(page.imagelength)
            return Header(*size, int(page.bitspersample), len(file.pages), planar, int(page.compression))
    except Exception as error:  # noqa: BLE001 - damaged tags make tifffile fail in a dozen ways; all mean "no header"
        _log.info("%s has no readable TIFF header: %s", path.name, error)
        return None


class FolderCamera(BaslerCamera):
    """Plays the images of a folder through pylon's emulator, in name order, one software trigger each.

    Every file is exposed by a trigger of its own and arrives as it is: 8-bit files as Mono8, 16-bit files as Mono16,
    each in its own size; colour files as pylon's grey of them. With ``settings.trigger == "free"`` the camera
    triggers itself, at most `settings.fps` times a second and only after the sink has returned, and ends by itself
    after the last file. With ``"software"`` each `trigger` plays the next file, from one `start` to the next.

    Parameters
    ----------
    folder : Path
    pixel_size_um : float or None
        None leaves it unknown, as the files do.
    clock : Clock or None
    """

    def __init__(self, folder: Path, pixel_size_um: float | None = None, clock: Clock | None = None) -> None:
        super().__init__("pylon", pixel_size_um, clock)
        self.folder = folder
        self.rejected: list[tuple[str, str]] = []
        """(file name, why) of every file that could not be played."""
        self._files: list[Path] = []
        self._position = 0
        self._turn = threading.Condition()
        self._asked = self._finished = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The files to be played, in order; known once open."""
        return tuple(self._files)

    def open(self) -> None:
        """Claim pylon's emulator; raises CameraError when the folder is missing or holds no images."""
        try:
            entries = sorted(self.folder.iterdir())
        except OSError as error:
            raise CameraError(f"The image folder {self.folder} cannot be read; check --camera-images.") from error
        self._files = [path for path in entries if path.suffix.lower() in SUFFIXES and path.is_file()]
        if not self._files:
            raise CameraError(f"The folder {self.folder} holds no PNG, TIFF or BMP images; choose another.")
        with _emulation():
            super().open()

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Apply `settings`; files are played whole, so a region or binning raises CameraError."""
        if settings.roi is not None or settings.binning != 1:
            raise CameraError("Images from a folder are played whole; choose no region and no binning.")
        return super().configure(settings)

    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Play: from the first file when free running; when triggered from where the last `stop` was, in a circle."""
        if not self._running():
            self._asked = self._finished = False
            if self._settings.trigger == "free" or self._position >= len(self._files):
                self._position, self.rejected = 0, []
        super().start(sink, ended)

    def stop(self) -> None:
        """Stop playing; returns when the thread is gone."""
        self._stopping.set()
        with self._turn:
            self._turn.notify_all()
        super().stop()

    def _find(self) -> Any:
        return self._find_emulated()

    def _begin(self) -> None:
        """Grabbing begins and ends with every file, which is when the emulator takes a file name."""

    def _write(self, settings: CameraSettings) -> CameraSettings:
        written = super()._write(settings)
        features = self._features
        if not self._running():
            features.set("test_image", "Off")
            features.set("image_file_mode", "On")
            features.set("width_max", MAX_SIDE)
            features.set("height_max", MAX_SIDE)
            # Every file is triggered, whoever asks for it.
            features.set("trigger_source", "Software")
            features.set("trigger_mode", "On")
            self._settings = written = written.model_copy(update={"trigger": settings.trigger})
        return written

    def _fire(self) -> None:
        with self._turn:
            done = self._turn.wait_for(lambda: self._finished or not self._asked, _PATIENCE_S)
            if self._finished or not done:
                raise CameraError(f"Every image of {self.folder} has been played; start again for another round.")
            self._asked = True
            self._turn.notify_all()

    def _deliver(self, sink: FrameSink) -> None:
        try:
            self._play_all(sink)
        finally:
            with self._turn:
                self._finished = True
                self._turn.notify_all()

    def _play_all(self, sink: FrameSink) -> None:
        next_s = self._clock.monotonic()
        while self._position < len(self._files):
            if self._settings.trigger == "software":
                if not self._wait_asked():
                    return
            else:
                self._clock.sleep(next_s - self._clock.monotonic())
                fps = self._settings.fps
                next_s = max(next_s, self._clock.monotonic()) + (1 / fps if fps else 0)
            if self._stopping.is_set():
                return
            path = self._files[self._position]
            self._position += 1
            frame = self._play(path)
            with self._turn:
                self._asked = False
                self._turn.notify_all()
            if frame is not None:
                sink(frame)

    def _wait_asked(self) -> bool:
        with self._turn:
            while not self._asked and not self._stopping.is_set():
                self._turn.wait(_POLL_S)
            return not self._stopping.is_set()

    def _play(self, path: Path) -> Frame | None:
        """Return the frame of one file; None, and a line in `rejected`, when it cannot be played."""
        header = read_header(path)
        if reason := _unfit(path, header):
            self._reject(path, reason)
            return None
        self._aim(path, header or Header(4096, 4096, 8))
        self._next_block = None
        super()._begin()
        try:
            super()._fire()
            deadline_s = self._clock.monotonic() + _PATIENCE_S
            while (result := self._retrieve(200)) is None:
                if self._stopping.is_set():
                    return None
                if self._clock.monotonic() > deadline_s:
                    raise CameraError("pylon's emulator has stopped answering; start again.")
            self._awaited_s = None
            with result:
                reason = str(result.ErrorDescription)
                frame = self._frame(result, self._clock.monotonic())
        finally:
            self._end_grab()
        if frame is None:
            self.rejected.append((path.name, "pylon cannot read it" if "load" in reason else reason))
            return None
        # The emulator ignores exposure and gain, and the file does not say what they were.
        return replace(frame, name=path.name, exposure_ms=None, gain_db=None, readout_ms=0.0)

    def _aim(self, path: Path, header: Header) -> None:
        """Point the emulator at a file, with a region that holds it: a result has the file's size then."""
        features = self._features
        features.set("image_file", str(path.resolve()))
        features.set("pixel_format", "Mono16" if header.bits == 16 else "Mono8")
        features.set("width", header.width)
        features.set("height", header.height)

    def _reject(self, path: Path, reason: str) -> None:
        self.rejected.append((path.name, reason))
        self._index += 1
        self._stats = replace(self._stats, lost=self._stats.lost + 1, failed=self._stats.failed + 1)


@contextmanager
def _emulation() -> Iterator[None]:
    """Have pylon find its emulator for the time being; later a missing camera must not turn into an emulated one."""
    before = os.environ.get("PYLON_CAMEMU")
    if before in {None, "", "0"}:
        os.environ["PYLON_CAMEMU"] = "1"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("PYLON_CAMEMU", None)
        else:
            os.environ["PYLON_CAMEMU"] = before


def _unfit(path: Path, header: Header | None) -> str:
    """Return why an image must not reach the emulator, or an empty string."""
    suffix = path.suffix.lower()
    if suffix in _JPEG or (header is not None and header.compression not in _SAFE_COMPRESSIONS):
        return "pylon does not read this compression safely; convert it to PNG"
    if header is None:
        return "it is damaged or no TIFF" if suffix in _TIFF else ""
    if header.pages != 1:
        return f"it holds {header.pages} images, and pylon plays one a file"
    if header.planar:
        return "its colours are stored in separate planes, which pylon cannot read"
    sides = header.width, header.height
    if min(sides) < 1 or max(sides) > MAX_SIDE or header.width * header.height > MAX_PIXELS:
        return f"it claims {header.width}×{header.height} pixels"
    return ""
