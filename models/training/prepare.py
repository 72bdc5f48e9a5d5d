"""From the public BBBC038 download to the form the training reads."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

TRAINING_LIST = Path(__file__).with_name("bbbc038-train.txt")
"""Names of the 498 images that the models here are trained on.

They are the fluorescence images of ``stage1_train`` less the 43 that are also in another public benchmark
(BBBC039), which must stay usable as a test.
"""


def merge_masks(masks: list[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint16]:
    """Return one label image (0 background, 1…N) from one mask per nucleus.

    Where two masks overlap (a pixel or two, in a few images) the first one keeps the pixel.
    """
    labels = np.zeros(masks[0].shape, np.uint16)
    number = 0
    for mask in masks:
        free = (mask > 0) & (labels == 0)
        if free.any():
            number += 1
            labels[free] = number
    return labels


def is_fluorescence(image: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint16]) -> bool:
    """Return whether a BGR image is grey with nuclei brighter than their background."""
    grey = bool((image[..., 0] == image[..., 1]).all() and (image[..., 1] == image[..., 2]).all())
    inside = labels > 0
    if not grey or not inside.any() or inside.all():
        return False
    return float(image[..., 0][inside].mean()) > float(image[..., 0][~inside].mean())


def read_field(folder: Path) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16]]:
    """Read ``images/*.png`` (one) and ``masks/*.png`` of one BBBC038 folder.

    Returns
    -------
    image : (H, W, 3) uint8, BGR
    labels : (H, W) uint16
    """
    pictures = sorted((folder / "images").glob("*.png"))
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((folder / "masks").glob("*.png"))]
    image = cv2.imread(str(pictures[0]), cv2.IMREAD_COLOR) if pictures else None
    if image is None or not masks or any(mask is None or mask.shape != image.shape[:2] for mask in masks):
        msg = f"{folder.name}: the image or a mask is missing or cannot be read; download it again"
        raise ValueError(msg)
    return image, merge_masks(masks)


def prepare(source: Path, target: Path, names: set[str] | None = None) -> tuple[int, int]:
    """Write ``images/ID.png`` (8-bit grey) and ``labels/ID.png`` (uint16) of the fluorescence images.

    Parameters
    ----------
    source : Path
        Folder that holds ``<id>/images`` and ``<id>/masks``.
    target : Path
        Created where it does not exist.
    names : set of str, optional
        Only these; all fluorescence images when not given.

    Returns
    -------
    images, nuclei : int
        Written.
    """
    for part in ("images", "labels"):
        (target / part).mkdir(parents=True, exist_ok=True)
    images = nuclei = 0
    folders = [f for f in sorted(source.iterdir()) if (f / "images").is_dir() and (names is None or f.name in names)]
    if not folders:
        msg = f"{source} holds no <id>/images folders: unpack stage1_train.zip there"
        raise ValueError(msg)
    for folder in folders:
        image, labels = read_field(folder)
        if is_fluorescence(image, labels):
            cv2.imwrite(str(target / "images" / f"{folder.name}.png"), image[..., 0])
            cv2.imwrite(str(target / "labels" / f"{folder.name}.png"), labels)
            images, nuclei = images + 1, nuclei + int(labels.max())
    return images, nuclei
