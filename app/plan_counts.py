"""Counting beside a plan that runs: the latest countable frame on a thread of its own, so that the plan stays on time.

What could not be counted in time is skipped and said. Every count is written to a table beside the plan's file once its
frame is safe on the disk: whatever becomes of the program, the table names no frame that the file lacks.
"""

import csv
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from app.errors import DapiscopeError
from app.frame import Frame, Segmentation
from app.images import split_name
from app.inference.measure import COUNT_COLUMNS, MOMENT, count_row, moment_text
from app.live_path import countable
from app.pipeline import Stage
from app.recording import free_path
from app.recording.files import disk_error
from app.settings import Channel

log = logging.getLogger(__name__)
HEADER = ("frame", MOMENT, "time_point", "channel", *COUNT_COLUMNS)
PATIENCE_S = 20.0
"""For the last count, when the plan has ended."""

_Item = tuple[Frame, int]


class PlanCounts:
    """The counts of one plan.

    Parameters
    ----------
    segment : callable
        Frame to Segmentation, as live imaging counts.
    channels : tuple of Channel
        To know whose frames show nuclei.
    model : str
        Name of what counts, for the file.
    told : callable
        Gets every Segmentation, on the thread ``app-count``.
    failed : callable
        Gets the sentence, once, when counting ended before the plan; the plan goes on.
    """

    def __init__(
        self,
        segment: Callable[[Frame], Segmentation],
        channels: tuple[Channel, ...],
        model: str,
        told: Callable[[Segmentation], object] = lambda found: None,
        failed: Callable[[str], object] = lambda why: None,
    ) -> None:
        self._segment, self._told, self._say = segment, told, failed
        self._counting = frozenset(channel.name for channel in channels if channel.counts_nuclei)
        self._model = model
        self._stage: Stage[_Item] = Stage("app-count", self._count, self._failed)
        self._table = Path()
        self._rows: Any = None
        self._file: Any = None
        self._offered = self._over = 0
        self._safe: Callable[[], int] = lambda: 0
        self._waiting: list[list[str]] = []
        """Rows that are not in the table yet, of which the first field is the frame's number."""
        self._ended = False
        self.counted = 0
        self.not_countable = 0
        """Frames whose light was not confirmed, or does not show nuclei."""
        self.problem = ""
        """Why counting ended before the plan."""

    @property
    def skipped(self) -> int:
        """Countable frames that were not counted, because a newer one came first or counting had ended."""
        return self._stage.slot.skipped + self._over

    @property
    def table(self) -> Path | None:
        """The table of counts, once there is one."""
        return self._table if self.counted else None

    def start(self, recording: Path, safe: Callable[[], int]) -> None:
        """Begin; the table will lie beside `recording`, of which `safe` tells how many frames are on the disk."""
        self._safe = safe
        self._table = free_path(recording.parent, f"{split_name(recording.name)[0]}_counts.csv")
        self._stage.start()

    def offer(self, frame: Frame, time_point: int) -> None:
        """Take a frame just recorded; never waits."""
        if not countable(frame, self._counting):
            self.not_countable += 1
            return
        self._offered += 1
        self._stage.slot.put((frame, time_point))

    def finish(self, kept: int) -> None:
        """Count what lies ready, and close the table: it holds no frame from number `kept` on, which the file lacks."""
        self._stage.stop(PATIENCE_S)
        self._ended = True  # a count that took longer comes too late for the table and the account
        told = len(self._waiting)
        self._waiting = [row for row in self._waiting if int(row[0]) < kept]
        late = told - len(self._waiting)
        self.counted -= late
        try:
            self._write(kept)  # of a model that failed, too, what it had counted before
        except DapiscopeError as error:
            if not self.problem:
                self._failed(error)
        self._over = self._offered - self.counted - late - self._stage.slot.skipped
        file, self._file, self._rows = self._file, None, None
        if file is not None:
            with suppress(OSError):  # its failed write was said, and the plan's file is still to be closed
                file.close()

    def notes(self) -> Mapping[str, Any]:
        """Return the account for the file of the plan, in plain types."""
        told: dict[str, Any] = {
            "model": self._model,
            "counted": self.counted,
            "skipped": self.skipped,
            "not countable": self.not_countable,
        }
        if self.table is not None:
            told["table"] = self._table.name
        return told | ({"ended by": self.problem} if self.problem else {})

    def _count(self, item: _Item) -> None:
        frame, time_point = item
        found = self._segment(frame)
        if self._ended:
            return
        which = [str(frame.index), moment_text(frame), str(time_point), frame.light.channel or ""]
        self._waiting.append([*which, *count_row(found)])
        self.counted += 1
        self._write(self._safe())
        self._told(found)

    def _write(self, safe: int) -> None:
        """Write the rows of the frames before number `safe`; they came in that order."""
        ready = [row for row in self._waiting if int(row[0]) < safe]
        if not ready:
            return
        try:
            if self._file is None:
                self._file = self._table.open("x", newline="", encoding="utf-8")
                self._rows = csv.writer(self._file)
                self._rows.writerow(HEADER)
            self._rows.writerows(ready)
            self._file.flush()  # what is counted is kept, whatever becomes of the program
            del self._waiting[: len(ready)]
        except OSError as error:
            # How many of them reached the file nobody knows: they are not written again.
            self.counted -= len(self._waiting)
            self._waiting.clear()
            raise disk_error(error, self._table) from error

    def _failed(self, error: BaseException) -> None:
        log.error("counting beside the plan ended", exc_info=error)
        why = str(error) if isinstance(error, DapiscopeError) else f"{type(error).__name__}, {error}"
        self.problem = f"The frames of the plan are no longer counted ({why.rstrip('.')}); the plan goes on."
        self._say(self.problem)
