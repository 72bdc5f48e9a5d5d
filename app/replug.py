"""A camera that was unplugged is taken back as soon as it is there again, with the settings it had."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress

from app.events import Notice, State
from app.pipeline import Ticker
from app.workplace import Workplace

log = logging.getLogger(__name__)
LOOK_S = 1.0
"""Between looks for it."""


class Replug:
    """Looks for the camera again and again, on the device worker.

    Parameters
    ----------
    at : Workplace
    submit : callable
        Has a look done on the device worker, of which nobody is told. RuntimeError once the session is closed.
    """

    def __init__(self, at: Workplace, submit: Callable[[Callable[[], None]], "Future[None]"]) -> None:
        self._at, self._submit = at, submit
        self._ticker: Ticker | None = None
        self._looking: Future[None] | None = None

    def begin(self) -> None:
        """Look for the camera from now on; any thread."""
        self._ticker = Ticker("app-replug", self._look_again, LOOK_S, self._at.fail)

    def forget(self) -> None:
        """Look for it no more; idempotent; any thread."""
        ticker, self._ticker = self._ticker, None
        if ticker is not None:
            ticker.stop()

    def _look_again(self) -> None:
        """Ask for the next look once the last one has ended: some cameras take seconds to say that they are gone."""
        if self._looking is None or self._looking.done():
            with suppress(RuntimeError):  # closing
                self._looking = self._submit(self._look)

    def _look(self) -> None:
        life, bench = self._at.life, self._at.bench
        come_back = life.asked(lambda: life.begin(State.IDLE))
        if life.state is State.FAILED:
            try:
                bench.connect(self._at.settings)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go better
                log.info("the camera is not back: %s", error)
                bench.release_camera()
                return
            come_back()
            said = "The camera is back, with its settings; start live imaging to go on."
            self._at.announcer.publish(Notice("info", said))
        self.forget()
