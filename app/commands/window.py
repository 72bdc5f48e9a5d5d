"""The window: `demo`, and what opens it for the command line itself, for `live` and for `replay`."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from app.commands.options import check_model, out
from app.errors import DapiscopeError, RefusedError
from app.settings import Settings


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where a headless demo leaves its files.")] = Path(
        "dapiscope-demo"
    ),
) -> None:
    """Live on simulators: the window, or ten headless seconds where there is no display."""
    from app.doctor import has_display

    if has_display():
        raise typer.Exit(show_window(Settings(), start_live=True))
    out.print("There is no display here: running ten seconds of live imaging on the simulators without a window.")
    from app.demo import run_demo

    raise typer.Exit(run_demo(folder, out))


def must_ask(tree: dict[str, Any]) -> bool:
    """Fill in the devices that were chosen at an earlier start; return whether somebody has still to choose."""
    if "sim" in (tree.get("camera_id"), tree.get("light_id")):
        return False  # who asks for one simulator by name knows that the other part is one too
    from app.gui.store import WindowStore, usual_store

    store = WindowStore(usual_store())
    for name, key in (("camera_id", "camera"), ("light_id", "light")):
        if name not in tree and (remembered := store.text(key)):
            tree[name] = remembered
    return not {"camera_id", "light_id"} <= tree.keys()


def show_window(settings: Settings, *, start_live: bool = False, replay: Path | None = None, ask: bool = False) -> int:
    """Show a window, and another one as long as other devices are chosen in it; return the exit code."""
    need_display()
    check_model(settings.segmentation.model)
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


def live_in_window(session: Any, seconds: float | None, out_dir: Path | None) -> dict[str, Any]:
    """Show a window that is live at once, for `seconds` where they are given; return the account of the run."""
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


def need_display() -> None:
    """See that a window can be opened; DapiscopeError where there is no display."""
    from app.doctor import has_display

    if not has_display():
        raise DapiscopeError("There is no display to open a window on; add --headless.")
