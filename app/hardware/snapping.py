"""One triggered frame from any camera."""

import threading
import time
from typing import TYPE_CHECKING

from app.errors import CameraError
from app.frame import Frame

if TYPE_CHECKING:
    from app.hardware.base import Camera

_POLL_S = 0.02


def snap_one(camera: "Camera", timeout_s: float) -> Frame:
    """Start `camera`, trigger it once, and return the frame; the camera is stopped again whatever happens.

    Raises
    ------
    CameraError
        When no good frame came within `timeout_s` beyond the exposure, or the camera failed meanwhile.
    """
    done = threading.Event()
    frames: list[Frame] = []
    errors: list[BaseException] = []

    def sink(frame: Frame) -> None:
        frames.append(frame)
        done.set()

    def ended(error: BaseException | None) -> None:
        if error is not None:
            errors.append(error)
        done.set()

    camera.start(sink, ended)
    try:
        camera.trigger()
        deadline_s = time.monotonic() + timeout_s + camera.settings.exposure_ms / 1000
        # A damaged frame reaches no sink; the counter is the only one to tell of it.
        while not done.wait(_POLL_S) and not camera.stats().failed and time.monotonic() < deadline_s:
            pass
    finally:
        camera.stop()
    if frames:
        return frames[0]
    if errors:
        raise errors[0]
    reason = "the frame was damaged on its way" if camera.stats().failed else "no frame came"
    raise CameraError(f"The camera did not answer the trigger: {reason}. Check the USB cable and try again.")
