"""What the operator takes along: counts, nuclei, the session report. Written on a worker, never over another file."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from app.correction_files import Correction
from app.corrections import said
from app.errors import CancelledError
from app.events import ModelReady, Notice, State
from app.frame import Frame, Segmentation
from app.gui.bridge import Counted
from app.gui.text import tr

if TYPE_CHECKING:
    from app.gui.main_window import MainWindow
    from app.recording import RunMetadata
    from app.recording.files import Progress

KEEP_POINTS = 20_000


@dataclass(frozen=True, slots=True)
class Told:
    """What the report tells, gathered while it happened."""

    since_unix_s: float
    until_unix_s: float
    points: tuple[Counted, ...]
    files: tuple[Path, ...]
    notes: tuple[str, ...]


class ExportActions:
    """Each public method is one action of the table, or takes a note of what happened."""

    def __init__(self, window: "MainWindow") -> None:
        self.w = window
        self._since = time.time()
        self._points: deque[Counted] = deque(maxlen=KEEP_POINTS)
        self._files: list[Path] = []
        self._model = ModelReady("", "", "")
        self._titles = {"camera": "", "light": ""}
        self._corrected: dict[tuple[int, float], int] = {}
        self._said: dict[str, str] = {}

    # --- notes -----------------------------------------------------------------------------------------------------

    def note_count(self, counted: Counted) -> None:
        """Remember a count for the report."""
        if self._points and counted.moment_s < self._points[-1].moment_s:
            self._points.clear()  # another recording
        self._points.append(counted)

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

    def note_corrected(self, correction: Correction, count: int, picture: Path) -> None:
        """Remember how many nuclei a picture has after correction by hand."""
        frame, name = correction.base.frame, picture.name
        key, label = (frame.index, frame.exposure_end_s), f"{name} [{frame.index}]" if frame.index else name
        self._corrected.pop(key, None)
        self._said.pop(label, None)
        if correction.edits:
            self._corrected[key] = count
            self._said[label] = said(correction.base.count, count, correction.edits)

    # --- actions ---------------------------------------------------------------------------------------------------

    def export_counts(self) -> None:
        """Write the points of the count chart to a CSV file."""
        points, folder = tuple(self._points), self.w.folder
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
        meta, words = self._meta(result.frame), self.w.correct.words(result)
        origins = self.w.correct.origins if words else ()
        notes = {"corrected by hand": words} if words else {}
        self._write(
            tr("Exporting the nuclei…"),
            lambda progress: write_nuclei(folder, result, meta, origins, notes, progress),
            tr("Nuclei"),
        )

    def export_report(self) -> None:
        """Write the session report: counts, losses, pictures, settings, in one HTML file."""
        composed, folder = self.w.viewer.composed, self.w.folder
        if composed is None:
            self.w.notify(Notice("warning", tr("Nothing has happened yet; start live or open a recording first.")))
            return
        told = Told(
            self._since,
            time.time(),
            tuple(self._points),
            tuple(self._files),
            tuple(notice.text for _, notice in self.w.messages.notices if notice.level != "info"),
        )
        meta, stats, picture = self._meta(composed.picture.frame), self.w.session.stats(), composed.pixels.copy()
        frames = {"grabbed": stats.grabbed, "displayed": stats.displayed, "segmented": stats.segmented}
        losses = {
            "camera": stats.lost_camera,
            "display (skipped)": stats.skipped_display,
            "counting (skipped)": stats.skipped_segment,
            "light not confirmed": stats.not_counted,
        }
        provider, corrected = self._model.provider, dict(self._said)
        self._write(
            tr("Writing the session report…"),
            lambda progress: write_session_report(
                folder, meta, told, frames, losses, picture, provider, corrected, progress
            ),
            tr("Session report"),
        )

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

    def _meta(self, frame: Frame) -> "RunMetadata":
        from app.recording import RunMetadata

        camera, light = self._titles["camera"], self._titles["light"]
        if self.w.session.state is State.REPLAYING:  # the devices of then, as far as the recording tells
            replay = self.w.presenter.replay
            was = replay.simulated if replay is not None else ()
            camera = f"{frame.source} (simulated camera)" if "camera" in was else frame.source
            light = "simulated light" if "light" in was else ""
        return RunMetadata.from_settings(
            self.w.session.settings,
            camera=camera,
            light=light,
            model_name=self._model.name,
            model_sha256=self._model.sha256,
        )


def write_counts(
    folder: Path, points: tuple[Counted, ...], corrected: Mapping[tuple[int, float], int] | None = None
) -> Path:
    """Write the counts to a new CSV file; seconds run from the first. Return its path.

    `corrected` has the counts by hand, by index and moment of the frame.
    """
    from app.recording.files import write_together
    from app.recording.tables import encode_csv

    rows = [
        [
            f"{p.moment_s - points[0].moment_s:.3f}",
            p.index,
            p.count,
            *(p.interval if p.interval else ("", "")),
            int(p.fit),
            (corrected or {}).get((p.index, p.moment_s), ""),
        ]
        for p in points
    ]
    header = ("time_s", "frame", "count", "interval_low", "interval_high", "fit", "count_corrected_by_hand")
    return write_together(folder, "counts", {".csv": lambda path: encode_csv(path, header, rows)})[".csv"]


def write_nuclei(
    folder: Path,
    result: Segmentation,
    meta: "RunMetadata",
    origins: Sequence[str] = (),
    notes: Mapping[str, str] | None = None,
    progress: "Progress | None" = None,
) -> Path:
    """Export the nuclei of a picture in every form; return the path of the table.

    `origins` says, nucleus by nucleus, whether the model or a hand found it; `notes` go with the picture.
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
        stem="nuclei",
        extra=notes,
        origins=origins,
        progress=progress or nobody_listens,
    ).nuclei


def write_session_report(
    folder: Path,
    meta: "RunMetadata",
    told: Told,
    frames: dict[str, int],
    losses: dict[str, int],
    picture: NDArray[np.uint32],
    provider: str,
    corrected: Mapping[str, str] | None = None,
    progress: "Progress | None" = None,
) -> Path:
    """Write the HTML report to a new file; `picture` is RGB32 as the window shows it. Return its path."""
    from app.recording.files import nobody_listens
    from app.recording.report import CountPoint, SessionReport, write_report

    rgb = np.ascontiguousarray(picture.view(np.uint8).reshape(*picture.shape, 4)[..., 2::-1])
    first = told.points[0].moment_s if told.points else 0.0
    counts = [CountPoint(p.moment_s - first, p.count, p.interval, p.fit) for p in told.points]
    report = SessionReport(
        meta,
        told.since_unix_s,
        told.until_unix_s,
        counts,
        frames,
        losses,
        pictures=[("The picture on the screen", rgb)],
        files=told.files,
        provider=provider,
        notes=told.notes,
        corrected=corrected or {},
    )
    return write_report(folder / "session-report.html", report, progress or nobody_listens)
