"""What each event changes on the screen. The fast ones are gathered and shown at a pace that eyes can follow."""

import time
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QTimer

from app.events import (
    CalibrationEnded,
    CalibrationMoved,
    CameraReady,
    DiskMeasured,
    DoseSeen,
    FlatFieldSeen,
    LightReady,
    LightSeen,
    ModelReady,
    Notice,
    PlanEnded,
    PlanMoved,
    RecordingChanged,
    RecordingFinishing,
    ReplayMoved,
    ResultReady,
    ScaleMissing,
    SnapTaken,
    State,
    StateChanged,
    StatsReady,
    Underway,
)
from app.frame import Frame, Segmentation
from app.gui.bridge import FLOWING
from app.gui.composer import Composed, belongs, matches
from app.gui.contrast import brightness, exposure_advice
from app.gui.count_history import Counted
from app.gui.focus import PeakHold
from app.gui.panels.notices import WorkToast
from app.gui.recorded import recorded_rows
from app.gui.side import Compared, ComposedBeside, SideFailed
from app.gui.text import number, percent, tr
from app.gui.theme import THEME
from app.gui.viewer_paint import Badge

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_CHART_PERIOD_S = 0.4
_LONG_MS = 400
"""What is over sooner is not worth a word."""


class Presenter:
    """Keeps the window true to the session; lives on the GUI thread."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.focus = PeakHold()
        self.light, self._light_told = LightSeen(None, 0.0, True), False
        self._of_the_light: list[str] = []
        """What was said of the light since it does not answer."""
        self.simulated: dict[str, bool] = {}
        self.recording = False
        self.replay: ReplayMoved | None = None
        self.snapped: SnapTaken | None = None
        self.advice = ""
        self.painted_fps = 0.0
        self.spent: frozenset[str] = frozenset()
        """Channels whose light on this field is beyond the budget."""
        self._focused = ""
        self._measuring: WorkToast | None = None
        self._underway: dict[str, Underway] = {}
        self._working: WorkToast | None = None
        self._long = QTimer(window)
        self._long.setSingleShot(True)
        self._long.setInterval(_LONG_MS)
        self._long.timeout.connect(self._show_work)
        self._painted = 0
        self._rate_since = time.monotonic()
        self._result: Segmentation | None = None
        self._result_new = self._picture_new = self._greyed = False
        self._charts_at = 0.0
        self._stats = StatsReady(window.session.stats())

    # --- events, in order ------------------------------------------------------------------------------------------

    def take(self, event: object) -> None:
        """Show one event."""
        match event:
            case Composed():
                self._composed(event)
            case Counted():
                self._counted(event)
            case Compared() | ComposedBeside() | SideFailed():
                self.w.compare.take(event)
            case ResultReady():
                self._take_result(event.segmentation)
            case StatsReady():
                self._stats = event
            case StateChanged():
                self._state(event)
            case Notice():
                if event.level == "error" and not self.light.known and "light" in event.text.lower():
                    self._of_the_light.append(event.text)
                self.w.notify(event)
            case LightSeen():
                self._tell_return(event)
                self.light, self._light_told = event, True
                self.w.light.show_seen(event)
                self._tell_standing()
                self.refresh_badges()
            case DoseSeen():
                self.spent = event.spent
                self.w.light.show_dose(event)
                self.w.exports.note_dose(event)
            case LightReady():
                self.simulated["light"] = event.info.simulated
                self.w.exports.note_device("light", event.info.title)
                self.w.light.show_ready(event)
                self.refresh_badges()
            case CameraReady():
                self.simulated["camera"] = event.info.simulated
                self.w.exports.note_device("camera", event.info.title)
                self.w.camera.show_ready(event)
                self.w.tools.go_on(camera_id=event.info.id)
                self.refresh_badges()
            case ModelReady():
                self.w.exports.note_model(event)
                self.w.segmentation.show_ready(event)
                self.w.sections["segmentation"].note.setText(event.name)
            case RecordingChanged():
                self._recording(event)
            case RecordingFinishing():
                if self.recording:  # it may come a moment after the end
                    self.w.strip.show_finishing(event)
                self.w.closing.show_finishing(event)
            case DiskMeasured():
                self._measured(event.done)
            case Underway():
                self._take_work(event)
            case PlanMoved():
                self.w.plans.take_progress(event)
                self.refresh_badges()
            case PlanEnded():
                self.w.plans.take_end(event)
            case FlatFieldSeen() | CalibrationMoved() | CalibrationEnded():
                self.w.calibration.take_event(event)
                self._show_scale()
                self.refresh_badges()
            case ReplayMoved():
                changed = self.replay is None or self.replay.simulated != event.simulated
                self.replay = event
                self.w.replay_bar.show_moved(event)
                if changed:
                    self.refresh_badges()
            case ScaleMissing():
                self.w.calibration.tell_missing(event)
            case SnapTaken():
                self._snap(event)
            case _:
                pass

    def _tell_return(self, seen: LightSeen) -> None:
        """Say that the light is back, in the place of what was said when it had gone."""
        if self.light.known or not seen.known or seen.channel is not None:
            return
        said, self._of_the_light = self._of_the_light, []
        self.w.toasts.take_back(said)
        if said and not self.w.closing.under_way:
            self.w.notify(Notice("info", tr("The light source is back: dark, confirmed by the box.")))

    def _composed(self, composed: Composed) -> None:
        self.w.viewer.show_composed(composed)
        self.w.view.follow_frame(composed.picture.frame)
        self._picture_new = True
        channel = composed.picture.frame.light.channel
        if channel is not None and channel != self._focused:
            self.focus.reset()  # another dye is another structure: its sharpness has another scale
            self._focused = channel
        self.focus.add(composed.sharpness)
        self._tell_standing()

    def _take_result(self, result: Segmentation) -> None:
        self._result, self._result_new = result, True

    def show_corrected(self, result: Segmentation) -> None:
        """Show nuclei that a hand corrected in the place of the model's."""
        self._take_result(result)
        self.w.bridge.composer.show_result(result)

    def _counted(self, counted: Counted) -> None:
        self.w.charts.counted.add(counted.moment_s, counted.count)
        self.w.exports.note_count(counted)
        if counted.replayed:
            self.w.replay_bar.timeline.show_count(counted.index, counted.count)

    def _show_scale(self) -> None:
        """Show the pixel size in force: it may have followed a change of the binning."""
        self.w.segmentation.show_pixel_size(self.w.session.settings.segmentation.pixel_size_um)

    def _state(self, event: StateChanged) -> None:
        w = self.w
        w.strip.show_state(event.state)
        w.show_session_state(event.state)
        w.compare.follow_state(event.state)
        w.plans.take_state(event.state)
        w.calibration.follow_state(event.state)
        self._show_scale()  # a replay's own ends with it
        if event.state is State.REPLAYING:
            w.replay_bar.clear()
            w.exports.note_replay()
            self.forget()
        elif event.state is State.PLAN or (event.state is State.LIVE and self.replay is not None):
            self.replay = None
            self.forget()
        if event.state is State.FAILED:
            w.banner.say(event.reason)
        elif event.state is not State.CLOSED and not w.banner.isHidden():
            w.banner.hide()
            w.toasts.take_back([w.banner.text.text()])  # a camera that is back by itself leads to no start
        w.toasts.follow_state(event.state)
        if event.state is State.STARTING:
            self.focus.reset()
            self._forget_count()
        self._tell_standing()
        self.refresh_badges()

    def _recording(self, event: RecordingChanged) -> None:
        if self.recording and not event.active and event.path is not None:
            text = f"{tr('Recorded')} {number(event.frames)} {tr('frames')}"
            if event.frames:
                self.w.notify_file(Notice("info", f"{text}: {event.path.name}"), event.path)
            else:  # then there is no file
                self.w.notify(Notice("info", text))
        self.recording = event.active
        if event.active:
            self.w.microscope.take_back_waiting()
        record = self.w.actions_by_id["record"]
        record.setChecked(event.active)
        record.setText(tr("Stop recording") if event.active else tr("Record"))
        self.w.strip.show_recording(event)
        self.refresh_badges()

    def _measured(self, done: float | None) -> None:
        """Show how far the measurement of the disk is, and let it be given up."""
        if done is None:
            if self._measuring is not None:
                self.w.toasts.end_work(self._measuring)
            self._measuring = None
            return
        if self._measuring is None:
            self._measuring = self.w.toasts.show_work(
                tr("The disk is measured before the recording begins; it is dark meanwhile.")
            )
            self._measuring.cancelled.connect(lambda: self.w.session.give_up_recording())
        self._measuring.show_progress(done)

    @property
    def starting(self) -> bool:
        """True while camera and light are opened, started, or take a snapshot: Esc cancels that."""
        return "devices" in self._underway

    def _take_work(self, event: Underway) -> None:
        """Show what takes long once it does, and let it be cancelled."""
        self._underway.pop(event.work, None)
        if event.step is not None:
            self._underway[event.work] = event  # the newest is the last, and the one that is shown
        if not self._underway:
            self._long.stop()
            if self._working is not None:
                self.w.toasts.end_work(self._working)
            self._working = None
        elif self._working is not None:
            if self._working.given_up and event.step is None:
                self.w.toasts.end_work(self._working)  # what is left is another work
            self._show_work()
        elif not self._long.isActive():
            self._long.start()

    def _show_work(self) -> None:
        if self.w.closing.under_way or not self._underway:
            return
        *_, newest = self._underway.values()
        if self._working is None or self._working.over:
            self._working = self.w.toasts.show_work("")
            self._working.cancelled.connect(self.cancel_work)
        if newest.step == "left":
            self._working.given_up = False  # something can be done about it
        self._working.show_step(_step_text(newest), newest.done)
        hint = tr("End this; what was taken is kept.  [Esc]") if self.starting else tr("Go on with the model in use.")
        self._working.cancel.setToolTip(hint)
        self._working.cancel.setEnabled(newest.step != "files" and not self._working.cancel_asked)

    def cancel_work(self) -> None:
        """Cancel what takes long, and say what the end of it waits for."""
        self.w.session.cancel()
        work, newest = self._working, next(reversed(self._underway.values()), None)
        if work is None or newest is None:
            return
        exposure_s = self.w.session.settings.camera.exposure_ms / 1000
        exposes = newest.step in ("frames", "picture") and exposure_s >= 1
        work.show_given_up(
            tr("Cancelled; the exposure of {} s has to end first.").format(number(exposure_s, 1))
            if exposes
            else tr("Cancelled; what is under way has to end first.")
        )

    def _snap(self, event: SnapTaken) -> None:
        self.snapped = event
        if event.segmentation is not None:
            self._take_result(event.segmentation)
            found = f"{number(event.segmentation.count)} {tr('nuclei')}: "
        else:
            found = f"{tr('Saved')}: "
        path = event.files.get("image")
        if path is not None:
            self.w.notify_file(Notice("info", found + path.name), path)
        self.refresh_badges()

    def forget(self) -> None:
        """Another source: what was measured before is no part of it."""
        self.w.charts.clear()
        self._forget_count()
        self.focus.reset()
        self.w.layers.forget()

    def _forget_count(self) -> None:
        self._result, self._result_new = None, False
        self.w.counts.clear(tr("Nothing counted yet"))

    # --- at a human pace -------------------------------------------------------------------------------------------

    def count_paint(self) -> None:
        """Note that a picture really reached the screen."""
        self._painted += 1

    def tick(self) -> None:
        """Show what has gathered; about eight times a second."""
        now = time.monotonic()
        if now - self._rate_since >= 1.0:
            self.painted_fps = self._painted / (now - self._rate_since)
            self._painted, self._rate_since = 0, now
        composed = self.w.viewer.composed
        if self._picture_new and composed is not None:
            self._picture_new = False
            self.w.histogram.show_picture(composed.picture)
            self.w.profile.refresh()
            self.w.layers.refresh()
            self._measure(composed)
        if self._result_new and self._result is not None:
            self._result_new = self._greyed = False
            self.w.counts.show_result(self._result, self.w.correct.words(self._result))
            self._show_nuclei(self._result)
        self._tell_standing()
        self.w.strip.show_stats(self._stats.stats, self.painted_fps)
        self.w.plans.tick()
        self._show_camera()
        self.w.correct.follow()
        self.w.focus_panel.show_focus(self.focus)
        self.w.light.show_armed(self.w.session.selected_channel)
        if now - self._charts_at >= _CHART_PERIOD_S:
            self._charts_at = now
            self.w.charts.refresh()
        self.refresh_badges()

    def _show_camera(self) -> None:
        """Show the camera's settings, or what the file says whose picture is on the screen."""
        frame, replay = self.w.viewer.frame, self.replay
        if not self._replayed or frame is None or replay is None:
            self.w.camera.show_recorded(None)
            return
        size = self.w.session.settings.segmentation.pixel_size_um
        self.w.camera.show_recorded(recorded_rows(replay, frame, size if isinstance(size, float) else None))

    def _measure(self, composed: Composed) -> None:
        picture = composed.picture
        moment = picture.frame.moment_s
        self.w.charts.brightness.add(moment, brightness(picture.histogram, picture.frame.white))
        self.w.charts.focus.add(moment, composed.sharpness)
        lit = picture.frame.light.channel is not None or self.w.session.state is State.REPLAYING
        self.advice = exposure_advice(picture.histogram, picture.saturated_fraction) if lit else ""

    def _show_nuclei(self, result: Segmentation) -> None:
        has_um = result.count > 0 and bool(np.isfinite(result.nuclei["area_um2"][0]))
        areas = result.nuclei["area_um2" if has_um else "area_px"]
        self.w.charts.show_nuclei(areas, "µm²" if has_um else "px²", result.nuclei["mean_intensity"])
        self.show_table()

    def show_table(self) -> None:
        """Fill the table, if it can be seen, with the newest nuclei."""
        if self._result is not None and self.w.table.isVisible():
            self.w.table.show_result(self._result)

    def _tell_standing(self) -> None:
        """Grey the number as soon as it is not that of the picture on the screen, and say why."""
        why = self.why_not_counted()
        if why:
            self.w.counts.show_waiting(why)
        elif self._greyed and self._result is not None:
            self.w.counts.show_result(self._result, self.w.correct.words(self._result))
        self._greyed = bool(why)

    def why_not_counted(self) -> str:
        """Return why the number is not the count of the picture on the screen; empty when it is."""
        state, frame, snapped = self.w.session.state, self.w.viewer.frame, self.snapped
        if state is State.STARTING:
            return tr("Waiting for the first picture")
        if state is State.FAILED:
            return tr("Stopped by a failure")
        if frame is None:
            return tr("Nothing counted yet")
        if state not in FLOWING:
            if state is State.SNAPPING or (snapped is not None and snapped.frame is frame):
                if belongs(frame, self._result, flowing=False):
                    return ""
                return tr("Waiting for a count") if state is State.SNAPPING else tr("This picture was not counted.")
            if self._replayed:
                return tr("The replay is closed: this is its last picture.")
            return tr("Stopped: this is the last picture.")
        if why := self._why_frame_not_counted(frame):
            return why
        if self._result is None or not belongs(frame, self._result):
            return tr("Waiting for a count")
        if matches(frame, self._result):
            return ""
        age_s = frame.moment_s - self._result.frame.moment_s
        return tr("Count of a picture {} older: it has no outlines in this one.").format(f"{number(age_s, 1)} s")

    def _why_frame_not_counted(self, frame: Frame) -> str:
        live, light = self.w.session.state is State.LIVE, frame.light
        if not self.w.actions_by_id["counting"].isChecked():
            return tr("Counting is off; press C.")
        if not light.watched:
            return ""
        # The box is ahead of the picture.
        went_dark = self._light_told and self.light.known and self.light.channel is None
        if live and (went_dark or (light.confirmed and light.channel is None)):
            return tr("Not counted: it is dark. Choose a channel, 1–4.")
        if not light.confirmed:
            return f"{tr('Not counted: light not confirmed')} ({light.reason})"
        if light.channel is None:
            return tr("Not counted: it was dark.")
        counting = {channel.name: channel.counts_nuclei for channel in self.w.session.channels}
        return "" if counting.get(light.channel, False) else tr("Not counted: this channel does not show nuclei.")

    # --- badges ----------------------------------------------------------------------------------------------------

    def refresh_badges(self) -> None:
        """Say on the picture what is simulated, what runs, and what shines."""
        p, state = THEME.palette, self.w.session.state
        left: list[Badge] = []
        words = {State.LIVE: tr("LIVE"), State.SNAPPING: tr("SNAPSHOT…"), State.STARTING: tr("STARTING…")}
        if state is State.PLAN:
            paused = self.w.plans.moved is not None and self.w.plans.moved.paused
            left.append(Badge(self.w.plans.badge(), p.warning if paused else p.good, dot=True))
        elif state is State.SNAPPING and self.w.calibration.runs:
            left.append(Badge(tr("TAKING A FLAT FIELD…"), p.good, dot=True))
        elif state in words:
            left.append(Badge(words[state], p.good, dot=True))
        elif state is State.REPLAYING:
            left.append(Badge(tr("REPLAY"), p.text, dot=True))
        elif self._replayed:
            left.append(Badge(tr("REPLAY, CLOSED"), p.text))
        elif self.snapped is not None and self.w.viewer.frame is self.snapped.frame:
            left.append(Badge(tr("SNAPSHOT"), p.text, dot=True))
        if self.recording:
            left.append(Badge(tr("● RECORDING"), p.error, strong=True))
        simulated = [name for name in ("camera", "light") if self.simulated.get(name)]
        if state is State.REPLAYING or self._replayed:  # what was there when it was recorded
            simulated = list(self.replay.simulated) if self.replay is not None else []
        if simulated:
            parts = " + ".join(tr(name) for name in simulated)
            left.append(Badge(f"{tr('SIMULATED')} {parts.upper()}", p.warning))
        composed = self.w.viewer.composed
        if (shading := self.w.calibration.badge()) is not None:
            left.append(shading)
        if (compared := self.w.compare.badge()) is not None:
            left.append(compared)
        if composed is not None and composed.levels:
            left.append(Badge(f"{tr('COMPOSITE')} {' + '.join(composed.levels)}", p.text))
        if self.advice == "saturated" and composed is not None:
            part = percent(composed.picture.saturated_fraction, 1)
            left.append(Badge(f"{tr('SATURATED')} {part}: {tr('less exposure or light')}", THEME.shade("#ff8ad8")))
        elif self.advice == "dim":
            left.append(Badge(tr("DIM: more exposure or light"), THEME.shade("#8fb8ff")))
        self.w.viewer.set_badges(left, self._light_badge(state))

    @property
    def _replayed(self) -> bool:
        """True while the picture on the screen comes from the replay, also after that was closed."""
        frame = self.w.viewer.frame
        return frame is not None and self.replay is not None and self.replay.shows(frame)

    def _light_badge(self, state: State) -> Badge | None:
        p, frame = THEME.palette, self.w.viewer.frame
        colors = {channel.name: THEME.shade(channel.color) for channel in self.w.session.channels}
        if not self.light.known:  # whatever picture is shown
            return Badge(tr("THE LIGHT MAY STILL BE ON"), p.error, strong=True)
        if state is State.REPLAYING or self._replayed or (frame is not None and frame.name):
            return None if frame is None else self._recorded_light(frame, colors)
        if self.light.channel is not None:
            text = f"{self.light.channel} nm · {percent(self.light.level)}"
            return Badge(text, colors.get(self.light.channel, p.text), dot=True)
        if not self._light_told:
            return Badge(tr("light not connected"), p.muted)
        if state is State.LIVE and frame is not None and not frame.light.confirmed and frame.light.reason:
            return Badge(f"{tr('light not confirmed')}: {frame.light.reason}", p.warning)
        return Badge(tr("DARK"), p.muted)

    @staticmethod
    def _recorded_light(frame: Frame, colors: dict[str, str]) -> Badge:
        if frame.light.channel is None:
            return Badge(tr("recorded light: unknown") if not frame.light.confirmed else tr("recorded: dark"),
                         THEME.palette.muted)  # fmt: skip
        sure = "" if frame.light.confirmed else f" ({tr('not confirmed')})"
        color = colors.get(frame.light.channel, THEME.palette.text)
        return Badge(f"{tr('recorded')}: {frame.light.channel} · {percent(frame.light.intensity)}{sure}", color)


def _step_text(work: Underway) -> str:
    return {
        "light": tr("Opening the light source…"),
        "camera": tr("Opening the camera…"),
        "model": tr("Loading the model…"),
        "frames": tr("Starting the camera…"),
        "picture": tr("Taking the picture…"),
        "count": tr("Finding the nuclei…"),
        "files": tr("Saving the picture…"),
        "left": tr("Waiting for a device that has not come back; if it stays away, unplug it and plug it in again."),
    }[work.step or "left"]
