"""Pure array steps between a frame and a network's input; the training uses the very same functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Image = npt.NDArray[np.uint8 | np.uint16 | np.float32 | np.float64]
    Float = npt.NDArray[np.float32]


def median3(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the 3x3 median of ``(H, W)`` or ``(H, W, C)`` uint8, uint16 or float32, edges replicated."""
    return cv2.medianBlur(np.ascontiguousarray(image), 3)


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
    levels, inverse, counts = np.unique(image, return_inverse=True, return_counts=True)
    wanted, wanted_counts = np.unique(reference, return_counts=True)
    rank = np.cumsum(counts) / image.size
    wanted_rank = np.cumsum(wanted_counts) / reference.size
    matched = np.rint(np.interp(rank, wanted_rank, wanted)).astype(reference.dtype)
    return matched[inverse].reshape(image.shape)
