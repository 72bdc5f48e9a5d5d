"""How count, brightness and sharpness go with time, and how the nuclei of one picture are spread."""

import math
import warnings
from bisect import bisect_left
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFontMetricsF
from PySide6.QtWidgets import QTabWidget

from app.gui.text import number, tr
from app.gui.theme import THEME

with warnings.catch_warnings():
    # pyqtgraph looks for optional packages while it is loaded, and those complain on their own account.
    warnings.simplefilter("ignore")
    import pyqtgraph as pg

KEEP = 4000
"""Points of a time series; an hour at one a second."""
_APART = 1.3
"""Heights of a line of letters from one number of an axis to the next above it."""
GAP_S, GAP_STEPS = 1.0, 4.0
"""Neither so long between two points, nor so many times as long as beside them: a line joins them, else it breaks."""


class Series:
    """A quantity over time; thins itself out when it grows long."""

    def __init__(self, keep: int = KEEP) -> None:
        self._moments: list[float] = []
        self._values: list[float] = []
        self._keep = keep

    def add(self, moment: float, value: float) -> None:
        """Put in a point where its moment belongs, in the place of one of the same moment: a replay goes back too."""
        place = bisect_left(self._moments, moment)
        known = self._moments[place : place + 1] == [moment]
        self._moments[place : place + known], self._values[place : place + known] = [moment], [value]
        if len(self._moments) > self._keep:
            self._thin()

    def _thin(self) -> None:
        """Keep half as many, evenly over the time: the whole run stays in sight at a bounded cost."""
        step = (self._moments[-1] - self._moments[0]) / (self._keep // 2)
        kept = [0]
        last = len(self._moments) - 1
        for index, moment in enumerate(self._moments):
            if moment - self._moments[kept[-1]] >= step or index == last:
                kept.append(index)
        self._moments, self._values = [self._moments[i] for i in kept], [self._values[i] for i in kept]

    def clear(self) -> None:
        """Forget everything."""
        self._moments.clear()
        self._values.clear()

    def __len__(self) -> int:
        return len(self._moments)

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (seconds since the first point, values), both shape (N,), with a NaN value where the line breaks."""
        times, values = np.array(self._moments), np.array(self._values, np.float64)
        steps = np.diff(times, prepend=np.nan, append=np.nan)
        beside = np.fmax(steps[:-2], steps[2:])
        breaks = np.flatnonzero(steps[1:-1] > np.fmax(GAP_STEPS * beside, GAP_S)) + 1
        return np.insert(times - times[:1], breaks, (times - times[:1])[breaks]), np.insert(values, breaks, np.nan)


def distribution(values: NDArray[np.float32], bins: int = 24) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return (edges, shape (bins+1,), and counts, shape (bins,)) of the finite values; empty when there are none."""
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return np.zeros(0), np.zeros(0)
    counts, edges = np.histogram(finite, bins=bins)
    return edges, counts.astype(np.float64)


class _Axis(pg.AxisItem):  # type: ignore[misc]
    """Writes its numbers as the operator's country does."""

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:  # noqa: N802 - its name
        decimals = max(0, math.ceil(-math.log10(spacing * scale) - 1e-9))
        return [number(value * scale, decimals) for value in values]

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> Any:  # noqa: N802, N803 - its names
        """Return (step, offset) of the numbers, with room between those that stand above one another."""
        steps = super().tickSpacing(minVal, maxVal, size)
        span = abs(maxVal - minVal)
        if self.orientation != "left" or not span or not size or self.style["tickFont"] is None:
            return steps
        least = _APART * QFontMetricsF(self.style["tickFont"]).height() * span / size
        wide = [(step, offset) for step, offset in steps if step >= least]
        step, offset = steps[0]
        while not wide:
            step *= 2
            wide = [(step, offset)] if step >= least else []
        return wide

    def resizeEvent(self, ev: Any = None) -> None:  # noqa: N802 - its name
        """Leave the name out where it is longer than the axis."""
        super().resizeEvent(ev)
        if self.orientation == "left" and self.label is not None:
            self.label.setVisible(self.label.boundingRect().width() <= self.size().height())


def make_plot(left: str, bottom: str) -> tuple[Any, Any]:
    """Return an empty (plot, curve) with these names of its axes; it takes neither mouse nor keys."""
    plot = pg.PlotWidget(background=None, axisItems={side: _Axis(side) for side in ("left", "bottom")})
    plot.setMenuEnabled(False)
    plot.hideButtons()
    plot.setMouseEnabled(x=False, y=False)
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    plot.setLabel("left", left)
    plot.setLabel("bottom", bottom)
    plot.setMinimumHeight(60)
    return plot, plot.plot([], [])


def dress_plot(plot: Any, curve: Any, *, filled: bool) -> None:
    """Give a plot the theme's colours and letters."""
    p = THEME.palette
    plot.setBackground(QColor(p.ground))
    item = plot.getPlotItem()
    for side in ("left", "bottom"):
        axis = item.getAxis(side)
        axis.setPen(QColor(p.line))
        axis.setTextPen(QColor(p.muted))
        axis.setTickFont(THEME.font(8))
        axis.label.setFont(THEME.font(8))
        axis.enableAutoSIPrefix(False)
    item.getAxis("left").setWidth(THEME.px(50))
    item.showGrid(y=True, alpha=0.18)
    color, soft = QColor(p.accent), QColor(p.accent)
    soft.setAlpha(45)
    curve.setPen(color, width=1.6)
    if filled:
        curve.setFillLevel(0)
        curve.setBrush(soft)


class Charts(QTabWidget):
    """Charts in tabs: what is measured over time, then distributions of the newest result."""

    def __init__(self) -> None:
        super().__init__()
        self.setDocumentMode(True)
        self.setAccessibleName(tr("Charts"))
        self.counted, self.brightness, self.focus = Series(), Series(), Series()
        self._areas: NDArray[np.float32] = np.zeros(0, np.float32)
        self._means: NDArray[np.float32] = np.zeros(0, np.float32)
        self._area_unit = "µm²"
        self._plots: list[pg.PlotWidget] = []
        self._curves: list[pg.PlotDataItem] = []
        for title, left, bottom in (
            (tr("Count"), tr("nuclei"), tr("seconds")),
            (tr("Brightness"), tr("mean grey value"), tr("seconds")),
            (tr("Focus"), tr("sharpness"), tr("seconds")),
            (tr("Area"), tr("nuclei"), "µm²"),
            (tr("Intensity"), tr("nuclei"), tr("mean grey value")),
        ):
            self.addTab(self._plot(left, bottom), title)
        for plot in self._plots[:3]:  # an empty chart shows no fractions of nuclei and seconds
            plot.setXRange(0, 10, padding=0)
            plot.setYRange(0, 10, padding=0)
        self.setTabToolTip(0, tr("Number of nuclei over time."))
        self.setTabToolTip(1, tr("Mean brightness over time: shows bleaching and drift of the lamp."))
        self.setTabToolTip(2, tr("Sharpness over time: shows focus drift."))
        self.setTabToolTip(3, tr("How large the nuclei of the newest result are."))
        self.setTabToolTip(4, tr("How bright the nuclei of the newest result are."))
        self.currentChanged.connect(lambda _index: self.refresh())
        THEME.changed.connect(self._dress)
        self._dress()

    def _plot(self, left: str, bottom: str) -> Any:
        plot, curve = make_plot(left, bottom)
        self._plots.append(plot)
        self._curves.append(curve)
        return plot

    def _dress(self) -> None:
        for index, plot in enumerate(self._plots):
            dress_plot(plot, self._curves[index], filled=index in (0, 3, 4))

    def show_nuclei(self, areas: NDArray[np.float32], unit: str, means: NDArray[np.float32]) -> None:
        """Take the nuclei of the newest result: areas in `unit`, mean grey values."""
        self._areas, self._means = areas, means
        if unit != self._area_unit:
            self._area_unit = unit
            self._plots[3].setLabel("bottom", unit)

    def clear(self) -> None:
        """Forget what was measured over time."""
        for series in (self.counted, self.brightness, self.focus):
            series.clear()
        self.refresh()

    def refresh(self) -> None:
        """Draw the chart in sight; the others wait until they are."""
        index = self.currentIndex()
        if not self.isVisible() or index < 0:
            return
        if index >= len(self._curves):
            return  # the table shows itself
        if index < 3:
            times, values = (self.counted, self.brightness, self.focus)[index].arrays()
            self._curves[index].setData(times, values, connect="finite")
            if values.size:
                top = float(np.nanmax(values))
                low = 0.0 if index == 0 else float(np.nanmin(values))
                spread = max(top - low, abs(top) * 0.05, 1e-6)
                self._plots[index].setYRange(max(low - 0.1 * spread, 0.0), top + 0.1 * spread, padding=0)
                self._plots[index].setXRange(0, max(float(times[-1]), 10.0), padding=0)
            return
        edges, counts = distribution(self._areas if index == 3 else self._means)
        self._curves[index].setData(edges, counts, stepMode="center" if counts.size else None)
