"""Which camera and which light: what was found, what hides the rest and how to mend it, or simulators on request."""

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QApplication, QComboBox, QFormLayout, QHBoxLayout, QPushButton, QScrollArea, QWidget

from app.doctor import Check, Found, Looking
from app.errors import CancelledError
from app.gui.panels.checks import CheckList
from app.gui.panels.page import Page
from app.gui.panels.parts import choice, form, label, progress_bar
from app.gui.text import tr
from app.gui.theme import THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

SIMULATED = "sim"


class StartPage(Page):
    """Shows what was found and lets one choose.

    Signals
    -------
    chosen : str, str
        Camera and light, as ``--camera`` and ``--light`` take them.
    look_asked
        Look for devices once more.
    """

    chosen = Signal(str, str)
    look_asked = Signal()

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window.page, window.viewer, tr("Camera and light"))
        self.lines.addWidget(
            label(tr("Choose what dapiscope works with. Nothing is switched on until you start."), "muted", wrap=True)
        )
        fields = QWidget()
        rows = form(fields)
        rows.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        self.camera = choice(self, tr("Camera"), tr("The camera to work with."))
        self.light = choice(self, tr("Light source"), tr("The light source to work with."))
        rows.addRow(tr("Camera"), self.camera)
        rows.addRow(tr("Light source"), self.light)
        self.lines.addWidget(fields)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.lines.addWidget(self._area, 1)
        self.progress = progress_bar(tr("How much of the search is done."))
        self.lines.addWidget(self.progress)
        self.cancel = QPushButton(tr("Cancel"))
        self.cancel.setToolTip(tr("Look no further.  [Esc]"))
        self.again = QPushButton(tr("Look again"))
        self.again.setToolTip(tr("Look for cameras and light sources once more."))
        self.simulators = QPushButton(tr("Try it on simulators"))
        self.simulators.setToolTip(tr("Work on a simulated sample, with a simulated camera and light."))
        self.use = QPushButton(tr("Use these"))
        self.use.setToolTip(tr("Work with this camera and this light, also at the next start."))
        row = QHBoxLayout()
        row.setSpacing(THEME.px(8))
        row.addWidget(self.again)
        row.addWidget(self.cancel)
        row.addStretch(1)
        row.addWidget(self.simulators)
        row.addWidget(self.use)
        self.lines.addLayout(row)
        self.again.clicked.connect(lambda _checked=False: self.look_asked.emit())
        self.simulators.clicked.connect(lambda _checked=False: self.chosen.emit(SIMULATED, SIMULATED))
        self.use.clicked.connect(lambda _checked=False: self._choose())
        for box in (self.camera, self.light):
            box.currentIndexChanged.connect(lambda _index: self._allow())
        self._wanted, self._in_use = (SIMULATED, SIMULATED), False
        self._looks(False)
        self._fill(())

    def begin(self, camera: str, light: str, *, in_use: bool) -> None:
        """Say that devices are looked for; `camera` and `light` are those of the settings, perhaps `in_use` now."""
        self._wanted, self._in_use = (camera, light), in_use
        if self.isVisible():
            self.camera.setFocus()  # before "Look again" hands it to "simulators": Enter never chooses those by itself
        self._looks(True)
        self._fill(())
        self._list([Check("", "note", tr("Looking for cameras and light sources… this takes a few seconds."))])

    def show_looking(self, looking: Looking) -> None:
        """Show how far the search is."""
        self.progress.setValue(round(100 * looking.done))
        at = {"cameras": tr("Looking for cameras…"), "checks": tr("Looking for what hides devices…")}
        self._list([Check("", "note", at.get(looking.at, f"{tr('Looking for a light source at')} {looking.at}…"))])

    def _looks(self, on: bool) -> None:
        self.again.setEnabled(not on)
        self.cancel.setEnabled(on)
        self.progress.setVisible(on)
        self.progress.setValue(0)

    def show_found(self, found: Any) -> None:
        """Show what there is, or why nothing could be looked for."""
        self._looks(False)
        if not isinstance(found, Found):
            self._fill(())
        if isinstance(found, CancelledError):
            self._list([Check("", "note", tr("Cancelled. Choose simulators, or look again."))])
            return
        if not isinstance(found, Found):
            self._list([Check("", "bad", str(found))])
            return
        self._fill(found.cameras, found.lights)
        self._list(list(found.checks))
        focused = QApplication.focusWidget()
        if self.isVisible() and (focused is self.camera or focused is None or not self.isAncestorOf(focused)):
            (self.use if self.use.isEnabled() else self.again).setFocus()

    def _list(self, checks: list[Check]) -> None:
        self._area.setWidget(CheckList(checks))
        if self.isVisible():
            self.settle()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Return room for the checks, too."""
        return super().sizeHint().expandedTo(QSize(THEME.px(700), THEME.px(480)))

    def _fill(self, cameras: tuple[tuple[str, str], ...], lights: tuple[tuple[str, str], ...] = ()) -> None:
        """List the devices; a real one is proposed, a simulator only where one is in use and nothing else is there."""
        for box, found, simulated, wanted in (
            (self.camera, cameras, tr("Simulated camera"), self._wanted[0]),
            (self.light, lights, tr("Simulated light box"), self._wanted[1]),
        ):
            box.clear()
            for name, title in found:
                box.addItem(title, name)
            box.addItem(simulated, SIMULATED)
            looks = self.cancel.isEnabled()
            if found:
                box.setCurrentIndex(max(box.findData(wanted) if wanted != SIMULATED else 0, 0))
            else:
                box.setCurrentIndex(0 if wanted == SIMULATED and self._in_use and not looks else -1)
            box.setPlaceholderText(tr("looking…") if looks else tr("none found: choose a simulator, or look again"))
        self._allow()

    def _allow(self) -> None:
        self.use.setEnabled(self.camera.currentIndex() >= 0 and self.light.currentIndex() >= 0)

    def _choose(self) -> None:
        self.chosen.emit(_name(self.camera), _name(self.light))


def _name(box: QComboBox) -> str:
    return str(box.currentData())
