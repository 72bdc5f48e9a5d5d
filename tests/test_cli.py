"""The command line: what scripts rely on. Real parts where they exist: pylon's emulator, a pseudo-terminal."""

import csv
import inspect
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import app.__main__ as command_line
from app.commands.options import PLACES
from app.doctor import Check
from app.errors import RefusedError
from app.frame import Frame
from app.recording import open_replay
from app.session_report import report_of
from app.settings import Settings

LIVE = ("live", "--headless", "--fps", "8")


@pytest.fixture
def run(monkeypatch, capsys):
    """Call the command line in this process; return (exit code, stdout, stderr)."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["dapiscope", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err

    return call


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """Three images of bright discs, with three, five and no nuclei."""
    folder = tmp_path_factory.mktemp("fields")
    rng = np.random.default_rng(4)
    yy, xx = np.mgrid[:256, :320]
    for name, count in (("a", 3), ("b", 5), ("c", 0)):
        image = rng.normal(20, 2, yy.shape)
        for number in range(count):
            cy, cx = 60 + 120 * (number % 2), 40 + 58 * number
            image += 120 / (1 + np.exp(np.hypot(yy - cy, xx - cx) - 11))
        tifffile.imwrite(folder / f"{name}.tif", image.clip(0, 255).astype(np.uint8))
    return folder


def test_a_live_run_gives_the_account_that_scripts_read(run, tmp_path):
    code, out, _ = run(*LIVE, "--seconds", "2", "--json", tmp_path / "run.json")
    account = json.loads((tmp_path / "run.json").read_text())
    assert code == 0
    assert set(account["frames"]) >= {
        "grabbed", "lost_camera", "displayed", "skipped_display", "segmented", "skipped_segment", "recorded",
    }  # fmt: skip
    assert set(account["fps"]) == {"camera", "display", "segment"}
    assert set(account["latency_ms"]) == {"p50", "p95"}
    assert account["light"] == {"confirmed_off": True}
    assert account["model"]["name"] == "fast"
    assert len(account["model"]["sha256"]) == 64
    assert account["frames"]["grabbed"] >= 8
    assert account["frames"]["segmented"] >= 1
    assert account["frames"]["lost_camera"] == 0
    assert account["truth"] > 10
    assert abs(account["count"]["last"] - account["truth"]) <= 0.1 * account["truth"]
    assert "nuclei" in out


def test_recording_and_replay_give_equal_counts(run, tmp_path):
    code, _, _ = run(*LIVE, "--seconds", "1.5", "--out", tmp_path / "live", "--json", tmp_path / "live.json")
    live = json.loads((tmp_path / "live.json").read_text())
    assert code == 0
    assert live["frames"]["recorded"] == live["frames"]["grabbed"]
    with open_replay(Path(live["recording"])) as replay:
        assert json.loads(replay.info.meta["nuclei"]) == {"table": "counts.csv"}
    code, _, _ = run(
        "replay", live["recording"], "--headless", "--out", tmp_path / "again", "--json", tmp_path / "r.json"
    )
    assert code == 0
    seen, again = (
        {(row["frame"], row["unix_time_s"]): row["count"] for row in rows(tmp_path / folder / "counts.csv")}
        for folder in ("live", "again")
    )
    assert seen
    assert {frame: again[frame] for frame in seen} == seen
    assert len(report_of(tmp_path / "live").counts) == len(seen)
    assert len(again) == live["frames"]["recorded"] - live["frames"]["not_counted"]


def test_a_snapshot_leaves_its_files_and_never_overwrites(run, tmp_path):
    config = tmp_path / "small.toml"
    config.write_text("[camera]\nroi = [1280, 720, 960, 640]\n")
    for _ in range(2):
        code, _, _ = run("--config", config, "snap", "--out", tmp_path, "--sample", "slide 7", "--operator", "Ada")
        assert code == 0
    names = sorted(path.name for path in tmp_path.iterdir() if path != config)
    assert len(names) == 8
    assert "snapshot.ome.tif" in names
    assert "snapshot-2.ome.tif" in names
    with tifffile.TiffFile(tmp_path / "snapshot.ome.tif") as tif:
        assert tif.pages[0].dtype == np.uint16
        assert "slide 7" in tif.ome_metadata
        assert "Ada" in tif.ome_metadata


def test_a_folder_plays_through_the_real_camera_path_one_result_a_file(run, fields, tmp_path):
    code, _, _ = run(
        "live", "--headless", "--camera", "pylon", "--camera-images", fields, "--pixel-size-um", "auto",
        "--out", tmp_path / "out", "--json", tmp_path / "run.json",
    )  # fmt: skip
    account = json.loads((tmp_path / "run.json").read_text())
    assert code == 0, account["error"]
    counts = {row["image"]: int(row["count"]) for row in rows(tmp_path / "out" / "counts.csv")}
    assert counts == {"a.tif": 3, "b.tif": 5, "c.tif": 0}
    assert account["frames"]["grabbed"] == account["frames"]["segmented"] == 3
    assert account["truth"] is None
    for stem in "abc":
        assert (tmp_path / "out" / f"{stem}_overlay.png").stat().st_size > 0
        assert tifffile.imread(tmp_path / "out" / f"{stem}_labels.tif").shape == (256, 320)


def test_the_configuration_holds_until_an_option_is_typed(run, tmp_path):
    config = tmp_path / "microscope.toml"
    config.write_text(
        """
        [[channels]]
        name = "385"
        wavelength_nm = 385
        line = 1
        color = "#8c6bff"
        counts_nuclei = true
        [light]
        intensity = 0.5
        [camera]
        roi = [1280, 720, 960, 640]
        """
    )
    for typed, level in (((), 0.5), (("--intensity", "0.125"), 0.125)):
        folder = tmp_path / str(level)
        assert run("--config", config, "snap", "--out", folder, *typed)[0] == 0
        with open_replay(folder / "snapshot.ome.tif") as replay:
            light = replay.frame(0).light
        assert (light.channel, light.intensity) == ("385", pytest.approx(level, abs=0.01))


def test_the_defaults_of_the_options_are_those_of_the_settings():
    settings = Settings().model_dump()
    for command in command_line.cli.registered_commands:
        if command.callback.__name__ not in ("live", "snap"):
            continue
        defaults = {name: each.default for name, each in inspect.signature(command.callback).parameters.items()}
        mode = "snap" if command.callback.__name__ == "snap" else "camera"
        places = {**PLACES, "pixel_format": (mode, "pixel_format")}
        for name, (*sections, key) in places.items():
            if name in defaults:
                section = settings
                for part in sections:
                    section = section[part]
                assert defaults[name] == section[key], name


def test_segment_reports_bad_files_and_goes_on(run, fields, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (tmp_path / "empty.tif").write_bytes(b"")
    whole = (fields / "a.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    bad = [tmp_path / name for name in ("text.png", "empty.tif", "cut.tif", "none.tif")]
    code, out, err = run("segment", fields, *bad, "--out", tmp_path / "out", "--pixel-size-um", "0.6")
    assert code == 1
    assert "3 images, 8 nuclei" in out
    assert "Traceback" not in err
    for path in bad:
        assert path.name in err
    assert {row["image"]: row["count"] for row in rows(tmp_path / "out" / "counts.csv")} == {
        "a.tif": "3",
        "b.tif": "5",
        "c.tif": "0",
    }


def test_names_are_printed_as_they_are_and_on_one_line(run, tmp_path):
    bad = tmp_path / "in [bold] :smile: [" / "red].png"
    bad.parent.mkdir()
    bad.write_text("no image")
    out_dir = tmp_path / "out [" / f"] {'long ' * 20}folder"
    code, out, err = run("segment", bad.parent, "--out", out_dir, "--model", "fast")
    assert (code, err) == (1, f"{bad} is no PNG, JPEG or TIFF image: choose another file.\n")
    assert out == f"0 images, 0 nuclei, 1 files could not be used; results in {out_dir}\n"


def test_segment_then_evaluate_against_its_own_labels_is_perfect(run, fields, tmp_path):
    assert run("segment", fields, "--out", tmp_path / "found", "--pixel-size-um", "0.6")[0] == 0
    truth = tmp_path / "truth"
    truth.mkdir()
    for stem in "ab":
        (truth / f"{stem}.tif").write_bytes((tmp_path / "found" / f"{stem}_labels.tif").read_bytes())
    code, out, _ = run("evaluate", tmp_path / "found", "--labels", truth, "--json", tmp_path / "scores.json")
    assert code == 0
    assert "F1 at IoU 0.5                1.000" in out
    assert json.loads((tmp_path / "scores.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("live", "--headless", "--channel", "700"), 2),
        (("live", "--headless", "--intensity", "2"), 2),
        (("live", "--headless", "--exposure-ms", "-1"), 2),
        (("live", "--headless", "--pixel-format", "Mono9"), 2),
        (("live", "--headless", "--pixel-size-um", "large"), 2),
        (("live", "--headless", "--camera", "webcam"), 2),
        (("live", "--headless", "--no-such-option"), 2),
        (("live", "--headless", "--camera", "pylon:00000000"), 1),
        (("live", "--headless", "--light", "/no/such/port"), 1),
        (("live", "--headless", "--model", "nonesuch"), 1),
        (("live", "--model", "nonesuch"), 1),  # before a window opens
        (("replay", "some.tif", "--model", "nonesuch"), 1),
        (("replay", "/no/such/file.tif", "--headless"), 1),
        (("segment", "/no/such/file.tif", "--out", "unused"), 1),
        (("snap",), 2),
        (("nonsense",), 2),
    ],
)
def test_exit_codes(run, tmp_path, monkeypatch, arguments, code):
    monkeypatch.chdir(tmp_path)
    found, _, err = run(*arguments)
    assert found == code, err
    assert "Traceback" not in err
    assert err.strip()


# What each command needs to be called at all, and what it reads, if anything.
CALLS = {
    "live": ("--headless",),
    "snap": ("--out", "unused"),
    "replay": ("there", "--headless"),
    "recover": ("there",),
    "segment": ("there", "--out", "unused"),
    "evaluate": ("there", "--labels", "there"),
    "devices": (),
    "doctor": (),
    "led-simulator": (),
    "demo": (),
    "plan": ("there", "--out", "unused"),
    "export": ("there", "--out", "unused"),
    "report": ("there",),
}
TAKES = {
    "--channel": ("live", "snap", "plan"),
    "--camera": ("live", "snap", "plan"),
    "--seconds": ("live",),
}
WRONG = {
    "--channel": (("999", "--channel takes one of 405"),),
    "--camera": (("webcam", "There is no camera 'webcam'"),),
    "--seconds": (("nan", "--seconds takes a number of seconds"), ("-1", "not -1"), ("inf", "not inf")),
}


def test_the_table_of_calls_has_every_command():
    assert list(CALLS) == [command.__name__.replace("_", "-") for command in command_line.COMMANDS]
    for command in command_line.COMMANDS:
        takes = inspect.signature(command).parameters
        named = command.__name__.replace("_", "-")
        for option in TAKES:
            assert (named in TAKES[option]) == (option.removeprefix("--") in takes), (command, option)


def failed(run, folder, *arguments, code=2):
    """Return what a command says that cannot begin: one line, with nothing made."""
    before = sorted(folder.iterdir())
    left, out, err = run(*arguments)
    assert (left, out) == (code, ""), err
    assert "Traceback" not in err and len(err.splitlines()) == 1
    assert sorted(folder.iterdir()) == before
    return err


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("command", "option", "value", "said"),
    [(command, option, *wrong) for option in WRONG for command in TAKES[option] for wrong in WRONG[option]],
)
def test_a_wrong_value_is_a_wrong_command(run, here, command, option, value, said):
    assert said in failed(run, here, command, *CALLS[command], option, value)


@pytest.mark.parametrize("command", ["recover", "evaluate", "plan", "export", "report"])
def test_an_input_that_does_not_exist_is_a_bad_file_and_no_wrong_command(run, here, command):
    call = [argument.replace("there", "nothere") for argument in CALLS[command]]
    assert failed(run, here, command, *call, code=1) == "nothere does not exist: check the path.\n"


@pytest.mark.parametrize("command", CALLS)
def test_what_stands_before_a_command_is_never_swallowed(run, here, command):
    (here / "bad.toml").write_text("[camera\n")
    (here / "unknown.toml").write_text("nonesuch = 1\n")
    (here / "webcam.toml").write_text('camera_id = "webcam"\n')
    for config, said in (("nothere", "cannot be read"), ("bad", "TOML"), ("unknown", "nonesuch"), ("webcam", "webcam")):
        assert said in failed(run, here, "--config", f"{config}.toml", command, *CALLS[command])
    for option, value in (("--camera", "webcam"), ("--camera", "pylon"), ("--light", "sim")):
        said = failed(run, here, option, value, command, *CALLS[command])
        assert said.startswith(f"{option} before a command means nothing") and command in said


def test_the_guardian_of_a_light_starts_whatever_the_configuration_is(run, monkeypatch):
    started = []
    monkeypatch.setattr("app.hardware.guardian.main", started.append)
    assert run("--config", "nothere.toml", "light-guardian", "mightex", "port", "id")[0] == 0
    assert started == [["mightex", "port", "id"]]


def test_the_check_names_the_folder_that_is_not_there(run, here, monkeypatch):
    monkeypatch.setattr("app.doctor._provider", lambda: Check("provider", "ok", "not measured here."))
    code, out, err = run("doctor", "--out", here / "nope" / "x")
    assert (code, err) == (1, "")
    said = f"{here / 'nope' / 'x'} does not exist; name another folder with --out."
    assert out.splitlines()[-1] == f"bad  disk      {said}"


def test_a_port_that_is_taken_is_called_a_port(run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = run("led-simulator", "--tcp", port)
    assert (code, err) == (1, f"The port {port} is in use by another program: choose another port with --tcp.\n")


def test_a_slow_disk_is_refused_with_exit_code_3(run, tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise RefusedError("The disk takes 20 MB/s, and this needs 373.", "disk")

    monkeypatch.setattr("app.desks.check_disk", refuse)
    code, _, err = run(*LIVE, "--seconds", "2", "--out", tmp_path / "run", "--json", tmp_path / "run.json")
    account = json.loads((tmp_path / "run.json").read_text())
    assert (code, account["refused"]) == (3, "disk")
    assert account["light"]["confirmed_off"]
    assert account["frames"]["grabbed"] == 0
    assert "373" in err


def test_doctor_and_devices_speak_in_lines(run):
    code, out, _ = run("doctor")
    names = [line.split()[1] for line in out.splitlines() if line and not line.startswith("     $ ")]
    assert names == ["window", "pylon", "camera", "usb", "ports", "models", "provider", "disk"]
    assert code == (1 if any(line.startswith("bad") for line in out.splitlines()) else 0)
    code, out, _ = run("devices")
    assert code == 0
    assert "--camera sim" in out


def test_the_window_needs_a_display_and_says_so(run, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    if sys.platform in ("win32", "darwin"):
        pytest.skip("there is always a display here")
    code, _, err = run("live")
    assert code == 1
    assert "--headless" in err


def test_no_window_opens_on_a_replay_that_is_not_there(run, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("app.commands.imaging.show_window", lambda *_, **more: opened.append(more["replay"]) or 0)
    code, _, err = run("replay", tmp_path / "no.ome.tif")
    assert (code, opened) == (1, []) and "no.ome.tif does not exist" in err
    assert run("replay", tmp_path)[0] == 0 and opened == [tmp_path]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a display that is not there is X11's")
def test_a_display_that_cannot_be_used_is_told_in_one_sentence():
    environment = {**os.environ, "QT_QPA_PLATFORM": "xcb", "DISPLAY": ":4711"}
    environment.pop("WAYLAND_DISPLAY", None)
    root = Path(__file__).parent.parent
    for arguments in (["--camera", "sim"], ["live", "--seconds", "1"]):
        command = [sys.executable, "-m", "app", *arguments]
        done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=50)
        assert done.returncode == 1, "and no crash"
        assert "--headless" in done.stderr and "apt-get install" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_missing_file_in_a_folder_recording_is_named(run, tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "1.png").write_text("garbage")
    code, _, err = run("replay", tmp_path / "frames", "--headless")
    assert code == 1
    assert "1.png" in err


def test_recordings_keep_the_confirmed_light(run, tmp_path):
    assert run(*LIVE, "--seconds", "1", "--channel", "488", "--out", tmp_path)[0] == 0
    with open_replay(tmp_path / "recording.ome.tif") as replay:
        frames = list(replay.frames())
    confirmed = [frame for frame in frames if frame.light.confirmed]
    assert confirmed
    assert {frame.light.channel for frame in confirmed} == {"488"}
    assert all(isinstance(frame, Frame) for frame in frames)
    assert Path(tmp_path / "counts.csv").exists()
    assert rows(tmp_path / "counts.csv") == []


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_names_that_the_terminal_has_no_letters_for_are_told(tmp_path, encoding):
    """As on Windows behind a pipe; and one that is no text at all."""
    folder = os.fsencode(tmp_path) + (b"/\xff" if encoding == "utf-8" else "/核".encode())
    command = [sys.executable, "-m", "app", "segment", "nothing.tif", "--out", os.fsdecode(folder), "--model", "fast"]
    root = Path(command_line.__file__).parents[1]
    environment = os.environ | {"PYTHONIOENCODING": f"{encoding}:strict"}
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, timeout=50)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert done.stdout.rstrip().endswith(b"/\\udcff" if encoding == "utf-8" else b"/\\u6838")


def test_an_image_whose_name_is_no_text_is_counted_in_a_replay(run, fields, tmp_path):
    (tmp_path / "in").mkdir()
    named = Path(os.fsdecode(os.fsencode(tmp_path / "in") + b"/x\xff.tif"))
    try:
        named.write_bytes((fields / "a.tif").read_bytes())
    except OSError:
        pytest.skip("this file system has no such names")
    code, _, said = run("replay", tmp_path / "in", "--headless", "--model", "fast", "--out", tmp_path / "out")
    assert (code, [(row["image"], row["count"]) for row in rows(tmp_path / "out" / "counts.csv")]) == (
        0,
        [("x\\udcff.tif", "3")],
    ), said
