"""Many image files to label images and tables: a generator of progress, without a window.

What is written never overwrites: where a name is taken, by an earlier run or by another file of this one, the next
free of ``NAME-2``, ``NAME-3``, … is used, for the tables as for the label images. A batch that is run again into the
same folder goes on where it was: an image that lies where it lay, as large and as old as it was, and was segmented
with the same model and the same pixel size, is skipped, and the tables of that batch are continued.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.batch_table import BatchTables, image_key, open_tables
from app.batch_work import Outcome, Runner, Task, here
from app.errors import BadImageError, RecordingError
from app.flat_field import usual_folder
from app.images import expand_paths
from app.inference.segmenter import Segmenter


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
    skipped : bool
        It was finished by an earlier run.
    """

    done: int
    total: int
    path: Path
    count: int | None = None
    flags: tuple[str, ...] = ()
    scale_source: str = ""
    error: str = ""
    note: str = ""
    skipped: bool = False


def segment_files(
    paths: Iterable[Path],
    out: Path,
    segmenter: Segmenter,
    pixel_size_um: float | Literal["auto"] | None = None,
    *,
    runner: Runner | None = None,
    resume: bool = False,
) -> Iterator[Progress]:
    """Segment image files and write ``<stem>_labels.tif``, ``nuclei.csv`` and ``counts.csv``.

    Parameters
    ----------
    paths : iterable of Path
        Files, and folders whose images are taken in name order.
    out : Path
        Folder for the results; made when missing.
    segmenter : Segmenter
        With another `runner` only its name and hash are used.
    pixel_size_um : float, "auto" or None
        See `app.inference.segmenter.Segmenter.segment`; the same for all files.
    runner : callable, optional
        Who does the work, see `app.batch_work`; this process when not given. The results are the same.
    resume : bool
        Skip what an earlier run into `out` finished, and go on with its tables.

    Yields
    ------
    Progress
        One a file, in order; with `resume` the skipped ones come first. A file that cannot be read or segmented is
        reported and skipped; the label images and rows of the others are on disk when their progress is told.

    Raises
    ------
    RecordingError
        The results cannot be written.
    """
    files, failed = _expand(paths)
    tables = open_tables(out, segmenter.sha256, pixel_size_um, resume=resume)
    with closing(tables):
        total = len(files) + len(failed)
        done = 0
        for path, message in failed:
            done += 1
            yield Progress(done, total, path, error=message)
        left: list[tuple[Path, tuple[str, int, int]]] = []
        for path, key in _keyed(files):
            entry = tables.finished.get(key)
            if entry is None:
                left.append((path, key))
                continue
            done += 1
            seen = entry.count, entry.flags, entry.scale_source
            yield Progress(done, total, path, *seen, note=entry.note, skipped=True)
        yield from _run(left, done, total, tables, segmenter, pixel_size_um, runner or here(segmenter))


def _run(
    left: list[tuple[Path, tuple[str, int, int]]],
    done: int,
    total: int,
    tables: BatchTables,
    segmenter: Segmenter,
    pixel_size_um: float | Literal["auto"] | None,
    runner: Runner,
) -> Iterator[Progress]:
    """Hand the images out and add what comes back to the tables in the order of `left`, whoever finished first."""
    out, calibration = str(tables.out.resolve()), str(usual_folder())
    about = (out, tables.part_prefix, calibration, segmenter.name, segmenter.sha256, pixel_size_um)
    tasks = (Task(number, str(path.absolute()), *about) for number, (path, _) in enumerate(left))
    waiting: dict[int, Outcome] = {}
    number = 0
    results = runner(tasks)
    try:
        for task, outcome in results:
            waiting[task.number] = outcome
            while number in waiting:
                path, key = left[number]
                done += 1
                yield _commit(path, key, waiting.pop(number), tables, done, total)
                number += 1
    finally:
        if isinstance(results, Iterator) and hasattr(results, "close"):
            results.close()


def _commit(
    path: Path, key: tuple[str, int, int], outcome: Outcome, tables: BatchTables, done: int, total: int
) -> Progress:
    if outcome.fatal:
        raise RecordingError(outcome.error)
    if outcome.error:
        return Progress(done, total, path, error=outcome.error)
    seen = outcome.count, outcome.flags, outcome.scale_source
    try:
        tables.add(path, key, Path(outcome.part), outcome.counts, outcome.nuclei, (*seen, outcome.note))
    except OSError as error:
        raise RecordingError(
            f"The results in {tables.out} cannot be written ({error.strerror}): free some space."
        ) from None
    return Progress(done, total, path, *seen, note=outcome.note)


def _keyed(files: Iterable[Path]) -> Iterator[tuple[Path, tuple[str, int, int]]]:
    """Give every file its key; one that is not there gets a key that nothing has, and fails when it is read."""
    for path in files:
        try:
            yield path, image_key(path)
        except OSError:
            yield path, (str(path), -1, -1)


def _expand(paths: Iterable[Path]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return the files; and what cannot be one, with the reason."""
    files: list[Path] = []
    failed: list[tuple[Path, str]] = []
    for path in paths:
        try:
            for file in expand_paths([path]):
                name = os.fsencode(file).decode("utf-8", "replace")
                if name == str(file):
                    files.append(file)
                else:  # neither a table nor a screen could name it
                    failed.append((file, f"{name} has a name that is not UTF-8 text: rename it."))
        except BadImageError as error:
            failed.append((path, str(error)))
    return files, failed
