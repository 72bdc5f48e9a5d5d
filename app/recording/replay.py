"""Replay: a recording, a stack or a folder as a source of frames, under the operator's control."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from app.clock import Clock, SystemClock
from app.errors import BadImageError
from app.frame import EndSink, Frame, FrameSink
from app.recording.sources import ImageSequence, ReplayInfo, open_sequence
from app.shading import Shading

BadFile = Callable[[Path, BadImageError], None]
FindShading = Callable[[str], Shading | None]
"""From the title that a recording has to the shading; None where it is not on this computer."""

_DEFAULT_FPS = 10.0
_LONGEST_GAP_S = 2.0
"""A longer pause in the recording is played as this long."""
_SLICE_S = 0.02
"""Controls are heeded this often while waiting for the next frame's moment."""


def open_replay(
    path: Path,
    *,
    pixel_size_um: float | None = None,
    hold: bool = False,
    clock: Clock | None = None,
    bad_file: BadFile | None = None,
    find_shading: FindShading | None = None,
) -> "Replay":
    """Open a file or folder for replay.

    Parameters
    ----------
    path : Path
        A recording, OME-TIFF, TIFF stack, image, or folder of images.
    pixel_size_um : float, optional
        Wins over what the file says.
    hold : bool
        At the end stand still on the last frame, ready to seek, instead of ending.
    clock : Clock, optional
    bad_file : callable, optional
        Told of each image that cannot be read, which is then skipped; without it the replay ends with the error.
    find_shading : callable, optional
        Finds the flat fields that a recording names; without it its frames have none.

    Raises
    ------
    BadImageError
        Nothing there can be read.
    """
    return Replay(
        open_sequence(path),
        pixel_size_um=pixel_size_um,
        hold=hold,
        clock=clock,
        bad_file=bad_file,
        find_shading=find_shading,
    )


class Replay:
    """A `FrameSource` with the controls of a player; they may be used from any thread.

    `position` is the number of the frame that comes next: 0 at the start, `length` at the end. The frame on show is
    the one before it.
    """

    def __init__(
        self,
        sequence: ImageSequence,
        *,
        pixel_size_um: float | None = None,
        hold: bool = False,
        clock: Clock | None = None,
        bad_file: BadFile | None = None,
        find_shading: FindShading | None = None,
    ) -> None:
        self._sequence, self._size_um, self._hold, self._bad_file = sequence, pixel_size_um, hold, bad_file
        self._find_shading = find_shading
        self._clock: Clock = clock or SystemClock()
        size_um = sequence.info.pixel_size_um if pixel_size_um is None else pixel_size_um
        self.info: ReplayInfo = replace(sequence.info, pixel_size_um=size_um)
        self._changed = threading.Condition()
        self._position = 0
        self._playing = True
        self._single = False
        self._speed: float | None = 1.0
        self._loop = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ what it tells

    @property
    def length(self) -> int:
        """Frames in all."""
        return self.info.length

    @property
    def position(self) -> int:
        """The frame that comes next, 0…length."""
        return self._position

    @property
    def playing(self) -> bool:
        """True while frames follow one another by themselves."""
        return self._playing

    @property
    def speed(self) -> float | None:
        """Times the recorded rate; None is as fast as the sink takes them."""
        return self._speed

    @property
    def loop(self) -> bool:
        """True when the first frame follows the last."""
        return self._loop

    # ------------------------------------------------------------------ controls

    def play(self) -> None:
        """Go on; from the start when at the end."""
        with self._changed:
            if self._position >= self.length:
                self._position = 0
            self._playing, self._single = True, False
            self._changed.notify_all()

    def pause(self) -> None:
        """Stand still; `step` and `seek` still show frames."""
        with self._changed:
            self._playing = False
            self._changed.notify_all()

    def step(self, delta: int = 1) -> None:
        """Pause and show the frame `delta` after (or before) the one on show."""
        with self._changed:
            self._go(self._position - 1 + delta)
            self._playing = False

    def seek(self, index: int) -> None:
        """Show frame `index` next (the nearest there is), and go on from there if playing."""
        with self._changed:
            self._go(index)

    def _go(self, index: int) -> None:
        self._position = min(max(index, 0), self.length - 1)
        self._single = True
        self._changed.notify_all()

    def set_speed(self, speed: float | None) -> None:
        """Play at `speed` × the recorded rate; None (and nothing below zero) is as fast as the sink takes them."""
        with self._changed:
            self._speed = speed if speed is not None and speed > 0 else None
            self._changed.notify_all()

    def set_loop(self, on: bool) -> None:
        """Let the first frame follow the last."""
        with self._changed:
            self._loop = on

    # ------------------------------------------------------------------ pulling

    def frame(self, index: int) -> Frame:
        """Return frame `index` with its recorded values. Raises BadImageError."""
        frame = self._sequence.read(index)
        if self._size_um is not None:
            frame = replace(frame, pixel_size_um=self._size_um)
        title = self._sequence.flat_field_of(index)
        shading = self._find_shading(title) if title and self._find_shading is not None else None
        return frame if shading is None or shading.shape != frame.shape else replace(frame, shading=shading)

    def frames(self) -> Iterator[Frame]:
        """Yield every readable frame once, in order, on the caller's thread.

        Raises
        ------
        BadImageError
            A frame cannot be read and nobody asked to be told of it (`bad_file`).
        """
        for index in range(self.length):
            frame = self._frame_or_tell(index)
            if frame is not None:
                yield frame

    def _frame_or_tell(self, index: int) -> Frame | None:
        try:
            return self.frame(index)
        except BadImageError as error:
            if self._bad_file is None:
                raise
            self._bad_file(self._sequence.path_of(index), error)
            return None

    # ------------------------------------------------------------------ playing

    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Play from `position` on the thread ``app-replay``; see `app.frame.FrameSource`.

        `Frame.exposure_end_s` is the moment of delivery, so that latencies are those of this run, and
        `Frame.recorded_s` how far into the recording it is; all else is as recorded.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopping = False
        self._thread = threading.Thread(target=self._run, args=(sink, ended), name="app-replay", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver no more frames; idempotent; returns when the thread is gone."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def close(self) -> None:
        """Stop and release the file; idempotent."""
        self.stop()
        self._sequence.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def _run(self, sink: FrameSink, ended: EndSink) -> None:
        reason: BaseException | None = None
        try:
            self._deliver_all(sink)
        except BaseException as error:  # noqa: BLE001 - handed on whole: it is why no frame follows
            reason = error
        ended(reason)

    def _deliver_all(self, sink: FrameSink) -> None:
        due_s = self._clock.monotonic()
        good_since_start = True
        while True:
            with self._changed:
                if self._playing and not self._single and self._position >= self.length:
                    if self._loop and good_since_start:
                        self._position, good_since_start = 0, False
                    elif self._hold:
                        self._playing = False
                    else:
                        return
                while not (self._playing or self._single or self._stopping):
                    self._changed.wait()
                    due_s = self._clock.monotonic()
                if self._stopping:
                    return
                if self._position >= self.length:
                    continue
                index, asked = self._position, self._single
            frame = self._frame_or_tell(index)
            if not asked:
                due_s = self._wait_until(due_s + self._gap_s(index), index)
            with self._changed:
                # A seek or a stop may have come in meanwhile: then this frame is not the one that is wanted.
                if self._stopping or self._position != index or (self._single and not asked):
                    continue
                if not (self._playing or self._single):
                    continue
                self._position, self._single = index + 1, False
            if asked:
                due_s = self._clock.monotonic()
            if frame is not None:
                good_since_start = True
                sink(replace(frame, exposure_end_s=self._clock.monotonic(), recorded_s=self._recorded_s(index)))
            # Forget the pixels before waiting for the next moment.
            del frame

    def _recorded_s(self, index: int) -> float:
        """Return how far into the recording frame `index` is: as its file says, else at the rate it is played with."""
        now, first = self._sequence.time_of(index), self._sequence.time_of(0)
        if now is not None and first is not None:
            return now - first
        return index / (self.info.fps or _DEFAULT_FPS)

    def _gap_s(self, index: int) -> float:
        """Return the recorded time between frame `index` and the one before it, at the present speed."""
        speed = self._speed
        if speed is None or index == 0:
            return 0.0
        now, before = self._sequence.time_of(index), self._sequence.time_of(index - 1)
        recorded = now - before if now is not None and before is not None else 1.0 / (self.info.fps or _DEFAULT_FPS)
        return min(max(recorded, 0.0), _LONGEST_GAP_S) / speed

    def _wait_until(self, due_s: float, index: int) -> float:
        """Sleep until `due_s`; return the moment the next gap counts from. A late frame is never skipped."""
        speed = self._speed
        while True:
            now_s = self._clock.monotonic()
            if now_s >= due_s:
                # Behind by a little: catch up, so that the rate is kept. Behind by a lot: start anew from here.
                return due_s if now_s - due_s < 0.5 and self._speed is not None else now_s
            with self._changed:
                moved = self._single or not self._playing or self._position != index
                if self._stopping or moved or self._speed != speed:
                    return now_s
            self._clock.sleep(min(due_s - now_s, _SLICE_S))
