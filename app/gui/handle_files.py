"""The operator's actions on files: open, choose, export, report. Files are touched on a worker only."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog

from app.events import Notice
from app.gui.file_dialog import file_dialog
from app.gui.panels.report_page import ReportPage
from app.gui.problem_report import LOG, system, write_problem_report
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_LABELS = ("_labels.tif", "_labels.ome.tif")


class FileActions:
    """Each method is one action of the table."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.report_page: ReportPage | None = None

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
        """Replay a file or a folder; beside the labels of a snapshot, offer its picture."""
        if not path:
            return
        if not Path(path).name.endswith(_LABELS):
            self.w.session.open_replay(Path(path))
            return

        def go_on(picture: Any) -> None:
            if isinstance(picture, Path):
                text = f"{Path(path).name} {tr('holds the numbers of nuclei, not a picture; open the picture')}."
                self.w.notify(Notice("warning", text), tr("Open"), lambda: self.w.session.open_replay(picture))
            else:
                self.w.session.open_replay(Path(path))

        self.w.bridge.off_thread(lambda: picture_of_labels(Path(path)), go_on)

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

    def show_report(self) -> None:
        """Say what goes into a problem report, and ask whether a picture may."""
        if self.report_page is None:
            self.report_page = ReportPage(self.w)
            self.report_page.write_asked.connect(self.save_report)
        if not self.report_page.toggle():
            self.report_page.appear()

    def save_report(self, with_picture: bool) -> None:
        """Write a problem report into the folder for files."""
        folder, facts, log = self.w.folder, self.problem_facts(), LOG.text()
        picture = self._picture() if with_picture else None
        self.w.bridge.off_thread(
            lambda: write_problem_report(folder, facts, log, picture), lambda done: self.saved(done, tr("Report"))
        )

    def problem_facts(self) -> dict[str, Any]:
        """Return what helps somebody else to understand a problem; the sample's and operator's names stay out."""
        return {
            "system": system(),
            "state": self.w.session.state.value,
            "settings": json.loads(self.w.session.settings.model_dump_json(exclude={"sample"})),
            "messages": [{"unix_s": at, "level": n.level, "text": n.text} for at, n in self.w.messages.notices],
        }

    def _picture(self) -> bytes:
        data = QByteArray()
        buffer = QBuffer(data)
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        self.w.viewer.grab().save(buffer, "PNG")
        return bytes(data.data())

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
        dialog = file_dialog(self.w, title, self.w.folder)
        dialog.setFileMode(mode)
        return dialog


def picture_of_labels(path: Path) -> Path | None:
    """Return the picture whose nuclei the label image at `path` numbers; None when it is no label image of ours."""
    name = path.name
    for end in _LABELS:
        if name.endswith(end):
            beside = (path.with_name(name.removesuffix(end) + suffix) for suffix in (".ome.tif", ".tif", ".png"))
            return next((each for each in beside if each.is_file()), None)
    return None


def model_names() -> list[str]:
    """Return the installed models' names."""
    from app.inference.model_card import find_models

    return list(find_models())
