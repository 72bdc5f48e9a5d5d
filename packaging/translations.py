"""Brings the catalogues of the window's words up to date with the code: `make translations`.

Collects what `tr` is given, and the tables of texts that are looked up one by one; keeps what is translated, marks what
is new as unfinished, drops what is gone; then compiles every catalogue with Qt's lrelease.
"""

import ast
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUI = ROOT / "app" / "gui"
CATALOGUES = GUI / "translations"
CONTEXT = "dapiscope"


def strings() -> dict[str, str]:
    """Return every text of the window in English, in the order of the code, with the file it is in."""
    found: dict[str, str] = {}
    for path in sorted(GUI.rglob("*.py")):
        place = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                for argument in node.args:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        found.setdefault(argument.value, place)
    for place, texts in tables().items():
        for text in texts:
            found.setdefault(text, f"app/gui/{place}")
    return found


def tables() -> dict[str, Iterable[str]]:
    """Return the texts that are looked up one by one from a table, by the file that does it."""
    from app.gui import actions, handle_correct, nuclei_table, overlay_paint, tour
    from app.gui.panels import calibration_page, status_strip

    return {
        "actions.py": (*actions.MENUS, *(text for spec in actions.ACTIONS for text in (spec.text, spec.tooltip))),
        "handle_correct.py": (
            *handle_correct.MODES.values(), handle_correct.SECOND,
            "add nucleus", "remove nucleus", "split nucleus", "merge nuclei",
        ),
        "panels/counts.py": ("too dim", "saturated", "out of focus", "too crowded", "scale unknown"),
        "nuclei_table.py": [heading for _, heading, _ in nuclei_table.COLUMNS],
        "overlay_paint.py": [item.value for item in overlay_paint.ColorBy],
        "panels/calibration_page.py": (*calibration_page.FLAT_STEPS, *calibration_page.SCALE_STEPS),
        "panels/status_strip.py": status_strip.STATE_WORDS.values(),
        "tour.py": [text for step in tour.STEPS for text in (step.title, step.text)],
        "presenter.py": ("camera", "light"),
    }  # fmt: skip


def translated(catalogue: Path) -> dict[str, str]:
    """Return English to translation of what is finished in a ``.ts`` file."""
    if not catalogue.exists():
        return {}
    known: dict[str, str] = {}
    for message in ET.parse(catalogue).getroot().iter("message"):
        source, target = message.findtext("source") or "", message.find("translation")
        if target is not None and target.text and target.get("type") is None:
            known[source] = target.text
    return known


def write(catalogue: Path, language: str, texts: dict[str, str], known: dict[str, str]) -> None:
    """Write a ``.ts`` file; what is not in `known` is marked as unfinished."""
    root = ET.Element("TS", version="2.1", language=language, sourcelanguage="en")
    context = ET.SubElement(root, "context")
    ET.SubElement(context, "name").text = CONTEXT
    for source, place in texts.items():
        message = ET.SubElement(context, "message")
        ET.SubElement(message, "location", filename=f"../../../{place}")
        ET.SubElement(message, "source").text = source
        target = ET.SubElement(message, "translation")
        if source in known:
            target.text = known[source]
        else:
            target.set("type", "unfinished")
    ET.indent(root, "    ")
    body = ET.tostring(root, encoding="unicode")
    catalogue.write_text(f'<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE TS>\n{body}\n', encoding="utf-8")


def compile_all() -> None:
    """Make the ``.qm`` files that the window loads."""
    import PySide6

    tool = Path(PySide6.__file__).parent / ("lrelease.exe" if sys.platform == "win32" else "lrelease")
    for catalogue in sorted(CATALOGUES.glob("*.ts")):
        target = catalogue.with_suffix(".qm")
        subprocess.run([tool, "-silent", "-nounfinished", catalogue, "-qm", target], check=True)


def main() -> int:
    """Update all catalogues; return 1 where one of them is not complete."""
    texts, incomplete = strings(), 0
    for catalogue in sorted(CATALOGUES.glob("dapiscope_*.ts")):
        known = translated(catalogue)
        write(catalogue, catalogue.stem.removeprefix("dapiscope_"), texts, known)
        missing = [text for text in texts if text not in known]
        incomplete += bool(missing)
        print(f"{catalogue.name}: {len(texts) - len(missing)} of {len(texts)} translated")  # noqa: T201
        for text in missing:
            print(f"  {text}")  # noqa: T201
    compile_all()
    return 1 if incomplete else 0


if __name__ == "__main__":
    sys.exit(main())
