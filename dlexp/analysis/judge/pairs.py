"""Compare all pairs of cells, each with its own standard error, by t tests or, where runs failed to learn, by ranks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dlexp.analysis.judge.draws import Outcomes
from dlexp.analysis.judge.failures import rank_sides
from dlexp.analysis.judge.permutation import least_p
from dlexp.analysis.judge.statistics import LEVEL, TINY

ALPHA = 1 - LEVEL


@dataclass(frozen=True)
class Pairs:
    """The comparisons of k cells; row i and column j are about cell i minus cell j, and larger is better.

    Args:
        by_means: [k] Whether all runs of a cell learned. Two such cells are compared by their means, others by ranks.
        estimate, se, df: [k, k] Difference of the means, its standard error and degrees of freedom; nan where ranks compare.
        p: [k, k] One-sided p-value of the hypothesis that i is not better than j; 1 on the diagonal.
        least: [k, k] The least one-sided p-value that an exact test of the pair can have.
    """

    by_means: np.ndarray
    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray
    p: np.ndarray
    least: np.ndarray

    def half_widths(self, alpha: float) -> np.ndarray:
        """[k, k] How far each difference of means may be from its estimate, on one side with this probability of an error.

        Where all seeds have the same difference there is no spread to estimate. An exact test alone speaks then: the width is
        infinite if it cannot reach this probability.
        """
        with np.errstate(invalid="ignore"):
            widths = stats.t.isf(alpha, self.df) * self.se
            equal = (np.abs(self.estimate) <= TINY) | (self.least <= alpha)
        return np.where(self.se == 0, np.where(equal, 0.0, np.inf), widths)


def compare_all(cells: Sequence[Outcomes], seeds: Sequence[Sequence[int]], *, paired: bool, family: int) -> Pairs:
    """Compare all pairs of cells.

    Args:
        cells: The outcomes of each cell at its seeds, none missing; a larger value is better, None is a failed run.
        seeds: The seeds of each cell, at least two; where the study is paired all cells have the same.
        paired: Whether the cells are compared seed by seed.
        family: The number of comparisons of a cell with others. A test of ranks that cannot be significant among so many has
            the p-value 1.
    """
    by_means = np.array([all(cell[seed] is not None for seed in own) for cell, own in zip(cells, seeds, strict=True)])
    shape = (len(cells), len(cells))
    estimate, se, df, p = np.full(shape, np.nan), np.full(shape, np.nan), np.full(shape, np.nan), np.ones(shape)
    least = np.array([[least_p(len(a)) if paired else least_p(len(a), len(b)) for b in seeds] for a in seeds]) / 2
    values = [np.array([cell[seed] for seed in own], float) for cell, own in zip(cells, seeds, strict=True)]
    places = np.flatnonzero(by_means)
    block = np.ix_(places, places)
    if len(places):
        moments = _compare_paired if paired else _compare_independent
        estimate[block], se[block], df[block] = moments([values[i] for i in places])
        with np.errstate(divide="ignore", invalid="ignore"):
            tested = stats.t.sf(estimate / se, df)
        p[block] = np.where(se == 0, np.where(estimate > TINY, least, 1.0), tested)[block]
        p[np.diag_indices(len(cells))] = 1.0
    for i in range(len(cells)):
        for j in range(i):
            if not (by_means[i] and by_means[j]) and least[i, j] * family <= ALPHA:
                union = sorted({*seeds[i], *seeds[j]})
                ranked = rank_sides([cells[i]], [cells[j]], union, in_blocks=paired, rising=True)
                winner = (i, j) if ranked.sign > 0 else (j, i)
                p[winner] = ranked.p / 2 if ranked.sign else 1.0
    return Pairs(by_means, estimate, se, df, p, least)


def _compare_paired(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean difference over seeds, standard error and degrees of freedom, each [k, k]."""
    table = np.stack(values)  # [cell, seed]
    differences = table[:, None] - table[None, :]
    sd = differences.std(-1, ddof=1)
    sd[sd <= TINY * np.maximum(1.0, np.abs(differences).max(-1))] = 0.0
    n = table.shape[1]
    return differences.mean(-1), sd / np.sqrt(n), np.full(sd.shape, n - 1.0)


def _compare_independent(values: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Difference of means, Welch's standard error and Satterthwaite's degrees of freedom, each [k, k]."""
    means, sizes = np.array([each.mean() for each in values]), np.array([len(each) for each in values])
    sd = np.array([each.std(ddof=1) for each in values])
    sd[sd <= TINY * np.maximum(1.0, [np.abs(each).max() for each in values])] = 0.0
    parts = sd**2 / sizes
    variance = parts[:, None] + parts[None, :]
    weights = parts**2 / (sizes - 1)
    with np.errstate(invalid="ignore"):
        df = variance**2 / (weights[:, None] + weights[None, :])
    return means[:, None] - means[None, :], np.sqrt(variance), df
