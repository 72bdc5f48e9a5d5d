"""How nuclei are found and drawn."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QWidget

from app.events import ModelReady
from app.gui.overlay_paint import ColorBy, OverlayStyle
from app.gui.panels.parts import choice, form, label, number_field, set_text, slider
from app.gui.text import tr
from app.gui.theme import THEME


class SegmentationPanel(QWidget):
    """Model, scale, and the look of the outlines.

    Signals
    -------
    counting_asked : bool
    model_asked : str
    style_changed : OverlayStyle
    pixel_size_asked : float, "auto" or None
    """

    counting_asked = Signal(bool)
    model_asked = Signal(str)
    style_changed = Signal(object)
    pixel_size_asked = Signal(object)

    def __init__(self, model: str, pixel_size: object) -> None:
        super().__init__()
        self.style_now = OverlayStyle()
        self.counting = QCheckBox(tr("Count nuclei in every picture"))
        self.counting.setToolTip(tr("Find and count nuclei while pictures come.  [C]"))
        self.counting.setChecked(True)
        self.model = choice(self, tr("Model"), tr("The network that finds the nuclei."))
        self.model.addItem(model)
        self.model_note = label("", "muted", wrap=True)
        self.scale = choice(self, tr("Pixel size"), tr("What brings a picture to the scale that the model learnt."))
        self.scale.addItem(tr("from camera or file"), None)
        self.scale.addItem(tr("estimate from nuclei"), "auto")
        self.scale.addItem(tr("given:"), "given")
        self.micrometres = number_field(self, tr("Pixel size"), "µm", 4, tr("Size of one camera pixel in the sample."))
        self.micrometres.setRange(0.001, 100)
        self.micrometres.setValue(0.1)
        self.contour = QCheckBox(tr("outline"))
        self.contour.setToolTip(tr("Draw a line around each nucleus."))
        self.fill = QCheckBox(tr("fill"))
        self.fill.setToolTip(tr("Lay a thin colour over each nucleus."))
        self.color_by = choice(
            self, tr("Colour by"), tr("What the colour of a nucleus says: blue is low, yellow high.")
        )
        for item in ColorBy:
            self.color_by.addItem(tr(item.value), item)
        self.opacity = slider(self, tr("Opacity"), tr("How much the outlines cover the picture."))
        self._lay_out()
        self.show_style(self.style_now)
        self.counting.clicked.connect(self.counting_asked)
        self.model.activated.connect(lambda _index: self.model_asked.emit(self.model.currentText()))
        self.scale.activated.connect(lambda _index: self._ask_scale())
        self.micrometres.valueChanged.connect(lambda _value: self._ask_scale())
        for box in (self.contour, self.fill):
            box.clicked.connect(lambda _on: self._restyle())
        self.color_by.activated.connect(lambda _index: self._restyle())
        self.opacity.valueChanged.connect(lambda _value: self._restyle())
        self.show_pixel_size(pixel_size)

    def _lay_out(self) -> None:
        lines = form(self)
        lines.addRow(self.counting)
        lines.addRow(tr("Model"), self.model)
        lines.addRow(self.model_note)
        lines.addRow(tr("Pixel size"), self.scale)
        lines.addRow("", self.micrometres)
        kinds = QHBoxLayout()
        kinds.setSpacing(THEME.px(12))
        kinds.addWidget(self.contour)
        kinds.addWidget(self.fill)
        kinds.addStretch(1)
        lines.addRow(tr("Nuclei"), kinds)
        lines.addRow(tr("Colour by"), self.color_by)
        lines.addRow(tr("Opacity"), self.opacity)

    def show_models(self, names: list[str]) -> None:
        """Fill the list; the present choice stays."""
        present = self.model.currentText()
        self.model.clear()
        self.model.addItems(names if present in names else [present, *names])
        self.model.setCurrentText(present)

    def show_ready(self, event: ModelReady) -> None:
        """Show which model counts now, by name and hash."""
        if self.model.findText(event.name) < 0:
            self.model.addItem(event.name)
        self.model.setCurrentText(event.name)
        set_text(self.model_note, f"{event.sha256[:8]} · {event.provider.replace('ExecutionProvider', '')}")
        self.model_note.setToolTip(f"{event.name} · sha256 {event.sha256} · {event.provider}")

    def show_pixel_size(self, size: object) -> None:
        """Show what is in force: a number of µm, ``"auto"`` or None; nothing is asked for."""
        if isinstance(size, float):
            self.micrometres.blockSignals(True)
            self.micrometres.setValue(size)
            self.micrometres.blockSignals(False)
        self.scale.setCurrentIndex(2 if isinstance(size, float) else 1 if size == "auto" else 0)
        self._enable()

    def show_style(self, style: OverlayStyle) -> None:
        """Show how nuclei are drawn."""
        self.style_now = style
        for box, on in ((self.contour, style.contour), (self.fill, style.fill)):
            box.setChecked(on)
        self.color_by.setCurrentIndex(max(self.color_by.findData(style.color_by), 0))
        self.opacity.blockSignals(True)
        self.opacity.setValue(round(100 * style.opacity))
        self.opacity.blockSignals(False)

    def _restyle(self) -> None:
        self.style_now = self.style_now.with_(
            contour=self.contour.isChecked(),
            fill=self.fill.isChecked(),
            opacity=self.opacity.value() / 100,
            color_by=ColorBy(self.color_by.currentData()),
        )
        self.style_changed.emit(self.style_now)

    def _ask_scale(self) -> None:
        self._enable()
        kind = self.scale.currentData()
        self.pixel_size_asked.emit(self.micrometres.value() if kind == "given" else kind)

    def _enable(self) -> None:
        self.micrometres.setVisible(self.scale.currentData() == "given")
