"""Reading the training images, and the split into groups of neighbouring crops."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Grey = npt.NDArray[np.uint8]
    Labels = npt.NDArray[np.int32]

EDGE_CORRELATION = 0.85
"""Two crops are neighbours when their facing edges correlate at least this well, and no other pair does better."""
TWIN_CORRELATION = 0.95
"""Two images are copies of one field when their thumbnails correlate at least this well."""


@dataclass(frozen=True)
class Item:
    """One labelled image.

    Parameters
    ----------
    name : str
        File stem.
    image : (H, W) uint8
    labels : (H, W) int32
        0 background, 1…N.
    diameter : float
        Median equivalent diameter of the nuclei, pixels; 0 where there are none.
    """

    name: str
    image: Grey
    labels: Labels
    diameter: float


def median_diameter(labels: npt.NDArray[np.integer]) -> float:
    """Return the median equivalent diameter ``2 sqrt(area / pi)`` of the nuclei, pixels; 0 where none."""
    area = np.bincount(labels.ravel())[1:]
    area = area[area > 0]
    return float(np.median(2 * np.sqrt(area / np.pi))) if area.size else 0.0


def read_folder(folder: Path) -> list[Item]:
    """Read ``images/*.png`` and ``labels/*.png`` in name order."""
    items = []
    for path in sorted((folder / "images").glob("*.png")):
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        labels = cv2.imread(str(folder / "labels" / path.name), cv2.IMREAD_UNCHANGED)
        if image is None or labels is None or labels.shape != image.shape:
            msg = f"{path.name}: the image or its labels cannot be read, or their sizes differ"
            raise ValueError(msg)
        labels = labels.astype(np.int32)
        items.append(Item(path.stem, image, labels, median_diameter(labels)))
    if not items:
        msg = f"{folder} holds no images/*.png: give the folder that `prepare-bbbc038` wrote"
        raise ValueError(msg)
    return items


def _unit(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the rows with mean 0 and norm 1 (flat ones become 0)."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norm > 1e-9, norm, np.inf)


def _neighbours(images: list[Grey]) -> list[tuple[int, int]]:
    """Return the pairs that continue each other across an edge, among images of one size."""
    stack = np.stack(images).astype(np.float64)
    pairs = []
    for first, second in (
        (stack[:, :, -1], stack[:, :, 0]),
        (stack[:, -1, :], stack[:, 0, :]),
    ):
        match = _unit(first) @ _unit(second).T
        np.fill_diagonal(match, 0)
        # The brightness must go on as well: an edge's mean within a quarter of its neighbour's.
        mean_1, mean_2 = first.mean(axis=1)[:, None], second.mean(axis=1)[None, :]
        match[np.abs(mean_1 - mean_2) > 0.25 * np.maximum(mean_1, mean_2) + 1] = 0
        best = (match >= match.max(axis=1, keepdims=True)) & (match >= match.max(axis=0, keepdims=True))
        pairs += list(zip(*np.nonzero(best & (match > EDGE_CORRELATION)), strict=True))
    return [(int(a), int(b)) for a, b in pairs]


def _twins(images: list[Grey]) -> list[tuple[int, int]]:
    """Return the pairs that show the same field."""
    small = [cv2.resize(i, (32, 32), interpolation=cv2.INTER_AREA).ravel() for i in images]
    match = np.triu(_unit(np.stack(small).astype(np.float64)) @ _unit(np.stack(small).astype(np.float64)).T, 1)
    return [(int(a), int(b)) for a, b in zip(*np.nonzero(match > TWIN_CORRELATION), strict=True)]


def groups(images: list[Grey]) -> npt.NDArray[np.int32]:
    """Return a group number per image: neighbouring crops and copies of one field share theirs.

    The data set does not say which images were cut from one field. Crops of one field continue each other
    across their facing edges, so edges are correlated among the images of one size; the pairs are joined
    into groups (chains included).
    """
    parent = list(range(len(images)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for shape in sorted({image.shape for image in images}):
        index = [i for i, image in enumerate(images) if image.shape == shape]
        same = [images[i] for i in index]
        for a, b in _neighbours(same) + _twins(same):
            parent[root(index[a])] = root(index[b])
    roots = [root(i) for i in range(len(images))]
    number = {r: n for n, r in enumerate(dict.fromkeys(roots))}
    return np.array([number[r] for r in roots], np.int32)


def split_by_group(
    items: list[Item], fraction: float, seed: int
) -> tuple[list[Item], list[Item], npt.NDArray[np.int32]]:
    """Return training items, validation items and the group of every item.

    Whole groups go to one side. Groups are drawn at random within strata of image size and nucleus diameter,
    until the validation side holds ``fraction`` of each stratum's images.
    """
    group = groups([item.image for item in items])
    rng = np.random.default_rng(seed)
    strata: dict[tuple[int, ...], list[int]] = {}
    for number in range(group.max() + 1):
        members = np.flatnonzero(group == number)
        size = np.log2(max(1.0, float(np.median([items[i].diameter for i in members]))))
        strata.setdefault((*items[members[0]].image.shape, int(size)), []).append(number)
    chosen: set[int] = set()
    for key in sorted(strata):
        numbers = rng.permutation(strata[key])
        wanted = fraction * sum(int((group == n).sum()) for n in numbers)
        taken = 0
        for number in numbers:
            size_of = int((group == number).sum())
            # Never more than half over the share: a large group would swallow its stratum.
            if taken < wanted and taken + size_of <= 1.5 * wanted + 1:
                chosen.add(int(number))
                taken += size_of
    side = np.isin(group, list(chosen))
    training = [item for item, out in zip(items, side, strict=True) if not out]
    return training, [item for item, out in zip(items, side, strict=True) if out], group
