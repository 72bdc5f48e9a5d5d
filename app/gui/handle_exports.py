"""What the operator takes along: counts, nuclei, the session report. Written on a worker, never over another file."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.correction_files import Correction
from app.corrections import said
from app.dose import dose_in_file, dose_lines, dose_note
from app.errors import CancelledError
from app.events import DoseSeen, ModelReady, Notice, ReplayMoved
from app.frame import Frame, Segmentation
from app.gui.count_history import Counted, CountHistory
from app.gui.text import tr
from app.inference.measure import COUNT_COLUMNS, MOMENT, count_row

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow
    from app.recording import RunMetadata
    from app.recording.files import Progress

KEEP_POINTS = 20_000

_Key = tuple[int, float, str]
"""Index, moment and name of a frame."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the report tells, gathered while it happened; moments are None for a file that does not say its own."""

    since_unix_s: float | None
    until_unix_s: float | None
    points: tuple[Counted, ...]
    frames: Mapping[str, int]
    losses: Mapping[str, int]
    dose: Mapping[str, str]
    provider: str
    files: tuple[Path, ...]
    notes: tuple[str, ...]
    corrected: Mapping[str, str]


class ExportActions:
    """Each public method is one action of the table, or takes a note of what happened."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self._since = time.time()
        self._points = CountHistory(KEEP_POINTS)
        self._replayed: dict[int, Counted] = {}
        self._dose: DoseSeen | None = None
        self._files: list[Path] = []
        self._model = ModelReady("", "", "")
        self._titles = {"camera": "", "light": ""}
        self._corrected: dict[_Key, int] = {}
        self._said: dict[str, str] = {}

    # --- notes -----------------------------------------------------------------------------------------------------

    def note_count(self, counted: Counted) -> None:
        """Remember a count for the report; of a frame that is replayed again, the last one."""
        if not counted.replayed:
            self._points.add(counted)
            return
        self._replayed[counted.index] = counted
        if len(self._replayed) > KEEP_POINTS:
            del self._replayed[next(iter(self._replayed))]

    def note_replay(self) -> None:
        """Forget the counts of the last replay: another one begins."""
        self._replayed.clear()

    def note_dose(self, dose: DoseSeen) -> None:
        """Remember the dose of the field in view."""
        self._dose = dose

    def note_file(self, path: Path) -> None:
        """Remember a saved file for the report."""
        self._files.append(path)

    def note_model(self, model: ModelReady) -> None:
        """Remember which model counts."""
        self._model = model

    def note_device(self, part: str, title: str) -> None:
        """Remember which ``"camera"`` or ``"light"`` is in use; never the window's own words."""
        self._titles[part] = title

    @property
    def model(self) -> ModelReady:
        """The model that counts live and replayed pictures."""
        return self._model

    def model_of(self, frame: Frame) -> tuple[str, str]:
        """Return name and hash of the model that counted `frame`, which is on the screen."""
        correction, snapped = self.w.correct.current, self.w.presenter.snapped
        if correction is not None and correction.base.frame is frame:
            return correction.model_name, correction.model_sha256
        if snapped is not None and snapped.frame is frame:
            return snapped.model_name, snapped.model_sha256
        return self._model.name, self._model.sha256

    def note_corrected(self, correction: Correction, count: int, picture: Path) -> None:
        """Remember how many nuclei a picture has after correction by hand."""
        frame, name = correction.base.frame, picture.name
        key, label = (frame.index, frame.unix_time_s, frame.name), f"{name} [{frame.index}]" if frame.index else name
        self._corrected.pop(key, None)
        self._said.pop(label, None)
        if correction.edits:
            self._corrected[key] = count
            self._said[label] = said(correction.base.count, count, correction.edits)

    # --- actions ---------------------------------------------------------------------------------------------------

    def export_counts(self) -> None:
        """Write the points of the count chart to a CSV file."""
        points, folder = self._points_of(self.w.viewer.frame), self.w.folder
        if not points:
            self.w.notify(Notice("warning", tr("There are no counts yet; start live or open a recording first.")))
            return
        corrected = dict(self._corrected)
        self.w.bridge.off_thread(
            lambda: write_counts(folder, points, corrected), lambda done: self.w.files.saved(done, tr("Counts"))
        )

    def export_nuclei(self) -> None:
        """Write picture, labels, table, ImageJ ROIs and GeoJSON of the nuclei on the screen."""
        result, folder = self.w.viewer.result, self.w.folder
        if result is None or result.count == 0:
            self.w.notify(Notice("warning", tr("No nuclei are on the screen; snap and segment a picture first.")))
            return
        meta, words = self._meta(result.frame, *self.model_of(result.frame)), self.w.correct.words(result)
        origins = self.w.correct.origins if words else ()
        notes: dict[str, Any] = {"corrected by hand": words} if words else {}
        replay = self._replay_of(result.frame)
        snapped = self.w.presenter.snapped
        if replay is not None:
            notes |= dose_note(replay.told, replay.length)
        elif snapped is not None and snapped.frame is result.frame and "image" in snapped.files:
            notes |= {"exported from": snapped.files["image"].name} | ({"dose": snapped.dose} if snapped.dose else {})
        stem = self._stem_of(result.frame)
        self._write(
            tr("Exporting the nuclei…"),
            lambda progress: write_nuclei(folder, result, meta, stem, origins, notes, progress),
            tr("Nuclei"),
        )

    def export_report(self) -> None:
        """Write the session report: counts, losses, pictures, settings, in one HTML file."""
        composed, folder = self.w.viewer.composed, self.w.folder
        if composed is None:
            self.w.notify(Notice("warning", tr("Nothing has happened yet; start live or open a recording first.")))
            return
        frame, picture = composed.picture.frame, composed.pixels.copy()
        meta, told = self._meta(frame, self._model.name, self._model.sha256), self._told(frame)
        self._write(
            tr("Writing the session report…"),
            lambda progress: write_session_report(folder, meta, told, picture, progress),
            tr("Session report"),
        )

    def _told(self, frame: Frame) -> Told:
        """Return what the report tells with `frame` on the screen: of the file it is from, or of this session."""
        stats, points, replay = self.w.session.stats(), self._points_of(frame), self._replay_of(frame)
        notes = [notice.text for _, notice in self.w.messages.notices if notice.level != "info"]
        frames = {"displayed": stats.displayed, "segmented": stats.segmented}
        losses = {"display (skipped)": stats.skipped_display, "counting (skipped)": stats.skipped_segment}
        since: float | None = self._since
        until: float | None = time.time()
        if replay is not None:
            frames = {"in the file": replay.length} | frames
            moments = [point.unix_time_s for point in points] or [frame.unix_time_s]
            since, until = (min(moments), max(moments)) if all(moments) else (None, None)
            if since is None:
                notes.append(f"{replay.path.name} does not say when it was taken.")
            dose = dose_in_file(replay.told, replay.path.name)
        else:
            frames = {"grabbed": stats.grabbed} | frames
            losses = {"camera": stats.lost_camera} | losses
            totals = self._dose.channels if self._dose is not None else {}
            dose = dose_lines({name: asdict(total) for name, total in totals.items()}, "the field of view")
        frames["not counted: another channel, light not confirmed, or counting off"] = stats.not_counted
        return Told(
            since, until, points, frames, losses, dose, self._model.provider, tuple(self._files), tuple(notes),
            dict(self._said),
        )  # fmt: skip

    def _write(self, doing: str, work: "Callable[[Progress], Path]", what: str) -> None:
        """Write on the worker; it is told how far it is, and can be given up."""
        toast = self.w.toasts.show_work(doing)

        def done(result: Any) -> None:
            self.w.toasts.end_work(toast)
            if isinstance(result, CancelledError):
                self.w.notify(Notice("info", f"{what}: {tr('cancelled, nothing was written.')}"))
            else:
                self.w.files.saved(result, what)

        toast.cancelled.connect(self.w.bridge.long_work(work, toast.show_progress, done))

    def _replay_of(self, frame: Frame | None) -> ReplayMoved | None:
        """Return the replay that `frame` is from; None for one of this session's own."""
        replay = self.w.presenter.replay
        return replay if replay is not None and frame is not None and replay.shows(frame) else None

    def _stem_of(self, frame: Frame) -> str:
        """Return how the names of an export of `frame` begin: as its file's does, or as that of a live picture."""
        from app.images import derived_stem

        snapped, replay, picture = self.w.presenter.snapped, self._replay_of(frame), "live"
        if replay is not None:
            picture = Path(frame.source).name or replay.path.name
        elif snapped is not None and snapped.frame is frame and "image" in snapped.files:
            picture = snapped.files["image"].name
        return f"{derived_stem(picture, frame)}_export"

    def _points_of(self, frame: Frame | None) -> tuple[Counted, ...]:
        """Return the counts that `frame` is one of: those of the file it is from, or of this session."""
        if self._replay_of(frame) is None:
            return tuple(self._points)
        return tuple(self._replayed[index] for index in sorted(self._replayed))

    def _meta(self, frame: Frame, model_name: str, model_sha256: str) -> "RunMetadata":
        """Return what files say of `frame`; of one from a file, what that file says and nothing of today."""
        from app.recording import RunMetadata

        replay = self._replay_of(frame)
        if replay is not None:
            meta = RunMetadata.from_entries(replay.told)
            return replace(meta, model_name=model_name, model_sha256=model_sha256) if model_name else meta
        return RunMetadata.from_settings(
            self.w.session.settings,
            camera=self._titles["camera"],
            light=self._titles["light"],
            model_name=model_name,
            model_sha256=model_sha256,
        )


def write_counts(folder: Path, points: tuple[Counted, ...], corrected: Mapping[_Key, int] | None = None) -> Path:
    """Write the counts to a new CSV file; seconds run from the first, where the moments are known. Return its path.

    `corrected` has the counts by hand, by index, moment and name of the frame.
    """
    from app.recording.files import write_together
    from app.recording.tables import encode_csv

    rows = [
        [
            f"{p.unix_time_s - points[0].unix_time_s:.3f}" if p.unix_time_s and points[0].unix_time_s else "",
            f"{p.unix_time_s:.6f}" if p.unix_time_s else "",
            p.index,
            p.name,
            *count_row(p),
            (corrected or {}).get((p.index, p.unix_time_s, p.name), ""),
        ]
        for p in points
    ]
    header = ("time_s", MOMENT, "frame", "image", *COUNT_COLUMNS, "count_corrected_by_hand")
    return write_together(folder, "counts", {".csv": lambda path: encode_csv(path, header, rows)})[".csv"]


def write_nuclei(
    folder: Path,
    result: Segmentation,
    meta: "RunMetadata",
    stem: str,
    origins: Sequence[str] = (),
    notes: Mapping[str, Any] | None = None,
    progress: "Progress | None" = None,
) -> Path:
    """Export the nuclei of a picture in every form; return the path of the table.

    `stem` begins all names; `origins` says, nucleus by nucleus, whether the model or a hand found it; `notes` go with
    the picture.
    """
    from app.inference.overlay import overlay_of
    from app.recording.export import export_all
    from app.recording.files import nobody_listens

    return export_all(
        folder,
        result.frame,
        result,
        meta,
        overlay=overlay_of(result),
        stem=stem,
        extra=notes,
        origins=origins,
        progress=progress or nobody_listens,
    ).nuclei


def write_session_report(
    folder: Path, meta: "RunMetadata", told: Told, picture: NDArray[np.uint32], progress: "Progress | None" = None
) -> Path:
    """Write the HTML report to a new file; `picture` is RGB32 as the window shows it. Return its path."""
    from app.recording.files import nobody_listens
    from app.recording.report import CountPoint, SessionReport, write_report

    rgb = np.ascontiguousarray(picture.view(np.uint8).reshape(*picture.shape, 4)[..., 2::-1])
    timed = all(point.unix_time_s for point in told.points)
    first = told.points[0].unix_time_s if told.points else 0.0
    counts = [CountPoint(p.unix_time_s - first if timed else p.index, p.count, p.interval, p.fit) for p in told.points]
    report = SessionReport(
        meta,
        told.since_unix_s,
        told.until_unix_s,
        counts,
        told.frames,
        told.losses,
        told.dose,
        pictures=[("The picture on the screen", rgb)],
        files=told.files,
        provider=told.provider,
        notes=told.notes,
        corrected=told.corrected,
        timed=timed,
    )
    return write_report(folder / "session-report.html", report, progress or nobody_listens)
