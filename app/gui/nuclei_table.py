"""The nuclei of one picture as a table; a row and its nucleus are chosen together."""

import math
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QSortFilterProxyModel, Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from app.frame import Segmentation
from app.gui.text import number, tr
from app.gui.theme import THEME

_Index = QModelIndex | QPersistentModelIndex

COLUMNS: tuple[tuple[str, str, int], ...] = (
    ("label", "no.", 0),
    ("area", "area", 0),
    ("mean_intensity", "mean", 0),
    ("eccentricity", "ecc.", 2),
    ("score", "confidence", 2),
    ("x_px", "x px", 0),
    ("y_px", "y px", 0),
)
"""Field, heading, decimals."""


class NucleiModel(QAbstractTableModel):
    """Rows of `Segmentation.nuclei`."""

    def __init__(self) -> None:
        super().__init__()
        self.result: Segmentation | None = None

    def show_result(self, result: Segmentation | None) -> None:
        """Show another picture's nuclei."""
        self.beginResetModel()
        self.result = result
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return the number of nuclei."""
        return 0 if parent.isValid() or self.result is None else self.result.count

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Return the number of measures."""
        return 0 if parent.isValid() else len(COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = 0) -> Any:  # noqa: N802 - Qt's name
        """Return a heading with its unit."""
        if orientation != Qt.Orientation.Horizontal or role != Qt.ItemDataRole.DisplayRole:
            return None
        field, heading, _ = COLUMNS[section]
        return f"{tr(heading)} {self._area_unit()}" if field == "area" else tr(heading)

    def _area_unit(self) -> str:
        return "µm²" if self._has_um() else "px²"

    def _has_um(self) -> bool:
        return self.result is not None and self.result.count > 0 and math.isfinite(self.result.nuclei["area_um2"][0])

    def value(self, row: int, column: int) -> float:
        """Return a number as measured."""
        if self.result is None:
            return math.nan
        field = COLUMNS[column][0]
        if field == "area":
            field = "area_um2" if self._has_um() else "area_px"
        return float(self.result.nuclei[field][row])

    def data(self, index: _Index, role: int = 0) -> Any:
        """Return what a cell shows or is sorted by."""
        if role == Qt.ItemDataRole.DisplayRole:
            return number(self.value(index.row(), index.column()), COLUMNS[index.column()][2])
        if role == Qt.ItemDataRole.UserRole:
            return self.value(index.row(), index.column())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class NucleiTable(QTableView):
    """Sortable table of the newest result.

    Signals
    -------
    row_chosen : int
        Row of `Segmentation.nuclei`.
    """

    row_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.nuclei = NucleiModel()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self.nuclei)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        self.horizontalHeader().setResizeContentsPrecision(30)
        self.horizontalHeader().setStretchLastSection(False)
        self.setAccessibleName(tr("Table of nuclei"))
        self.setToolTip(tr("Click a row to see its nucleus; click a heading to sort."))
        self.selectionModel().currentRowChanged.connect(self._chosen)
        self._dress()
        THEME.changed.connect(self._dress)

    def _dress(self) -> None:
        self.verticalHeader().setDefaultSectionSize(THEME.px(22))

    def show_result(self, result: Segmentation | None) -> None:
        """Show another picture's nuclei; no row is chosen then."""
        if result is not self.nuclei.result:
            self.nuclei.show_result(result)

    def choose(self, row: int) -> None:
        """Mark the row of a nucleus that was clicked in the picture; a negative row marks none."""
        self.selectionModel().blockSignals(True)
        if row < 0:
            self.clearSelection()
        else:
            self.selectRow(self._sorted.mapFromSource(self.nuclei.index(row, 0)).row())
        self.selectionModel().blockSignals(False)
        self.viewport().update()

    def _chosen(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid():
            self.row_chosen.emit(self._sorted.mapToSource(current).row())
