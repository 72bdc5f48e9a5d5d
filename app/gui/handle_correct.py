"""Correcting nuclei by hand, on a picture that stands still: edits, undo and redo, saved beside the picture at once."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QUndoCommand, QUndoStack

from app.correction_files import Correction, load_correction, rounded, save_corrections
from app.corrections import (
    Edit,
    Kind,
    Point,
    apply_edit,
    corrected,
    corrected_segmentation,
    describe,
    neck_at,
    outline_at,
    said,
    usual_diameter_px,
)
from app.errors import UsageError
from app.events import Notice, State
from app.frame import Frame, Segmentation
from app.gui.correct_tool import CorrectTool, Marks
from app.gui.panels.correct_bar import CorrectBar
from app.gui.text import number, tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow

MODES: dict[Kind, str] = {
    "add": "Click a nucleus that was missed, or draw around it.",
    "remove": "Click what is no nucleus.",
    "split": "Click two nuclei that were taken for one, or draw a line between them.",
    "merge": "Click one part of a nucleus, then the other, or drag between them.",
}
CORRECT_BUTTONS = (*(f"correct_{mode}" for mode in MODES), "undo", "redo")
SECOND = "Now click the other part.  [Backspace: begin again]"


class CorrectActions:
    """Each public method is one action of the table, or follows what is shown."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.tool, self.bar, self.stack = CorrectTool(), CorrectBar(), QUndoStack(window)
        self.current: Correction | None = None
        self.shown: Segmentation | None = None
        """The corrected nuclei on the screen."""
        self.origins: tuple[str, ...] = ()
        self._labels: NDArray[np.int32] = np.zeros((1, 1), np.int32)
        self._picture = Path()
        self._looked: Frame | None = None
        self._asked = 0
        self._filling = False
        self.tool.clicked.connect(self._click)
        self.tool.drawn.connect(self._draw)
        self.bar.close_asked.connect(lambda: self.toggle(False))

    # --- actions ---------------------------------------------------------------------------------------------------

    def toggle(self, on: bool) -> None:
        """Begin or stop to correct; the corrections stay."""
        if on and not self._begin():
            on = False
        if on:
            self.w.actions_by_id["profile"].setChecked(False)
            self.w.viewer.set_tool(self.tool)
            self.choose(self.tool.mode)
        elif self.w.viewer.tool is self.tool:
            self.w.viewer.set_tool(None)
        self.w.actions_by_id["correct"].setChecked(on)
        self.bar.setVisible(on)
        if on:
            self._tell()
        else:
            self._check_modes(None)

    def choose(self, mode: Kind) -> None:
        """Add, remove, split or merge from now on."""
        if self.w.viewer.tool is not self.tool:
            self.tool.mode = mode
            self.toggle(True)
            if self.w.viewer.tool is not self.tool:
                self._check_modes(None)
            return
        self.tool.choose(mode)
        self._check_modes(mode)
        self.bar.say(tr(MODES[mode]))
        self.w.viewer.update()

    def add(self, _on: bool) -> None:
        """Add what was missed."""
        self.choose("add")

    def remove(self, _on: bool) -> None:
        """Remove what is none."""
        self.choose("remove")

    def split(self, _on: bool) -> None:
        """Make two of one."""
        self.choose("split")

    def merge(self, _on: bool) -> None:
        """Make one of two."""
        self.choose("merge")

    @property
    def on(self) -> bool:
        """True while nuclei are corrected."""
        return self.w.viewer.tool is self.tool

    def _check_modes(self, mode: Kind | None) -> None:
        for each in MODES:
            self.w.actions_by_id[f"correct_{each}"].setChecked(each == mode)

    # --- beginning and leaving -------------------------------------------------------------------------------------

    def stands(self) -> bool:
        """Return True while a snapshot is shown or a replay is held: the picture will not change under the hand."""
        state, snapped = self.w.session.state, self.w.presenter.snapped
        if state is State.REPLAYING:
            return not self.w.replay_bar.playing
        return state is State.IDLE and snapped is not None and self.w.viewer.frame is snapped.frame

    def _begin(self) -> bool:
        frame, result = self.w.viewer.frame, self.w.viewer.result
        if frame is None or not self.stands():
            self._refuse(tr("Only a picture that stands still can be corrected: press S to snap, or hold the replay."))
            return False
        if result is None or result.frame is not frame:
            self._refuse(tr("This picture was not counted: press S to snap and segment one, or switch counting on."))
            return False
        if self.current is None:
            self._take(Correction(result, (), *self.w.exports.model_of(frame)))
        return True

    def _refuse(self, why: str) -> None:
        self.w.notify(Notice("warning", why))

    def _take(self, correction: Correction) -> None:
        """Correct this picture from now on; edits of earlier days can be taken back too."""
        self.current = Correction(correction.base, (), correction.model_name, correction.model_sha256)
        self._labels = correction.base.labels
        self._picture = self._path_of(correction.base.frame)
        self.stack.clear()
        self._filling = True
        for edit in correction.edits:
            self.stack.push(_Command(self, edit))
        self._filling = False
        if correction.edits:
            self._refresh(save=False)

    def _path_of(self, frame: Frame) -> Path:
        snapped, replay = self.w.presenter.snapped, self.w.presenter.replay
        if snapped is not None and snapped.frame is frame and "image" in snapped.files:
            return snapped.files["image"]
        if replay is not None:
            return Path(frame.source) if frame.source else replay.path
        return self.w.folder / "picture"

    def follow(self) -> None:
        """Leave a picture that has changed, and look for corrections of the one that stands now; at a human pace."""
        frame, result = self.w.viewer.frame, self.w.viewer.result
        if self.current is not None and (frame is not self.current.base.frame or not self.stands()):
            self._leave()
        if self.bar.isVisible() and self.w.viewer.tool is not self.tool:
            self.toggle(False)  # another tool has the picture
        counted = result is not None and result.frame is frame
        if frame is None or frame is self._looked or not counted or not self.stands() or self.current is not None:
            return
        self._looked = frame
        picture = self._path_of(frame)

        def show(done: Any) -> None:
            if isinstance(done, BaseException):
                self.w.notify(Notice("warning", str(done)))
            elif done is not None and self.w.viewer.frame is frame and self.current is None:
                self._take(done)

        self.w.bridge.off_thread(lambda: load_correction(picture, frame), show)

    def _leave(self) -> None:
        self.toggle(False)
        self._check_modes(None)
        self.current, self.shown, self.origins = None, None, ()
        self._asked += 1
        self.tool.marks, self.tool.first = Marks(), None
        self.stack.clear()

    # --- the hand --------------------------------------------------------------------------------------------------

    def _click(self, x: float, y: float) -> None:
        current = self.current
        if current is None:
            return
        mode, at = self.tool.mode, (x, y)
        try:
            if mode == "add":
                base = current.base
                diameter_px = usual_diameter_px(base)
                self._do("add", outline_at(base.frame, self._labels, base.zoom, at, diameter_px))
            elif mode == "split":
                self._do("split", neck_at(self._labels, current.base.zoom, at))
            elif mode == "remove":
                self._do("remove", (at,))
            elif self.tool.first is None:
                self.tool.first = at
                self.bar.say(tr(SECOND))
            else:
                first, self.tool.first = self.tool.first, None
                self._do("merge", (first, at))
        except UsageError as error:
            self.bar.say(str(error), "warning")
        self.w.viewer.update()

    def _draw(self, points: tuple[Point, ...]) -> None:
        self.tool.first = None
        try:
            self._do(self.tool.mode, points)
        except UsageError as error:
            self.bar.say(str(error), "warning")

    def _do(self, kind: Kind, points: tuple[Point, ...]) -> None:
        """Make one correction; UsageError where it meets nothing."""
        current = self.current
        if current is None:
            return
        edit = rounded(Edit(kind, points, self.w.session.settings.sample.operator, time.time()))
        labels = self._labels.copy()
        top = int(current.base.labels.max(initial=0))
        apply_edit(labels, edit, top + 1 + 2 * len(current.edits), current.base.zoom)
        self.stack.push(_Command(self, edit))
        self.bar.say(tr(MODES[kind]))

    def set_edits(self, edits: tuple[Edit, ...]) -> None:
        """Have these edits in force; the undo stack calls this."""
        current = self.current
        if current is None:
            return
        self.current = Correction(current.base, edits, current.model_name, current.model_sha256)
        if not self._filling:
            self._refresh(save=True)

    def _refresh(self, *, save: bool) -> None:
        current = self.current
        if current is None:
            return
        self._asked += 1
        asked, base, picture = self._asked, current.base, self._picture
        labels = self._labels = corrected(base.labels, current.edits, base.zoom)
        self._tell()
        self.w.bridge.off_thread(
            lambda: (*corrected_segmentation(base, labels), marks_of(base, labels)),
            lambda done: self._show(done) if asked == self._asked else None,
        )
        if save:
            self.w.bridge.off_thread(lambda: save_corrections(picture, current), self._saved, keep=True)

    def _show(self, done: Any) -> None:
        if isinstance(done, BaseException):
            self.w.session.fail(done)
            return
        found, self.origins, self.tool.marks = cast("tuple[Segmentation, tuple[str, ...], Marks]", done)
        current = self.current
        # Nothing corrected is the model's answer itself, with its interval.
        self.shown = found if current is not None and current.edits else None
        self.w.presenter.show_corrected(found if self.shown is not None or current is None else current.base)
        if current is not None:
            self.w.exports.note_corrected(current, found.count, self._picture)
        self.w.viewer.update()

    def _saved(self, done: Any) -> None:
        if isinstance(done, BaseException):
            text = f"{tr('The corrections are not saved')}: {done}"
            self.bar.say(text, "error")
            self.w.notify(Notice("error", text))

    def _tell(self) -> None:
        if self.current is not None:
            count = len(np.unique(self._labels[self._labels > 0]))
            self.bar.show_counts(number(self.current.base.count), number(count))

    def words(self, result: Segmentation) -> str:
        """Return both counts in a sentence where `result` is a corrected one, else nothing."""
        if result is not self.shown or self.current is None:
            return ""
        return said(self.current.base.count, result.count, self.current.edits)


class _Command(QUndoCommand):
    """One correction on the undo stack."""

    def __init__(self, actions: CorrectActions, edit: Edit) -> None:
        super().__init__(tr(describe(edit)))
        self._actions = actions
        before = actions.current.edits if actions.current is not None else ()
        self._before, self._after = before, (*before, edit)

    def redo(self) -> None:
        """Do it."""
        self._actions.set_edits(self._after)

    def undo(self) -> None:
        """Take it back."""
        self._actions.set_edits(self._before)


def marks_of(base: Segmentation, labels: NDArray[np.int32]) -> Marks:
    """Return what differs from the model's answer, to be drawn."""
    top = int(base.labels.max(initial=0))
    made: list[tuple[Point, ...]] = []
    for value in np.unique(labels[labels > top]):
        rows, columns = np.nonzero(labels == value)
        y0, x0 = int(rows.min()), int(columns.min())
        mask = np.zeros((rows.max() - y0 + 1, columns.max() - x0 + 1), np.uint8)
        mask[rows - y0, columns - x0] = 1
        rings, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        made += [
            tuple(((float(x) + x0 + 0.5) * base.zoom[1], (float(y) + y0 + 0.5) * base.zoom[0]) for x, y in ring[:, 0])
            for ring in rings
        ]
    # Gone is what no hand's nucleus lies in the place of: a split or merged one lives on under another number.
    left = np.unique(labels[labels > 0])
    gone = []
    for nucleus in base.nuclei[~np.isin(base.nuclei["label"], left)]:
        under = labels[base.labels == nucleus["label"]]
        if not (under > 0).any():
            gone.append((float(nucleus["x_px"]), float(nucleus["y_px"])))
    return Marks(tuple(made), tuple(gone))
