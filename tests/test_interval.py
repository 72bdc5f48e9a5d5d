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


def test_few_images_are_not_enough():
    with pytest.raises(ValueError, match="20 images"):
        fit_interval([1] * 19, [1] * 19)
    with pytest.raises(ValueError, match="20 images"):
        fit_interval([1] * 20, [1] * 21)
