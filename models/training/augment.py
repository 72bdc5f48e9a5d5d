"""From labelled images to training crops: scale, flips, and what a 20x/0.4 lens and a 12-bit CMOS do.

Everything works in the model's scale. The intensity steps run in the order of the light: the sample, the
optics, the sensor, the file; the normalisation that the app applies comes last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from app.inference.preprocess import normalise
from models.training.synthetic import empty_field, nuclei_field, smooth_noise

if TYPE_CHECKING:
    import numpy.typing as npt

    from models.training.data import Item

    Float = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]

CONTACT_REACH = 5
"""A pixel belongs to a contact when two nuclei lie within this window (pixels) around it."""


def rescale(item: Item, factor: float) -> tuple[Float, Labels]:
    """Return image (float32, grey levels) and labels, resized by ``factor``."""
    height, width = item.image.shape
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    image = cv2.resize(item.image, size, interpolation=how).astype(np.float32)
    return image, cv2.resize(item.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)


def crop_at_scale(
    rng: np.random.Generator, item: Item, factor: float, size: int, stretch: float = 1.0
) -> tuple[Float, Labels, Float]:
    """Cut a random square of ``size`` model pixels; what lies beyond the image is mirrored and has weight 0.

    ``stretch`` is the ratio of the columns' to the rows' scale: round nuclei become long ones.

    Returns
    -------
    image, labels, weight : (size, size) float32, int32, float32
    """
    height, width = item.image.shape
    down_factor, right_factor = factor / stretch**0.5, factor * stretch**0.5
    span_rows, span_columns = max(4, round(size / down_factor)), max(4, round(size / right_factor))
    top = int(rng.integers(0, max(1, height - span_rows + 1)))
    left = int(rng.integers(0, max(1, width - span_columns + 1)))
    rows, columns = min(span_rows, height), min(span_columns, width)
    out_rows, out_columns = min(size, round(rows * down_factor)), min(size, round(columns * right_factor))
    image = item.image[top : top + rows, left : left + columns]
    labels = item.labels[top : top + rows, left : left + columns]
    how = cv2.INTER_AREA if factor < 1 else (cv2.INTER_LINEAR if rng.random() < 0.6 else cv2.INTER_CUBIC)
    image = cv2.resize(image, (out_columns, out_rows), interpolation=how).astype(np.float32)
    labels = cv2.resize(labels, (out_columns, out_rows), interpolation=cv2.INTER_NEAREST_EXACT)
    down, right = size - out_rows, size - out_columns
    weight = np.ones((out_rows, out_columns), np.float32)
    if down or right:
        image = cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT)
        labels = cv2.copyMakeBorder(labels, 0, down, 0, right, cv2.BORDER_REFLECT)
        weight = cv2.copyMakeBorder(weight, 0, down, 0, right, cv2.BORDER_CONSTANT, value=0)
    return image, labels, weight


def targets(labels: Labels) -> tuple[Float, Float]:
    """Return the network's targets and the weight of every pixel.

    Parameters
    ----------
    labels : (H, W) int32

    Returns
    -------
    target : (3, H, W) float32
        Foreground; distance to the rim over the nucleus's largest distance; contact of two nuclei.
    weight : (H, W) float32
        1 for background, more for small nuclei and contacts.
    """
    foreground = labels > 0
    dense = labels.astype(np.float32)
    kernel = np.ones((3, 3), np.uint8)
    highest = cv2.dilate(dense, kernel)
    lowest = cv2.erode(np.where(foreground, dense, np.float32(1e9)), kernel)
    rim = foreground & (highest != lowest)
    inner = np.where(foreground & ~rim, 255, 0).astype(np.uint8)
    distance = cv2.distanceTransform(inner, cv2.DIST_L2, 5) + foreground
    inside = np.flatnonzero(foreground)
    ids = labels.ravel()[inside]
    count = int(labels.max()) + 1
    depth = np.zeros(count, np.float32)
    values = distance.ravel()[inside]
    order = np.argsort(values, kind="stable")
    depth[ids[order]] = values[order]  # the last write, the largest, stays
    area = np.bincount(ids, minlength=count)
    target = np.zeros((3, *labels.shape), np.float32)
    target[0] = foreground
    target[1] = np.where(foreground, distance / np.maximum(depth, 1)[labels], 0)
    reach = np.ones((CONTACT_REACH, CONTACT_REACH), np.uint8)
    wide_high = cv2.dilate(dense, reach)
    wide_low = cv2.erode(np.where(foreground, dense, np.float32(1e9)), reach)
    target[2] = (wide_low < wide_high) & (wide_low < 1e9)
    small = np.clip(120.0 / np.maximum(area, 1), 0, 2)
    small[0] = 0
    weight = 1 + small[labels].astype(np.float32) + 1.5 * target[2]
    return target, weight.astype(np.float32)


def crowd(
    rng: np.random.Generator, image: Float, labels: Labels, other: Float, other_labels: Labels
) -> tuple[Float, Labels]:
    """Put the nuclei of another crop between those of the first, as dense cultures and tissue have them.

    A nucleus that would lie over one of the first crop by more than a quarter of its area is left out.
    """
    count = int(other_labels.max()) + 1
    area = np.bincount(other_labels.ravel(), minlength=count)
    covered = np.bincount(other_labels[labels > 0], minlength=count)
    kept = covered <= 0.25 * area
    kept[0] = False
    mask = kept[other_labels]
    soft = cv2.GaussianBlur(cv2.dilate(mask.astype(np.float32), np.ones((3, 3), np.uint8)), (0, 0), 1.0)
    low, high = np.percentile(image[::4, ::4], [5, 99.5])
    other_low, other_high = np.percentile(other[::4, ::4], [5, 99.5])
    gain = (high - low) / max(other_high - other_low, 1.0) * np.exp(rng.normal(-0.2, 0.4))
    image = image + soft * np.clip(other - other_low, 0, None) * np.float32(gain)
    labels = np.where(mask & (labels == 0), other_labels + labels.max(), labels)
    return image, labels.astype(np.int32)


def layer_below(rng: np.random.Generator, image: Float, other: Float) -> Float:
    """Add another crop far out of focus: the cells above and below the plane."""
    blurred = cv2.resize(other, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(blurred, (0, 0), float(rng.uniform(1.0, 3.0)))
    blurred = cv2.resize(blurred, image.shape[::-1], interpolation=cv2.INTER_LINEAR)
    top = np.percentile(image[::4, ::4], 99.5)
    return image + blurred * np.float32(rng.uniform(0.2, 0.7) * top / max(float(blurred.max()), 1.0))


def _sample(rng: np.random.Generator, image: Float, labels: Labels) -> Float:
    """Vary the sample: brightness per nucleus, haze, bleaching and gamma. Image in 0…1."""
    low = np.percentile(image[::4, ::4], 5)
    if rng.random() < 0.35:
        # Nuclei of different DNA content and stain: some far dimmer than their neighbours.
        gain = np.exp(rng.normal(0, rng.uniform(0.1, 0.8), int(labels.max()) + 1)).astype(np.float32)
        gain[0] = 1
        factor = cv2.GaussianBlur(gain[labels], (0, 0), 1.0)
        image = low + (image - low) * factor
    if rng.random() < 0.3:
        top = image.max() + 1e-6
        image = top * np.power(np.clip(image, 0, None) / top, rng.uniform(0.6, 1.6))
    if rng.random() < 0.2:
        haze = cv2.resize(image, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
        haze = cv2.GaussianBlur(haze, (0, 0), float(rng.uniform(1, 4)))
        image = image + rng.uniform(0.2, 1.0) * cv2.resize(haze, image.shape[::-1])
    if rng.random() < 0.12:
        # Stained cytoplasm and tissue: a cloudy background finer or coarser than nuclei.
        cloud = smooth_noise(rng, image.shape[0], float(np.exp(rng.uniform(np.log(4), np.log(60)))))
        top = np.percentile(image[::4, ::4], 99.5)
        image = image + top * np.float32(rng.uniform(0.03, 0.2)) * np.clip(cloud + 0.5, 0, None)
    return image


def _optics(rng: np.random.Generator, image: Float) -> Float:
    """Defocus, vignetting, background and dust."""
    if rng.random() < 0.45:
        image = cv2.GaussianBlur(image, (0, 0), float(np.exp(rng.uniform(np.log(0.4), np.log(2.8)))))
    size = image.shape[0]
    top = float(image.max()) + 1e-6
    if rng.random() < 0.35:
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype(np.float32)
        x0, y0 = rng.uniform(-0.7, 0.7, 2)
        image = image * (1 - rng.uniform(0.05, 0.3) * ((x - x0) ** 2 + (y - y0) ** 2)).clip(0.2)
        if rng.random() < 0.6:
            image = image + top * rng.uniform(0, 0.6) * (1 + rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y) / 3
    if rng.random() < 0.08:
        dust = np.ones_like(image)
        for _ in range(int(rng.integers(1, 5))):
            x, y = rng.integers(0, size, 2).tolist()
            cv2.circle(dust, (x, y), int(rng.integers(2, 14)), float(rng.uniform(0.5, 0.95)), -1)
        image = image * cv2.GaussianBlur(dust, (0, 0), 1.5)
    if rng.random() < 0.08:
        specks = np.zeros_like(image)
        for _ in range(int(rng.integers(1, 12))):
            x, y = rng.integers(0, size, 2)
            specks[y, x] = rng.uniform(1, 8)
        image = image + top * cv2.GaussianBlur(specks, (0, 0), float(rng.uniform(0.4, 1.0)))
    return image


def _sensor(rng: np.random.Generator, image: Float) -> Float:
    """Shot and read noise, hot pixels, saturation, rounding and JPEG."""
    top = float(np.percentile(image[::2, ::2], 99.5)) + 1e-6
    if rng.random() < 0.6:
        photons = float(np.exp(rng.uniform(np.log(12), np.log(3000))))
        noise = rng.standard_normal(image.shape, np.float32)
        if rng.random() < 0.3:
            noise = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.4, 1.1)))
        shot = np.sqrt(np.clip(image / top, 0, None) / photons)
        read = rng.uniform(0, 1.0) / np.sqrt(photons)
        image = image + top * noise * np.sqrt(shot**2 + read**2 * rng.uniform(0.02, 0.5))
    if rng.random() < 0.06:
        hot = rng.integers(0, image.size, int(rng.integers(1, 20)))
        image.ravel()[hot] = top * rng.uniform(0.5, 6)
    if rng.random() < 0.12:
        image = np.minimum(image, top * rng.uniform(0.3, 0.9))
    kind = rng.random()
    if kind < 0.35:
        # Few grey levels, as an underexposed 8-bit camera gives them.
        levels = float(np.exp(rng.uniform(np.log(10), np.log(255))))
        coded = np.clip(image / top * levels + rng.uniform(0, 20), 0, 255).astype(np.uint8)
        if kind < 0.08:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(40, 95))]
            coded = cv2.imdecode(cv2.imencode(".jpg", coded, quality)[1], cv2.IMREAD_GRAYSCALE)
        return coded
    return image


def finish(rng: np.random.Generator, image: Float, labels: Labels) -> Float:
    """Return the network's input from a crop in grey levels: degraded, then normalised as the app does."""
    image = image / np.float32(255)
    image = _sensor(rng, _optics(rng, _sample(rng, image, labels)).astype(np.float32))
    ready = normalise(image, "robust")
    if rng.random() < 0.5:
        ready = ready * np.float32(rng.uniform(0.8, 1.2)) + np.float32(rng.uniform(-0.03, 0.05))
    return ready


def _turn(rng: np.random.Generator, *arrays: npt.NDArray) -> list[npt.NDArray]:
    """Apply one of the eight flips and quarter turns to all."""
    turns, flip = int(rng.integers(0, 4)), rng.random() < 0.5
    out = [np.rot90(a, turns) for a in arrays]
    return [np.ascontiguousarray(a[:, ::-1] if flip else a) for a in out]


class CropMaker:
    """Draws training crops.

    Parameters
    ----------
    items : list of Item
    size : int
        Side of a crop, pixels.
    nominal : float
        Nucleus diameter at the model's scale, pixels.
    jitter : (float, float)
        Range of the binary logarithm of the scale error.
    negatives, synthetic : float
        Shares of crops without nuclei and of made-up nuclei.
    """

    def __init__(
        self,
        items: list[Item],
        size: int,
        nominal: float,
        jitter: tuple[float, float],
        negatives: float,
        synthetic: float,
    ) -> None:
        self.items = [item for item in items if item.diameter > 0]
        self.size, self.nominal, self.jitter = size, nominal, jitter
        self.negatives, self.synthetic = negatives, synthetic
        self.chances = self._chances()

    def _chances(self) -> npt.NDArray[np.float64]:
        """Return how often each image is drawn: rare sizes, dim and crowded images more often."""
        diameter = np.array([item.diameter for item in self.items])
        bins = np.clip(np.log2(diameter) * 2, 4, 13).astype(int)
        common = np.bincount(bins)[bins] / len(self.items)
        chance = 1 / np.sqrt(common)
        bright = np.array([np.percentile(item.image[::2, ::2], 99) for item in self.items])
        chance *= np.where(bright < 50, 1.4, 1.0)
        crowd = np.array([(item.labels > 0).mean() for item in self.items])
        chance *= np.where(crowd > 0.25, 1.5, 1.0)
        # Large images hold more than one crop's worth.
        chance *= np.clip([np.sqrt(item.image.size) / 300 for item in self.items], 0.9, 2.0)
        return chance / chance.sum()

    def draw(self, rng: np.random.Generator) -> tuple[Float, Float, Float]:
        """Return input ``(1, S, S)``, target ``(3, S, S)`` and weight ``(S, S)``, all float32."""
        kind = rng.random()
        if kind < self.negatives:
            image = 60 + 40 * empty_field(rng, self.size)
            labels = np.zeros((self.size, self.size), np.int32)
            inside = np.ones((self.size, self.size), np.float32)
            if rng.random() < 0.5:  # noise is all there is
                image = image + rng.uniform(1, 30) * rng.standard_normal(image.shape, np.float32)
            if rng.random() < 0.1:
                image = np.full_like(image, 255)
        elif kind < self.negatives + self.synthetic:
            diameter = self.nominal * 2 ** rng.uniform(-0.4, 1.4)
            image, labels = nuclei_field(rng, self.size, diameter)
            image = 10 + rng.uniform(20, 150) * cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2)))
            inside = np.ones((self.size, self.size), np.float32)
        else:
            image, labels, inside = self._real(rng, 2 ** rng.uniform(*self.jitter))
        image, labels, inside = _turn(rng, image.astype(np.float32), labels, inside)
        target, weight = targets(labels)
        return finish(rng, image, labels)[None], target, weight * inside

    def _real(self, rng: np.random.Generator, off: float) -> tuple[Float, Labels, Float]:
        """Return a crop of a labelled image at ``off`` times the nominal scale, sometimes mixed with another."""
        stretch = float(np.exp(rng.uniform(-0.6, 0.6))) if rng.random() < 0.3 else 1.0
        image, labels, inside = self._crop(rng, off, stretch)
        mix = rng.random()
        if mix < 0.25:
            other, other_labels, other_inside = self._crop(rng, off * 2 ** rng.uniform(-0.3, 0.3), stretch)
            if mix < 0.14:
                image, labels = crowd(rng, image, labels, other, other_labels)
                inside = inside * other_inside
            else:
                image = layer_below(rng, image, other)
        return image, labels, inside

    def _crop(self, rng: np.random.Generator, off: float, stretch: float) -> tuple[Float, Labels, Float]:
        item = self.items[int(rng.choice(len(self.items), p=self.chances))]
        factor = float(np.clip(self.nominal / item.diameter * off, 0.15, 5.0))
        return crop_at_scale(rng, item, factor, self.size, stretch)
