"""Who looks regularly while frames come: after the rates, and that nothing shines without frames."""

from collections.abc import Callable

from app.pipeline import Ticker

TICK_S = 0.5
"""Between looks at rates, recording and field."""
GUARD_S = 0.05
"""Between looks whether a frame is overdue."""


class Lookout:
    """Two regular looks, each on a thread of its own; on the device worker.

    Parameters
    ----------
    tell : callable
        Tells rates, recording and field; on the thread ``app-stats``.
    look : callable
        Switches the light off when a frame is overdue; on the thread ``app-shutter``.
    failed : callable
        Gets the exception that ended one of them.
    """

    def __init__(
        self, tell: Callable[[], object], look: Callable[[], object], failed: Callable[[BaseException], None]
    ) -> None:
        self._tell, self._look, self._failed = tell, look, failed
        self._ticker: Ticker | None = None
        self._guard: Ticker | None = None

    def guard(self) -> None:
        """Look for frames from now on; before anything shines."""
        self._guard = Ticker("app-shutter", self._look, GUARD_S, self._failed)

    def watch(self) -> None:
        """Tell the rates from now on."""
        self._ticker = Ticker("app-stats", self._tell, TICK_S, self._failed)

    def stop(self) -> None:
        """Look no more; idempotent."""
        tickers, self._ticker, self._guard = (self._ticker, self._guard), None, None
        for ticker in tickers:
            if ticker is not None:
                ticker.stop()
