"""A second model beside the first: it looks at the frames that the first has counted, on threads of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.display import Picture
from app.frame import Segmentation
from app.gui.composer import Composed, Composer, Look
from app.inference.agreement import Agreement, agreement
from app.pipeline import Stage


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """Both models' nuclei of one frame."""

    model: str
    first: Segmentation
    second: Segmentation
    agreement: Agreement


@dataclass(frozen=True, slots=True, eq=False)
class ComposedBeside:
    """A picture with the second model's nuclei."""

    composed: Composed


@dataclass(frozen=True, slots=True)
class SideFailed:
    """The second model cannot be used."""

    reason: str


class Side:
    """Takes what the first model found and publishes what the second finds in the same frames, the newest first.

    Parameters
    ----------
    model : str
        Name of the second model; it is loaded on the thread ``app-compare``.
    make_counter : callable
        Name to segmenter: the very one that counts elsewhere.
    publish : callable
        Takes `Compared`, `ComposedBeside` and `SideFailed`, on foreign threads.
    failed : callable
        Takes what went wrong with the painting.
    """

    def __init__(
        self,
        model: str,
        make_counter: Callable[[str], Any],
        publish: Callable[[object], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self.model = model
        self._make, self._publish = make_counter, publish
        self._counter: Any = None
        self._stage: Stage[Segmentation] = Stage("app-compare", self._compare, self._cannot)
        self.composer = Composer(lambda composed: publish(ComposedBeside(composed)), failed)
        self._stage.start()

    def show_picture(self, picture: Picture) -> None:
        """Paint this picture, with the newest of the second model's results that fits; any thread."""
        self.composer.show_picture(picture)

    def set_look(self, look: Look) -> None:
        """Paint in this way from now on."""
        self.composer.set_look(look)

    def take(self, first: Segmentation) -> None:
        """Look at the frame of this result next; an older one that waits is skipped. Any thread; never blocks."""
        self._stage.slot.put(first)

    def stop(self) -> None:
        """End the threads; waits for a network that runs."""
        self._stage.stop()
        self.composer.close()

    def _compare(self, first: Segmentation) -> None:
        if self._counter is None:
            self._counter = self._make(self.model)
        # The same scale for both, so that the networks are compared and not two estimates.
        second = self._counter.segment(first.frame, first.pixel_size_um)
        compared = Compared(self._counter.name, first, second, agreement(first, second))
        self.composer.show_result(second, compared.agreement.only_second)
        self._publish(compared)

    def _cannot(self, error: BaseException) -> None:
        self._publish(SideFailed(str(error)))
