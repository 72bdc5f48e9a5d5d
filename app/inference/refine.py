"""Labels from the model's scale to full resolution with smooth outlines. Pure."""

import cv2
import numpy as np
from numpy.typing import NDArray

from app.inference.overlay import upscale_labels

BAND_PIXELS = 1 << 22


def refine_labels(
    labels: NDArray[np.int32], foreground: NDArray[np.uint8], shape: tuple[int, int], threshold: float
) -> NDArray[np.int32]:
    """Return labels at full resolution whose outlines follow the network's foreground map.

    Enlarged labels have steps as wide as a pixel of the model. The foreground map is smooth and can be interpolated:
    within one model pixel of an outline towards the background it decides anew what belongs to the nucleus.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    foreground : ndarray of uint8, shape (h, w)
        Probability times 255.
    shape : (H, W)
        Of the frame.
    threshold : float
        Of the foreground, 0…1.

    Returns
    -------
    ndarray of int32, shape (H, W)
        The labels enlarged (or reduced, without refinement) to `shape`.
    """
    if max(shape[0] / labels.shape[0], shape[1] / labels.shape[1]) <= 1:
        return upscale_labels(labels, shape)
    square = np.ones((3, 3), np.uint8)
    core = cv2.erode((labels > 0).view(np.uint8), square) > 0
    # float32 holds whole numbers up to 2^24 exactly, and is what cv2 dilates.
    grown = cv2.dilate(labels.astype(np.float32), square).astype(np.int32)
    grown = np.where(labels > 0, labels, grown)
    # One image says both: what a pixel would belong to, and, by its sign, that this is beyond doubt.
    claims = np.where(core, -grown, grown)
    result = np.empty(shape, np.int32)
    # In bands, so that the intermediate images of a very large one do not fill the memory.
    step = max(1, BAND_PIXELS // shape[1])
    for top in range(0, shape[0], step):
        rows = (top, min(top + step, shape[0]))
        band = upscale_labels(claims, shape, rows)
        inside = _interpolate(foreground, shape, rows) > 255 * threshold
        result[slice(*rows)] = np.where(inside | (band < 0), np.abs(band), 0)
    return result


def _interpolate(image: NDArray[np.uint8], shape: tuple[int, int], rows: tuple[int, int]) -> NDArray[np.float32]:
    """Return the given rows of `image` enlarged to `shape` with linear interpolation, float32."""
    at = (np.arange(*rows) + 0.5) * (image.shape[0] / shape[0]) - 0.5
    below = np.clip(np.floor(at), 0, image.shape[0] - 1).astype(np.intp)
    above = np.minimum(below + 1, image.shape[0] - 1)
    weight = np.clip(at - below, 0, 1).astype(np.float32)[:, None]
    narrow = image[below] * (1 - weight) + image[above] * weight
    return np.asarray(cv2.resize(narrow, (shape[1], narrow.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
