"""Which light source answers at a port."""

from app.clock import Clock
from app.hardware.base import LightSource
from app.hardware.lumencor import LumencorLight
from app.hardware.serial_port import SerialPort


def light_at(url: str, *, clock: Clock | None = None) -> LightSource:
    """Return the light source at a port or pyserial URL; it is identified when it is opened."""
    return LumencorLight(SerialPort(url, clock=clock))
