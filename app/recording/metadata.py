"""Who and what stood behind a run, for every file it leaves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any, Self, TypeVar

from pydantic import BaseModel

from app.settings import Channel, OpticsSettings, Settings

_Part = TypeVar("_Part", bound=BaseModel)


def software_version() -> str:
    """Return ``"dapiscope 1.2.3"``; without the number when the package is not installed."""
    try:
        return f"dapiscope {metadata.version('dapiscope')}"
    except metadata.PackageNotFoundError:
        return "dapiscope"


@dataclass(frozen=True, slots=True)
class RunMetadata:
    """What the files say of a run besides its frames. What is unknown stays empty and is left out of files.

    Attributes
    ----------
    camera, light : str
        Titles of the devices; a simulation says so in its own.
    channels : tuple of Channel
        Wavelength, colour and stain by channel name.
    magnification, numerical_aperture : float or None
        Of the objective.
    sample, operator : str
    model_name, model_sha256 : str
        The model that counted, if any.
    settings : mapping
        JSON-able dump of the settings in force.
    software : str
    """

    camera: str = ""
    light: str = ""
    channels: tuple[Channel, ...] = ()
    magnification: float | None = None
    numerical_aperture: float | None = None
    sample: str = ""
    operator: str = ""
    model_name: str = ""
    model_sha256: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    software: str = field(default_factory=software_version)

    @classmethod
    def from_settings(
        cls, settings: Settings, *, camera: str = "", light: str = "", model_name: str = "", model_sha256: str = ""
    ) -> Self:
        """Return the metadata of a run under `settings`, with the titles of the devices really in use."""
        return cls(
            camera=camera,
            light=light,
            channels=settings.channels,
            magnification=settings.optics.magnification,
            numerical_aperture=settings.optics.numerical_aperture,
            sample=settings.sample.sample,
            operator=settings.sample.operator,
            model_name=model_name,
            model_sha256=model_sha256,
            settings=settings.model_dump(mode="json"),
        )

    @property
    def simulated(self) -> tuple[str, ...]:
        """Which parts were simulations: ``"camera"``, ``"light"``."""
        titles = {"camera": self.camera, "light": self.light}
        return tuple(part for part, title in titles.items() if "simul" in title.lower())

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types; `from_json` takes them back."""
        plain = asdict(self)
        plain["channels"] = [channel.model_dump(mode="json") for channel in self.channels]
        plain["settings"] = dict(self.settings)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Rebuild from `to_json`'s answer. Raises TypeError or ValueError where it is none."""
        values = dict(plain)
        values["channels"] = tuple(Channel.model_validate(channel) for channel in values.get("channels", ()))
        return cls(**values)

    def to_entries(self) -> dict[str, str]:
        """Return what is known as texts, as files keep them; `from_entries` takes them back."""
        texts = {"sample": self.sample, "operator": self.operator, "camera": self.camera, "light source": self.light}
        texts |= {"model": self.model_name, "model sha256": self.model_sha256}
        known = {key: value for key, value in texts.items() if value}
        settings = json.dumps(dict(self.settings), separators=(",", ":"), ensure_ascii=False, default=str)
        return {"software": self.software, **known, "settings": settings}

    @classmethod
    def from_entries(cls, entries: Mapping[str, str]) -> Self:
        """Rebuild from the texts a file of dapiscope holds, of any version; what is missing or damaged stays empty."""
        try:
            settings = json.loads(entries.get("settings", "{}"))
        except ValueError:
            settings = {}
        settings = settings if isinstance(settings, dict) else {}
        optics = _known(OpticsSettings, settings["optics"]) if "optics" in settings else None
        listed = settings.get("channels")
        channels = [_known(Channel, channel) for channel in listed] if isinstance(listed, list) else []
        return cls(
            camera=entries.get("camera", ""),
            light=entries.get("light source", ""),
            channels=tuple(channel for channel in channels if channel is not None),
            magnification=optics.magnification if optics else None,
            numerical_aperture=optics.numerical_aperture if optics else None,
            sample=entries.get("sample", ""),
            operator=entries.get("operator", ""),
            model_name=entries.get("model", ""),
            model_sha256=entries.get("model sha256", ""),
            settings=settings,
            software=entries.get("software", software_version()),
        )


def _known(kind: type[_Part], plain: Any) -> _Part | None:
    """Return a part of the settings by the keys that this version knows; None where it is damaged."""
    try:
        return kind.model_validate({key: value for key, value in plain.items() if key in kind.model_fields})
    except (ValueError, AttributeError):
        return None
