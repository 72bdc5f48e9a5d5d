"""What stands in the way of working, one line each, with the remedy."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import DapiscopeError

FULL_RATE_BYTES_PER_S = 3840 * 2160 * 44.9


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report. `state` is ``"ok"``, ``"note"`` (works, but read this) or ``"bad"``."""

    name: str
    state: str
    text: str


def examine(folder: Path | None = None) -> Iterator[Check]:
    """Run every check, one after the other; `folder` is where recordings would go."""
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("window", _window),
        ("pylon", _pylon),
        ("camera", _camera),
        ("ports", _ports),
        ("models", _models),
        ("provider", _provider),
        ("disk", lambda: _disk(folder or Path.cwd())),
    )
    for name, check in checks:
        try:
            yield check()
        except DapiscopeError as error:
            yield Check(name, "bad", str(error))
        except ImportError as error:
            yield Check(name, "bad", f"A package is missing ({error.name}); install dapiscope again with pip.")


def has_display() -> bool:
    """Tell whether a window can be shown here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("QT_QPA_PLATFORM") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _window() -> Check:
    try:
        from PySide6 import QtWidgets
    except ImportError as error:
        remedy = "on Debian and Ubuntu: apt-get install libegl1 libgl1 libxkbcommon0 libdbus-1-3 libfontconfig1"
        return Check("window", "bad", f"Qt cannot be loaded ({error}); {remedy}.")
    version = QtWidgets.__name__ and _version("PySide6_Essentials")
    if not has_display():
        return Check("window", "note", f"Qt {version} works, but there is no display; use --headless.")
    return Check("window", "ok", f"Qt {version}, a display is there.")


def _pylon() -> Check:
    from app.hardware import basler

    if not basler.__name__:
        return Check("pylon", "bad", "The camera driver is not usable.")
    return Check("pylon", "ok", f"pypylon {_version('pypylon')} loads.")


def _camera() -> Check:
    from app.hardware.basler import list_cameras

    real = [camera for camera in list_cameras() if not camera.simulated]
    if real:
        return Check("camera", "ok", ", ".join(camera.title for camera in real))
    remedy = "check the USB 3 cable" + (
        "; on Linux also the udev rule (docs/hardware.md)" if os.name == "posix" else ""
    )
    return Check("camera", "note", f"No Basler camera is connected; {remedy}, or use --camera sim.")


def _ports() -> Check:
    from app.hardware.serial_port import list_ports

    ports = list_ports()
    if not ports:
        return Check("ports", "note", "No serial port is there; plug in the LED box, or use --light sim.")
    closed = [p.device for p in ports if os.name == "posix" and not os.access(p.device, os.R_OK | os.W_OK)]
    if closed:
        who = "add yourself to the group dialout (sudo usermod -aG dialout $USER) and log in again"
        return Check("ports", "bad", f"{', '.join(closed)} may not be opened by you; {who}.")
    return Check("ports", "ok", ", ".join(f"{port.device} ({port.description})" for port in ports))


def _models() -> Check:
    from app.inference.model_card import find_models, load_model

    names = []
    for name in find_models():
        model = load_model(name)
        names.append(f"{name} {model.sha256[:12]}")
    if not names:
        return Check("models", "bad", "No model is installed; install dapiscope again with pip.")
    return Check("models", "ok", f"{', '.join(names)}: each file matches its card.")


def _provider() -> Check:
    from app.inference.model_card import load_model
    from app.inference.providers import cache_file
    from app.inference.segmenter import measured_way

    choice = measured_way(load_model("fast"))
    trials = sorted(choice.trials, key=lambda trial: trial.ms)
    said = ", ".join(f"{each.way} {each.ms:.1f} ms{'' if each.agrees else ' (other labels)'}" for each in trials)
    again = f"; delete {cache_file()} to measure again" if choice.kept else ""
    return Check("provider", "ok", f"{choice.way} runs the model fast; measured: {said}{again}.")


def _disk(folder: Path) -> Check:
    from app.recording import disk_speed

    with tempfile.TemporaryDirectory(dir=folder) as probe:
        speed = disk_speed(Path(probe))
    text = f"{folder.resolve()} takes {speed / 1e6:.0f} MB/s"
    if speed < FULL_RATE_BYTES_PER_S:
        need = f"a recording at 44.9 fps needs {FULL_RATE_BYTES_PER_S / 1e6:.0f} MB/s; lower --fps or use a faster disk"
        return Check("disk", "note", f"{text}; {need}.")
    return Check("disk", "ok", f"{text}; enough for a recording at the camera's full rate.")


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "(version unknown)"
