"""What a person gets who installs dapiscope: wheel and source archive, used from another folder."""

import json
import os
import re
import subprocess
import tarfile
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = "Scripts" if os.name == "nt" else "bin"
pytestmark = [pytest.mark.prove, pytest.mark.timeout(900)]


def call(*command: object, cwd: Path) -> str:
    """Run a command in `cwd`, with nothing of the checkout on Python's path, and return what it says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "DAPISCOPE"))}
    environment |= {"QT_QPA_PLATFORM": "offscreen", "COLUMNS": "200", "HOME": str(cwd), "PIP_NO_INPUT": "1"}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A folder with the source archive, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    venv.create(folder / "builder", with_pip=True)
    python = folder / "builder" / SCRIPTS / "python"
    (needs,) = [line for line in (ROOT / "pyproject.toml").read_text("utf-8").splitlines() if "requires = [" in line]
    call(python, "-m", "pip", "install", "--quiet", *json.loads(needs.split("=", 1)[1]), cwd=folder)
    call(python, "-m", "hatchling", "build", "--target", "sdist", "--directory", folder, cwd=ROOT)
    (archive,) = folder.glob("*.tar.gz")
    command = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, archive]
    call(python, "-m", "pip", *command, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory) -> Path:
    """The program of an environment that holds the wheel alone."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder / "venv", with_pip=True)
    (wheel,) = built.glob("*.whl")
    call(folder / "venv" / SCRIPTS / "python", "-m", "pip", "install", "--quiet", wheel, cwd=folder)
    return folder / "venv" / SCRIPTS / "dapiscope"


def test_the_source_archive_is_whole_and_holds_nothing_built(built):
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        names = {name.split("/", 1)[1] for name in file.getnames() if "/" in name}
    assert {"LICENSE", "README.md", "models/fast.onnx", "app/__main__.py", "tests/conftest.py"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith((".venv", "build/", "dist/"))]


def test_the_installed_program_says_its_version_and_finds_what_it_needs(installed, tmp_path):
    assert re.fullmatch(r"dapiscope \d+\.\d+\.\d+\S*\n", call(installed, "--version", cwd=tmp_path))
    told = call(installed, "doctor", cwd=tmp_path)
    for line in ("ok   window", "ok   pylon", "ok   models", "ok   provider"):
        assert line in told, told


def test_the_installed_program_counts_an_image(installed, tmp_path):
    call(installed, "snap", "--no-segment", "--out", "snaps", cwd=tmp_path)
    told = call(installed, "segment", "snaps", "--out", "results", cwd=tmp_path)
    assert int(re.search(r"(\d+) nuclei", told)[1]) > 20
    assert list((tmp_path / "results").rglob("*.tif"))
    spoken = "from app.gui.language import CATALOGUES; print(*(path.name for path in CATALOGUES.iterdir()))"
    assert "dapiscope_de.qm" in call(installed.with_name("python"), "-c", spoken, cwd=tmp_path).split()
    place = call(installed.with_name("python"), "-c", "import app; print(app.__file__)", cwd=tmp_path)
    assert not Path(place.strip()).is_relative_to(ROOT), "the checkout was used, not what was installed"
