"""The camera's few knobs, with the limits that it reports itself."""

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from app.events import CameraReady
from app.gui.panels.parts import choice, form, label, number_field, set_text
from app.gui.text import number, tr
from app.hardware.base import CameraLimits
from app.hardware.light_truth import switch_warning
from app.settings import CameraSettings


class CameraPanel(QWidget):
    """Exposure, gain, frame rate, pixel format, binning; of a picture out of a file, what the file says of them.

    Signals
    -------
    settings_asked : CameraSettings
    auto_asked
        Find an exposure by the picture.
    """

    settings_asked = Signal(object)
    auto_asked = Signal()

    def __init__(self, settings: CameraSettings) -> None:
        super().__init__()
        self.settings = settings
        self._filling = False
        self.limits: CameraLimits | None = None
        self.title = label(tr("No camera yet"), "muted", wrap=True)
        self.exposure = number_field(self, tr("Exposure"), "ms", 2, tr("How long light is collected for one picture."))
        self.gain = number_field(self, tr("Gain"), "dB", 1, tr("Electronic amplification; it lifts the noise as well."))
        self.fps = number_field(self, tr("Frame rate"), "fps", 1, tr("Pictures a second that the camera is asked for."))
        self.format = choice(self, tr("Pixel format"), tr("Mono8 is fastest, Mono12 keeps all grey values."))
        self.binning = choice(self, tr("Binning"), tr("Joins neighbouring pixels: more signal, less detail."))
        self.limit = QCheckBox(tr("USB bandwidth limit"))
        self.limit.setToolTip(
            tr("Switch it on when frames get lost on a slow or shared USB port; live is slower then.")
        )
        self.readout = label("", "muted", wrap=True)
        down = QVBoxLayout(self)
        down.setContentsMargins(0, 0, 0, 0)
        self.live, self.recorded = QWidget(), Recorded()
        self.recorded.hide()
        down.addWidget(self.live)
        down.addWidget(self.recorded)
        lines = form(self.live)
        lines.addRow(self.title)
        lines.addRow(tr("Exposure"), self._with_auto(self.exposure))
        lines.addRow(tr("Gain"), self.gain)
        lines.addRow(tr("Frame rate"), self.fps)
        lines.addRow(tr("Format"), self.format)
        lines.addRow(tr("Binning"), self.binning)
        lines.addRow(self.limit)
        lines.addRow(self.readout)
        self.scale = label("", "muted", wrap=True)
        lines.addRow(self.scale)
        self.exposure.setRange(0.01, 10_000)
        self.gain.setRange(0, 48)
        self.fps.setRange(0.1, 1000)
        self.format.addItems(["Mono8", "Mono12"])
        self.binning.addItems(["1×1", "2×2", "4×4"])
        self._show(settings)
        self.exposure.valueChanged.connect(lambda value: self.ask(exposure_ms=value))
        self.gain.valueChanged.connect(lambda value: self.ask(gain_db=value))
        self.fps.valueChanged.connect(lambda value: self.ask(fps=value))
        self.format.activated.connect(lambda _index: self.ask(pixel_format=self.format.currentText()))
        self.binning.activated.connect(lambda _index: self.ask(binning=int(self.binning.currentText()[0])))
        self.limit.clicked.connect(lambda on: self.ask(throughput_limit=on))

    def _with_auto(self, field: QWidget) -> QHBoxLayout:
        self.auto = QToolButton()
        self.auto.setText(tr("Auto"))
        self.auto.setToolTip(tr("Set exposure and gain by the picture; the light is never raised.  [E]"))
        self.auto.clicked.connect(lambda _checked=False: self.auto_asked.emit())
        row = QHBoxLayout()
        row.addWidget(field, 1)
        row.addWidget(self.auto)
        return row

    def show_ready(self, event: CameraReady) -> None:
        """Show what the camera is, can do, and does: all as it was read back."""
        set_text(self.title, event.info.title)
        limits = self.limits = event.limits
        self._filling = True
        self.exposure.setRange(*limits.exposure_ms)
        self.gain.setRange(*limits.gain_db)
        self.fps.setRange(*limits.fps)
        self.exposure.setToolTip(_range(tr("How long light is collected for one picture."), limits.exposure_ms, "ms"))
        self.gain.setToolTip(_range(tr("Electronic amplification; it lifts the noise as well."), limits.gain_db, "dB"))
        self.fps.setToolTip(_range(tr("Pictures a second that the camera is asked for."), limits.fps, "fps"))
        self._fill(self.format, list(limits.pixel_formats))
        self._fill(self.binning, [f"{n}×{n}" for n in limits.binnings])
        self._filling = False
        self._show(event.settings)
        shares_no_moment = bool(switch_warning(event.settings.exposure_ms, event.readout_ms))
        told = (
            tr("Shorter than the {} ms in which the rows are read out: frames at a change of light are thrown away; "
               "expose longer for a clean switch.")
            if shares_no_moment
            else tr("Rows are read out over {} ms")
        )  # fmt: skip
        set_text(self.readout, told.format(number(event.readout_ms, 1)))
        self.readout.setToolTip(
            tr("The shutter rolls: after a change of light, frames whose rows saw both are rejected, never counted.")
        )

    def show_recorded(self, rows: "tuple[tuple[str, str], ...] | None") -> None:
        """Show in the place of the camera's settings what a file says of its picture; None shows the settings."""
        self.live.setVisible(rows is None)
        self.recorded.setVisible(rows is not None)
        if rows is not None:
            self.recorded.show_rows(rows)

    def show_scale(self, text: str) -> None:
        """Show how large a pixel is, and who says so."""
        set_text(self.scale, text)

    @staticmethod
    def _fill(box: Any, items: list[str]) -> None:
        if [box.itemText(i) for i in range(box.count())] != items:
            box.clear()
            box.addItems(items)

    def _show(self, settings: CameraSettings) -> None:
        self._filling = True
        self.settings = settings
        self.exposure.setValue(settings.exposure_ms)
        self.gain.setValue(settings.gain_db)
        self.fps.setValue(settings.fps if settings.fps is not None else self.fps.maximum())
        self.format.setCurrentText(settings.pixel_format)
        self.binning.setCurrentText(f"{settings.binning}×{settings.binning}")
        self.limit.setChecked(settings.throughput_limit)
        self._filling = False

    def ask(self, **changes: object) -> None:
        """Ask the camera for the present settings with some changed."""
        if not self._filling:
            wanted = CameraSettings.model_validate({**self.settings.model_dump(), **changes})
            # The next edit builds on this one, even before the camera has read it back.
            self.settings = wanted
            self.settings_asked.emit(wanted)


class Recorded(QWidget):
    """What a file says of how its picture was taken: to be read, not to be set."""

    def __init__(self) -> None:
        super().__init__()
        self._lines = form(self)
        self.rows: tuple[tuple[str, str], ...] = ()
        self._values: list[QLabel] = []

    def show_rows(self, rows: tuple[tuple[str, str], ...]) -> None:
        """Show names and values; of no name, a sentence across."""
        if rows == self.rows:
            return
        if [name for name, _ in rows] != [name for name, _ in self.rows]:
            while self._lines.rowCount():
                self._lines.removeRow(0)
            self._values = [label("", "" if name else "muted", wrap=True) for name, _ in rows]
            for (name, _), value in zip(rows, self._values, strict=True):
                self._lines.addRow(*([label(name, "muted"), value] if name else [value]))
        self.rows = rows
        for value, (_, text) in zip(self._values, rows, strict=True):
            set_text(value, text)


def _range(text: str, limits: tuple[float, float], unit: str) -> str:
    return f"{text}  {number(limits[0], 2)} – {number(limits[1], 1)} {unit}"
