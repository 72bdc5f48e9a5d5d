"""Looks for unused objects that refer to one another: on the window's thread only, in small bites.

Left to itself Python does so on whatever thread happens to allocate. A full look takes a tenth of a second, in which
no thread runs, the window's neither; and an object of Qt that is found and deleted on a foreign thread can end the
program.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QObject, QTimer

_PERIOD_MS = 100
_FULL_EVERY = 3000
"""Bites, five minutes of them, after which everything that is new since the start is looked at, busy or not."""
_BURST = 3000
"""So many more objects since the last bite are modules that were loaded meanwhile: a part of the program, from now on
never looked at again, like what was there at the start."""


class Tidy(QObject):
    """Collects garbage while the window's loop runs.

    Parameters
    ----------
    parent : QObject
    busy : callable
        True while frames flow: then only what is young is looked at.
    """

    def __init__(self, parent: QObject, busy: Callable[[], bool]) -> None:
        super().__init__(parent)
        self._busy = busy
        self._since_full = 0
        self._thresholds = gc.get_threshold()
        self._timer = QTimer(self)
        self._timer.setInterval(_PERIOD_MS)
        self._timer.timeout.connect(self.bite)

    def start(self) -> None:
        """Take over from Python; what there is now (the program itself) is never looked at again."""
        gc.disable()
        gc.collect()
        gc.freeze()
        self._timer.start()

    def stop(self) -> None:
        """Hand back to Python; idempotent."""
        self._timer.stop()
        if not gc.isenabled():
            gc.unfreeze()
            gc.enable()

    def bite(self) -> None:
        """Look at what is young; at everything when nobody waits for a picture, or after a long time."""
        self._since_full += 1
        young, middle, old = gc.get_count()
        if young >= _BURST:
            gc.freeze()
        elif self._since_full >= _FULL_EVERY or (old >= self._thresholds[2] and not self._busy()):
            self._since_full = 0
            gc.collect()
        elif middle >= self._thresholds[1]:
            gc.collect(1)
        elif young >= self._thresholds[0]:
            gc.collect(0)


@contextmanager
def tidied(parent: QObject, busy: Callable[[], bool]) -> Iterator[Tidy]:
    """Have garbage collected on this thread only, for as long as the block lasts."""
    made = Tidy(parent, busy)
    made.start()
    try:
        yield made
    finally:
        made.stop()
