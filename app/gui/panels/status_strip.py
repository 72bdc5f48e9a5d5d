"""One line at the bottom: how fast everything runs, what was lost and why, and whether it is being recorded."""

from PySide6.QtWidgets import QFrame, QHBoxLayout, QProgressBar, QSizePolicy

from app.events import RecordingChanged, RecordingFinishing, State, Stats
from app.gui.panels.parts import Shortening, label, set_role, set_text
from app.gui.text import duration, number, percent, tr
from app.gui.theme import THEME

STATE_WORDS = {
    State.IDLE: "Ready",
    State.STARTING: "Starting…",
    State.LIVE: "Live",
    State.SNAPPING: "Taking a picture…",
    State.PLAN: "Acquisition plan",
    State.REPLAYING: "Replay",
    State.STOPPING: "Stopping…",
    State.FAILED: "Stopped by a failure",
    State.CLOSED: "Closed",
}


class StatusStrip(QFrame):
    """Rates, losses, recording."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("strip")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.state = label(tr("Ready"), "title")
        self.rates = _shrinking("muted")
        self.losses = _shrinking("muted")
        self.latency = label("", "muted")
        self.latency.setToolTip(tr("From the end of the exposure to the outlines."))
        self.recording = _shrinking("error")
        self.recording.hide()
        self.queue = QProgressBar()
        self.queue.setRange(0, 100)
        self.queue.setTextVisible(False)
        self.queue.setFixedSize(THEME.px(60), THEME.px(10))
        self.queue.setToolTip(tr("How full the queue to the disk is; a full queue ends the recording with a message."))
        self.queue.setAccessibleName(tr("Queue to the disk"))
        self.queue.hide()
        row = QHBoxLayout(self)
        row.setContentsMargins(THEME.px(12), THEME.px(4), THEME.px(12), THEME.px(4))
        row.setSpacing(THEME.px(16))
        row.addWidget(self.state)
        row.addWidget(self.rates, 100)  # it has what the losses leave
        row.addWidget(self.losses)
        row.addStretch(1)
        row.addWidget(self.latency)
        row.addWidget(self.queue)
        row.addWidget(self.recording)

    def show_state(self, state: State) -> None:
        """Show where the session stands."""
        set_text(self.state, tr(STATE_WORDS[state]))
        set_role(self.state, "error" if state is State.FAILED else "title")
        if state in (State.IDLE, State.FAILED):
            set_text(self.latency, "")

    def show_stats(self, stats: Stats, screen_fps: float) -> None:
        """Show rates and losses by cause; `screen_fps` is what was really painted."""
        camera, counting = number(stats.fps_camera, 1), number(stats.fps_segment, 1)
        whole = f"{tr('camera')} {camera} · {tr('screen')} {number(screen_fps, 1)} · {tr('counting')} {counting} fps"
        brief = f"{tr('camera')} {camera} · {tr('counting')} {counting} fps"
        self.rates.show_wordings(whole, brief, f"{camera} fps", "")
        self.rates.setMaximumWidth(self.rates.sizeHint().width())
        self.rates.setToolTip(f"{tr('Pictures a second: from the camera, on the screen, and counted.')}\n{whole}")
        self._show_losses(stats)
        set_role(self.losses, "error" if stats.lost_camera else "muted")
        self.losses.setToolTip(
            f"{tr('Frames of this run')}: {number(stats.grabbed)}\n"
            f"{tr('Lost by the camera or its cable')}: {number(stats.lost_camera)}\n"
            f"{tr('Skipped by the screen (a newer one came first)')}: {number(stats.skipped_display)}\n"
            f"{tr('Skipped by the counting')}: {number(stats.skipped_segment)}\n"
            f"{tr('Rejected: light not confirmed, or not the channel of the nuclei')}: {number(stats.not_counted)}\n"
            f"{tr('Recorded')}: {number(stats.recorded)}"
        )
        set_text(self.latency, f"{number(stats.latency_ms)} ms" if stats.latency_ms else "")

    def _show_losses(self, stats: Stats) -> None:
        """Show what was lost; where room is scarce, what the screen skipped goes first, then the causes."""
        lost, unseen = f"{tr('lost by camera')} {number(stats.lost_camera)}", number(stats.skipped_display)
        uncounted = [f"{tr('not segmented')} {number(stats.skipped_segment)}"]
        if stats.not_counted:
            uncounted.append(f"{tr('rejected')} {number(stats.not_counted)}")
        causes = " · ".join([lost, *uncounted])
        total = number(stats.skipped_segment + stats.not_counted)
        short = f"{tr('lost')} {number(stats.lost_camera)} · {tr('uncounted')} {total}"
        self.losses.show_wordings(" · ".join([lost, f"{tr('not shown')} {unseen}", *uncounted]), causes, short)

    def show_recording(self, event: RecordingChanged) -> None:
        """Show what goes to the disk, and for how long it can."""
        self.queue.setVisible(event.active)
        self.queue.setValue(round(100 * event.fill))
        if not event.active:
            self._say_recording("")
            return
        brief = text = f"● REC  {number(event.frames)}"
        if event.seconds_left is not None:
            text += f" · {tr('disk for')} {duration(event.seconds_left)}"
        self._say_recording(text, brief)
        set_role(self.recording, "error")
        self.recording.setToolTip(f"{event.path or ''}\n{tr('queue')} {percent(event.fill)}")

    def _say_recording(self, *wordings: str) -> None:
        """Say it as long as there is room for, at least as short as the last of them."""
        self.recording.setVisible(bool(wordings[0]))
        self.recording.show_wordings(*wordings)
        self.recording.setMinimumWidth(self.recording.room_for(wordings[-1]))

    def show_finishing(self, event: RecordingFinishing) -> None:
        """Show how much of a recording that was stopped the disk still has to take."""
        done = f"{number(event.written)} / {number(event.total)}"
        self._say_recording(f"{tr('finishing the recording')}: {done}", done)
        set_role(self.recording, "warning")
        self.recording.setToolTip(tr("The disk is slower than the camera; the frames that wait are written now."))


def _shrinking(role: str) -> Shortening:
    """Return a text that gives way on a narrow window; its tooltip says it all."""
    made = Shortening()
    made.setProperty("role", role)
    return made
