"""Compare two sides of which some runs failed to learn or are missing.

Failed runs rank below all others. A missing run could have had any result: it ranks last in one case and first in the other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dlexp.analysis.judge.permutation import align, permutation_p, rank, sign_flip_p
from dlexp.analysis.judge.statistics import LEVEL, Rate

Outcomes = Mapping[int, float | None]  # seed → metric, None where the run failed to learn; a missing run has no entry


@dataclass(frozen=True)
class Ranked:
    """The test of the ranks.

    Args:
        p: Its two-sided p-value, the larger one of the best and the worst case; 1 where these differ in direction.
        sign: 1 where plus ranks higher, -1 where minus does, 0 where neither or where the cases differ.
        agrees: Whether the best and the worst case have the same direction; true where no run is missing.
    """

    p: float
    sign: int
    agrees: bool


def rank_sides(
    plus: Sequence[Outcomes], minus: Sequence[Outcomes], seeds: Sequence[int], *, paired: bool, rising: bool
) -> Ranked:
    """Test whether one side ranks higher, by the size of the metric.

    Args:
        plus: The cells of the first side.
        minus: Those of the second, as many, each to be compared with the one in its place.
        seeds: All that were planned.
        paired: Whether signs are flipped seed by seed; else runs are permuted.
        rising: Whether a larger value is better, so that a failed run ranks as the smallest and not as the largest.
    """
    complete = all(seed in cell for cell in [*plus, *minus] for seed in seeds)
    cases = []
    for missing in [math.inf] if complete else [math.inf, -math.inf]:
        filled = [_fill(side, seeds, value, rising=rising) for side, value in ((plus, missing), (minus, -missing))]
        ranks = rank(filled)
        if paired:
            differences = np.mean(ranks[0], axis=0) - np.mean(ranks[1], axis=0)
            cases.append((sign_flip_p(differences.tolist()), int(np.sign(differences.mean()))))
        else:
            groups = align(*ranks)
            cases.append((permutation_p(*groups), int(np.sign(np.mean(groups[0]) - np.mean(groups[1])))))
    signs = {sign for _, sign in cases}
    return Ranked(max(p for p, _ in cases), signs.pop(), True) if len(signs) == 1 else Ranked(1.0, 0, False)


def _fill(cells: Sequence[Outcomes], seeds: Sequence[int], missing: float, *, rising: bool) -> list[list[float]]:
    failed = -math.inf if rising else math.inf
    found = [[cell.get(seed, missing) for seed in seeds] for cell in cells]
    return [[failed if value is None else value for value in values] for values in found]


def measure_rate(cells: Sequence[Outcomes]) -> Rate:
    """How many of a side's runs learned; at least one run is not missing."""
    values = [value for cell in cells for value in cell.values()]
    learned = sum(value is not None for value in values)
    interval = stats.binomtest(learned, len(values)).proportion_ci(LEVEL)
    return Rate(learned, len(values), float(interval.low), float(interval.high))


def compare_rates(plus: Sequence[Outcomes], minus: Sequence[Outcomes], *, paired: bool) -> float:
    """Two-sided p-value of equal rates of learning: McNemar's exact test (paired), or Barnard's (independent).

    A seed of a paired side counts as learned if the runs of all its cells learned.
    """
    if not paired:
        rates = [measure_rate(side) for side in (plus, minus)]
        table = [[rate.learned for rate in rates], [rate.runs - rate.learned for rate in rates]]
        return float(stats.barnard_exact(table).pvalue) if all(map(any, table)) else 1.0
    seeds = set.intersection(*(set(cell) for cell in [*plus, *minus]))
    sides = [{seed: all(cell[seed] is not None for cell in side) for seed in seeds} for side in (plus, minus)]
    differ = [seed for seed in seeds if sides[0][seed] != sides[1][seed]]
    return float(stats.binomtest(sum(sides[0][seed] for seed in differ), len(differ)).pvalue) if differ else 1.0
