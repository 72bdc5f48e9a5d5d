"""Leaving: never with the light on, never with the window frozen."""

import logging
import threading
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.events import Notice, RecordingFinishing
from app.gui.text import number, tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

log = logging.getLogger(__name__)


class Closing(QObject):
    """Closes the session on a thread of its own and then lets the window go.

    Signals
    -------
    dark : bool
        The session is closed; True when the box confirmed that every light is off.
    """

    dark = Signal(bool)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.w = window
        self.under_way = self.done = False
        self.exit_code = 0
        self.unattended = self._waits = False
        self._problems: list[str] = []
        self._thread: threading.Thread | None = None
        self.dark.connect(self._closed)

    def begin(self, *, unattended: bool = False) -> None:
        """Begin to close; `unattended` leaves even if the light's darkness was not confirmed (with exit code 1)."""
        self.unattended = self.unattended or unattended
        if self.under_way:
            if unattended and self._waits:
                self.leave()
            return
        self.under_way = True
        self.w.remember()
        self.w.toasts.clear()  # nothing shines through what is said now
        self.w.veil.say(tr("Switching the lights off…"))
        self._thread = threading.Thread(target=self._close_session, name="app-closing", daemon=True)
        self._thread.start()

    def take(self, notice: Notice) -> None:
        """Keep what went wrong meanwhile: it is said before the window goes."""
        if notice.level == "error" and notice.text not in self._problems:
            self._problems.append(notice.text)

    def show_finishing(self, event: RecordingFinishing) -> None:
        """Say what is waited for: a slow disk has frames to take."""
        if self.under_way and not self.done and not self.w.veil.button.isVisible():
            done = f"{number(event.written)} {tr('of')} {number(event.total)} {tr('frames')}"
            self.w.veil.say(f"{tr('Finishing the recording: the disk has taken')} {done}.")

    def _close_session(self) -> None:
        try:
            confirmed = bool(self.w.session.close())
        except Exception:
            log.exception("while closing the session")
            confirmed = False
        self.dark.emit(confirmed)

    def _closed(self, confirmed: bool) -> None:
        self.exit_code = 0 if confirmed else 1
        if self.unattended or (confirmed and not self._problems):
            self.leave()
            return
        self._waits = True  # until somebody has read it, or nobody is there to
        if confirmed:
            self.w.veil.say("\n\n".join([tr("The lights are off."), *self._problems]), tr("Leave"), self.leave)
            return
        self.w.veil.say(
            tr("The light did not confirm that it is off. Switch the light box off by hand, then leave."),
            tr("I switched it off: leave"),
            self.leave,
        )

    def leave(self) -> None:
        """Let the window go."""
        if self.done:
            return
        self.done = True
        if self._thread is not None:
            self._thread.join(5.0)
        self.w.bridge.close()
        self.w.layers.close()
        self.w.close()
        self.w.left.emit(self.exit_code)
