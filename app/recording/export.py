"""One frame and its nuclei for every other tool: image, labels, tables, ImageJ ROIs, QuPath objects, overlay."""

import importlib
import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.frame import Frame, Segmentation
from app.recording.files import Progress, nobody_listens, write_together
from app.recording.metadata import RunMetadata
from app.recording.outlines import Ring, outlines, signed_area
from app.recording.snapshot import segmentation_notes, write_image, write_png
from app.recording.tables import BY_HAND, NUCLEI_COLUMNS, ORIGIN, encode_csv, encode_labels, full_labels, nuclei_rows

_MEASUREMENTS = (
    ("area_um2", "Area µm^2"),
    ("mean_intensity", "Mean intensity"),
    ("eccentricity", "Eccentricity"),
    ("score", "Score"),
)
_COLOR = (140, 107, 255)


@dataclass(frozen=True, slots=True)
class ExportFiles:
    """Where an export lies; None for what was not made."""

    image: Path
    labels: Path
    nuclei: Path
    rois: Path
    geojson: Path
    overlay: Path | None = None
    parquet: Path | None = None


def export_all(
    folder: Path,
    frame: Frame,
    segmentation: Segmentation,
    meta: RunMetadata,
    *,
    overlay: NDArray[np.uint8] | None = None,
    stem: str = "export",
    parquet: bool = False,
    extra: Mapping[str, Any] | None = None,
    origins: Sequence[str] = (),
    progress: Progress = nobody_listens,
) -> ExportFiles:
    """Export a frame and its nuclei; all files under one name, none over an existing one.

    Parameters
    ----------
    folder, frame, segmentation, meta, overlay, stem, extra
        As for `save_snapshot`.
    origins : sequence of str
        Who found each nucleus, ``"model"`` or ``"by hand"``, a row each: one more column of the tables, and named with
        every ROI and object. Empty leaves it out.
    parquet : bool
        Also write the table as Parquet with the units in its column names; needs the extra ``parquet``.
    progress : callable
        Hears of every file, and of every nucleus where they take long.

    Raises
    ------
    RecordingError
        The disk refused; nothing is left behind.
    UsageError
        Parquet was asked for and pyarrow is not installed.
    """
    if parquet:
        _pyarrow()
    notes = segmentation_notes(segmentation) | dict(extra or {})
    if frame.source and Path(frame.source).is_file():
        # Its name: where it lies on this computer says nothing anywhere else.
        frame = replace(frame, source=Path(frame.source).name)
        notes["exported from"] = frame.source

    def within(suffix: str) -> Progress:
        at = list(writers).index(suffix)
        return lambda done: progress((at + done) / len(writers))

    writers: dict[str, Callable[[Path], None]] = {
        ".ome.tif": lambda path: write_image(path, frame, meta, notes, stem),
        "_labels.tif": lambda path: encode_labels(path, full_labels(segmentation), frame.pixel_size_um),
        "_nuclei.csv": lambda path: encode_csv(path, *_table(segmentation, origins)),
        "_rois.zip": lambda path: encode_rois(path, segmentation, origins, within("_rois.zip")),
        ".geojson": lambda path: encode_geojson(path, segmentation, origins, within(".geojson")),
    }
    if overlay is not None:
        writers["_overlay.png"] = lambda path: write_png(path, overlay)
    if parquet:
        writers["_nuclei.parquet"] = lambda path: encode_parquet(path, segmentation, origins)
    paths = write_together(folder, stem, writers, progress)
    return ExportFiles(
        paths[".ome.tif"],
        paths["_labels.tif"],
        paths["_nuclei.csv"],
        paths["_rois.zip"],
        paths[".geojson"],
        paths.get("_overlay.png"),
        paths.get("_nuclei.parquet"),
    )


def _table(segmentation: Segmentation, origins: Sequence[str]) -> tuple[tuple[str, ...], list[list[Any]]]:
    rows = nuclei_rows(segmentation)
    if not origins:
        return NUCLEI_COLUMNS, rows
    return (*NUCLEI_COLUMNS, ORIGIN), [[*row, origin] for row, origin in zip(rows, origins, strict=True)]


def _origin_of(segmentation: Segmentation, origins: Sequence[str]) -> dict[int, str]:
    """Return label → origin; empty where nobody asked."""
    labels = (int(label) for label in segmentation.nuclei["label"])
    return dict(zip(labels, origins, strict=True)) if origins else {}


def _scaled(ring: Ring, zoom: tuple[float, float]) -> list[tuple[float, float]]:
    """Return a ring of label pixels in full-resolution pixels of the frame."""
    return [(x * zoom[1], y * zoom[0]) for x, y in ring]


def _outlined(segmentation: Segmentation, progress: Progress) -> Iterator[tuple[int, list[Ring]]]:
    """Yield (label, rings) of every nucleus, and tell how many there were."""
    many = max(len(segmentation.nuclei), 1)
    for at, (number, found) in enumerate(outlines(segmentation.labels)):
        progress(min(at / many, 1.0))
        yield number, found


def encode_rois(
    path: Path, segmentation: Segmentation, origins: Sequence[str] = (), progress: Progress = nobody_listens
) -> None:
    """Write an ImageJ ROI set, one polygon a nucleus; of a nucleus in parts the largest. Raises OSError.

    With `origins` the names of those that a hand made end in ``-by-hand``.
    """
    import roifile

    rois, origin_of = [], _origin_of(segmentation, origins)
    for number, rings in _outlined(segmentation, progress):
        points = np.asarray(_scaled(rings[0], segmentation.zoom))
        whole = points.astype(np.int32)
        exact = whole if np.array_equal(points, whole) else points
        mark = "-by-hand" if origin_of.get(number) == BY_HAND else ""
        roi = roifile.ImagejRoi.frompoints(exact, name=f"nucleus-{number:05d}{mark}")
        roi.roitype = roifile.ROI_TYPE.POLYGON
        rois.append(roi)
    roifile.roiwrite(path, rois, mode="w")


def encode_geojson(
    path: Path, segmentation: Segmentation, origins: Sequence[str] = (), progress: Progress = nobody_listens
) -> None:
    """Write QuPath detections (GeoJSON, RFC 7946 geometry in pixels of the frame). Raises OSError.

    `origins` become QuPath's metadata of each object.
    """
    by_label = {int(nucleus["label"]): nucleus for nucleus in segmentation.nuclei}
    origin_of = _origin_of(segmentation, origins)
    features = [
        _feature(number, rings, by_label.get(number), segmentation.zoom, origin_of.get(number))
        for number, rings in _outlined(segmentation, progress)
    ]
    collection = {"type": "FeatureCollection", "features": features}
    path.write_text(json.dumps(collection, separators=(",", ":"), allow_nan=False), encoding="utf-8")


def _feature(
    number: int, rings: list[Ring], nucleus: Any, zoom: tuple[float, float], origin: str | None
) -> dict[str, Any]:
    outer = [ring for ring in rings if signed_area(ring) > 0]
    holes = [ring for ring in rings if signed_area(ring) < 0]
    polygons = [
        [_closed(ring, zoom), *(_closed(hole, zoom) for hole in holes if _within(hole, ring))] for ring in outer
    ]
    geometry: dict[str, Any] = (
        {"type": "Polygon", "coordinates": polygons[0]}
        if len(polygons) == 1
        else {"type": "MultiPolygon", "coordinates": polygons}
    )
    measured = {} if nucleus is None else {title: float(nucleus[name]) for name, title in _MEASUREMENTS}
    return {
        "type": "Feature",
        "id": str(uuid.uuid4()),
        "geometry": geometry,
        "properties": {
            "objectType": "detection",
            "name": str(number),
            "classification": {"name": "Nucleus", "color": list(_COLOR)},
            "measurements": {title: value for title, value in measured.items() if np.isfinite(value)},
            **({} if origin is None else {"metadata": {ORIGIN: origin}}),
        },
    }


def _closed(ring: Ring, zoom: tuple[float, float]) -> list[tuple[float, float]]:
    points = _scaled(ring, zoom)
    return [*points, points[0]]


def _within(hole: Ring, outer: Ring) -> bool:
    """Return True when `hole` lies inside of `outer`: a point just inside of the hole is, by the even-odd rule."""
    (x0, y0), (x1, y1) = hole[0], hole[1]
    x, y = (x0 + x1) / 2 + 1e-3, (y0 + y1) / 2 + 1e-3
    inside = False
    for (ax, ay), (bx, by) in zip(outer, outer[1:] + outer[:1], strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) * (bx - ax) / (by - ay):
            inside = not inside
    return inside


def _pyarrow(part: str = "") -> Any:
    try:
        return importlib.import_module(f"pyarrow{part}")
    except ImportError:
        raise UsageError("Parquet needs pyarrow: install dapiscope[parquet], or export CSV.") from None


def encode_parquet(path: Path, segmentation: Segmentation, origins: Sequence[str] = ()) -> None:
    """Write the table as Parquet; every column has its type, whatever is unknown in it. Raises OSError, UsageError."""
    arrow = _pyarrow()
    header, rows = _table(segmentation, origins)
    kinds = {name: arrow.int32() for name in ("label", "touches_edge", "counted", "saturated", "out_of_focus")} | {
        ORIGIN: arrow.string()
    }
    columns = {
        name: arrow.array([None if row[index] == "" else row[index] for row in rows], kinds.get(name, arrow.float64()))
        for index, name in enumerate(header)
    }
    _pyarrow(".parquet").write_table(arrow.table(columns), path)
