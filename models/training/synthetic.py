"""Made-up fields: large textured nuclei as U2OS cells show them, and fields that hold none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Float = npt.NDArray[np.float32]
    Labels = npt.NDArray[np.int32]


def smooth_noise(rng: np.random.Generator, size: int, grain: float) -> Float:
    """Return ``(size, size)`` smooth noise of mean 0, SD 1 and a grain of so many pixels."""
    cells = max(2, int(np.ceil(size / grain)) + 2)
    field = rng.standard_normal((cells, cells)).astype(np.float32)
    field = cv2.resize(field, (size, size), interpolation=cv2.INTER_CUBIC)
    return (field - field.mean()) / (field.std() + 1e-6)


def _outline(rng: np.random.Generator, radius: float) -> npt.NDArray[np.float64]:
    """Return a closed outline around (0, 0): an ellipse with two or three gentle dents."""
    angle = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    bend = sum(rng.normal(0, 0.05) * np.cos(k * angle + rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4))
    aspect = np.exp(abs(rng.normal(0, 0.22)) / 2)
    x = radius * aspect * (1 + bend) * np.cos(angle)
    y = radius / aspect * (1 + bend) * np.sin(angle)
    turn = rng.uniform(0, np.pi)
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=1)


def nuclei_field(rng: np.random.Generator, size: int, diameter: float) -> tuple[Float, Labels]:
    """Return a field of textured nuclei and their labels.

    Parameters
    ----------
    rng : Generator
    size : int
        Side of the square field, pixels.
    diameter : float
        Typical nucleus diameter, pixels.

    Returns
    -------
    image : (size, size) float32
        Background 0, nuclei about 1; no noise, no blur.
    labels : (size, size) int32
    """
    labels = np.zeros((size, size), np.int32)
    gain = np.ones(1, np.float32)
    room = (size / diameter) ** 2
    wanted = int(rng.uniform(0.05, 0.75) * room) + 1
    number = 0
    clustered = rng.random() < 0.5
    last = rng.uniform(0, size, 2)
    for _ in range(4 * wanted):
        if number >= wanted:
            break
        radius = diameter / 2 * float(np.clip(rng.lognormal(0, 0.16), 0.5, 1.6))
        centre = rng.uniform(-0.3 * diameter, size + 0.3 * diameter, 2)
        if clustered and rng.random() < 0.6:
            step = rng.uniform(0, 2 * np.pi)
            centre = last + (radius + diameter / 2) * np.array([np.cos(step), np.sin(step)])
        stamp = np.zeros((size, size), np.uint8)
        cv2.fillPoly(stamp, [np.rint(_outline(rng, radius) + centre).astype(np.int32)], 1)
        inside = stamp > 0
        area = int(inside.sum())
        if area < 8:
            continue
        free = inside & (labels == 0)
        # Nuclei lie side by side; a little of one may hide under another.
        if free.sum() < 0.85 * area:
            continue
        number += 1
        labels[free] = number
        last = centre
        gain = np.append(gain, np.float32(rng.lognormal(0, 0.35)))
    texture = 1 + 0.18 * smooth_noise(rng, size, diameter / 3) + 0.10 * smooth_noise(rng, size, diameter / 9)
    nucleoli = smooth_noise(rng, size, diameter / 5)
    texture -= 0.35 * np.clip(nucleoli - 1.3, 0, 1)
    image = np.where(labels > 0, gain[labels] * np.clip(texture, 0.2, None), 0).astype(np.float32)
    return image, labels


def empty_field(rng: np.random.Generator, size: int) -> Float:
    """Return a field without nuclei: flat, graded, hazy, with specks, fibres or far-out-of-focus blobs.

    Returns
    -------
    (size, size) float32
        In arbitrary units, before noise.
    """
    kind = rng.integers(0, 7)
    image = np.zeros((size, size), np.float32)
    if kind == 1:  # a gradient
        y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
        image += rng.uniform(-1, 1) * x + rng.uniform(-1, 1) * y
    if kind == 2:  # haze, much wider than any nucleus
        image += 0.5 * smooth_noise(rng, size, rng.uniform(110, 300))
    if kind == 3:  # vignetting
        y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
        image -= (rng.uniform(0.2, 1) * (x**2 + y**2)).astype(np.float32)
    if kind == 4:  # specks, far smaller than nuclei
        for _ in range(int(rng.integers(1, 40))):
            x, y = rng.integers(0, size, 2)
            image[y, x] += rng.lognormal(0, 1) * 3
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.4, 1.2)))
    if kind == 5:  # fibres
        for _ in range(int(rng.integers(1, 4))):
            points = np.cumsum(rng.normal(0, 12, (20, 2)), axis=0) + rng.uniform(0, size, 2)
            cv2.polylines(image, [points.astype(np.int32)], False, float(rng.uniform(0.3, 2)), 1)
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(0.5, 1.5)))
    if kind == 6:  # bright bar or corner: the rim of a well, a scratch
        points = rng.uniform(-size, 2 * size, (2, 2))
        cv2.line(image, points[0].astype(int).tolist(), points[1].astype(int).tolist(), 1.0, int(rng.integers(2, 90)))
        image = cv2.GaussianBlur(image, (0, 0), float(rng.uniform(1, 20)))
    return image
