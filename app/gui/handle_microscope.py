"""The operator's actions on the microscope: live, snapshots, recording, light, counting, replay."""

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QApplication, QDialog

from app.events import Notice, State
from app.gui.contrast import LONGEST_LIVE_MS, auto_exposure
from app.gui.panels.page import Page
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class MicroscopeActions:
    """Each method is one action of the table; it asks the session and waits for nothing."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self._asked: Future[Any] | None = None
        """The recording that was asked for last; not done while it may still be given up."""
        self._waiting = ""
        """What was said of it while it waited."""

    def toggle_live(self, _on: bool) -> None:
        """Start or stop live; the button shows what the session says, not what was clicked."""
        if self.w.session.state is State.LIVE:
            self.w.session.stop_live()
        else:
            self.w.session.start_live()
        self.w.show_session_state(self.w.session.state)

    def snap(self) -> None:
        """Take one picture."""
        self.w.session.snap(False, self.w.folder)

    def snap_segment(self) -> None:
        """Take one picture and find its nuclei."""
        self.w.session.snap(True, self.w.folder)

    def toggle_record(self, _on: bool) -> None:
        """Start or finish a recording, or give up one that has not begun; the button shows what is really recorded."""
        recording, state = self.w.presenter.recording, self.w.session.state
        self.w.actions_by_id["record"].setChecked(recording)
        if recording:
            self.w.session.stop_recording()
        elif self._asked is not None and not self._asked.done():
            self.w.session.give_up_recording()
            self._asked = None
            self.take_back_waiting()
        else:
            self._asked = self.w.session.start_recording(self.w.folder)
            if state in (State.STARTING, State.SNAPPING) and not self._asked.done():
                self._waiting = tr("The recording begins as soon as this is done; press R again to cancel it.")
                self.w.notify(Notice("info", self._waiting))

    def take_back_waiting(self) -> None:
        """Say no more that a recording waits: it has begun, or was given up, and R means something else now."""
        self.w.toasts.take_back([self._waiting])

    def all_off(self) -> None:
        """Make everything dark, whatever else is open, and cancel what is on its way to shine."""
        self.w.session.all_off()
        if self.w.presenter.starting:
            self.w.presenter.cancel_work()
        looked, checked = self.w.start.cancel_look(), self.w.tools.cancel_checks()
        if not (looked or checked) and self.w.session.state not in (State.PLAN, State.SNAPPING):
            for page in Page.in_sight(self.w.page):  # but one of which this ended something
                page.leave()
        self.w.actions_by_id["help"].setChecked(False)
        self.w.key_map.hide()
        self.w.start.end_tour()
        dialog = QApplication.activeWindow()
        if isinstance(dialog, QDialog):
            dialog.reject()  # as Esc does elsewhere

    def new_field(self) -> None:
        """Count the light dose from zero."""
        self.w.session.new_field()
        self.w.layers.forget()

    def channel_1(self) -> None:
        """First channel."""
        self.w.light.ask_index(0)

    def channel_2(self) -> None:
        """Second channel."""
        self.w.light.ask_index(1)

    def channel_3(self) -> None:
        """Third channel."""
        self.w.light.ask_index(2)

    def channel_4(self) -> None:
        """Fourth channel."""
        self.w.light.ask_index(3)

    def brighter(self) -> None:
        """More light."""
        self.w.light.nudge(5.0)

    def dimmer(self) -> None:
        """Less light."""
        self.w.light.nudge(-5.0)

    def toggle_counting(self, on: bool) -> None:
        """Count, or only look."""
        self.w.actions_by_id["counting"].setChecked(on)
        self.w.segmentation.counting.setChecked(on)
        self.w.session.set_segmenting(on)
        if not on:
            self.w.bridge.composer.show_result(None)

    def auto_exposure(self) -> None:
        """Set exposure and gain by the picture on the screen, at no higher dose.

        The light is never raised. Where the field has had its budget, the exposure is not made longer either: each
        snapshot would cost more.
        """
        composed, limits = self.w.viewer.composed, self.w.camera.limits
        if composed is None or limits is None:
            self.w.notify(Notice("warning", tr("There is no picture yet; start live first.")))
            return
        picture, present = composed.picture, self.w.camera.settings
        spent = picture.frame.light.channel in self.w.presenter.spent
        longest_ms = min(LONGEST_LIVE_MS, present.exposure_ms) if spent else LONGEST_LIVE_MS
        exposure_ms, gain_db = auto_exposure(
            picture.histogram,
            picture.saturated_fraction,
            present.exposure_ms,
            present.gain_db,
            limits,
            longest_ms=longest_ms,
        )
        if spent and gain_db > present.gain_db:
            text = tr("This field has had its light: the gain was raised, not the exposure. Press D at a new field.")
            self.w.notify(Notice("info", text))
        self.w.camera.ask(exposure_ms=exposure_ms, gain_db=gain_db)

    def reset_focus(self) -> None:
        """Forget the sharpest value."""
        self.w.presenter.focus.reset()

    def reconnect(self) -> None:
        """Open everything again after a failure."""
        self.w.banner.hide()
        self.w.session.connect()


class ReplayActions:
    """What a video player can do."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window

    def close(self) -> None:
        """Leave the replay."""
        self.w.session.close_replay()

    def toggle(self) -> None:
        """Play or hold."""
        if self.w.replay_bar.playing:
            self.w.session.replay_pause()
        else:
            self.w.session.replay_play()

    def back(self) -> None:
        """One frame back."""
        self.w.session.replay_step(-1)

    def on(self) -> None:
        """One frame on."""
        self.w.session.replay_step(1)

    def loop(self, on: bool) -> None:
        """Begin again at the end, or not."""
        self.w.actions_by_id["loop"].setChecked(on)
        self.w.replay_bar.loop.setChecked(on)
        self.w.session.replay_loop(on)
