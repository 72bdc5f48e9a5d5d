"""The operator's actions on files: open, choose, export, report. Files are touched on a worker only."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from app.events import Notice
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class FileActions:
    """Each method is one action of the table."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window

    def open_recording(self) -> None:
        """Ask for a file and replay it."""
        dialog = self._dialog(tr("Open recording"), QFileDialog.FileMode.ExistingFile)
        dialog.setNameFilters([tr("Pictures (*.tif *.tiff *.png *.jpg *.bmp)"), tr("All files (*)")])
        dialog.fileSelected.connect(self.open_path)
        dialog.show()

    def open_folder(self) -> None:
        """Ask for a folder and replay it."""
        dialog = self._dialog(tr("Open folder"), QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.open_path)
        dialog.show()

    def open_path(self, path: str) -> None:
        """Replay a file or a folder."""
        if path:
            self.w.session.open_replay(Path(path))

    def choose_folder(self) -> None:
        """Ask where to save."""
        dialog = self._dialog(tr("Where to save"), QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self.use_folder)
        dialog.show()

    def use_folder(self, path: str) -> None:
        """Save to this folder from now on."""
        if path:
            self.w.folder = Path(path)
            self.w.sample.show_folder(self.w.folder)

    def save_report(self) -> None:
        """Write versions, settings and messages, no images, to a JSON file in the folder for files."""
        folder, report = self.w.folder, self.problem_report()
        self.w.bridge.off_thread(lambda: write_report(folder, report), lambda done: self.saved(done, tr("Report")))

    def problem_report(self) -> dict[str, Any]:
        """Return what helps somebody else to understand a problem; the sample's and operator's names stay out."""
        return {
            "versions": versions(),
            "system": {"platform": platform.platform(), "python": platform.python_version()},
            "state": self.w.session.state.value,
            "settings": json.loads(self.w.session.settings.model_dump_json(exclude={"sample"})),
            "messages": [{"unix_s": at, "level": n.level, "text": n.text} for at, n in self.w.messages.notices],
        }

    def show_in_folder(self, path: Path) -> None:
        """Open the folder of a file in the system's own file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(path if path.is_dir() else path.parent)))

    def saved(self, done: Any, what: str) -> None:
        """Say that a file was written, or why it was not."""
        if isinstance(done, BaseException):
            text = f"{what} {tr('could not be written')} ({done}); {tr('choose another folder under “Save to”.')}"
            self.w.notify(Notice("error", text))
        else:
            self.w.notify_file(Notice("info", f"{what}: {done.name}"), done)

    def _dialog(self, title: str, mode: QFileDialog.FileMode) -> QFileDialog:
        """Return a dialog that leaves the rest of the window usable: the light must stay within reach."""
        dialog = QFileDialog(self.w, title, str(self.w.folder))
        dialog.setObjectName("file-dialog")
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setFileMode(mode)
        dialog.setModal(False)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        # The keys work the microscope again as soon as the dialog is gone, whatever the window manager thinks.
        dialog.finished.connect(lambda _result: QTimer.singleShot(0, self.w, self.w.activateWindow))
        return dialog


def free_name(folder: Path, stem: str, suffix: str) -> Path:
    """Return a path in `folder` that does not exist yet: ``stem``, ``stem-2`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    path, n = folder / f"{stem}{suffix}", 1
    while path.exists():
        n += 1
        path = folder / f"{stem}-{n}{suffix}"
    return path


def write_report(folder: Path, report: dict[str, Any]) -> Path:
    """Write a report to a new JSON file. Return its path."""
    path = free_name(folder, "dapiscope-report", ".json")
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
    return path


def versions() -> dict[str, str]:
    """Return the versions of what matters; a package that is not installed is told so."""
    names = ("dapiscope", "PySide6_Essentials", "pypylon", "onnxruntime", "numpy", "opencv-python-headless", "tifffile")
    found: dict[str, str] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def model_names() -> list[str]:
    """Return the installed models' names."""
    from app.inference.model_card import find_models

    return list(find_models())
