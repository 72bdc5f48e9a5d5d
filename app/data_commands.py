"""The commands of the command line that make and hand on data: ``plan``, ``export``, ``report``."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from app.errors import DapiscopeError, LightStuckError
from app.settings import Settings

SettingsOf = Callable[[typer.Context], Settings]

Channel = Annotated[str, typer.Option("--channel", help="Light channel where the plan names none.")]
Exposure = Annotated[float, typer.Option("--exposure-ms", help="Exposure where the plan says none, milliseconds.")]
Gain = Annotated[float, typer.Option("--gain-db", help="Gain where the plan says none, decibels.")]
Intensity = Annotated[float, typer.Option("--intensity", help="Light intensity where the plan says none, 0 to 1.")]
PixelSize = Annotated[str | None, typer.Option("--pixel-size-um", metavar="UM|auto", help="µm per pixel.")]

Camera = Annotated[str, typer.Option("--camera", help="sim, pylon or pylon:SERIAL.")]
Light = Annotated[str, typer.Option("--light", help="sim, a serial port, or a URL such as socket://host:port.")]
Sample = Annotated[str, typer.Option("--sample", help="Name of the sample, for the files.")]
Operator = Annotated[str, typer.Option("--operator", help="Name of the operator, for the files.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the simulated sample.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the account of the run here.")]
Out = Annotated[Path, typer.Option("--out", help="Folder for the results.")]


def add_commands(cli: typer.Typer, settings_of: SettingsOf, pixel_size: Callable[[str | None], Any]) -> None:
    """Add the commands of this module to `cli`."""
    out, err = (Console(stderr=stderr, markup=False, emoji=False) for stderr in (False, True))

    def say(text: str) -> None:
        out.print(text, highlight=False, soft_wrap=True)

    def complain(text: str) -> None:
        err.print(text, style="red", highlight=False, soft_wrap=True)

    @cli.command()
    def plan(
        context: typer.Context,
        file: Annotated[Path, typer.Argument(help="A useq-schema sequence, YAML or JSON.")],
        out_dir: Out,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
        camera: Camera = "sim",
        light: Light = "sim",
        channel: Channel = "405",
        exposure_ms: Exposure = 15.0,
        gain_db: Gain = 0.0,
        intensity: Intensity = 0.25,
        pixel_size_um: PixelSize = None,
        model: Annotated[str, typer.Option("--model", help="Model that counts while the plan runs.")] = "fast",
        count: Annotated[bool, typer.Option("--count/--no-count", help="Count the nuclei while the plan runs.")] = True,
        zarr: Annotated[bool, typer.Option("--zarr", help="Also as OME-Zarr, while the plan runs.")] = False,
        sample: Sample = "",
        operator: Operator = "",
        seed: Seed = 1,
        json_file: JsonFile = None,
    ) -> None:
        """Carry out an acquisition plan into one OME-TIFF; Ctrl-C ends it after the frame being taken."""
        settings = settings_of(context)
        from app.plan import load_plan
        from app.plan_runner import estimate

        loaded = load_plan(file, settings)
        cost = estimate(loaded, settings)
        if zarr:
            from app.recording.files import check_room
            from app.recording.zarr_store import check_zarr, most_zarr_bytes

            cost = replace(cost, bytes=cost.bytes + most_zarr_bytes(cost.bytes))
        account: dict[str, Any] = {"frames": {"planned": cost.frames}, "estimate": _estimate(cost), "error": None}
        for line in _told_before(loaded, cost):
            say(line)
        if zarr:  # before anything shines
            check_zarr()
            if not dry_run:
                check_room(out_dir, cost.bytes, "the plan and its OME-Zarr image")
        if not dry_run:
            account |= _carry_out(loaded, settings, out_dir, err, model if count else None, zarr)
        if json_file is not None:
            from app.headless import write_json

            write_json(json_file, account)
        if dry_run:
            return
        taken, total = account["frames"]["taken"], account["frames"]["planned"]
        say(f"taken    {taken} of {total} frames, the times begun at most {account['late_ms']['worst']:.1f} ms late")
        if account["recording"]:
            say(f"{'recorded' if account['finished'] else 'unfinished'} {account['recording']}")
        if account["zarr"]:
            say(f"zarr     {account['zarr']}")
        if count:
            say(_told_counts(account["count"]))
        if account["error"]:
            complain(account["error"])
            raise typer.Exit(1)

    @cli.command()
    def export(
        path: Annotated[Path, typer.Argument(help="A snapshot, or any image, recording or folder.")],
        out_dir: Out,
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
        pixel_size_um: PixelSize = None,
        model: Annotated[str, typer.Option("--model", help="Model that counts what has no labels yet.")] = "accurate",
    ) -> None:
        """Hand an image and its nuclei on: OME-TIFF, labels, CSV, ImageJ ROIs, QuPath GeoJSON, overlay."""
        size = pixel_size(pixel_size_um)
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

    @cli.command()
    def report(
        folder: Annotated[Path, typer.Argument(help="Folder of a session: recordings, snapshots, counts.")],
        file: Annotated[
            Path | None, typer.Option("--out", help="The HTML file; report.html there if not given.")
        ] = None,
    ) -> None:
        """Write the report of a session: one HTML file with settings, counts, dose, losses and pictures."""
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


def _told_before(loaded: Any, cost: Any) -> list[str]:
    names = ", ".join(f"{c.channel.name} ({c.exposure_ms:g} ms at {c.intensity:.0%})" for c in loaded.channels)
    light = ", ".join(f"{n} {s:.1f} s, {cost.dose_s[n]:.1f} s at full power" for n, s in cost.light_s.items())
    lines = [
        f"plan     {cost.frames} frames: {loaded.times} times of {names}",
        f"takes    about {_span(cost.duration_s)} and {cost.bytes / 1e9:.2f} GB",
        f"light    {light or 'none'}",
    ]
    if loaded.note:
        lines.append(f"order    {loaded.note}")
    if cost.late:
        lines.append(f"late     {cost.late} times cannot begin when due: lengthen the interval or expose shorter")
    return lines


def _told_counts(count: dict[str, Any]) -> str:
    if not count["frames"] and not count["skipped"]:
        return "counted  nothing: no frame of a channel that shows nuclei"
    skipped = f", {count['skipped']} skipped to stay on time" if count["skipped"] else ""
    last = f", {count['last']} nuclei in the last" if count["last"] is not None else ""
    return f"counted  {count['frames']} frames{last}{skipped}" + (f": {count['table']}" if count["table"] else "")


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _estimate(cost: Any) -> dict[str, Any]:
    return {
        "duration_s": round(cost.duration_s, 3),
        "bytes": cost.bytes,
        "late": cost.late,
        "light_s": dict(cost.light_s),
        "dose_s": dict(cost.dose_s),
    }


def _carry_out(
    loaded: Any, settings: Settings, folder: Path, err: Console, model: str | None, zarr: bool
) -> dict[str, Any]:
    """Run the plan on the parts that `settings` names, make its OME-Zarr image beside it, and return the account."""
    if not zarr:
        return _run(loaded, settings, folder, err, model) | {"zarr": None}
    from app.recording.zarr_follower import ZarrFollower

    with ZarrFollower() as follower:
        account = _run(loaded, settings, folder, err, model, follower.start)
        try:
            made = follower.finish(Path(account["recording"])) if account["recording"] else None
        except DapiscopeError as error:  # the recording is there all the same
            return account | {"zarr": None, "error": account["error"] or str(error)}
    return account | {"zarr": str(made) if made is not None else None}


def _run(
    loaded: Any,
    settings: Settings,
    folder: Path,
    err: Console,
    model: str | None,
    started: Callable[[Any], object] = lambda recorder: None,
) -> dict[str, Any]:
    """Run the plan, and return the account of it, with the light off and everything released."""
    from app.api import open_microscope
    from app.headless import stop_signals

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    confirmed_off = True
    with stop_signals() as asked, Bar(*columns, console=err, disable=not err.is_terminal) as bar:
        task = bar.add_task("Acquiring", total=len(loaded.frames))
        microscope = open_microscope(settings=settings)

        last: list[int] = []

        def told(progress: Any) -> None:
            disk = f", disk full in {_span(progress.disk_left_s)}" if progress.disk_left_s is not None else ""
            nuclei = f", {last[-1]} nuclei" if last else ""
            bar.update(task, completed=progress.taken, description=f"{_span(progress.left_s)} left{disk}{nuclei}")

        def carry_out() -> Any:
            return microscope.run_plan(
                loaded, folder, told=told, model=model, counted=lambda found: last.append(found.count),
                started=started,
            )  # fmt: skip

        try:
            result = _watched(microscope, carry_out, asked)
        finally:
            try:
                microscope.close()
            except LightStuckError:
                confirmed_off = False
    # What follows within one time point is not late; it waits for its turn.
    leads = [n for n, f in enumerate(loaded.frames) if n == 0 or f.due_s != loaded.frames[n - 1].due_s]
    late = [result.deviation_ms[n] for n in leads if n < len(result.deviation_ms)] or [0.0]
    error = result.reason or None
    if not confirmed_off:
        error = "The light could not be confirmed off: check the LED box now."
    return {
        "frames": {"planned": result.total, "taken": result.taken, "light_not_confirmed": result.unconfirmed},
        "complete": result.complete,
        "finished": result.finished,
        "late_ms": {"worst": round(max(late), 3), "mean": round(sum(late) / len(late), 3)},
        "light": {"confirmed_off": confirmed_off},
        "count": {
            "frames": result.counted,
            "skipped": result.skipped,
            "last": last[-1] if last else None,
            "table": str(result.counts) if result.counts is not None else None,
        },
        "recording": str(result.path) if result.taken else None,
        "error": error,
    }


def _watched(microscope: Any, carry_out: Callable[[], Any], asked: Any) -> Any:
    """Run the plan by `carry_out`, and stop it when a signal asks for the end."""
    import threading

    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            if asked.is_set():
                microscope.stop()

    watcher = threading.Thread(target=watch, name="app-signals", daemon=True)
    watcher.start()
    try:
        return carry_out()
    finally:
        done.set()
        watcher.join(5)
