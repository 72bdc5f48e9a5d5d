"""Many image files to label images and tables: a generator of progress, without threads and without a window.

What is written never overwrites: where a name is taken, by an earlier run or by another file of this one, the next
free of ``NAME-2``, ``NAME-3``, … is used, for the tables as for the label images.
"""

import csv
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from app.errors import BadImageError, DapiscopeError, RecordingError
from app.frame import Segmentation
from app.images import as_frame, expand_paths, read_image
from app.inference.measure import COUNT_COLUMNS, count_row, known_pixel_size_um
from app.inference.segmenter import Segmenter
from app.recording import NUCLEI_COLUMNS, free_path, nuclei_rows, write_labels


@dataclass(frozen=True, slots=True)
class Progress:
    """One file done.

    Attributes
    ----------
    done, total : int
        Files so far, this one included, and in all.
    path : Path
    count : int or None
        None when the file failed.
    flags : tuple of str
        Why the count is not fit to use.
    scale_source : str
        See `app.frame.Segmentation`.
    error : str
        One sentence when the file failed, else empty.
    note : str
        What was done beyond reading, e.g. ``"first of 9 planes"``; else empty.
    """

    done: int
    total: int
    path: Path
    count: int | None = None
    flags: tuple[str, ...] = ()
    scale_source: str = ""
    error: str = ""
    note: str = ""


def segment_files(
    paths: Iterable[Path],
    out: Path,
    segmenter: Segmenter,
    pixel_size_um: float | Literal["auto"] | None = None,
) -> Iterator[Progress]:
    """Segment image files and write ``<stem>_labels.tif``, ``nuclei.csv`` and ``counts.csv``.

    Parameters
    ----------
    paths : iterable of Path
        Files, and folders whose images are taken in name order.
    out : Path
        Folder for the results; made when missing.
    segmenter : Segmenter
    pixel_size_um : float, "auto" or None
        See `app.inference.segmenter.Segmenter.segment`; the same for all files.

    Yields
    ------
    Progress
        One a file, in order. A file that cannot be read or segmented is reported and skipped; the label images and
        rows of the others are on disk when their progress is told.

    Raises
    ------
    RecordingError
        The results cannot be written.
    """
    files, failed = _expand(paths)
    total = len(files) + len(failed)
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            tables = _Tables(out, stack)
        except OSError as error:
            raise RecordingError(f"The folder {out} cannot be written ({error.strerror}): choose another.") from None
        for done, (path, message) in enumerate(failed, 1):
            yield Progress(done, total, path, error=message)
        for done, path in enumerate(files, 1 + len(failed)):
            try:
                image = read_image(path)
                result = segmenter.segment(as_frame(image, path, done - 1), pixel_size_um, exact=True)
            except DapiscopeError as error:
                yield Progress(done, total, path, error=str(error))
                continue
            except MemoryError:
                yield Progress(done, total, path, error=f"{path} needs more memory than there is: crop it.")
                continue
            try:
                write_labels(free_path(out, f"{path.stem}_labels.tif"), result.labels, known_pixel_size_um(result))
                tables.add(path, result, segmenter, image.note)
            except OSError as error:
                raise RecordingError(
                    f"The results in {out} cannot be written ({error.strerror}): free some space."
                ) from None
            yield Progress(done, total, path, result.count, result.flags, result.scale_source, note=image.note)


def _expand(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return the files, and the folders that have none with the reason."""
    files: list[Path] = []
    failed: list[tuple[Path, str]] = []
    for path in paths:
        try:
            files.extend(expand_paths([path]))
        except BadImageError as error:
            failed.append((path, str(error)))
    return files, failed


class _Tables:
    """The two CSV files of a run; every row is on disk when `add` returns."""

    def __init__(self, out: Path, stack: ExitStack) -> None:
        counts_name, nuclei_name = free_path(out, "counts.csv"), free_path(out, "nuclei.csv")
        self._files: tuple[IO[str], IO[str]] = (
            stack.enter_context(counts_name.open("x", newline="", encoding="utf-8")),
            stack.enter_context(nuclei_name.open("x", newline="", encoding="utf-8")),
        )
        self._counts, self._nuclei = (_writer(file) for file in self._files)
        self._counts.writerow(["image", *COUNT_COLUMNS, "model", "model_sha256", "note"])
        self._nuclei.writerow(["image", *NUCLEI_COLUMNS])

    def add(self, path: Path, result: Segmentation, segmenter: Segmenter, note: str) -> None:
        self._counts.writerow([path.name, *count_row(result), segmenter.name, segmenter.sha256, note])
        self._nuclei.writerows([path.name, *row] for row in nuclei_rows(result))
        for file in self._files:
            file.flush()


def _writer(file: IO[str]) -> Any:
    return csv.writer(file, lineterminator="\n")
