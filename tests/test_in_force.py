"""The settings in force: sections from many threads, bad values, and the pixel size with files and binning."""

import sys
import threading
from collections.abc import Iterator

import pytest

from app.errors import UsageError
from app.in_force import InForce
from app.settings import Settings


def in_force(pixel_size_um: float | str | None = 0.2) -> InForce:
    settings = Settings()
    segmentation = settings.segmentation.model_copy(update={"pixel_size_um": pixel_size_um})
    return InForce(settings.model_copy(update={"segmentation": segmentation}))


def binned(force: InForce, factor: int) -> str | None:
    return force.take_camera(force.settings.camera.model_copy(update={"binning": factor}))


def test_a_value_that_cannot_be_is_refused_in_a_sentence_and_changes_nothing() -> None:
    force = in_force()
    before = force.settings
    with pytest.raises(UsageError, match=r"^The exposure ms -1 cannot be used: .+\.$"):
        force.update("camera", exposure_ms=-1)
    assert force.settings is before


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("hasty_threads")
def test_what_two_threads_change_is_all_kept() -> None:
    force = in_force()
    start = threading.Barrier(3)

    def change(section: str, name: str) -> None:
        start.wait()
        for n in range(1, 200):
            force.update(section, **{name: n / 10})

    changes = [("camera", "exposure_ms"), ("camera", "gain_db"), ("light", "settle_ms")]
    threads = [threading.Thread(target=change, args=change_) for change_ in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [getattr(getattr(force.settings, section), name) for section, name in changes] == [19.9] * 3


def test_a_files_pixel_size_goes_with_the_file() -> None:
    force = in_force(0.2)
    force.enter_file(0.2)
    force.update("segmentation", pixel_size_um=0.65)
    force.leave_file()
    assert force.settings.segmentation.pixel_size_um == 0.2
    force.update("segmentation", pixel_size_um=0.3)
    force.leave_file()  # there is none any more
    assert force.settings.segmentation.pixel_size_um == 0.3


def test_a_given_pixel_size_follows_the_binning() -> None:
    force = in_force(0.2)
    assert binned(force, 1) is None
    told = binned(force, 2)
    assert told is not None and "0.4 µm" in told and "0.2 µm before" in told
    assert force.settings.segmentation.pixel_size_um == pytest.approx(0.4)


@pytest.mark.parametrize("unknown", [None, "auto"])
def test_a_pixel_size_that_nobody_gave_is_left_alone(unknown: str | None) -> None:
    force = in_force(unknown)
    assert binned(force, 2) is None
    assert force.settings.segmentation.pixel_size_um == unknown


def test_binning_changed_during_a_file_meets_the_cameras_size_not_the_files() -> None:
    force = in_force(0.2)
    force.enter_file(0.2)
    force.update("segmentation", pixel_size_um=0.65)
    binned(force, 2)
    assert force.settings.segmentation.pixel_size_um == 0.65
    force.leave_file()
    assert force.settings.segmentation.pixel_size_um == pytest.approx(0.4)
