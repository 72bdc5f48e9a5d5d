"""Files under their own names are whole: what a full disk cuts off is not there."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gui_fake_session import make_frame, make_result

from app.errors import RecordingError
from app.headless import RunLog, save_overlay
from app.plan import make_plan, save_plan
from app.recording import files
from app.settings import Settings


@pytest.fixture
def full_disk():
    """Every file ends after 8 kB, as on a disk that is full by then."""
    resource = pytest.importorskip("resource")
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


def noisy():
    """Return a result whose picture cannot be made small."""
    found = make_result(make_frame(name="a.png"))
    pixels = np.random.default_rng(1).integers(0, 255, found.frame.shape, np.uint8)
    object.__setattr__(found.frame, "pixels", pixels)
    return found


@pytest.mark.parametrize("name", ["plan.yaml", "plan.json"])
def test_a_plan_that_the_disk_cuts_off_is_no_plan(tmp_path, full_disk, name):
    plan = make_plan({"channels": ["405"], "metadata": {"note": "x" * 20_000}}, Settings())
    with pytest.raises(RecordingError, match="full"):
        save_plan(plan, tmp_path / name)
    assert not list(tmp_path.iterdir())
    small = make_plan({"channels": ["405"]}, Settings())
    assert save_plan(small, tmp_path / name) == tmp_path / name


def test_an_overlay_that_the_disk_cuts_off_is_not_there(tmp_path, full_disk):
    with pytest.raises(RecordingError, match="full"):
        save_overlay(tmp_path / "a_overlay.png", noisy())
    assert not list(tmp_path.iterdir())


def test_a_table_that_the_disk_cuts_off_is_told_as_a_full_disk(tmp_path, full_disk):
    run = RunLog(Listening(), tmp_path, draw=False)
    found = make_result(make_frame())
    with pytest.raises(RecordingError, match="full"):
        for _ in range(2000):
            run._take(found, 1.0)
    run.close()


class Listening:
    """As much of a session as the account of a run needs."""

    def subscribe(self, listener):
        return lambda: None


def test_two_runs_into_one_folder_overwrite_nothing(tmp_path, monkeypatch):
    """Another comes to the same names between the look for a free one and its use."""
    really, wished = files.free_path, []

    def late(folder, name):
        path = really(folder, name)
        if name not in wished:
            wished.append(name)
            path.write_text("of another run")
        return path

    monkeypatch.setattr(files, "free_path", late)
    run = RunLog(Listening(), tmp_path, draw=False)
    run._take(noisy(), 1.0)
    run.close()
    assert run.notes["nuclei"] == {"table": "counts-2.csv"} and len(wished) == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        name for stem, end in (("counts", "csv"), ("a_labels", "tif"), ("a_overlay", "png"))
        for name in (f"{stem}.{end}", f"{stem}-2.{end}")
    }  # fmt: skip
    assert all((tmp_path / name).read_text() == "of another run" for name in wished)


def test_two_programs_that_write_the_same_name_both_keep_their_file(tmp_path):
    code = (
        "import sys; from pathlib import Path; from app.recording.files import write_new\n"
        "for _ in range(60): write_new(Path(sys.argv[1]), 'a.txt', lambda path: path.write_text(sys.argv[2] * 100_000))"
    )
    root = Path(files.__file__).parents[2]
    both = [subprocess.Popen([sys.executable, "-c", code, tmp_path, letter], cwd=root) for letter in "xy"]
    assert [program.wait(60) for program in both] == [0, 0]
    texts = sorted(path.read_text() for path in tmp_path.iterdir())
    assert texts == ["x" * 100_000] * 60 + ["y" * 100_000] * 60
