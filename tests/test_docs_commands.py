"""Every command that the documents name is run, on simulators and small files; what cannot be is listed with why."""

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PySide6.QtCore import QSettings, QTimer
from PySide6.QtWidgets import QApplication
from test_recording import make_frame, record, unfinished

import app.__main__ as command_line
from app.gui import application, store
from app.hardware.led_box import LedBox
from app.hardware.serial_simulator import serve_pty
from app.settings import settings_from

ROOT = Path(__file__).parents[1]
PAGES = sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "models/README.md", *PAGES)
PROGRAMS = r"dapiscope|make|pipx?|python|pytest|sudo|dask|\.venv\\\S+|DAPISCOPE_\w+=\S+|QT_\w+=\S+"

# --- what is written -----------------------------------------------------------------------------------------------

BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(rf"`((?:{PROGRAMS})(?: [^`\n]*)?)`")


def blocks(document: str) -> list[tuple[str, str]]:
    """Return (language, text) of the fenced blocks of a document."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(match[2], match[3]) for match in BLOCK.finditer(text)]


def commands(document: str) -> list[str]:
    """Return what a document tells its reader to type: lines of shell blocks, and programs named in the text."""
    found = []
    for language, text in blocks(document):
        for line in text.splitlines():
            line = re.sub(r"\s{2,}# .*$", "", line).strip()
            # A block without a language may be a drawing: only lines that begin with a program are commands there.
            typed = language in ("sh", "bash", "console") or (not language and re.match(rf"({PROGRAMS})\s", line))
            if line and typed:
                found.append(line)
    prose = BLOCK.sub("", (ROOT / document).read_text(encoding="utf-8"))
    return [*found, *(span for span in SPAN.findall(prose))]


COMMANDS = sorted({command for document in DOCUMENTS for command in commands(document)})

# --- what is done with it ------------------------------------------------------------------------------------------

SUBSTITUTES = {
    "--light /dev/ttyACM0": "--light {box}",  # a simulated box behind a real pseudo-terminal
    "--camera pylon --light {box}$": "--camera sim --light {box}",  # the window: the emulator has no folder there
    "--camera pylon ": "--camera pylon --camera-images images ",  # pylon's emulator
    "--camera-images images --camera-images": "--camera-images",
    "--seconds (60|5)": "--seconds 1 --fps 5",  # shorter, and no faster than any disk
    "tcp://head:8786": "{cluster}",
    "recover (FOLDER/copy/recording.ome.tif|FILE|FOLDER|PATH)": "recover unfinished.ome.tif",
    "FOLDER": "images",
    "DIR": "results-of-this",
}
"""What a command of the documents is run with in the place of hardware, hours and names that stand for others."""

WHEEL = "tests/test_packaging_wheel.py"
CI = ".ci/run"
ELSEWHERE = {
    "make run": ("prove: test_make_run_without_a_display", __file__),
    "make test": ("is what runs this", CI),
    "make lint": ("every check runs it", CI),
    "make bundle": ("every check runs it, and tests/test_packaging_bundle.py what it makes", CI),
    "make bundle-test": ("every check runs it", CI),
    "make prove": ("the long proofs, this file among them", "tests/test_light_off.py"),
    "make bench": ("minutes; its parts are run by tests", "tests/test_performance_pace.py"),
    "make soak MINUTES=60": ("an hour", "benchmarks/soak.py"),
    "make translations": ("rewrites the catalogues; what it must find is tested", "tests/test_gui_language.py"),
    "pip install .": ("the wheel is built and installed in an environment of its own", WHEEL),
    "pipx install .": ("pip install in an environment of its own, as there", WHEEL),
    "pip install dapiscope[cluster]": ("an extra of the same wheel", WHEEL),
    "pip install '.[train]'": ("an extra of the same wheel; gigabytes", WHEEL),
    "python -m venv .venv": ("makes an environment, as there", WHEEL),
    r".venv\Scripts\python -m pip install -e .[dev]": ("Windows; make does the same", "Makefile"),
    r".venv\Scripts\dapiscope demo": ("Windows; prove: test_make_run_without_a_display", __file__),
    r".venv\Scripts\python -m pytest": ("is what runs this", CI),
    r".venv\Scripts\dapiscope": ("the program's name on Windows", "pyproject.toml"),
    "pytest -m prove": ("the long proofs, this file among them", "tests/test_light_off.py"),
    "pytest tests/test_light_contract.py -k quadled": ("a test itself", "tests/test_light_contract.py"),
    "python docs/make_first_run.py": ("runs this test four times", "tests/test_gui_new_user.py"),
    "sudo cp packaging/udev/69-basler-camera.rules /etc/udev/rules.d/ && sudo udevadm control --reload": (
        "changes the system", "packaging/udev/69-basler-camera.rules",
    ),
    "sudo usermod -aG dialout $USER": ("changes the system", "app/doctor.py"),
    "dask scheduler --host head --port 8786": ("a cluster on one machine, as there", "tests/test_batch_resume.py"),
    "dask worker tcp://head:8786 --nworkers 16 --nthreads 1": ("as there", "tests/test_batch_resume.py"),
}  # fmt: skip
"""Commands that are not run here: why, and the file that does it, holds it, or is it."""

SLOW = ("--workers", "--scheduler", "python -m benchmarks", "python benchmarks")
"""Commands of which a part is in here are run by `make prove` and by every check of a change, not by `make test`."""

# Exit codes other than 0 that are right here: the doctor's machine may lack what he looks for.
EXITS = {"dapiscope doctor": (0, 1)}


def substituted(command: str, **places: str) -> str:
    """Return the command as it is run."""
    for pattern, text in SUBSTITUTES.items():
        command = re.sub(pattern, text, command)
    return command.format(**places) if "{" in command else command


def runs(command: str) -> bool:
    return command not in ELSEWHERE and command.startswith("dapiscope")


def is_slow(command: str) -> bool:
    return any(part in command for part in SLOW)


FAST = [command for command in COMMANDS if runs(command) and not is_slow(command)]
PROVED = [command for command in COMMANDS if runs(command) and is_slow(command)]
BENCHMARKS = [command for command in COMMANDS if re.match(r"python (-m )?benchmarks", command)]
TRAINING = [command for command in COMMANDS if command.startswith("python -m models.training")]


def test_no_command_is_unknown_here():
    known = {*FAST, *PROVED, *BENCHMARKS, *TRAINING, *ELSEWHERE}
    assert not [command for command in COMMANDS if command not in known], "run it, or say why it cannot be"
    gone = [command for command in ELSEWHERE if command not in COMMANDS]
    assert not gone, "no document names these any more"
    assert not [place for _, place in ELSEWHERE.values() if not (ROOT / place).exists()]
    assert len(FAST) > 15


@pytest.mark.parametrize("target", sorted({c.split()[1] for c in COMMANDS if re.match(r"make \w", c)}))
def test_every_target_that_is_named_is_in_the_makefile(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


# --- running it ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """What the documents take for granted: images, their true labels, a recording, a snapshot, a plan."""
    folder = tmp_path_factory.mktemp("shelf")
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:240, :320]
    labels = np.zeros(y.shape, np.uint16)
    for number, (cy, cx) in enumerate([(50, 60), (60, 200), (150, 120), (180, 260)], 1):
        labels[np.hypot(y - cy, x - cx) < 16] = number
    image = np.clip(rng.normal(20, 2, y.shape) + 120 * (labels > 0), 0, 255).astype(np.uint8)
    for images, truth in (("images", "truth"), ("data/images", "data/labels")):
        for name in (images, truth):
            (folder / name).mkdir(parents=True)
        for stem in ("a", "b"):
            tifffile.imwrite(folder / images / f"{stem}.tif", image)
            tifffile.imwrite(folder / truth / f"{stem}.tif", labels)
    for results in ("results", "out"):
        shutil.copytree(folder / "truth", folder / results)
    (folder / "run1").mkdir()
    record(folder / "run1" / "recording.ome.tif", [make_frame(i, (120, 160)) for i in range(3)])
    (folder / "snaps").mkdir()
    record(folder / "snaps" / "snapshot.ome.tif", [make_frame(0, (120, 160), "Mono12")])
    unfinished(folder, [make_frame(i) for i in range(3)])
    for part in folder.glob("r.ome.tif*"):
        part.rename(part.with_name(part.name.replace("r.ome.tif", "unfinished.ome.tif")))
    (plan,) = [text for language, text in blocks("docs/plans.md") if language == "yaml"]
    assert "{interval: 2, loops: 20}" in plan
    (folder / "plan.yaml").write_text(plan.replace("{interval: 2, loops: 20}", "{interval: 0.1, loops: 2}"), "utf-8")
    return folder


@pytest.fixture
def sandbox(shelf, tmp_path, monkeypatch):
    """A folder of its own with all of it, to run one command in."""
    shutil.copytree(shelf, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    kept = QSettings(str(tmp_path / "window.ini"), QSettings.Format.IniFormat)
    for key, value in {"toured": "1", "folder": str(tmp_path / "saved")}.items():
        kept.setValue(key, value)
    monkeypatch.setattr(store, "usual_store", lambda: kept)
    monkeypatch.setattr(application, "usual_store", lambda: kept)
    return tmp_path / "here"


@contextlib.contextmanager
def closed_when_it_works():
    """Close the window that a command opens, as soon as its camera is there or its picture is on the screen."""
    seen = []

    def look():
        for window in QApplication.topLevelWidgets():
            if window.objectName() == "dapiscope" and window.isVisible() and not window.closing.done:
                if window.presenter.simulated.get("camera") is not None or window.viewer.frame is not None:
                    seen.append(window)
                    window.closing.begin(unattended=True)

    timer = QTimer()
    timer.timeout.connect(look)
    timer.start(100)
    yield seen
    timer.stop()


def run(command: str, monkeypatch) -> int:
    """Run a command line of dapiscope in this process; return its exit code."""
    with contextlib.ExitStack() as stack:
        box = cluster = ""
        if "{box}" in substituted(command, box="{box}", cluster="{cluster}"):
            box = stack.enter_context(serve_pty(LedBox())).path
        if "tcp://head" in command:
            from test_batch_resume import dask_cluster

            cluster, _ = stack.enter_context(dask_cluster(Path.cwd().parent))
        words = shlex.split(substituted(command, box=box, cluster=cluster))
        if len(words) == 2 and words[1] in NAMED_ONLY:
            words.append("--help")
        monkeypatch.setattr(sys, "argv", words)
        return command_line._run()


NAMED_ONLY = ("export", "report", "segment")
"""Named in a sentence without what they take; whether there is such a command is all that can be asked."""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("command", [c for c in FAST if c != "dapiscope led-simulator"])
def test_it_does_what_the_documents_say(qapp, sandbox, monkeypatch, command):
    opens_a_window = command in ("dapiscope", "dapiscope demo") or re.match("dapiscope --camera", command)
    if command == "dapiscope":  # the program's name, and what opens the window: the page of the first start
        assert run("dapiscope --version", monkeypatch) == 0
        return
    before = {path for path in sandbox.rglob("*") if path.is_file()}
    with closed_when_it_works() if opens_a_window else contextlib.nullcontext([1]) as seen:
        code = run(command, monkeypatch)
    assert code in EXITS.get(command, (0,))
    assert seen
    for option in ("--out", "--json"):
        words = shlex.split(substituted(command, box="x"))
        if option in words and "--dry-run" not in words:
            place = sandbox / words[words.index(option) + 1]
            assert {p for p in sandbox.rglob("*") if p.is_file() and (p == place or place in p.parents)} - before


@pytest.mark.skipif(os.name != "posix", reason="needs signals and a pseudo-terminal")
def test_the_simulated_box_is_served_until_it_is_interrupted(tmp_path):
    command = [sys.executable, "-m", "app", "led-simulator"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert Path(server.stdout.readline().strip()).exists()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)
        server.stdout.close()
    assert server.returncode == 0


@pytest.mark.parametrize("command", TRAINING)
def test_a_command_of_the_training_is_understood(command):
    """Hours, and packages of its own: its options are checked here, its work on toy data in tests/test_training.py."""
    import typer

    from models.training.__main__ import cli

    words = shlex.split(command)[3:]
    group = typer.main.get_command(cli)
    sub = group.commands[words[0]]
    if len(words) > 1:
        assert sub.make_context(words[0], words[1:]).params


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_python_of_the_documents_is_python_and_finds_what_it_imports(document):
    for language, text in blocks(document):
        if language == "python":
            text = re.sub(r"^    ", "", text, flags=re.MULTILINE) if text.startswith("    ") else text
            compile(text, document, "exec")
            for module, names in re.findall(r"^from (app\S*) import (.+)$", text, re.MULTILINE):
                for name in names.split(","):
                    assert hasattr(importlib.import_module(module), name.strip()), (module, name)


def test_the_configuration_of_the_documents_is_one():
    (text,) = [text for language, text in blocks("docs/hardware.md") if language == "toml"]
    settings = settings_from(tomllib.loads(text))
    assert [channel.name for channel in settings.channels] == ["405", "525"]


# --- the slow ones -------------------------------------------------------------------------------------------------


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", PROVED)
def test_a_batch_of_many_processes_does_what_the_documents_say(sandbox, monkeypatch, command):
    assert run(command, monkeypatch) == 0
    assert list((sandbox / "results-of-this").rglob("*.tif"))


@pytest.mark.prove
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", BENCHMARKS)
def test_a_benchmark_measures_something(tmp_path, command):
    words = shlex.split(re.sub(r"\s*\[.*\]", "", command))
    shorter = {"--seconds": "2", "--cycles": "1", "--starts": "1", "--rounds": "2"}
    name = words[2] if words[1] == "-m" else words[1]
    help_text = subprocess.run([sys.executable, *words[1:3], "--help"], cwd=ROOT, capture_output=True, text=True).stdout
    if name == "benchmarks":
        words += ["--only", "counting"]
    for option, value in shorter.items():
        if option in words:
            words[words.index(option) + 1] = value
        elif option in help_text:
            words += [option, value]
    words += ["--json", str(tmp_path / "measured.json")]
    done = subprocess.run([sys.executable, *words[1:]], cwd=ROOT, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert json.loads((tmp_path / "measured.json").read_text())


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_make_run_without_a_display(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    copy = tmp_path / "checkout"
    kept = shutil.ignore_patterns(".*", "build", "dist", "site", "dapiscope-demo", "runs", "__pycache__")
    shutil.copytree(ROOT, copy, ignore=kept)
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM", "PYTHONPATH")
    clean = {key: value for key, value in os.environ.items() if key not in hidden}
    done = subprocess.run(["make", "run"], cwd=copy, env=clean, capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "There is no display here" in done.stdout and "confirmed off" in done.stdout
    left = {path.suffix for path in (copy / "dapiscope-demo").iterdir()}
    assert {".png", ".csv", ".tif"} <= left
