"""Images one after the other from whatever holds them: recordings, TIFF stacks, folders, single files."""

import os
import re
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from app.errors import BadImageError
from app.frame import Frame, read_only
from app.images import count_planes, expand_paths, pixel_format, read_frame, read_page, tiff_metadata
from app.recording.journal import journal_path
from app.recording.metadata import RunMetadata
from app.recording.ome import NAMESPACE, PlaneInfo, read_map, read_planes

TIFF_MAGIC = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})


@dataclass(frozen=True, slots=True)
class ReplayInfo:
    """What is known before the first frame is read.

    Attributes
    ----------
    path : Path
    kind : str
        ``"recording"`` (dapiscope's own), ``"OME-TIFF"``, ``"TIFF"``, ``"image"``, ``"folder"``, ``"video"``,
        ``"OME-Zarr"``.
    length : int
        Frames.
    shape : (int, int)
        (H, W) of the first.
    pixel_size_um : float or None
        Of the first; None where the file does not say: ask for it.
    fps : float or None
        As recorded.
    title : str
        For people.
    meta : mapping of str to str
        Whatever else the file says of itself.
    """

    path: Path
    kind: str
    length: int
    shape: tuple[int, int]
    pixel_size_um: float | None
    fps: float | None
    title: str
    meta: Mapping[str, str] = field(default_factory=dict)


class ImageSequence(ABC):
    """Frames by number. Safe to call from any one thread at a time; `read` raises BadImageError."""

    info: ReplayInfo

    @abstractmethod
    def read(self, index: int) -> Frame:
        """Return frame `index`, 0 ≤ index < info.length, with its values as recorded."""

    def path_of(self, index: int) -> Path:
        """Return the file that holds frame `index`."""
        return self.info.path

    def time_of(self, index: int) -> float | None:
        """Return the recorded moment of frame `index` in seconds, None where it is not known."""
        return None

    def place_of(self, index: int) -> tuple[int, int]:
        """Return (t, c) of frame `index`; one after the other in time where the file does not say."""
        return index, 0

    def channel_of(self, index: int) -> str:
        """Return the name of the channel that frame `index` was confirmed to have; empty where none was."""
        return ""

    def flat_field_of(self, index: int) -> str:
        """Return the title of the shading that frame `index` was seen without (`app.shading.Shading.title`), or ""."""
        return ""

    def close(self) -> None:
        """Release the file; idempotent."""
        return


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Return a sort key by which ``frame 2`` comes before ``frame 10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


class FolderSequence(ImageSequence):
    """The image files directly in a folder, in natural name order, each with all of its pages; or a single image."""

    def __init__(self, path: Path) -> None:
        files = expand_paths([path])
        files = sorted(files, key=natural_key) if path.is_dir() else files
        self._open: tuple[Path, TiffSequence] | None = None
        self._pages = {file: _count_pages(file) for file in files}
        self._places = [(file, page) for file, pages in self._pages.items() for page in range(pages)]
        try:
            first = self._first_good()
        except BadImageError:
            self.close()
            raise
        images = f"{len(self._places)} images"
        if len(self._places) > len(files):
            images += f" in {len(files)} file{'s' if len(files) > 1 else ''}"
        self.info = ReplayInfo(
            path,
            "folder" if path.is_dir() else "image",
            len(self._places),
            first.shape,
            first.pixel_size_um,
            None,
            f"{path.name} ({images})" if path.is_dir() else path.name,
        )

    def _first_good(self) -> Frame:
        reason: BadImageError | None = None
        for index in range(min(len(self._places), 100)):
            try:
                return self.read(index)
            except BadImageError as error:
                reason = reason or error
        raise reason or BadImageError(f"{self._places[0][0]} cannot be read: choose another file.")

    def read(self, index: int) -> Frame:
        """Return image `index`: the pages of a file follow one another before the next file."""
        path, page = self._places[index]
        pages = self._pages[path]
        if pages == 1 and not path.name.lower().endswith((".ome.tif", ".ome.tiff")):
            return read_frame(path, index)
        if self._open is None or self._open[0] != path:
            self.close()  # one file open at a time, however many there are
            self._open = (path, TiffSequence(path))
        suffix = "".join(path.suffixes[-2:]) if path.stem.lower().endswith(".ome") else path.suffix
        name = path.name if pages == 1 else f"{path.name.removesuffix(suffix)} ({page + 1} of {pages}){suffix}"
        return replace(self._open[1].read(page), index=index, name=name)

    def flat_field_of(self, index: int) -> str:
        """Return what its own file says; asked for after `read`, the file is open."""
        path, page = self._places[index]
        return self._open[1].flat_field_of(page) if self._open is not None and self._open[0] == path else ""

    def path_of(self, index: int) -> Path:
        """Return the file that image `index` lies in."""
        return self._places[index][0]

    def close(self) -> None:
        """Close the file that is open; `read` opens it again."""
        opened, self._open = self._open, None
        if opened is not None:
            opened[1].close()


def _count_pages(path: Path) -> int:
    """Return how many pages `path` has; 1 for what is no TIFF or cannot be read, which reading it then tells."""
    if path.suffix.lower() not in {".tif", ".tiff"}:
        return 1
    try:
        with tifffile.TiffFile(path) as tif:
            if count_planes(tif) == 1:
                return 1
        sequence = TiffSequence(path)
    except Exception:  # noqa: BLE001 tifffile fails on damaged files in ways of every kind
        return 1
    sequence.close()
    return sequence.info.length


class TiffSequence(ImageSequence):
    """The pages of one TIFF file: dapiscope's recordings, OME-TIFF, ImageJ and other stacks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._contiguous: tuple[int, np.dtype[Any], tuple[int, int]] | None = None
        try:
            self._tif: Any = tifffile.TiffFile(path)
        except OSError as error:
            raise BadImageError(f"{path} cannot be opened ({error.strerror or error}): check its name.") from error
        except Exception as error:  # tifffile fails on damaged files in ways of every kind
            raise self._damaged() from error
        try:
            self._open()
        except BadImageError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise self._damaged() from error

    def _damaged(self) -> BadImageError:
        if journal_path(self._path).exists():
            return BadImageError(
                f"{self._path} is unfinished: run `dapiscope recover {self._path}`, where there is room for it."
            )
        return BadImageError(f"{self._path} is damaged or incomplete: save or copy it again.")

    def _open(self) -> None:
        tif = self._tif
        tif.pages.useframes = False  # every page with its own tags: sizes may change within a recording
        pages = len(tif.pages)
        if pages == 0 or not self._ends(tif.pages[pages - 1].offset):
            raise self._damaged()
        first = tif.pages[0]
        size_um, self._bits, _ = tiff_metadata(tif, first)
        xml = tif.ome_metadata if tif.is_ome else None
        self._infos: Sequence[PlaneInfo] = (
            read_planes(xml, pages) if xml else [PlaneInfo(pixel_size_um=size_um)] * pages
        )
        if size_um is not None and all(info.pixel_size_um is None for info in self._infos):
            self._infos = [
                replace(info, pixel_size_um=size_um) for info in self._infos
            ]  # OME-XML may leave it to a tag
        entries = read_map(xml) if xml else {}
        length = self._find_contiguous(first) or pages
        if length != pages:
            self._infos = [PlaneInfo(pixel_size_um=size_um)] * length
        frame = self._read(0)
        self.info = ReplayInfo(
            self._path,
            "recording" if "frames" in entries else "OME-TIFF" if xml else "TIFF",
            length,
            frame.shape,
            frame.pixel_size_um,
            self._fps(),
            f"{self._path.name} ({length} frames)",
            {key: value for key, value in entries.items() if key not in {"frames", "light"}},
        )

    def _ends(self, offset: int) -> bool:
        """Return True when the directory at `offset` names no further one: a cut file breaks off before that."""
        handle, tiff = self._tif.filehandle, self._tif.tiff
        handle.seek(offset)
        (tags,) = struct.unpack(tiff.tagnoformat, handle.read(tiff.tagnosize))
        handle.seek(tags * tiff.tagsize, os.SEEK_CUR)
        (following,) = struct.unpack(tiff.offsetformat, handle.read(tiff.offsetsize))
        return bool(following == 0)

    def _find_contiguous(self, first: Any) -> int | None:
        """Return the number of planes when they all lie behind a single directory, as ImageJ writes large stacks."""
        # OME series are not asked for: that may open other files, and changes how pages are read.
        if len(self._tif.pages) > 1 or self._tif.is_ome:
            return None
        series = self._tif.series[0]
        shape = tuple(int(n) for n in first.shape)
        if series.dataoffset is None or series.shape[-len(shape) :] != shape:
            return None
        planes = int(np.prod(series.shape[: -len(shape)], dtype=np.int64))
        if len(shape) != 2 or planes <= 1:
            return None
        kind = series.dtype.newbyteorder(self._tif.byteorder)
        if series.dataoffset + planes * first.nbytes > self._path.stat().st_size:
            raise self._damaged()
        if series.dtype not in (np.uint8, np.uint16):
            return None
        self._contiguous = (int(series.dataoffset), kind, (shape[0], shape[1]))
        return planes

    def _fps(self) -> float | None:
        times = [info.unix_time_s for info in self._infos[:200]]
        known = [time for time in times if time is not None]
        if len(known) == len(times) and len(known) > 1:
            steps = np.diff(known)
            middle = float(np.median(steps))
            if middle > 0:
                return 1.0 / middle
        interval = (self._tif.imagej_metadata or {}).get("finterval") if self._tif.is_imagej else None
        return 1.0 / float(interval) if interval and float(interval) > 0 else None

    def read(self, index: int) -> Frame:
        """Return the `index`-th page."""
        with self._lock:
            if self._tif is None:
                raise BadImageError(f"{self._path} is closed: open it again.")
            try:
                return self._read(index)
            except BadImageError:
                raise
            except Exception as error:
                raise self._damaged() from error

    def _read(self, index: int) -> Frame:
        info = self._infos[index]
        if self._contiguous is not None:
            offset, kind, shape = self._contiguous
            count = shape[0] * shape[1]
            raw = np.fromfile(self._path, kind, count, offset=offset + index * count * kind.itemsize)
            pixels = read_only(raw.reshape(shape).astype(kind.newbyteorder("="), copy=False))
            found = pixel_format(pixels, self._bits)
        else:
            pixels, found = read_page(self._tif.pages[index].aspage(), self._path, self._bits)
        declared = info.pixel_format
        fits = declared is not None and (declared == "Mono8") == (pixels.dtype == np.uint8)
        return Frame(
            pixels=pixels,
            index=index if info.index is None else info.index,
            exposure_end_s=info.exposure_end_s or 0.0,
            unix_time_s=info.unix_time_s or 0.0,
            exposure_ms=info.exposure_ms,
            gain_db=info.gain_db,
            pixel_format=declared if declared is not None and fits and declared != "Mono16" else found,
            pixel_size_um=info.pixel_size_um,
            light=info.light,
            source=str(self._path),
            name=info.name,
            truth_count=info.truth_count,
        )

    def time_of(self, index: int) -> float | None:
        """Return the recorded moment."""
        return self._infos[index].unix_time_s or None

    def place_of(self, index: int) -> tuple[int, int]:
        """Return (t, c) as the file says."""
        return self._infos[index].place or (index, 0)

    def channel_of(self, index: int) -> str:
        """Return the name of the confirmed channel."""
        light = self._infos[index].light
        return light.channel or "" if light.confirmed else ""

    def flat_field_of(self, index: int) -> str:
        """Return what the recording says."""
        return self._infos[index].flat_field

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._tif is not None:
                self._tif.close()
                self._tif = None


def open_sequence(path: Path) -> ImageSequence:
    """Open whatever lies at `path`.

    Raises
    ------
    BadImageError
        It is not there, unreadable, or nothing that dapiscope reads.
    """
    if path.is_dir():
        from app.recording.zarr_store import ZarrSequence, is_zarr

        return ZarrSequence(path) if is_zarr(path) else FolderSequence(path)
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError:
        head = b""
    if head[:4] in TIFF_MAGIC:
        return TiffSequence(path)
    from app.recording.video import VideoSequence, is_film

    if is_film(head):
        return VideoSequence(path)
    return FolderSequence(path)


def counted_channels(info: ReplayInfo) -> frozenset[str]:
    """Return the names of the channels that show nuclei, as dapiscope's own file says; empty for files of others."""
    return frozenset(channel.name for channel in RunMetadata.from_entries(info.meta).channels if channel.counts_nuclei)


def plane_to_count(sequence: ImageSequence) -> tuple[int, str]:
    """Return which frame to count where one is to stand for all, and what to tell of it.

    In dapiscope's own files that is the first whose confirmed channel shows nuclei: a plan takes the gentlest light
    first, which need not show them. It is the first frame where there is none such, and in the files of others; of
    those, and of a single frame, there is nothing to tell.
    """
    length, counting = sequence.info.length, counted_channels(sequence.info)
    if sequence.info.kind == "recording" and length > 1 and not counting:
        return 0, f"plane 1 of {length}; the file names no channel that shows nuclei"
    index = next((index for index in range(length) if sequence.channel_of(index) in counting), 0)
    if length == 1 or not counting:
        return index, ""
    channel = sequence.channel_of(index)
    return index, f"plane {index + 1} of {length}, " + (f"channel {channel}" if channel else "light not confirmed")


def is_own_tiff(path: Path) -> bool:
    """Return True for a TIFF file that dapiscope wrote frames to."""
    try:
        with tifffile.TiffFile(path) as tif:
            return tif.is_ome and NAMESPACE in (tif.ome_metadata or "")
    except Exception:  # noqa: BLE001 tifffile fails on damaged files in ways of every kind
        return False
