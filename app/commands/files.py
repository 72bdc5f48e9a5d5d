"""Files of earlier sessions: `recover`, `export`, `report`."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from app.commands.options import OutDir, Scale, check_there, complain, out, pixel_size, say
from app.errors import DapiscopeError


def recover(
    paths: Annotated[list[Path], typer.Argument(help="Unfinished recordings, or folders that hold some.")],
) -> None:
    """Finish recordings that were left unfinished, with every frame that was safe on the disk by then."""
    from app.recording import find_unfinished
    from app.recording import recover as recover_one
    from app.recording.journal import journal_path

    found = [file for path in paths for file in ([u.path for u in find_unfinished(path)] if path.is_dir() else [path])]
    failed = 0
    for path in found:
        try:
            if not journal_path(path).exists():
                check_there(path)
            summary = recover_one(path)
        except DapiscopeError as error:
            failed += 1
            complain(str(error))
            continue
        kept = f"{summary.frames} frames recovered" if summary.frames else "held no frame yet, and was removed"
        say(f"{path}: {kept}")
    if not found:
        out.print("There is nothing to recover here.", highlight=False)
    if failed:
        raise typer.Exit(1)


def export(
    path: Annotated[Path, typer.Argument(help="A snapshot, or any image, recording or folder.")],
    out_dir: OutDir,
    frame: Annotated[
        int | None,
        typer.Option(
            "--frame", min=0, help="Which frame of a recording, from 0; the first that shows nuclei if not given."
        ),
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Also the table as Parquet.")] = False,
    zarr: Annotated[bool, typer.Option("--zarr", help="Also all of it as OME-Zarr.")] = False,
    nuclei: Annotated[
        Literal["corrected", "model"] | None,
        typer.Option("--nuclei", help="Whose nuclei; those corrected by hand, where there are some, if not given."),
    ] = None,
    pixel_size_um: Scale = None,
    model: Annotated[str, typer.Option("--model", help="Model that counts what has no labels yet.")] = "accurate",
) -> None:
    """Hand an image and its nuclei on: OME-TIFF, labels, CSV, ImageJ ROIs, QuPath GeoJSON, overlay."""
    size = pixel_size(pixel_size_um)
    check_there(path)
    from app.build import make_counter
    from app.images import derived_stem, split_name
    from app.inference.overlay import overlay_of
    from app.recording.export import export_all
    from app.session_report import load_snapshot

    index, chosen = (frame, "") if frame is not None else _frame_to_export(path)
    shot = load_snapshot(path, lambda: make_counter(model), pixel_size_um=size, index=index, nuclei=nuclei)
    picture = Path(shot.frame.source).name or Path(os.path.abspath(path)).name  # also of "." and ".."
    stem = f"{derived_stem(picture, shot.frame)}_export"
    files = export_all(
        out_dir, shot.frame, shot.found, shot.meta, overlay=overlay_of(shot.found), stem=stem, parquet=parquet,
        extra={**shot.notes, **({"corrected by hand": shot.told} if shot.told else {})}, origins=shot.origins,
    )  # fmt: skip
    made: list[Path | None] = [files.image, files.labels, files.nuclei, files.rois, files.geojson]
    made += [files.overlay, files.parquet]
    if zarr:
        from app.recording.zarr_store import to_zarr

        given = size if isinstance(size, float) else None
        name = split_name(Path(os.path.abspath(path)).name)[0]
        made.append(to_zarr(path, out_dir / f"{name}.ome.zarr", pixel_size_um=given))
    origin = "as saved with it" if shot.from_labels else "found now"
    details = "; ".join(filter(None, (chosen, shot.told)))
    say(f"{shot.found.count} nuclei, {origin}" + (f" ({details})" if details else ""))
    for each in made:
        if each is not None:
            say(str(each))


def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a session: recordings, snapshots, counts.")],
    file: Annotated[Path | None, typer.Option("--out", help="The HTML file; report.html there if not given.")] = None,
) -> None:
    """Write the report of a session: one HTML file with settings, counts, dose, losses and pictures."""
    check_there(folder)
    from app.recording.report import write_report
    from app.session_report import report_of

    say(str(write_report(file or folder / "report.html", report_of(folder))))


def _frame_to_export(path: Path) -> tuple[int, str]:
    """Return the frame that `export` takes where none is named, and what to tell of it. Raises BadImageError."""
    from app.recording.sources import open_sequence, plane_to_count

    sequence = open_sequence(path)
    try:
        return plane_to_count(sequence)
    finally:
        sequence.close()
