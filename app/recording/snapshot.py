"""What one snapshot leaves: the image in full depth, its labels, its table, its overlay; all of them or none."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from app.errors import RecordingError
from app.frame import Frame, Segmentation
from app.recording.files import write_together
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
        ".ome.tif": lambda path: write_image(
            path, frame, meta, segmentation_notes(segmentation) | dict(extra or {}), stem
        )
    }
    if segmentation is not None:
        labels = full_labels(segmentation)
        writers["_labels.tif"] = lambda path: encode_labels(path, labels, frame.pixel_size_um)
        writers["_nuclei.csv"] = lambda path: encode_csv(path, NUCLEI_COLUMNS, nuclei_rows(segmentation))
    if overlay is not None:
        writers["_overlay.png"] = lambda path: write_png(path, overlay)
    paths = write_together(folder, stem, writers)
    return SnapshotFiles(
        paths[".ome.tif"], paths.get("_labels.tif"), paths.get("_nuclei.csv"), paths.get("_overlay.png")
    )


def write_image(path: Path, frame: Frame, meta: RunMetadata, notes: Mapping[str, Any], title: str) -> None:
    """Write one frame as OME-TIFF to `path` itself. Raises OSError or RecordingError."""
    store = FrameStore.create(path)
    try:
        record = PlaneRecord.of(frame, store.end, None)
        if record.size != frame.pixels.nbytes or not record.size:
            raise RecordingError(
                f"The frame says {frame.pixel_format} but has {frame.pixels.dtype} pixels of shape {frame.shape}: "
                "choose another pixel format."
            )
        store.append(frame.pixels)
        readout = {"readout_ms": frame.readout_ms} if frame.readout_ms else {}  # no file but a camera's says it
        finish(store, path, [record], meta, readout | dict(notes), title)
    finally:
        store.close()


def segmentation_notes(segmentation: Segmentation | None) -> dict[str, Any]:
    """Return what belongs into the image's annotation of what was found in it."""
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


def write_png(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write an RGB picture to `path` itself. Raises OSError."""
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(picture), level=4))
