"""Settings for a kind of sample under one name; pure, apart from reading and writing the one file."""

from pathlib import Path
from typing import Annotated, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import FileError


class Preset(BaseModel):
    """What is set together for a sample. Contrast is black and white as fractions of the sensor's range, or None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=60)]
    channel: str
    intensity: Annotated[float, Field(gt=0, le=1)]
    exposure_ms: Annotated[float, Field(gt=0, le=10_000)]
    gain_db: Annotated[float, Field(ge=0, le=48)]
    pixel_format: Literal["Mono8", "Mono12", "Mono12p"] = "Mono8"
    model: str = "fast"
    contrast: tuple[float, float] | None = None


class PresetFile(BaseModel):
    """The file's content."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["dapiscope presets 1"] = "dapiscope presets 1"
    presets: tuple[Preset, ...] = ()


USUAL: tuple[Preset, ...] = (
    Preset(name="U2OS DAPI 20×", channel="405", intensity=0.25, exposure_ms=15.0, gain_db=0.0, model="fast"),
    Preset(name="Dim sample, low dose", channel="405", intensity=0.08, exposure_ms=40.0, gain_db=6.0, model="fast"),
)
"""What a new installation offers."""


MAX_BYTES = 4 << 20
"""A larger file holds no presets."""


def usual_file() -> Path:
    """Return where presets are kept."""
    return user_config_path("dapiscope", appauthor=False) / "presets.json"


def read_presets(path: Path) -> tuple[Preset, ...]:
    """Return the presets of a file, or the usual ones where there is none yet.

    Raises
    ------
    FileError
        When it is no preset file.
    """
    if not path.exists():
        return USUAL
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise FileError(f"{path.name} is too large for a file of presets; choose another or delete it.")
        return PresetFile.model_validate_json(data.decode("utf-8")).presets
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        reason = f"{error.error_count()} errors" if isinstance(error, ValidationError) else str(error)
        raise FileError(f"{path.name} is not a file of presets ({reason}); choose another or delete it.") from error


def write_presets(path: Path, presets: tuple[Preset, ...]) -> Path:
    """Write presets; the old file is replaced only when the new one is whole. Return the path."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(".new")
        fresh.write_text(PresetFile(presets=presets).model_dump_json(indent=2), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise FileError(f"The presets could not be written to {path} ({error}); check the folder.") from error
    return path


def with_preset(presets: tuple[Preset, ...], new: Preset) -> tuple[Preset, ...]:
    """Return the presets with `new` in the place of the one of its name, or at the end."""
    if any(p.name == new.name for p in presets):
        return tuple(new if p.name == new.name else p for p in presets)
    return (*presets, new)


def without_preset(presets: tuple[Preset, ...], name: str) -> tuple[Preset, ...]:
    """Return the presets without the one called `name`."""
    return tuple(p for p in presets if p.name != name)


def merged(presets: tuple[Preset, ...], more: tuple[Preset, ...]) -> tuple[Preset, ...]:
    """Return `presets` with every one of `more` put in its place."""
    for preset in more:
        presets = with_preset(presets, preset)
    return presets
