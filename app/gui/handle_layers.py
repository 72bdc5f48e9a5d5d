"""The operator's composite: the newest picture of every channel, or every channel of a file, in one picture."""

import time
from typing import TYPE_CHECKING, Any

from app.events import State
from app.frame import Frame
from app.gui.channel_shelf import Companions
from app.gui.composite import FALLBACK_COLORS, Layer, Rgb, is_of
from app.gui.panels.layers import LayersPanel
from app.gui.text import duration, tr
from app.gui.theme import RED, THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class LayerActions:
    """Decides which frames are layers; the composer paints them."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.on = False
        self.panel = LayersPanel()
        self._companions = Companions()
        self._of_file: dict[str, Frame] = {}
        self._place: tuple[object, int] | None = None
        self._reading = False
        self._sent: list[tuple[object, ...]] = []
        self.panel.show_channels(self._named(()))
        self.panel.toggled.connect(self.toggle)
        self.panel.changed.connect(self.refresh)
        self.panel.contrast_asked.connect(self._contrast)

    def toggle(self, on: bool) -> None:
        """Show all channels in one picture, or the newest frame alone."""
        self.on = on
        self.w.actions_by_id["composite"].setChecked(on)
        self.panel.on.setChecked(on)
        self.refresh()

    def now(self) -> tuple[Layer, ...]:
        """Return the layers to be painted; none while the composite is off."""
        if not self.on:
            return ()
        frames, hidden, contrasts = self._frames(), self.panel.hidden_names(), self.w.view.contrasts
        return tuple(
            Layer(name, frames[name], self._rgb(color), contrasts.contrast(name, frames[name].white))
            for name, _, color in self._named(tuple(frames))
            if name in frames and name not in hidden
        )

    def forget(self) -> None:
        """Another field or another source: what was seen before is no part of the picture."""
        self.w.bridge.shelf.clear()
        self._of_file, self._place = {}, None
        self.w.bridge.off_thread(self._companions.close, lambda _done: None)
        self.refresh()

    def refresh(self) -> None:
        """Hand the composer other layers where they changed; called a few times a second."""
        self._look_into_file()
        frames = self._frames()
        self.panel.show_channels(self._named(tuple(frames)))
        layers = self.now()
        essence = [self._essence(each) for each in layers]
        if essence != self._sent:
            self._sent = essence
            self.w.view.restyle(self.w.segmentation.style_now)
        if self.panel.isVisible():
            self._tell(frames)

    # --- what there is ---------------------------------------------------------------------------------------------

    def _replaying(self) -> bool:
        return self.w.session.state is State.REPLAYING

    def _frames(self) -> dict[str, Frame]:
        return self._of_file if self._replaying() else self.w.bridge.shelf.frames()

    def _named(self, found: tuple[str, ...]) -> list[tuple[str, str, str]]:
        """Return (name, title, colour) of the channels: the light's own, or those of the file."""
        known = {channel.name: channel for channel in self.w.session.channels}
        names = found if self._replaying() and found else (*known, *(name for name in found if name not in known))
        out = []
        for place, name in enumerate(names):
            channel = known.get(name)
            color = channel.color if channel is not None else FALLBACK_COLORS[place % len(FALLBACK_COLORS)]
            out.append((name, f"{name} · {channel.stain}" if channel is not None and channel.stain else name, color))
        return out

    @staticmethod
    def _rgb(color: str) -> Rgb:
        if THEME.palette is RED:
            color = RED.text  # one white picture would undo what the red letters are for
        return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)

    def _look_into_file(self) -> None:
        """Read the other channels of the moment that the replay shows, off the window's thread."""
        moved = self.w.presenter.replay if self._replaying() else None
        if not self.on or moved is None or moved.length < 2 or self._reading:
            return
        place = (moved.path, min(max(moved.position - 1, 0), moved.length - 1))
        if place == self._place:
            return
        self._place, self._reading = place, True
        self.w.bridge.off_thread(lambda: self._companions.read(*place), self._have_read)

    def _have_read(self, found: Any) -> None:
        self._reading = False
        # A file that cannot be read says so where it is replayed; the composite then shows what it had.
        if isinstance(found, dict) and self._replaying():
            self._of_file = found
            self.refresh()

    def close(self) -> None:
        """Let go of the file, once the window's worker has ended."""
        self._companions.close()

    def _essence(self, layer: Layer) -> tuple[object, ...]:
        """Return what has to change before the composer is told; the channel on the screen is newest there."""
        on_screen = self.w.viewer.frame is not None and is_of(self.w.viewer.frame, layer)
        return layer.name, None if on_screen else id(layer.frame), layer.color, layer.contrast

    # --- contrast --------------------------------------------------------------------------------------------------

    def _contrast(self, name: str, levels: tuple[float, float] | None) -> None:
        view = self.w.view
        if levels is None:
            view.contrasts.follow(name)
        else:
            view.contrasts.fix(name, *levels)
        if name == view.contrast_key():
            view.apply_contrast()
        self.refresh()

    def _tell(self, frames: dict[str, Frame]) -> None:
        composed = self.w.viewer.composed
        if composed is not None:
            for name, levels in composed.levels.items():
                if name in self.panel.rows:
                    self.panel.rows[name].show_levels(*levels, follows=self.w.view.contrasts.follows(name))
        if not self.on:
            self.panel.say("", {})
        elif self._replaying():
            one = tr("This file has one channel at this moment.")
            self.panel.say(one if len(frames) < 2 else "", {})
        else:
            told = tr("Show or snap each channel once; D begins anew after the stage has moved.")
            now = time.time()
            ages = {name: max(now - frame.unix_time_s, 0.0) for name, frame in frames.items()}
            notes = {name: tr("now") if age < 2 else f"{duration(age)} {tr('old')}" for name, age in ages.items()}
            missing = {name: tr("no picture yet") for name in self.panel.rows if name not in frames}
            self.panel.say(told if missing else "", {**notes, **missing})
