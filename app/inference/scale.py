"""How large the nuclei of an image are, from the image alone; how images are scaled; one answer kept for a stream.

Three independent estimates are taken and the middle one counts, because each fails in its own way:

* blobs: the scale at which the Laplacian of Gaussians answers most strongly at each bright spot; fooled by texture;
* areas: the equivalent diameter of the patches above Otsu's threshold; fooled by clumps;
* depths: the largest inscribed circle of the same patches; fooled by holes and by a threshold that is too high.

Constants were set on the DSB 2018 stage 1 training images only.
"""

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Frame
from app.inference.preprocess import noise_sd, normalise
from app.shading import fine

SMALLEST_PX, LARGEST_PX = 5.0, 250.0
"""Diameters looked for, in pixels of the image."""

STEP = 1.25
"""Ratio of neighbouring diameters in the blob search."""

HALVED_PIXELS = 1 << 20
"""Images larger than this are averaged 2×2 first."""

WORK_PIXELS = 1 << 19
"""Images are reduced to about this many pixels first."""

COARSE_BELOW_PX, COARSE_STEP = 12.0, 4
"""Sizes below the first are checked against the image reduced by the second."""

FAINTEST = 0.12
"""Weakest blob answer that counts, on the 0…1 scale of the normalised image."""

SIGMA_TO_DIAMETER = 2 * 2**0.5
"""A disk of this many sigmas across is what a Laplacian of Gaussians answers to most."""

MASK_TO_NUCLEUS = 1.12
"""Otsu's patches are this much wider than the nuclei: clumps count as one, and the rim is blurred."""


def estimates_px(pixels: NDArray[Any]) -> tuple[float, ...]:
    """Return the independent estimates of the typical diameter in pixels: up to three; none in an empty image.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
    """
    height, width = pixels.shape
    if min(height, width) < 2 * SMALLEST_PX:
        return ()
    reduction = max(1.0, (height * width / WORK_PIXELS) ** 0.5)
    if reduction == 1:
        return _estimates(np.ascontiguousarray(pixels))
    size = (max(8, round(width / reduction)), max(8, round(height / reduction)))
    found = _estimates(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA))
    if not found or np.median(found) < 2 * SMALLEST_PX:
        # Too small to be judged after the reduction: look at the middle of the image as it is.
        side = int(WORK_PIXELS**0.5)
        top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
        closer = _estimates(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
        if closer:
            return closer
    return tuple(diameter * reduction for diameter in found)


def candidates_px(pixels: NDArray[Any]) -> tuple[float, ...]:
    """Return all sizes worth a try: `estimates_px`, and where those are small, what a coarser look gives besides.

    Noise that an enlargement or a codec has smeared over several pixels looks like a field of tiny nuclei; averaged
    over 4×4 pixels it is gone, and what stands out then may be the nuclei.
    """
    found = estimates_px(pixels)
    height, width = pixels.shape
    if not found or np.median(found) > COARSE_BELOW_PX or min(height, width) < 32 * COARSE_STEP:
        return found
    size = (width // COARSE_STEP, height // COARSE_STEP)
    coarse = estimates_px(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA))
    return (*found, *(COARSE_STEP * diameter for diameter in coarse))


def _estimates(pixels: NDArray[Any]) -> tuple[float, ...]:
    image = normalise(pixels, "robust")
    blobs = _blob_diameter(image)
    return () if blobs is None else (blobs, *_patch_diameters(image))


def _blob_diameter(image: NDArray[np.float32]) -> float | None:
    """Return the answer-weighted median diameter of bright blobs in a 0…1 image."""
    largest = min(LARGEST_PX, 1.2 * min(image.shape))
    steps = 1 + int(np.log(largest / SMALLEST_PX) / np.log(STEP))
    diameters = SMALLEST_PX * STEP ** np.arange(steps)
    # The answer to white noise falls with the scale as 0.4 SD / sigma; 5 SD of it are not believed anywhere.
    doubt = 5 * 0.4 * noise_sd(image) / (diameters / SIGMA_TO_DIAMETER)
    answers = np.stack([_blob_answer(image, float(d)) - np.float32(n) for d, n in zip(diameters, doubt, strict=True)])
    strongest, which = answers.max(axis=0), answers.argmax(axis=0)
    peaks = (strongest >= cv2.dilate(strongest, np.ones((5, 5), np.uint8))) & (strongest > FAINTEST)
    ys, xs = np.nonzero(peaks)
    if not ys.size:
        return None
    strength, found = strongest[ys, xs], diameters[which[ys, xs]]
    # The strongest first; a weaker peak inside of a stronger one's circle is its texture.
    taken = np.zeros(image.shape, np.uint8)
    kept = []
    for peak in np.argsort(-strength, kind="stable")[:600]:
        if not taken[ys[peak], xs[peak]]:
            kept.append(peak)
            cv2.circle(taken, (int(xs[peak]), int(ys[peak])), int(found[peak] / 2), 1, -1)
    return _weighted_median(found[kept], strength[kept])


def _blob_answer(image: NDArray[np.float32], diameter: float) -> NDArray[np.float32]:
    """Return the scale-normalised Laplacian of Gaussians for blobs of `diameter`, shape of `image`."""
    height, width = image.shape
    sigma = diameter / SIGMA_TO_DIAMETER
    reduction = max(1.0, sigma / 3)
    size = (max(4, round(width / reduction)), max(4, round(height / reduction)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if reduction > 1 else image
    sigma /= reduction
    blurred = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    answer = cv2.Laplacian(blurred, cv2.CV_32F, ksize=1, scale=-sigma * sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(answer, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _patch_diameters(image: NDArray[np.float32]) -> tuple[float, ...]:
    """Return the median diameter by area and by inscribed circle of the patches above Otsu's threshold."""
    grey = cv2.GaussianBlur((np.clip(image, 0, 1) * 255).astype(np.uint8), (0, 0), 1)
    _, mask = cv2.threshold(grey, 0, 255, cv2.THRESH_OTSU)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    depth = np.zeros(count, np.float32)
    np.maximum.at(depth, labels.ravel(), cv2.distanceTransform(mask, cv2.DIST_L2, 5).ravel())
    areas = stats[1:, cv2.CC_STAT_AREA]
    large = areas > 12
    if not large.any():
        return ()
    by_area = 2 * float(np.sqrt(np.median(areas[large]) / np.pi))
    by_depth = 2 * 1.15 * float(np.median(depth[1:][large]))
    return by_area / MASK_TO_NUCLEUS, by_depth / MASK_TO_NUCLEUS


def _weighted_median(values: NDArray[Any], weights: NDArray[Any]) -> float:
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def seen(frame: Frame, factor: float) -> NDArray[Any]:
    """Return the pixels of `frame` at `factor` times as many along each side, without its shading."""
    if frame.shading is None:
        return to_scale(frame.pixels, factor)
    reduced, steps = _scaled(frame.pixels, factor, finely=True)
    return frame.shading.apply(reduced, frame.white, steps=steps)


def seen_at(frame: Frame, shape: tuple[int, int]) -> NDArray[Any]:
    """Return the pixels of `frame` at the size `shape`, (h, w), of labels, without its shading."""
    image = seen(frame, shape[1] / frame.shape[1])
    if image.shape == shape:
        return image
    return np.asarray(cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA))


def to_scale(pixels: NDArray[Any], factor: float) -> NDArray[Any]:
    """Return an image with `factor` times as many pixels along each side, at least one; dtype unchanged.

    Straight from the sensor's integers: areas are averaged on the way down, interpolated on the way up.
    """
    return _scaled(pixels, factor, finely=False)[0]


def _scaled(pixels: NDArray[Any], factor: float, *, finely: bool) -> tuple[NDArray[Any], int]:
    """Return the image, and how many steps a grey value it has: more than one only where `finely` is asked for."""
    height, width = pixels.shape
    steps = 1
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    if size == (width, height):
        return pixels, steps
    # Averages of 2×2 pixels have a code path of their own in OpenCV, ten times as fast as that for any other ratio.
    # Averages of averages draw the borders of their areas less finely, which only large frames need to put up with;
    # what is then left to do is less than a factor of two: a slight blur, and interpolation.
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    while pixels.size > HALVED_PIXELS and 2 * size[0] <= width and 2 * size[1] <= height and not (width | height) & 1:
        width, height = width // 2, height // 2
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        if finely and steps == 1:  # the first average has noise enough to be rounded
            pixels, steps = fine(pixels)
        how = cv2.INTER_LINEAR if width < 2 * size[0] else cv2.INTER_AREA
    if finely:
        if steps == 1:
            pixels, steps = fine(pixels)
        pixels = pixels.astype(np.float32)
    if size == (width, height):
        return pixels, steps
    if factor < 1 and how == cv2.INTER_LINEAR and width > 1.4 * size[0]:
        # Without it noise between the points that interpolation looks at would hide the dimmest nuclei.
        pixels = cv2.GaussianBlur(pixels, (3, 3), 0.8)
    return np.asarray(cv2.resize(pixels, size, interpolation=how)), steps


def close(one: float, other: float) -> bool:
    """Return whether two diameters differ by less than a tenth, so that another look is not worth its time."""
    return bool(1 / 1.1 < one / other < 1.1)


def distinct(diameters: list[float]) -> list[float]:
    """Return the diameters in order without those within a tenth of the one before."""
    kept: list[float] = []
    for diameter in sorted(diameters):
        if not kept or not close(diameter, kept[-1]):
            kept.append(diameter)
    return kept


def middle(pixels: NDArray[Any], most: float) -> NDArray[Any]:
    """Return the middle of an image, a square of at most `most` pixels, but at least 16 along a side."""
    side = max(16, int(most**0.5))
    height, width = pixels.shape
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return pixels[top : top + side, left : left + side]


@dataclass(slots=True)
class ScaleTracker:
    """Keeps the nucleus size of a stream, so that it is estimated once and not frame by frame.

    An estimate belongs to frames of one source, name and shape; another file or camera mode gets its own. A frame
    in which nothing was found leaves no estimate behind: the next one is looked at anew.
    """

    _key: tuple[str, str, tuple[int, int]] | None = None
    _diameter_px: float | None = field(default=None)

    def get(self, frame: Frame) -> float | None:
        """Return the diameter in pixels of `frame`, None when it has to be estimated."""
        return self._diameter_px if self._key == self._key_of(frame) else None

    def put(self, frame: Frame, diameter_px: float | None) -> None:
        """Keep an estimate made from `frame`."""
        self._key, self._diameter_px = self._key_of(frame), diameter_px

    def reset(self) -> None:
        """Forget the estimate: the optics or the sample changed."""
        self._key = self._diameter_px = None

    @staticmethod
    def _key_of(frame: Frame) -> tuple[str, str, tuple[int, int]]:
        return frame.source, frame.name, frame.shape
