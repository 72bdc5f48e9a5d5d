"""Where a session stands: nothing shines after its end or by an older wish; and how long an end waits."""

from concurrent.futures import Future

import pytest

from app.clock import ManualClock
from app.errors import LightHeldError
from app.events import Event, RecordingFinishing, State, StateChanged
from app.lifecycle import Lifecycle
from app.patience import DEVICE_S, DISK_S, Patience
from app.recording import Finishing


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def released() -> list[str]:
    return []


@pytest.fixture
def lifecycle(told: list[Event], released: list[str]) -> Lifecycle:
    return Lifecycle(told.append, lambda: released.append("light"))


def test_begin_lets_the_light_go_and_tells_a_change_once(
    lifecycle: Lifecycle, told: list[Event], released: list[str]
) -> None:
    lifecycle.begin(State.LIVE)
    lifecycle.begin(State.LIVE)
    assert told == [StateChanged(State.LIVE)]
    assert released == ["light", "light"]


def test_a_wish_from_before_a_failure_does_not_shine(lifecycle: Lifecycle, released: list[str]) -> None:
    wish = lifecycle.asked(lambda: lifecycle.begin(State.LIVE))
    assert lifecycle.end(State.FAILED, lambda: None)
    with pytest.raises(LightHeldError, match="ask again"):
        wish()
    assert not released
    lifecycle.asked(lambda: lifecycle.begin(State.LIVE))()  # asked for again, knowing of it
    assert lifecycle.state is State.LIVE
    assert released


def test_nothing_begins_once_closed(lifecycle: Lifecycle, released: list[str]) -> None:
    assert lifecycle.end(State.CLOSED, lambda: None)
    with pytest.raises(LightHeldError, match="start it again"):
        lifecycle.asked(lambda: lifecycle.begin(State.LIVE))()
    lifecycle.move(State.IDLE)
    assert lifecycle.state is State.CLOSED
    assert not released


def test_a_step_that_was_under_way_does_not_hide_a_failure(lifecycle: Lifecycle, told: list[Event]) -> None:
    lifecycle.begin(State.LIVE)
    lifecycle.end(State.FAILED, lambda: None)
    lifecycle.move(State.IDLE)
    assert lifecycle.state is State.FAILED
    assert told == [StateChanged(State.LIVE)]


def test_an_end_is_made_once_and_a_failure_after_the_close_is_none(lifecycle: Lifecycle) -> None:
    made: list[str] = []
    assert lifecycle.end(State.FAILED, lambda: made.append("failed"))
    assert not lifecycle.end(State.FAILED, lambda: made.append("again"))
    assert lifecycle.end(State.CLOSED, lambda: made.append("closed"))
    assert not lifecycle.end(State.FAILED, lambda: made.append("late"))
    assert made == ["failed", "closed"]
    assert lifecycle.failures == 1


def test_nothing_begins_between_an_end_and_what_it_does_at_once(lifecycle: Lifecycle) -> None:
    seen: list[State] = []
    lifecycle.end(State.FAILED, lambda: seen.append(lifecycle.state))
    assert seen == [State.FAILED]


class Waiting:
    """A `Patience` whose clock goes on by a second at every look, and a file that grows for so many of them."""

    def __init__(self, told: list[Event], grows: int | None) -> None:
        self.looks = 0
        self.clock = ManualClock()
        self.grows = grows
        self.patience = Patience(self.finishing, told.append, self.clock)

    def finishing(self) -> Finishing | None:
        self.looks += 1
        self.clock.sleep(1.0)
        return None if self.grows is None else Finishing(min(self.looks, self.grows), 0, 1000)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.patience.LOOK_S", 0.0)


def test_work_that_is_done_is_not_waited_for(told: list[Event]) -> None:
    work: Future[None] = Future()
    work.set_result(None)
    waiting = Waiting(told, None)
    assert waiting.patience.outlast(work)
    assert waiting.looks == 1


def test_a_device_that_hangs_is_given_up(told: list[Event]) -> None:
    waiting = Waiting(told, None)
    assert not waiting.patience.outlast(Future())
    assert DEVICE_S <= waiting.looks <= DEVICE_S + 3
    assert not told


def test_a_file_that_grows_is_waited_for_far_longer_and_told_of(told: list[Event]) -> None:
    waiting = Waiting(told, grows=500)
    assert not waiting.patience.outlast(Future())
    assert 500 + DISK_S <= waiting.looks <= 500 + DISK_S + 3  # a disk that does not go on ends it, not its slowness
    assert told[-1] == RecordingFinishing(500, 1000)
    assert len(told) == 499
