"""The command line. Errors become one clear line and an exit code: 0 done, 1 failed, 2 usage, 3 refused."""

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from app.data_commands import add_commands
from app.errors import DapiscopeError, ModelError, RefusedError, UsageError
from app.settings import Settings, read_config, settings_from

EXPOSURE_MS = 15.0

# File names are printed as they are: what stands in brackets or between colons in them is no markup.
out, err = (Console(stderr=stderr, markup=False, emoji=False) for stderr in (False, True))
cli = typer.Typer(
    name="dapiscope",
    help="Run a fluorescence microscope and count the nuclei in view, live.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
)

CameraId = Annotated[str, typer.Option("--camera", help="sim, pylon or pylon:SERIAL.")]
CameraImages = Annotated[
    Path | None, typer.Option("--camera-images", help="Folder of images that pylon's emulator plays, one a trigger.")
]
LightId = Annotated[str, typer.Option("--light", help="sim, a serial port, or a URL such as socket://host:port.")]
ChannelName = Annotated[str, typer.Option("--channel", help="Light channel: 405, 488, 532 or 633.")]
ExposureMs = Annotated[float, typer.Option("--exposure-ms", help="Exposure, milliseconds.")]
GainDb = Annotated[float, typer.Option("--gain-db", help="Gain, decibels.")]
Intensity = Annotated[float, typer.Option("--intensity", help="Light intensity, 0 to 1.")]
PixelFormat = Annotated[str, typer.Option("--pixel-format", help="Mono8, Mono12 or Mono12p.")]
Fps = Annotated[float, typer.Option("--fps", help="Frames per second asked of the camera; 0 runs free.")]
ThroughputLimit = Annotated[
    bool, typer.Option("--throughput-limit/--no-throughput-limit", help="Keep the camera's USB bandwidth limit.")
]
PixelSize = Annotated[
    str | None, typer.Option("--pixel-size-um", metavar="UM|auto", help="µm per pixel; auto: from the nuclei's size.")
]
ModelName = Annotated[str, typer.Option("--model", help="Model that counts.")]
Headless = Annotated[bool, typer.Option("--headless", help="Without a window.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the account of the run here.")]
Sample = Annotated[str, typer.Option("--sample", help="Name of the sample, for the files.")]
Operator = Annotated[str, typer.Option("--operator", help="Name of the operator, for the files.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the simulated sample.")]


def pixel_size(text: str | None) -> float | Literal["auto"] | None:
    """Return what ``--pixel-size-um`` means."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 100:
        raise UsageError(f"--pixel-size-um takes a number of µm between 0.001 and 100, or auto; not {text!r}.")
    return value


PLACES: dict[str, tuple[str, ...]] = {
    "camera": ("camera_id",),
    "camera_images": ("camera_images",),
    "light": ("light_id",),
    "seed": ("seed",),
    "exposure_ms": ("camera", "exposure_ms"),
    "gain_db": ("camera", "gain_db"),
    "fps": ("camera", "fps"),
    "throughput_limit": ("camera", "throughput_limit"),
    "channel": ("light", "channel"),
    "intensity": ("light", "intensity"),
    "pixel_size_um": ("segmentation", "pixel_size_um"),
    "sample": ("sample", "sample"),
    "operator": ("sample", "operator"),
}
"""Where each option goes in the settings; options of one mode alone are in `settings_of`."""


def settings_of(context: typer.Context) -> Settings:
    """Return what the configuration file says, overruled by the options that were typed.

    Raises UsageError, which names the option or the key that is wrong.
    """
    return settings_from(tree_of(context))


def tree_of(context: typer.Context) -> dict[str, Any]:
    """Return what the file and the options say as a tree, without the defaults of what nobody said."""
    tree = read_config((context.obj or {}).get("config"))
    mode = "snap" if context.info_name == "snap" else "camera"
    places = {**PLACES, "pixel_format": (mode, "pixel_format")}
    places["model"] = ("snap", "model") if mode == "snap" else ("segmentation", "model")
    for name, place in places.items():
        source = context.get_parameter_source(name)
        if name not in context.params or source is None or source.name != "COMMANDLINE":
            continue  # the defaults of the options are those of the settings
        value = context.params[name]
        if name == "pixel_size_um":
            value = pixel_size(value)
        elif name == "fps":
            value = value or None
        section = tree
        for part in place[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise UsageError(f"In the configuration, {part} is a table of settings: write [{part}].")
        section[place[-1]] = value
    return tree


@cli.callback(invoke_without_command=True)
def main_window(
    context: typer.Context,
    camera: CameraId = "sim",
    light: LightId = "sim",
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log to the terminal.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", envvar="DAPISCOPE_CONFIG", help="Settings of this microscope (TOML).")
    ] = None,
) -> None:
    """Open the window when no command is given."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.CRITICAL, format="%(asctime)s %(threadName)s %(name)s %(message)s"
    )
    if version:
        from app import __version__

        out.print(f"dapiscope {__version__}", highlight=False)
        raise typer.Exit
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.INFO if verbose else logging.CRITICAL)  # the window keeps more than it prints
    context.obj = {"config": config}
    if context.invoked_subcommand is None:
        tree = tree_of(context)
        settings_from(tree)  # what is wrong in it is said before anything opens
        _need_display()
        ask = _must_ask(tree)
        raise typer.Exit(_window(settings_from(tree), ask=ask))


@cli.command()
def live(
    context: typer.Context,
    camera: CameraId = "sim",
    camera_images: CameraImages = None,
    light: LightId = "sim",
    headless: Headless = False,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0.0, help="Stop after this time.")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Record every frame and the counts here.")] = None,
    json_file: JsonFile = None,
    channel: ChannelName = "405",
    exposure_ms: ExposureMs = EXPOSURE_MS,
    gain_db: GainDb = 0.0,
    intensity: Intensity = 0.25,
    pixel_format: PixelFormat = "Mono8",
    fps: Fps = 44.9,
    throughput_limit: ThroughputLimit = False,
    pixel_size_um: PixelSize = None,
    model: ModelName = "fast",
    sample: Sample = "",
    operator: Operator = "",
    seed: Seed = 1,
) -> None:
    """Live imaging: every frame on the screen, nuclei counted as they come."""
    _check_json(json_file)
    settings = settings_of(context)
    from app.build import make_session

    if not headless:
        _need_display()
        _check_model(settings)
    session = make_session(settings)
    if headless:
        from app.headless import run_live

        account = run_live(session, seconds=seconds, out=out_dir)
    else:
        account = _live_in_window(session, seconds, out_dir)
    _finish(account, json_file)


@cli.command()
def snap(
    context: typer.Context,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the image and what was found in it.")],
    camera: CameraId = "sim",
    camera_images: CameraImages = None,
    light: LightId = "sim",
    segment: Annotated[bool, typer.Option("--segment/--no-segment", help="Count the nuclei.")] = True,
    json_file: JsonFile = None,
    channel: ChannelName = "405",
    exposure_ms: ExposureMs = EXPOSURE_MS,
    gain_db: GainDb = 0.0,
    intensity: Intensity = 0.25,
    pixel_format: PixelFormat = "Mono12",
    fps: Fps = 44.9,
    pixel_size_um: PixelSize = None,
    model: ModelName = "accurate",
    sample: Sample = "",
    operator: Operator = "",
    seed: Seed = 1,
) -> None:
    """One frame at the least dose: light on, settle, trigger, light off; saved with what was found in it."""
    _check_json(json_file)
    settings = settings_of(context)
    from app.build import make_session
    from app.headless import run_snap

    _finish(run_snap(make_session(settings), segment=segment, out=out_dir), json_file)


@cli.command()
def replay(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A recording, an image, or a folder of images.")],
    headless: Headless = False,
    out_dir: Annotated[Path | None, typer.Option("--out", help="Folder for counts.csv.")] = None,
    json_file: JsonFile = None,
    pixel_size_um: PixelSize = None,
    model: ModelName = "fast",
) -> None:
    """Play a recording through the live path; the same recording and model give the same counts."""
    _check_json(json_file)
    settings = settings_of(context)
    from app.build import make_session

    session = make_session(settings)
    if headless:
        from app.headless import run_replay

        account = run_replay(session, path, out=out_dir)
        _finish(account, json_file)
        return
    raise typer.Exit(_window(settings, replay=path))


@cli.command()
def recover(
    paths: Annotated[list[Path], typer.Argument(help="Unfinished recordings, or folders that hold some.")],
) -> None:
    """Finish recordings that were left unfinished, with every frame that was safe on the disk by then."""
    from app.recording import find_unfinished
    from app.recording import recover as recover_one

    found = [file for path in paths for file in ([u.path for u in find_unfinished(path)] if path.is_dir() else [path])]
    failed = 0
    for path in found:
        try:
            summary = recover_one(path)
        except DapiscopeError as error:
            failed += 1
            err.print(str(error), style="red", highlight=False, soft_wrap=True)
            continue
        kept = f"{summary.frames} frames recovered" if summary.frames else "held no frame yet, and was removed"
        out.print(f"{path}: {kept}", highlight=False, soft_wrap=True)
    if not found:
        out.print("There is nothing to recover here.", highlight=False)
    if failed:
        raise typer.Exit(1)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Say how to go on when Ctrl-C ends a batch."""
    try:
        yield
    except KeyboardInterrupt:
        raise DapiscopeError("Interrupted; run the same command again, and it goes on from here.") from None


@cli.command()
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
    out.print(
        f"{done} images{before}, {nuclei} nuclei, {bad} files could not be used; results in {out_dir}",
        highlight=False,
        soft_wrap=True,
    )
    if bad or not done:
        raise typer.Exit(1)


@cli.command()
def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of label images that were predicted.")],
    labels: Annotated[Path, typer.Option("--labels", help="Folder of true label images, same stems.")],
    json_file: JsonFile = None,
    per_image: Annotated[bool, typer.Option("--per-image/--overall", help="Print a row for every image.")] = False,
) -> None:
    """Compare predicted labels with the truth: F1, average precision, Dice and the error of the count."""
    from app.headless import write_json
    from app.inference.evaluation import evaluate_folders

    report = evaluate_folders(labels, predictions)
    if per_image:
        header, rows = report.as_table()
        table = Table(*header)
        for row in rows:
            table.add_row(*row)
        # A table of so many columns is for a wide screen or a file; it is never squeezed into dots.
        Console(width=max(out.width, 220), markup=False, emoji=False).print(table)
    for name, value in report.summary():
        out.print(f"{name:<28} {value}", highlight=False, soft_wrap=True)
    if report.missing:
        err.print(
            f"{len(report.missing)} images have no prediction, the first is {report.missing[0]}.", highlight=False
        )
    if json_file is not None:
        write_json(json_file, report.as_dict())


@cli.command()
def devices() -> None:
    """List cameras and light sources, found by their identification; nothing is switched on."""
    from app.hardware.basler import list_cameras
    from app.hardware.light_discovery import identify_lights

    table = Table("option", "device")
    for found in list_cameras():
        table.add_row(f"--camera {found.id}", found.title)
    for box in identify_lights():
        table.add_row(f"--light {box.url}", box.title)
    table.add_row("--camera sim", "simulated camera over a simulated U2OS sample")
    table.add_row("--light sim", "simulated LED box")
    out.print(table)


@cli.command()
def doctor(
    folder: Annotated[Path | None, typer.Option("--out", help="Where recordings would go.")] = None,
) -> None:
    """Check window, camera driver, ports, models, provider and disk; say the remedy."""
    from app.doctor import examine

    marks = {"ok": "[green]ok  [/]", "note": "[yellow]note[/]", "bad": "[red]bad [/]"}
    bad = 0
    for check in examine(folder):
        bad += check.state == "bad"
        out.print(f"{marks[check.state]} {check.name:<9}", end=" ", markup=True)
        out.print(check.text, highlight=False, soft_wrap=True)
        if check.fix:
            out.print(f"     $ {check.fix}", highlight=False, soft_wrap=True)
    if bad:
        raise typer.Exit(1)


@cli.command("led-simulator")
def led_simulator(
    model: Annotated[
        str, typer.Option("--model", help='What the box says it is, e.g. "Spectra III".')
    ] = "dapiscope LED4",
    tcp: Annotated[
        int | None, typer.Option("--tcp", min=1, max=65535, help="Serve on this TCP port, not a pty.")
    ] = None,
    log: Annotated[Path | None, typer.Option("--log", help="Write a JSON line for every change of the light.")] = None,
) -> None:
    """Serve a simulated LED box; its port is the first line printed. Runs until interrupted."""
    from app.hardware.serial_simulator import run_simulator

    run_simulator(model, tcp, log)


@cli.command("light-guardian", hidden=True)
def light_guardian(kind: str, url: str, light_id: str) -> None:
    """Own the port of a light source without a watchdog; started by dapiscope itself where there is no Python."""
    from app.hardware.guardian import main as guard

    guard([kind, url, light_id])


@cli.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where a headless demo leaves its files.")] = Path(
        "dapiscope-demo"
    ),
) -> None:
    """Live on simulators: the window, or ten headless seconds where there is no display."""
    from app.doctor import has_display

    if has_display():
        raise typer.Exit(_window(Settings(), start_live=True))
    out.print("There is no display here: running ten seconds of live imaging on the simulators without a window.")
    from app.demo import run_demo

    raise typer.Exit(run_demo(folder, out))


add_commands(cli, settings_of, pixel_size)


def _must_ask(tree: dict[str, Any]) -> bool:
    """Fill in the devices that were chosen at an earlier start; return whether somebody has still to choose."""
    if "sim" in (tree.get("camera_id"), tree.get("light_id")):
        return False  # who asks for one simulator by name knows that the other part is one too
    from app.gui.store import WindowStore, usual_store

    store = WindowStore(usual_store())
    for name, key in (("camera_id", "camera"), ("light_id", "light")):
        if name not in tree and (remembered := store.text(key)):
            tree[name] = remembered
    return not {"camera_id", "light_id"} <= tree.keys()


def _window(settings: Settings, *, start_live: bool = False, replay: Path | None = None, ask: bool = False) -> int:
    """Show a window, and another one as long as other devices are chosen in it; return the exit code."""
    _need_display()
    _check_model(settings)
    from app.build import make_session
    from app.gui.application import run_window

    chosen: list[tuple[str, str]] = []
    while True:
        session = make_session(settings)
        begin: Callable[[], object] = session.connect
        if replay is not None:
            begin = partial(session.open_replay, replay)
        elif start_live:
            begin = session.start_live
        # A window that shines at once does so as it was told, not as somebody left the last one.
        plain = not start_live and replay is None
        code = run_window(session, begin=begin, ask=ask, chosen=lambda *names: chosen.append(names), goes_on=plain)
        if not chosen or code:
            return code
        camera, light = chosen.pop()
        settings = settings.model_copy(update={"camera_id": camera, "light_id": light, "camera_images": None})
        start_live, replay, ask = False, None, False


def _live_in_window(session: Any, seconds: float | None, out_dir: Path | None) -> dict[str, Any]:
    from app.gui.application import run_window
    from app.headless import RunLog

    log = RunLog(session, out_dir, draw=False)
    started: list[Any] = []

    def begin() -> None:
        started.append(session.start_live(record_to=out_dir, notes=log.notes))

    run_window(session, demo_seconds=seconds, begin=begin)
    account = log.summary(confirmed_off=session.close())
    log.close()
    error = next((start.exception() for start in started if start.done() and not start.cancelled()), None)
    if isinstance(error, RefusedError):
        account.update(refused=error.reason, error=str(error))
    return account


def _need_display() -> None:
    from app.doctor import has_display

    if not has_display():
        raise DapiscopeError("There is no display to open a window on; add --headless.")


def _check_model(settings: Settings) -> None:
    """See that the model has a card, before a window opens; ModelError names those that have."""
    from app.inference.model_card import find_models

    name, known = settings.segmentation.model, find_models()
    if not name.endswith(".toml") and name not in known:
        raise ModelError(f"There is no model {name!r}; choose one of those installed ({', '.join(known)}).")


def _check_json(json_file: Path | None) -> None:
    """See that the account can be written, before anything shines for it."""
    if json_file is None:
        return
    if json_file.is_dir():
        raise DapiscopeError(f"{json_file} is a folder; --json names a file.")
    json_file.parent.mkdir(parents=True, exist_ok=True)


def _finish(account: dict[str, Any], json_file: Path | None) -> None:
    """Write the account, print its short form, and leave with the right exit code."""
    if json_file is not None:
        from app.headless import write_json

        write_json(json_file, account)
    _print_account(account)
    if account.get("refused"):
        raise typer.Exit(3)
    undone = account.get("error") or account.get("bad_files") or account.get("interrupted")
    if undone or account["light"]["confirmed_off"] is False:
        raise typer.Exit(1)


def _print_account(account: dict[str, Any]) -> None:
    frames, fps, count = account["frames"], account["fps"], account["count"]
    for notice in account.get("notices") or ():
        err.print(notice, style="yellow", highlight=False, soft_wrap=True)
    plain: Callable[..., None] = lambda text, **more: out.print(text, highlight=False, soft_wrap=True, **more)  # noqa: E731
    if account.get("error"):
        err.print(account["error"], style="red", highlight=False, soft_wrap=True)
        if not frames["grabbed"]:
            return
    if account.get("interrupted"):
        err.print("Stopped before it was done.", style="yellow")
    plain(
        f"frames   {frames['grabbed']} grabbed, {frames['lost_camera']} lost, {frames['displayed']} shown, "
        f"{frames['segmented']} counted, {frames['recorded']} recorded"
    )
    if not account.get("files"):
        plain(
            f"rates    camera {fps['camera']:.1f}, display {fps['display']:.1f}, "
            f"counting {fps['segment']:.1f} per second"
        )
    if count["last"] is not None:
        truth = f", really in view {account['truth']}" if account["truth"] is not None else ""
        plain(f"nuclei   {count['last']} in the last frame, {count['mean']:.1f} on average{truth}")
    for name, path in (account.get("files") or {}).items():
        plain(f"{name:<8} {path}")
    if account.get("recording"):
        plain(f"recorded {account['recording']}")
    if account["light"]["confirmed_off"] is False:
        err.print("The light could not be confirmed off: check the LED box now.", style="bold red")


def main() -> NoReturn:
    """Run the command line."""
    code = _run()
    if any(thread.name.startswith(("app-devices", "app-model")) for thread in threading.enumerate()):
        # A driver never came back, or a model; the light is off, all files are closed, and Python would wait for ever.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run() -> int:
    """Run the command line and return its exit code."""
    try:
        cli(standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except DapiscopeError as error:
        err.print(str(error), style="red", highlight=False, soft_wrap=True)
        return error.exit_code
    except OSError as error:
        # A folder that is a file, a full disk, a path that may not be used: no bug of ours, so no traceback.
        place = f"{error.filename}: " if error.filename else ""
        said = f"{place}{error.strerror or error}; choose another place."
        err.print(said, style="red", highlight=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    main()
