"""What one snapshot leaves: the image in full depth, its labels, its table, its overlay; all of them or none."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from app.errors import RecordingError
from app.frame import Frame, Segmentation
from app.recording.files import disk_error, make_folder, publish, sync_file, sync_folder
from app.recording.finish import finish
from app.recording.journal import PlaneRecord
from app.recording.metadata import RunMetadata
from app.recording.store import FrameStore
from app.recording.tables import NUCLEI_COLUMNS, encode_csv, encode_labels, full_labels, nuclei_rows


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """Where a snapshot lies; None for what was not made."""

    image: Path
    labels: Path | None = None
    nuclei: Path | None = None
    overlay: Path | None = None


def save_snapshot(
    folder: Path,
    frame: Frame,
    segmentation: Segmentation | None,
    meta: RunMetadata,
    *,
    overlay: NDArray[np.uint8] | None = None,
    stem: str = "snapshot",
    extra: Mapping[str, Any] | None = None,
) -> SnapshotFiles:
    """Save a frame and what was found in it; no existing file is ever touched.

    Parameters
    ----------
    folder : Path
        Made if absent.
    frame : Frame
        Saved in full depth. The channel is named only if its light was confirmed.
    segmentation : Segmentation or None
        Adds the label image and the table.
    meta : RunMetadata
    overlay : ndarray of uint8, shape (H, W, 3), optional
        RGB picture with the nuclei drawn in.
    stem : str
        Of the names; -2, -3… is appended to all of them where one exists.
    extra : mapping, optional
        JSON-able values to be stored with the image, e.g. the dose or what the light read back.

    Returns
    -------
    SnapshotFiles

    Raises
    ------
    RecordingError
        The disk refused; nothing is left behind.
    """
    writers: dict[str, Callable[[Path], None]] = {
        ".ome.tif": lambda path: _write_image(path, frame, meta, _notes(segmentation) | dict(extra or {}), stem)
    }
    if segmentation is not None:
        labels = full_labels(segmentation)
        writers["_labels.tif"] = lambda path: encode_labels(path, labels, frame.pixel_size_um)
        writers["_nuclei.csv"] = lambda path: encode_csv(path, NUCLEI_COLUMNS, nuclei_rows(segmentation))
    if overlay is not None:
        writers["_overlay.png"] = lambda path: _write_png(path, overlay)
    paths = _write_together(folder, stem, writers)
    return SnapshotFiles(
        paths[".ome.tif"], paths.get("_labels.tif"), paths.get("_nuclei.csv"), paths.get("_overlay.png")
    )


def _write_together(folder: Path, stem: str, writers: Mapping[str, Callable[[Path], None]]) -> dict[str, Path]:
    """Write every file aside, then give all of them their names with one and the same number."""
    make_folder(folder)
    done: list[Path] = []
    try:
        with TemporaryDirectory(prefix=".dapiscope-", dir=folder) as name:
            for suffix, write in writers.items():
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


def _write_image(path: Path, frame: Frame, meta: RunMetadata, notes: Mapping[str, Any], title: str) -> None:
    store = FrameStore.create(path)
    try:
        record = PlaneRecord.of(frame, store.end, None)
        if record.size != frame.pixels.nbytes or not record.size:
            raise RecordingError(
                f"The frame says {frame.pixel_format} but has {frame.pixels.dtype} pixels of shape {frame.shape}: "
                "choose another pixel format."
            )
        store.append(frame.pixels)
        finish(store, path, [record], meta, {"readout_ms": frame.readout_ms} | dict(notes), title)
    finally:
        store.close()


def _notes(segmentation: Segmentation | None) -> dict[str, Any]:
    if segmentation is None:
        return {}
    return {
        "segmentation": {
            "count": segmentation.count,
            "density_per_mm2": segmentation.density_per_mm2,
            "interval_90": segmentation.interval,
            "flags": list(segmentation.flags),
            "pixel_size_um": segmentation.pixel_size_um,
            "scale_source": segmentation.scale_source,
        }
    }


def _write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=4))
