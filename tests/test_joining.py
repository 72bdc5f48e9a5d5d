"""Pieces are joined to nuclei: trees worked by hand, and what must hold of any image."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inference.instances import find, relief
from app.inference.joining import best, contacts, merge_tree
from app.inference.runs import runs_of
from app.inference.score import candidates

CORES = {
    "method": "cores",
    "foreground": 0.5,
    "core": [0.2, 0.4, 0.6],
    "contact_weight": 0.3,
    "min_core_area": 1,
    "min_area": 1,
    "levels": 2,
    "steps": 3,
}


def row_of_three():
    """Three pieces in a row; the dip between the first two is the shallower one."""
    labels = np.zeros((4, 9), np.int32)
    labels[:, :3], labels[:, 3:6], labels[:, 6:] = 1, 2, 3
    values = np.ones((4, 9), np.float32)
    values[:, 2:4], values[:, 5:7] = 0.7, 0.2
    values[0, 2:4], values[0, 5:7] = 0.8, 0.5
    return labels, values


def touching_in(labels, values):
    return contacts(labels, runs_of(labels), values)


def tree_of_three(largest=100.0):
    touching = touching_in(*row_of_three())
    return touching, merge_tree(touching, np.full(3, 12.0), largest)


def test_contacts_by_hand():
    touching, _ = tree_of_three()
    assert list(zip(touching.first, touching.second, strict=True)) == [(0, 1), (1, 2)]
    np.testing.assert_allclose(touching.length, [4, 4])
    np.testing.assert_allclose(touching.height, [0.8 + 3 * 0.7, 0.5 + 3 * 0.2], rtol=1e-6)
    np.testing.assert_allclose(touching.saddle, [0.8, 0.5], rtol=1e-6)


def test_contacts_are_the_same_upright_and_lying():
    labels, values = row_of_three()
    lying, upright = touching_in(labels, values), touching_in(labels.T.copy(), values.T.copy())
    for name in ("first", "second", "length", "height", "saddle"):
        np.testing.assert_allclose(getattr(lying, name), getattr(upright, name))


def test_the_shallowest_dip_is_joined_first():
    touching, tree = tree_of_three()
    assert tree.pieces == 3 and len(tree) == 5
    assert tree.parent.tolist() == [3, 3, 4, 4, 5, 5]
    assert [sorted(pair) for pair in tree.children.tolist()] == [[0, 1], [2, 3]]
    assert tree.rank.tolist() == [1, 2]
    np.testing.assert_allclose(tree.sums(np.array([1.0, 10, 100])), [1, 10, 100, 11, 111])
    assert tree.joins_of(touching).tolist() == [3, 4]


def test_nothing_is_joined_beyond_the_largest():
    touching, tree = tree_of_three(largest=24.0)
    assert tree.parent.tolist() == [3, 3, 4, 4, 4]
    assert tree.joins_of(touching).tolist() == [3, 4]  # 4: the whole image


@pytest.mark.parametrize(
    ("likely", "nucleus", "chosen"),
    [
        ([0.9, 0.9, 0.9, 0.1, 0.1], [0, 1, 2], [0, 1, 2]),
        ([0.3, 0.3, 0.9, 0.8, 0.1], [1, 1, 0], [2, 3]),
        ([0.3, 0.3, 0.3, 0.3, 0.9], [0, 0, 0], [4]),
        ([0.1, 0.1, 0.9, 0.1, 0.1], [-1, -1, 0], [2]),
        ([0.1, 0.1, 0.1, 0.1, 0.1], [-1, -1, -1], []),
    ],
)
def test_the_best_by_hand(likely, nucleus, chosen):
    found = best(tree_of_three()[1], np.array(likely), 0.2)
    assert [each.tolist() for each in found] == [nucleus, chosen]


def any_output(seed, height, width):
    """A rough landscape, so that there are pieces that touch."""
    rng = np.random.default_rng(seed)
    coarse = rng.random((3, height // 3 + 2, width // 3 + 2))
    return np.kron(coarse, np.ones((3, 3)))[:, :height, :width].astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 30), width=st.integers(1, 30))
def test_any_output_gives_whole_disjoint_nuclei_and_the_same_again(seed, height, width):
    output = any_output(seed, height, width)
    pieces = find(output, CORES)
    tree, seen = candidates(output, pieces, relief(output, CORES), 30)
    assert np.isfinite(seen).all()
    likely = np.random.default_rng(seed).random(len(tree)).astype(np.float32)
    nucleus, chosen = best(tree, likely, 0.3)
    found = pieces.joined(nucleus, likely[chosen])
    numbers = np.unique(found.labels[found.labels > 0])
    assert numbers.tolist() == list(range(1, len(chosen) + 1))
    assert len(found.scores) == len(chosen) and (found.scores >= 0.3).all()
    given = np.concatenate([[-1], nucleus])[pieces.labels]
    np.testing.assert_array_equal(found.labels > 0, given >= 0)
    inside = found.labels > 0
    np.testing.assert_array_equal(found.scores[found.labels[inside] - 1], likely[chosen][given[inside]])
    pairs = {(int(a), int(b)) for a, b in zip(found.labels[inside], given[inside], strict=True)}
    assert len(pairs) == len(chosen)
    firsts = [int(np.flatnonzero(found.labels.ravel() == number)[0]) for number in numbers]
    assert firsts == sorted(firsts)  # numbered from above
    for name in ("label", "row", "column", "length"):
        np.testing.assert_array_equal(getattr(found.runs, name), getattr(runs_of(found.labels), name))
    again = best(*(candidates(output, pieces, relief(output, CORES), 30)[0], likely), 0.3)
    np.testing.assert_array_equal(again[0], nucleus)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), least=st.floats(0, 0.9))
def test_no_other_choice_is_worth_more(seed, least):
    output = any_output(seed, 12, 12)
    pieces = find(output, CORES)
    tree, _ = candidates(output, pieces, relief(output, CORES), 30)
    likely = np.random.default_rng(seed).random(len(tree))
    within = tree.sums(np.eye(tree.pieces)) > 0
    chosen = best(tree, likely, least)[1]
    assert (within[chosen].sum(axis=0) <= 1).all()
    worth = float((likely[chosen] - least).sum())
    some = list(range(len(tree)))[-8:]
    for number in range(len(some) + 1):
        for others in itertools.combinations(some, number):
            if (within[list(others)].sum(axis=0) <= 1).all():
                assert worth >= float((likely[list(others)] - least).sum()) - 1e-9
