"""Models and their cards: only a file that is what its card says is ever used."""

import hashlib
import importlib.util
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ModelError
from app.inference import model_card
from app.inference.model_card import default_model, find_models, load_model, models_folder, read_card

CARD = """
name = "{name}"
version = "1"
file = "{file}"
sha256 = "{sha}"
description = "for a test"
licence = "CC0"
[input]
channels = 1
multiple_of = 16
normalisation = "robust"
nucleus_diameter_px = 16.0
nucleus_diameter_um = 10.0
[output]
channels = ["foreground"]
[decode]
method = "components"
"""


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number: int, content: bytes | int) -> bytes:
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


INSIDE = field(9, b"\x68\x09" * 200)  # raw weights that would be nonsense if they were walked
TENSOR_OUTSIDE = field(8, b"w") + field(13, field(1, b"location") + field(2, b"/etc/passwd")) + field(14, 1)


def onnx(tensor: bytes = INSIDE) -> bytes:
    return field(1, 8) + field(7, field(5, tensor) + field(2, b"g"))


def write_model(folder, data=None, name="fast", file=None, sha=None, **replace):
    data = onnx() if data is None else data
    file = file or f"{name}.onnx"
    text = CARD.format(name=name, file=file, sha=sha or hashlib.sha256(data).hexdigest())
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    (folder / f"{name}.toml").write_text(text)
    if "/" not in file:
        (folder / file).write_bytes(data)
    return folder / f"{name}.toml"


def test_model_is_loaded_by_name_and_by_card(tmp_path):
    card = write_model(tmp_path)
    model = load_model("fast", tmp_path)
    assert model.data == onnx() == load_model(card).data
    assert model.sha256 == hashlib.sha256(onnx()).hexdigest()
    assert model.card.input.scale_um == pytest.approx(10 / 16)


def test_altered_file_is_refused(tmp_path):
    write_model(tmp_path)
    data = bytearray(onnx())
    data[-1] ^= 1
    (tmp_path / "fast.onnx").write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        load_model("fast", tmp_path)


def test_missing_file_and_unknown_name_are_said(tmp_path):
    write_model(tmp_path)
    (tmp_path / "fast.onnx").unlink()
    with pytest.raises(ModelError, match="missing"):
        load_model("fast", tmp_path)
    with pytest.raises(ModelError, match=r"no model 'best'.*fast"):
        load_model("best", tmp_path)
    with pytest.raises(ModelError, match="missing"):
        load_model(tmp_path / "absent.toml")


def test_oversized_file_is_refused(tmp_path, monkeypatch):
    write_model(tmp_path)
    monkeypatch.setattr(model_card, "MAX_MODEL_BYTES", 100)
    with pytest.raises(ModelError, match="larger than"):
        load_model("fast", tmp_path)


@pytest.mark.parametrize(
    "file", ["../evil.onnx", "/etc/evil.onnx", "a/b.onnx", "..\\\\x.onnx", "C:x.onnx", "x.pt", ".onnx"]
)
def test_card_cannot_point_elsewhere(tmp_path, file):
    card = write_model(tmp_path, file=f"{file}") if "/" in file else None
    if card is None:
        card = tmp_path / "fast.toml"
        card.write_text(CARD.format(name="fast", file=file, sha="0" * 64))
    with pytest.raises(ModelError, match="plain name"):
        load_model(card)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("channels = 1", "channels = 2", "input.channels"),
        ("multiple_of = 16", "multiple_of = 0", "input.multiple_of"),
        ('licence = "CC0"', "", "licence"),
        ('method = "components"', "foreground = 0.5", "decode"),
        ("nucleus_diameter_px = 16.0", "nucleus_diameter_px = nan", "input.nucleus_diameter_px"),
    ],
)
def test_faulty_card_says_where(tmp_path, old, new, place):
    card = write_model(tmp_path, **{old: new})
    with pytest.raises(ModelError, match=place):
        load_model(card)


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"= nonsense", b"[a]\n" * 9])
def test_garbage_card_is_refused_and_not_listed(tmp_path, data):
    write_model(tmp_path)
    (tmp_path / "bad.toml").write_bytes(data)
    with pytest.raises(ModelError):
        read_card(tmp_path / "bad.toml")
    assert list(find_models(tmp_path)) == ["fast"]


@pytest.mark.parametrize(
    "data",
    [
        onnx(TENSOR_OUTSIDE),
        field(7, field(1, field(5, field(5, TENSOR_OUTSIDE)))),  # in a node's attribute
        field(7, field(1, field(5, field(6, field(5, TENSOR_OUTSIDE))))),  # in a subgraph
        field(7, field(15, field(1, TENSOR_OUTSIDE))),  # sparse
        onnx() + field(25, field(7, field(5, field(5, TENSOR_OUTSIDE)))),  # in a function
    ],
)
def test_weights_in_other_files_are_refused(tmp_path, data):
    write_model(tmp_path, data)
    with pytest.raises(ModelError, match="other files"):
        load_model("fast", tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello world, this is text", onnx()[:-9], field(1, 8)])
def test_file_that_is_no_model_is_refused(tmp_path, data):
    write_model(tmp_path, data)
    with pytest.raises(ModelError, match="no ONNX model"):
        load_model("fast", tmp_path)


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(data):
    try:
        assert model_card.uses_external_data(data) in {True, False}
    except ValueError as error:
        assert str(error)


def test_fast_stands_in_for_accurate_and_says_so(tmp_path):
    with pytest.raises(ModelError, match="No model"):
        default_model("accurate", tmp_path)
    write_model(tmp_path)
    name, note = default_model("accurate", tmp_path)
    assert name == "fast"
    assert "accurate" in note
    write_model(tmp_path, name="accurate")
    assert default_model("accurate", tmp_path) == ("accurate", "")


def test_shipped_models_match_their_cards():
    cards = sorted(models_folder().glob("*.toml"))
    assert [path.stem for path in cards] == sorted(find_models())
    for path in cards:
        model = load_model(path)
        assert model.name == path.stem
        assert tomllib.loads(path.read_text())["sha256"] == hashlib.sha256(model.path.read_bytes()).hexdigest()
    assert "fast" in find_models()


def test_a_variant_is_checked_like_its_model(tmp_path):
    path = write_model(tmp_path)
    other = onnx(field(9, b"\x07" * 40))
    (tmp_path / "fast-int8.onnx").write_bytes(other)
    digest = hashlib.sha256(other).hexdigest()
    whole = path.read_text() + f'\n[variants]\nint8 = {{ file = "fast-int8.onnx", sha256 = "{digest}" }}\n'
    path.write_text(whole)
    assert load_model(path).variants == {"int8": other}
    (tmp_path / "fast-int8.onnx").write_bytes(other + b"\0")
    with pytest.raises(ModelError, match=r"fast-int8.*SHA-256"):
        load_model(path)
    path.write_text(whole.replace('"fast-int8.onnx"', '"../fast-int8.onnx"'))
    with pytest.raises(ModelError, match="plain name"):
        load_model(path)


def test_the_shipped_fast_model_has_its_variant():
    assert set(load_model("fast").variants) == {"int8"}


def test_the_page_of_the_models_is_that_of_their_cards():
    source = Path(__file__).parents[1] / "docs" / "make_model_page.py"
    spec = importlib.util.spec_from_file_location("make_model_page", source)
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = maker.page(models_folder())
    assert (source.parent / "models.md").read_text(encoding="utf-8") == page, "run python docs/make_model_page.py"
    for name, path in find_models().items():
        card = load_model(path).card
        assert f"## {name}\n" in page and card.sha256 in page
        assert all(failure in page for failure in card.failures["known"])
