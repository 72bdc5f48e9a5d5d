"""The newest picture of every channel, whoever shows it."""

import threading
from pathlib import Path

from app.frame import Frame
from app.recording.sources import ImageSequence, open_sequence


class ChannelShelf:
    """Keeps the newest frame of each channel of one field; any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[str, Frame] = {}

    def put(self, frame: Frame) -> None:
        """Keep a frame whose light was confirmed; frames of another source or size make room for it."""
        if frame.light.channel is None or not frame.light.confirmed:
            return
        with self._lock:
            self._frames = {
                name: kept
                for name, kept in self._frames.items()
                if kept.source == frame.source and kept.shape == frame.shape
            }
            self._frames[frame.light.channel] = frame

    def frames(self) -> dict[str, Frame]:
        """Return channel → frame."""
        with self._lock:
            return dict(self._frames)

    def clear(self) -> None:
        """Forget everything: another field is in view."""
        with self._lock:
            self._frames.clear()


class Companions:
    """Reads, from a file with several channels, what belongs to one moment; one thread at a time."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._sequence: ImageSequence | None = None
        self._by_time: dict[int, list[int]] = {}

    def read(self, path: Path, position: int) -> dict[str, Frame]:
        """Return channel → frame of the moment that frame number `position` of the file belongs to.

        A channel that the file does not name is called after its place, ``C1`` and so on.

        Raises
        ------
        BadImageError
            The file cannot be read.
        """
        if path != self._path or self._sequence is None:
            self.close()
            self._sequence, self._path = open_sequence(path), path
            for index in range(self._sequence.info.length):
                self._by_time.setdefault(self._sequence.place_of(index)[0], []).append(index)
        sequence = self._sequence
        found: dict[str, Frame] = {}
        for index in self._by_time.get(sequence.place_of(position)[0], [position]):
            name = sequence.channel_of(index)
            if not name or name in found:
                name = f"C{sequence.place_of(index)[1] + 1}"
            found[name] = sequence.read(index)
        return found

    def close(self) -> None:
        """Let go of the file; idempotent."""
        if self._sequence is not None:
            self._sequence.close()
        self._sequence, self._path, self._by_time = None, None, {}
