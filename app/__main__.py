"""The command line. Errors become one clear line and an exit code: 0 done, 1 failed, 2 usage, 3 refused."""

import io
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.commands.counting import evaluate, segment
from app.commands.files import export, recover, report
from app.commands.imaging import live, replay, snap
from app.commands.machine import devices, doctor, led_simulator, light_guardian
from app.commands.options import CameraId, LightId, complain, out, tree_of
from app.commands.plans import plan
from app.commands.window import demo, must_ask, need_display, show_window
from app.errors import DapiscopeError, UsageError
from app.settings import read_config, settings_from

cli = typer.Typer(
    name="dapiscope",
    help="Run a fluorescence microscope and count the nuclei in view, live.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
)


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
    _check_before(context)
    if context.invoked_subcommand is None:
        tree = tree_of(context)
        settings_from(tree)  # what is wrong in it is said before anything opens
        need_display()
        ask = must_ask(tree)
        raise typer.Exit(show_window(settings_from(tree), ask=ask))


def _check_before(context: typer.Context) -> None:
    """See that nothing that stands before a command is swallowed by it. Raises UsageError."""
    command = context.invoked_subcommand
    if command is None or command == light_guardian.__name__.replace("_", "-"):
        return  # the guardian keeps a light from staying on: no file of settings may keep it from that
    for option, name in (("--camera", "camera"), ("--light", "light")):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"{option} before a command means nothing: name it behind {command}, if that takes it.")
    if context.obj["config"] is not None:
        settings_from(read_config(context.obj["config"]))


COMMANDS: tuple[Callable[..., None], ...] = (
    live, snap, replay, recover, segment, evaluate, devices, doctor, led_simulator, demo, plan, export, report,
)  # fmt: skip
"""As the help lists them."""

for command in COMMANDS:
    cli.command()(command)
cli.command(hidden=True)(light_guardian)


def main() -> NoReturn:
    """Run the command line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal or the file behind it has no letters for is told as Python tells it in an error.
        sys.stdout.reconfigure(errors="backslashreplace")
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
        complain(str(error))
        return error.exit_code
    except OSError as error:
        # A folder that is a file, a full disk, a path that may not be used: no bug of ours, so no traceback.
        place = f"{error.filename}: " if error.filename else ""
        said = f"{place}{error.strerror or error}; choose another place."
        complain(said)
        return 1
    return 0


if __name__ == "__main__":
    main()
