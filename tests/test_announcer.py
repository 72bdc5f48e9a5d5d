"""Every event reaches every listener; a mistake is told once, and again when it happens again."""

from app.announcer import Announcer
from app.errors import CameraError, LightStuckError
from app.events import Event, Notice


def announcer() -> tuple[Announcer, list[Event], list[BaseException]]:
    told: list[Event] = []
    failed: list[BaseException] = []
    made = Announcer(failed.append)
    made.subscribe(told.append)
    return made, told, failed


def test_who_unsubscribes_hears_no_more() -> None:
    made, told, _ = announcer()
    also: list[Event] = []
    leave = made.subscribe(also.append)
    made.publish(Notice("info", "one"))
    leave()
    leave()  # idempotent
    made.publish(Notice("info", "two"))
    assert told == [Notice("info", "one"), Notice("info", "two")]
    assert also == [Notice("info", "one")]


def test_a_deaf_listener_is_told_of_and_keeps_nobody_from_hearing() -> None:
    made, _, failed = announcer()
    heard: list[Event] = []
    problem = RuntimeError("deaf")

    def deaf(event: Event) -> None:
        raise problem

    made.subscribe(deaf)
    made.subscribe(heard.append)
    made.publish(Notice("info", "one"))
    assert failed == [problem]
    assert heard == [Notice("info", "one")]


def test_the_same_sentence_is_not_said_twice_in_a_row_of_few() -> None:
    made, told, _ = announcer()
    made.once(Notice("info", "one"))
    made.once(Notice("info", "one"))
    assert told == [Notice("info", "one")]
    for number in range(8):
        made.publish(Notice("info", f"other {number}"))
    made.once(Notice("info", "one"))  # that was long ago
    assert told[-1] == Notice("info", "one")


def test_an_error_is_told_in_its_sentence_and_one_that_is_being_told_elsewhere_is_not() -> None:
    made, told, _ = announcer()
    first, again = LightStuckError("It may be on."), LightStuckError("It may be on.")
    assert made.news(first)
    assert not made.news(first)
    made.tell(first)
    assert not told  # whoever had the news tells it
    assert made.news(again), "what fails again is told again"
    made.tell(CameraError("It is gone."))
    made.tell(CameraError("It is gone."))
    assert told == [Notice("error", "It is gone.")]


def test_an_error_that_nobody_foresaw_is_told_too() -> None:
    made, told, _ = announcer()
    made.tell(ValueError("seven"))
    (notice,) = told
    assert isinstance(notice, Notice)
    assert "ValueError, seven" in notice.text
