"""Compare two sides of which some runs failed to learn or are missing.

Failed runs rank below all others. A missing run could have had any result: it ranks last in one case and first in the other.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import stats

from dlexp.analysis.judge.draws import Outcomes, Repeat, average_by_block, block_of
from dlexp.analysis.judge.permutation import align, permutation_p, rank, sign_flip_p
from dlexp.analysis.judge.statistics import LEVEL, Rate


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
    plus: Sequence[Outcomes], minus: Sequence[Outcomes], repeats: Sequence[Repeat], *, in_blocks: bool, rising: bool
) -> Ranked:
    """Test whether one side ranks higher, by the size of the metric.

    Args:
        plus: The cells of the first side.
        minus: Those of the second, as many, each to be compared with the one in its place.
        repeats: All that were planned.
        in_blocks: Whether signs are flipped, of seeds or of whole draws of the data; else runs are permuted.
        rising: Whether a larger value is better, so that a failed run ranks as the smallest and not as the largest.
    """
    complete = all(repeat in cell for cell in [*plus, *minus] for repeat in repeats)
    cases = []
    for missing in [math.inf] if complete else [math.inf, -math.inf]:
        filled = [_fill(side, repeats, value, rising=rising) for side, value in ((plus, missing), (minus, -missing))]
        ranks = rank(filled)
        if in_blocks:
            by_repeat = (np.mean(ranks[0], axis=0) - np.mean(ranks[1], axis=0)).tolist()
            differences = list(average_by_block(dict(zip(repeats, by_repeat, strict=True))).values())
            cases.append((sign_flip_p(differences), int(np.sign(np.mean(differences)))))
        else:
            groups = align(*ranks)
            cases.append((permutation_p(*groups), int(np.sign(np.mean(groups[0]) - np.mean(groups[1])))))
    signs = {sign for _, sign in cases}
    return Ranked(max(p for p, _ in cases), signs.pop(), True) if len(signs) == 1 else Ranked(1.0, 0, False)


def _fill(cells: Sequence[Outcomes], repeats: Sequence[Repeat], missing: float, *, rising: bool) -> list[list[float]]:
    failed = -math.inf if rising else math.inf
    found = [[cell.get(repeat, missing) for repeat in repeats] for cell in cells]
    return [[failed if value is None else value for value in values] for values in found]


def measure_rate(cells: Sequence[Outcomes], *, by_draw: bool = False) -> Rate:
    """How many of a side's runs learned, or on how many draws of the data all did; at least one run is not missing.

    The runs on one draw are not independent, so that an interval of their rate would be too narrow.
    """
    values = [value is not None for cell in cells for value in cell.values()]
    if by_draw:
        values = list(_find_learned(cells).values())
    return _bound_rate(sum(values), len(values))


@lru_cache(maxsize=1000)
def _bound_rate(learned: int, runs: int) -> Rate:
    interval = stats.binomtest(learned, runs).proportion_ci(LEVEL)
    return Rate(learned, runs, float(interval.low), float(interval.high))


def compare_rates(plus: Sequence[Outcomes], minus: Sequence[Outcomes], *, in_blocks: bool) -> float:
    """Two-sided p-value of equal rates of learning: McNemar's exact test (paired), or Barnard's (independent).

    A seed of a paired side, or a draw of the data, counts as learned if the runs of all its cells learned.
    """
    if not in_blocks:
        first, second = (measure_rate(side) for side in (plus, minus))
        return _compare_independent(first.learned, first.runs, second.learned, second.runs)
    sides = [_find_learned(side) for side in (plus, minus)]
    differ = [block for block in sides[0].keys() & sides[1].keys() if sides[0][block] != sides[1][block]]
    return float(stats.binomtest(sum(sides[0][block] for block in differ), len(differ)).pvalue) if differ else 1.0


@lru_cache(maxsize=1000)
def _compare_independent(first: int, first_runs: int, second: int, second_runs: int) -> float:
    """Barnard's p-value of two rates, a search that takes tens of milliseconds; 1 where all runs learned or none did."""
    table = [[first, second], [first_runs - first, second_runs - second]]
    return float(stats.barnard_exact(table).pvalue) if all(map(any, table)) else 1.0


def _find_learned(cells: Sequence[Outcomes]) -> dict[int, bool]:
    """Block → whether the runs of all cells learned, for the blocks that every cell has."""
    blocks = set.intersection(*({block_of(repeat) for repeat in cell} for cell in cells))
    found = dict.fromkeys(blocks, True)
    for repeat, value in [item for cell in cells for item in cell.items()]:
        if value is None and block_of(repeat) in blocks:
            found[block_of(repeat)] = False
    return found
