"""Labels as horizontal runs: what can be summed run by run costs a fraction of a visit to every pixel. Pure."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def label_runs(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp]]:
    """Return the horizontal runs of equal labels: label, first and last + 1 pixel (flat), without the background.

    A nucleus of a thousand pixels is some forty runs; what can be summed by runs costs a fraction.
    """
    flat = labels.ravel()
    new = np.empty(flat.size, np.bool_)
    np.not_equal(flat[1:], flat[:-1], out=new[1:])
    new[:: labels.shape[1]] = True
    first = np.flatnonzero(new)
    last = np.append(first[1:], flat.size)
    ids = flat[first]
    inside = ids > 0
    return ids[inside], first[inside], last[inside]


def run_totals(image: NDArray[Any], first: NDArray[np.intp], last: NDArray[np.intp]) -> NDArray[Any]:
    """Return the sum of an image over each run of `label_runs`; exact for whole numbers."""
    dtype = np.float64 if image.dtype.kind == "f" else np.int64
    running = np.empty(image.size + 1, dtype)
    running[0] = 0
    np.cumsum(image.ravel(), dtype=dtype, out=running[1:])
    return np.asarray(running[last] - running[first])
