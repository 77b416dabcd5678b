"""What a search finds with fewer trials: the score of the best of n, expected over all choices of n of its trials.

Source: Dodge et al. 2019, arXiv:1909.03004. Differs: they draw trials with replacement, which underestimates the best of many
(Tang et al. 2020, arXiv:2004.13705); here a choice has no trial twice, as a search has none, so that the numbers are exact.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import gammaln

MAX_SIZES = 100  # of a curve
SHARE = 0.8  # of the choices of n trials, whose best lies within the range


class Budget(NamedTuple):
    """The best of n trials, for some n.

    Args:
        sizes: [s] The numbers of trials, n.
        expected: [s] The mean score of the best of n; nan where that may have no number.
        low, high: [s] The range that holds the score in 80 % of the choices, without the worst and the best tenth.
    """

    sizes: np.ndarray
    expected: np.ndarray
    low: np.ndarray
    high: np.ndarray


def measure_budget(values: Sequence[float]) -> Budget:
    """The score of the best of n trials, for each n (of more than a hundred, for a hundred of them).

    Args:
        values: The score of each trial, the best first; nan where a trial has none. Such trials are last.
    """
    scores, total = np.asarray(values, float), len(values)
    sizes = np.unique(np.linspace(1, total, min(total, MAX_SIZES)).round().astype(int))
    reached = 1 - _share_without(sizes, total)  # [s, total]
    shares = np.diff(reached, prepend=0.0, axis=1)
    worthless = np.isnan(scores)
    expected = shares[:, ~worthless] @ scores[~worthless]
    expected[shares[:, worthless].sum(1) > 1e-12] = np.nan
    tail = (1 - SHARE) / 2
    best, worst = ((reached < share - 1e-12).sum(1) for share in (tail, 1 - tail))
    ends = np.sort(np.stack([scores[best], scores[worst]]), axis=0)
    return Budget(sizes, expected, *np.where(np.isnan(expected), np.nan, ends))


def _share_without(sizes: np.ndarray, total: int) -> np.ndarray:
    """[s, total] The share of the choices of n trials that have none of the first 1, 2, 3 ... trials."""
    rest, n = total - np.arange(1, total + 1)[None], sizes[:, None]
    possible = rest >= n
    rest = np.where(possible, rest, n)
    logarithm = gammaln(rest + 1) - gammaln(rest - n + 1) - gammaln(total + 1) + gammaln(total - n + 1)
    return np.where(possible, np.exp(logarithm), 0.0)


def average(budgets: Sequence[Budget]) -> Budget:
    """The mean of the curves of searches of the same trials, on several draws of the data."""
    return Budget(budgets[0].sizes, *(np.mean([each[i] for each in budgets], axis=0) for i in (1, 2, 3)))
