"""The number everybody looks at, and whether it may be believed."""

from collections import deque

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from app.frame import Segmentation
from app.gui.panels.parts import label, set_role, set_text
from app.gui.text import number, tr
from app.gui.theme import THEME

MEAN_OVER_S = 10.0
_POINTS = 58.0


class BigNumber(QWidget):
    """A figure of 15 mm and more on a usual screen: legible at two metres."""

    def __init__(self) -> None:
        super().__init__()
        self.text = "–"
        self.stale = True
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Number of nuclei"))

    def show_text(self, text: str, *, stale: bool) -> None:
        """Show a number; `stale` greys it."""
        if (text, stale) != (self.text, self.stale):
            if len(text) != len(self.text):
                self.updateGeometry()
            self.text, self.stale = text, stale
            self.setAccessibleDescription(text)
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the room that the figures take."""
        wide = QFontMetrics(THEME.font(_POINTS, bold=True)).horizontalAdvance("8" * max(len(self.text), 2))
        return QSize(wide + THEME.px(4), THEME.px(86))

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return the least room; the figures shrink into it."""
        return QSize(THEME.px(90), THEME.px(86))

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Draw the figure as large as the room allows."""
        painter = QPainter(self)
        points = _POINTS
        font = THEME.font(points, bold=True)
        while points > 16 and QFontMetrics(font).horizontalAdvance(self.text) > self.width():
            points -= 4
            font = THEME.font(points, bold=True)
        painter.setFont(font)
        painter.setPen(QColor(THEME.palette.muted if self.stale else THEME.palette.text))
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.text)
        painter.end()


class CountsPanel(QWidget):
    """Count, interval, fitness, density, mean."""

    def __init__(self) -> None:
        super().__init__()
        self.big = BigNumber()
        self.interval = label("", "muted")
        self.fit = label("", "muted", wrap=True)
        self.density = label("", "")
        self.mean = label("", "muted")
        self.scale = label("", "muted", wrap=True)
        self.by_hand = label("", "title", wrap=True)
        self.by_hand.hide()
        beside = QVBoxLayout()
        beside.setSpacing(0)
        beside.addStretch(1)
        beside.addWidget(label(tr("nuclei"), "title"))
        beside.addWidget(self.interval)
        beside.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(THEME.px(8))
        top.addWidget(self.big)
        top.addLayout(beside)
        top.addStretch(1)
        lines = QVBoxLayout(self)
        lines.setContentsMargins(THEME.px(4), 0, THEME.px(2), THEME.px(6))
        lines.setSpacing(THEME.px(2))
        lines.addLayout(top)
        lines.addWidget(self.by_hand)
        lines.addWidget(self.fit)
        row = QHBoxLayout()
        row.addWidget(self.density, 1)
        row.addWidget(self.mean)
        lines.addLayout(row)
        lines.addWidget(self.scale)
        self._recent: deque[tuple[float, int]] = deque()
        self.clear(tr("Nothing counted yet"))

    def show_result(self, result: Segmentation, corrected: str = "") -> None:
        """Show a count with all that qualifies it; `corrected` says both counts where a hand was at work."""
        set_text(self.by_hand, corrected)
        self.by_hand.setVisible(bool(corrected))
        set_role(self.by_hand, "title")
        set_role(self.density, "")
        self.big.show_text(number(result.count), stale=bool(result.flags))
        set_text(
            self.interval,
            f"{number(result.interval[0])} – {number(result.interval[1])}  (90 %)" if result.interval else "",
        )
        set_text(self.fit, f"✕  {tr('Not fit to count')}: " + ", ".join(tr(f) for f in result.flags)
                 if result.flags else f"✓  {tr('Fit to count')}")  # fmt: skip
        set_role(self.fit, "warning" if result.flags else "good")
        set_text(
            self.density,
            f"{number(result.density_per_mm2)} {tr('nuclei')}/mm²"
            if result.density_per_mm2 is not None
            else tr("Density: scale unknown"),
        )
        moment = result.frame.exposure_end_s
        if not corrected and (not self._recent or self._recent[-1][0] != moment):  # the mean is of the model's counts
            self._recent.append((moment, result.count))
        while self._recent and not 0 <= moment - self._recent[0][0] <= MEAN_OVER_S:
            self._recent.popleft()
        counts = [count for _, count in self._recent]
        said = len(counts) > 1 and not corrected
        set_text(self.mean, f"{tr('mean')} {number(sum(counts) / len(counts), 1)}" if said else "")
        self.mean.setToolTip(tr("Mean of the counts of the last ten seconds."))
        size = f"{number(result.pixel_size_um, 3)} µm/px" if result.pixel_size_um else tr("scale unknown")
        source = {"metadata": tr("from camera or file"), "given": tr("given"), "estimated": tr("estimated")}
        text = f"{size}, {source.get(result.scale_source, result.scale_source)}"
        if result.coarse > 1:
            text += f" · {tr('counted coarsely to keep up')} ({number(result.coarse, 1)}×)"
        set_text(self.scale, text)
        set_role(self.scale, "warning" if result.scale_source == "estimated" or result.coarse > 1 else "muted")

    def show_waiting(self, why: str) -> None:
        """Grey the number and all that goes with it: it is not of the present picture, for the reason given."""
        self.big.show_text(self.big.text, stale=True)
        set_text(self.fit, why)
        for text in (self.fit, self.density, self.by_hand):
            set_role(text, "muted")

    def clear(self, why: str) -> None:
        """Show no number, and why."""
        self._recent.clear()
        self.by_hand.hide()
        self.big.show_text("–", stale=True)
        for text in (self.interval, self.density, self.mean, self.scale):
            set_text(text, "")
        set_text(self.fit, why)
        set_role(self.fit, "muted")
