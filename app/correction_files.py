"""Corrections by hand on the disk: one JSON file beside the picture, with the model's answer and every edit in it."""

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from app.corrections import Edit, Kind, corrected, corrected_segmentation
from app.errors import BadImageError, UsageError
from app.frame import Frame, Segmentation
from app.images import derived_stem, split_name
from app.inference.measure import density_per_mm2, measure
from app.inference.scale import seen_at
from app.recording.files import whole_file, write_together
from app.recording.tables import NUCLEI_COLUMNS, ORIGIN, encode_csv, encode_labels, full_labels, nuclei_rows

FORMAT = "dapiscope corrections 1"
MOST_BYTES = 1 << 28
KINDS = ("add", "remove", "split", "merge")
_LABELS, _NUCLEI = "_corrected_labels.tif", "_corrected_nuclei.csv"


@dataclass(frozen=True, slots=True)
class Correction:
    """What was corrected in one frame.

    Attributes
    ----------
    base : Segmentation
        The model's answer.
    edits : tuple of Edit
    model_name, model_sha256 : str
    """

    base: Segmentation
    edits: tuple[Edit, ...]
    model_name: str = ""
    model_sha256: str = ""


def corrections_path(picture: Path) -> Path:
    """Return the name of the file with the corrections of `picture`, a file or a recording folder.

    It holds the picture's whole name, for a.png and a.tif are two pictures; or its stem alone, where an earlier
    version has begun it so.
    """
    whole = picture.with_name(f"{picture.name}.corrections.json")
    earlier = picture.with_name(f"{split_name(picture.name)[0]}.corrections.json")
    if whole.exists() or not earlier.exists():
        return whole
    try:
        return earlier if json.loads(earlier.read_bytes())["picture"] == picture.name else whole
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return whole


def picture_hash(frame: Frame) -> str:
    """Return what tells this picture from every other one."""
    return hashlib.sha256(np.ascontiguousarray(frame.pixels).data).hexdigest()


def save_corrections(picture: Path, correction: Correction) -> Path:
    """Write the corrections of a frame beside its picture, with the corrected labels and table; return the JSON's path.

    Corrections of other frames in the same file stay. Without an edit the frame's entry and its tables go.

    Raises
    ------
    RecordingError
        The disk refused; what was there before is unchanged.
    UsageError
        The file that is there is none of ours, or damaged; it is left alone.
    """
    path = corrections_path(picture)
    entries = _entries(path) if path.exists() else []
    shape, this = correction.base.frame.shape, picture_hash(correction.base.frame)
    before = next((entry for entry in entries if entry.get("picture_sha256") == this), None)
    tables = _tables(path, picture, correction.base.frame, before) if before is not None else ()
    frames = [entry for entry in entries if entry is not before]
    with ExitStack() as stack:  # the tables take their places, or go, when the JSON has taken its own
        if correction.edits:
            written = _write_tables(picture, correction, tables, stack)
            frames.append(_entry(correction) | {"tables": [table.name for table in written]})
        frames.sort(key=lambda entry: entry["frame"])
        plain = {"format": FORMAT, "picture": picture.name, "shape": list(shape), "frames": frames}
        if frames:
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(plain, indent=1, ensure_ascii=False), encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
    if not correction.edits:
        for table in tables:
            table.unlink(missing_ok=True)
    return path


def _tables(path: Path, picture: Path, frame: Frame, entry: Mapping[str, Any]) -> tuple[Path, ...]:
    """Return the label image and the table that belong to an entry. Raises UsageError where it names others."""
    stem = derived_stem(picture.name, frame)
    names = entry.get("tables", [stem + _LABELS, stem + _NUCLEI])
    # They will be replaced or removed: the entry is not believed more than it must be.
    if not isinstance(names, list) or not all(
        isinstance(name, str) and Path(name).name == name and "_corrected_" in name for name in names
    ):
        raise _damaged(path)
    return tuple(picture.with_name(name) for name in names)


def _write_tables(picture: Path, correction: Correction, tables: Sequence[Path], stack: ExitStack) -> Sequence[Path]:
    """Write the corrected labels and nuclei over `tables`, or beside all there is where they have none; return them.

    They replace what was there when `stack` ends well; when it does not, nothing has changed.
    """
    base = correction.base
    found, origins = corrected_segmentation(base, corrected(base.labels, correction.edits, base.zoom))
    rows = [[*row, origin] for row, origin in zip(nuclei_rows(found), origins, strict=True)]
    writers: dict[str, Callable[[Path], None]] = {
        _LABELS: lambda path: encode_labels(path, full_labels(found), found.frame.pixel_size_um),
        _NUCLEI: lambda path: encode_csv(path, (*NUCLEI_COLUMNS, ORIGIN), rows),
    }
    if len(tables) != len(writers):
        made = tuple(write_together(picture.parent, derived_stem(picture.name, base.frame), writers).values())
        stack.push(lambda kind, *_: _remove(made) if kind is not None else None)
        return made
    for table, write in zip(tables, writers.values(), strict=True):
        write(stack.enter_context(whole_file(table)))
    return tables


def _remove(files: Sequence[Path]) -> None:
    for file in files:
        file.unlink(missing_ok=True)


def _entry(correction: Correction) -> dict[str, Any]:
    base = correction.base
    now = corrected(base.labels, correction.edits, base.zoom)
    return {
        "frame": base.frame.index,
        "picture_sha256": picture_hash(base.frame),
        "count_model": base.count,
        "count_corrected": len(np.unique(now[now > 0])),
        "model": correction.model_name,
        "model_sha256": correction.model_sha256,
        "scale_source": base.scale_source,
        "pixel_size_um": base.pixel_size_um,
        "flags": list(base.flags),
        "interval_90": list(base.interval) if base.interval else None,
        "edits": [
            {
                "kind": edit.kind,
                "points": [[round(x, 2), round(y, 2)] for x, y in edit.points],
                "by": edit.by,
                "at": datetime.fromtimestamp(edit.unix_s, UTC).isoformat(timespec="seconds"),
            }
            for edit in correction.edits
        ],
        "model_scores": [round(float(score), 5) for score in base.nuclei["score"]],
        "model_labels_shape": list(base.labels.shape),
        "model_labels_int32_zlib_base64": base64.b64encode(
            zlib.compress(np.ascontiguousarray(base.labels, "<i4").tobytes(), 6)
        ).decode(),
    }


def rounded(edit: Edit) -> Edit:
    """Return the edit as a file keeps it, so that what is shown now is what is shown again later."""
    points = tuple((round(float(x), 2), round(float(y), 2)) for x, y in edit.points)
    return Edit(edit.kind, points, edit.by, float(int(edit.unix_s)))


def counts_in(picture: Path) -> tuple[tuple[int, int, int, tuple[Edit, ...]], ...]:
    """Return (frame, count of the model, corrected count, edits) of every corrected frame; empty where there are none.

    Raises UsageError for a damaged file.
    """
    path = corrections_path(picture)
    if not path.exists():
        return ()
    try:
        return tuple(
            (int(e["frame"]), int(e["count_model"]), int(e["count_corrected"]), tuple(map(_edit, e["edits"])))
            for e in _entries(path)
        )
    except (LookupError, TypeError, ValueError, ArithmeticError):
        raise _damaged(path) from None


def load_correction(picture: Path, frame: Frame) -> Correction | None:
    """Return what was corrected in `frame` of `picture`, or None.

    Raises
    ------
    UsageError
        The file is damaged; it is left alone.
    """
    path = corrections_path(picture)
    if not path.exists():
        return None
    entries, wanted = _entries(path), picture_hash(frame)
    # By the picture itself: its number differs between a file alone and the same file within a folder.
    entry = next((each for each in entries if each.get("picture_sha256") == wanted), None)
    if entry is None:
        return None
    try:
        return _correction(entry, frame)
    except (LookupError, TypeError, ValueError, ArithmeticError, zlib.error, UsageError):
        raise _damaged(path) from None


def _correction(entry: Mapping[str, Any], frame: Frame) -> Correction:
    height, width = (int(n) for n in entry["model_labels_shape"])
    if not (0 < height <= frame.shape[0] and 0 < width <= frame.shape[1]):
        raise ValueError("labels larger than the picture")
    packed = base64.b64decode(entry["model_labels_int32_zlib_base64"], validate=True)
    raw = zlib.decompressobj().decompress(packed, 4 * height * width + 1)
    labels = np.frombuffer(raw, "<i4").reshape(height, width).astype(np.int32)
    scores = np.asarray(entry["model_scores"], np.float32)
    if labels.min() < 0 or labels.max(initial=0) > len(scores):
        raise ValueError("labels without a score")
    edits = tuple(_edit(plain) for plain in entry["edits"])
    zoom = (frame.shape[0] / height, frame.shape[1] / width)
    corrected(labels, edits, zoom)
    interval = entry.get("interval_90")
    size_um = entry["pixel_size_um"]
    if size_um is not None and not 0 < float(size_um) < math.inf:
        raise ValueError("no pixel size")
    base = _measured(
        frame, labels, scores, zoom, None if size_um is None else float(size_um), str(entry["scale_source"]),
        tuple(str(flag) for flag in entry["flags"]), (int(interval[0]), int(interval[1])) if interval else None,
    )  # fmt: skip
    return Correction(base, edits, str(entry.get("model", "")), str(entry.get("model_sha256", "")))


def _measured(
    frame: Frame,
    labels: NDArray[np.int32],
    scores: NDArray[np.float32],
    zoom: tuple[float, float],
    pixel_size_um: float | None,
    scale_source: str,
    flags: tuple[str, ...],
    interval: tuple[int, int] | None,
) -> Segmentation:
    size_um = frame.pixel_size_um if scale_source == "estimated" else pixel_size_um
    image = seen_at(frame, (labels.shape[0], labels.shape[1]))
    nuclei = measure(labels, scores, image, zoom=zoom, pixel_size_um=size_um, white=frame.white)
    density = density_per_mm2(nuclei, frame.shape, size_um)
    return Segmentation(frame, labels, zoom, nuclei, density, pixel_size_um, scale_source, flags, interval)


def _edit(plain: Mapping[str, Any]) -> Edit:
    kind = plain["kind"]
    if kind not in KINDS:
        raise ValueError(kind)
    points = tuple((float(x), float(y)) for x, y in plain["points"])
    if not points or not np.isfinite(points).all():
        raise ValueError("points")
    return Edit(cast("Kind", kind), points, str(plain["by"]), datetime.fromisoformat(plain["at"]).timestamp())


def _entries(path: Path) -> Sequence[dict[str, Any]]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _damaged(path)
        plain = json.loads(path.read_bytes())
    except OSError as error:
        raise BadImageError(f"{path} cannot be read ({error.strerror}): check the disk.") from None
    except (ValueError, RecursionError):
        raise _damaged(path) from None
    frames = plain.get("frames") if isinstance(plain, dict) else None
    if not isinstance(frames, list) or plain.get("format") != FORMAT:
        raise _damaged(path)
    if not all(isinstance(entry, dict) and isinstance(entry.get("frame"), int) for entry in frames):
        raise _damaged(path)
    return frames


def _damaged(path: Path) -> UsageError:
    return UsageError(f"{path.name} is damaged or none of dapiscope's: rename it, and corrections can begin anew.")
