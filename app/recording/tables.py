"""Labels and per-nucleus tables as files; the same columns for snapshots, batches and exports."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from app.frame import Segmentation
from app.recording.files import whole_file
from app.recording.tiff import pixels_per_cm

NUCLEI_COLUMNS: tuple[str, ...] = (
    "label",
    "x_um",
    "y_um",
    "x_px",
    "y_px",
    "area_um2",
    "area_px",
    "mean_intensity",
    "eccentricity",
    "score",
    "touches_edge",
    "counted",
    "saturated",
    "out_of_focus",
)
"""Positions are centroids, counted as in arrays from the middle of the image's first pixel; ImageJ and QuPath count
from its corner, half a pixel more. `counted` is by the unbiased edge rule."""

ORIGIN = "origin"
"""Header of one more column, where nuclei were corrected: ``model`` or ``by hand``."""
BY_HAND = "by hand"

STRIP_ROWS = 64


def full_labels(segmentation: Segmentation) -> NDArray[np.int32]:
    """Return the labels at the size of the frame, (H, W): each pixel takes the label of the nearest one."""
    labels = segmentation.labels
    height, width = segmentation.frame.shape
    if labels.shape == (height, width):
        return labels
    rows = np.minimum(((np.arange(height) + 0.5) * labels.shape[0] / height).astype(np.intp), labels.shape[0] - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * labels.shape[1] / width).astype(np.intp), labels.shape[1] - 1)
    scaled: NDArray[np.int32] = labels[rows][:, columns]
    return scaled


def write_labels(path: Path, labels: NDArray[np.int32], pixel_size_um: float | None = None) -> None:
    """Write a label image as TIFF, 16 bits where they suffice, with its scale for ImageJ.

    Raises
    ------
    RecordingError
        The disk refused; nothing is left behind.
    """
    with whole_file(path) as temporary:
        encode_labels(temporary, labels, pixel_size_um)


def encode_labels(path: Path, labels: NDArray[np.int32], pixel_size_um: float | None) -> None:
    """Write a label image to `path` itself. Raises OSError."""
    kind = np.uint16 if not labels.size or labels.max() < 1 << 16 else np.int32
    tifffile.imwrite(
        path,
        labels.astype(kind),
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        resolution=(pixels_per_cm(pixel_size_um), pixels_per_cm(pixel_size_um)),
        resolutionunit="CENTIMETER" if pixel_size_um else "NONE",
    )


def stream_labels(
    path: Path, rows: Iterable[NDArray[np.int32]], shape: tuple[int, int], pixel_size_um: float | None
) -> None:
    """Write a label image that comes from the top down, some rows at a time, as 32-bit TIFF. Raises OSError."""
    tifffile.imwrite(
        path,
        # Strips have to be compressed already; arrays would be taken for pages.
        (imagecodecs.zlib_encode(np.ascontiguousarray(strip, "<i4").tobytes()) for strip in _strips(rows)),
        shape=shape,
        dtype="<i4",
        byteorder="<",
        rowsperstrip=STRIP_ROWS,
        photometric="minisblack",
        compression="zlib",
        metadata=None,
        bigtiff=shape[0] * shape[1] > 1 << 29,
        resolution=(pixels_per_cm(pixel_size_um), pixels_per_cm(pixel_size_um)),
        resolutionunit="CENTIMETER" if pixel_size_um else "NONE",
    )


def _strips(rows: Iterable[NDArray[np.int32]]) -> Iterator[NDArray[np.int32]]:
    """Cut what comes into strips of `STRIP_ROWS` rows; the last one may be shorter."""
    rest: NDArray[np.int32] | None = None
    for block in rows:
        if rest is not None:
            needed = STRIP_ROWS - len(rest)
            rest, block = np.concatenate([rest, block[:needed]]), block[needed:]
            if len(rest) < STRIP_ROWS:
                continue
            yield rest
        whole = len(block) // STRIP_ROWS * STRIP_ROWS
        for top in range(0, whole, STRIP_ROWS):
            yield block[top : top + STRIP_ROWS]
        rest = block[whole:].copy() if whole < len(block) else None
    if rest is not None:
        yield rest


def nuclei_rows(segmentation: Segmentation) -> list[list[Any]]:
    """Return one row a nucleus, in the order of `NUCLEI_COLUMNS`; what is unknown is an empty text."""
    # An estimate from the nuclei's size is no ruler: µm columns stay empty then, as the areas do.
    estimated = segmentation.scale_source == "estimated"
    size = segmentation.frame.pixel_size_um if estimated else segmentation.pixel_size_um
    rows: list[list[Any]] = []
    for nucleus in segmentation.nuclei:
        x, y = float(nucleus["x_px"]), float(nucleus["y_px"])
        rows.append(
            [
                int(nucleus["label"]),
                "" if size is None else _number(x * size),
                "" if size is None else _number(y * size),
                _number(x),
                _number(y),
                *(
                    _number(float(nucleus[name]))
                    for name in ("area_um2", "area_px", "mean_intensity", "eccentricity", "score")
                ),
                *(int(nucleus[name]) for name in ("touches_edge", "counted", "saturated", "out_of_focus")),
            ]
        )
    return rows


def _number(value: float) -> float | str:
    return float(f"{value:.6g}") if math.isfinite(value) else ""


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table (RFC 4180, UTF-8). Raises RecordingError; nothing is left behind."""
    with whole_file(path) as temporary:
        encode_csv(temporary, header, rows)


def encode_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table to `path` itself. Raises OSError."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
