"""The simulated sample: U2OS-like nuclei whose number and outline are known exactly.

A `Scene` says how much light comes back from each point of the sample: electrons per pixel and millisecond on the
sensor at full LED power, for each LED (line) of the light source. What the camera makes of it (exposure, noise,
saturation, the rolling shutter) is `app.hardware.sensor`'s part.

The same specification gives the same sample, bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from app.errors import UsageError
from app.hardware.scene_shapes import Stamp, interphase_stamp, placed, plate_stamp, structure
from app.settings import Channel

ROOT_SCALE = 1024.0
"""Rate maps are stored as ``sqrt(rate) * ROOT_SCALE`` in uint16: fine where it is dark, wide where it is bright."""
NUCLEUS_RATE = 1000.0
"""Electrons per pixel and millisecond in a bright nucleus at full LED power."""
DIAMETER_UM = (15.0, 20.0)
DENSITY_PER_MM2 = 660.0
PSF_SIGMA_UM = 0.24
"""Blur of a 20×/0.4 objective at 460 nm, 0.21 λ/NA."""
MIN_VISIBLE = 0.1
"""A nucleus is in view when at least this part of its area is."""

SLIDE = "slide"
"""An even fluorescent slide, as flat fields are taken with."""
SLIDE_RATE = 600.0
_STRUCTURE_RATE = {"reticulum": 420.0, "actin": 700.0, "mitochondria": 800.0}
_STRUCTURES = ("reticulum", "actin", "mitochondria")


def structures_for(channels: Sequence[Channel]) -> tuple[str, ...]:
    """Return what each LED excites, by line index: nuclei for the counting channel, other structures for the rest."""
    names = ["" for _ in range(max((channel.line for channel in channels), default=-1) + 1)]
    others = 0
    for channel in channels:
        if channel.counts_nuclei:
            names[channel.line] = "nuclei"
        else:
            names[channel.line] = _STRUCTURES[others % len(_STRUCTURES)]
            others += 1
    return tuple(names)


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """What sample to make.

    Attributes
    ----------
    seed : int
    nuclei : int or None
        Nuclei in the full field; None gives the usual density of a U2OS culture.
    pixel_size_um : float
        µm per sensor pixel; decides how large a nucleus appears.
    width, height : int
        Sensor pixels.
    touching, mitotic, defocused : float
        Parts of all nuclei, 0…1.
    structures : tuple of str
        What each light line excites, by line index: ``"nuclei"``, ``"reticulum"``, ``"actin"``,
        ``"mitochondria"``, `SLIDE`, or ``""`` for nothing.
    """

    seed: int = 1
    nuclei: int | None = None
    pixel_size_um: float = 0.1
    width: int = 3840
    height: int = 2160
    touching: float = 0.2
    mitotic: float = 0.06
    defocused: float = 0.1
    structures: tuple[str, ...] = ("nuclei", "reticulum", "actin", "mitochondria")

    @property
    def count(self) -> int:
        """Nuclei in the full field."""
        if self.nuclei is not None:
            return self.nuclei
        area_mm2 = self.width * self.height * (self.pixel_size_um / 1000) ** 2
        return max(1, round(DENSITY_PER_MM2 * area_mm2))


@dataclass(frozen=True, slots=True)
class Nucleus:
    """One nucleus of the sample; lengths in sensor pixels, (x, y) from the top left."""

    x: float
    y: float
    axes: tuple[float, float]
    """Semi-axes along and across `angle`."""
    angle: float
    brightness: float
    blur_px: float
    kind: str
    """``"interphase"``, ``"prophase"``, ``"metaphase"`` or ``"telophase"`` (one of two halves)."""
    stamp: int

    @property
    def reach(self) -> float:
        """Radius of a circle that holds the whole nucleus."""
        return 1.2 * max(self.axes)

    def radius_towards(self, angle: float) -> float:
        """Return the radius of its ellipse in direction `angle`."""
        a, b = self.axes
        cos, sin = np.cos(angle - self.angle), np.sin(angle - self.angle)
        return float(a * b / np.hypot(b * cos, a * sin))


class _Placer:
    """Puts nuclei on the field one after another without forbidden overlaps."""

    def __init__(self, spec: SceneSpec, rng: np.random.Generator) -> None:
        self._spec, self._rng = spec, rng
        self.nuclei: list[Nucleus] = []
        self._table = np.zeros((spec.count + 1, 3))

    def fill(self) -> list[Nucleus]:
        """Return `spec.count` nuclei; raises UsageError when they do not fit."""
        misses = 0
        while len(self.nuclei) < self._spec.count:
            if self._one():
                misses = 0
            elif (misses := misses + 1) > 400:
                width_um, height_um = (
                    side * self._spec.pixel_size_um for side in (self._spec.width, self._spec.height)
                )
                raise UsageError(
                    f"{self._spec.count} nuclei of {DIAMETER_UM[0]:.0f}–{DIAMETER_UM[1]:.0f} µm do not fit into a "
                    f"field of {width_um:.0f}×{height_um:.0f} µm; ask for fewer or for a larger pixel size."
                )
        return self.nuclei

    def _one(self) -> bool:
        rng, spec = self._rng, self._spec
        new = self._shape()
        neighbour = None
        if self.nuclei and new.kind == "interphase" and rng.uniform() < spec.touching:
            neighbour = int(rng.integers(len(self.nuclei)))
            other = self.nuclei[neighbour]
            direction = rng.uniform(0, 2 * np.pi)
            apart = 0.97 * (other.radius_towards(direction) + new.radius_towards(direction + np.pi))
            x, y = other.x + apart * np.cos(direction), other.y + apart * np.sin(direction)
        else:
            x, y = rng.uniform(0, spec.width), rng.uniform(0, spec.height)
        # Its middle stays in view, so that every nucleus shows a quarter of itself at least, even in a corner.
        if not (0 <= x < spec.width and 0 <= y < spec.height) or not self._free(x, y, new.reach, neighbour):
            return False
        self._add(_moved(new, x, y))
        if new.kind == "telophase" and len(self.nuclei) < spec.count:
            self._sister(self.nuclei[-1])
        return True

    def _sister(self, first: Nucleus) -> None:
        apart = 3.4 * first.axes[1]
        x = first.x - apart * np.sin(first.angle)
        y = first.y + apart * np.cos(first.angle)
        in_field = 0 <= x < self._spec.width and 0 <= y < self._spec.height
        if in_field and self._free(x, y, first.reach, len(self.nuclei) - 1):
            self._add(_moved(first, x, y))

    def _add(self, nucleus: Nucleus) -> None:
        self._table[len(self.nuclei)] = nucleus.x, nucleus.y, nucleus.reach
        self.nuclei.append(nucleus)

    def _free(self, x: float, y: float, reach: float, neighbour: int | None) -> bool:
        table = self._table[: len(self.nuclei)]
        near = (table[:, 0] - x) ** 2 + (table[:, 1] - y) ** 2 < (table[:, 2] + reach) ** 2
        if neighbour is not None:
            near[neighbour] = False
        return not bool(near.any())

    def _shape(self) -> Nucleus:
        rng, spec = self._rng, self._spec
        low, high = DIAMETER_UM
        radius = float(np.clip(rng.normal((low + high) / 2, (high - low) / 5), low, high)) / 2 / spec.pixel_size_um
        stretch = float(np.sqrt(rng.uniform(1.0, 1.45)))
        axes = (radius * stretch, radius / stretch)
        kind, brightness = "interphase", float(rng.lognormal(0, 0.22))
        if rng.uniform() < spec.mitotic:
            kind = str(rng.choice(["prophase", "metaphase", "telophase"]))
            brightness = float(rng.uniform(0.9, 1.1))
        if kind == "metaphase":
            axes = (0.78 * radius, 0.3 * radius)
        elif kind == "telophase":
            axes = (0.62 * radius, 0.26 * radius)
        blur = PSF_SIGMA_UM / spec.pixel_size_um
        if kind == "interphase" and rng.uniform() < spec.defocused:
            blur *= rng.uniform(2.5, 5.0)
            brightness *= 0.8
        angle = float(rng.uniform(0, np.pi))
        return Nucleus(0, 0, axes, angle, brightness, float(blur), kind, int(rng.integers(1 << 30)))


def _moved(nucleus: Nucleus, x: float, y: float) -> Nucleus:
    return Nucleus(
        float(x),
        float(y),
        nucleus.axes,
        nucleus.angle,
        nucleus.brightness,
        nucleus.blur_px,
        nucleus.kind,
        nucleus.stamp,
    )


class Scene:
    """One field of the sample.

    Maps are made when first asked for and kept; a `Scene` may be read from several threads once they exist.

    Parameters
    ----------
    spec : SceneSpec

    Raises
    ------
    UsageError
        When the nuclei do not fit into the field.
    """

    def __init__(self, spec: SceneSpec) -> None:
        if spec.count < 0 or spec.pixel_size_um <= 0 or spec.width < 1 or spec.height < 1:
            raise UsageError("A simulated sample needs at least 0 nuclei and a positive size; correct the settings.")
        self.spec = spec
        self.nuclei: tuple[Nucleus, ...] = tuple(_Placer(spec, np.random.default_rng([spec.seed, 1])).fill())
        rng = np.random.default_rng([spec.seed, 2])
        interphase = [interphase_stamp(rng) for _ in range(min(max(len(self.nuclei), 1), 40))]
        self._stamps: dict[str, list[Stamp]] = {
            "interphase": interphase,
            "prophase": [interphase_stamp(rng, condensed=True) for _ in range(3)],
            "metaphase": [plate_stamp(rng) for _ in range(4)],
        }
        self._stamps["telophase"] = self._stamps["metaphase"]
        self._roots: dict[int, NDArray[np.uint16]] = {}
        self._labels: NDArray[np.int32] | None = None

    @property
    def lines(self) -> int:
        """Number of light lines that the sample knows."""
        return len(self.spec.structures)

    def root(self, line: int) -> NDArray[np.uint16]:
        """Return ``sqrt(rate) * ROOT_SCALE`` of light line `line`, uint16 of shape (height, width), read-only."""
        if line not in self._roots:
            root = self._draw(line)
            root.flags.writeable = False
            self._roots[line] = root
        return self._roots[line]

    def rate(self, line: int) -> NDArray[np.float32]:
        """Return electrons per pixel and ms at full power of `line`, float32 of shape (height, width)."""
        return np.asarray(np.square(self.root(line).astype(np.float32) / np.float32(ROOT_SCALE)), np.float32)

    def labels(self) -> NDArray[np.int32]:
        """Return the truth: int32 of shape (height, width), 0 background, i + 1 where ``nuclei[i]`` is.

        Where two nuclei overlap, a pixel belongs to the one it is deeper inside of.
        """
        if self._labels is None:
            labels = np.zeros((self.spec.height, self.spec.width), np.int32)
            depth = np.zeros(labels.shape, np.float32)
            for number, nucleus in enumerate(self.nuclei, start=1):
                area, inside = self._cut(nucleus, self._placed(nucleus, "inside"), 0)
                wins = inside > depth[area]
                labels[area][wins] = number
                depth[area][wins] = inside[wins]
            labels.flags.writeable = False
            self._labels = labels
        return self._labels

    def count_in(self, x: int, y: int, width: int, height: int) -> int:
        """Return how many nuclei have at least a tenth of their area in this part of the field (sensor pixels)."""
        total = 0
        for nucleus in self.nuclei:
            left, right, top, bottom = nucleus.x - x, x + width - nucleus.x, nucleus.y - y, y + height - nucleus.y
            nearest = min(left, right, top, bottom)
            if nearest >= nucleus.reach:
                total += 1
            elif nearest > -nucleus.reach:
                total += self._visible(nucleus, x, y, width, height) >= MIN_VISIBLE
        return int(total)

    def _visible(self, nucleus: Nucleus, x: int, y: int, width: int, height: int) -> float:
        mask = self._placed(nucleus, "inside") > 0
        row, column = _origin(nucleus, 0)
        top, left = max(y - row, 0), max(x - column, 0)
        inner = mask[top : max(y + height - row, 0), left : max(x + width - column, 0)]
        return float(inner.sum()) / max(float(mask.sum()), 1.0)

    def _placed(self, nucleus: Nucleus, what: str, margin: int = 0) -> NDArray[np.float32]:
        bank = self._stamps[nucleus.kind]
        stamp = bank[nucleus.stamp % len(bank)]
        image = stamp.profile if what == "profile" else stamp.inside
        row, column = _origin(nucleus, margin)
        centre = (nucleus.x - column, nucleus.y - row)
        return placed(image, centre, nucleus.axes, nucleus.angle, _side(nucleus, margin))

    def _cut(
        self, nucleus: Nucleus, image: NDArray[np.float32], margin: int
    ) -> tuple[tuple[slice, slice], NDArray[np.float32]]:
        """Return where `image` of `nucleus` lies in the field, and the part of it that does."""
        row, column = _origin(nucleus, margin)
        side = image.shape[0]
        top, bottom = max(row, 0), min(row + side, self.spec.height)
        left, right = max(column, 0), min(column + side, self.spec.width)
        return (slice(top, bottom), slice(left, right)), image[top - row : bottom - row, left - column : right - column]

    def _draw(self, line: int) -> NDArray[np.uint16]:
        name = self.spec.structures[line] if 0 <= line < self.lines else ""
        shape = (self.spec.height, self.spec.width)
        rng = np.random.default_rng([self.spec.seed, 3, line])
        if name == "nuclei":
            rate = self._draw_nuclei(rng)
        elif name in _STRUCTURE_RATE:
            # A quarter of the resolution: the objective shows no detail below 0.7 µm, and it must not hold up a frame.
            small = structure(name, rng, self._small_mask(4), self._mean_radius() / 4)
            small = np.clip(small * np.float32(_STRUCTURE_RATE[name]) + np.float32(10.0), 0, None)
            rate = np.asarray(cv2.resize(small, shape[::-1], interpolation=cv2.INTER_CUBIC), np.float32)
            cv2.max(rate, 0.0, dst=rate)
        elif name == SLIDE:
            rate = np.full(shape, SLIDE_RATE, np.float32)
        else:
            return np.zeros(shape, np.uint16)
        rate *= self._vignetting()
        cv2.sqrt(rate, dst=rate)
        return np.asarray(cv2.multiply(rate, ROOT_SCALE, dtype=cv2.CV_16U), np.uint16)

    def _draw_nuclei(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return nuclei over the haze of the cells' own fluorescence and of what lies out of focus."""
        spec = self.spec
        coarse = 16
        body = structure("reticulum", rng, self._small_mask(coarse), self._mean_radius() / coarse)
        haze = cv2.GaussianBlur(body, (0, 0), 2.5) * np.float32(0.07) + np.float32(0.03)
        rate = np.asarray(cv2.resize(haze, (spec.width, spec.height), interpolation=cv2.INTER_LINEAR), np.float32)
        for nucleus in self.nuclei:
            margin = int(np.ceil(3 * nucleus.blur_px))
            image = self._placed(nucleus, "profile", margin)
            if nucleus.blur_px > 0.3:
                image = np.asarray(cv2.GaussianBlur(image, (0, 0), nucleus.blur_px), np.float32)
            area, part = self._cut(nucleus, image, margin)
            rate[area] += np.float32(nucleus.brightness) * part
        rate *= np.float32(NUCLEUS_RATE)
        return rate

    def _small_mask(self, factor: int) -> NDArray[np.uint8]:
        """Return where nuclei are, drawn as ellipses at 1/`factor` resolution."""
        mask = np.zeros((-(-self.spec.height // factor), -(-self.spec.width // factor)), np.uint8)
        for nucleus in self.nuclei:
            axes = (max(nucleus.axes[0] / factor, 0.5), max(nucleus.axes[1] / factor, 0.5))
            box = ((nucleus.x / factor, nucleus.y / factor), (2 * axes[0], 2 * axes[1]), np.degrees(nucleus.angle))
            cv2.ellipse(mask, box, 1, -1)
        return mask

    def _mean_radius(self) -> float:
        return sum(DIAMETER_UM) / 4 / self.spec.pixel_size_um

    def _vignetting(self) -> NDArray[np.float32]:
        """Even light in the middle, a quarter less in the corners, and not quite centred."""
        rows, columns = max(self.spec.height // 16, 2), max(self.spec.width // 16, 2)
        y = np.linspace(-1.06, 0.94, rows, dtype=np.float32)[:, None] * self.spec.height / self.spec.width
        x = np.linspace(-0.96, 1.04, columns, dtype=np.float32)[None, :]
        corner = 1 + (self.spec.height / self.spec.width) ** 2
        small = np.asarray(1 - 0.25 * (x * x + y * y) / np.float32(corner), np.float32)
        size = (self.spec.width, self.spec.height)
        return np.asarray(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _origin(nucleus: Nucleus, margin: int) -> tuple[int, int]:
    """Return the (row, column) in the field of the first pixel of a nucleus's square."""
    half = int(np.ceil(nucleus.reach)) + margin
    return int(np.floor(nucleus.y)) - half, int(np.floor(nucleus.x)) - half


def _side(nucleus: Nucleus, margin: int) -> int:
    return 2 * (int(np.ceil(nucleus.reach)) + margin) + 2
