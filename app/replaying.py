"""A replay in the place of the camera: how it is opened and left."""

from pathlib import Path

from app.events import State
from app.frame import Frame
from app.workplace import Workplace


class Replaying:
    """Plays a recording, file or folder through the same path as live frames; on the device worker."""

    def __init__(self, at: Workplace) -> None:
        self._at = at

    def open(self, path: Path, hold: bool, speed: float | None) -> None:
        """Play `path`; live imaging must have ended."""
        at = self._at
        self.close()  # one that was open is over, also where this one cannot be opened
        given = at.settings.segmentation.pixel_size_um
        size = given if isinstance(given, float) else None
        at.models.load_selected()
        at.replay.open(path, pixel_size_um=size, hold=hold, speed=speed, use_told=given is None)
        at.in_force.enter_file(given)
        into = at.stream.begin(lossless=True)
        at.life.begin(State.REPLAYING)
        at.lookout.watch()
        at.replay.play_into(into, self._seen, self._ended)

    def close(self) -> None:
        """Leave the replay for what comes next."""
        if self.leave() and self._at.life.state is State.REPLAYING:
            self._at.life.move(State.IDLE)

    def leave(self) -> bool:
        """Leave the replay, in whatever state; idempotent. True when one was open."""
        if not self._at.replay.active:
            return False
        self._at.lookout.stop()
        self._at.in_force.leave_file()
        closed = self._at.replay.close()
        self._at.stream.end()  # nothing has a rate any more
        return closed

    def _seen(self, frame: Frame) -> None:
        self._at.stream.last_frame = frame

    def _ended(self, error: BaseException | None) -> None:
        if error is not None:
            self._at.fail(error)
        self._at.finished.set()
