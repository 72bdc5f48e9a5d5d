"""Grey values along the line on the picture, live."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from app.frame import Frame
from app.gui.panels.charts import dress_plot, make_plot
from app.gui.panels.parts import Shortening, number_field, set_role
from app.gui.profile import Line, Profile, take_profile
from app.gui.text import number, tr
from app.gui.theme import THEME


class ProfileChart(QWidget):
    """The chart of a line.

    Signals
    -------
    export_asked
    """

    export_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.profile: Profile | None = None
        self._last: tuple[Frame, Line] | None = None
        self.told = Shortening()
        set_role(self.told, "muted")
        self.width_px = number_field(self, tr("Width of the line"), "px", 0, tr("Mean over so many pixels across."))
        self.width_px.setRange(1, 101)
        self.width_px.setSingleStep(2)
        self.width_px.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.width_px.valueChanged.connect(lambda _value: self._measure())
        self.save = QToolButton()
        self.save.setText(tr("CSV"))
        self.save.setToolTip(tr("Write the profile to a CSV file."))
        self.save.setAccessibleName(tr("Save the profile"))
        self.save.clicked.connect(lambda _checked=False: self.export_asked.emit())
        self.plot, self.curve = make_plot(tr("grey value"), "µm")
        row = QHBoxLayout()
        row.setContentsMargins(THEME.px(8), THEME.px(2), THEME.px(6), 0)
        row.addWidget(self.told, 1)
        row.addWidget(self.width_px)
        row.addWidget(self.save)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(0, 0, 0, 0)
        lines.setSpacing(0)
        lines.addLayout(row)
        lines.addWidget(self.plot, 1)
        THEME.changed.connect(self._dress)
        self._dress()
        self.show_line(None, None)

    def _dress(self) -> None:
        dress_plot(self.plot, self.curve, filled=True)

    def show_line(self, frame: Frame | None, line: Line | None) -> None:
        """Measure a line on a frame; without either, say how to get there."""
        self._last = (frame, line) if frame is not None and line is not None else None
        self._measure()

    def _measure(self) -> None:
        if self._last is None:
            self.profile = None
            self.curve.setData([], [])
            self.told.show_wordings(
                tr("Press I, then drag on the picture: a line, or one of its ends."),
                tr("Press I, drag on the picture."),
                tr("I, then drag"),
                "",
            )
            self.save.setEnabled(False)
            return
        frame, line = self._last
        made = self.profile = take_profile(frame, line, round(self.width_px.value()))
        self.save.setEnabled(True)
        self.curve.setData(made.distance, made.value)
        self.plot.setLabel("bottom", made.unit)
        self.plot.setXRange(0, max(float(made.distance[-1]), 1e-6), padding=0)
        low, high = float(made.value.min()), float(made.value.max())
        room = max(0.08 * (high - low), 1.0)
        # The chart keeps to what there is: a faint profile fills it as well as a bright one.
        self.plot.setYRange(max(low - room, 0.0), high + room, padding=0)
        length = f"{number(made.distance[-1], 2 if made.unit == 'µm' else 0)} {made.unit}"
        limits = f"{length} · {tr('least')} {number(low)} · {tr('most')} {number(high)}"
        mean = f"{limits} · {tr('mean')} {number(float(made.value.mean()), 1)}"
        whole = f"{mean} · {tr('full range')} {number(frame.white)}"
        self.told.show_wordings(whole, mean, limits, f"{number(low)} – {number(high)}", length, "")
