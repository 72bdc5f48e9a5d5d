"""What is drawn over the picture: badges, scale bar, rings and cards, each legible on black and on white."""

import math
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen

from app.frame import Segmentation
from app.gui import geometry
from app.gui.geometry import Placement
from app.gui.overlay_paint import ColorBy, ramp_limits, ramp_steps, values_of
from app.gui.text import number, tr
from app.gui.theme import THEME

_SHADE = QColor(0, 0, 0, 190)


@dataclass(frozen=True, slots=True)
class Badge:
    """A short text on a dark pill.

    Attributes
    ----------
    text : str
    color : str
        Of text and rim, ``#rrggbb``.
    dot : bool
        A filled dot before the text: something shines or runs.
    strong : bool
        Filled with `color`: it must not be overlooked.
    """

    text: str
    color: str
    dot: bool = False
    strong: bool = False

    def width(self) -> float:
        """Return how wide it will be."""
        metrics = QFontMetricsF(THEME.font(9.5, bold=self.strong))
        return metrics.horizontalAdvance(self.text) + 2 * THEME.px(8) + (THEME.px(13) if self.dot else 0)

    def paint(self, painter: QPainter, at: QPointF, *, from_right: bool = False, from_bottom: bool = False) -> QRectF:
        """Draw it with its corner at `at`; return where it is."""
        painter.setFont(THEME.font(9.5, bold=self.strong))
        metrics = QFontMetricsF(painter.font())
        pad, dot = THEME.px(8), (THEME.px(13) if self.dot else 0)
        width, height = self.width(), metrics.height() + THEME.px(7)
        x = at.x() - width if from_right else at.x()
        y = at.y() - height if from_bottom else at.y()
        rect = QRectF(round(x) + 0.5, round(y) + 0.5, round(width), round(height))
        color = QColor(self.color)
        painter.setPen(QPen(color, 1) if self.dot or self.strong else Qt.PenStyle.NoPen)
        painter.setBrush(color if self.strong else _SHADE)
        painter.drawRoundedRect(rect, THEME.px(4), THEME.px(4))
        ink = QColor("#000000") if self.strong else color
        if self.dot:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(ink)
            painter.drawEllipse(QPointF(rect.x() + pad + THEME.px(4), rect.center().y()), THEME.px(4), THEME.px(4))
        painter.setPen(ink)
        painter.drawText(rect.adjusted(pad + dot, 0, 0, 0), Qt.AlignmentFlag.AlignVCenter, self.text)
        return rect


def paint_badges(painter: QPainter, room: QRect, left: list[Badge], right: Badge | None) -> None:
    """Draw `left` from the top left on, one below the other, and `right` at the top right where there is room."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    margin = THEME.px(12)
    y = float(margin)
    if right is not None and left and left[0].width() + right.width() > room.width() - 3 * margin:
        left, right = [left[0], right, *left[1:]], None
    for badge in left:
        y = badge.paint(painter, QPointF(margin, y)).bottom() + THEME.px(6)
    if right is not None:
        right.paint(painter, QPointF(room.width() - margin, margin), from_right=True)


def paint_scale_bar(painter: QPainter, room: QRect, um_per_px: float | None) -> None:
    """Draw a scale bar at the lower right, or say that the scale is not known."""
    margin = THEME.px(14)
    if um_per_px is None:
        note = Badge(tr("scale unknown"), THEME.palette.warning)
        note.paint(painter, QPointF(room.width() - margin, room.height() - margin), from_right=True, from_bottom=True)
        return
    um, px = geometry.scale_bar(um_per_px, max(room.width() * 0.22, 40))
    painter.setFont(THEME.font(10.5, bold=True))
    text = geometry.length_text(um)
    metrics = QFontMetricsF(painter.font())
    width = max(px, metrics.horizontalAdvance(text)) + THEME.px(16)
    height = metrics.height() + THEME.px(15)
    box = QRectF(room.width() - margin - width, room.height() - margin - height, width, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_SHADE)
    painter.drawRoundedRect(box, THEME.px(4), THEME.px(4))
    bar = QRectF(box.center().x() - px / 2, box.bottom() - THEME.px(9), px, THEME.px(3))
    painter.fillRect(bar, QColor(THEME.palette.bright))
    painter.setPen(QColor(THEME.palette.bright))
    painter.drawText(box.adjusted(0, THEME.px(2), 0, -THEME.px(9)), Qt.AlignmentFlag.AlignCenter, text)


def paint_legend(painter: QPainter, room: QRect, result: Segmentation, color_by: ColorBy) -> None:
    """Draw, above the scale bar, which colour means which value."""
    values = values_of(result, color_by)
    if values.size == 0:
        return
    if color_by is ColorBy.AREA and math.isfinite(float(result.nuclei["area_um2"][0])):
        values, unit = result.nuclei["area_um2"], " µm²"
    else:
        unit = " px²" if color_by is ColorBy.AREA else ""
    decimals = 2 if color_by is ColorBy.SCORE else 0
    low, high = (f"{number(limit, decimals)}{unit}" for limit in ramp_limits(values))
    painter.setFont(THEME.font(8.5))
    metrics = QFontMetricsF(painter.font())
    title = tr(color_by.value)
    width = max(metrics.horizontalAdvance(low + high) + THEME.px(24), metrics.horizontalAdvance(title), THEME.px(120))
    pad, line = THEME.px(8), metrics.height()
    height = 2 * line + THEME.px(9) + 2 * THEME.px(5)
    margin = THEME.px(14)
    left, top = room.width() - margin - width - 2 * pad, room.height() - THEME.px(66) - height
    box = QRectF(left, top, width + 2 * pad, height)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_SHADE)
    painter.drawRoundedRect(box, THEME.px(4), THEME.px(4))
    steps = ramp_steps()
    bar = QRectF(box.x() + pad, box.y() + THEME.px(6) + line, width, THEME.px(7))
    for index, color in enumerate(steps):
        part = QRectF(bar.x() + bar.width() * index / len(steps), bar.y(), bar.width() / len(steps) + 0.6, bar.height())
        painter.fillRect(part, QColor(*color))
    painter.setPen(QColor(THEME.palette.bright))
    above = QRectF(bar.x(), box.y() + THEME.px(4), width, line)
    below = QRectF(bar.x(), bar.bottom() + THEME.px(1), width, line)
    painter.drawText(above, Qt.AlignmentFlag.AlignLeft, title)
    painter.drawText(below, Qt.AlignmentFlag.AlignLeft, low)
    painter.drawText(below, Qt.AlignmentFlag.AlignRight, high)


def paint_focus_ring(painter: QPainter, placement: Placement, nucleus: Any) -> None:
    """Ring the chosen nucleus."""
    x, y = placement.to_widget(float(nucleus["x_px"]), float(nucleus["y_px"]))
    radius = max(math.sqrt(float(nucleus["area_px"]) / math.pi) * placement.scale * 1.45, 6.0)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    for color, width in (("#000000", 4.5), (THEME.palette.bright, 2.0)):
        painter.setPen(QPen(QColor(color), width))
        painter.drawEllipse(QPointF(x, y), radius, radius)


def paint_ids(painter: QPainter, placement: Placement, result: Segmentation) -> None:
    """Write the number of every nucleus in view, unless they are too small to be read."""
    painter.setFont(THEME.font(8))
    metrics = QFontMetricsF(painter.font())
    x0, y0, width, height = placement.visible()
    rows = result.nuclei
    seen = rows[
        (rows["x_px"] >= x0) & (rows["x_px"] < x0 + width) & (rows["y_px"] >= y0) & (rows["y_px"] < y0 + height)
    ]
    if len(seen) > 400:
        return
    for nucleus in seen:
        x, y = placement.to_widget(float(nucleus["x_px"]), float(nucleus["y_px"]))
        text = str(int(nucleus["label"]))
        box = QRectF(0, 0, metrics.horizontalAdvance(text) + 4, metrics.height())
        box.moveCenter(QPointF(x, y))
        painter.fillRect(box, QColor(0, 0, 0, 130))
        painter.setPen(QColor(THEME.palette.bright))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, text)


def nucleus_lines(nucleus: Any) -> list[tuple[str, str]]:
    """Return what is known of a nucleus as (name, value with unit)."""
    area_um2 = float(nucleus["area_um2"])
    area = f"{number(area_um2, 0)} µm²" if math.isfinite(area_um2) else f"{number(float(nucleus['area_px']))} px²"
    lines = [
        (tr("area"), area),
        (tr("mean"), number(float(nucleus["mean_intensity"]), 0)),
        (tr("eccentricity"), number(float(nucleus["eccentricity"]), 2)),
        (tr("confidence"), f"{number(100 * float(nucleus['score']), 0)} %"),
    ]
    if bool(nucleus["touches_edge"]):
        lines.append((tr("at the edge"), tr("counted") if bool(nucleus["counted"]) else tr("not in density")))
    if bool(nucleus["saturated"]):
        lines.append((tr("saturated"), tr("intensity not valid")))
    if bool(nucleus["out_of_focus"]):
        lines.append((tr("out of focus"), tr("outline not sharp")))
    return lines


def paint_nucleus_card(painter: QPainter, room: QRect, at: QPointF, nucleus: Any) -> None:
    """Draw the values of a nucleus beside the pointer, inside the picture."""
    lines = nucleus_lines(nucleus)
    title = f"{tr('Nucleus')} {int(nucleus['label'])}"
    small, bold = THEME.font(9), THEME.font(9.5, bold=True)
    metrics, head = QFontMetricsF(small), QFontMetricsF(bold)
    names = max(metrics.horizontalAdvance(name) for name, _ in lines)
    values = max(metrics.horizontalAdvance(value) for _, value in lines)
    pad, gap = THEME.px(9), THEME.px(14)
    width = max(names + gap + values, head.horizontalAdvance(title)) + 2 * pad
    height = head.height() + metrics.height() * len(lines) + 2 * pad
    x = at.x() + gap if at.x() + gap + width < room.width() else at.x() - gap - width
    y = min(max(at.y() + gap, 4.0), room.height() - height - 4)
    box = QRectF(x, y, width, height)
    painter.setPen(QPen(QColor(THEME.palette.line), 1))
    painter.setBrush(QColor(8, 10, 13, 225))
    painter.drawRoundedRect(box, THEME.px(5), THEME.px(5))
    painter.setFont(bold)
    painter.setPen(QColor(THEME.palette.accent))
    painter.drawText(QPointF(box.x() + pad, box.y() + pad + head.ascent()), title)
    painter.setFont(small)
    top = box.y() + pad + head.height()
    for index, (name, value) in enumerate(lines):
        row = QRectF(box.x() + pad, top + index * metrics.height(), width - 2 * pad, metrics.height())
        painter.setPen(QColor(THEME.palette.muted))
        painter.drawText(row, Qt.AlignmentFlag.AlignLeft, name)
        painter.setPen(QColor(THEME.palette.text))
        painter.drawText(row, Qt.AlignmentFlag.AlignRight, value)
