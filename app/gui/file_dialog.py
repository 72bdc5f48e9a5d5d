"""Qt's own dialog for files, in the window's colours and letters; the rest of the window stays usable beside it."""

from pathlib import Path

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSize, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFileDialog, QHeaderView, QLineEdit, QTreeView, QWidget

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
    _TypedEarly(window, dialog)
    return dialog


class _TypedEarly(QObject):
    """Until the dialog has the keys, letters and digits typed at its window are meant for it.

    On a slow machine a name is typed before the dialog is there, and every letter would work the microscope instead:
    "snap" takes two pictures, with light. What has no letter, Esc above all, goes where it always goes.
    """

    def __init__(self, window: QWidget, dialog: QFileDialog) -> None:
        super().__init__(dialog)
        self._window, self._dialog = window, dialog
        application = QCoreApplication.instance()
        if application is not None:
            application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Keep shortcuts from such a key, and write it into the name of the file."""
        if watched is self._dialog and event.type() in (QEvent.Type.WindowActivate, QEvent.Type.Hide):
            self.deleteLater()
            return False
        if not isinstance(event, QKeyEvent) or not self._is_early(watched, event):
            return False
        if event.type() == QEvent.Type.ShortcutOverride:
            event.accept()  # now it comes as a plain key
        elif event.type() == QEvent.Type.KeyPress:
            for name in self._dialog.findChildren(QLineEdit)[:1]:
                name.insert(event.text())
        return True

    def _is_early(self, watched: QObject, event: QKeyEvent) -> bool:
        plain = event.modifiers() in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
        of_window = isinstance(watched, QWidget) and watched.window() is self._window
        return plain and of_window and event.text().isprintable() and bool(event.text().strip())
