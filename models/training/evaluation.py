"""Running a network over labelled images the way the app does: scale, normalise, pad, run, decode, scale back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from app.inference.instances import decode
from app.inference.preprocess import normalise
from models.training.metrics import Score

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from models.training.data import Item

    Float = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]
    Network = Callable[[Float], Float]

SCALE_LIMITS = (0.1, 8.0)


def pad(image: Float, multiple: int) -> Float:
    """Mirror the lower and right edge until height and width are multiples of ``multiple``."""
    down, right = -image.shape[0] % multiple, -image.shape[1] % multiple
    return cv2.copyMakeBorder(image, 0, down, 0, right, cv2.BORDER_REFLECT) if down or right else image


def run_scaled(
    network: Network,
    image: npt.NDArray[Any],
    factor: float,
    *,
    multiple: int = 16,
    normalisation: str = "robust",
    channels: int = 1,
) -> Float:
    """Return the network's output ``(C, h, w)`` at the model's scale.

    Parameters
    ----------
    network : callable
        ``(1, channels, H, W)`` float32 to ``(1, C, H, W)`` float32.
    image : (H, W) or (H, W, 3) uint8 or uint16
    factor : float
        Model pixels per image pixel.
    """
    height, width = image.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    ready = normalise(cv2.resize(image, size, interpolation=how), normalisation)
    padded = pad(ready, multiple)
    output = network(np.ascontiguousarray(np.broadcast_to(padded, (1, channels, *padded.shape))))
    return np.ascontiguousarray(output[0, :, : size[1], : size[0]])


def mirrored(network: Network, views: int) -> Network:
    """Return the network as the mean over 1, 2 or 4 mirror images of its input, as the app takes it by the card."""

    def run(x: Float) -> Float:
        mean = network(x)
        for flips in ((3,), (2,), (2, 3))[: views - 1]:
            mean = mean + np.flip(network(np.ascontiguousarray(np.flip(x, flips))), flips)
        return np.asarray(mean / np.float32(views), np.float32)

    return run


def over_scales(network: Network, scales: Sequence[float], multiple: int) -> Network:
    """Return the network as the mean over its input and smaller copies of it, as the app takes it by the card."""

    def run(x: Float) -> Float:
        height, width = x.shape[2:]
        parts = []
        for scale in scales:
            if scale == 1:
                parts.append(network(x))
                continue
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            smaller = pad(cv2.resize(x[0, 0], size, interpolation=cv2.INTER_AREA), multiple)
            output = np.ascontiguousarray(network(smaller[None, None])[0, :, : size[1], : size[0]])
            parts.append(np.stack([cv2.resize(channel, (width, height)) for channel in output])[None])
        return np.asarray(np.mean(parts, axis=0), np.float32)

    return run


def to_size(labels: Labels, shape: tuple[int, int]) -> Labels:
    """Return the labels at the size of the image, nearest neighbour."""
    if labels.shape == shape:
        return labels
    return cv2.resize(labels, shape[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def renumber(labels: Labels) -> Labels:
    """Close gaps in the numbering (a tiny nucleus may vanish in scaling)."""
    present = np.bincount(labels.ravel()) > 0
    present[0] = True
    return (np.cumsum(present) - 1).astype(np.int32)[labels]


def known_scale(item: Item, nominal: float) -> float:
    """Return the factor that brings the image's median nucleus to the nominal diameter."""
    return float(np.clip(nominal / item.diameter, *SCALE_LIMITS)) if item.diameter else 1.0


def outputs(network: Network, items: Iterable[Item], nominal: float, **kwargs: Any) -> list[Float]:
    """Return each item's output at its known scale, to try several decodings on."""
    return [run_scaled(network, item.image, known_scale(item, nominal), **kwargs) for item in items]


def score_outputs(items: list[Item], results: list[Float], params: Mapping[str, Any]) -> Score:
    """Decode the outputs and score them at the images' own size."""
    score = Score()
    for item, output in zip(items, results, strict=True):
        labels = renumber(to_size(decode(output, params), item.image.shape))
        score.add(item.labels, labels)
    return score
