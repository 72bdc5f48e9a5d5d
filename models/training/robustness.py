"""What a model does on fields without nuclei, and when the same field comes at another scale."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.training.data import Item

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy.typing as npt

    Labels = npt.NDArray[np.int32]
    Method = Callable[[Item], Labels]

KINDS = ("empty", "noise", "gradient", "saturated")


def empty_images(kind: str, count: int, seed: int, shape: tuple[int, int] = (332, 590)) -> Iterator[npt.NDArray]:
    """Yield uint8 and uint16 images of one kind that hold no nuclei.

    Parameters
    ----------
    kind : str
        ``empty`` (read noise on a dark level), ``noise`` (shot noise of any strength, some of it smooth),
        ``gradient`` (linear, vignetted or a light spot much wider than a nucleus) or ``saturated``.
    """
    rng = np.random.default_rng((seed, KINDS.index(kind)))
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    for number in range(count):
        white = 255 if number % 2 else 4095
        if kind == "empty":
            image = rng.normal(rng.uniform(0, 0.1), rng.choice([0, 0.001, 0.004]), shape)
        elif kind == "noise":
            noise = rng.standard_normal(shape)
            if number % 4 == 3:
                noise = cv2.GaussianBlur(noise, (0, 0), float(rng.uniform(0.4, 1.0)))
            image = rng.uniform(0.1, 0.6) + noise * rng.choice([0.01, 0.05, 0.2])
        elif kind == "gradient":
            slope = rng.uniform(-0.4, 0.4, 2)
            image = 0.5 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.3) * (x**2 + y**2)
            spot = (x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2
            image += rng.uniform(0, 0.4) * np.exp(-spot / rng.uniform(0.2, 1.0))
            image += rng.normal(0, rng.choice([0.002, 0.01, 0.03]), shape)
        else:
            image = np.full(shape, 1.0) - (rng.random(shape) < rng.choice([0, 0.001, 0.02])) * rng.uniform(0, 0.05)
        dtype = np.uint8 if white == 255 else np.uint16
        yield np.rint(np.clip(image, 0, 1) * white).astype(dtype)


def false_alarms(method: Method, count: int = 50, seed: int = 0) -> dict[str, int]:
    """Return how many nuclei a method reports in ``count`` fields of each kind; every one is false."""
    found = {}
    for kind in KINDS:
        items = (Item(kind, image, np.zeros(image.shape, np.int32), 20.0) for image in empty_images(kind, count, seed))
        found[kind] = sum(int(method(item).max()) for item in items)
    return found


def rescaling_errors(
    method: Method, items: list[Item], factors: tuple[float, ...] = (0.5, 0.7, 1.4, 2.0)
) -> dict[str, float]:
    """Return the mean change of the count, in percent, when an image comes at another scale that is told.

    The method is given the same physical size of the nuclei (``Item.diameter`` follows the factor).
    """
    changes: dict[str, float] = {}
    for factor in factors:
        each = []
        for item in items:
            before = int(method(item).max())
            size = (max(8, round(item.image.shape[1] * factor)), max(8, round(item.image.shape[0] * factor)))
            how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            image = cv2.resize(item.image, size, interpolation=how)
            labels = cv2.resize(item.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
            after = int(method(Item(item.name, image, labels, item.diameter * factor)).max())
            each.append(100 * abs(after - before) / max(1, before))
        changes[f"x{factor:g}"] = float(np.mean(each))
    return changes
