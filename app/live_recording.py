"""When a recording of live imaging begins and ends, and what its file says of losses, counts and dose."""

from pathlib import Path

from app.desks import Asked, unfinished_notice
from app.errors import CameraError
from app.events import State
from app.live_path import LivePath
from app.workplace import Workplace


class LiveRecording:
    """Records what live imaging brings; on the device worker."""

    def __init__(self, at: Workplace) -> None:
        self._at = at
        self._before: dict[str, int] = {}
        """The counters as the recording began."""

    def start(self, asked: Asked) -> None:
        """Record every frame from now on, once the disk was measured; nothing where a recording runs."""
        at = self._at
        path = self._need_imaging()
        if at.recording.active:
            return
        self.tell_unfinished(asked.folder)
        if at.settings.camera_images is None:  # a folder is played only as fast as it is counted and written
            with at.light.dark(lambda: at.life.state is State.LIVE):
                at.recording.measure(asked, at.bench.need_camera())
            path = self._need_imaging()
        labeller = at.bench.labeller
        review = labeller.review if labeller is not None else None
        meta = at.metadata(at.counting.counter)
        self._before = self._tallies()
        at.recording.start(asked.folder, path, meta, asked.frames, review, asked.notes)

    def stop(self) -> None:
        """Finish the recording, if one runs; its RecordingError where something went wrong. Any thread."""
        # Of the recording, and not of all the time since live imaging began.
        notes = {name: value - self._before.get(name, 0) for name, value in self._tallies().items()}
        error = self._at.recording.stop({**notes, "dose": self._at.dose.as_notes()})
        if error is not None and self._at.life.state is State.FAILED:
            self._at.announcer.tell(
                error
            )  # the session has ended already; what became of its file is news all the same
        elif error is not None:
            raise error

    def tell_unfinished(self, folder: Path) -> None:
        """Tell of recordings in `folder` that a crash left unfinished, unless that was said a moment ago."""
        unfinished = unfinished_notice(folder)
        if unfinished is not None:
            self._at.announcer.once(unfinished)

    def _need_imaging(self) -> LivePath:
        """Return the way of the frames that come, or are about to; CameraError where none would."""
        path = self._at.stream.path
        if path is None or self._at.life.state not in (State.LIVE, State.STARTING):
            raise CameraError("Live imaging has ended, so no recording was begun; start it again.")
        return path

    def _tallies(self) -> dict[str, int]:
        stats = self._at.stream.stats()
        return {"lost_camera": stats.lost_camera, "grabbed": stats.grabbed, "not_counted": stats.not_counted}
