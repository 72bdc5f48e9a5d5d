"""Labels from the model's scale to full resolution with smooth outlines. Pure."""

import cv2
import numpy as np
from numpy.typing import NDArray

from app.inference.overlay import upscale_labels


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
    large = upscale_labels(labels, shape)
    zoom = max(shape[0] / labels.shape[0], shape[1] / labels.shape[1])
    if zoom <= 1 or not large.size:
        return large
    inside = cv2.resize(foreground, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR) > 255 * threshold
    reach = np.ones((2 * int(np.ceil(zoom)) + 1,) * 2, np.uint8)
    taken = (large > 0).view(np.uint8)
    near = cv2.dilate(taken, reach).astype(bool)
    core = cv2.erode(taken, reach).astype(bool)
    # float32 holds whole numbers up to 2^24 exactly, and is what cv2 dilates.
    grown = cv2.dilate(large.astype(np.float32), reach).astype(np.int32)
    band = near & ~core
    result = large.copy()
    result[band & ~inside] = 0
    gained = band & inside & (large == 0)
    result[gained] = grown[gained]
    return result
