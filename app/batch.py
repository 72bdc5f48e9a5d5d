"""Many image files to label images and tables: a generator of progress, without a window.

What is written never overwrites: where a name is taken, by an earlier run or by another file of this one, the next
free of ``NAME-2``, ``NAME-3``, … is used, for the tables as for the label images. A batch that is run again into the
same folder goes on where it was: an image that lies where it lay, as large and as old as it was, and was segmented
with the same model and the same pixel size, is skipped, and the tables of that batch are continued.
"""

import errno
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from app.batch_table import BatchTables, Entry, Key, image_key, open_tables
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
        One a file, in order; with `resume` those that are in the tables come first. A file that cannot be read or
        segmented is reported and skipped; the label images and rows of the others are written when their progress is
        told.

    Raises
    ------
    RecordingError
        The results cannot be written.
    RefusedError
        A batch of another computer is at work in `out`, or was cut off there; with `resume` alone.
    """
    files, failed = _expand(paths)
    tables = open_tables(out, segmenter.sha256, pixel_size_um, resume=resume)
    ended = False
    try:
        total = len(files) + len(failed)
        done = 0
        for path, message in failed:
            done += 1
            yield Progress(done, total, path, error=message)
        left: list[tuple[Path, Key]] = []
        for path, key in _keyed(files):
            entry = tables.finished.get(key)
            if entry is None:
                left.append((path, key))
                continue
            done += 1
            yield _progress(entry, done, total, path, skipped=True)
        yield from _run(left, done, total, tables, segmenter, pixel_size_um, runner or here(segmenter))
        ended = True
    finally:
        tables.close(ended=ended)


def _run(
    left: list[tuple[Path, Key]],
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
    waiting: dict[int, Outcome] = {}
    for number, (_, key) in enumerate(left):
        if (part := tables.waiting.pop(key, None)) is not None:
            waiting[number] = Outcome(part=str(part))
    earlier = frozenset(waiting)
    tasks = (
        Task(number, str(path.absolute()), key, *about)
        for number, (path, key) in enumerate(left)
        if number not in earlier
    )
    results = runner(tasks)
    try:
        for number, (path, _) in enumerate(left):
            while number not in waiting:
                task, outcome = next(results)
                waiting[task.number] = outcome
            yield _commit(path, waiting.pop(number), tables, done + number + 1, total, skipped=number in earlier)
    finally:
        if isinstance(results, Generator):
            results.close()


def _commit(path: Path, outcome: Outcome, tables: BatchTables, done: int, total: int, *, skipped: bool) -> Progress:
    if outcome.fatal:
        raise RecordingError(outcome.error)
    if outcome.error:
        return Progress(done, total, path, error=outcome.error)
    try:
        entry = tables.add(path, Path(outcome.part))
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # the next image has another name
            return Progress(done, total, path, error=f"{path} has too long a name for that of its labels: shorten it.")
        why = error.strerror if isinstance(error, OSError) else error
        raise RecordingError(f"The results in {tables.out} cannot be written ({why}): free some space.") from None
    return _progress(entry, done, total, path, skipped=skipped)


def _progress(entry: Entry, done: int, total: int, path: Path, *, skipped: bool) -> Progress:
    return Progress(done, total, path, entry.count, entry.flags, entry.scale_source, note=entry.note, skipped=skipped)


def _keyed(files: Iterable[Path]) -> Iterator[tuple[Path, Key]]:
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
