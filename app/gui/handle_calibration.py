"""The operator's actions on calibration: the switch, taking a flat field, measuring the size of a pixel."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from app.calibration import MicrometerScale, scale_from_micrometer
from app.calibration_desk import FRAMES
from app.errors import DapiscopeError
from app.events import CalibrationEnded, CalibrationMoved, FlatFieldSeen, FlatFieldState, Notice, State
from app.frame import Frame
from app.gui.panels.calibration_page import CalibrationPage, ChannelLine, took
from app.gui.text import number, percent, tr
from app.gui.theme import THEME
from app.gui.viewer_paint import Badge

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_BUSY = (State.STARTING, State.STOPPING, State.SNAPPING, State.PLAN, State.CLOSED, State.FAILED)


class CalibrationActions:
    """Each public method is one action of the table, what a button of the page does, or takes an event."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.page: CalibrationPage | None = None
        self.seen = FlatFieldSeen(window.session.settings.flat_field, {})
        self._runs = False
        self._found: tuple[Frame, MicrometerScale] | None = None
        if window.store.flag("flat_field", False) and not self.seen.on:
            window.session.set_flat_field(True)

    def show_page(self) -> None:
        """Show what is in force, and how to measure it."""
        page = self.page
        if page is None:
            page = self.page = CalibrationPage(self.w, self.w.session.channels, FRAMES)
            page.on_asked.connect(self.toggle)
            page.take_asked.connect(self.take)
            page.cancel_asked.connect(self.cancel)
            page.measure_asked.connect(self.measure)
            page.use_asked.connect(self.use_measured)
            page.forget_asked.connect(lambda: self.w.session.set_measured_pixel(None))
        page.channel.setCurrentText(self.w.session.selected_channel or "")
        self._refresh()
        page.appear()

    # --- flat field ------------------------------------------------------------------------------------------------

    def toggle(self, on: bool) -> None:
        """Correct, or do not; the buttons show what the session says."""
        self.w.actions_by_id["flat_field"].setChecked(self.seen.on)
        if self.page is not None:
            self.page.on.setChecked(self.seen.on)
        self.w.store.put({"flat_field": on})
        self.w.session.set_flat_field(on)

    def take(self, channel: str, frames: int) -> None:
        """Take dark and flat frames."""
        self.w.session.calibrate(channel, frames)

    def cancel(self) -> None:
        """Give up what is being taken."""
        if self.page is not None:
            self.page.cancel.setEnabled(False)
        self.w.session.cancel_calibration()

    def take_event(self, event: FlatFieldSeen | CalibrationMoved | CalibrationEnded) -> None:
        """Show what became of it."""
        match event:
            case FlatFieldSeen():
                self.seen = event
                self.w.actions_by_id["flat_field"].setChecked(event.on)
                self._refresh()
            case CalibrationMoved():
                self._runs = True
                if self.page is not None:
                    flat = event.part == "flat"
                    what = f"{tr('flat')}, {event.channel} nm" if flat else tr("dark")
                    done = event.done + (event.total if flat else 0)
                    self.page.show_progress(done, 2 * event.total, f"{what}: {event.done + 1} / {event.total}")
            case CalibrationEnded():
                self._ended(event)

    def _ended(self, event: CalibrationEnded) -> None:
        self._runs = False
        text = event.problem or took(event.channel, event.evenness)
        if not event.problem:
            self.w.store.put({"flat_field": True})
        if self.page is not None and self.page.isVisible():
            self.page.show_idle(True)
            self.page.show_result(text, "warning" if event.problem else "good")
        elif not event.problem:
            self.w.notify(Notice("info", f"{tr('Flat field')} {text}"))

    def follow_state(self, state: State) -> None:
        """Let the button say whether a flat field can be taken now."""
        if self.page is not None and not self._runs:
            self.page.take.setEnabled(state not in _BUSY)

    def badge(self) -> Badge | None:
        """Return what is to be said on the picture: that shading was taken out, or that there is nothing to do so."""
        frame = self.w.viewer.frame
        if frame is None:
            return None
        if frame.shading is not None:
            return Badge(tr("FLAT FIELD"), THEME.palette.text)
        channel = frame.light.channel
        if self.seen.on and channel is not None and self.w.session.state is State.LIVE:
            kept = self.seen.channels.get(channel)
            if kept is None or not kept.reaches:
                return Badge(f"{tr('no flat field for')} {channel} nm", THEME.palette.muted)
        return None

    # --- pixel size ------------------------------------------------------------------------------------------------

    def measure(self, division_um: float) -> None:
        """Look for the lines of a micrometer in the picture that is shown."""
        page, frame = self.page, self.w.viewer.frame
        if page is None:
            return
        self._found = None
        if frame is None:
            page.show_found(tr("There is no picture yet: start live, or open an image."), "warning", usable=False)
            return
        page.measure.setEnabled(False)
        page.show_found(tr("Measuring…"), "muted", usable=False)

        def done(found: Any) -> None:
            if isinstance(found, DapiscopeError):
                page.show_found(str(found), "warning", usable=False)
            elif isinstance(found, BaseException):
                raise found
            else:
                self._found = (frame, found)
                page.show_found(self._words(frame, found), "good", usable=True)

        self.w.bridge.off_thread(lambda: scale_from_micrometer(frame.pixels, division_um), done)

    def _words(self, frame: Frame, found: MicrometerScale) -> str:
        text = (
            f"{number(found.pixel_size_um, 4)} µm {tr('per pixel')}, {tr('good to')} "
            f"{number(max(found.error_percent, 0.1), 1)} %; {tr('one division is')} {number(found.period_px, 1)} px."
        )
        if not self._of_file(frame):
            optics = self.w.session.settings.optics.model_copy(update={"measured_pixel_um": None})
            nominal = optics.pixel_size_um(self.w.session.settings.camera.binning)
            text += f" {tr('That is')} {number(100 * (found.pixel_size_um / nominal - 1), 1)} % "
            text += tr("from what objective, tube and binning say.")
        return text

    def _of_file(self, frame: Frame) -> bool:
        return self.w.session.state is State.REPLAYING or bool(frame.name)

    def use_measured(self) -> None:
        """Take the measured size: for the file that is open, or for the microscope's own frames from now on."""
        if self._found is None or self.page is None:
            return
        frame, found = self._found
        if self._of_file(frame):
            self.w.session.set_pixel_size(found.pixel_size_um)
            self.page.show_found(tr("In use for the file that is open."), "good", usable=False)
        else:
            binning = self.w.session.settings.camera.binning
            self.w.session.set_measured_pixel(found.pixel_size_um / binning)
            self.page.show_found(tr("In use, and kept for this camera and objective."), "good", usable=False)

    # --- what is in force ------------------------------------------------------------------------------------------

    def _refresh(self) -> None:
        settings = self.w.session.settings
        optics, binning = settings.optics, settings.camera.binning
        nominal = (
            f"{tr('objective')} {number(optics.magnification, 4).rstrip('0').rstrip('.,')}× · {tr('tube')} "
            f"{number(optics.tube_factor, 2)}× · {tr('sensor pixel')} {number(optics.sensor_pixel_um, 2)} µm"
        )
        size = f"{number(optics.pixel_size_um(binning), 4)} µm {tr('per pixel')}"
        measured = optics.measured_pixel_um is not None
        source = tr("measured on a stage micrometer") if measured else nominal
        text = f"{size}: {source} · {tr('binning')} {binning}×{binning}"
        self.w.camera.show_scale(text)
        if self.page is None:
            return
        self.page.show_scale(text, measured=measured)
        lines = {channel.name: self._line(self.seen.channels.get(channel.name)) for channel in self.w.session.channels}
        self.page.show_states(self.seen.on, lines)
        self.follow_state(self.w.session.state)

    def _line(self, kept: FlatFieldState | None) -> ChannelLine:
        if kept is None:
            return ChannelLine(tr("no flat field yet for this camera, objective and binning"), "muted")
        taken = datetime.fromtimestamp(kept.unix_time_s).strftime("%Y-%m-%d %H:%M")
        text = f"{tr('taken')} {taken} · {tr('dimmest part')} {percent(kept.evenness)} {tr('of the light')}"
        if not kept.reaches:
            return ChannelLine(f"{text} · {tr('does not reach over the region in use')}", "warning")
        return ChannelLine(text, "good" if self.seen.on else "muted")
