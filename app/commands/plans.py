"""Acquisition plans: `plan`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    EXPOSURE_MS,
    CameraId,
    JsonFile,
    LightId,
    Operator,
    OutDir,
    Sample,
    Scale,
    Seed,
    check_there,
    complain,
    err,
    say,
    settings_of,
)
from app.errors import DapiscopeError, LightStuckError
from app.settings import Settings

Channel = Annotated[str, typer.Option("--channel", help="Light channel where the plan names none.")]
Exposure = Annotated[float, typer.Option("--exposure-ms", help="Exposure where the plan says none, milliseconds.")]
Gain = Annotated[float, typer.Option("--gain-db", help="Gain where the plan says none, decibels.")]
Intensity = Annotated[float, typer.Option("--intensity", help="Light intensity where the plan says none, 0 to 1.")]


def plan(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A useq-schema sequence, YAML or JSON.")],
    out_dir: OutDir,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would take.")] = False,
    camera: CameraId = "sim",
    light: LightId = "sim",
    channel: Channel = "405",
    exposure_ms: Exposure = EXPOSURE_MS,
    gain_db: Gain = 0.0,
    intensity: Intensity = 0.25,
    pixel_size_um: Scale = None,
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
    check_there(file)
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
        account |= _carry_out(loaded, settings, out_dir, model if count else None, zarr)
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


def _carry_out(loaded: Any, settings: Settings, folder: Path, model: str | None, zarr: bool) -> dict[str, Any]:
    """Run the plan on the parts that `settings` names, make its OME-Zarr image beside it, and return the account."""
    if not zarr:
        return _run(loaded, settings, folder, model) | {"zarr": None}
    from app.recording.zarr_follower import ZarrFollower

    with ZarrFollower() as follower:
        account = _run(loaded, settings, folder, model, follower.start)
        try:
            made = follower.finish(Path(account["recording"])) if account["recording"] else None
        except DapiscopeError as error:  # the recording is there all the same
            return account | {"zarr": None, "error": account["error"] or str(error)}
    return account | {"zarr": str(made) if made is not None else None}


def _run(
    loaded: Any,
    settings: Settings,
    folder: Path,
    model: str | None,
    started: Callable[[Any], object] = lambda recorder: None,
) -> dict[str, Any]:
    """Run the plan, and return the account of it, with the light off and everything released."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

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
