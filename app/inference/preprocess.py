"""Pure array steps between a frame and a network's input; the training uses the very same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from app.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    Image = npt.NDArray[np.uint8 | np.uint16 | np.float32 | np.float64]
    Float = npt.NDArray[np.float32]

NOISE_FLOOR = 12.0
"""A field whose whole range is smaller than this many noise SDs is not stretched further."""
QUANTUM_SD = 0.3
"""SD of the rounding to whole grey levels: the least noise an integer image has."""
COMPRESSION = 2.0
SAMPLED_PIXELS = 1 << 24
NOISE_PIXELS = 1 << 17
"""The noise of larger images is taken from every other row, and so on."""


def normalise(image: Image, how: str, *, full_scale: float | None = None) -> Float:
    """Return the image as the network saw its training images.

    Parameters
    ----------
    image : (H, W) uint8, uint16 or float
        At the model's scale. A float image is taken to be in grey levels of whatever unit.
    how : str
        The normalisation the model card names: ``unit`` or ``robust``.
    full_scale : float, optional
        Grey level of white, for ``unit``; the default is the largest value of an integer dtype and 1 for
        float. A 12-bit frame in a uint16 array needs 4095 here. ``robust`` does not depend on it.

    Returns
    -------
    (H, W) float32
        ``unit``: 0…1, as the paper's notebook has it. ``robust``: about 0 for the background and 1 for the
        brightest structures, see :func:`robust`.

    Raises
    ------
    ModelError
        ``how`` is unknown.
    """
    if how == "robust":
        return robust(image)
    if how == "unit":
        if full_scale is None:
            full_scale = _white(image.dtype)
        return np.multiply(image, np.float32(1.0 / full_scale), dtype=np.float32)
    raise ModelError(f"The model card asks for the unknown normalisation {how!r}: update dapiscope.")


def _white(dtype: np.dtype[Any]) -> float:
    """Return the largest value of an integer dtype; 1 for floats."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0


def robust(image: Image) -> Float:
    """Stretch background to 0 and bright structures to 1, but never noise to structures.

    The range is that between the 2nd and the 99.8th percentile of the 2x2-averaged image (single hot pixels
    do not count), but at least :data:`NOISE_FLOOR` noise SDs: an empty field stays a flat, faint texture
    instead of being blown up into nuclei. What lies above 1 is compressed (``3 t / (1 + 2 t)``), which also
    lifts dim nuclei beside bright ones; gain, offset and bit depth drop out.
    """
    return _stretch(image, *_levels(image))


def normaliser(image: Image, how: str, *, full_scale: float | None = None) -> Callable[[Image], Float]:
    """Return the normalisation of ``image`` as a function for its parts, so that tiles of it agree.

    The levels of a large image are taken from 64 bands of it. See :func:`normalise` for the parameters.
    """
    if how != "robust":
        return lambda part: normalise(part, how, full_scale=full_scale)
    if image.size > SAMPLED_PIXELS:
        rows = max(4, SAMPLED_PIXELS // image.shape[1] // 64)
        starts = np.linspace(0, max(0, image.shape[0] - rows), 64).astype(int)
        image = np.concatenate([image[start : start + rows] for start in starts])
    levels = _levels(image)
    return lambda part: _stretch(part, *levels)


def _levels(image: Image) -> tuple[float, float]:
    """Return the grey level of the background and the span up to that of bright structures."""
    least = QUANTUM_SD if image.dtype.kind in "ui" else 1e-6
    low, high = _range(image)
    return low, max(high - low, NOISE_FLOOR * max(noise_sd(image[:: 1 + image.size // NOISE_PIXELS]), least))


def _stretch(image: Image, low: float, span: float) -> Float:
    if image.dtype == np.uint8:
        # Every grey value is looked up: one pass instead of six.
        table = _curve(np.arange(256, dtype=np.uint8), low, span)
        return cast("Float", cv2.LUT(np.ascontiguousarray(image), table))
    return _curve(image, low, span)


def _curve(values: npt.NDArray[Any], low: float, span: float) -> Float:
    scaled = np.subtract(values, np.float32(low), dtype=np.float32)
    scaled *= np.float32(1.0 / span)
    np.maximum(scaled, 0.0, out=scaled)
    bottom = scaled * np.float32(COMPRESSION)
    bottom += 1.0
    scaled *= np.float32(1.0 + COMPRESSION)
    return cast("Float", np.divide(scaled, bottom, out=scaled))


def _range(image: Image) -> tuple[float, float]:
    """Return the 2nd and the 99.8th percentile of the image averaged over 2x2 pixels."""
    height, width = image.shape
    if height < 4 or width < 4:
        return _percentiles(np.asarray(image, np.float32))
    half = (width // 2, height // 2)
    if image.dtype != np.uint8 or (height | width) & 1:
        return _percentiles(cv2.resize(np.ascontiguousarray(image, np.float32), half, interpolation=cv2.INTER_AREA))
    # In quarters of a grey value averages are whole numbers, and those in order are in their histogram.
    quarters = cv2.resize(np.left_shift(image, 2, dtype=np.uint16), half, interpolation=cv2.INTER_AREA)
    below = np.cumsum(cv2.calcHist([quarters], [0], None, [1024], [0, 1024]), dtype=np.int64)
    low, high = np.searchsorted(below, _places(quarters.size), side="right")
    return float(low) / 4, float(high) / 4


def _percentiles(values: Float) -> tuple[float, float]:
    places = _places(values.size)
    ordered = np.sort(values, axis=None)  # numpy orders all of them with SIMD, in a quarter of the time of two places
    return float(ordered[places[0]]), float(ordered[places[1]])


def _places(size: int) -> list[int]:
    """Return where the percentiles of `_range` are among ``size`` values in order."""
    return [round(0.02 * (size - 1)), round(0.998 * (size - 1))]


def noise_sd(image: npt.NDArray[Any]) -> float:
    """Return the SD of the pixel noise, in grey levels, from the differences of neighbours.

    The median of ``|I[x] - I[x + 1]|`` over every second row; edges of nuclei are too few to move a median.
    """
    rows = image[::2]
    if rows.shape[1] < 2:
        return 0.0
    pairs = 2 * (rows.shape[1] // 2)
    left, right = rows[:, :pairs:2], rows[:, 1:pairs:2]
    if image.dtype in (np.uint8, np.uint16):
        whole = cv2.absdiff(np.ascontiguousarray(right), np.ascontiguousarray(left)).ravel()
        return float(in_order(whole, whole.size // 2)) / 0.954
    steps = np.abs(np.subtract(right, left, dtype=np.float32)).ravel()
    middle = steps.size // 2
    return float(np.partition(steps, middle)[middle]) / 0.954


def in_order(values: npt.NDArray[np.unsignedinteger[Any]], places: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Return which of the values, shape (N,), would stand at ``places``, from 0 on, if they were in order.

    It takes a tenth of the time that ordering them would.
    """
    return np.searchsorted(np.cumsum(np.bincount(values)), places, side="right")


def median3(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the 3x3 median of ``(H, W)`` or ``(H, W, C)`` uint8, uint16 or float32, edges replicated."""
    return cast("npt.NDArray[Any]", cv2.medianBlur(np.ascontiguousarray(image), 3))


def match_histogram(image: npt.NDArray[Any], reference: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``image`` with the grey-level distribution of ``reference``.

    Parameters
    ----------
    image, reference : (H, W) or (H, W, C) uint8 or uint16
        The sizes may differ; the channels are matched one by one.

    Returns
    -------
    array
        Shape of ``image``, dtype of ``reference``. Levels between two of the reference's are interpolated.
    """
    if image.ndim == 3:
        channels = [match_histogram(image[..., c], reference[..., c]) for c in range(image.shape[2])]
        return np.stack(channels, axis=-1)
    inverse, counts = np.unique(image, return_inverse=True, return_counts=True)[1:]
    wanted, wanted_counts = np.unique(reference, return_counts=True)
    rank = np.cumsum(counts) / image.size
    wanted_rank = np.cumsum(wanted_counts) / reference.size
    matched = np.rint(np.interp(rank, wanted_rank, wanted)).astype(reference.dtype)
    return cast("npt.NDArray[Any]", matched[inverse].reshape(image.shape))
