"""What the commands share: their options, what these mean for the settings, and how a line is printed."""

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console

from app.errors import FileError, ModelError, UsageError
from app.settings import Settings, read_config, settings_from

EXPOSURE_MS = 15.0

CameraId = Annotated[str, typer.Option("--camera", help="sim, pylon or pylon:SERIAL.")]
CameraImages = Annotated[
    Path | None, typer.Option("--camera-images", help="Folder of images that pylon's emulator plays, one a trigger.")
]
LightId = Annotated[str, typer.Option("--light", help="sim, a serial port, or a URL such as socket://host:port.")]
ChannelName = Annotated[str, typer.Option("--channel", help="Light channel: 405, 488, 532 or 633.")]
ExposureMs = Annotated[float, typer.Option("--exposure-ms", help="Exposure, milliseconds.")]
GainDb = Annotated[float, typer.Option("--gain-db", help="Gain, decibels.")]
Intensity = Annotated[float, typer.Option("--intensity", help="Light intensity, 0 to 1.")]
PixelFormat = Annotated[str, typer.Option("--pixel-format", help="Mono8, Mono12 or Mono12p.")]
Fps = Annotated[float, typer.Option("--fps", help="Frames per second asked of the camera; 0 runs free.")]
ThroughputLimit = Annotated[
    bool, typer.Option("--throughput-limit/--no-throughput-limit", help="Keep the camera's USB bandwidth limit.")
]
PixelSize = Annotated[
    str | None, typer.Option("--pixel-size-um", metavar="UM|auto", help="µm per pixel; auto: from the nuclei's size.")
]
Scale = Annotated[str | None, typer.Option("--pixel-size-um", metavar="UM|auto", help="µm per pixel.")]
ModelName = Annotated[str, typer.Option("--model", help="Model that counts.")]
Headless = Annotated[bool, typer.Option("--headless", help="Without a window.")]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the account of the run here.")]
OutDir = Annotated[Path, typer.Option("--out", help="Folder for the results.")]
Sample = Annotated[str, typer.Option("--sample", help="Name of the sample, for the files.")]
Operator = Annotated[str, typer.Option("--operator", help="Name of the operator, for the files.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of the simulated sample.")]

# File names are printed as they are: what stands in brackets or between colons in them is no markup.
out, err = (Console(stderr=stderr, markup=False, emoji=False) for stderr in (False, True))


def say(text: str) -> None:
    """Print one line, whole."""
    out.print(text, highlight=False, soft_wrap=True)


def complain(text: str, style: str = "red") -> None:
    """Print one line, whole, to the terminal's errors."""
    err.print(text, style=style, highlight=False, soft_wrap=True)


def pixel_size(text: str | None) -> float | Literal["auto"] | None:
    """Return what ``--pixel-size-um`` means."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.001 <= value <= 100:
        raise UsageError(f"--pixel-size-um takes a number of µm between 0.001 and 100, or auto; not {text!r}.")
    return value


def check_model(name: str) -> None:
    """See that there is a model of that name, or a card of that path, before anything opens. Raises ModelError."""
    from app.inference.model_card import find_models

    if name.endswith(".toml"):
        return
    known = find_models()
    if name not in known and not (name == "accurate" and known):  # another one stands in for that, and it is said
        raise ModelError(f"There is no model {name!r}; choose one of those installed ({', '.join(known) or 'none'}).")


def check_there(*paths: Path) -> None:
    """See that what a command is to read is there at all. Raises FileError for the first that is not."""
    for path in paths:
        try:
            path.lstat()  # a link to nowhere is there: whoever reads it says what is wrong with it
        except (FileNotFoundError, NotADirectoryError):
            raise FileError(f"{path} does not exist: check the path.") from None
        except OSError:
            continue


def check_seconds(seconds: float | None) -> float | None:
    """Return what ``--seconds`` means. Raises UsageError for what is no time."""
    if seconds is not None and not 0 <= seconds < math.inf:
        raise UsageError(f"--seconds takes a number of seconds, 0 or more; not {seconds:g}.")
    return seconds


PLACES: dict[str, tuple[str, ...]] = {
    "camera": ("camera_id",),
    "camera_images": ("camera_images",),
    "light": ("light_id",),
    "seed": ("seed",),
    "exposure_ms": ("camera", "exposure_ms"),
    "gain_db": ("camera", "gain_db"),
    "fps": ("camera", "fps"),
    "throughput_limit": ("camera", "throughput_limit"),
    "channel": ("light", "channel"),
    "intensity": ("light", "intensity"),
    "pixel_size_um": ("segmentation", "pixel_size_um"),
    "sample": ("sample", "sample"),
    "operator": ("sample", "operator"),
}
"""Where each option goes in the settings; options of one mode alone are in `settings_of`."""


def settings_of(context: typer.Context) -> Settings:
    """Return what the configuration file says, overruled by the options that were typed.

    Raises UsageError, which names the option or the key that is wrong.
    """
    return settings_from(tree_of(context))


def tree_of(context: typer.Context) -> dict[str, Any]:
    """Return what the file and the options say as a tree, without the defaults of what nobody said."""
    tree = read_config((context.obj or {}).get("config"))
    mode = "snap" if context.info_name == "snap" else "camera"
    places = {**PLACES, "pixel_format": (mode, "pixel_format")}
    places["model"] = ("snap", "model") if mode == "snap" else ("segmentation", "model")
    for name, place in places.items():
        source = context.get_parameter_source(name)
        if name not in context.params or source is None or source.name != "COMMANDLINE":
            continue  # the defaults of the options are those of the settings
        value = context.params[name]
        if name == "pixel_size_um":
            value = pixel_size(value)
        elif name == "fps":
            value = value or None
        section = tree
        for part in place[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise UsageError(f"In the configuration, {part} is a table of settings: write [{part}].")
        section[place[-1]] = value
    return tree
