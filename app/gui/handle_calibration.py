"""The operator's actions on calibration: the switch, taking a flat field, measuring the size of a pixel."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QInputDialog

from app.calibration import MicrometerScale, scale_from_micrometer
from app.calibration_desk import FRAMES
from app.errors import DapiscopeError
from app.events import CalibrationEnded, CalibrationMoved, FlatFieldSeen, FlatFieldState, Notice, ScaleMissing, State
from app.frame import Frame
from app.gui.panels.calibration_page import CalibrationPage, ChannelLine, took
from app.gui.text import number, percent, tr
from app.gui.theme import THEME
from app.gui.viewer_paint import Badge

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_BUSY = (State.STARTING, State.STOPPING, State.SNAPPING, State.PLAN, State.CLOSED, State.FAILED)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What a picture of a micrometer gave, and whose picture it was."""

    scale: MicrometerScale
    file: str
    """The file it is from; empty for the microscope's own."""
    binning: int


class CalibrationActions:
    """Each public method is one action of the table, what a button of the page does, or takes an event."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.page: CalibrationPage | None = None
        self.seen = FlatFieldSeen(window.session.settings.flat_field, {})
        self._runs = False
        self._found: _Measured | None = None
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
        if page.toggle():
            return
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
        if self._runs and state is not State.SNAPPING:  # it ended without a word: something else failed
            self._runs = False
            if self.page is not None:
                self.page.show_idle(False)
        if self.page is not None and not self._runs:
            self.page.take.setEnabled(state not in _BUSY)

    @property
    def runs(self) -> bool:
        """True while a flat field is taken."""
        return self._runs

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

        file, binning = self._file_of(frame), self._binning_of(frame)

        def done(found: Any) -> None:
            if isinstance(found, DapiscopeError):
                page.show_found(str(found), "warning", usable=False)
            elif isinstance(found, BaseException):
                raise found
            else:
                self._found = _Measured(found, file, binning)
                page.show_found(self._words(self._found), "good", usable=True)

        self.w.bridge.off_thread(lambda: scale_from_micrometer(frame.pixels, division_um), done)

    def _words(self, found: _Measured) -> str:
        scale = found.scale
        text = (
            f"{number(scale.pixel_size_um, 4)} µm {tr('per pixel')}, {tr('good to')} "
            f"{number(max(scale.error_percent, 0.1), 1)} %; {tr('one division is')} {number(scale.period_px, 1)} px."
        )
        if found.file:
            return f"{text} {tr('It is for this file')}: {Path(found.file).name}"
        optics = self.w.session.settings.optics.model_copy(update={"measured_pixel_um": None})
        off = 100 * (scale.pixel_size_um / optics.pixel_size_um(found.binning) - 1)
        than = (
            tr("more than objective, tube and binning say.")
            if off >= 0
            else tr("less than objective, tube and binning say.")
        )
        return f"{text} {tr('That is')} {number(abs(off), 1)} % {than}"

    def _file_of(self, frame: Frame) -> str:
        if self.w.session.state is State.REPLAYING or frame.name:
            return frame.source or frame.name
        return ""

    def _binning_of(self, frame: Frame) -> int:
        """Return how the picture was binned: it may be older than the present setting."""
        settings = self.w.session.settings
        if frame.pixel_size_um is None or isinstance(settings.segmentation.pixel_size_um, float):
            return settings.camera.binning
        return max(round(frame.pixel_size_um / settings.optics.pixel_size_um()), 1)

    def use_measured(self) -> None:
        """Take the measured size: for the file that is open, or for the microscope's own frames from now on."""
        found, page, frame = self._found, self.page, self.w.viewer.frame
        if found is None or page is None:
            return
        if found.file and (frame is None or self._file_of(frame) != found.file):
            page.show_found(tr("That picture is no longer open: open it, and measure again."), "warning", usable=False)
        elif found.file:
            self.give_pixel_size(found.scale.pixel_size_um)
            page.show_found(tr("In use for the file that is open."), "good", usable=False)
        else:
            if self.w.session.state is not State.REPLAYING:
                self.give_pixel_size(None)  # one that was given would go before the measured one
            self.w.session.set_measured_pixel(found.scale.pixel_size_um / found.binning)
            page.show_found(tr("In use, and kept for this camera and objective."), "good", usable=False)

    def tell_missing(self, event: ScaleMissing) -> None:
        """Say that a file has no scale, and offer to take one."""
        text = (
            f"{event.path.name} {tr('does not say how large its pixels are, so its counts are not fit to use.')} "
            f"{tr('Give the size once, and it is remembered; or measure it (Ctrl+F).')}"
        )
        self.w.notify(Notice("warning", text), tr("Give"), lambda: self.ask_size(event.path))

    def ask_size(self, path: Path) -> None:
        """Ask how large a pixel of the file is that was opened."""
        dialog = QInputDialog(self.w)
        dialog.setInputMode(QInputDialog.InputMode.DoubleInput)
        dialog.setWindowTitle(tr("Pixel size"))
        dialog.setLabelText(f"{tr('µm per pixel of')} {path.name}")
        dialog.setDoubleDecimals(4)
        dialog.setDoubleRange(0.001, 100)
        dialog.setDoubleValue(self.w.segmentation.micrometres.value())
        dialog.setModal(False)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.doubleValueSelected.connect(lambda size: self._give_to(path, size))
        dialog.show()

    def _give_to(self, path: Path, size: float) -> None:
        replay = self.w.presenter.replay
        if self.w.session.state is State.REPLAYING and replay is not None and replay.path == path:
            self.give_pixel_size(size)
        else:
            self.w.notify(
                Notice("warning", f"{path.name} {tr('is no longer open: open it again, and give its size.')}")
            )

    def give_pixel_size(self, size: float | Literal["auto"] | None) -> None:
        """Set the pixel size that pictures are taken to have; None takes their own."""
        self.w.session.set_pixel_size(size)
        self.w.segmentation.show_pixel_size(size)
        self._refresh()

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
        if isinstance(given := self.w.session.settings.segmentation.pixel_size_um, float):
            text = f"{number(given, 4)} µm {tr('per pixel')}: {tr('given')}"
        self.w.camera.show_scale(text)
        if self.page is None:
            return
        self.page.show_scale(text, measured=measured)
        lines = {channel.name: self._line(self.seen.channels.get(channel.name)) for channel in self.w.session.channels}
        self.page.show_states(self.seen.on, lines)
        self.follow_state(self.w.session.state)

    def _line(self, kept: FlatFieldState | None) -> ChannelLine:
        if kept is None and not self.seen.camera:
            return ChannelLine(tr("known once the camera is open: start live"), "muted")
        if kept is None:
            return ChannelLine(tr("no flat field yet for this camera, objective and binning"), "muted")
        taken = datetime.fromtimestamp(kept.unix_time_s).strftime("%Y-%m-%d %H:%M")
        text = f"{tr('taken')} {taken} · {tr('dimmest part')} {percent(kept.evenness)} {tr('of the light')}"
        if not kept.reaches:
            return ChannelLine(f"{text} · {tr('does not reach over the region in use')}", "warning")
        return ChannelLine(text, "good" if self.seen.on else "muted")
