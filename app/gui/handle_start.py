"""The first start: which devices, and a tour of the window. Both are in the menu for later."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from app.events import Notice
from app.gui.panels.page import Page
from app.gui.panels.start_page import SIMULATED, StartPage
from app.gui.text import tr
from app.gui.tour import Tour

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class StartActions:
    """Each public method is one action of the table, or what the page's buttons do.

    Attributes
    ----------
    undecided : bool
        Nobody has said yet which devices to work with; until then nothing can be started.
    on_choice : callable or None
        Opens a window on another camera and light; takes their names.
    """

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.undecided = False
        self.on_choice: Callable[[str, str], object] | None = None
        self.page: StartPage | None = None
        self.tour: Tour | None = None
        self._give_up_look: Callable[[], bool] = lambda: False

    # --- devices ---------------------------------------------------------------------------------------------------

    def ask_for_devices(self) -> None:
        """Let nothing start until somebody has chosen."""
        self.undecided = True
        self.w.show_session_state(self.w.session.state)
        self.show_devices()

    def show_devices(self) -> None:
        """Show the page on which devices are chosen, and look for them; or take it away."""
        if self.page is None:
            self.page = StartPage(self.w)
            self.page.chosen.connect(self.use)
            self.page.look_asked.connect(self.look)
            self.page.cancel.clicked.connect(lambda _checked=False: self.cancel_look())
        if not self.page.toggle():
            self.page.appear()
            self.look()

    def look(self) -> None:
        """Look for devices, on a thread of its own: a driver or a port may hang."""
        if self.page is None:
            return
        self._give_up_look()
        settings = self.w.session.settings
        self.page.begin(settings.camera_id, settings.light_id, in_use=not self.undecided)

        def work(tell: Callable[[object], None]) -> object:
            from app.doctor import look_for_devices

            return look_for_devices(tell)

        self._give_up_look = self.w.bridge.lone_work(work, self.page.show_looking, self.page.show_found)

    def cancel_look(self) -> bool:
        """Look no further; False when nothing was looked for."""
        return self._give_up_look()

    def use(self, camera: str, light: str) -> None:
        """Work with these; the real ones are remembered for the next start, simulators never are."""
        if SIMULATED not in (camera, light):
            self.w.store.put({"camera": camera, "light": light})
        settings = self.w.session.settings
        self.cancel_look()  # it may be at a port that is opened now
        if self.page is not None:
            self.page.hide()
            self.w.viewer.setFocus()
        if (camera, light) != (settings.camera_id, settings.light_id):
            if self.on_choice is None:
                self.w.notify(Notice("info", tr("Start dapiscope again to work with these.")))
                return
            self.on_choice(camera, light)
            self.w.closing.begin()
            return
        if self.undecided:
            self.undecided = False
            self.w.show_session_state(self.w.session.state)
            self.w.session.connect()
            self.tour_once()

    # --- the tour --------------------------------------------------------------------------------------------------

    def show_tour(self) -> None:
        """Walk through the window."""
        for page in Page.in_sight(self.w.page):
            page.hide()
        if self.tour is None:
            self.tour = Tour(self.w)
        self.tour.begin()

    def tour_once(self) -> None:
        """Show the tour to somebody who has never seen it, as soon as there is something to begin with."""
        if not self.undecided and not self.w.store.flag("toured", False):
            self.w.store.put({"toured": True})
            self.w.store.sync()
            self.show_tour()

    def end_tour(self) -> None:
        """Take the tour away."""
        if self.tour is not None:
            self.tour.end()
