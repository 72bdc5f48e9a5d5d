"""What an installation must bring along."""

import math
import os
import signal
import sys
import tomllib
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal from Python 3.12 on")
def test_qt_gives_back_the_nones_it_borrows():
    from PySide6.QtCore import QObject

    thing = QObject()
    before = sys.getrefcount(None)
    for _ in range(2000):
        thing.setObjectName("name")
    assert sys.getrefcount(None) > before - 1000


def test_the_models_are_part_of_the_wheel():
    wheel = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {"models/*.onnx", "models/*.toml"} <= set(wheel["include"])
    assert wheel["sources"]["models"] == "app/models"


def test_every_model_has_its_card_and_every_card_its_model():
    folder = Path(__file__).parents[1] / "models"
    cards = [tomllib.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.toml")]
    named = {card["file"] for card in cards} | {v["file"] for card in cards for v in card.get("variants", {}).values()}
    assert {path.name for path in folder.glob("*.onnx")} == named


def test_nothing_in_the_default_install_needs_the_gui_wheel_of_opencv():
    names = [requirement.split(">")[0] for requirement in PROJECT["project"]["dependencies"]]
    assert "opencv-python-headless" in names
    assert "opencv-python" not in names


def test_counting_leaves_the_arithmetic_of_the_process_alone():
    # onnxruntime can have denormal numbers flushed to zero, for the whole thread that made the session.
    from app.build import make_counter

    make_counter("fast")
    assert 2.0**-1074 + 0.0 > 0.0


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_program_without_python_guards_its_light_by_itself(tmp_path, monkeypatch):
    from app.hardware.guardian import GuardedLight
    from app.hardware.led_box import LedBox
    from app.hardware.serial_simulator import serve_pty

    program = tmp_path / "dapiscope"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "executable", str(program))
    with serve_pty(LedBox("Spectra III")) as server:
        light = GuardedLight("lumencor", server.path)
        light.open()
        light.set(1, 0.5)
        os.kill(light.process_id, signal.SIGTERM)
        assert light._process.wait(20) == 0
        assert not any(server.box.levels_at(math.inf))
        light.close()


def test_the_command_that_guards_is_for_the_program_alone():
    from typer.testing import CliRunner

    from app.__main__ import cli

    assert "light-guardian" not in CliRunner().invoke(cli, ["--help"]).output
