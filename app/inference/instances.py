"""Network output to labelled nuclei: pure array steps, all of them in compiled routines.

Two ways of decoding, named by the model card:

``components``
    A plain probability map: every connected patch above the threshold is a nucleus. Touching nuclei
    stay one; this is what the paper's network can do.
``cores``
    A foreground map, a distance map (1 in the middle of a nucleus, 0 at its rim, whatever its size) and,
    optionally, a map of the contacts between touching nuclei. The middle parts are separate even where
    nuclei touch: they are labelled, then grown down the distance map to the edge of the foreground, level
    by level, so that a small nucleus beside a large one keeps its own pixels. It is a watershed whose heap
    is replaced by a few whole-image dilations, which take a tenth of the time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np

from app.errors import ModelError
from app.inference.runs import Runs, runs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    Float = npt.NDArray[np.float32]
    Shares = Float | npt.NDArray[np.uint8]  # 0…1 as such or as 0…255
    Labels = npt.NDArray[np.int32]
    Bytes = npt.NDArray[np.uint8]
    Growing = npt.NDArray[Any]  # uint8, uint16 or float32

_SQUARE = np.ones((3, 3), np.uint8)
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


@dataclass(frozen=True, slots=True, eq=False)
class Instances:
    """The nuclei in one network output.

    Attributes
    ----------
    labels : (h, w) of whole numbers
        0 for background, 1…N for the nuclei, without gaps.
    scores : (N,) float32
        The mean foreground probability of each, 0…1.
    runs : Runs
        Of the labels.
    """

    labels: npt.NDArray[Any]
    scores: Float
    runs: Runs

    def of(self, wanted: npt.NDArray[np.bool_], scores: Float | None = None) -> Instances:
        """Return those of which ``wanted``, shape (N,), is True, numbered anew; with other ``scores`` where given."""
        scores = self.scores if scores is None else scores
        if wanted.all():
            return replace(self, scores=scores)
        table = _numbers(wanted)
        return Instances(_renumbered(self.labels, table), scores[wanted], self.runs.renumbered(table))

    def joined(self, nucleus: npt.NDArray[np.intp], scores: Float) -> Instances:
        """Return what the pieces make up, numbered from above.

        ``nucleus``, shape (N,), is that of each piece, from 0 on; -1 leaves it out. ``scores`` are those of the nuclei.
        """
        seen = nucleus[self.runs.label - 1]
        place = np.flatnonzero(seen >= 0)[::-1]
        first = np.zeros(len(scores), np.intp)
        first[seen[place]] = place  # of several, the last one written stays: the uppermost run
        order = np.argsort(first)
        table = np.zeros(len(scores) + 1, np.int32)
        table[order] = np.arange(1, len(scores) + 1)  # table[-1], of what is left out, stays 0
        numbers = np.concatenate([[0], table[nucleus]]).astype(np.int32)
        return Instances(_renumbered(self.labels, numbers), scores[order], self.runs.renumbered(numbers))


def full(output: npt.NDArray[Any]) -> float:
    """Return what stands for 1 in a network's output."""
    return 255.0 if output.dtype == np.uint8 else 1.0


def find(output: Shares, params: Mapping[str, Any], height: Float | None = None) -> Instances:
    """Return the nuclei in one network output, labelled in as many bits as their number takes.

    Parameters
    ----------
    output : (C, h, w) float32 or uint8
        Probabilities in 0…1, or as 0…255; channel 0 is the foreground, for ``cores`` channel 1 the distance and channel
        2, where there is one, the contacts.
    params : mapping
        The ``[decode]`` table of the model card: ``method`` and its thresholds; sizes in pixels of the
        model's scale.
    height : (h, w) float32, optional
        The `relief` of the output, where it is at hand.

    Raises
    ------
    ModelError
        The card names an unknown method, or the output has too few channels for it.
    """
    method = params.get("method", "components")
    if method == "components":
        return _components(output[0], params)
    if method != "cores":
        raise ModelError(f"The model card asks for the unknown decoding {method!r}: update dapiscope.")
    if output.shape[0] < 2:
        raise ModelError("The model gives no distance map: set method = 'components' in its card.")
    return _cores(output, params, relief(output, params) if height is None else height)


def decode(output: Shares, params: Mapping[str, Any]) -> Labels:
    """Return the labels of `find` alone, as int32."""
    return find(output, params).labels.astype(np.int32, copy=False)


def _above(values: Shares, threshold: float) -> Bytes:
    """Return a 0/1 mask of the values above the threshold, which is one of 0…1."""
    least = math.floor(threshold * 255) if values.dtype == np.uint8 else threshold
    return (values > least).view(np.uint8)


def _left(ground: Growing, labels: Growing) -> Bytes:
    """Return a 0/1 mask of the ground, 0 or 1, where no label stands yet."""
    return (ground > labels).view(np.uint8)


def _growing(count: int) -> type[np.generic]:
    """Return the smallest kind of number that holds labels below `count` and that dilation knows."""
    return np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.float32


def _connected(mask: Bytes, connectivity: int) -> tuple[int, Labels]:
    """Return one more than the number of connected patches, and their labels."""
    count, labels = cv2.connectedComponents(mask, connectivity=connectivity, ltype=cv2.CV_32S)
    return count, cast("Labels", labels)


def _components(probability: Shares, params: Mapping[str, Any]) -> Instances:
    count, labels = _connected(_above(probability, params.get("foreground", 0.5)), 8)
    return _select(labels, probability, count, params)


def _select(labels: npt.NDArray[Any], foreground: Shares, count: int, params: Mapping[str, Any]) -> Instances:
    """Drop what is too small or too uncertain and number the rest anew, without gaps; ``count`` with background."""
    runs = runs_of(labels)
    area = runs.areas(count - 1)
    total = runs.sums(foreground, count - 1) / full(foreground)
    wanted = area >= max(1, int(params.get("min_area", 1)))
    least = float(params.get("min_score", 0.0))
    if least > 0:
        wanted &= total >= least * area
    scores = (total[wanted] / area[wanted]).astype(np.float32)
    if labels.dtype == np.float32:
        labels = labels.astype(np.int32)
    if wanted.all():
        return Instances(labels, scores, runs)
    table = _numbers(wanted)
    return Instances(_renumbered(labels, table.astype(labels.dtype)), scores, runs.renumbered(table))


def _numbers(wanted: npt.NDArray[np.bool_], first: int = 1) -> Labels:
    """Return for each label, from 0 on, the number it gets when only the ``wanted`` ones, from 1 on, are kept."""
    table = np.zeros(len(wanted) + 1, np.int32)
    table[1:][wanted] = np.arange(first, first + np.count_nonzero(wanted), dtype=np.int32)
    return table


def _renumbered(labels: npt.NDArray[Any], table: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return ``table[labels]``."""
    if len(table) > 1 << 16:
        return cast("npt.NDArray[Any]", table[labels])
    # OpenCV looks 8 and 16 bits up in a fifth of numpy's time, and wants the whole table.
    bits = 8 * min(labels.itemsize, 2)
    whole = np.zeros(1 << bits, table.dtype)
    whole[: len(table)] = table
    return cast("npt.NDArray[Any]", cv2.LUT(labels.astype(f"uint{bits}", copy=False), whole))


def relief(output: Shares, params: Mapping[str, Any]) -> Float:
    """Return the distance map 0…1, shape (h, w), with the contacts cut into it as the card asks for."""
    distance, unit = output[1], full(output)
    weight = float(params.get("contact_weight", 0.0))
    if weight <= 0 or output.shape[0] < 3:
        return np.ascontiguousarray(distance if distance.dtype == np.float32 else distance / unit, np.float32)
    return cast("Float", cv2.addWeighted(distance, 1 / unit, output[2], -weight / unit, 0.0, dtype=cv2.CV_32F))


def _cores(output: Shares, params: Mapping[str, Any], height: Float) -> Instances:
    foreground = output[0]
    mask = _above(foreground, params.get("foreground", 0.5))
    cores = [float(each) for each in np.atleast_1d(params.get("core", 0.4))]
    least, steps = int(params.get("min_core_area", 1)), int(params.get("steps", 3))
    labels, count = _seeds(height, mask, cores, least, steps)
    _grow(labels, height, mask, min(cores), int(params.get("levels", 4)), steps)
    coreless = int(params.get("coreless_area", params.get("min_area", 1)))
    labels, count = _add_coreless(labels, mask, count, max(1, coreless))
    return _select(labels, foreground, count, params)


def _seeds(height: Float, mask: Bytes, cores: list[float], least: int, steps: int) -> tuple[Growing, int]:
    """Label the patches above each threshold that hold none above a higher one; also return one more than their number.

    What is smaller than `least` pixels is noise: the growth of its neighbours takes its pixels.
    """
    labels: Growing = np.zeros(mask.shape, np.uint8)
    count = 1
    for threshold in sorted(cores, reverse=True):
        ground = cast("Bytes", cv2.bitwise_and(mask, _above(height, threshold)))
        near = labels
        if count > 1:
            # Growth does not leave its patch: of what it left over, only patches that touch no label are new.
            _spread(labels, ground, steps)
            ground = _left(ground, labels)
            near = cast("Growing", cv2.dilate(labels, _SQUARE))
            if cv2.countNonZero(_left(ground, near)) < max(1, least):
                continue
        number, patches = _connected(ground, 8)
        if count == 1 and least <= 1:  # nothing to leave out and nothing to grow into
            labels, count = patches.astype(_growing(number)), number
            continue
        inside = np.flatnonzero(ground.view(np.bool_))
        ids = patches.ravel()[inside]
        wanted = np.bincount(ids, minlength=number) >= least
        wanted[0] = False
        wanted[ids[near.ravel()[inside] > 0]] = False
        table = _numbers(wanted[1:], count)
        count += int(np.count_nonzero(wanted))
        labels = labels.astype(_growing(count), copy=False)
        labels.ravel()[inside] += table[ids].astype(labels.dtype)
    return labels, count


def _grow(labels: Growing, height: Float, mask: Bytes, top: float, levels: int, steps: int) -> None:
    """Grow the labels over the mask in place, the higher ground first; ``steps`` pixels at each of ``levels``."""
    for level in range(1, levels + 1):
        ground = mask
        if level < levels:
            ground = cast("Bytes", cv2.bitwise_and(mask, _above(height, top * (1 - level / levels))))
        _spread(labels, ground, steps)


def _spread(labels: Growing, ground: Bytes, steps: int) -> None:
    """Grow the labels over the ground in place, by as many pixels as there are steps."""
    before = -1
    free = ground.astype(labels.dtype, copy=False)  # numbers of one kind are compared in a fifth of the time
    for step in range(steps):
        left = _left(free, labels)
        pixels = cv2.countNonZero(left)
        # Square and cross in turn grow an octagon, not a square; what the square does not reach, nothing does.
        if not pixels or (step % 2 == 0 and pixels == before):
            break
        before = pixels
        cv2.copyTo(cv2.dilate(labels, _SQUARE if step % 2 else _CROSS), left, labels)


def _add_coreless(labels: Growing, mask: Bytes, count: int, min_area: int) -> tuple[npt.NDArray[Any], int]:
    """Give foreground that no core reached a label of its own, where it is large enough for a nucleus."""
    rest = _left(mask, labels)
    if cv2.countNonZero(rest) < min_area:
        return labels, count
    extra, rest_labels = _connected(rest, 8)
    # Few pixels are left over: they are visited one by one.
    inside = np.flatnonzero(rest.view(np.bool_))
    ids = rest_labels.ravel()[inside]
    wanted = np.bincount(ids, minlength=extra) >= min_area
    wanted[0] = False
    if not wanted.any():
        return labels, count
    table = _numbers(wanted[1:], count)
    count += int(np.count_nonzero(wanted))
    labels = labels.astype(_growing(count), copy=False)
    labels.ravel()[inside] = table[ids]
    return labels, count
