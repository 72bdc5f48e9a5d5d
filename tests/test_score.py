"""The score of a nucleus: what it follows from, and what it leaves out."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from app.inference.instances import Instances, find
from app.inference.model_card import Model, ModelScore, load_model
from app.inference.nuclei import nuclei_in
from app.inference.runs import runs_of
from app.inference.score import FEATURES, candidates, least_likely, probability
from app.inference.segmenter import Segmenter
from tests.test_segmenter import frame, nuclei

WEIGHTS = {"bias": 0.0, **dict.fromkeys(FEATURES, 0.0)}


def found(labels, *scores):
    return Instances(labels, np.array(scores, np.float32), runs_of(labels))


def two_nuclei():
    """An output with one sure nucleus of 100 pixels and one doubtful of 25, and what was found in it."""
    labels = np.zeros((30, 40), np.int32)
    labels[5:15, 5:15], labels[20:25, 30:35] = 1, 2
    output = np.zeros((3, 30, 40), np.float32)
    output[0][labels == 1], output[0][labels == 2] = 0.9, 0.6
    output[1][labels == 1], output[1][labels == 2] = 0.5, 0.3
    output[1][5:15, 5:10] = 0.7
    output[2][labels == 2] = 0.4
    return output, found(labels, 0.9, 0.6)


def seen_in(output, pieces, nominal_area_px=100):
    tree, seen = candidates(output, pieces, output[1], nominal_area_px)
    assert seen.shape == (len(tree), len(FEATURES))
    return [dict(zip(FEATURES, row, strict=True)) for row in seen.tolist()]


def test_features_by_hand():
    first, second = seen_in(*two_nuclei())
    flat = dict.fromkeys(FEATURES, 0.0)
    # The ellipse with a square's moments has pi/3 times its area.
    square = {**flat, "roundness": np.log(3 / np.pi)}
    assert first == pytest.approx(
        {**square, "foreground": np.log(9), "distance": 0.6, "spread": 0.1, "peak": 0.7, "size_here": np.log(2)},
        abs=1e-5,
    )
    quarter = {"size": np.log(0.25), "size_squared": np.log(0.25) ** 2, "size_here": -np.log(2)}
    assert second == pytest.approx(
        {**square, "foreground": np.log(1.5), "distance": 0.3, "peak": 0.3, **quarter}, abs=2e-4
    )


def halves():
    """One oblong of 10 x 20 pixels, cut into halves that are 0.8 high in the middle and 0.4 and 0.5 along the cut."""
    labels = np.zeros((20, 30), np.int32)
    labels[5:15, 5:15], labels[5:15, 15:25] = 1, 2
    output = np.zeros((3, 20, 30), np.float32)
    output[0][labels > 0] = 0.9
    output[1][labels > 0] = 0.8
    output[1][5:15, 14:16] = 0.4
    output[1][5, 14:16] = 0.5
    return output, found(labels, 0.9, 0.9)


def test_features_of_a_join_by_hand():
    left, right, both = seen_in(*halves())
    assert left == pytest.approx(right)
    assert left["outer_saddle"] == pytest.approx(0.5)
    assert left["contact"] == pytest.approx(1)
    assert [left[name] for name in ("joined", "cut_depth", "saddle_depth", "cut_length", "lesser")] == [0] * 5
    assert both["joined"] == 1
    assert both["cut_depth"] == pytest.approx(0.8 - 0.41)
    assert both["saddle_depth"] == pytest.approx(0.8 - 0.5)
    assert both["cut_length"] == pytest.approx(10 / 200**0.5)
    assert both["lesser"] == pytest.approx(0.5)
    assert both["contact"] == both["outer_saddle"] == both["size_here"] == 0
    assert both["elongation"] == pytest.approx(-np.log(2))
    assert both["roundness"] == pytest.approx(left["roundness"])  # an oblong is as round as a square ...
    assert both["roundness_lost"] == pytest.approx(0, abs=1e-9)  # ... so nothing is lost
    assert both["size"] == pytest.approx(np.log(2))


def test_no_nuclei_have_no_features():
    nothing = found(np.zeros((8, 8), np.int32))
    tree, seen = candidates(np.zeros((3, 8, 8), np.float32), nothing, np.zeros((8, 8), np.float32), 100)
    assert len(tree) == 0 and seen.shape == (0, len(FEATURES))
    assert probability(seen, ModelScore(**WEIGHTS)).shape == (0,)


def test_a_nucleus_without_any_doubt_stays_finite():
    output = np.zeros((3, 5, 5), np.float32)
    output[0] = 1
    _, seen = candidates(output, found(np.ones((5, 5), np.int32), 1.0), output[1], 25)
    likely = probability(seen, ModelScore(**{**WEIGHTS, "foreground": 1000.0}))
    assert np.isfinite(seen).all() and 0.99 < likely[0] <= 1


def test_a_single_pixel_has_finite_features():
    output = np.ones((3, 4, 4), np.float32)
    labels = np.zeros((4, 4), np.int32)
    labels[2, 1] = 1
    assert np.isfinite(list(seen_in(output, found(labels, 0.9))[0].values())).all()


@pytest.mark.parametrize(("name", "surer"), [("foreground", 0), ("distance", 0), ("size", 0), ("size_squared", 1)])
def test_weights_say_what_counts(name, surer):
    output, pieces = two_nuclei()
    likely = probability(candidates(output, pieces, output[1], 100)[1], ModelScore(**{**WEIGHTS, name: 2.0}))
    assert np.argmax(likely) == surer


def test_probability_by_hand():
    calibration = ModelScore(**{**WEIGHTS, "bias": np.log(3)})
    output, pieces = two_nuclei()
    np.testing.assert_allclose(probability(candidates(output, pieces, output[1], 100)[1], calibration), 0.75, rtol=1e-6)


def test_less_is_asked_for_where_more_is_covered():
    labels = np.zeros((20, 20), np.int32)
    labels[:, :10] = 1
    assert least_likely(ModelScore(**WEIGHTS, least=0.4), found(labels, 0.9)) == pytest.approx(0.4)
    crowded = ModelScore(**WEIGHTS, least=0.4, crowding=2.0)
    assert least_likely(crowded, found(labels, 0.9)) == pytest.approx(0.4 / np.e)
    assert least_likely(crowded, found(np.zeros((20, 20), np.int32))) == pytest.approx(0.4)


@pytest.mark.parametrize(("bias", "nuclei_there"), [(-1.0, 1), (1.0, 2)])
def test_halves_are_one_nucleus_or_two_whichever_is_likelier(bias, nuclei_there):
    """The join has even odds, and each half e to the `bias`."""
    output, _ = halves()
    weights = {**WEIGHTS, "bias": bias, "joined": -bias}
    card = load_model("fast").card.model_copy(update={"score": ModelScore(**weights, least=0.3)})
    decoded = nuclei_in(np.concatenate([output[:2], output[:1] * 0]), card)
    assert len(decoded.scores) == decoded.labels.max() == nuclei_there


@pytest.mark.parametrize(
    "bad", [{"bias": "much"}, {"bias": float("nan")}, {"contact": 1e9}, {"least": 1.0}, {"crowding": -1}]
)
def test_a_card_with_impossible_weights_is_refused(bad):
    with pytest.raises(ValidationError):
        ModelScore(**{**WEIGHTS, **bad})


def with_score(**weights) -> Model:
    model = load_model("fast")
    card = model.card.model_copy(update={"score": ModelScore(**{**WEIGHTS, **weights})})
    return dataclasses.replace(model, card=card)


def test_what_is_not_likely_enough_is_left_out():
    pixels, truth = nuclei()
    pixels[:60, :60] = 15  # and one corner holds nothing
    everything = Segmenter(with_score(size=2.0), provider="cpu").segment(frame(pixels, 0.65))
    scores = np.sort(everything.nuclei["score"])
    assert 10 < everything.count <= truth.max()
    least = float(scores[4] + scores[5]) / 2
    fewer = Segmenter(with_score(size=2.0, least=least), provider="cpu").segment(frame(pixels, 0.65))
    assert fewer.count == everything.count - 5
    assert fewer.nuclei["score"].min() >= least
    assert fewer.labels.max() == fewer.count == len(np.unique(fewer.labels)) - 1


def test_a_model_without_weights_scores_by_its_foreground():
    model = load_model("fast")
    plain = dataclasses.replace(model, card=model.card.model_copy(update={"score": None}))
    found = Segmenter(plain, provider="cpu").segment(frame(nuclei()[0], 0.65))
    assert found.nuclei["score"].min() > 0.6


def test_a_coarse_field_is_cut_at_one_threshold_and_nothing_is_joined(monkeypatch):
    card = load_model("fast").card
    cores = card.decode["core"]
    y, x = np.mgrid[:80, :80]
    # Two discs whose saddle, 0.5, lies between the upper two thresholds.
    two = np.clip(np.maximum(*(1 - np.hypot(y - 40, x - middle) / 24 for middle in (28, 52))), 0, 1)
    output = np.stack([two > 0, two, np.zeros_like(two)]).astype(np.float32)
    assert find(output, {**card.decode, "core": cores}).labels.max() == 2
    middle = find(output, {**card.decode, "core": float(np.median(cores))})
    assert middle.labels.max() == 1

    def asked(*_):
        raise AssertionError("whether pieces are one nucleus")

    monkeypatch.setattr("app.inference.score.contacts", asked)
    with pytest.raises(AssertionError, match="one nucleus"):
        nuclei_in(output, card)
    assert nuclei_in(output, card, 1.01).labels.max() <= 1
