"""Labels drawn: outlines, colour layers and pictures. Pure array steps, the same for window, files and tests."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from app.frame import Segmentation
from app.inference.scale import seen

COLOR = (255, 196, 0)
FILL, LINE = 0.18, 1.0


def upscale_labels(
    labels: NDArray[np.int32], shape: tuple[int, int], rows: tuple[int, int] | None = None
) -> NDArray[np.int32]:
    """Return `labels` at another size, each pixel the label at its own centre.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    shape : (H, W)
    rows : (int, int), optional
        First and last + 1 of the rows wanted; all when not given.

    Returns
    -------
    ndarray of int32, shape (H, W), or the wanted rows of it
        `labels` itself where the size is the same.
    """
    if labels.shape == tuple(shape):
        return labels if rows is None else labels[slice(*rows)]
    down = _centres(labels.shape[0], shape[0])[slice(*rows) if rows else slice(None)]
    return np.asarray(labels[down][:, _centres(labels.shape[1], shape[1])], np.int32)


def _centres(there: int, here: int) -> NDArray[np.intp]:
    """Return for each of `here` pixels the one of `there` that its centre lies in."""
    return np.minimum(((np.arange(here) + 0.5) * (there / here)).astype(np.intp), there - 1)


def contour_mask(labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return the outlines of the labels, one pixel wide and inside of them; touching ones keep a line each.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)

    Returns
    -------
    ndarray of bool, shape (h, w)
        The image border is no outline.
    """
    outline = np.zeros(labels.shape, bool)
    down = labels[1:] != labels[:-1]
    across = labels[:, 1:] != labels[:, :-1]
    outline[1:] |= down
    outline[:-1] |= down
    outline[:, 1:] |= across
    outline[:, :-1] |= across
    outline &= labels > 0
    return outline


def overlay_rgba(
    labels: NDArray[np.int32],
    *,
    color: tuple[int, int, int] = COLOR,
    fill: float = FILL,
    line: float = LINE,
    shape: tuple[int, int] | None = None,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Return the labels as a transparent colour layer.

    Parameters
    ----------
    labels : ndarray of int32, shape (h, w)
    color : (red, green, blue)
        0…255 each.
    fill, line : float
        Opacity 0…1 of the inside and of the outline.
    shape : (H, W), optional
        Size of the layer; that of the labels when not given.
    out : ndarray of uint8, shape (H, W, 4), optional
        Filled and returned instead of a new array.

    Returns
    -------
    ndarray of uint8, shape (H, W, 4)
        Red, green, blue and straight (not premultiplied) alpha.
    """
    if shape is not None:
        labels = upscale_labels(labels, shape)
    if out is None:
        out = np.empty((*labels.shape, 4), np.uint8)
    # One look-up over 0 outside, 1 inside, 2 outline paints all four channels in a single pass.
    kind = (labels > 0).view(np.uint8) + contour_mask(labels).view(np.uint8)
    paint = np.zeros((3, 4), np.uint8)
    paint[1:, :3] = color
    paint[1, 3], paint[2, 3] = round(255 * fill), round(255 * line)
    np.take(paint.view(np.uint32)[:, 0], kind, out=out.view(np.uint32)[..., 0], mode="clip")
    return out


def render_overlay(
    grey: NDArray[np.uint8],
    labels: NDArray[np.int32],
    *,
    color: tuple[int, int, int] = COLOR,
    fill: float = FILL,
    line: float = LINE,
) -> NDArray[np.uint8]:
    """Return a grey picture with the labels drawn on it.

    Parameters
    ----------
    grey : ndarray of uint8, shape (H, W)
    labels : ndarray of int32, shape (h, w)
        Brought to the size of `grey`.
    color, fill, line
        See `overlay_rgba`.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        Red, green, blue.
    """
    labels = upscale_labels(labels, (grey.shape[0], grey.shape[1]))
    picture = np.repeat(grey[..., None], 3, axis=-1)
    inside = labels > 0
    outline = contour_mask(labels)
    for part, opacity in ((inside & ~outline, fill), (outline, line)):
        base = picture[part].astype(np.float32)
        picture[part] = np.rint(base + (np.asarray(color, np.float32) - base) * np.float32(opacity)).astype(np.uint8)
    return picture


def overlay_of(found: Segmentation) -> NDArray[np.uint8]:
    """Return a frame as the screen shows it, without its shading, with its nuclei drawn on it.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        Red, green, blue.
    """
    return render_overlay(to_8bit(seen(found.frame, 1.0)), found.labels)


def to_8bit(pixels: NDArray[Any], low: float | None = None, high: float | None = None) -> NDArray[np.uint8]:
    """Return an image stretched to 0…255 for the screen.

    Parameters
    ----------
    pixels : ndarray of uint8 or uint16, shape (H, W)
    low, high : float, optional
        Grey values that become black and white; the 0.1st and 99.9th percentile of a subsample when not given.

    Returns
    -------
    ndarray of uint8, shape (H, W)
    """
    if low is None or high is None:
        step = max(1, int((pixels.size / 65536) ** 0.5))
        auto_low, auto_high = np.percentile(pixels[::step, ::step], (0.1, 99.9))
        low = float(auto_low) if low is None else low
        high = float(auto_high) if high is None else high
    span = max(high - low, 1.0)
    if pixels.dtype == np.uint8:
        table = np.clip(np.rint((np.arange(256) - low) * (255 / span)), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(np.ascontiguousarray(pixels), table), np.uint8)
    levels = 1 << 16
    table = np.clip(np.rint((np.arange(levels) - low) * (255 / span)), 0, 255).astype(np.uint8)
    return np.take(table, pixels)
