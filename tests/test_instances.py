"""Decoding of network outputs: hand-made maps with known answers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import ModelError
from app.inference.instances import Instances, decode, find, relief
from app.inference.runs import runs_of
from app.inference.score import candidates

CORES = {
    "method": "cores",
    "foreground": 0.5,
    "core": 0.4,
    "contact_weight": 0.3,
    "min_core_area": 3,
    "min_area": 20,
    "min_score": 0.5,
    "levels": 4,
    "steps": 3,
}


def discs(shape: tuple[int, int], circles: list[tuple[float, float, float]]) -> np.ndarray:
    """Return a perfect network's output (foreground, distance, contact) for discs (y, x, radius)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    depth = np.stack([1 - np.hypot(y - cy, x - cx) / r for cy, cx, r in circles])
    distance = np.clip(depth.max(axis=0), 0, 1)
    contact = (np.sort(depth, axis=0)[-2] > 0) if len(circles) > 1 else np.zeros(shape)
    return np.stack([distance > 0, distance, contact]).astype(np.float32)


def test_touching_discs_are_split_and_keep_their_areas() -> None:
    output = discs((80, 120), [(40, 40, 15), (40, 69, 15)])
    labels = decode(output, CORES)
    assert labels.dtype == np.int32
    assert labels.max() == 2
    assert labels[40, 40] != labels[40, 69]
    areas = np.bincount(labels.ravel())[1:]
    np.testing.assert_allclose(areas, np.pi * 15**2, rtol=0.06)
    assert ((labels > 0) == (output[0] > 0.5)).all()


def test_a_small_nucleus_beside_a_large_one_keeps_its_own_pixels() -> None:
    labels = decode(discs((100, 140), [(50, 50, 30), (50, 89, 9)]), CORES)
    areas = np.sort(np.bincount(labels.ravel())[1:])
    np.testing.assert_allclose(areas, [np.pi * 81, np.pi * 900], rtol=0.1)


def test_higher_thresholds_cut_what_falls_apart_there() -> None:
    """Two discs that overlap are one core at 0.4 and two at 0.7; with both thresholds nothing of either is lost."""
    output = discs((80, 120), [(40, 45, 15), (40, 62, 15)])
    params = {**CORES, "contact_weight": 0.0}
    assert decode(output, params).max() == 1
    labels = decode(output, {**params, "core": [0.4, 0.7]})
    assert labels.max() == 2
    assert ((labels > 0) == (output[0] > 0.5)).all()
    low = discs((80, 120), [(40, 45, 15), (40, 90, 9)])
    low[1, :, 75:] *= 0.6  # a core of its own at the lower threshold alone
    assert decode(low, {**params, "core": [0.4, 0.7]}).max() == 2


def test_a_bent_nucleus_stays_whole() -> None:
    y, x = np.mgrid[:100, :100]
    radius = np.hypot(y - 50, x - 50)
    bend = (np.abs(radius - 25) < 7) & (x < 60)
    distance = np.where(bend, 1 - np.abs(radius - 25) / 7, 0)
    labels = decode(np.stack([bend, distance, np.zeros_like(distance)]).astype(np.float32), CORES)
    assert labels.max() == 1
    assert ((labels == 1) == bend).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (16, 16), (48, 64)])
def test_nothing_in_nothing_out(shape: tuple[int, int]) -> None:
    found = find(np.zeros((3, *shape), np.float32), CORES)
    labels = found.labels
    assert labels.shape == shape
    assert labels.max() == 0
    assert found.scores.shape == (0,)


def test_growth_does_not_cross_a_gap() -> None:
    """Foreground that no core stands in is a nucleus of its own, never part of one across the background."""
    output = discs((60, 100), [(30, 30, 12)])
    output[0, 25:35, 46:60] = 1
    output[1, 25:35, 46:60] = 0.2
    labels = decode(output, CORES)
    assert labels.max() == 2
    assert labels[30, 30] != labels[30, 52]


def test_small_and_uncertain_objects_are_left_out() -> None:
    output = discs((60, 120), [(30, 20, 10), (30, 60, 2), (30, 95, 10)])
    output[0, :, 80:] *= 0.6
    assert decode(output, {**CORES, "min_score": 0.0}).max() == 2
    labels = decode(output, {**CORES, "min_score": 0.7})
    assert labels.max() == 1
    assert labels[30, 20] == 1


def test_score_is_the_mean_foreground_probability() -> None:
    output = discs((40, 100), [(20, 25, 10), (20, 75, 10)])
    output[0, :, 50:] *= 0.8
    found = find(output, CORES)
    labels, scores = found.labels, found.scores
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[[labels[20, 25] - 1, labels[20, 75] - 1]], [1.0, 0.8], rtol=1e-5)


def test_components_join_what_touches() -> None:
    """What the paper's binary mask can do, and what it cannot."""
    output = discs((80, 140), [(40, 30, 15), (40, 59, 15), (40, 110, 15)])[:1]
    labels = decode(output, {"method": "components", "foreground": 0.5, "min_area": 5})
    assert labels.max() == 2
    assert labels[40, 30] == labels[40, 59]


@pytest.mark.parametrize("largest", [3, 70_000])
def test_chosen_nuclei_are_numbered_anew(largest: int) -> None:
    labels = np.array([[0, 1, 2, largest, largest]], np.int32)
    nuclei = Instances(labels, np.arange(largest, dtype=np.float32), runs_of(labels))
    wanted = np.zeros(largest, bool)
    wanted[[0, largest - 1]] = True
    chosen = nuclei.of(wanted)
    np.testing.assert_array_equal(chosen.labels, [[0, 1, 0, 2, 2]])
    np.testing.assert_array_equal(chosen.scores, [0, largest - 1])
    assert [chosen.runs.label.tolist(), chosen.runs.length.tolist()] == [[1, 2], [1, 2]]
    rescored = nuclei.of(np.ones(largest, bool), np.ones(largest, np.float32))
    assert rescored.labels is labels and rescored.scores.min() == 1


def test_more_cores_than_16_bits_hold() -> None:
    """A huge tile full of single pixels, each a core of its own."""
    y, x = np.mgrid[:600, :600]
    spots = ((y % 2 == 0) & (x % 2 == 0)).astype(np.float32)
    params = {**CORES, "min_core_area": 1, "min_area": 1}
    assert decode(np.stack([spots, spots]), params).max() == 90_000


@pytest.mark.parametrize("method", ["cores", "components"])
def test_whole_numbers_are_decoded_as_what_they_stand_for(method: str) -> None:
    rng = np.random.default_rng(4)
    noise = np.stack([cv2.GaussianBlur(rng.random((60, 80)).astype(np.float32), (0, 0), 3) for _ in range(3)])
    steps = np.round((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
    # No threshold on a step: there, rounding decides.
    params = {**CORES, "method": method, "core": [0.4013, 0.6013], "contact_weight": 0.3119, "min_score": 0.55}
    whole, parts = find(steps, params), find(steps.astype(np.float32) / np.float32(255), params)
    assert whole.labels.max() > 3
    np.testing.assert_array_equal(whole.labels, parts.labels)
    np.testing.assert_allclose(whole.scores, parts.scores, rtol=1e-6)
    seen = [
        candidates(output, pieces, relief(output, params), 50)[1]
        for output, pieces in ((steps, whole), (steps / np.float32(255), parts))
    ]
    np.testing.assert_allclose(*seen, atol=1e-5)


def plainly(output: np.ndarray, params: dict[str, object]) -> np.ndarray:
    """Return the pieces as the card's thresholds define them, every step on the whole image."""
    mask, height = output[0] > params["foreground"], relief(output, params)
    labels = np.zeros(mask.shape, np.float32)

    def grow(ground: np.ndarray) -> None:
        for step in range(params["steps"]):
            shape = cv2.MORPH_RECT if step % 2 else cv2.MORPH_CROSS
            reach = cv2.dilate(labels, cv2.getStructuringElement(shape, (3, 3)))
            free = ground & (labels == 0)
            labels[free] = reach[free]

    cores = sorted(params["core"], reverse=True)
    for threshold in cores:
        ground = mask & (height > threshold)
        grow_in = np.zeros_like(mask)
        for patch in range(1, (patches := cv2.connectedComponents(ground.astype(np.uint8))[1]).max() + 1):
            here = patches == patch
            if labels[here].any():
                grow_in |= here
            elif here.sum() >= params["min_core_area"]:
                labels[here] = labels.max() + 1
        grow(grow_in)
    for level in range(1, params["levels"] + 1):
        grow(mask & (height > cores[-1] * (1 - level / params["levels"])) if level < params["levels"] else mask)
    rest = cv2.connectedComponents((mask & (labels == 0)).astype(np.uint8))[1]
    for patch in range(1, rest.max() + 1):
        if (rest == patch).sum() >= params["coreless_area"]:
            labels[rest == patch] = labels.max() + 1
    kept = [n for n in range(1, int(labels.max()) + 1) if (labels == n).sum() >= params["min_area"]]
    return np.select([labels == n for n in kept], range(1, len(kept) + 1)) if kept else np.zeros(mask.shape, int)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    cores=st.lists(st.sampled_from([0.1, 0.25, 0.4, 0.55, 0.7]), min_size=1, max_size=4, unique=True),
    sizes=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 20), st.integers(0, 5), st.integers(1, 3)),
    blur=st.floats(0.6, 4),
)
def test_pieces_are_those_of_the_plain_steps(
    seed: int, cores: list[float], sizes: tuple[int, int, int, int, int], blur: float
) -> None:
    """What is left out to save time changes no pixel."""
    rng = np.random.default_rng(seed)
    noise = np.stack([cv2.GaussianBlur(rng.random((40, 60), np.float32), (0, 0), blur) for _ in range(3)])
    output = (noise - noise.min()) / np.ptp(noise)
    names = ("min_core_area", "min_area", "coreless_area", "steps", "levels")
    params = {**CORES, "min_score": 0.0, "core": cores, "foreground": 0.35, **dict(zip(names, sizes, strict=True))}
    np.testing.assert_array_equal(decode(output, params), plainly(output, params))


@pytest.mark.parametrize(("pixels", "count"), [(2, 1), (3, 2)])
def test_a_patch_of_the_lower_threshold_alone_is_a_piece_if_it_is_large_enough(pixels: int, count: int) -> None:
    output = discs((40, 80), [(20, 20, 12)])
    output[0, 18:23, 60:65] = 1
    output[1, 20, 61 : 61 + pixels] = 0.5
    params = {**CORES, "core": [0.4, 0.7], "contact_weight": 0.0, "coreless_area": 40}
    assert decode(output, params).max() == count


def test_growth_goes_on_over_corners() -> None:
    """Where only corners touch, every other step finds nothing to grow into."""
    output = discs((60, 60), [(10, 10, 6)])
    for place in range(14, 20):
        output[:2, place, place] = 1, 0.05
    params = {**CORES, "core": [0.7], "levels": 1, "steps": 30, "coreless_area": 40}
    labels = decode(output, params)
    np.testing.assert_array_equal(labels, plainly(output, params))
    assert labels[19, 19] == 1


@pytest.mark.parametrize(("side", "kind"), [(15, np.uint8), (16, np.uint16), (255, np.uint16), (256, np.int32)])
def test_labels_take_as_many_bits_as_their_number(side: int, kind: type) -> None:
    spot = np.array([[0, 0, 0, 0], [0, 0.3, 0.3, 0], [0, 0.9, 0.3, 0], [0, 0, 0, 0]], np.float32)
    height = np.tile(spot, (side, side))
    params = {**CORES, "min_area": 1, "min_core_area": 1, "core": 0.6, "coreless_area": 9}
    found = find(np.stack([height > 0, height]).astype(np.float32), params)
    assert found.labels.dtype == kind
    assert (np.bincount(found.labels.ravel())[1:] == 4).all()
    assert len(found.scores) == found.labels.max() == side * side


def test_unknown_method_and_missing_channel_are_refused() -> None:
    with pytest.raises(ModelError, match="unknown decoding"):
        decode(np.zeros((1, 4, 4), np.float32), {"method": "stars"})
    with pytest.raises(ModelError, match="distance map"):
        decode(np.zeros((1, 4, 4), np.float32), CORES)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_labels_of_any_output_are_gapless_and_inside_the_foreground(seed: int, height: int, width: int) -> None:
    output = np.random.default_rng(seed).random((3, height, width), dtype=np.float32)
    found = find(output, {**CORES, "min_area": 3})
    labels = found.labels
    present = np.unique(labels)
    assert set(present[present > 0]) == set(range(1, int(labels.max()) + 1))
    assert (output[0][labels > 0] > CORES["foreground"]).all()
    assert (found.scores >= 0.5).all()
    inside = labels > 0
    means = np.bincount(labels[inside], output[0][inside]) / np.maximum(np.bincount(labels[inside]), 1)
    np.testing.assert_allclose(found.scores, means[1:], rtol=1e-6)
    again = runs_of(labels)
    for name in ("label", "row", "column", "length"):
        np.testing.assert_array_equal(getattr(found.runs, name), getattr(again, name))
