"""Qt's own dialog for files, in the window's colours and letters; the rest of the window stays usable beside it."""

from pathlib import Path

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QFileDialog, QHeaderView, QTreeView, QWidget

from app.gui.theme import THEME


def file_dialog(window: QWidget, title: str, folder: Path, *, name_filter: str = "") -> QFileDialog:
    """Return a dialog, not shown yet, that begins in `folder`: not modal, the light must stay within reach."""
    dialog = QFileDialog(window, title, str(folder), name_filter)
    dialog.setObjectName("file-dialog")
    dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
    dialog.setModal(False)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for view in dialog.findChildren(QTreeView):
        view.header().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
    room = window.size() * 0.94
    dialog.resize(QSize(THEME.px(820), THEME.px(520)).boundedTo(room).expandedTo(dialog.minimumSizeHint()))
    # The keys work the microscope again as soon as the dialog is gone, whatever the window manager thinks.
    dialog.finished.connect(lambda _result: QTimer.singleShot(0, window, window.activateWindow))
    return dialog
