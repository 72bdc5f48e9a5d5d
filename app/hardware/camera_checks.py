"""Settings against what a camera can do: the same refusals, in the same words, for every camera."""

from app.errors import CameraError
from app.hardware.base import CameraLimits
from app.settings import CameraSettings

_LIVE = {"exposure_ms", "gain_db", "fps"}


def check_limits(settings: CameraSettings, limits: CameraLimits) -> None:
    """Raise CameraError, saying value and range, unless every value of `settings` lies within `limits`."""
    _range("Exposure", settings.exposure_ms, limits.exposure_ms, "ms")
    _range("Gain", settings.gain_db, limits.gain_db, "dB")
    if settings.fps is not None:
        _range("Frame rate", settings.fps, limits.fps, "fps")
    if settings.pixel_format not in limits.pixel_formats:
        raise CameraError(
            f"This camera has no pixel format {settings.pixel_format}; choose {', '.join(limits.pixel_formats)}."
        )
    if settings.binning not in limits.binnings:
        raise CameraError(
            f"This camera cannot bin {settings.binning}×{settings.binning}; choose "
            f"{', '.join(str(binning) for binning in limits.binnings)}."
        )
    if settings.roi is not None:
        _region(settings.roi, limits)


def check_live_change(old: CameraSettings, new: CameraSettings) -> None:
    """Raise CameraError when `new` differs from `old` in more than a running camera may change."""
    differing = [name for name in CameraSettings.model_fields if getattr(old, name) != getattr(new, name)]
    frozen = sorted(set(differing) - _LIVE)
    if frozen:
        raise CameraError(f"The camera is running; stop it before changing {', '.join(frozen)}.")


def _range(name: str, value: float, allowed: tuple[float, float], unit: str) -> None:
    least, most = allowed
    if not least <= value <= most:
        raise CameraError(f"{name} {value:g} {unit} is outside this camera's {least:g}–{most:g} {unit}; choose within.")


def _region(roi: tuple[int, int, int, int], limits: CameraLimits) -> None:
    x, y, width, height = roi
    step_x, step_y = limits.roi_step
    fits = (
        x >= 0
        and y >= 0
        and limits.width[0] <= width <= limits.width[1] - x
        and limits.height[0] <= height <= limits.height[1] - y
    )
    if not fits:
        raise CameraError(
            f"Region {width}×{height} at ({x}, {y}) does not lie on the {limits.width[1]}×{limits.height[1]} sensor; "
            "choose a smaller one."
        )
    if x % step_x or width % step_x or y % step_y or height % step_y:
        raise CameraError(
            f"The region's columns must be multiples of {step_x} and its rows of {step_y} pixels; choose the nearest."
        )
