"""The page on the architecture says what is there, in the order that the import contract holds."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_layers_of_the_page_are_those_of_the_contract():
    (table,) = re.findall(r"^\| module .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    told = [name.removesuffix(".py").strip("/").replace("/", ".") for name in re.findall(r"`(app/[^`]+)`", table)]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = next(each["layers"] for each in contracts["contracts"] if each["type"] == "layers")
    depth = {name: number for number, layer in enumerate(layers) for name in layer.split(" | ")}
    assert set(told) == set(depth) and len(told) == len(depth)
    assert [depth[name] for name in told] == sorted(depth[name] for name in told)
    there = {f"app.{path.stem}" for path in (ROOT / "app").iterdir() if (path / "__init__.py").exists()}
    there |= {f"app.{path.stem}" for path in (ROOT / "app").glob("*.py")} - {"app.__init__"}
    assert set(depth) == there, "a module that no layer holds may import anything"


def test_the_threads_of_the_page_are_those_of_the_code():
    (table,) = re.findall(r"^\| thread .*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    code = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "app").rglob("*.py"))
    assert set(re.findall(r"`(app-[a-z-]+)`", table)) == set(re.findall(r"\"(app-[a-z-]+)\"", code))
