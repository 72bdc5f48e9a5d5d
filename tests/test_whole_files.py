"""Files under their own names are whole: what a full disk cuts off is not there."""

import numpy as np
import pytest
from gui_fake_session import make_frame, make_result

from app.errors import RecordingError
from app.headless import RunLog, save_overlay
from app.plan import make_plan, save_plan
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
    class Session:
        def subscribe(self, listener):
            self.publish = listener
            return lambda: None

    run = RunLog(Session(), tmp_path, draw=False)
    found = make_result(make_frame())
    with pytest.raises(RecordingError, match="full"):
        for _ in range(2000):
            run._take(found, 1.0)
    run.close()
