"""What the operator chose: frozen, validated settings with units in the names. Unknown keys are refused."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import UsageError

MAX_CONFIG_BYTES = 1 << 20


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Channel(_Settings):
    """One colour of light: which LED of the box, and how it is used."""

    name: str
    wavelength_nm: Annotated[float, Field(gt=200, lt=2000)]
    line: Annotated[int, Field(ge=0)]
    """Index of the LED in the light source, from 0."""
    color: str
    """Screen colour, ``#rrggbb``."""
    stain: str = ""
    emission_nm: Annotated[float, Field(gt=200, lt=2000)] | None = None
    """What reaches the camera of its light: the middle of the emission filter. For the files; left out if unknown."""
    counts_nuclei: bool = False
    """True for the channel whose frames are segmented."""


DEFAULT_CHANNELS: tuple[Channel, ...] = (
    Channel(name="405", wavelength_nm=405, line=0, color="#8c6bff", stain="DAPI", counts_nuclei=True),
    Channel(name="488", wavelength_nm=488, line=1, color="#2bd4ff", stain=""),
    Channel(name="532", wavelength_nm=532, line=2, color="#5fe36b", stain=""),
    Channel(name="633", wavelength_nm=633, line=3, color="#ff5a4d", stain=""),
)


class CameraSettings(_Settings):
    """How the camera is run. Values outside its range are refused by the camera, never clipped."""

    exposure_ms: Annotated[float, Field(gt=0, le=10_000)] = 15.0
    gain_db: Annotated[float, Field(ge=0, le=48)] = 0.0
    pixel_format: Literal["Mono8", "Mono12", "Mono12p"] = "Mono8"
    fps: Annotated[float, Field(gt=0, le=1000)] | None = 44.9
    """Frames per second asked for; None runs free."""
    roi: tuple[int, int, int, int] | None = None
    """(x, y, width, height) in sensor pixels; None is the whole sensor's default 3840×2160."""
    binning: Literal[1, 2, 4] = 1
    throughput_limit: bool = False
    """True keeps the camera's own USB bandwidth limit (18.7 fps); the remedy when buffers fail."""
    trigger: Literal["free", "software"] = "free"


class OpticsSettings(_Settings):
    """What turns sensor pixels into µm."""

    sensor_pixel_um: Annotated[float, Field(ge=0.01, le=1000)] = 2.0
    magnification: Annotated[float, Field(ge=0.01, le=10_000)] = 20.0
    tube_factor: Annotated[float, Field(ge=0.01, le=100)] = 1.0
    numerical_aperture: Annotated[float, Field(gt=0, lt=2)] = 0.4
    measured_pixel_um: Annotated[float, Field(ge=1e-3, le=1e3)] | None = None
    """µm in the sample per unbinned pixel, as a stage micrometer gave it; wins over the nominal values above."""

    def pixel_size_um(self, binning: int = 1) -> float:
        """Return µm per image pixel in the sample."""
        if self.measured_pixel_um is not None:
            return self.measured_pixel_um * binning
        return self.sensor_pixel_um * binning / (self.magnification * self.tube_factor)


class LightSettings(_Settings):
    """Which light, how strong, and how long to wait for it."""

    channel: str = "405"
    intensity: Annotated[float, Field(ge=0, le=1)] = 0.25
    settle_ms: Annotated[float, Field(ge=0, le=5000)] = 5.0
    """Wait after a confirmed switch before an exposure may start."""
    watchdog_ms: Annotated[int, Field(ge=0, le=60_000)] = 2000
    """The box goes dark by itself after this silence; 0 leaves its watchdog off."""
    dose_budget_s: Annotated[float, Field(gt=0)] | None = 60.0
    """Seconds at full power that a channel may give to one field before a warning; None: never warn."""
    skip_after_light: Annotated[int, Field(ge=0)] = 2
    """Free-running frames to mark after a light change (measured on this camera); likewise below."""
    skip_after_gain: Annotated[int, Field(ge=0)] = 3
    skip_after_exposure: Annotated[int, Field(ge=0)] = 2


class SegmentationSettings(_Settings):
    """How frames are turned into counts."""

    model: str = "fast"
    pixel_size_um: Annotated[float, Field(gt=0)] | Literal["auto"] | None = None
    """µm per pixel; None takes the frame's own, ``"auto"`` estimates it from the size of the nuclei."""


class SnapSettings(_Settings):
    """How a snapshot differs from live imaging."""

    pixel_format: Literal["Mono8", "Mono12", "Mono12p"] = "Mono12"
    model: str = "accurate"
    """Taken if it is installed; the session says when another one is used."""


class SampleSettings(_Settings):
    """Who and what, for the files."""

    sample: str = ""
    operator: str = ""


class Settings(_Settings):
    """Everything one session needs. `camera_id` and `light_id` choose the parts by name; nothing is implied."""

    camera_id: str = "sim"
    """``sim``, ``pylon`` or ``pylon:SERIAL``."""
    camera_images: Path | None = None
    """A folder that pylon's own emulator plays, one image a trigger."""
    light_id: str = "sim"
    """``sim``, a port (``/dev/ttyACM0``, ``COM3``) or a pyserial URL (``socket://…``)."""
    seed: Annotated[int, Field(ge=0)] = 1
    """Of the simulated sample; 0 is an even fluorescent slide, to try a flat field with."""
    channels: tuple[Channel, ...] = DEFAULT_CHANNELS
    camera: CameraSettings = CameraSettings()
    optics: OpticsSettings = OpticsSettings()
    light: LightSettings = LightSettings()
    segmentation: SegmentationSettings = SegmentationSettings()
    snap: SnapSettings = SnapSettings()
    sample: SampleSettings = SampleSettings()
    flat_field: bool = False
    """Show and count without the shading that was taken for the channel; files stay raw."""


def camera_kind(camera_id: str) -> str:
    """Return the kind of camera that `camera_id` names, ``"sim"`` or ``"pylon"``. Raises UsageError for any other."""
    kind = camera_id.partition(":")[0]
    if kind not in ("sim", "pylon"):
        raise UsageError(f"There is no camera {camera_id!r}; use sim, pylon or pylon:SERIAL.")
    return kind


def config_path() -> Path:
    """Return where this machine's configuration is looked for when no other file is named."""
    return user_config_path("dapiscope") / "dapiscope.toml"


def read_config(path: Path | None = None) -> dict[str, Any]:
    """Return the configuration of this microscope, as a tree like `Settings` with only what the file says.

    Parameters
    ----------
    path : Path, optional
        It must exist; without it `config_path` is read if it exists.

    Raises
    ------
    UsageError
        The file is missing or no TOML.
    """
    chosen = path if path is not None else config_path()
    if path is None and not chosen.is_file():
        return {}
    try:
        with chosen.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
        if len(data) > MAX_CONFIG_BYTES:
            raise UsageError(f"The configuration {chosen} is larger than 1 MB: this is no configuration.")
        return tomllib.loads(data.decode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"The configuration {chosen} cannot be read ({type(error).__name__}): check the path."
        ) from error
    except RecursionError:
        raise UsageError(f"The configuration {chosen} is nested too deeply: this is no configuration.") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"The configuration {chosen} is no valid TOML: {error}.") from error


def settings_from(tree: dict[str, Any]) -> Settings:
    """Return validated settings; where no channel is chosen, the one that shows nuclei is.

    Raises
    ------
    UsageError
        Names the key, or the option of the same name, that is wrong.
    """
    try:
        settings = Settings.model_validate(tree)
        camera_kind(settings.camera_id)
    except ValidationError as error:
        first = error.errors()[0]
        name = "--" + str(first["loc"][-1]).replace("_", "-") if first["loc"] else "the configuration"
        raise UsageError(f"{name}: {first['msg']}, not {first['input']!r}.") from error
    names = [channel.name for channel in settings.channels]
    for what in ("name", "line"):
        values = [getattr(channel, what) for channel in settings.channels]
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:  # a frame would be counted and saved as the other of the two
            raise UsageError(f"Two channels have the {what} {twice!r}: in the configuration, give each its own.")
    if settings.light.channel in names:
        return settings
    if "channel" in tree.get("light", {}) or not names:
        raise UsageError(f"--channel takes one of {', '.join(names)}; not {settings.light.channel!r}.")
    first_choice = next((channel.name for channel in settings.channels if channel.counts_nuclei), names[0])
    light = settings.light.model_copy(update={"channel": first_choice})
    light.model_fields_set.discard("channel")  # nobody said it
    return settings.model_copy(update={"light": light})
