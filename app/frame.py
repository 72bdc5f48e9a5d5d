"""What flows through dapiscope: frames, the light they had, and what was found in them.

Everything here is frozen and its arrays are read-only, so that stages on different threads may share it.
Image coordinates are (row, column) with the origin at the top left of the *stored* image; what is on the screen,
in a file and in a table is the same way up.
"""

import contextlib
import mmap
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from app.shading import Shading

PixelFormat = str
"""``"Mono8"``, ``"Mono10"``, ``"Mono12"`` or ``"Mono16"``: the significant bits of a pixel."""

BITS: Mapping[PixelFormat, int] = {"Mono8": 8, "Mono10": 10, "Mono12": 12, "Mono12p": 12, "Mono16": 16}


@dataclass(frozen=True, slots=True)
class Light:
    """The light on the sample during one exposure, as far as it was confirmed.

    Attributes
    ----------
    channel : str or None
        Channel name (``"405"``), ``None`` for darkness.
    intensity : float
        0…1 of the channel's maximum.
    confirmed : bool
        True only when the light source read this state back and it was steady for the whole exposure of every
        row. A frame that is not confirmed is never counted, measured or saved as the channel.
    reason : str
        Why it is not confirmed, in a few words; empty when it is.
    """

    channel: str | None = None
    intensity: float = 0.0
    confirmed: bool = False
    reason: str = "no light source"

    @property
    def watched(self) -> bool:
        """False when nothing was ever known of the light: a foreign file, or no light source."""
        return self.confirmed or self.reason not in _NEVER_WATCHED


_NEVER_WATCHED = frozenset({"no light source", "the file does not say"})

UNKNOWN_LIGHT = Light()


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One camera image and what is known of it.

    Attributes
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
        Read-only. For Mono12 the values are 0…4095 in uint16 (not shifted).
    index : int
        The source's own running number, from 0; a gap means frames the camera stage lost.
    exposure_end_s : float
        End of the exposure of the last row, in seconds of the monotonic clock that the source was given.
    unix_time_s : float
        The same moment as seconds since 1970 (UTC); 0 where a file does not say.
    exposure_ms, gain_db : float or None
        As read back from the camera; None where a file does not say.
    pixel_format : str
        One of `BITS`.
    pixel_size_um : float or None
        µm per pixel in the sample; None where unknown (never guessed here).
    light : Light
    source : str
        What made it, e.g. ``"simulated camera"`` or ``"Basler daA3840-45um 23456789"`` or a file's path.
    name : str
        File name for replayed images, else empty.
    readout_ms : float
        Time from the first row's exposure start to the last row's; 0 for a global shutter.
    truth_count : int or None
        Simulator only: nuclei really in view.
    shading : Shading or None
        What is to be taken out where the frame is shown or counted; `pixels` are raw all the same.
    recorded_s : float or None
        Seconds into the recording that is replayed; None for a frame that is new.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    index: int
    exposure_end_s: float
    unix_time_s: float
    exposure_ms: float | None
    gain_db: float | None
    pixel_format: PixelFormat
    pixel_size_um: float | None
    light: Light = UNKNOWN_LIGHT
    source: str = ""
    name: str = ""
    readout_ms: float = 0.0
    truth_count: int | None = None
    shading: Shading | None = None
    recorded_s: float | None = None

    @property
    def moment_s(self) -> float:
        """Where it stands on an axis of time, in seconds: of the recording where one is replayed."""
        return self.exposure_end_s if self.recorded_s is None else self.recorded_s

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def white(self) -> int:
        """The largest value a pixel can have, e.g. 4095 for Mono12."""
        return int((1 << BITS[self.pixel_format]) - 1)


NUCLEUS_DTYPE = np.dtype(
    [
        ("label", np.int32),
        ("y_px", np.float32),  # centroid, full-resolution pixels of the frame
        ("x_px", np.float32),
        ("area_px", np.float32),  # full-resolution pixels²
        ("area_um2", np.float32),  # NaN where the pixel size is unknown
        ("mean_intensity", np.float32),  # of the frame's own grey values
        ("eccentricity", np.float32),  # of the ellipse with the same second moments, 0…1
        ("score", np.float32),  # 0…1, the model's confidence that this is one nucleus
        ("touches_edge", np.bool_),
        ("counted", np.bool_),  # by the unbiased edge rule: not touching the top or left border
        ("saturated", np.bool_),  # its intensity is not valid
        ("out_of_focus", np.bool_),  # its outline is less steep than that of a nucleus in focus
    ]
)
"""One row a nucleus; units are in the names."""


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """What the segmenter found in one frame.

    Attributes
    ----------
    frame : Frame
    labels : ndarray of int32, shape (h, w)
        0 background, 1…N; at the model's scale: multiply by `zoom` to reach full-resolution pixels.
    zoom : (float, float)
        (H / h, W / w).
    nuclei : structured ndarray of `NUCLEUS_DTYPE`, shape (N,)
    count : int
        All nuclei seen, edge-touching ones included; equals the number of rows of `nuclei`.
    density_per_mm2 : float or None
        By the unbiased edge rule (nuclei touching the top or left border do not count); None without a pixel size.
    pixel_size_um : float or None
        What was used to bring the frame to the model's scale.
    scale_source : str
        ``"metadata"``, ``"given"`` or ``"estimated"``.
    flags : tuple of str
        Why the count is *not fit to use*: ``"too dim"``, ``"saturated"``, ``"out of focus"``, ``"too crowded"``,
        ``"scale unknown"``, ``"light not confirmed"``; empty when it is fit.
    interval : (int, int) or None
        90 % predictive interval of the count; None for a model without calibration.
    coarse : float
        How many times coarser than its own scale the model saw this live image, to keep up; 1 is its own.
    timings_ms : mapping of str to float
        Milliseconds a step: ``scale``, ``network``, ``decode``, ``measure``.
    """

    frame: Frame
    labels: NDArray[np.int32]
    zoom: tuple[float, float]
    nuclei: NDArray[Any]
    density_per_mm2: float | None
    pixel_size_um: float | None
    scale_source: str
    flags: tuple[str, ...] = ()
    interval: tuple[int, int] | None = None
    coarse: float = 1.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """All nuclei seen, edge-touching ones included."""
        return len(self.nuclei)


FrameSink = Callable[[Frame], None]
EndSink = Callable[[BaseException | None], None]


@runtime_checkable
class FrameSource(Protocol):
    """Whatever frames come from: a camera, a recording, a folder.

    A source owns one named thread. `start` returns at once; `sink` is called on that thread for every frame, in
    order, and must return quickly. `ended` is called exactly once, on that thread, when no frame will follow:
    with None at a natural end or after `stop`, with the error otherwise. `stop` is idempotent, may be called from
    any thread but the source's own, and returns when the thread is gone.
    """

    def start(self, sink: FrameSink, ended: EndSink) -> None:
        """Begin to deliver frames."""
        ...

    def stop(self) -> None:
        """Deliver no more frames; idempotent."""
        ...


def read_only(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return a view of `pixels` that cannot be written through."""
    view = pixels.view()
    view.flags.writeable = False
    return view


class BufferPool:
    """Image buffers used again and again.

    A fresh full-frame array costs page faults worth more than the copy into it. A buffer is free again as soon as
    nothing but the pool refers to it: no view, no frame, no library that borrowed its memory.

    Parameters
    ----------
    shape : (int, int)
    dtype : numpy dtype
    limit : int
        Buffers kept; when all are in use, `take` returns an unpooled array instead of waiting.
    """

    def __init__(self, shape: tuple[int, int], dtype: Any, limit: int = 12) -> None:
        self.shape, self.dtype, self._limit = shape, np.dtype(dtype), limit
        self._buffers: list[NDArray[Any]] = []

    def take(self) -> NDArray[Any]:
        """Return a writable array of unspecified content, shape `shape`, that nobody else holds."""
        for index in range(len(self._buffers)):
            # Two references: the list's and the argument's. Every view of a buffer holds one more.
            if sys.getrefcount(self._buffers[index]) <= 2:
                return self._buffers[index].view()
        fresh = self._fresh()
        if len(self._buffers) < self._limit:
            self._buffers.append(fresh)
        return fresh.view()

    def clear(self) -> None:
        """Keep no buffer any more; those in use live until they are let go. Not while another thread takes."""
        self._buffers.clear()

    def _fresh(self) -> NDArray[Any]:
        """Return an array in pages of its own: once it is free the system has them back, whatever lies around it.

        Out of the heap, where numpy's arrays are after a while, a few dozen starts and stops would leave holes of the
        size of a frame.
        """
        size = self.shape[0] * self.shape[1] * self.dtype.itemsize
        private = {} if sys.platform == "win32" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
        pages = mmap.mmap(-1, max(size, 1), **private)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a kernel without them
                pages.madvise(mmap.MADV_HUGEPAGE)
        # Not a view of another array: views of it must refer to it, by which `take` sees that it is in use.
        return np.ndarray(self.shape, self.dtype, buffer=pages)
