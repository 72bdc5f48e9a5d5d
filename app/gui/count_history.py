"""The counts of a long session in a fixed amount of memory: an hour of live counting keeps as little as its start."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from app.frame import Segmentation

_ROW = np.dtype(
    [
        ("index", np.int64),
        ("moment_s", np.float64),
        ("unix_time_s", np.float64),
        ("count", np.int32),
        ("interval", np.int32, 2),
        ("density_per_mm2", np.float64),
        ("pixel_size_um", np.float64),
        ("said", np.uint32),
    ]
)
"""A count in numbers: NaN and -1 stand for what is not known, `said` for its words."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The count of one frame; every one arrives.

    Attributes
    ----------
    index, count, interval, density_per_mm2, pixel_size_um, scale_source, flags
        See `app.frame.Segmentation`.
    moment_s : float
        `Frame.moment_s`: where it stands in the chart.
    unix_time_s : float
        When it was taken; 0 where its file does not say.
    name : str
        Of its image file, where each frame has one.
    replayed : bool
        It came from a file.
    """

    index: int
    moment_s: float
    unix_time_s: float
    name: str
    count: int
    interval: tuple[int, int] | None
    density_per_mm2: float | None
    pixel_size_um: float | None
    scale_source: str
    flags: tuple[str, ...]
    replayed: bool

    @classmethod
    def of(cls, found: Segmentation, *, replayed: bool) -> "Counted":
        """Return what was found, without the pixels."""
        frame = found.frame
        return cls(
            frame.index, frame.moment_s, frame.unix_time_s, frame.name,
            found.count, found.interval, found.density_per_mm2, found.pixel_size_um, found.scale_source, found.flags,
            replayed,
        )  # fmt: skip

    @property
    def fit(self) -> bool:
        """Nothing speaks against using the count."""
        return not self.flags


class CountHistory:
    """The newest `keep` counts in the order they came, packed: all the memory is taken at the start.

    The words of a count (where its scale is from, its flags, its file's name) are kept once, however many say the
    same.
    """

    def __init__(self, keep: int) -> None:
        self._rows = np.zeros(keep, _ROW)
        self._rows.fill(0)  # touches the pages, which zeros alone would leave to be taken later
        self._total = 0
        self._said: dict[tuple[str, str, tuple[str, ...], bool], int] = {}

    def add(self, counted: Counted) -> None:
        """Put a count at the end; the oldest goes when there is no room."""
        said = (counted.name, counted.scale_source, counted.flags, counted.replayed)
        self._rows[self._total % len(self._rows)] = (
            counted.index,
            counted.moment_s,
            counted.unix_time_s,
            counted.count,
            (-1, -1) if counted.interval is None else counted.interval,
            np.nan if counted.density_per_mm2 is None else counted.density_per_mm2,
            np.nan if counted.pixel_size_um is None else counted.pixel_size_um,
            self._said.setdefault(said, len(self._said)),
        )
        self._total += 1

    def __len__(self) -> int:
        return min(self._total, len(self._rows))

    def __iter__(self) -> Iterator[Counted]:
        words = list(self._said)
        oldest = self._total - len(self)
        for place in range(oldest, self._total):
            index, moment_s, unix_time_s, count, interval, density, pixel_um, said = self._rows[
                place % len(self._rows)
            ].item()
            name, scale_source, flags, replayed = words[said]
            low, high = (int(end) for end in interval)
            yield Counted(
                index, moment_s, unix_time_s, name,
                count, None if low < 0 else (low, high), _known(density), _known(pixel_um), scale_source, flags,
                replayed,
            )  # fmt: skip


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
