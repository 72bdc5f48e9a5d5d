"""The corner of a session where the light on the field in view is added up, told and watched for a new field."""

import math
from collections.abc import Callable

from app.clock import Clock
from app.dose import DoseLedger, FieldWatch, budget_warning
from app.events import DoseSeen, Event, Notice
from app.frame import Frame
from app.hardware.base import LightReading
from app.settings import Settings


class DoseDesk:
    """The dose of the present field.

    Parameters
    ----------
    publish : callable
        Gets `DoseSeen`, and a `Notice` for a budget that was passed and for a field that is another one.
    settings : Settings
        For the channels and the budget.
    clock : Clock
    look_s : float
        Seconds from one `look` to the next.
    """

    def __init__(self, publish: Callable[[Event], None], settings: Settings, clock: Clock, look_s: float) -> None:
        self._publish, self._clock, self._look_s = publish, clock, look_s
        self.ledger = DoseLedger(settings.channels, settings.light.dose_budget_s)
        self.watch = FieldWatch()

    def as_notes(self) -> dict[str, object]:
        """Return the dose up to now in plain types, as files have it; see `app.dose.DoseLedger.as_notes`."""
        return self.ledger.as_notes(self._clock.monotonic())

    def trust(self, watchdog_ms: int) -> None:
        """Take the box to be dark that long after it was last heard; 0 for a box without a watchdog."""
        self.ledger.unseen_s = watchdog_ms / 1000 or math.inf

    def take(self, reading: LightReading) -> None:
        """Take in what the box said; on the light's thread."""
        self.ledger.take(reading)
        self._tell()
        now_s = self._clock.monotonic()
        for channel in self.ledger.crossed(now_s):
            totals = self.ledger.totals(now_s)
            self._publish(Notice("warning", budget_warning(channel, totals, self.ledger.budget_s or 0.0)))

    def new_field(self) -> None:
        """Say that another field is in view: the dose begins at zero."""
        self.ledger.new_field(self._clock.monotonic())
        self.watch = FieldWatch()
        self._tell()

    def look(self, frame: Frame) -> None:
        """Notice that the stage was moved since the last look but one."""
        if not frame.light.confirmed or frame.light.channel is None:
            return
        if self.watch.look(frame.pixels, frame.light.channel):
            # It was moved between this look and the last but one.
            self.ledger.new_field(self._clock.monotonic() - 3 * self._look_s)
            self._publish(Notice("info", "Another field is in view; its light dose is counted from zero."))
            self._tell()

    def _tell(self) -> None:
        totals = self.ledger.totals(self._clock.monotonic())
        self._publish(DoseSeen(self.ledger.field, totals, self.ledger.budget_s))
