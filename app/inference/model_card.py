"""Model files and their cards: found, read, and checked against each other before anything runs them.

A model is two files side by side: ``NAME.toml``, the card, and the ONNX file that it names. The file is read once;
the bytes whose SHA-256 matched the card are the bytes that are run, so nothing can change in between.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from app.errors import ModelError

MAX_CARD_BYTES = 1 << 20
MAX_MODEL_BYTES = 512 << 20


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _neighbour(file: str) -> str:
    """Return `file`: a card must not be able to point at anything but its neighbour, on any system."""
    if not file.endswith(".onnx") or file.startswith(".") or any(mark in file for mark in "/\\:\0"):
        raise ValueError("file must be the plain name of an .onnx file beside the card")
    return file


class ModelInput(_Table):
    """What the network wants to be given: float32 of shape (1, channels, h, w)."""

    channels: Literal[1, 3]
    multiple_of: Annotated[int, Field(ge=1, le=256)]
    """h and w must be multiples of this."""
    normalisation: str
    """See `app.inference.preprocess.normalise`."""
    views: Literal[1, 2, 4] = 1
    """How many mirror images of the input are run and averaged: as is, left-right, up-down, both."""
    scales: tuple[Annotated[float, Field(ge=0.25, le=1)], ...] = Field(default=(1.0,), min_length=1, max_length=4)
    """How much smaller the input is run as well; what it gives is enlarged again and averaged."""
    pixel_size_um: Annotated[float, Field(gt=0, le=100)] | None = None
    """µm per pixel that the network was trained at; None follows from the nucleus size."""
    nucleus_diameter_px: Annotated[float, Field(gt=1, le=1000)]
    """Diameter of a typical nucleus as the network wants to see it."""
    nucleus_diameter_um: Annotated[float, Field(gt=0, le=1000)]
    """The same in the sample."""

    @property
    def scale_um(self) -> float:
        """µm per pixel at the model's scale."""
        return self.pixel_size_um or self.nucleus_diameter_um / self.nucleus_diameter_px


class ModelOutput(_Table):
    """What the network gives: float32 of shape (1, C, h, w), each channel within 0…1."""

    channels: tuple[str, ...] = Field(min_length=1, max_length=64)


class ModelCalibration(_Table):
    """How far counts were off on images the model was not trained on; see `app.inference.interval`."""

    method: Literal["conformal"]
    level: Annotated[float, Field(gt=0, lt=1)]
    relative: Annotated[float, Field(ge=0, le=10)]
    doubt: Annotated[float, Field(ge=0, le=10)] = 0.0
    low: Annotated[float, Field(ge=-1000, le=1000)]
    high: Annotated[float, Field(ge=-1000, le=1000)]
    images: Annotated[int, Field(ge=20)]
    groups: Annotated[int, Field(ge=1)] | None = None
    """Samples that the images show."""


Weight = Annotated[float, Field(ge=-1000, le=1000)]


class ModelScore(_Table):
    """Weights of the probability that a nucleus is one; see `app.inference.score`."""

    bias: Weight
    foreground: Weight
    distance: Weight
    spread: Weight
    peak: Weight
    size: Weight
    size_squared: Weight
    size_here: Weight
    roundness: Weight
    elongation: Weight
    contact: Weight
    outer_saddle: Weight
    joined: Weight
    cut_depth: Weight
    saddle_depth: Weight
    cut_length: Weight
    lesser: Weight
    roundness_lost: Weight
    least: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """What is less likely a nucleus is left out, in an image with hardly any nuclei ..."""
    crowding: Annotated[float, Field(ge=0, le=100)] = 0.0
    """... and ``exp(crowding * part of the image that is covered)`` times less than that elsewhere."""


class ModelVariant(_Table):
    """The same network in other numbers, for processors that are faster with them."""

    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("file")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        return _neighbour(value)


class ModelCard(_Table):
    """The content of a ``models/*.toml``."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    version: str
    file: str
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    description: str
    licence: str
    input: ModelInput
    output: ModelOutput
    decode: dict[str, Any]
    training: dict[str, Any] = Field(default_factory=dict)
    scores: dict[str, Any] = Field(default_factory=dict)
    failures: dict[str, Any] = Field(default_factory=dict)
    score: ModelScore | None = None
    calibration: ModelCalibration | None = None
    variants: dict[Literal["int8"], ModelVariant] = Field(default_factory=dict)

    @field_validator("version", mode="before")
    @classmethod
    def _version_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("file")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        return _neighbour(value)

    @field_validator("decode")
    @classmethod
    def _has_method(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(value.get("method"), str):
            raise ValueError("decode.method must be a text")
        return value


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A card and the verified content of its file.

    Attributes
    ----------
    card : ModelCard
    path : Path
        Of the ONNX file.
    data : bytes
        The content whose SHA-256 is the card's.
    variants : mapping of str to bytes
        By precision, e.g. ``"int8"``: the same network in other numbers, checked alike.
    """

    card: ModelCard
    path: Path
    data: bytes
    variants: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @property
    def sha256(self) -> str:
        """Hash of the model file, 64 hexadecimal digits."""
        return self.card.sha256


def models_folder() -> Path:
    """Return where the models are: inside an installed package, or beside `app` in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def find_models(folder: Path | None = None) -> dict[str, Path]:
    """Return the card of every model in `folder` by name; cards that cannot be read are left out.

    Parameters
    ----------
    folder : Path, optional
        `models_folder()` when not given.
    """
    found: dict[str, Path] = {}
    for path in sorted((folder or models_folder()).glob("*.toml")):
        try:
            found.setdefault(read_card(path).name, path)
        except ModelError:
            # A broken card beside good ones must not take those away; asking for it by path says what is wrong.
            continue
    return dict(sorted(found.items()))


def default_model(kind: Literal["accurate", "fast"] = "accurate", folder: Path | None = None) -> tuple[str, str]:
    """Return the name of the model to use for `kind`, and a note.

    Returns
    -------
    name : str
    note : str
        Empty, or one sentence saying that ``fast`` stands in for ``accurate``.

    Raises
    ------
    ModelError
        There is neither.
    """
    models = find_models(folder)
    if kind in models:
        return kind, ""
    if "fast" in models:
        return "fast", f"The model '{kind}' is not installed; 'fast' is used."
    raise ModelError("No model is installed: install dapiscope again.")


def load_model(name_or_card: str | Path, folder: Path | None = None) -> Model:
    """Return a model whose file has been checked against its card.

    Parameters
    ----------
    name_or_card : str or Path
        A name of `find_models`, or the path of a ``.toml`` card.
    folder : Path, optional
        Where names are looked up; `models_folder()` when not given.

    Raises
    ------
    ModelError
        There is no such model, the card is faulty, or the file is missing, too large, altered, damaged, or keeps
        its weights in other files.
    """
    text = str(name_or_card)
    if text.endswith(".toml"):
        card_path = Path(text)
    else:
        models = find_models(folder)
        if text not in models:
            known = ", ".join(models) or "none"
            raise ModelError(f"There is no model '{text}': choose one of those installed ({known}).")
        card_path = models[text]
    card = read_card(card_path)
    path = card_path.parent / card.file
    data = _checked(path, card.sha256)
    variants: dict[str, bytes] = {
        precision: _checked(card_path.parent / variant.file, variant.sha256)
        for precision, variant in card.variants.items()
    }
    return Model(card, path, data, variants)


def _checked(path: Path, sha256: str) -> bytes:
    """Return the content of a model file that is what its card says, and one file; else ModelError."""
    data = _read(path, MAX_MODEL_BYTES, "model")
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ModelError(f"The model file {path} is not the one its card describes (SHA-256): install it again.")
    try:
        external = uses_external_data(data)
    except ValueError:
        raise ModelError(f"The model file {path} is no ONNX model: install it again.") from None
    if external:
        raise ModelError(f"The model {path} keeps weights in other files, which is refused: export it as one file.")
    return data


def read_card(path: Path) -> ModelCard:
    """Return the content of a card; the model file is not touched.

    Raises
    ------
    ModelError
        The card is missing, too large, no TOML, or lacks or misuses an entry.
    """
    data = _read(path, MAX_CARD_BYTES, "model card")
    try:
        return ModelCard.model_validate(tomllib.loads(data.decode()))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError):
        raise ModelError(f"The model card {path} is no TOML text: install it again.") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "card"
        raise ModelError(f"The model card {path} is faulty at '{place}' ({first['msg']}): correct it.") from None


def _read(path: Path, limit: int, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        raise ModelError(f"The {what} {path} is missing: install it again.") from None
    except OSError as error:
        raise ModelError(f"The {what} {path} cannot be read ({error.strerror}): check its permissions.") from None
    if len(data) > limit:
        raise ModelError(f"The {what} {path} is larger than {limit >> 20} MB: this is no dapiscope model.")
    return data


# The path to every tensor of an ONNX file, as protobuf field numbers (onnx.proto3): message -> {field: message}.
_ONNX_FIELDS: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function", 20: "training"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14


def uses_external_data(data: bytes) -> bool:
    """Return whether an ONNX model has weights outside of its own file.

    Only the fields that lead to tensors are walked; the weights themselves are skipped.

    Raises
    ------
    ValueError
        `data` is no ONNX model.
    """
    view = memoryview(data)
    if not any(number == 7 for number, _ in _fields(view)):
        raise ValueError("no graph in it")
    waiting: list[tuple[str, memoryview]] = [("model", view)]
    while waiting:
        kind, message = waiting.pop()
        inner = _ONNX_FIELDS.get(kind, {})
        for number, content in _fields(message):
            if kind == "tensor" and (number == _EXTERNAL_DATA or (number == _DATA_LOCATION and content == 1)):
                return True
            if number in inner:
                if isinstance(content, int):
                    raise ValueError("a message is missing")
                waiting.append((inner[number], content))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Yield (field number, content) of a protobuf message; fixed-width numbers are given as their bytes."""
    at, end = 0, len(message)
    while at < end:
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in {1, 5}:
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if at + size > end:
            raise ValueError("cut short")
        yield key >> 3, message[at : at + size]
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise ValueError("cut short")
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without end")
