"""Presets, the doctor, the messages: pages that stand beside the picture and never in its way."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from PySide6.QtWidgets import QFileDialog

from app.events import Notice, State
from app.gui.file_dialog import file_dialog
from app.gui.panels.doctor_page import DoctorPage
from app.gui.panels.presets_page import PresetsPage
from app.gui.presets import Preset, merged, read_presets, usual_file, with_preset, without_preset, write_presets
from app.gui.text import tr
from app.settings import CameraSettings

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow


class ToolActions:
    """Each public method is one action of the table, or what a page's buttons do."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self.preset_file: Path = usual_file()
        self.presets: tuple[Preset, ...] = ()
        self.presets_page: PresetsPage | None = None
        self.doctor_page: DoctorPage | None = None
        self._before: Preset | None = None
        self._give_up_checks: Callable[[], bool] = lambda: False
        self.goes_on = False
        """This window goes on from where the last one on the same camera was left."""
        self._camera_id, self._models = "", list[str]()  # until they are known
        settings = window.session.settings
        sections = (settings.light, settings.camera, settings.segmentation)
        self._said = frozenset(name for section in sections for name in section.model_fields_set)

    # --- messages and doctor ---------------------------------------------------------------------------------------

    def show_messages(self) -> None:
        """Unfold the list of messages."""
        section = self.w.sections["messages"]
        self.w.actions_by_id["panels"].setChecked(True)
        self.w.panel_area.setVisible(True)
        section.set_open(True)
        self.w.panel_area.ensureWidgetVisible(section)

    def show_doctor(self) -> None:
        """Examine the system, line by line, or take the page away."""
        if self.doctor_page is None:
            self.doctor_page = DoctorPage(self.w)
            self.doctor_page.again.clicked.connect(lambda _checked=False: self.examine())
            self.doctor_page.cancel.clicked.connect(lambda _checked=False: self.cancel_checks())
        if not self.doctor_page.toggle():
            self.doctor_page.appear()
            self.examine()

    def examine(self) -> None:
        """Run every check, on a thread of its own: a driver may hang."""
        page = self.doctor_page
        if page is None:
            return
        self._give_up_checks()
        page.begin()
        folder = self.w.folder

        def work(tell: Callable[[object], None]) -> object:
            from app.doctor import examine

            done = []
            for check in examine(folder if folder.is_dir() else None):
                done.append(check)
                tell(list(done))
            return done

        self._give_up_checks = self.w.bridge.lone_work(work, page.show_so_far, page.show_checks)

    def cancel_checks(self) -> bool:
        """Run no further checks; False when none ran."""
        return self._give_up_checks()

    # --- presets ---------------------------------------------------------------------------------------------------

    def show_presets(self) -> None:
        """Show the presets, read anew, or take them away."""
        if self.presets_page is None:
            page = self.presets_page = PresetsPage(self.w)
            page.use_asked.connect(self.use_preset)
            page.save_asked.connect(self.save_preset)
            page.delete_asked.connect(self.delete_preset)
            page.undo_asked.connect(self.undo)
            page.import_asked.connect(self.import_presets)
            page.export_asked.connect(self.export_presets)
        if self.presets_page.toggle():
            return
        self.presets_page.appear()
        path = self.preset_file
        self.w.bridge.off_thread(lambda: read_presets(path), self._show)

    def present(self, name: str) -> Preset:
        """Return what is set now, as a preset."""
        camera, view = self.w.camera.settings, self.w.view
        key = view.contrast_key()
        return Preset(
            name=name,
            channel=self.w.session.selected_channel or self.w.session.channels[0].name,
            intensity=self.w.light.level.value() / 100,
            exposure_ms=camera.exposure_ms,
            gain_db=camera.gain_db,
            pixel_format=camera.pixel_format,
            model=self.w.segmentation.model.currentText(),
            contrast=view.contrasts.levels.get(key),
        )

    def use_preset(self, preset: Preset) -> None:
        """Set everything of a preset; what was before can be undone.

        The light is only chosen, or changed where one shines: a preset never ends a darkness.
        """
        before = self.present("undo")
        self._apply(preset)
        self._before = before
        if self.presets_page is not None:
            self.presets_page.undo.setEnabled(True)
        said = f"{tr('Preset in use')}: {preset.name}"
        if self.w.session.state is State.LIVE and self.w.presenter.light.channel is None:
            said += f". {tr('It stays dark until you choose its light')}: {preset.channel}."
        self.w.notify(Notice("info", said))

    def undo(self) -> None:
        """Go back to what was set before the last preset."""
        if self._before is not None:
            self._apply(self._before)
            self._before = None
        if self.presets_page is not None:
            self.presets_page.undo.setEnabled(False)

    def _apply(self, preset: Preset) -> None:
        self._set(preset)
        if preset.contrast is None:
            self.w.view.contrasts.follow(preset.channel)
        else:
            self.w.view.contrasts.fix(preset.channel, *preset.contrast)
        self.w.view.apply_contrast(preset.channel)

    def _set(self, preset: Preset) -> None:
        """Ask for everything but the contrast, which belongs to the channel."""
        s = self.w.session
        changes = {"exposure_ms": preset.exposure_ms, "gain_db": preset.gain_db, "pixel_format": preset.pixel_format}
        s.set_camera(CameraSettings.model_validate({**self.w.camera.settings.model_dump(), **changes}))
        s.choose_channel(preset.channel, preset.intensity)  # at once: neither alone may shine
        self.w.light.show_level(preset.intensity)
        if preset.model != self.w.segmentation.model.currentText():
            s.set_model(preset.model)

    def go_on(self, *, camera_id: str = "", models: Sequence[str] = ()) -> None:
        """Set what was set when the last window on this camera was left, once the camera and the models are known.

        What the configuration or the command line says stands. Nothing shines by it: a light is only chosen, and comes
        on when live begins.
        """
        self._camera_id, self._models = camera_id or self._camera_id, list(models) or self._models
        if not self.goes_on or not self._camera_id or not self._models:
            return
        if self.w.session.state is not State.IDLE or not self.w.session.untouched:
            return  # somebody was faster, and the light shines as it was seen
        try:
            last = Preset.model_validate_json(self.w.store.text(self._last_key()))
        except ValidationError:
            return  # the first start, or a file of another version
        now = self.present(last.name)
        kept = {name: getattr(now, name) for name in Preset.model_fields if name in self._said}
        if last.channel not in {channel.name for channel in self.w.session.channels}:
            kept["channel"] = now.channel
        if last.model not in self._models:
            kept["model"] = now.model
        self._set(last.model_copy(update=kept))

    def keep_last(self) -> None:
        """Keep what is set for the next start; of a model only one that really counted."""
        if self.goes_on and self._camera_id:
            last = self.present("last")
            if self.w.exports.model.name:
                last = last.model_copy(update={"model": self.w.exports.model.name})
            self.w.store.put({self._last_key(): last.model_dump_json()})

    def _last_key(self) -> str:
        """Return where it is kept: settings of one camera may be beyond another's limits."""
        return f"last/{self._camera_id}"

    def save_preset(self, name: str) -> None:
        """Keep what is set now under a name."""
        known = any(preset.name == name for preset in self.presets)
        said = f"{tr('Preset replaced')}: {name}" if known else ""
        self._write(with_preset(self.presets, self.present(name)), said)

    def delete_preset(self, name: str) -> None:
        """Forget a preset."""
        self._write(without_preset(self.presets, name), f"{tr('Preset deleted')}: {name}")

    def export_presets(self) -> None:
        """Write all presets to a file for others."""
        dialog = self._dialog(tr("Export presets"), QFileDialog.AcceptMode.AcceptSave)
        presets = self.presets

        def chosen(path: str) -> None:
            self.w.bridge.off_thread(lambda: write_presets(Path(path), presets), self._tell)

        dialog.fileSelected.connect(chosen)
        dialog.show()

    def import_presets(self) -> None:
        """Add the presets of a file; one of the same name is replaced."""
        dialog = self._dialog(tr("Import presets"), QFileDialog.AcceptMode.AcceptOpen)
        dialog.fileSelected.connect(self.import_from)
        dialog.show()

    def import_from(self, path: str) -> None:
        """Add the presets of the file at `path`."""

        def add(read: Any) -> None:
            if isinstance(read, BaseException):
                self._tell(read)
            else:
                self._write(merged(self.presets, read), f"{tr('Presets imported')}: {Path(path).name}")

        self.w.bridge.off_thread(lambda: read_presets(Path(path)), add)

    def _dialog(self, title: str, mode: QFileDialog.AcceptMode) -> QFileDialog:
        dialog = file_dialog(self.w, title, self.w.folder, name_filter=tr("Presets (*.json)"))
        dialog.setAcceptMode(mode)
        dialog.setDefaultSuffix("json")
        return dialog

    def _write(self, presets: tuple[Preset, ...], said: str = "") -> None:
        """Write the presets; where something was lost by it, say so and offer to bring it back."""
        path, before = self.preset_file, self.presets

        def work() -> tuple[Preset, ...]:
            write_presets(path, presets)
            return presets

        def done(written: Any) -> None:
            self._show(written)
            if said and not isinstance(written, BaseException):
                self.w.notify(Notice("info", said), tr("Undo"), lambda: self._write(before))

        self.w.bridge.off_thread(work, done)

    def _show(self, presets: Any) -> None:
        if isinstance(presets, BaseException):
            self._tell(presets)
            return
        self.presets = presets
        if self.presets_page is not None:
            self.presets_page.show_presets(presets)

    def _tell(self, done: Any) -> None:
        if isinstance(done, BaseException):
            self.w.notify(Notice("error", str(done)))
        elif isinstance(done, Path):
            self.w.notify_file(Notice("info", f"{tr('Presets written')}: {done.name}"), done)
