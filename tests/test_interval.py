"""The interval of a count: it covers what it says on data like those it was fitted on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.interval import count_interval, expected_error, fit_interval
from app.inference.model_card import ModelCalibration


def counts(number, seed, bias=0.05, spread=0.08):
    """True and predicted counts: nuclei missed one by one, and more or fewer of all by a common cause."""
    rng = np.random.default_rng(seed)
    true = rng.integers(1, 300, number)
    found = rng.binomial(true, 0.95) + rng.poisson(0.02 * true)
    predicted = np.maximum(0, np.rint(found * (1 - bias + rng.normal(0, spread, number)))).astype(int)
    return true.tolist(), predicted.tolist()


@pytest.mark.parametrize(("bias", "spread"), [(0.05, 0.08), (0.0, 0.02), (-0.1, 0.15)])
def test_new_images_are_covered_as_promised(bias, spread):
    coverage = []
    for seed in range(20):
        calibration = ModelCalibration(**fit_interval(*counts(80, seed, bias, spread)))
        intervals = [count_interval(n, calibration) for n in counts(300, 1000 + seed, bias, spread)[1]]
        true = counts(300, 1000 + seed, bias, spread)[0]
        coverage.append(np.mean([low <= count <= high for count, (low, high) in zip(true, intervals, strict=True)]))
    assert 0.87 < np.mean(coverage) < 0.97


@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(-50, 50))
def test_the_count_lies_within_its_interval(count, low, high):
    calibration = ModelCalibration(method="conformal", level=0.9, relative=0.1, low=low, high=high, images=20)
    ends = count_interval(count, calibration)
    assert 0 <= ends[0] <= count <= ends[1]


def test_interval_by_hand():
    calibration = ModelCalibration(method="conformal", level=0.9, relative=0.1, low=-1.0, high=2.0, images=50)
    assert expected_error(100, 0.1) == pytest.approx(200**0.5)
    assert count_interval(100, calibration) == (85, 129)  # 100 - 14.1 and 100 + 28.3, outwards
    assert count_interval(0, calibration) == (0, 2)
    assert count_interval(100, None) is None


def test_a_doubtful_count_has_a_wider_interval():
    calibration = ModelCalibration(
        method="conformal", level=0.9, relative=0.1, doubt=2.0, low=-1.0, high=2.0, images=50
    )
    assert expected_error(100, 0.1, 2.0 * 10) == pytest.approx(600**0.5)
    assert count_interval(100, calibration, 10.0) == (75, 149)  # 100 - 24.5 and 100 + 49.0, outwards
    assert count_interval(100, calibration) == (85, 129)


def test_samples_that_are_hard_to_read_are_covered_too():
    rng = np.random.default_rng(0)

    def drawn(number):
        true, hard = rng.integers(50, 300, number), rng.random(number) < 0.3
        missed = np.where(hard, rng.normal(0.25, 0.1, number), rng.normal(0.02, 0.02, number))
        predicted = np.maximum(0, np.rint(true * (1 - missed))).astype(int)
        return true, predicted, predicted * np.where(hard, 0.3, 0.02), hard

    true, predicted, doubts, _ = drawn(400)
    new, found, doubted, hard = drawn(2000)

    def covered(calibration, doubts):
        ends = np.array([count_interval(int(n), calibration, d) for n, d in zip(found, doubts, strict=True)])
        return (ends[:, 0] <= new) & (new <= ends[:, 1]), ends[:, 1] - ends[:, 0]

    knowing = ModelCalibration(**fit_interval(true.tolist(), predicted.tolist(), doubts.tolist()))
    blind = ModelCalibration(**fit_interval(true.tolist(), predicted.tolist()))
    (seen, width), (plain, plain_width) = covered(knowing, doubted), covered(blind, doubted)
    assert min(seen.mean(), plain.mean()) > 0.85
    assert width[~hard].mean() < 0.8 * plain_width[~hard].mean()


def test_few_images_are_not_enough():
    with pytest.raises(ValueError, match="20 images"):
        fit_interval([1] * 19, [1] * 19)
    with pytest.raises(ValueError, match="20 images"):
        fit_interval([1] * 20, [1] * 21)


def test_samples_weigh_the_same_however_many_images_show_them():
    """Twenty images of one sample are one surprise, not twenty; of three samples all errors are needed."""
    true, predicted = [150] * 20 + [100, 90], [100] * 22
    alone = fit_interval(true, predicted)
    assert (alone["groups"], alone["low"]) == (22, pytest.approx(-10 / 200**0.5, abs=1e-4))
    samples = [0] * 20 + [1, 2]
    grouped = fit_interval(true, predicted, groups=samples)
    assert (grouped["images"], grouped["groups"]) == (22, 3)
    assert grouped["high"] == alone["high"] == pytest.approx(50 / 200**0.5, abs=1e-4)
    # Of 39 samples, the one that stands out lies within the 5 % that may: but not its copies' weight.
    errors = [-50] * 20 + list(range(38))
    many = fit_interval([100 + e for e in errors], [100] * 58, groups=[0] * 20 + list(range(1, 39)))
    single = fit_interval([100 + e for e in errors], [100] * 58)
    assert many["low"] > single["low"] == pytest.approx(-50 / 200**0.5, abs=1e-4)


def test_new_samples_of_several_images_are_covered_as_promised():
    rng = np.random.default_rng(0)

    def drawn(samples):
        common, images = rng.normal(0, 0.15, samples), rng.integers(1, 9, samples)
        of = np.repeat(np.arange(samples), images)
        true = rng.integers(50, 300, len(of))
        return true, np.rint(true * (1 + common[of])).astype(int), of

    inside = []
    for _ in range(60):
        true, predicted, of = drawn(40)
        calibration = ModelCalibration(**fit_interval(true, predicted, groups=of))
        new, counted, _ = drawn(40)
        ends = [count_interval(int(n), calibration) for n in counted]
        inside.append(np.mean([low <= count <= high for count, (low, high) in zip(new, ends, strict=True)]))
    assert 0.88 < np.mean(inside) < 0.97
