"""The microscope at work: `live`, `snap`, and `replay`, which plays a recording through the same path."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import (
    EXPOSURE_MS,
    CameraId,
    CameraImages,
    ChannelName,
    ExposureMs,
    Fps,
    GainDb,
    Headless,
    Intensity,
    JsonFile,
    LightId,
    ModelName,
    Operator,
    PixelFormat,
    PixelSize,
    Sample,
    Seed,
    ThroughputLimit,
    check_model,
    check_seconds,
    check_there,
    complain,
    err,
    say,
    settings_of,
)
from app.commands.window import live_in_window, need_display, show_window
from app.errors import DapiscopeError


def live(
    context: typer.Context,
    camera: CameraId = "sim",
    camera_images: CameraImages = None,
    light: LightId = "sim",
    headless: Headless = False,
    seconds: Annotated[float | None, typer.Option("--seconds", help="Stop after this time.")] = None,
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
    check_seconds(seconds)
    settings = settings_of(context)
    from app.build import make_session

    if not headless:
        need_display()
        check_model(settings.segmentation.model)
    session = make_session(settings)
    if headless:
        from app.headless import run_live

        account = run_live(session, seconds=seconds, out=out_dir)
    else:
        account = live_in_window(session, seconds, out_dir)
    _finish(account, json_file)


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
    check_there(path)
    raise typer.Exit(show_window(settings, replay=path))


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
        complain(notice, "yellow")
    if account.get("error"):
        complain(account["error"])
        if not frames["grabbed"]:
            return
    if account.get("interrupted"):
        err.print("Stopped before it was done.", style="yellow")
    say(
        f"frames   {frames['grabbed']} grabbed, {frames['lost_camera']} lost, {frames['displayed']} shown, "
        f"{frames['segmented']} counted, {frames['recorded']} recorded"
    )
    if not account.get("files"):
        say(
            f"rates    camera {fps['camera']:.1f}, display {fps['display']:.1f}, "
            f"counting {fps['segment']:.1f} per second"
        )
    if count["last"] is not None:
        truth = f", really in view {account['truth']}" if account["truth"] is not None else ""
        say(f"nuclei   {count['last']} in the last frame, {count['mean']:.1f} on average{truth}")
    for name, path in (account.get("files") or {}).items():
        say(f"{name:<8} {path}")
    if account.get("recording"):
        say(f"recorded {account['recording']}")
    if account["light"]["confirmed_off"] is False:
        err.print("The light could not be confirmed off: check the LED box now.", style="bold red")
