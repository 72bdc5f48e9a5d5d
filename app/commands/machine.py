"""The machine, and what is connected to it: `devices`, `doctor`, `led-simulator`, `light-guardian`."""

from pathlib import Path
from typing import Annotated

import typer

from app.commands.options import out, say


def devices() -> None:
    """List cameras and light sources, found by their identification; nothing is switched on."""
    from rich.table import Table

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
        say(check.text)
        if check.fix:
            say(f"     $ {check.fix}")
    if bad:
        raise typer.Exit(1)


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


def light_guardian(kind: str, url: str, light_id: str) -> None:
    """Own the port of a light source without a watchdog; started by dapiscope itself where there is no Python."""
    from app.hardware.guardian import main as guard

    guard([kind, url, light_id])
