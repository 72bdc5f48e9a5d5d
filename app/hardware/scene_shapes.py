"""Shapes of the simulated sample: nuclei as small stamps, and what the other light excites.

Everything here is a pure function of a random generator. Stamps are drawn once at a modest size and turned and
stretched into place, so that a field of 50 large or 5,000 small nuclei costs tens of milliseconds.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

STAMP_PX = 144
"""Side of a stamp; its nucleus has radius 1 in stamp units, which is `STAMP_RADIUS_PX` pixels."""
STAMP_RADIUS_PX = 50.0

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """One nucleus in its own coordinates.

    Attributes
    ----------
    profile : ndarray of float32, shape (STAMP_PX, STAMP_PX)
        Fluorescence; about 1 in the middle of an interphase nucleus.
    inside : ndarray of float32, same shape
        Positive within the outline, falling from 1 at the centre through 0 on it.
    """

    profile: Image
    inside: Image


def band_noise(rng: np.random.Generator, shape: tuple[int, int], fine_px: float, coarse_px: float) -> Image:
    """Return smooth noise between two scales, mean 0, standard deviation 1, float32 of `shape`."""
    white = rng.standard_normal(shape, dtype=np.float32)
    band = cv2.GaussianBlur(white, (0, 0), fine_px) - cv2.GaussianBlur(white, (0, 0), coarse_px)
    return np.asarray(band / max(float(band.std()), 1e-6), np.float32)


def _polar() -> tuple[Image, Image]:
    axis = (np.arange(STAMP_PX, dtype=np.float32) - (STAMP_PX - 1) / 2) / STAMP_RADIUS_PX
    radius = np.hypot(axis[:, None], axis[None, :])
    return radius.astype(np.float32), np.arctan2(axis[:, None], axis[None, :]).astype(np.float32)


def _inside(rng: np.random.Generator, roughness: float, orders: range) -> Image:
    """Return 1 − r/r(θ) for an outline that wobbles by about `roughness`."""
    radius, angle = _polar()
    outline = np.ones_like(radius)
    for order in orders:
        amplitude = roughness * rng.normal() / order
        outline += np.float32(amplitude) * np.cos(order * angle + np.float32(rng.uniform(0, 2 * np.pi)))
    return np.asarray(1 - radius / outline, np.float32)


def interphase_stamp(rng: np.random.Generator, condensed: bool = False) -> Stamp:
    """Return an interphase nucleus: dome-shaped, with grainy chromatin, nucleoli and a brighter rim.

    `condensed` makes a prophase: coarse bright threads and no nucleoli.
    """
    inside = _inside(rng, 0.085, range(2, 7))
    dome = np.clip(inside * (2 - inside), 0, 1) ** np.float32(0.28)  # thickness of a flattened ellipsoid: (1 − ρ²)
    shape = (STAMP_PX, STAMP_PX)
    grain = 0.10 * band_noise(rng, shape, 1.2, 3.5) + 0.11 * band_noise(rng, shape, 4.0, 11.0)
    texture = 1 + grain * (2.6 if condensed else 1.0)
    rim = 0.10 * np.exp(-(((inside - 0.06) / 0.05) ** 2))
    nucleoli = np.zeros(shape, np.float32)
    if not condensed:
        for _ in range(int(rng.integers(2, 7))):
            reach, angle = 0.62 * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
            centre = (STAMP_PX / 2 + STAMP_RADIUS_PX * reach * np.array([np.cos(angle), np.sin(angle)])).astype(int)
            size = (int(rng.uniform(3, 8)), int(rng.uniform(3, 8)))
            cv2.ellipse(nucleoli, (int(centre[0]), int(centre[1])), size, rng.uniform(0, 180), 0, 360, 1.0, -1)
        nucleoli = np.asarray(cv2.GaussianBlur(nucleoli, (0, 0), 1.5), np.float32)
    profile = dome * np.clip(texture + rim - 0.5 * nucleoli, 0.1, 2.5) * (1.35 if condensed else 1.0)
    profile[inside <= 0] = 0
    return Stamp(profile.astype(np.float32), inside)


def plate_stamp(rng: np.random.Generator) -> Stamp:
    """Return condensed chromosomes (a metaphase plate or one half of a telophase): bright, knobbly, no dome."""
    inside = _inside(rng, 0.12, range(2, 12))
    edge = np.clip(inside / 0.18, 0, 1)
    texture = 1 + 0.12 * band_noise(rng, (STAMP_PX, STAMP_PX), 2.0, 7.0)
    return Stamp(np.asarray(1.9 * edge * np.clip(texture, 0.4, 1.6), np.float32), inside)


def placed(image: Image, centre: tuple[float, float], axes: tuple[float, float], angle: float, side: int) -> Image:
    """Return `image` of a stamp turned by `angle` and stretched to semi-axes `axes` (px), in a square of `side`.

    `centre` (x, y) is where the stamp's middle falls in the square.
    """
    cos, sin = np.cos(angle), np.sin(angle)
    scale_x, scale_y = axes[0] / STAMP_RADIUS_PX, axes[1] / STAMP_RADIUS_PX
    matrix = np.array([[cos * scale_x, -sin * scale_y, 0.0], [sin * scale_x, cos * scale_y, 0.0]])
    middle = (STAMP_PX - 1) / 2
    matrix[:, 2] = np.array(centre) - matrix[:, :2] @ np.array([middle, middle])
    fill = -1.0 if image.min() < 0 else 0.0
    warped = cv2.warpAffine(
        image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )
    return np.asarray(warped, np.float32)


def cell_bodies(nuclei_mask: NDArray[np.uint8], reach_px: float) -> Image:
    """Return 0…1 cytoplasm around nuclei: 1 at the nucleus, fading over `reach_px`; shape of `nuclei_mask`."""
    if not nuclei_mask.any():
        return np.zeros(nuclei_mask.shape, np.float32)
    distance = cv2.distanceTransform((nuclei_mask == 0).astype(np.uint8), cv2.DIST_L2, 3)
    return np.asarray(cv2.exp(-((distance / np.float32(reach_px)) ** 2)), np.float32)


def _fibres(rng: np.random.Generator, shape: tuple[int, int], width_px: float, length_px: int) -> Image:
    """Return 0…1 straight fibres whose direction wanders slowly over the field."""
    white = rng.standard_normal(shape, dtype=np.float32)
    total = np.zeros(shape, np.float32)
    for turn in range(4):
        kernel = np.zeros((length_px, length_px), np.float32)
        reach = length_px // 2 - 1
        dx, dy = np.cos(turn * np.pi / 4) * reach, np.sin(turn * np.pi / 4) * reach
        middle = length_px // 2
        start, end = (round(middle - dx), round(middle - dy)), (round(middle + dx), round(middle + dy))
        cv2.line(kernel, start, end, 1.0, max(1, round(width_px)))
        along = cv2.filter2D(white, -1, kernel / np.sqrt(kernel.sum()))
        domain = rng.standard_normal((shape[0] // 30 + 2, shape[1] // 30 + 2), dtype=np.float32)
        weight = cv2.resize(domain, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        total += np.clip(along, 0, None) * np.clip(weight, 0, None)
    return np.asarray(np.clip(total / 3, 0, 1), np.float32)


def structure(name: str, rng: np.random.Generator, nuclei_mask: NDArray[np.uint8], radius_px: float) -> Image:
    """Return the fluorescence (0 to about 1) of one stain around `nuclei_mask`, float32 of its shape.

    `name` is ``"reticulum"`` (cytoplasm), ``"actin"`` (fibres) or ``"mitochondria"`` (short threads).
    """
    shape = nuclei_mask.shape[:2]
    body = cell_bodies(nuclei_mask, 1.6 * radius_px)
    if name == "actin":
        return body * (0.15 + _fibres(rng, (shape[0], shape[1]), 1.0, 21))
    outside = np.where(nuclei_mask > 0, np.float32(0.12), np.float32(1))
    if name == "mitochondria":
        threads = np.clip(1 - np.abs(band_noise(rng, (shape[0], shape[1]), 0.9, 2.6)) * 2.2, 0, 1)
        return np.asarray(body * outside * (0.06 + threads), np.float32)
    grain = np.clip(0.55 + 0.16 * band_noise(rng, (shape[0], shape[1]), 0.8, 2.5), 0.1, 1.2)
    return np.asarray(body * outside * grain, np.float32)
