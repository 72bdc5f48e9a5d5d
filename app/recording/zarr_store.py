"""OME-Zarr 0.5, both ways, through the zarr library (extra ``zarr``).

The live recorder writes OME-TIFF: one growing file takes the camera's full rate without costing a core, where Zarr
makes a file a plane and a pyramid of each. OME-Zarr is therefore made from a recording, plane by plane behind it
(`app.recording.zarr_follower`) or afterwards. Each plane is one compressed chunk; what Zarr has no place for is kept as
JSON lines in ``dapiscope/frames.jsonl`` and, for programs that read it, as OME-XML in ``OME/METADATA.ome.xml``.
"""

import importlib
import math
import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import BadImageError, RecordingError, UsageError
from app.frame import BITS, Frame, Light, read_only
from app.images import MAX_PIXELS, UM_PER_UNIT, is_square, pixel_format, split_name
from app.recording.files import (
    disk_error,
    free_path,
    make_folder,
    part_folder,
    remove_stale_parts,
    sync_file,
    sync_folder,
)
from app.recording.journal import PlaneRecord, encode_head, read_journal
from app.recording.metadata import RunMetadata
from app.recording.ome import build_ome
from app.recording.sources import ImageSequence, ReplayInfo, open_sequence

_FRAMES = "dapiscope/frames.jsonl"
_OME_XML = "OME/METADATA.ome.xml"
_SMALLEST = 1024
"""The pyramid ends with the first level that is not larger than this."""
_MAX_CHUNK_BYTES = 1 << 31
_SECONDS_PER_UNIT = {
    "nanosecond": 1e-9, "microsecond": 1e-6, "millisecond": 1e-3, "second": 1.0, "minute": 60.0, "hour": 3600.0,
    "day": 86400.0,
}  # fmt: skip


def _zarr() -> Any:
    try:
        return importlib.import_module("zarr")
    except ImportError:
        raise UsageError("OME-Zarr needs the zarr library: install dapiscope[zarr].") from None


def check_zarr() -> None:
    """Raise UsageError where the zarr library is not installed."""
    _zarr()


def most_zarr_bytes(raw: int) -> int:
    """Return how large an OME-Zarr image of `raw` bytes of pixels gets at most: the coarser levels add a third."""
    return raw + raw // 3


class ZarrWriter:
    """Writes planes of one size to an OME-Zarr image with the axes t, c, z, y, x. Not thread-safe.

    Parameters
    ----------
    path : Path
        Wished name, e.g. ``folder/run.ome.zarr``; -2, -3… is appended where it exists. The folder gets its name when
        all is written, so it is whole or not there.

    Raises
    ------
    UsageError
        The zarr library is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._zarr = _zarr()
        self._wish = path
        self._part = part_folder(path)
        self._levels: list[Any] = []
        self._records: list[PlaneRecord] = []
        self._places: set[tuple[int, int]] = set()

    @property
    def planes(self) -> int:
        """How many were written."""
        return len(self._records)

    def append(self, pixels: NDArray[Any], record: PlaneRecord) -> None:
        """Write one plane, and return when it survives a power cut.

        Parameters
        ----------
        pixels : ndarray of uint8 or uint16, shape (H, W)
        record : PlaneRecord
            What is known of it; its `place` is (t, c), without one the next time of the first channel.

        Raises
        ------
        RecordingError
            The disk refused, the plane is of another size, kind or scale than the first, or its place is taken.
        """
        t, c = record.place or (len(self._records), 0)
        try:
            if not self._levels:
                self._create(pixels)
            first = self._levels[0]
            scale = (self._records or [record])[0].pixel_size_um
            if (pixels.shape, pixels.dtype, record.pixel_size_um) != (first.shape[-2:], first.dtype, scale):
                raise RecordingError(
                    "OME-Zarr holds images of one size, kind and scale, and these change: keep the file as it is."
                )
            if (t, c) in self._places:
                raise RecordingError(
                    "An OME-Zarr image holds one plane a time and channel, and here are more (of a z stack, or of "
                    "several images): keep the file as it is."
                )
            for number, level in enumerate(self._levels):
                times, channels, *plane = level.shape
                if t >= times or c >= channels:
                    level.resize((max(t + 1, times), max(c + 1, channels), *plane))
                if pixels.shape != level.shape[-2:]:
                    size = (level.shape[-1], level.shape[-2])
                    pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
                level[t, c, 0] = pixels
                sync_file(_chunk(self._part, number, t, c, 0))
        except OSError as error:
            raise disk_error(error, self._wish) from error
        self._places.add((t, c))
        self._records.append(replace(record, offset=len(self._records), place=(t, c)))

    def _create(self, pixels: NDArray[Any]) -> None:
        make_folder(self._part.parent)
        remove_stale_parts(self._wish)
        root = self._zarr.create_group(self._part, zarr_format=3, overwrite=True)
        height, width = pixels.shape
        while True:
            level = root.create_array(
                str(len(self._levels)),
                shape=(1, 1, 1, height, width),
                chunks=(1, 1, 1, height, width),
                dtype=pixels.dtype,
                dimension_names=("t", "c", "z", "y", "x"),
                # A plane of zeros is stored too: then one that is missing is lost, and not dark.
                config={"write_empty_chunks": True},
            )
            self._levels.append(level)
            if max(height, width) <= _SMALLEST:
                return
            height, width = (height + 1) // 2, (width + 1) // 2

    def close(self, meta: RunMetadata, notes: Mapping[str, Any] | None = None) -> Path:
        """Write the metadata, give the folder its name and return it.

        Raises
        ------
        RecordingError
            The disk refused, or there was no plane; nothing is left behind.
        """
        if not self._records:
            self.discard()
            raise RecordingError(f"There is no frame to write to {self._wish}: record some first.")
        try:
            root = self._zarr.open_group(self._part, mode="r+")
            root.attrs["ome"] = self._ome(meta)
            root.attrs["dapiscope"] = {"software": meta.software, "notes": dict(notes or {})}
            lines = [encode_head(meta, self._records[0].unix_time_s), *(r.to_line() for r in self._records)]
            self._write(_FRAMES, b"".join(lines))
            # Images of a folder may be of 12 and of 16 bits; together they are one image, of 16.
            alike = [replace(record, pixel_format=self._format) for record in self._records]
            title = split_name(self._wish.name)[0]
            self._write(_OME_XML, build_ome(alike, meta, notes or {}, title, pages=False).encode())
            for file in self._part.glob("**/zarr.json"):
                sync_file(file)
            path = free_path(self._wish.parent, self._wish.name)
            self._part.rename(path)
            sync_folder(path.parent)
        except OSError as error:
            self.discard()
            raise disk_error(error, self._wish) from error
        return path

    @property
    def _format(self) -> str:
        return max((record.pixel_format for record in self._records), key=BITS.__getitem__)

    def _write(self, name: str, data: bytes) -> None:
        file = self._part / name
        file.parent.mkdir()
        file.write_bytes(data)
        sync_file(file)

    def discard(self) -> None:
        """Remove what was written so far; idempotent."""
        shutil.rmtree(self._part, ignore_errors=True)

    def _ome(self, meta: RunMetadata) -> dict[str, Any]:
        first = self._records[0]
        size_um, interval_s = first.pixel_size_um, _interval_s(self._records)
        axes: list[dict[str, str]] = [
            {"name": "t", "type": "time"} | ({"unit": "second"} if interval_s else {}),
            {"name": "c", "type": "channel"},
            {"name": "z", "type": "space"},
            *({"name": axis, "type": "space"} | ({"unit": "micrometer"} if size_um else {}) for axis in "yx"),
        ]
        datasets = []
        for number, level in enumerate(self._levels):
            shrink = [full / part for full, part in zip(self._levels[0].shape[-2:], level.shape[-2:], strict=True)]
            scale = [interval_s or 1.0, 1.0, 1.0, *((size_um or 1.0) * factor for factor in shrink)]
            # The centre of a coarse pixel lies beside the centre of the fine one at the same index.
            shift = [0.0, 0.0, 0.0, *((size_um or 1.0) * (factor - 1) / 2 for factor in shrink)]
            steps: list[dict[str, Any]] = [{"type": "scale", "scale": scale}]
            if any(shift):
                steps.append({"type": "translation", "translation": shift})
            datasets.append({"path": str(number), "coordinateTransformations": steps})
        colors = {channel.name: channel.color.lstrip("#").upper() for channel in meta.channels}
        white = (1 << BITS[self._format]) - 1
        channels = [
            {
                "label": name,
                "color": colors.get(name, "FFFFFF"),
                "active": True,
                "window": {"min": 0, "max": white, "start": 0, "end": white},
            }
            for name in _channel_names(self._records)
        ]
        image = {"name": self._wish.name, "axes": axes, "datasets": datasets, "type": "local mean"}
        return {"version": "0.5", "multiscales": [image], "omero": {"channels": channels}}

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove what was not closed."""
        self.discard()


def _interval_s(records: list[PlaneRecord]) -> float | None:
    """Return the usual time from one index of the time axis to the next; a channel need not have a plane at each."""
    taken: dict[int, list[tuple[int, float]]] = {}
    for record in records:
        if record.place and record.unix_time_s:
            taken.setdefault(record.place[1], []).append((record.place[0], record.unix_time_s))
    pairs = [pair for moments in taken.values() for pair in pairwise(sorted(moments))]
    middle = float(np.median([(later - moment) / (after - t) for (t, moment), (after, later) in pairs])) if pairs else 0
    return middle if middle > 0 else None


def _channel_names(records: Sequence[PlaneRecord]) -> list[str]:
    """Return of each channel, in their order, the first name that was confirmed; empty where none was."""
    places = [record.place or (0, 0) for record in records]
    names = [""] * (max(c for _, c in places) + 1)
    for record, (_, c) in zip(records, places, strict=True):
        names[c] = names[c] or (record.light.channel or "" if record.light.confirmed else "")
    return names


def _chunk(store: Path, level: int, *where: int) -> Path:
    """Return the file of one of dapiscope's own planes, each of which is one chunk."""
    return store.joinpath(str(level), "c", *map(str, where), "0", "0")


def to_zarr(source: Path, target: Path, begun: ZarrWriter | None = None, *, pixel_size_um: float | None = None) -> Path:
    """Make an OME-Zarr image of a recording, stack or folder.

    Parameters
    ----------
    source : Path
        Whatever `open_replay` opens.
    target : Path
        Wished name, e.g. ``folder/run.ome.zarr``; never overwritten.
    begun : ZarrWriter, optional
        Holds the first planes of `source` already, under the same wished name.
    pixel_size_um : float, optional
        Instead of what the source says.

    Returns
    -------
    Path
        The name really used.

    Raises
    ------
    BadImageError, RecordingError, UsageError
        Nothing is left behind.
    """
    with begun or ZarrWriter(target) as writer:
        sequence = open_sequence(source)
        try:
            for index in range(writer.planes, sequence.info.length):
                frame = sequence.read(index)
                record = PlaneRecord.of(frame, index, sequence.place_of(index))
                record = replace(
                    record,
                    source=Path(frame.source).name,
                    flat_field=record.flat_field or sequence.flat_field_of(index),
                    pixel_size_um=pixel_size_um or record.pixel_size_um,
                )
                writer.append(frame.pixels, record)
            # What a file says of its run (losses, dose, whether it is complete) goes along.
            meta = RunMetadata.from_entries(sequence.info.meta)
            known = RunMetadata().to_entries() | meta.to_entries()
            notes = {key: value for key, value in sequence.info.meta.items() if key not in known}
            return writer.close(meta, {"made from": source.name, **notes})
        finally:
            sequence.close()


class ZarrSequence(ImageSequence):
    """The planes of the first image of an OME-Zarr folder, 0.4 or 0.5.

    In dapiscope's own: those that were taken, in that order, for a plan need not take every channel at every time. In
    others': all there are, in the order of the axes.
    """

    def __init__(self, path: Path) -> None:
        zarr = _zarr()
        self._path, self._lock = path, threading.Lock()
        try:
            self._array, axes, scale = self._find(zarr.open_group(path, mode="r"))
            self._planes = tuple(int(n) for n in self._array.shape[:-2])
            self._names = [str(axis["name"]) for axis in axes]
            self._check()
            self._records, self._order, meta = self._own_records()
            notes = zarr.open_group(path, mode="r").attrs.asdict().get("dapiscope", {}).get("notes", {}) if meta else {}
            meta |= {str(key): str(value) for key, value in notes.items()}
            size_um = self._size_um(axes, scale)
        except (BadImageError, UsageError):
            raise
        except Exception as error:  # the library fails on damaged metadata in ways of every kind
            raise self._damaged() from error
        self._size_um_value = size_um
        length = len(self._order)
        self.info = ReplayInfo(
            path,
            "OME-Zarr",
            length,
            (int(self._array.shape[-2]), int(self._array.shape[-1])),
            size_um,
            self._fps(axes, scale),
            f"{path.name} ({length} planes)",
            meta,
        )

    def _damaged(self) -> BadImageError:
        return BadImageError(f"{self._path} is no OME-Zarr image that can be read: check the folder.")

    @staticmethod
    def _find(group: Any) -> tuple[Any, list[dict[str, Any]], list[float]]:
        attributes = group.attrs.asdict()
        image = attributes.get("ome", attributes)["multiscales"][0]
        dataset = image["datasets"][0]
        array = group[str(dataset["path"])]
        # What the image says holds for all its levels, on top of what each level says of itself.
        steps = [*dataset.get("coordinateTransformations", ()), *image.get("coordinateTransformations", ())]
        scale = np.ones(array.ndim)
        for step in steps:
            if step["type"] == "scale":
                scale = scale * np.asarray(step["scale"], float)
        return array, list(image["axes"]), [float(value) for value in scale]

    def _check(self) -> None:
        array = self._array
        if self._names[-2:] != ["y", "x"] or len(self._names) != array.ndim or len(set(self._names)) != array.ndim:
            raise BadImageError(f"{self._path} does not end with the axes y and x: convert it first.")
        if array.dtype not in (np.uint8, np.uint16):
            raise BadImageError(f"{self._path} holds {array.dtype} numbers: save it as 8- or 16-bit images.")
        shards = array.shards or array.chunks
        largest = max(math.prod(array.chunks), math.prod(shards), math.prod(array.shape[-2:]))
        if not 0 < math.prod(array.shape) or largest > MAX_PIXELS or largest * array.dtype.itemsize > _MAX_CHUNK_BYTES:
            raise BadImageError(f"{self._path} is empty, or too large in one piece: store it in smaller chunks.")

    def _own_records(self) -> tuple[Sequence[PlaneRecord], Sequence[int], dict[str, str]]:
        """Return the planes that dapiscope wrote, where each lies among all, and what it knew of the run.

        Of others' files: no record, all planes, and nothing known.
        """
        journal, every = self._path / _FRAMES, range(math.prod(self._planes))
        if not journal.is_file():
            return (), every, {}
        head, records = read_journal(journal)
        order = [self._flat(record.place or (-1, -1)) for record in records]
        # Planes that were never taken have no file; one that has, and is not named, is not left out in silence.
        planes = self._path.joinpath("0", "c").glob("*/*/*/0/0")
        if not order or sum(1 for _ in planes) > len(set(order)):
            raise self._damaged()
        return records, order, head.meta.to_entries()

    def _flat(self, place: tuple[int, int]) -> int:
        """Return the number of the plane at (t, c) among all. Raises ValueError where there is none."""
        at = dict(zip("tc", place, strict=True))
        where = tuple(at.get(name, 0) for name in self._names[:-2])
        return int(np.ravel_multi_index(where, self._planes)) if where else 0

    def _where(self, index: int) -> tuple[int, ...]:
        return tuple(int(at) for at in np.unravel_index(index, self._planes)) if self._planes else ()

    def _record(self, index: int) -> PlaneRecord | None:
        return self._records[index] if self._records else None

    @staticmethod
    def _size_um(axes: list[dict[str, Any]], scale: list[float]) -> float | None:
        short = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "angstrom": "Å", "meter": "m"}
        units = [str(axis.get("unit", "")) for axis in axes[-2:]]
        factors = [UM_PER_UNIT.get(short.get(unit, unit), 0.0) for unit in units]
        height_um, width_um = (step * factor for step, factor in zip(scale[-2:], factors, strict=True))
        square = math.isfinite(width_um) and width_um > 0 and is_square(width_um, height_um or width_um)
        return width_um if square else None

    @staticmethod
    def _fps(axes: list[dict[str, Any]], scale: list[float]) -> float | None:
        for axis, step in zip(axes, scale, strict=False):
            interval_s = step * _SECONDS_PER_UNIT.get(str(axis.get("unit")), 0.0)
            if axis["name"] == "t" and math.isfinite(interval_s) and interval_s > 0:
                return 1.0 / interval_s
        return None

    def read(self, index: int) -> Frame:
        """Return plane `index`."""
        at = self._order[index]
        try:
            with self._lock:
                pixels = np.ascontiguousarray(self._array[self._where(at)])
        except Exception as error:  # damaged chunks fail in the codecs, in ways of every kind
            raise BadImageError(f"{self._path} is damaged at plane {index + 1}: copy it again.") from error
        record = self._record(index)
        if record is not None and not _chunk(self._path, 0, *self._where(at)).is_file():
            raise BadImageError(f"{self._path} has lost plane {index + 1}: copy it again.")
        kind = pixel_format(pixels)
        if record is None:
            return Frame(
                read_only(pixels),
                index,
                index / self.info.fps if self.info.fps else 0.0,
                0.0,
                None,
                None,
                kind,
                self._size_um_value,
                Light(reason="the file does not say"),
                str(self._path),
            )
        return Frame(
            pixels=read_only(pixels),
            index=record.index,
            exposure_end_s=record.exposure_end_s,
            unix_time_s=record.unix_time_s,
            exposure_ms=record.exposure_ms,
            gain_db=record.gain_db,
            pixel_format=record.pixel_format if record.item_bytes == pixels.dtype.itemsize else kind,
            pixel_size_um=record.pixel_size_um,
            light=record.light,
            source=str(self._path),
            name=record.name,
            readout_ms=record.readout_ms,
            truth_count=record.truth_count,
        )

    def time_of(self, index: int) -> float | None:
        """Return the recorded moment."""
        record = self._record(index)
        return None if record is None else record.unix_time_s or None

    def place_of(self, index: int) -> tuple[int, int]:
        """Return (t, c) of the plane."""
        record = self._record(index)
        return (record.place if record is not None else None) or (index, 0)

    def channel_of(self, index: int) -> str:
        """Return the name of the confirmed channel."""
        record = self._record(index)
        return record.light.channel or "" if record is not None and record.light.confirmed else ""

    def flat_field_of(self, index: int) -> str:
        """Return what the recording said that this was made from."""
        record = self._record(index)
        return "" if record is None else record.flat_field


def is_zarr(path: Path) -> bool:
    """Return True for a folder with the metadata of a Zarr group."""
    return any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs"))
