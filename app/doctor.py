"""What stands in the way of working, one line each, with the remedy."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import DapiscopeError

FULL_RATE_BYTES_PER_S = 3840 * 2160 * 44.9
USB_MEMORY_MB = 1000
"""What pylon asks of Linux for a USB 3 camera at its full rate."""

NO_PLATFORM = (
    "No window can be opened on this display; check that it is reached (DISPLAY, WAYLAND_DISPLAY), or add --headless. "
    "On Debian and Ubuntu, Qt also needs: apt-get install libxcb-cursor0."
)
_TRIAL = "from PySide6.QtWidgets import QApplication; QApplication([])"
_TRIAL_S = 20.0

_Checks = tuple[tuple[str, "Callable[[], Check]"], ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor's report. `state` is ``"ok"``, ``"note"`` (works, but read this) or ``"bad"``."""

    name: str
    state: str
    text: str
    fix: str = ""
    """A command that mends it, to be copied into a terminal."""


@dataclass(frozen=True, slots=True)
class Found:
    """The devices of this machine.

    Attributes
    ----------
    cameras, lights : tuple of (str, str)
        What ``--camera`` and ``--light`` take, and a title for people. Simulators are not among them.
    checks : tuple of Check
        What stands in the way of finding more.
    """

    cameras: tuple[tuple[str, str], ...]
    lights: tuple[tuple[str, str], ...]
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Looking:
    """How far a search has come: `done` of it, 0…1; now `at` a port, or at ``"cameras"`` or ``"checks"``."""

    at: str
    done: float


def look_for_devices(tell: Callable[[Looking], None] = lambda _looking: None) -> Found:
    """Look for cameras and light sources, and for what hides them; switches nothing on. Takes seconds.

    `tell` hears how far it is; what it raises ends the search, and no port is open then.
    """
    from app.hardware.basler import list_cameras
    from app.hardware.light_discovery import identify_lights

    tell(Looking("cameras", 0.0))
    try:
        cameras = tuple((camera.id, camera.title) for camera in list_cameras())
    except DapiscopeError:
        cameras = ()  # the check of the camera says why
    asked = identify_lights(asks=lambda port, done: tell(Looking(port, 0.2 + 0.7 * done)))
    lights = tuple((light.url, light.title) for light in asked)
    tell(Looking("checks", 0.9))
    return Found(cameras, lights, tuple(_run((("camera", _camera), ("usb", _usb), ("ports", _ports)))))


def examine(folder: Path | None = None) -> Iterator[Check]:
    """Run every check, one after the other; `folder` is where recordings would go."""
    checks: _Checks = (
        ("window", _window),
        ("pylon", _pylon),
        ("camera", _camera),
        ("usb", _usb),
        ("ports", _ports),
        ("models", _models),
        ("provider", _provider),
        ("disk", lambda: _disk(folder or Path.cwd())),
    )
    return _run(checks)


def _run(checks: _Checks) -> Iterator[Check]:
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
    if QtWidgets.QApplication.instance() is None and not _opens_windows():
        return Check("window", "bad", NO_PLATFORM)
    return Check("window", "ok", f"Qt {version}, a display is there.")


def _opens_windows() -> bool:
    """Tell whether Qt can use the display; tried by another process, because Qt ends the one in which it cannot."""
    if sys.platform in ("win32", "darwin") or getattr(sys, "frozen", False):
        return True  # there is always a display; or no interpreter to try it with
    try:
        done = subprocess.run([sys.executable, "-c", _TRIAL], capture_output=True, timeout=_TRIAL_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _pylon() -> Check:
    from app.hardware import basler

    if not basler.__name__:
        return Check("pylon", "bad", "The camera driver is not usable.")
    return Check("pylon", "ok", f"pypylon {_version('pypylon')} loads.")


def _camera() -> Check:
    from app.hardware.basler import list_cameras
    from app.hardware.usb import plugged_cameras, udev_rule

    real = [camera for camera in list_cameras() if not camera.simulated]
    if real:
        return Check("camera", "ok", ", ".join(camera.title for camera in real))
    plugged = plugged_cameras()
    closed = [camera.name for camera in plugged if not camera.may_open]
    if closed:
        rule = shlex.quote(str(udev_rule()))
        fix = f"sudo cp {rule} /etc/udev/rules.d/ && sudo udevadm control --reload-rules && sudo udevadm trigger"
        text = f"{', '.join(closed)} is plugged in, but only root may open it; install the rule that opens it to you,"
        return Check("camera", "bad", f"{text} then unplug the camera and plug it in again.", fix)
    if plugged:
        text = f"{plugged[0].name} is plugged in, but pylon does not see it; unplug it and plug it in again."
        return Check("camera", "bad", text)
    return Check(
        "camera",
        "note",
        "No Basler camera is connected; check the USB 3 cable, or choose the simulated one (--camera sim).",
    )


def _usb() -> Check:
    from app.hardware.usb import USB3_MBIT_S, plugged_cameras, usb_memory_mb

    slow = [camera.name for camera in plugged_cameras() if 0 < camera.mbit_s < USB3_MBIT_S]
    if slow:
        text = f"{', '.join(slow)} runs at USB 2 speed; use a USB 3 socket (blue, or marked SS) and a USB 3 cable."
        return Check("usb", "bad", text)
    memory = usb_memory_mb()
    if memory is not None and memory < USB_MEMORY_MB:
        text = f"Linux gives {memory} MB to frames from USB, and the full frame rate needs {USB_MEMORY_MB} MB"
        fix = f"echo {USB_MEMORY_MB} | sudo tee /sys/module/usbcore/parameters/usbfs_memory_mb"
        return Check("usb", "note", f"{text}; raise it (until the next start), or frames are lost.", fix)
    return Check("usb", "ok", "Frames from USB have the memory they need.")


def _ports() -> Check:
    from app.hardware.serial_port import list_ports

    ports = list_ports()
    if not ports:
        return Check(
            "ports", "note", "No serial port is there; plug in the LED box, or choose the simulated one (--light sim)."
        )
    closed = [p.device for p in ports if os.name == "posix" and not os.access(p.device, os.R_OK | os.W_OK)]
    if closed:
        text = f"{', '.join(closed)} may not be opened by you; add yourself to the group dialout and log in again."
        return Check("ports", "bad", text, "sudo usermod -aG dialout $USER")
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
    from app.inference.trial import measured_way

    choice = measured_way(load_model("fast"))
    trials = sorted(choice.trials, key=lambda trial: trial.ms)
    said = ", ".join(f"{each.way} {each.ms:.1f} ms{'' if each.agrees else ' (other labels)'}" for each in trials)
    again = f"; delete {cache_file()} to measure again" if choice.kept else ""
    return Check("provider", "ok", f"{choice.way} runs the model fast; measured: {said}{again}.")


def _disk(folder: Path) -> Check:
    from app.recording import disk_speed

    try:
        with tempfile.TemporaryDirectory(dir=folder) as probe:
            speed = disk_speed(Path(probe))
    except OSError as error:  # its own name is of a file that is made for the measurement
        what = "does not exist" if not folder.exists() else f"cannot be written to ({error.strerror or error})"
        return Check("disk", "bad", f"{folder} {what}; name another folder with --out.")
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
