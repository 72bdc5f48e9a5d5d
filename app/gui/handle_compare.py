"""The operator's comparison of two models on what is replayed, side by side."""

from typing import TYPE_CHECKING

from app.events import Notice, State
from app.gui.panels.compare_bar import CompareBar
from app.gui.side import Compared, ComposedBeside, SideFailed
from app.gui.text import number, tr
from app.gui.theme import THEME
from app.gui.viewer import Viewer
from app.gui.viewer_paint import Badge

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class CompareActions:
    """Opens and closes the second picture; nothing of it exists while it is closed."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.bar = CompareBar()
        self.bar.hide()
        self.viewer: Viewer | None = None
        self._chosen = ""
        self._compared: Compared | None = None
        self.bar.model_asked.connect(self.compare_with)
        self.bar.close_asked.connect(lambda: self.toggle(False))

    @property
    def on(self) -> bool:
        """True while two models are compared."""
        return self.w.bridge.side is not None

    def toggle(self, on: bool) -> None:
        """Compare with the model chosen last, or with another one than the present; or show one model again."""
        if not on or self.w.session.state is not State.REPLAYING:
            self._end()
            return
        names = self._names()
        present = self.w.segmentation.model.currentText()
        others = [name for name in names if name != present]
        if self._chosen not in names or self._chosen == present:
            self._chosen = others[0] if others else present
        self.compare_with(self._chosen)

    def compare_with(self, name: str) -> None:
        """Show what another model finds in the same frames."""
        w = self.w
        self._end()
        self._chosen = name
        self.bar.show_models(self._names(), name)
        self.bar.say(f"{name}: {tr('the model is being loaded…')}")
        if self.viewer is None:
            self.viewer = Viewer()
            self.viewer.setAccessibleName(tr("Picture of the second model"))
            self.viewer.setMinimumSize(160, 110)
            self.viewer.placed.connect(w.viewer.follow)
            w.viewer.placed.connect(self.viewer.follow)
            w.pictures.addWidget(self.viewer, 1)
        w.viewer.setMinimumSize(160, 110)
        self.viewer.show()
        for over in (w.toasts, w.banner):
            over.raise_()
        self.bar.show()
        side = w.bridge.open_side(name)
        composed, result = w.viewer.composed, w.session.last_result
        if composed is not None:
            side.show_picture(composed.picture)
        if result is not None:
            side.take(result)
        elif not w.actions_by_id["counting"].isChecked():
            self.bar.say(tr("Nothing is compared while counting is off; press C."), "warning")
        w.actions_by_id["compare"].setChecked(True)
        w.view.restyle(w.segmentation.style_now)
        w.presenter.refresh_badges()

    def take(self, event: Compared | ComposedBeside | SideFailed) -> None:
        """Show what came from the second model; what comes late from one that was closed is left out."""
        if self.w.bridge.side is None or self.viewer is None:
            return
        match event:
            case ComposedBeside(composed):
                self.viewer.show_ids, self.viewer.crosshair = self.w.viewer.show_ids, self.w.viewer.crosshair
                self.viewer.show_composed(composed)
                if self.w.viewer.placement is not None:
                    self.viewer.follow(self.w.viewer.placement)
            case Compared():
                self._compared = event
                self.w.bridge.composer.mark(event.first, event.agreement.only_first)
                self.bar.show_compared(self._first_name(), event)
                self.viewer.set_badges([self._badge(event.model, event.second.count)], None)
                self.w.presenter.refresh_badges()
            case SideFailed(reason):
                self.toggle(False)
                self.w.notify(Notice("error", reason))

    def badge(self) -> Badge | None:
        """Return what the first picture has to say of itself while there are two."""
        if not self.on or self._compared is None:
            return None
        return self._badge(self._first_name(), self._compared.first.count)

    def follow_state(self, state: State) -> None:
        """Models are compared on what is replayed only."""
        if state is not State.REPLAYING and self.on:
            self._end()

    def _badge(self, model: str, count: int) -> Badge:
        return Badge(f"{model} · {number(count)} {tr('nuclei')}", THEME.palette.text, dot=False)

    def _first_name(self) -> str:
        return self.w.segmentation.model.currentText()

    def _names(self) -> list[str]:
        box = self.w.segmentation.model
        return [box.itemText(index) for index in range(box.count())]

    def _end(self) -> None:
        self._compared = None
        self.w.bridge.close_side()
        self.w.bridge.composer.unmark()
        self.bar.hide()
        if self.viewer is not None:
            self.viewer.hide()
            self.viewer.composed = None
            self.viewer.set_badges([], None)
        self.w.viewer.setMinimumSize(320, 180)
        self.w.actions_by_id["compare"].setChecked(False)
        self.w.view.restyle(self.w.segmentation.style_now)
        self.w.presenter.refresh_badges()
