"""Exact tests that assume no distribution: sign flips of paired differences, permutations of independent runs.

All permutations are tried where there are at most 9,999; else 9,999 are drawn, and p is one part in 10,000 or more. They are
those of scipy's `permutation_test` with a fixed seed. They are stored, because a report has many tests of as many runs.
"""

import itertools
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import stats

from dlexp.analysis.judge.statistics import TINY

PERMUTATIONS = 9_999
Cells = Sequence[Sequence[float] | np.ndarray]


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that paired differences are symmetric about 0. Five seeds have at least 0.0625."""
    values = np.asarray(differences, float)
    return _find_p(values, float(values.sum()), _list_flips(len(values)))


def permutation_p(plus: Sequence[float], minus: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that two independent groups have one distribution, by the difference of means.

    Of groups with given sizes it grows with the sum of the first.
    """
    values = np.concatenate([np.asarray(plus, float), np.asarray(minus, float)])
    values -= values.mean()
    return _find_p(values, float(values[: len(plus)].sum()), _list_groups(len(plus), len(minus)))


def _find_p(values: np.ndarray, observed: float, weights: np.ndarray) -> float:
    """Where the observed sum is among the sums with the weights of each permutation; a row of weights that is drawn adds it."""
    sums, slack = weights @ values, TINY * float(np.abs(values).sum())  # sums that are equal differ by rounding
    extreme = int(min((sums <= observed + slack).sum(), (sums >= observed - slack).sum()))
    drawn = int(len(weights) == PERMUTATIONS)  # the observed order then counts as one more
    return min(1.0, 2 * (extreme + drawn) / (len(weights) + drawn))


@lru_cache(maxsize=8)
def _list_flips(seeds: int) -> np.ndarray:
    """Signs of so many differences, a row each."""
    if 2**seeds <= PERMUTATIONS:
        return 1.0 - 2 * ((np.arange(2**seeds)[:, None] >> np.arange(seeds)) & 1)
    both = np.tile([1.0, -1.0], (PERMUTATIONS, seeds, 1))
    return np.random.default_rng(0).permuted(both, axis=2)[:, :, 0].copy()  # the same p for the same runs


@lru_cache(maxsize=8)
def _list_groups(plus: int, minus: int) -> np.ndarray:
    """Which of all runs are in the first group (1.0), a row each."""
    runs = plus + minus
    if math.comb(runs, plus) <= PERMUTATIONS:
        chosen = np.array(list(itertools.combinations(range(runs), plus)))
    else:
        random = np.random.default_rng(0)
        chosen = np.array([random.permutation(runs)[:plus] for _ in range(PERMUTATIONS)])
    weights = np.zeros((len(chosen), runs))
    np.put_along_axis(weights, chosen, 1.0, axis=1)
    return weights


def least_p(plus: int, minus: int | None = None) -> float:
    """The least p-value that so many seeds (paired), or runs in two groups (independent), can have.

    >>> least_p(5), round(least_p(5, 5), 4)
    (0.0625, 0.0079)
    """
    count = 2.0**plus if minus is None else float(math.comb(plus + minus, plus))
    return 2 / count if count <= PERMUTATIONS else 2 / (PERMUTATIONS + 1)


def align(plus: Cells, minus: Cells) -> tuple[list[float], list[float]]:
    """All runs of two sides with equally many cells, each less the mean of its cell and the one in the same place.

    Without this, what distinguishes the cells of one side, such as depth, would hide the difference between the sides.
    """
    middles = [float(np.mean(np.asarray(a)) + np.mean(np.asarray(b))) / 2 for a, b in zip(plus, minus, strict=True)]
    first, second = (
        [float(value) - middle for cell, middle in zip(side, middles, strict=True) for value in cell] for side in (plus, minus)
    )
    return first, second


def rank(sides: Sequence[Sequence[Sequence[float]]]) -> list[list[np.ndarray]]:
    """The ranks of all runs among each other, in the shape of the given sides, cells and runs; ties share a rank."""
    cells = [np.asarray(cell, float) for side in sides for cell in side]
    ranks = stats.rankdata(np.concatenate(cells))
    parts = iter(np.split(ranks, np.cumsum([len(cell) for cell in cells])[:-1]))
    return [[next(parts) for _ in side] for side in sides]
