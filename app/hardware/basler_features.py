"""What dapiscope needs of a Basler camera, by the names each family gives it.

Works on the nodes of an open pylon camera, without importing pylon: every difference between dart 2 USB, the
emulator and older cameras is in `FEATURES` and in this file.
"""

from typing import Any

from app.errors import CameraError
from app.hardware.base import CameraLimits
from app.settings import CameraSettings

FEATURES: dict[str, tuple[str, ...]] = {
    "exposure_us": ("ExposureTime", "ExposureTimeAbs"),
    "gain_db": ("Gain",),
    "fps": ("AcquisitionFrameRate", "AcquisitionFrameRateAbs"),
    "fps_enable": ("AcquisitionFrameRateEnable",),
    "resulting_fps": ("BslResultingAcquisitionFrameRate", "ResultingFrameRate", "ResultingFrameRateAbs"),
    "throughput_mode": ("DeviceLinkThroughputLimitMode",),
    "readout_us": ("SensorReadoutTime",),
    "width": ("Width",),
    "height": ("Height",),
    "offset_x": ("OffsetX",),
    "offset_y": ("OffsetY",),
    "binning_x": ("BinningHorizontal",),
    "binning_y": ("BinningVertical",),
    "binning_mode_x": ("BinningHorizontalMode", "BinningMode"),
    "binning_mode_y": ("BinningVerticalMode",),
    "pixel_format": ("PixelFormat",),
    "acquisition_mode": ("AcquisitionMode",),
    "trigger_selector": ("TriggerSelector",),
    "trigger_mode": ("TriggerMode",),
    "trigger_source": ("TriggerSource",),
    "auto_exposure": ("ExposureAuto",),
    "auto_gain": ("GainAuto",),
    "test_image": ("TestPattern", "TestImageSelector"),
    "image_file_mode": ("ImageFileMode",),
    "image_file": ("ImageFilename",),
    "width_max": ("WidthMax",),
    "height_max": ("HeightMax",),
}
"""What dapiscope needs, and the names it goes by: dart 2 USB and SFNC 2 first, then the emulator's and GigE's."""


class Features:
    """A camera's settings by dapiscope's own names, whatever the camera calls them."""

    def __init__(self, camera: Any) -> None:
        self._camera = camera

    def node(self, name: str) -> Any | None:
        """Return the first of the feature's nodes that this camera has, or None."""
        for candidate in FEATURES[name]:
            node = getattr(self._camera, candidate)
            if node.IsReadable() or node.IsWritable():
                return node
        return None

    def get(self, name: str, default: Any = None) -> Any:
        """Return the feature's value, `default` where the camera lacks it."""
        node = self.node(name)
        return default if node is None or not node.IsReadable() else node.Value

    def set(self, name: str, value: Any) -> None:
        """Set the feature; raises CameraError when the camera lacks it."""
        node = self.node(name)
        if node is None:
            raise CameraError(f"This camera has no {FEATURES[name][0]}; choose a supported Basler area camera.")
        node.Value = value

    def offer(self, name: str, value: Any) -> bool:
        """Set the feature where the camera has it and takes the value; False otherwise."""
        node = self.node(name)
        return bool(node is not None and node.TrySetValue(value))


def reset(features: Features) -> None:
    """Free running, nothing automatic, whole sensor: whatever another program left behind."""
    features.offer("acquisition_mode", "Continuous")
    features.offer("auto_exposure", "Off")
    features.offer("auto_gain", "Off")
    selector = features.node("trigger_selector")
    if selector is not None:
        for kind in selector.Symbolics:
            if selector.TrySetValue(kind):
                features.offer("trigger_mode", "Off")
    features.offer("trigger_selector", "FrameStart")
    for axis in ("x", "y"):
        features.offer(f"binning_{axis}", 1)
        features.offer(f"offset_{axis}", 0)


def read_limits(features: Features) -> CameraLimits:
    """Return what the camera accepts; it must be unbinned and at offset 0 (see `reset`)."""
    exposure, gain, fps = features.node("exposure_us"), features.node("gain_db"), features.node("fps")
    width, height, pixel_format = features.node("width"), features.node("height"), features.node("pixel_format")
    if exposure is None or gain is None or width is None or height is None or pixel_format is None:
        raise CameraError("This camera lacks exposure, gain or region; use a Basler area camera such as daA3840-45um.")
    binning = features.node("binning_x")
    most = 1 if binning is None or not binning.IsWritable() else binning.Max
    return CameraLimits(
        exposure_ms=(exposure.Min / 1000, min(exposure.Max / 1000, 10_000.0)),
        gain_db=(round(gain.Min, 3), round(gain.Max, 3)),
        fps=(0.1, 1000.0) if fps is None else (fps.Min, fps.Max),
        width=(width.Min, width.Max),
        height=(height.Min, height.Max),
        roi_step=(width.Inc, height.Inc),
        pixel_formats=tuple(name for name in ("Mono8", "Mono12", "Mono12p") if name in pixel_format.Symbolics),
        binnings=tuple(value for value in (1, 2, 4) if value <= most),
    )


def write_picture(features: Features, settings: CameraSettings, region: tuple[int, int, int, int]) -> None:
    """Set what only a stopped camera takes: depth, region, binning, bandwidth limit, trigger."""
    binning = settings.binning
    features.set("pixel_format", settings.pixel_format)
    features.offer("throughput_mode", "On" if settings.throughput_limit else "Off")
    for axis in ("x", "y"):
        features.set(f"offset_{axis}", 0)
        if not features.offer(f"binning_{axis}", binning) and binning > 1:
            raise CameraError(f"This camera cannot bin {binning}×{binning}; choose no binning.")
        features.offer(f"binning_mode_{axis}", "Average")
    for name, value in zip(("width", "height", "offset_x", "offset_y"), (*region[2:], *region[:2]), strict=True):
        features.set(name, value // binning)
    software = settings.trigger == "software"
    features.offer("trigger_selector", "FrameStart")
    if software:
        features.set("trigger_source", "Software")
    features.set("trigger_mode", "On" if software else "Off")


def write_exposure(features: Features, settings: CameraSettings) -> None:
    """Set what a running camera takes too: exposure, gain, frame rate."""
    features.set("exposure_us", settings.exposure_ms * 1000)
    features.set("gain_db", settings.gain_db)
    features.offer("fps_enable", settings.fps is not None)
    if settings.fps is not None:
        features.offer("fps", settings.fps)


def read_back(features: Features, asked: CameraSettings) -> CameraSettings:
    """Return the settings in force; `asked` fills in what this camera does not tell."""
    get = features.get
    limited = get("throughput_mode")
    fps = get("fps") if get("fps_enable", asked.fps is not None) else None
    pixel_format = get("pixel_format")
    if pixel_format == "Mono16":  # the emulator, playing a 16-bit file
        pixel_format = asked.pixel_format
    roi = asked.roi
    if roi is not None:
        x, y, width, height = (int(get(name)) * asked.binning for name in ("offset_x", "offset_y", "width", "height"))
        roi = (x, y, width, height)
    return CameraSettings.model_validate(
        {
            "exposure_ms": get("exposure_us") / 1000,
            "gain_db": round(get("gain_db"), 3),
            "pixel_format": pixel_format,
            "fps": None if fps is None else round(fps, 4),
            "roi": roi,
            "binning": int(get("binning_x", 1)),
            "throughput_limit": asked.throughput_limit if limited is None else limited == "On",
            "trigger": "software" if get("trigger_mode") == "On" else "free",
        }
    )
