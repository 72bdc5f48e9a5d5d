"""What a folder of results says: a snapshot with its labels for export, and the report of a whole session."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

from app.correction_files import Correction, counts_in, load_correction
from app.corrections import corrected, corrected_segmentation, said
from app.dose import dose_in_file, dose_note
from app.errors import BadImageError, DapiscopeError, UsageError
from app.flat_field import shadings_in, usual_folder
from app.frame import Frame, Segmentation
from app.images import read_labels, split_name
from app.inference.measure import (
    BLURRED_EDGE,
    MOMENT,
    background_level,
    density_per_mm2,
    light_flag,
    measure,
    outline_steepness,
    quality_flags,
)
from app.inference.overlay import render_overlay, to_8bit
from app.inference.scale import seen
from app.inference.segmenter import Segmenter
from app.recording import RunMetadata, open_replay
from app.recording.ome import PlaneInfo, read_planes
from app.recording.report import CountPoint, SessionReport

PICTURE_WIDTH = 900
MOST_PICTURES = 6
SAME_MOMENT_S = 1e-3
_RESULTS = (".tif", ".csv", ".png", ".zip", ".geojson", ".parquet", ".html", ".json", ".yaml", ".zarr")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An image with what was found in it."""

    frame: Frame
    found: Segmentation
    meta: RunMetadata
    from_labels: bool
    """True when the labels saved with a snapshot were taken, False when it was segmented now."""
    told: str = ""
    """Both counts, and which one `found` is, where a hand corrected the model's answer."""
    origins: tuple[str, ...] = ()
    """Who found each nucleus of a corrected answer, ``"model"`` or ``"by hand"``."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What else its file says of this very image, and an export of it is to say."""


Nuclei = Literal["corrected", "model"]


def load_snapshot(
    path: Path,
    counter: Callable[[], Segmenter],
    *,
    pixel_size_um: float | Literal["auto"] | None = None,
    index: int = 0,
    nuclei: Nuclei | None = None,
) -> Snapshot:
    """Return an image and its nuclei: those saved with a snapshot where there are some, else those the model finds.

    Where a hand corrected them, the corrected ones are taken.

    Parameters
    ----------
    path : Path
        A snapshot, recording, image or folder.
    counter : callable
        Makes the model, only if it is needed.
    pixel_size_um : float, "auto" or None
        See `app.inference.segmenter.Segmenter.segment`; anything but None has the image segmented anew.
    index : int
        Of the frame.
    nuclei : "corrected", "model" or None
        Whose nuclei; None takes the corrected ones where there are some.

    Raises
    ------
    BadImageError
        It cannot be read, or has no such frame.
    UsageError
        Corrected nuclei were asked for and there are none, or their file is damaged.
    """
    given = pixel_size_um if isinstance(pixel_size_um, float) else None
    with open_replay(path, pixel_size_um=given, find_shading=shadings_in(usual_folder())) as replay:
        if not 0 <= index < replay.length:
            raise BadImageError(f"{path} has {replay.length} frames: choose one from 0 to {replay.length - 1}.")
        frame, meta = replay.frame(index), RunMetadata.from_entries(replay.info.meta)
        entries = replay.info.meta
        make = partial(Snapshot, frame, notes=dose_note(entries, replay.length))
    picture = Path(frame.source) if frame.source else path  # of a folder, the file
    correction = load_correction(picture, frame)
    if nuclei == "corrected" and correction is None:
        raise UsageError(f"No nucleus of {picture.name} was corrected by hand: correct it in the window first.")
    if nuclei == "corrected" and pixel_size_um is not None:
        raise UsageError("What was corrected keeps the scale it was counted at: leave --pixel-size-um out.")
    if correction is not None and pixel_size_um is None:
        return _corrected_snapshot(make, correction, meta, nuclei or "corrected")
    labels = _saved_labels(path, entries)
    if pixel_size_um is None and labels is not None:
        return make(_from_labels(frame, labels, entries), meta, True)
    model = counter()
    found = model.segment(frame, pixel_size_um, exact=True)
    unused = "the corrections made by hand were not used: they belong to the model's answer at another scale"
    return make(found, _with_model(meta, model.name, model.sha256), False, unused if correction is not None else "")


def _corrected_snapshot(
    make: Callable[..., Snapshot], correction: Correction, meta: RunMetadata, nuclei: Nuclei
) -> Snapshot:
    base = correction.base
    found, origins = corrected_segmentation(base, corrected(base.labels, correction.edits, base.zoom))
    told = f"{said(base.count, found.count, correction.edits)}; these are the {_WHOSE[nuclei]}"
    if correction.model_name:
        meta = _with_model(meta, correction.model_name, correction.model_sha256)
    if nuclei == "model":
        return make(base, meta, True, told)
    return make(found, meta, True, told, origins)


_WHOSE: Mapping[Nuclei, str] = {"corrected": "corrected ones", "model": "model's"}


def _with_model(meta: RunMetadata, name: str, sha256: str) -> RunMetadata:
    return RunMetadata.from_json(meta.to_json() | {"model_name": name, "model_sha256": sha256})


def _saved_labels(path: Path, entries: Mapping[str, str]) -> Path | None:
    """Return the label image that was saved with a snapshot; None where it says of none, or that is gone.

    Only a snapshot has one of its own: in a folder of a batch, ``a_labels.tif`` may be of ``a.png`` or of ``a.tif``.
    """
    if "segmentation" not in entries or not path.is_file():
        return None
    labels = path.with_name(f"{split_name(path.name)[0]}_labels.tif")
    return labels if labels.is_file() else None


def _from_labels(frame: Frame, path: Path, entries: Mapping[str, str]) -> Segmentation:
    saved = read_labels(path)
    if saved.shape != frame.shape:
        raise BadImageError(f"{path} is not of the size of its image: remove it, and the image is segmented anew.")
    numbers, inverse = np.unique(saved, return_inverse=True)
    first = 0 if len(numbers) and numbers[0] == 0 else 1
    labels = (inverse.reshape(saved.shape) + first).astype(np.int32)
    count = len(numbers) - 1 + first
    size_um = frame.pixel_size_um
    image = seen(frame, 1.0)
    nuclei = measure(labels, _scores(path, numbers), image, pixel_size_um=size_um, white=frame.white)
    background = background_level(labels, image)
    steepness = outline_steepness(labels, len(nuclei), image, background)
    nuclei["out_of_focus"] = steepness < BLURRED_EDGE
    told = _json(entries.get("segmentation", "{}"), {})
    told = told if isinstance(told, dict) and told.get("count") == count else {}
    flags = told.get("flags")
    if not isinstance(flags, list):
        flags = [*quality_flags(labels, nuclei, image, background, frame.white, steepness), *light_flag(frame)]
    return Segmentation(
        frame=frame,
        labels=labels,
        zoom=(1.0, 1.0),
        nuclei=nuclei,
        density_per_mm2=density_per_mm2(nuclei, frame.shape, size_um),
        pixel_size_um=size_um,
        scale_source="metadata",
        flags=tuple(str(flag) for flag in flags),
        interval=_interval(told),
    )


def _scores(labels: Path, numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Return the scores that the table beside the labels gives, NaN where it gives none."""
    table = labels.with_name(labels.name.replace("_labels", "_nuclei")).with_suffix(".csv")
    known: dict[int, float] = {}
    for row in _rows(table):
        try:
            known[int(row["label"])] = float(row["score"])
        except (KeyError, ValueError, TypeError):
            continue
    return np.array([known.get(int(n), np.nan) for n in numbers if n], np.float32)


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _json(text: str, otherwise: Any) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return otherwise


# ---------------------------------------------------------------------- the report


@dataclass(frozen=True, slots=True)
class _Image:
    """One OME-TIFF of the session."""

    path: Path
    meta: RunMetadata
    entries: Mapping[str, str]
    moments: Sequence[float]
    indices: Sequence[int]
    confirmed: int

    @property
    def exported(self) -> bool:
        """True for what was handed on from another file, and not taken."""
        return "exported from" in self.entries


def report_of(folder: Path) -> SessionReport:
    """Gather what `folder` holds of a session: recordings, plans, snapshots, counts.

    Raises
    ------
    BadImageError
        There is nothing of dapiscope's in the folder.
    """
    left_out: list[str] = []
    images = list(_images(folder, left_out))
    # What was exported of the session tells of no further frame; a folder of nothing else is told of all the same.
    images = [image for image in images if not image.exported] or images
    if not images:
        raise BadImageError(
            f"{folder} holds no recording and no snapshot of dapiscope that can be read: "
            f"{' '.join(left_out) or 'name the folder of a session.'}"
        )
    began = min(image.moments[0] for image in images)
    ended = max(image.moments[-1] for image in images)
    runs = [image for image in images if len(image.moments) > 1]
    of_runs, unplaced = _counts_of_runs(folder, runs, began)
    counted = [*_counts_of_snapshots(images, began), *of_runs]
    main = max(images, key=lambda image: len(image.moments))
    modelled = next((image.meta for image in images if image.meta.model_name), main.meta)
    meta = RunMetadata.from_json(
        main.meta.to_json() | {"model_name": modelled.model_name, "model_sha256": modelled.model_sha256}
    )
    frames = {
        "recorded": sum(len(image.moments) for image in runs),
        "snapshots": len(images) - len(runs),
        "counted": len(counted),
        "light not confirmed": sum(len(image.moments) - image.confirmed for image in images),
    }
    frames |= _not_to_be_counted(images)
    return SessionReport(
        meta,
        began,
        ended,
        sorted(counted, key=lambda point: point.time_s),
        frames,
        _losses(images),
        _dose(images),
        list(_pictures(images)),
        sorted(path for path in folder.iterdir() if path.suffix in _RESULTS and not path.name.startswith(".")),
        notes=[*(f"Left out: {why}" for why in left_out), *_notes(images), *unplaced],
        corrected=_corrected(images),
    )


def _images(folder: Path, left_out: list[str]) -> Iterator[_Image]:
    """Yield what can be read, and add a sentence to `left_out` for each file that cannot."""
    try:
        paths = sorted(folder.glob("*.ome.tif"))
    except OSError as error:
        raise BadImageError(f"{folder} cannot be read ({error.strerror}): check the path.") from None
    for path in paths:
        try:
            with open_replay(path) as replay:
                if replay.info.kind != "recording":
                    continue
                entries = dict(replay.info.meta)
                replay.frame(replay.length - 1)
            planes = _planes(path)
        except DapiscopeError as error:
            left_out.append(str(error))
            continue
        moments = [plane.unix_time_s for plane in planes if plane.unix_time_s]
        if len(moments) < len(planes):
            left_out.append(f"{path.name} does not say when it was taken.")
            continue
        indices = [plane.index if plane.index is not None else number for number, plane in enumerate(planes)]
        confirmed = sum(plane.light.confirmed for plane in planes)
        yield _Image(path, RunMetadata.from_entries(entries), entries, moments, indices, confirmed)


def _planes(path: Path) -> list[PlaneInfo]:
    """Return what a file of dapiscope's own says of each of its planes, without reading their pixels."""
    with tifffile.TiffFile(path) as tif:
        return read_planes(tif.ome_metadata or "", len(tif.pages))


def _counts_of_snapshots(images: Sequence[_Image], began: float) -> list[CountPoint]:
    points = []
    for image in images:
        told = _json(image.entries.get("segmentation", "{}"), {})
        if len(image.moments) == 1 and isinstance(told, dict) and isinstance(told.get("count"), int):
            points.append(CountPoint(image.moments[0] - began, told["count"], _interval(told), not told.get("flags")))
    return points


def _interval(told: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return the interval that a file tells with its count."""
    match told.get("interval_90"):
        case [int() | float() as low, int() | float() as high]:
            return int(low), int(high)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class _Counted:
    """One row of a table of counts: which frame, taken when (NaN where that is not known), and what was counted."""

    frame: int
    unix_time_s: float
    count: int
    band: tuple[int, int] | None
    fit: bool


def _counts_of_runs(folder: Path, runs: Sequence[_Image], began: float) -> tuple[list[CountPoint], list[str]]:
    """Return the counts of recordings in the tables of `folder`, and a sentence for what is left out of them.

    A count is of a recording whose frame of that number was taken at that moment, whatever else a table is called or
    lies beside. A recording has those of the table that it names, else of the one with the most of them, and of the
    first of these.
    """
    tables, notes, points, used = {}, [], [], set()
    for path in sorted(folder.glob("*counts*.csv"), key=lambda path: (len(path.name), path.name)):
        tables[path], read = _read_counts(path)
        if bad := read - len(tables[path]):
            notes.append(f"{path.name}: {bad} of its {read} rows are no counts of dapiscope, and were left out.")
    for image in runs:
        name, moments = _named_table(image), dict(zip(image.indices, image.moments, strict=True))
        found: list[_Counted] = []
        for path in tables if not name else tables.keys() & {folder / name}:
            mine = [row for row in tables[path] if _same_moment(row.unix_time_s, moments.get(row.frame))]
            if len(mine) > len(found):
                found, table = mine, path
        if found:
            used.add(table)
        points += [CountPoint(moments[row.frame] - began, row.count, row.band, row.fit) for row in found]
    unused = (path for path, rows in tables.items() if rows and path not in used)
    notes += [f"{path.name} is not in the chart: its counts are not those of a recording here." for path in unused]
    return points, notes


def _same_moment(one_s: float, other_s: float | None) -> bool:
    return other_s is not None and abs(one_s - other_s) < SAME_MOMENT_S


def _named_table(image: _Image) -> str:
    """Return the name of the table of counts that a recording names; else empty."""
    told = _json(image.entries.get("nuclei", "{}"), {})
    name = told.get("table") if isinstance(told, dict) else None
    return Path(name).name if isinstance(name, str) else ""


def _read_counts(path: Path) -> tuple[list[_Counted], int]:
    """Return the counts in a table of a run, and how many rows it has; nothing of other tables, e.g. of a batch."""
    counts, rows = [], [row for row in _rows(path) if "frame" in row]
    for row in rows:
        try:
            moment = float(row[MOMENT] or math.nan)
            counts.append(_Counted(int(row["frame"]), moment, int(row["count"]), _band(row), not row["flags"]))
        except (KeyError, ValueError, TypeError):
            continue
    return counts, len(rows)


def _band(row: Mapping[str, str]) -> tuple[int, int] | None:
    low, high = row.get("interval_low"), row.get("interval_high")
    return (int(low), int(high)) if low and high else None


def _losses(images: Sequence[_Image]) -> dict[str, int]:
    losses: dict[str, int] = {}
    for image in images:
        lost = _json(image.entries.get("lost_camera", "0"), 0)
        if isinstance(lost, int):
            losses["by the camera"] = losses.get("by the camera", 0) + lost
        counts = _json(image.entries.get("nuclei", "{}"), {})
        if isinstance(counts, dict) and isinstance(counts.get("skipped"), int) and counts["skipped"]:
            losses[_SKIPPED] = losses.get(_SKIPPED, 0) + counts["skipped"]
    return losses


_SKIPPED = "not counted, so that the plan stayed on time"


def _not_to_be_counted(images: Sequence[_Image]) -> dict[str, int]:
    """Return how many frames were never to be counted: these are no loss."""
    told = [_json(image.entries.get("not_counted", "0"), 0) for image in images]
    frames = sum(number for number in told if isinstance(number, int))
    return {"not to be counted: another channel, light not confirmed, or counting off": frames} if frames else {}


def _dose(images: Sequence[_Image]) -> dict[str, str]:
    """Return the light each channel gave, as the files tell it: one line a channel and file."""
    lines: dict[str, str] = {}
    for image in images:
        lines |= dose_in_file(image.entries, image.path.name)
    return lines


def _corrected(images: Sequence[_Image]) -> dict[str, str]:
    """Return picture → both counts, of the pictures that a hand corrected; a damaged file says so in its place."""
    told = {}
    for image in images:
        try:
            for frame, model, by_hand, edits in counts_in(image.path):
                name = f"{image.path.name} [{frame}]" if frame else image.path.name
                told[name] = said(model, by_hand, edits)
        except (UsageError, BadImageError) as error:
            told[image.path.name] = str(error)
    return told


def _notes(images: Sequence[_Image]) -> list[str]:
    notes = []
    for image in images:
        if image.entries.get("complete") == "false":
            notes.append(f"{image.path.name} is not complete: {image.entries.get('ended by', 'it was stopped')}")
        if "simulated" in image.meta.camera.lower():
            notes.append(f"{image.path.name} was taken with a simulated camera: no sample was imaged.")
    return notes


def _pictures(images: Sequence[_Image]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    find_shading = shadings_in(usual_folder())
    for image in images[:MOST_PICTURES]:
        try:
            with open_replay(image.path, find_shading=find_shading) as replay:
                last = replay.frame(replay.length - 1)
        except DapiscopeError:
            continue  # it was read a moment ago, and has gone since
        moment = datetime.fromtimestamp(image.moments[-1], UTC)
        light = last.light.channel if last.light.confirmed else "light not confirmed"
        small = _small(to_8bit(seen(last, 1.0)))
        caption = f"{image.path.name}, {light or 'dark'}, {moment:%H:%M:%S} UTC"
        try:
            labels, by_hand = _drawn_labels(image, last)
            drawn = None if labels is None else render_overlay(small, labels)
            caption += ", corrected by hand" if by_hand else ""
        except (BadImageError, UsageError):
            drawn = None
        yield caption, np.repeat(small[..., None], 3, axis=-1) if drawn is None else drawn


def _drawn_labels(image: _Image, frame: Frame) -> tuple[NDArray[np.int32] | None, bool]:
    """Return the nuclei to be drawn into the picture of `image`, and whether a hand corrected them."""
    correction = load_correction(image.path, frame)
    if correction is not None:
        return corrected(correction.base.labels, correction.edits, correction.base.zoom), True
    saved = _saved_labels(image.path, image.entries)
    return (None if saved is None else read_labels(saved)), False


def _small(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = grey.shape
    if width <= PICTURE_WIDTH:
        return grey
    size = (PICTURE_WIDTH, max(1, round(height * PICTURE_WIDTH / width)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
