"""The operator's actions on acquisition plans: edit, load, save, start, hold, stop."""

import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QFileDialog

from app.errors import DapiscopeError, UsageError
from app.events import Notice, PlanEnded, PlanMoved, State
from app.gui.file_dialog import file_dialog
from app.gui.panels.plan_page import PlanPage, counted_words
from app.gui.plan_form import PlanForm, empty_form, form_of, sequence_of
from app.gui.text import duration, number, tr
from app.settings import Settings

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow
    from app.plan import Plan


class PlanActions:
    """Each public method is one action of the table, what a button of the page does, or takes an event."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.page: PlanPage | None = None
        self.moved: PlanMoved | None = None
        self._moved_at = 0.0
        self._asked = 0

    # --- the page --------------------------------------------------------------------------------------------------

    def show_page(self) -> None:
        """Show the editor with the last plan, or how far the plan is that runs; or take it away."""
        page = self._need_page()
        if page.toggle():
            return
        if not page.rows:
            page.show_form(self._last_form())
        else:
            self.reckon()
        page.show_running(self.w.session.state is State.PLAN)
        spare = not page.isVisible() and self.w.session.state is State.LIVE and not self.w.presenter.recording
        page.appear()
        if spare and self.w.presenter.light.channel is not None:
            self.w.session.set_channel(None)
            self.w.notify(Notice("info", tr("It is dark while the plan is written; choose a channel for light.")))

    def _need_page(self) -> PlanPage:
        if self.page is None:
            page = self.page = PlanPage(self.w, self.w.session.channels)
            page.changed.connect(self.reckon)
            page.start_asked.connect(self.start)
            page.pause_asked.connect(self.toggle_pause)
            page.stop_asked.connect(self.stop)
            page.load_asked.connect(self.load)
            page.save_asked.connect(self.save)
            page.file.setCurrentIndex(int(self.w.store.flag("plan_zarr", False)))
        return self.page

    def _last_form(self) -> PlanForm:
        """Return the plan of last time, or one frame of the selected channel."""
        settings = self.w.session.settings
        try:
            return form_of(_make(json.loads(self.w.store.text("plan")), settings), settings)
        except (DapiscopeError, ValueError):
            return empty_form(settings)

    def reckon(self) -> None:
        """Work out, on the worker, what the plan in the form costs."""
        page = self.page
        if page is None or not page.rows:
            return
        self._asked += 1
        zarr = page.zarr
        asked, sequence, settings, folder = (
            self._asked,
            sequence_of(page.form()),
            self.w.session.settings,
            self.w.folder,
        )

        def show(done: Any) -> None:
            if asked != self._asked:
                return  # the form was changed meanwhile
            if isinstance(done, BaseException):
                page.show_refusal(str(done))
            else:
                page.show_cost(*done)
                self.w.store.put({"plan": json.dumps(sequence), "plan_zarr": zarr})

        self.w.bridge.off_thread(lambda: told_cost(_make(sequence, settings), settings, folder, zarr), show)

    # --- files -----------------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Ask for a file and show its plan."""
        dialog = self._dialog(tr("Load plan"), QFileDialog.AcceptMode.AcceptOpen)
        dialog.fileSelected.connect(self.load_from)
        dialog.show()

    def load_from(self, path: str) -> None:
        """Show the plan in the file at `path`, or say why it cannot be used."""
        settings = self.w.session.settings

        def work() -> PlanForm:
            from app.plan import load_plan

            return form_of(load_plan(Path(path), settings), settings)

        def show(done: Any) -> None:
            if isinstance(done, BaseException):
                self.w.notify(Notice("error", str(done)))
            else:
                self._need_page().show_form(done)

        self.w.bridge.off_thread(work, show)

    def save(self) -> None:
        """Ask for a name and write the plan."""
        dialog = self._dialog(tr("Save plan"), QFileDialog.AcceptMode.AcceptSave)
        dialog.setOption(QFileDialog.Option.DontConfirmOverwrite)  # no file is overwritten anyway, and that is said
        dialog.setDefaultSuffix("yaml")
        dialog.fileSelected.connect(self.save_to)
        dialog.show()

    def save_to(self, path: str) -> None:
        """Write the plan to `path`."""
        sequence, settings = sequence_of(self._need_page().form()), self.w.session.settings

        def work() -> Path:
            from app.plan import save_plan

            return save_plan(_make(sequence, settings), Path(path))

        def told(done: Any) -> None:
            if isinstance(done, BaseException):
                self.w.notify(Notice("error", str(done)))
            else:
                self.w.notify_file(Notice("info", f"{tr('Plan written')}: {done.name}"), done)

        self.w.bridge.off_thread(work, told)

    def _dialog(self, title: str, mode: QFileDialog.AcceptMode) -> QFileDialog:
        dialog = file_dialog(self.w, title, self.w.folder, name_filter=tr("Plans (*.yaml *.yml *.json)"))
        dialog.setAcceptMode(mode)
        return dialog

    # --- running ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Carry out the plan in the form."""
        page = self._need_page()
        page.start.setEnabled(False)
        sequence, settings, folder = sequence_of(page.form()), self.w.session.settings, self.w.folder
        zarr = page.zarr

        def begin(done: Any) -> None:
            if isinstance(done, BaseException):
                page.show_refusal(str(done))
                return
            self.moved = None
            self.w.session.run_plan(done, folder, zarr)
            self.reckon()

        self.w.bridge.off_thread(lambda: _make(sequence, settings), begin)

    def toggle_pause(self) -> None:
        """Hold the plan that runs, or go on with it."""
        if self.w.session.state is not State.PLAN:
            self.w.notify(Notice("info", tr("No acquisition plan runs.")))
        elif self.moved is not None and self.moved.paused:
            self.w.session.resume_plan()
        else:
            self.w.session.pause_plan()

    def stop(self) -> None:
        """End the plan that runs."""
        if self.page is not None:
            self.page.stop.setEnabled(False)
        self.w.session.stop_plan()

    # --- events ----------------------------------------------------------------------------------------------------

    def take_state(self, state: State) -> None:
        """Show the progress while a plan runs, the editor otherwise."""
        if self.page is not None:
            self.page.show_running(state is State.PLAN)
        if state is not State.PLAN:
            self.moved = None

    def take_progress(self, event: PlanMoved) -> None:
        """Note how far the plan is."""
        self.moved, self._moved_at = event, time.monotonic()
        self.tick()

    def take_end(self, event: PlanEnded) -> None:
        """Say what became of the plan."""
        frames = f"{number(event.taken)} / {number(event.total)} {tr('frames')}"
        if event.unconfirmed:
            frames += f", {number(event.unconfirmed)} {tr('with light not confirmed')}"
        if event.counted or event.skipped:
            frames += f", {counted_words(event)}"
        if event.complete:
            notice = Notice("warning" if event.unconfirmed else "info", f"{tr('Plan complete')}: {frames}")
        else:
            notice = Notice("warning", f"{tr('Plan incomplete')}: {frames}. {event.reason}")
        if event.taken:
            self.w.notify_file(notice, event.path)
        else:
            self.w.notify(notice)

    def tick(self) -> None:
        """Let the time that is left run down between two frames."""
        if self.page is not None and self.moved is not None and self.page.running:
            self.page.show_progress(self.moved, self._left_s())

    def badge(self) -> str:
        """Return what is to be said on the picture of the plan that runs."""
        at = self.moved
        if at is None:
            return tr("PLAN: STARTING…")
        frames = f"{number(at.taken)} / {number(at.total)}"
        return f"{tr('PLAN PAUSED')} {frames}" if at.paused else f"{tr('PLAN')} {frames} · {duration(self._left_s())}"

    def _left_s(self) -> float:
        at = self.moved
        if at is None:
            return 0.0
        return at.left_s if at.paused else max(at.left_s - (time.monotonic() - self._moved_at), 0.0)


def _make(sequence: Mapping[str, Any], settings: Settings) -> "Plan":
    from app.plan import make_plan

    if not sequence.get("channels"):
        raise UsageError(tr("Choose at least one channel."))
    return make_plan(sequence, settings)


def told_cost(plan: "Plan", settings: Settings, folder: Path, zarr: bool = False) -> tuple[str, str, str]:
    """Return in words what `plan` costs, with an OME-Zarr image if `zarr`: time and disk; light; and what to mind.

    Raises UsageError where no OME-Zarr can be written here.
    """
    from app.plan_runner import estimate
    from app.recording.files import free_bytes

    cost = estimate(plan, settings)
    if zarr:
        from app.recording.zarr_store import check_zarr, most_zarr_bytes

        check_zarr()
        cost = replace(cost, bytes=cost.bytes + most_zarr_bytes(cost.bytes))
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    free = free_bytes(there)
    frames = tr("frame") if cost.frames == 1 else tr("frames")
    first = (
        f"{number(cost.frames)} {frames} · {tr('about')} {duration(max(cost.duration_s, 1))} · "
        f"{_size(cost.bytes)} ({_size(free)} {tr('free')})"
    )
    parts = []
    for channel in plan.channels:
        name = channel.channel.name
        lit_s, dose_s = cost.light_s.get(name, 0.0), cost.dose_s.get(name, 0.0)
        parts.append(f"{name} nm {number(lit_s, 1)} s ({number(dose_s, 2)} s {tr('at full power')})")
    light = f"{tr('Light, in the order taken')}: {', '.join(parts)}"
    return first, light, " ".join(_advice(plan, cost, settings, free))


def _advice(plan: "Plan", cost: Any, settings: Settings, free: int) -> list[str]:
    advice = []
    if cost.bytes > free:
        advice.append(tr("The disk has not the room for it: choose another folder, or plan less."))
    if cost.late:
        late = f"{number(cost.late)} {tr('of')} {number(plan.times)} {tr('times begin late')}"
        advice.append(f"{late}: {tr('the interval is too short for its frames, lengthen it.')}")
    budget_s = settings.light.dose_budget_s
    for name, dose_s in cost.dose_s.items():
        if budget_s is not None and dose_s > budget_s:
            advice.append(f"{name} nm {tr('exceeds the light budget of')} {number(budget_s)} s {tr('at full power')}.")
    return advice


def _size(count: float) -> str:
    power = min(int(math.log10(max(count, 1)) // 3), 4)
    value = count / 1000**power
    return f"{number(value, 0 if value >= 100 or not power else 1)} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"
