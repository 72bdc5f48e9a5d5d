"""Which pieces of an image are nuclei of their own, and which are parts of one. Pure.

Cut at every dip of the distance map, touching nuclei fall apart, and so do textured, bent and dividing ones. So the
pieces are joined again, two at a time, those with the shallowest dip between them first: the merge tree. Every piece
and every join is a candidate for a nucleus; `app.inference.score` says how likely each one is; and `best` picks those,
none within another, whose probabilities are the highest together.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.inference.runs import Runs

Whole = NDArray[np.intp]
Real = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Contacts:
    """Where pieces touch, one entry per pair.

    Attributes
    ----------
    first, second : ndarray of intp, shape (E,)
        The two pieces, from 0 on.
    length : ndarray of float64, shape (E,)
        Pairs of pixels, one of either piece, side by side or one above the other.
    height : ndarray of float64, shape (E,)
        The lower value of each such pair, summed.
    saddle : ndarray of float64, shape (E,)
        The highest of the lower values: how deep the dip between the two is at its shallowest.
    """

    first: Whole
    second: Whole
    length: Real
    height: Real
    saddle: Real


NO_CONTACTS = Contacts(np.zeros(0, np.intp), np.zeros(0, np.intp), np.zeros(0), np.zeros(0), np.zeros(0))
"""Of pieces that are nuclei each."""


def contacts(labels: NDArray[Any], runs: Runs, values: NDArray[np.float32]) -> Contacts:
    """Return where the pieces `labels`, shape (h, w), touch, and how high `values` are there.

    `runs` are those of the labels.
    """
    width = labels.shape[1]
    here, label = runs.row * width + runs.column, runs.label.astype(np.intp)
    # Side by side: a run begins where another ends. One above the other: both inside, of different pieces.
    beside = np.flatnonzero((here[:-1] + runs.length[:-1] == here[1:]) & (runs.row[:-1] == runs.row[1:]))
    flat, values_flat = labels.ravel(), values.ravel()
    at, under = labels[:-1], labels[1:]
    above = np.flatnonzero((at != under) & (np.minimum(at, under) > 0))
    one = np.concatenate([label[beside], flat[above]]) - 1
    other = np.concatenate([label[beside + 1], flat[above + width]]) - 1
    right = here[beside + 1]
    low = np.minimum(
        values_flat[np.concatenate([right - 1, above])], values_flat[np.concatenate([right, above + width])]
    )
    count = int(label.max(initial=0))
    pair, place = np.unique(np.minimum(one, other) * count + np.maximum(one, other), return_inverse=True)
    length = np.bincount(place, minlength=len(pair)).astype(np.float64)
    first, second = np.divmod(pair, max(count, 1))
    saddle = np.full(len(pair), -np.inf, low.dtype)
    np.maximum.at(saddle, place, low)
    height = np.bincount(place, low.astype(np.float64), len(pair)).astype(np.float64)
    return Contacts(first, second, length, height, saddle.astype(np.float64))


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """The candidates: the pieces 0…N-1, then the joins N…M-1, each after what it joins.

    Attributes
    ----------
    parent : ndarray of intp, shape (M + 1,)
        The join that each candidate is part of; M, which stands for the whole image, where there is none.
    children : ndarray of intp, shape (M - N, 2)
        What each join joins.
    rank : ndarray of intp, shape (M - N,)
        1 for a join of pieces, else one more than that of the higher of what it joins.
    """

    parent: Whole
    children: Whole
    rank: Whole

    def __len__(self) -> int:
        """Return the number of candidates."""
        return len(self.parent) - 1

    @property
    def pieces(self) -> int:
        """How many candidates are pieces."""
        return len(self) - len(self.children)

    def rounds(self) -> Iterator[tuple[Whole, Whole, Whole]]:
        """Yield joins with the first and the second of what each joins, round by round from the pieces up."""
        for rank in range(1, int(self.rank.max(initial=0)) + 1):
            joins = np.flatnonzero(self.rank == rank)
            yield joins + self.pieces, self.children[joins, 0], self.children[joins, 1]

    def sums(self, values: NDArray[Any]) -> Real:
        """Return for every candidate the sum of `values`, shape (N, ...) or (M, ...), over all that is within it."""
        total = np.zeros((len(self), *values.shape[1:]))
        total[: len(values)] = values
        for joins, first, second in self.rounds():
            total[joins] += total[first] + total[second]
        return total

    def joins_of(self, touching: Contacts) -> Whole:
        """Return for each contact the join that brings its two pieces together; M where none does."""
        first, second = touching.first, touching.second
        while (apart := first != second).any():
            # A join comes after what it joins: the lower number of two is the one to climb from.
            climb = first < second
            first, second = (
                np.where(apart & climb, self.parent[first], first),
                np.where(apart & ~climb, self.parent[second], second),
            )
        return first


def merge_tree(touching: Contacts, area: Real, largest: float) -> Tree:
    """Return the tree of joins, those across the highest saddles first.

    Parameters
    ----------
    touching : Contacts
    area : ndarray of float64, shape (N,)
        Of the pieces.
    largest : float
        Nothing larger is joined; it keeps the tree of a whole tissue shallow.
    """
    order = np.argsort(-touching.saddle, kind="stable")
    number, size = len(area), area.tolist()
    parent, root, rank = list(range(number)), list(range(number)), [0] * number
    children: list[tuple[int, int]] = []

    def top(node: int) -> int:
        while root[node] != node:
            root[node] = node = root[root[node]]
        return node

    for one, other in zip(touching.first[order].tolist(), touching.second[order].tolist(), strict=True):
        first, second = top(one), top(other)
        if first == second or size[first] + size[second] > largest:
            continue
        join = len(parent)
        root[first] = root[second] = parent[first] = parent[second] = join
        parent.append(join)
        root.append(join)
        size.append(size[first] + size[second])
        rank.append(1 + max(rank[first], rank[second]))
        children.append((first, second))
    above = np.array([*parent, len(parent)], np.intp)
    above[above == np.arange(len(above))] = len(parent)
    return Tree(above, np.array(children, np.intp).reshape(-1, 2), np.array(rank[number:], np.intp))


def best(tree: Tree, likely: NDArray[np.floating[Any]], least: float) -> tuple[Whole, Whole]:
    """Return the candidates, none within another, for which the sum of probability less `least` is highest.

    Parameters
    ----------
    likely : ndarray of float, shape (M,)
        Probability that each candidate is a nucleus.
    least : float
        What is less likely is left out.

    Returns
    -------
    nucleus : ndarray of intp, shape (N,)
        The nucleus, from 0 on, that each piece is part of; -1 where it is left out.
    chosen : ndarray of intp, shape (nuclei,)
        The candidate that each nucleus is.
    """
    gain = likely.astype(np.float64) - least
    worth = np.maximum(gain, 0)
    rounds = list(tree.rounds())
    for joins, first, second in rounds:
        worth[joins] = np.maximum(worth[joins], worth[first] + worth[second])
    whole = np.where((gain >= worth) & (gain >= 0), np.arange(len(tree)), -1)
    for joins, first, second in reversed(rounds):
        for part in (first, second):
            whole[part] = np.where(whole[joins] >= 0, whole[joins], whole[part])
    whole = whole[: tree.pieces]
    chosen, nucleus = np.unique(np.append(whole, -1), return_inverse=True)
    return nucleus[:-1] - 1, chosen[1:]
