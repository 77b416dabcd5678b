"""Exact tests that assume no distribution: sign flips of paired differences, permutations of independent runs.

All permutations are tried where there are at most 9,999; else 9,999 are drawn, and p is one part in 10,000 or more.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

PERMUTATIONS = 9_999
Cells = Sequence[Sequence[float] | np.ndarray]


def sign_flip_p(differences: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that paired differences are symmetric about 0. Five seeds have at least 0.0625."""
    return _permute((np.asarray(differences, float),), np.mean, "samples")


def permutation_p(plus: Sequence[float], minus: Sequence[float]) -> float:
    """Two-sided p-value of the hypothesis that two independent groups have one distribution, by the difference of means."""
    return _permute((np.asarray(plus, float), np.asarray(minus, float)), _difference, "independent")


def _permute(data: tuple[np.ndarray, ...], statistic: Callable[..., Any], kind: str) -> float:
    drawn = np.random.default_rng(0)  # the same p for the same runs
    found = stats.permutation_test(data, statistic, permutation_type=kind, n_resamples=PERMUTATIONS, vectorized=True, rng=drawn)
    return float(found.pvalue)


def _difference(plus: np.ndarray, minus: np.ndarray, axis: int = -1) -> Any:
    return np.mean(plus, axis=axis) - np.mean(minus, axis=axis)


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
