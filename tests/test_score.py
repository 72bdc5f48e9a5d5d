"""The score of a nucleus: what it follows from, and what it leaves out."""

import dataclasses

import numpy as np
import pytest
from pydantic import ValidationError

from app.inference.instances import Instances
from app.inference.model_card import Model, ModelScore, load_model
from app.inference.runs import runs_of
from app.inference.score import FEATURES, features, probability
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


def test_features_by_hand():
    seen = features(*two_nuclei(), nominal_area_px=100)
    assert seen.shape == (2, len(FEATURES))
    np.testing.assert_allclose(seen[0], [np.log(9), 0.6, 0.1, 0, 0, 0], atol=1e-5)
    np.testing.assert_allclose(seen[1], [np.log(1.5), 0.3, 0, 0.4, np.log(0.25), np.log(0.25) ** 2], atol=2e-4)


def test_no_nuclei_have_no_features():
    seen = features(np.zeros((3, 8, 8), np.float32), found(np.zeros((8, 8), np.int32)), 100)
    assert seen.shape == (0, len(FEATURES))
    assert probability(seen, ModelScore(**WEIGHTS)).shape == (0,)


def test_a_nucleus_without_any_doubt_stays_finite():
    output = np.zeros((3, 5, 5), np.float32)
    output[0] = 1
    seen = features(output, found(np.ones((5, 5), np.int32), 1.0), 25)
    likely = probability(seen, ModelScore(**{**WEIGHTS, "foreground": 1000.0}))
    assert np.isfinite(seen).all() and 0.99 < likely[0] <= 1


@pytest.mark.parametrize(("name", "surer"), [("foreground", 0), ("distance", 0), ("contact", 1), ("size", 0)])
def test_weights_say_what_counts(name, surer):
    likely = probability(features(*two_nuclei(), 100), ModelScore(**{**WEIGHTS, name: 2.0}))
    assert np.argmax(likely) == surer


def test_probability_by_hand():
    calibration = ModelScore(**{**WEIGHTS, "bias": np.log(3)})
    np.testing.assert_allclose(probability(features(*two_nuclei(), 100), calibration), 0.75, rtol=1e-6)


@pytest.mark.parametrize("bad", [{"bias": "much"}, {"bias": float("nan")}, {"contact": 1e9}, {"least": 1.0}])
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
