"""What every model is measured against: Otsu's threshold and a watershed of the distance transform."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian, threshold_otsu
from skimage.morphology import remove_small_objects
from skimage.segmentation import watershed

if TYPE_CHECKING:
    import numpy.typing as npt


def otsu_watershed(image: npt.NDArray[np.uint8], *, min_distance: int = 5, min_area: int = 15) -> npt.NDArray[np.int32]:
    """Return labels by scikit-image's textbook recipe: smooth, Otsu, distance transform, watershed.

    Parameters
    ----------
    image : (H, W) uint8
    min_distance : int
        Least distance of two seeds, pixels.
    min_area : int
        Smaller patches are dropped, pixels.
    """
    smooth = gaussian(image, 1, preserve_range=True)
    if smooth.max() <= smooth.min():
        return np.zeros(image.shape, np.int32)
    mask = ndimage.binary_fill_holes(remove_small_objects(smooth > threshold_otsu(smooth), max_size=min_area - 1))
    distance = ndimage.distance_transform_edt(mask)
    components = ndimage.label(mask)[0]
    peaks = peak_local_max(gaussian(distance, 1), min_distance=min_distance, labels=components)
    seeds = np.zeros(image.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    return watershed(-distance, seeds, mask=mask).astype(np.int32)
