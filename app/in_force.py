"""The settings in force: changed one section at a time, from any thread, and never to what cannot be."""

import threading
from typing import Any, Literal

from pydantic import ValidationError

from app.errors import UsageError
from app.settings import CameraSettings, Settings

PixelSize = float | Literal["auto"] | None


def running_free(camera: CameraSettings) -> CameraSettings:
    """Return these settings as live imaging has them: no frame waits for a trigger."""
    return camera.model_copy(update={"trigger": "free"})


class InForce:
    """The settings of a session as they are now; any thread.

    While a file is replayed, the pixel size in force is the file's, and the camera's waits until `leave_file`. The
    camera runs free, whatever a configuration says: who takes single frames triggers them.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.model_copy(update={"camera": running_free(settings.camera)})
        self._lock = threading.RLock()
        self._in_file = False
        self._camera_size: PixelSize = None

    def update(self, section: str, **changes: Any) -> None:
        """Change these settings of a section; UsageError when one of them cannot be."""
        with self._lock:
            present = getattr(self.settings, section)
            try:
                changed = type(present).model_validate({**present.model_dump(), **changes})
            except ValidationError as error:
                first = error.errors()[0]
                name = str(first["loc"][-1]).replace("_", " ")
                raise UsageError(f"The {name} {first['input']!r} cannot be used: {first['msg'].lower()}.") from error
            self.put(**{section: changed})

    def put(self, **sections: Any) -> None:
        """Put these sections into the settings, and leave the others as another thread may just have put them."""
        with self._lock:
            self.settings = self.settings.model_copy(update=sections)

    def enter_file(self, camera_size: PixelSize) -> None:
        """Keep what was given as the pixel size of the camera's frames until `leave_file`."""
        self._in_file, self._camera_size = True, camera_size

    def leave_file(self) -> None:
        """Have the camera's own pixel size in force again; nothing changes without an `enter_file`."""
        if not self._in_file:
            return
        self._in_file = False
        self.update("segmentation", pixel_size_um=self._camera_size)

    def take_camera(self, actual: CameraSettings) -> str | None:
        """Take what the camera has; a given pixel size is of the binning it was given at. Returns what to say of it."""
        factor = actual.binning / self.settings.camera.binning
        self.put(camera=actual)
        given = self._camera_size if self._in_file else self.settings.segmentation.pixel_size_um
        if factor == 1 or not isinstance(given, float):
            return None
        if self._in_file:
            self._camera_size = given * factor
        else:
            self.update("segmentation", pixel_size_um=given * factor)
        now = f"{actual.binning}×{actual.binning} binning: the given pixel size is now {given * factor:g} µm"
        return f"{now} ({given:g} µm before)."
