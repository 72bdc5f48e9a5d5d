"""What Linux says of Basler cameras on its USB sockets, whether or not pylon may open them. Empty on other systems."""

import os
from dataclasses import dataclass
from pathlib import Path

SYS = Path("/sys/bus/usb/devices")
DEVICES = Path("/dev/bus/usb")
MEMORY = Path("/sys/module/usbcore/parameters/usbfs_memory_mb")

BASLER = "2676"
"""Basler's USB vendor number."""
USB3_MBIT_S = 5000.0


@dataclass(frozen=True, slots=True)
class PluggedCamera:
    """A camera as the system sees it.

    Attributes
    ----------
    name : str
    mbit_s : float
        Speed of the link; 480 is USB 2. 0 where it is not known.
    may_open : bool
        Whether this user may talk to it.
    """

    name: str
    mbit_s: float
    may_open: bool


def plugged_cameras(system: Path = SYS, devices: Path = DEVICES) -> tuple[PluggedCamera, ...]:
    """Return the Basler cameras that are plugged in, in the order of their sockets."""
    found = []
    for vendor in sorted(system.glob("*/idVendor")):
        if _read(vendor) != BASLER:
            continue
        place = vendor.parent
        node = devices / _read(place / "busnum").zfill(3) / _read(place / "devnum").zfill(3)
        try:
            speed = float(_read(place / "speed") or 0.0)
        except ValueError:
            speed = 0.0
        name = _read(place / "product") or "A Basler camera"
        found.append(PluggedCamera(name, speed, os.access(node, os.R_OK | os.W_OK)))
    return tuple(found)


def usb_memory_mb(file: Path = MEMORY) -> int | None:
    """Return how much memory Linux gives to frames on their way from USB, MB; None where nothing limits it."""
    text = _read(file)
    return int(text) if text.isdigit() and int(text) > 0 else None


def udev_rule() -> Path:
    """Return the file that opens Basler cameras for users: in an installed package, or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "udev"
    folder = installed if installed.is_dir() else package.parent / "packaging" / "udev"
    return folder / "69-basler-camera.rules"


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
