"""Ranks of cells: their simultaneous intervals from all pairs, and their mean over data sets with the critical difference."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dlexp.analysis.judge.pairs import ALPHA
from dlexp.analysis.judge.statistics import TINY, correct_holm

MIN_BLOCKS, MIN_CELLS = 5, 3  # data sets and cells that Friedman's test takes here


def bound_ranks(p: np.ndarray, family: int) -> tuple[np.ndarray, np.ndarray]:
    """Simultaneous 95 % intervals of the ranks of k cells; rank 1 is best.

    A cell is below those that are significantly better, and above those that are significantly worse, after Holm's correction
    over both directions of all pairs.

    Args:
        p: [k, k] One-sided p-value of the hypothesis that i is not better than j.
        family: The number of cells that were planned, at least k: comparisons of the others count as not significant.

    Returns:
        The lowest and the highest rank of each cell.

    Source: Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies 91(1), 476-518, section 3.
    """
    count = len(p)
    off = ~np.eye(count, dtype=bool)
    others = [None] * (family * (family - 1) - count * (count - 1))
    corrected = np.ones(p.shape)
    corrected[off] = correct_holm([*p[off].tolist(), *others])[: int(off.sum())]
    better = corrected <= ALPHA
    return 1 + better.sum(0), count - better.sum(1)


@dataclass(frozen=True)
class CriticalDifference:
    """Whether cells differ over data sets, and by how much their mean ranks must differ.

    Args:
        p: p-value of Friedman's test, the hypothesis that all cells have the same mean rank.
        ranks: [k] Mean rank of each cell over the data sets; 1 is best, ties share a rank.
        difference: Mean ranks that differ by more than this are different, by Nemenyi's test at 5 % over all pairs.
        blocks: The number of data sets.
    """

    p: float
    ranks: np.ndarray
    difference: float
    blocks: int

    def find_groups(self) -> list[tuple[float, float]]:
        """The largest groups of two or more cells that are not shown to differ, as their least and greatest mean rank."""
        ordered = np.sort(self.ranks)
        groups: list[tuple[float, float]] = []
        for start, low in enumerate(ordered):
            members = ordered[start:][ordered[start:] - low <= self.difference + TINY]
            if len(members) > 1 and (not groups or members[-1] > groups[-1][1]):
                groups.append((float(low), float(members[-1])))
        return groups


def compare_over_blocks(scores: np.ndarray) -> CriticalDifference | None:
    """Friedman's and Nemenyi's tests over data sets.

    Args:
        scores: [k, data sets], larger is better.

    Returns:
        None with fewer than five data sets or three cells, or where all scores of each data set are equal.

    Source: Demšar 2006, Journal of Machine Learning Research 7, 1-30, section 3.2.2.
    """
    count, blocks = scores.shape
    if count < MIN_CELLS or blocks < MIN_BLOCKS or not np.ptp(scores, axis=0).any():
        return None
    ranks = stats.rankdata(-scores, axis=0).mean(1)
    critical = float(stats.studentized_range.isf(ALPHA, count, np.inf)) / math.sqrt(2)
    difference = critical * math.sqrt(count * (count + 1) / (6 * blocks))
    return CriticalDifference(float(stats.friedmanchisquare(*scores).pvalue), ranks, difference, blocks)
