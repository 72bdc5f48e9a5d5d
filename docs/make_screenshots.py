"""Makes the pictures of the window in docs/screenshots from the simulators.

Run it as ``QT_QPA_PLATFORM=offscreen python docs/make_screenshots.py``; other sizes are for looking at the layout.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from app.build import make_session
from app.events import State
from app.settings import CameraSettings, SampleSettings, Settings

HERE = Path(__file__).parent / "screenshots"


def main() -> None:
    """Take the three modes, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--letters", type=float, default=1.0, help="size of letters, 1 to 2")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--extra", action="store_true", help="also the pages and the map of keys")
    given = parser.parse_args()
    width, height = (int(part) for part in given.size.split("x"))

    # Before Qt: pylon and Qt agree on who loads first.
    settings = Settings(
        seed=given.seed, camera=CameraSettings(fps=10.0), sample=SampleSettings(sample="U2OS, well B4", operator="demo")
    )
    session = make_session(settings)
    from PySide6.QtCore import QSettings
    from PySide6.QtWidgets import QApplication

    from app.gui.main_window import MainWindow
    from app.gui.store import WindowStore
    from app.gui.theme import THEME

    app = QApplication.instance() or QApplication([])
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        store = QSettings(str(Path(folder) / "window.ini"), QSettings.Format.IniFormat)
        store.setValue("letters", str(given.letters))
        window = MainWindow(session, WindowStore(store))
        window.folder = Path(folder)
        window.sample.show_folder(Path("~/Documents/dapiscope"))
        window.resize(width, height)
        window.show()

        def wait(done: Callable[[], bool], most_s: float, least_s: float = 0.0) -> None:
            start = time.monotonic()
            while time.monotonic() - start < most_s:
                app.processEvents()
                time.sleep(0.005)
                if time.monotonic() - start >= least_s and done():
                    return

        def shoot(name: str, suffix: str = "png") -> None:
            window.presenter.tick()
            wait(lambda: True, 0.3, 0.2)
            path = given.out / f"{name}.{suffix}"
            window.grab().toImage().save(str(path), suffix.upper(), 85 if suffix == "jpg" else 0)
            print(path)  # noqa: T201 - a script for people

        live(window, wait, shoot)
        composite(window, wait, shoot)
        snapshot(window, wait, shoot)
        replay(window, wait, shoot, Path(folder))
        if given.extra:
            extra(window, wait, shoot)
        window.closing.begin(unattended=True)
        wait(lambda: window.closing.done, 30)
        THEME.set(font_scale=1.0)


def live(window, wait, shoot) -> None:  # noqa: ANN001 - a script
    """Live on the simulators, counting."""
    window.actions_by_id["live"].trigger()
    wait(lambda: len(window.charts.counted) > 40, 60, 8)
    window.toasts.clear()  # what it says of this machine
    shoot("live")


def composite(window, wait, shoot) -> None:  # noqa: ANN001 - a script
    """Every channel once, then all of them in one picture with a line across it."""
    for name in ("488", "633", "405"):
        window.light.channel_asked.emit(name)
        wait(lambda name=name: name in window.bridge.shelf.frames(), 20, 1.0)
    for name, section in window.sections.items():
        section.set_open(name in ("counts", "light", "layers"))
    for name in ("composite", "profile"):
        window.actions_by_id[name].trigger()
    wait(lambda: len(window.viewer.composed.levels) == 3, 20, 1.0)
    shoot("composite", "jpg")
    for name in ("composite", "profile"):
        window.actions_by_id[name].trigger()
    for name, section in window.sections.items():
        section.set_open(name not in ("layers", "sample", "messages"))
    window.charts.setCurrentIndex(0)


def snapshot(window, wait, shoot) -> None:  # noqa: ANN001 - a script
    """Snap & segment: outlines in the colour of their area, numbers, the table."""
    window.actions_by_id["live"].trigger()
    wait(lambda: window.actions_by_id["snap"].isEnabled() and window.session.state is State.IDLE, 20, 0.3)
    window.actions_by_id["snap_segment"].trigger()
    wait(lambda: window.presenter.snapped is not None and window.session.state is State.IDLE, 60, 0.5)
    window.actions_by_id["ids"].trigger()
    window.charts.setCurrentIndex(5)
    window.table.choose(11)
    window.viewer.select_row(11)
    shoot("snapshot")
    window.actions_by_id["ids"].trigger()
    window.charts.setCurrentIndex(0)


def replay(window, wait, shoot, folder) -> None:  # noqa: ANN001 - a script
    """Record a few seconds and replay them."""
    window.toasts.clear()
    window.actions_by_id["record"].trigger()
    wait(lambda: window.session.stats().recorded >= 60, 60)
    window.actions_by_id["record"].trigger()
    wait(lambda: not window.presenter.recording, 60, 0.5)
    window.actions_by_id["live"].trigger()
    wait(lambda: window.session.state is State.IDLE, 30)
    recordings = sorted(folder.glob("recording*.ome.tif"))
    window.toasts.clear()
    window.files.open_path(str(recordings[-1]))
    wait(lambda: window.session.state is State.REPLAYING and window.viewer.result is not None, 60, 0.5)
    wait(lambda: window.replay_bar.timeline.position > 40, 60)
    window.actions_by_id["play"].trigger()  # it plays when it is opened
    wait(lambda: window.viewer.result is not None, 20, 1.0)
    shoot("replay")
    window.actions_by_id["compare"].trigger()
    wait(lambda: window.compare.viewer.result is not None, 60, 1.0)
    shoot("compare")
    window.actions_by_id["compare"].trigger()


def extra(window, wait, shoot) -> None:  # noqa: ANN001 - a script
    """Pages and overlays."""
    window.actions_by_id["help"].trigger()
    shoot("keys")
    window.actions_by_id["help"].trigger()
    window.actions_by_id["presets"].trigger()
    wait(lambda: window.tools.presets_page.list.count() > 0, 5)
    shoot("presets")
    window.tools.presets_page.hide()
    window.actions_by_id["doctor"].trigger()
    wait(lambda: window.tools.doctor_page.again.isEnabled(), 30)
    shoot("doctor")
    window.tools.doctor_page.hide()


if __name__ == "__main__":
    main()
