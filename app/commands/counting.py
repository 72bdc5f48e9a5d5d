"""Counting in image files: `segment`, and `evaluate`, which holds what was found against the truth."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.commands.options import JsonFile, ModelName, PixelSize, check_there, err, out, pixel_size, say
from app.errors import DapiscopeError


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say how to go on when Ctrl-C ends a batch."""
    try:
        yield
    except KeyboardInterrupt:
        raise DapiscopeError("Interrupted; run the same command again, and it goes on from here.") from None


def segment(
    paths: Annotated[list[Path], typer.Argument(help="Images, or folders of images.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for labels and tables.")],
    pixel_size_um: PixelSize = None,
    model: ModelName = "accurate",
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one a core.")] = 1,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="ADDRESS", help="Run on this Dask cluster, e.g. tcp://host:8786."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Do also what an earlier run into --out finished.")] = False,
) -> None:
    """Count the nuclei in image files: labels, nuclei.csv and counts.csv; run again, it goes on where it was."""
    size = pixel_size(pixel_size_um)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from app import batch_work
    from app.batch import segment_files
    from app.build import make_counter

    counter = make_counter(model)
    if counter.name != model:
        err.print(f"The model {model!r} is not installed; {counter.name!r} is used.", highlight=False)
    workers = workers or batch_work.default_workers()
    runner = batch_work.here(counter)
    if scheduler is not None:
        runner = batch_work.cluster(scheduler, lambda why: err.print(why, highlight=False, soft_wrap=True))
    elif workers > 1:
        runner = batch_work.processes(workers)
    done = bad = nuclei = skipped = 0
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _interruptible(), Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("Segmenting", total=None)
        for step in segment_files(paths, out_dir, counter, size, runner=runner, resume=not again):
            bar.update(task, completed=step.done, total=step.total)
            skipped += step.skipped
            if step.error:
                bad += 1
                bar.console.print(step.error, style="red", highlight=False, soft_wrap=True)
            else:
                done += 1
                nuclei += step.count or 0
    before = f" ({skipped} of them by an earlier run)" if skipped else ""
    say(f"{done} images{before}, {nuclei} nuclei, {bad} files could not be used; results in {out_dir}")
    if bad or not done:
        raise typer.Exit(1)


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of label images that were predicted.")],
    labels: Annotated[Path, typer.Option("--labels", help="Folder of true label images, same stems.")],
    json_file: JsonFile = None,
    per_image: Annotated[bool, typer.Option("--per-image/--overall", help="Print a row for every image.")] = False,
) -> None:
    """Compare predicted labels with the truth: F1, average precision, Dice and the error of the count."""
    check_there(predictions, labels)
    from app.headless import write_json
    from app.inference.evaluation import evaluate_folders

    report = evaluate_folders(labels, predictions)
    if per_image:
        from rich.table import Table

        header, rows = report.as_table()
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        # A table of so many columns is for a wide screen or a file; it is never squeezed into dots.
        Console(width=max(out.width, 220), markup=False, emoji=False).print(table)
    for name, value in report.summary():
        say(f"{name:<28} {value}")
    if report.missing:
        err.print(
            f"{len(report.missing)} images have no prediction, the first is {report.missing[0]}.", highlight=False
        )
    if report.others:
        err.print(
            f"{len(report.others)} label images of later runs into {predictions} were not compared, the first is "
            f"{report.others[0]}: give each run a folder of its own.",
            highlight=False,
            soft_wrap=True,
        )
    if json_file is not None:
        write_json(json_file, report.as_dict())
