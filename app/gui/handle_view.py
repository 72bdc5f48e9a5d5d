"""The operator's actions on what is seen: contrast, zoom, overlays, panels, letters. None of them touches a device."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.display import Contrast
from app.events import Notice, State
from app.frame import Frame
from app.gui.composer import Look
from app.gui.contrast import ContrastBook, auto_fractions
from app.gui.overlay_paint import ColorBy, OverlayStyle, Rgb
from app.gui.text import tr
from app.gui.theme import DARK, RED, THEME

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

_MOST_UNDONE = 100
_STEPS_MS = 250
"""Steps of the letters that follow each other so soon are one."""

_RED_MARKED: Rgb = (140, 26, 18)
_RED_LIMITS: tuple[Rgb, Rgb] = (0, 0, 0), (110, 22, 15)
"""In the red theme what is burnt out is black in the bright, and what has no signal is dim in the black."""


class ViewActions:
    """Each method is one action of the table."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.contrasts = ContrastBook.from_text(window.store.text("contrast"))
        self._applied = ("", 0)
        self.history = QUndoStack(window)
        """Changes of contrast, the newest last."""
        self.history.setUndoLimit(_MOST_UNDONE)
        self._letters = THEME.font_scale
        self._letters_later = QTimer(window)
        self._letters_later.setSingleShot(True)
        self._letters_later.setInterval(_STEPS_MS)
        self._letters_later.timeout.connect(lambda: THEME.set(font_scale=self._letters))
        self.tinted = window.store.flag("tint", False)
        self.marking = window.store.flag("limits", True)

    # --- contrast --------------------------------------------------------------------------------------------------

    def contrast_key(self) -> str:
        """Return whose contrast is in force: the channel's, or that of the recording's or the plan's frame."""
        frame = self.w.viewer.frame
        if self.w.session.state is State.PLAN and frame is not None and frame.light.channel is not None:
            return frame.light.channel
        if self.w.session.state is State.REPLAYING and frame is not None:
            return frame.light.channel or "file"
        return self.w.session.selected_channel or "dark"

    def apply_contrast(self, channel: str | None = None) -> None:
        """Ask the display for the contrast that is remembered for the channel."""
        frame, key = self.w.viewer.frame, channel or self.contrast_key()
        white = frame.white if frame is not None else 255
        self._applied = (key, white)
        self.w.actions_by_id["follow_contrast"].setChecked(self.contrasts.follows(key))
        self.w.session.set_contrast(self.contrasts.contrast(key, white))

    def follow_frame(self, frame: Frame) -> None:
        """Ask anew where a frame has another bit depth or channel than the contrast was asked for."""
        if self._applied != (self.contrast_key(), frame.white):
            self.apply_contrast()

    def auto_contrast(self) -> None:
        """Fit black and white to the present picture and keep them for this channel."""
        composed = self.w.viewer.composed
        if composed is not None:
            self._change(auto_fractions(composed.picture.histogram))

    def follow_contrast(self, on: bool) -> None:
        """Fit black and white to every picture, or stay as it is now."""
        if not on:
            self.auto_contrast()
            return
        self._change(None)

    def full_contrast(self) -> None:
        """Show the sensor's whole range."""
        self._change((0.0, 1.0))

    def drag_contrast(self, contrast: Contrast) -> None:
        """Keep what was set with the histogram's handles."""
        white = self.w.histogram.white + 1
        low, high = contrast.low or 0.0, white if contrast.high is None else contrast.high
        self._change((low / white, high / white), self.w.histogram.drag)

    def undo(self) -> None:
        """Take the last correction back while nuclei are corrected, else the last change of contrast."""
        stack = self.w.correct.stack
        (stack if self.w.correct.on or not self.history.canUndo() else self.history).undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        stack = self.w.correct.stack
        (stack if self.w.correct.on or not self.history.canRedo() else self.history).redo()

    def _change(self, levels: tuple[float, float] | None, drag: int = 0) -> None:
        """Give the contrast that is in force these levels, so that it can be undone; None follows the picture."""
        key = self.contrast_key()
        before = self.contrasts.levels.get(key)
        if levels != before:
            self.history.push(_Change(partial(self._set, key, before), partial(self._set, key, levels), drag))
        self.apply_contrast()

    def _set(self, key: str, levels: tuple[float, float] | None) -> None:
        if levels is None:
            self.contrasts.follow(key)
        else:
            self.contrasts.fix(key, *levels)
        if key == self.contrast_key():
            self.apply_contrast()
        else:
            self.w.notify(Notice("info", f"{tr('The contrast was changed of')} {key}."))

    # --- the look --------------------------------------------------------------------------------------------------

    def restyle(self, style: OverlayStyle) -> None:
        """Draw nuclei, tint and marks in this way from now on."""
        self.w.viewer.show_ids = style.ids and style.shown
        if THEME.palette is RED:  # no colour but red: those of sizes and of scores say nothing then
            style = style.with_(color=_rgb(RED.accent), marked=_RED_MARKED, color_by=ColorBy.NOTHING)
        self.w.viewer.color_by = style.color_by if style.shown and not self.w.compare.on else ColorBy.NOTHING
        self.w.viewer.update()
        line = style.line_px * THEME.font_scale * self.w.devicePixelRatioF()
        look = Look(style.with_(line_px=line), self._tint(), self.marking, self.w.layers.now())
        self.w.bridge.set_look(replace(look, limits=_RED_LIMITS) if THEME.palette is RED else look)

    def _tint(self) -> Rgb | None:
        if THEME.palette is RED:
            return _rgb(RED.text)  # one white picture would undo what the red letters are for
        colors = {channel.name: channel.color for channel in self.w.session.channels}
        color = colors.get(self.contrast_key()) if self.tinted else None
        return None if color is None else _rgb(color)

    def change_style(self, **changes: object) -> None:
        """Change some of the style, in the panel as well."""
        self.w.segmentation.show_style(self.w.segmentation.style_now.with_(**changes))
        self.restyle(self.w.segmentation.style_now)

    def toggle_overlay(self, on: bool) -> None:
        """Show or hide the nuclei."""
        self.change_style(shown=on)

    def toggle_ids(self, on: bool) -> None:
        """Show or hide the numbers."""
        self.change_style(ids=on)

    def toggle_tint(self, on: bool) -> None:
        """Grey, or the channel's colour."""
        self.tinted = on
        self.restyle(self.w.segmentation.style_now)

    def toggle_limits(self, on: bool) -> None:
        """Mark saturation and emptiness."""
        self.marking = on
        self.restyle(self.w.segmentation.style_now)

    def toggle_log(self, on: bool) -> None:
        """Show few pixels beside many, or true heights."""
        self.history.push(_Change(partial(self.show_log, not on), partial(self.show_log, on)))

    def show_log(self, on: bool) -> None:
        """Draw the histogram by the logarithm, or not."""
        self.w.actions_by_id["log_histogram"].setChecked(on)
        self.w.histogram.set_log(on)

    def toggle_crosshair(self, on: bool) -> None:
        """Show the middle of the field."""
        self.w.viewer.crosshair = on
        self.w.viewer.update()

    def fit_view(self) -> None:
        """Whole field."""
        self.w.viewer.fit_view()

    def actual_size(self) -> None:
        """One to one."""
        self.w.viewer.actual_size()

    def zoom_in(self) -> None:
        """Enlarge."""
        self.w.viewer.zoom(1.25)

    def zoom_out(self) -> None:
        """Show more."""
        self.w.viewer.zoom(0.8)

    # --- the window ------------------------------------------------------------------------------------------------

    def toggle_fullscreen(self, on: bool) -> None:
        """Use the whole screen, or the window as it was."""
        if on:
            self.w.showFullScreen()
        else:
            self.w.showNormal()

    def toggle_panels(self, on: bool) -> None:
        """Show or hide the panels on the right."""
        self.w.panel_area.setVisible(on)

    def toggle_charts(self, on: bool) -> None:
        """Show or hide what is below the picture; from now on the window leaves that to the operator."""
        self.w.charts_by_hand = True
        self.w.show_charts(on)

    def bigger_letters(self) -> None:
        """A quarter more, to twice the size."""
        self._step_letters(0.25)

    def smaller_letters(self) -> None:
        """A quarter less, to the usual size."""
        self._step_letters(-0.25)

    def _step_letters(self, step: float) -> None:
        """Put steps in quick succession together: every size lays the whole window out anew, and keys wait for that."""
        if not self._letters_later.isActive():
            self._letters = THEME.font_scale
        self._letters = min(max(self._letters + step, 1.0), 2.0)
        self._letters_later.start()

    def toggle_red(self, on: bool) -> None:
        """Deep red, or the dark theme."""
        THEME.set(RED if on else DARK)
        self.restyle(self.w.segmentation.style_now)

    def toggle_english(self, on: bool) -> None:
        """English, or the language of the system; texts are looked up once, so it takes a new window."""
        self.w.store.put({"english": on})
        self.w.store.sync()
        self.w.notify(Notice("info", tr("Close dapiscope and start it again for the other language.")))

    def toggle_help(self, on: bool) -> None:
        """Show or hide the map of keys."""
        if on:
            self.w.key_map.appear()
        else:
            self.w.key_map.hide()


def _rgb(color: str) -> Rgb:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


class _Change(QUndoCommand):
    """One change of contrast; all of one drag of a handle (`drag` is its number, or 0) are one."""

    def __init__(self, undo: Callable[[], None], redo: Callable[[], None], drag: int = 0) -> None:
        super().__init__()
        self.back, self.forth, self.drag = undo, redo, drag

    def undo(self) -> None:
        """Take it back."""
        self.back()

    def redo(self) -> None:
        """Do it."""
        self.forth()

    def id(self) -> int:
        """Return what may be merged with what."""
        return self.drag or -1

    def mergeWith(self, other: QUndoCommand) -> bool:  # noqa: N802 - Qt's name
        """Go on to where `other`, of the same drag, went."""
        assert isinstance(other, _Change)
        self.forth = other.forth
        return True
