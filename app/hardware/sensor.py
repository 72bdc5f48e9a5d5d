"""What a rolling-shutter CMOS sensor makes of a `Scene`: exposure row by row, shot and read noise, 12 bits.

A full-frame Poisson draw takes half a second, so noise is added where it is the same for every pixel: on the scale
``x = 2·sqrt(electrons + c)``, on which shot and read noise together have standard deviation 1 (Anscombe's
transform). One addition of pieces of a fixed field of unit noise, from random places, and one table look-up back to
grey values make a frame; variance against mean follows the photon-transfer curve, which the tests measure.

Figures follow a 2 µm-pixel CMOS sensor of the IMX334's class; see `FULL_WELL`, `READ_NOISE` and `OFFSET_DN`.
"""

from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import BITS
from app.hardware.scene import ROOT_SCALE, Scene

FULL_WELL = 10_000.0
"""Electrons that saturate a pixel; at 0 dB they give 4095."""
READ_NOISE = 2.5
"""Electrons, standard deviation."""
OFFSET_DN = 60.0
"""Black level in 12-bit grey values, at every gain."""
DN_PER_ELECTRON = (4095.0 - OFFSET_DN) / FULL_WELL
"""At 0 dB."""

_STEPS = 64
"""Levels per standard deviation of noise."""
_NOISE_MEAN = 4.45 * _STEPS
_STRIP = 120
"""Rows worked on at once: few enough to stay in the cache between two steps, and many enough for few calls, since
every call waits for the interpreter's lock when other threads are busy."""
_NOISE_ROWS = _STRIP + 256
_NOISE_MARGIN = 512
"""The noise field has this many rows, and this many columns more than a frame; small enough to stay in the cache."""

LightHistory = Sequence[tuple[float, tuple[float, ...]]]
"""Piecewise constant light: (since_s, level of each line 0…1) in time order; the first holds from the start."""


def row_doses(
    history: LightHistory, start_s: float, rows: int, row_s: float, exposure_s: float, lines: int
) -> NDArray[np.float64]:
    """Return the light each row collects under a rolling shutter, in ms at full power, shape (lines, rows).

    Row r is exposed from ``start_s + r·row_s`` for `exposure_s`.
    """
    begins = start_s + row_s * np.arange(rows)
    ends = begins + exposure_s
    doses = np.zeros((lines, rows))
    for index, (since_s, levels) in enumerate(history):
        from_s = since_s if index else -np.inf
        until_s = history[index + 1][0] if index + 1 < len(history) else np.inf
        if not any(levels):
            continue
        overlap_ms = 1000 * np.clip(np.minimum(ends, until_s) - np.maximum(begins, from_s), 0, exposure_s)
        for line, level in enumerate(levels[:lines]):
            doses[line] += level * overlap_ms
    return doses


def light_integral(history: LightHistory, start_s: float, end_s: float, lines: int) -> NDArray[np.float64]:
    """Return ∫ level dt in seconds at full power, shape (lines,): the dose that bleaches."""
    return row_doses(history, start_s, 1, 0.0, max(end_s - start_s, 0.0), lines)[:, 0] / 1000


def to_grey(electrons: NDArray[np.float64], gain_db: float, bits: int) -> NDArray[np.float64]:
    """Return the 12- or 8-bit grey values that `electrons` give: gain, offset, saturation; float, whole numbers.

    The eight bits are the upper eight of the twelve, as in the camera.
    """
    seen = np.minimum(electrons, FULL_WELL) * DN_PER_ELECTRON * 10 ** (gain_db / 20)
    grey = np.clip(np.floor(seen + OFFSET_DN + 0.5), 0, 4095)
    return np.floor(grey / 16) if bits == 8 else grey


class Region(Mapping[int, NDArray[np.uint16]]):
    """The part of a scene that the sensor sees, per light line, drawn when that light first shines.

    Parameters
    ----------
    scene : Scene
    roi : (int, int, int, int)
        (x, y, width, height) in sensor pixels.
    binning : int
    """

    def __init__(self, scene: Scene, roi: tuple[int, int, int, int], binning: int) -> None:
        self._scene, self._roi, self._binning = scene, roi, binning
        self._drawn: dict[int, NDArray[np.uint16]] = {}

    def __getitem__(self, line: int) -> NDArray[np.uint16]:
        if not 0 <= line < self._scene.lines:
            raise KeyError(line)
        if line not in self._drawn:
            x, y, width, height = self._roi
            self._drawn[line] = bin_root(self._scene.root(line)[y : y + height, x : x + width], self._binning)
        return self._drawn[line]

    def __contains__(self, line: object) -> bool:
        return line in range(self._scene.lines)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._scene.lines))

    def __len__(self) -> int:
        return self._scene.lines


class Sensor:
    """Turns doses of light into noisy frames of one region and binning.

    Binning averages, as the camera's default does: the same grey values with less noise. Not thread-safe.

    Parameters
    ----------
    roots : mapping of int to ndarray of uint16, shape (h, w)
        Per light line ``sqrt(rate) * ROOT_SCALE`` of the region, after binning; see `bin_root`.
    shape : (int, int)
        (h, w) of a frame.
    binning : int
    seed : int
    """

    def __init__(
        self, roots: Mapping[int, NDArray[np.uint16]], shape: tuple[int, int], binning: int = 1, seed: int = 0
    ) -> None:
        self._roots, self.shape, self._binning = roots, shape, binning
        self._rng = np.random.default_rng([seed, 7])
        # The variance of a squared unit-noise variable, and its mean, each carry a constant of their own.
        self._constant = READ_NOISE**2 - 1 / (8 * binning**2)
        self._noise = self._noise_field()
        self._base = np.empty(shape, np.uint16)
        self._base_doses: NDArray[np.float64] | None = None
        self._tables: dict[tuple[float, int], NDArray[np.uint16] | NDArray[np.uint8]] = {}
        self._sum = np.empty((_STRIP, shape[1]), np.uint16)

    def expose(
        self, doses: NDArray[np.float64], gain_db: float, pixel_format: str, out: NDArray[np.uint8] | NDArray[np.uint16]
    ) -> None:
        """Write one noisy frame into `out`, uint8 for Mono8 and uint16 (0…4095) otherwise, shape `shape`.

        `doses` is ms at full power, shape (lines, h), bleaching included.
        """
        self._prepare(doses)
        table = self._table(gain_db, BITS[pixel_format])
        rows, columns = self.shape
        strips = range(0, rows, _STRIP)
        tops = self._rng.integers(_NOISE_ROWS - _STRIP, size=len(strips)).tolist()
        lefts = self._rng.integers(_NOISE_MARGIN, size=len(strips)).tolist()
        for row, top, left in zip(strips, tops, lefts, strict=True):
            strip = slice(row, min(row + _STRIP, rows))
            summed = self._sum[: strip.stop - row]
            cv2.add(self._base[strip], self._noise[top : top + len(summed), left : left + columns], dst=summed)
            cv2.LUT(summed, table, dst=out[strip])

    def _prepare(self, doses: NDArray[np.float64]) -> None:
        """Draw the noiseless frame on the noise scale; kept until the light differs by more than 0.3 %."""
        old = self._base_doses
        if old is not None and old.shape == doses.shape and np.allclose(doses, old, rtol=3e-3, atol=1e-9):
            return
        lit = [line for line in range(doses.shape[0]) if line in self._roots and doses[line].any()]
        total = np.empty((_STRIP, self.shape[1]), np.float32)
        part = np.empty_like(total)
        scale = 4.0 * _STEPS**2
        factors = (doses * (scale / ROOT_SCALE**2)).astype(np.float32)
        for row in range(0, self.shape[0], _STRIP):
            strip = slice(row, min(row + _STRIP, self.shape[0]))
            mean = total[: strip.stop - row]
            mean.fill(scale * self._constant)
            for line in lit:
                root, light = self._roots[line][strip], part[: strip.stop - row]
                cv2.multiply(root, root, dst=light, dtype=cv2.CV_32F)
                np.multiply(light, factors[line, strip, None], out=light)
                mean += light
            cv2.sqrt(mean, dst=mean)
            cv2.subtract(mean, _NOISE_MEAN, dst=self._base[strip], dtype=cv2.CV_16U)  # rounds, and saturates at white
        self._base_doses = doses.copy()

    def _table(self, gain_db: float, bits: int) -> NDArray[np.uint16] | NDArray[np.uint8]:
        key = (gain_db, bits)
        if key not in self._tables:
            if len(self._tables) > 8:
                self._tables.clear()
            x = np.arange(65536, dtype=np.float64) / _STEPS
            electrons = x**2 / 4 - self._constant - 1 / (4 * self._binning**2)
            grey = to_grey(electrons, gain_db, bits)
            self._tables[key] = grey.astype(np.uint8) if bits == 8 else grey.astype(np.uint16)
        return self._tables[key]

    def _noise_field(self) -> NDArray[np.uint16]:
        """Return unit noise (standard deviation `_STEPS`/binning, mean `_NOISE_MEAN`) of one frame's width."""
        uniform = (np.arange(65536) + 0.5) / 65536
        normal = _inverse_normal(uniform) * _STEPS / self._binning
        table = np.rint(normal + _NOISE_MEAN).astype(np.uint16)
        shape = (_NOISE_ROWS, self.shape[1] + _NOISE_MARGIN)
        return np.asarray(cv2.LUT(self._rng.integers(0, 65536, shape, dtype=np.uint16), table), np.uint16)


def _inverse_normal(uniform: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standard normal quantiles, by inverting the cumulative distribution on a fine grid."""
    grid = np.linspace(-5, 5, 20_001)
    density = np.exp(-(grid**2) / 2)
    cumulative = np.cumsum(density) - density / 2
    return np.interp(uniform, cumulative / density.sum(), grid)


def bin_root(root: NDArray[np.uint16], binning: int) -> NDArray[np.uint16]:
    """Return `root` with `binning`×`binning` pixels averaged *as light*, cropped to whole groups; uint16."""
    if binning == 1:
        return root
    rows, columns = root.shape[0] // binning, root.shape[1] // binning
    whole = root[: rows * binning, : columns * binning].astype(np.float32)
    rate = cv2.resize(cv2.multiply(whole, whole), (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(np.sqrt(rate)), np.float32).astype(np.uint16)
