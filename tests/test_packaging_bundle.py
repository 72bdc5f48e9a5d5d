"""The one-folder bundle, run as on a machine without Python: `make bundle-test` builds it and comes here."""

import importlib.util
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from app.hardware.led_box import LedBox
from app.hardware.serial_simulator import serve_pty

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.prove,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.name != "posix", reason="needs an environment that can be emptied, and pseudo-terminals"),
    pytest.mark.skipif(
        "DAPISCOPE_BUNDLE" not in os.environ and importlib.util.find_spec("PyInstaller") is None,
        reason="PyInstaller is not installed here; `make bundle-test` brings its own",
    ),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The bundle of DAPISCOPE_BUNDLE, or one built now."""
    if given := os.environ.get("DAPISCOPE_BUNDLE"):
        return Path(given).resolve()
    build = tmp_path_factory.mktemp("bundle")
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(build / "dist"), "--workpath", str(build / "work")]
    subprocess.run([*command, str(ROOT / "packaging" / "dapiscope.spec")], check=True, cwd=build)
    return build / "dist" / "dapiscope"


@pytest.fixture
def bare(tmp_path) -> dict:
    """A machine without Python: nothing on the path, an empty home, another folder, no variable of ours."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": str(tmp_path / "nothing"), "PYLON_CAMEMU": "1", "TERM": "dumb"}
    return {"env": {**environment, "QT_QPA_PLATFORM": "offscreen", "COLUMNS": "200"}, "cwd": home}


@pytest.fixture
def run(bundle, bare):
    def call(*arguments: object, **more) -> subprocess.CompletedProcess:
        command = [str(bundle / "dapiscope"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, **{**bare, **more})

    return call


def test_it_says_its_version(run):
    done = run("--version")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"dapiscope \d+\.\d+\.\d+\S*\n", done.stdout)


def test_it_finds_pylons_emulated_camera_and_takes_frames_from_it(run):
    assert "--camera pylon:0815-0000" in run("devices").stdout
    done = run("live", "--headless", "--camera", "pylon", "--seconds", "1", "--json", "run.json")
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"frames +(\d+) grabbed", done.stdout)[1]) > 0


def test_it_finds_nothing_where_there_is_nothing(run, bare):
    without = {name: value for name, value in bare["env"].items() if name != "PYLON_CAMEMU"}
    assert "pylon:" not in run("devices", env=without).stdout


def test_the_doctor_finds_models_driver_and_window(run):
    done = run("doctor")
    for line in ("ok   window", "ok   pylon", "ok   models", "ok   provider"):
        assert line in done.stdout, done.stdout + done.stderr
    assert "unknown" not in done.stdout, "versions are part of the bundle"


@pytest.mark.parametrize("workers", [1, 2])
def test_it_counts_an_image(run, bare, workers):
    snap = run("snap", "--no-segment", "--out", "snaps")
    assert snap.returncode == 0, snap.stderr
    done = run("segment", "snaps", "--out", "results", "--workers", workers)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) nuclei", done.stdout)[1]) > 20
    (labels,) = (bare["cwd"] / "results").rglob("*.tif")
    assert np.unique(tifffile.imread(labels)).size > 20


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "lzw.tif", "zstd.tif"])
def test_it_reads_pictures_of_other_programs(run, bare, name):
    y, x = np.mgrid[:200, :200]
    disks = (((y % 40) - 20) ** 2 + ((x % 40) - 20) ** 2 < 100).astype(np.uint8) * 150 + 20
    path = bare["cwd"] / name
    if path.suffix == ".tif":
        tifffile.imwrite(path, disks, compression=path.stem)
    else:
        assert cv2.imwrite(str(path), disks)
    done = run("segment", name, "--out", f"results-{name}", "--pixel-size-um", "0.65")
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) nuclei", done.stdout)[1]) > 10


def test_the_window_opens_and_closes(run):
    done = run("live", "--seconds", "1")
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) shown", done.stdout)[1]) > 0
    assert "Traceback" not in done.stderr


def test_the_light_goes_off_when_the_bundle_is_killed(bundle, bare):
    with serve_pty(LedBox("Spectra III")) as server:
        live = ["live", "--headless", "--camera", "sim", "--light", server.path]
        program = subprocess.Popen([str(bundle / "dapiscope"), *live], **bare, stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: any(server.box.levels_at(math.inf)), program)
        finally:
            os.kill(program.pid, signal.SIGKILL)
            program.wait()
        wait_until(lambda: not any(server.box.levels_at(math.inf)))


def test_licences_and_the_rule_for_the_camera_lie_beside_the_program(bundle):
    assert (bundle / "LICENSE").read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert (bundle / "udev" / "69-basler-camera.rules").is_file()
    told = {folder.name: {file.name for file in folder.iterdir()} for folder in (bundle / "licenses").iterdir()}
    assert {"numpy", "pypylon", "pyside6_essentials", "onnxruntime", "dapiscope"} <= set(told)
    assert all(names for names in told.values())
    assert "LICENSE" in told["pypylon"]


def test_it_brings_the_window_s_languages_and_qts_own_words_in_them(bundle):
    inside = bundle / "_internal"
    ours = {path.stem.removeprefix("dapiscope_") for path in (inside / "app/gui/translations").glob("*.qm")}
    assert "de" in ours
    for language in ours:
        assert list(inside.rglob(f"qtbase_{language}.qm")), language


def test_nothing_under_the_gpl_and_no_second_pylon_lies_in_it(bundle):
    names = [path.name for path in (bundle / "_internal").rglob("*")]
    assert not [name for name in names if name.startswith(("libreadline", "libgtk"))]
    assert not list((bundle / "_internal").glob("libpylon*"))
    assert {"libpylon_TL_usb.so", "libpylon_TL_camemu.so"} <= set(names) or sys.platform != "linux"


def wait_until(check, program: subprocess.Popen | None = None, seconds: float = 60.0) -> None:
    end_s = time.monotonic() + seconds
    while not check():
        assert program is None or program.poll() is None, "the program ended by itself"
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.02)
