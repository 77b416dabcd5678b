"""Compute the numbers of one prediction: which test decides it, its p-value, and the interval of the difference.

Where all planned runs learned, a t test decides, beside an exact one. Where a run failed to learn or is missing, a test of
ranks decides (failures.py), and the interval, of the runs that learned, decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import Outcomes, Repeat, Values, average_sides, block_of, is_by_draw, measure_spread
from dlexp.analysis.judge.failures import compare_rates, measure_rate, rank_sides
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.learned import needs_learning
from dlexp.analysis.judge.permutation import align, least_p, permutation_p, sign_flip_p
from dlexp.analysis.judge.reason import nearest_boundary
from dlexp.analysis.judge.statistics import Contrast
from dlexp.analysis.judge.times import compare_times, fail_censored, find_horizon, has_censored, restrict

FAR = 1e100  # a failed run is this far from the others, where only the order counts


@dataclass(frozen=True)
class Sides:
    """The outcomes of the two sides of a prediction; with a ratio, their logarithms.

    Args:
        plus, minus: The cells of each side.
        repeats: All that were planned.
        paired: Whether they are compared seed by seed.
        matched: Whether the n-th cell of plus differs from the n-th of minus in the same way for every n. Ranks and
            permutations can compare only such sides; those of an interaction are not.
    """

    plus: list[Outcomes]
    minus: list[Outcomes]
    repeats: list[Repeat]
    paired: bool
    matched: bool

    @property
    def cells(self) -> list[Outcomes]:
        """The cells of both sides."""
        return self.plus + self.minus

    @property
    def by_draw(self) -> bool:
        """Whether the runs are on several draws of the data, which are then the unit."""
        return is_by_draw(self.repeats)

    @property
    def in_blocks(self) -> bool:
        """Whether the sides are compared block by block: seed by seed, or draw by draw, also where seeds are independent."""
        return self.paired or self.by_draw

    @property
    def num_blocks(self) -> int:
        """The number of blocks that were planned."""
        return len(set(map(block_of, self.repeats)))

    def average(self, plus: Sequence[Values], minus: Sequence[Values]) -> tuple[list[float], list[float]]:
        """The mean of either side in each block."""
        return average_sides(plus, minus, paired=self.paired)[1:]


def compare_sides(verdict: Verdict, sides: Sides, noise: float) -> tuple[Verdict, Contrast | None]:
    """Fill in the numbers of a verdict.

    Args:
        verdict: With claim, metric, expectation and margin.
        sides: Its outcomes; each cell has at least one.
        noise: Differences up to this size are ties in P(plus > minus).

    Returns:
        The verdict, and the contrast of the runs that learned; None where there is none.
    """
    planned, there = len(sides.cells) * len(sides.repeats), sum(map(len, sides.cells))
    failed = sum(value is None for cell in sides.cells for value in cell.values())
    verdict = replace(verdict, planned=planned, failed=failed, missing=planned - there, by_draw=sides.by_draw, n=_count(sides))
    if not verdict.n:
        return replace(verdict, cause="no_common_seed"), None
    if has_censored(sides.cells):
        return _test_times(verdict, sides)
    learned = all(value is not None for cell in sides.cells for value in cell.values()) and needs_learning(verdict.metric)
    verdict = replace(verdict, all_learned=learned, probability=_probability(sides, is_rising(verdict.metric), noise))
    verdict, contrast = _contrast_learned(verdict, sides)
    if not failed and not verdict.missing:
        return (_test_means(verdict, sides, contrast) if contrast and verdict.n > 1 else verdict), contrast
    if failed:
        rates = measure_rate(sides.plus, by_draw=sides.by_draw), measure_rate(sides.minus, by_draw=sides.by_draw)
        verdict = replace(verdict, rates=rates, p_rates=compare_rates(sides.plus, sides.minus, in_blocks=sides.in_blocks))
    return _test_ranks(verdict, sides), contrast


def _count(sides: Sides) -> int:
    """The number of blocks that have a run of every cell, or else of runs in the smallest cell; failed ones included."""
    if not sides.in_blocks:
        return min(map(len, sides.cells))
    there = [dict.fromkeys(cell, 0.0) for cell in sides.cells]
    return len(sides.average(there[: len(sides.plus)], there[len(sides.plus) :])[0])


def _contrast_learned(verdict: Verdict, sides: Sides) -> tuple[Verdict, Contrast | None]:
    """The contrast of the runs that learned, with its interval."""
    cells = [_take_numbers(cell) for cell in sides.cells]
    plus, minus = cells[: len(sides.plus)], cells[len(sides.plus) :]
    if sides.in_blocks:
        a, b = sides.average(plus, minus)
        if not a:
            return verdict, None
        contrast = statistics.contrast_paired(np.subtract(a, b).tolist())
        spread = measure_spread(plus, minus, paired=sides.paired) if sides.by_draw else None
        verdict = replace(verdict, correlation=statistics.correlation(a, b), spread=spread)
    elif not all(cells):
        return verdict, None
    else:
        contrast = statistics.contrast_independent(*([list(cell.values()) for cell in side] for side in (plus, minus)))
    estimate, n = contrast.estimate, contrast.n
    if n < 2:
        return replace(verdict, estimate=estimate, n_learned=n), contrast
    level = 1 - verdict.alpha
    low, high = contrast.interval(level)
    return replace(verdict, estimate=estimate, n_learned=n, low=low, high=high, level=level), contrast


def _test_means(verdict: Verdict, sides: Sides, contrast: Contrast) -> Verdict:
    """The t test of the boundary, and the exact test beside it; equivalence by two one-sided tests.

    Where all runs agree there is no spread to estimate, and the exact test alone gives p.
    """
    boundary = nearest_boundary(verdict)
    exact = _exact_p(sides, boundary)
    least = least_p(verdict.n) if sides.in_blocks else least_p(*(sum(map(len, side)) for side in (sides.plus, sides.minus)))
    least = 1.0 if exact is None else least
    if contrast.se == 0:
        return replace(verdict, p=1.0 if exact is None else exact, p_exact=exact, least_p=least)
    p = contrast.p(boundary)
    if verdict.expected == "equal" and abs(contrast.estimate) < verdict.margin:
        level = 1 - 2 * verdict.alpha  # two one-sided tests are this interval within the margins
        low, high = contrast.interval(level)
        exact = None if exact is None else exact / 2
        return replace(verdict, p=p / 2, p_exact=exact, least_p=least, low=low, high=high, level=level)
    return replace(verdict, p=p, p_exact=exact, least_p=least)


def _exact_p(sides: Sides, boundary: float) -> float | None:
    """The p-value of the sign-flip or permutation test; None where independent sides are not matched."""
    if not sides.in_blocks and not sides.matched:
        return None
    plus, minus = ([_take_numbers(cell) for cell in side] for side in (sides.plus, sides.minus))
    if sides.in_blocks:
        a, b = sides.average(plus, minus)
        return sign_flip_p((np.subtract(a, b) - boundary).tolist())
    moved = [[value - boundary for value in cell.values()] for cell in plus]
    return permutation_p(*align(moved, [list(cell.values()) for cell in minus]))


def _take_numbers(cell: Outcomes) -> dict[Repeat, float]:
    """The values of the runs that learned."""
    return {repeat: value for repeat, value in cell.items() if value is not None}


def _test_ranks(verdict: Verdict, sides: Sides) -> Verdict:
    """The test of the ranks; no p-value for a margin, a ratio or sides that are not matched, which ranks cannot answer."""
    verdict = replace(verdict, by_ranks=True)
    if verdict.margin or verdict.ratio or verdict.expected == "equal" or not sides.matched:
        return verdict
    rising = is_rising(verdict.metric)
    ranked = rank_sides(sides.plus, sides.minus, sides.repeats, in_blocks=sides.in_blocks, rising=rising)
    return replace(verdict, p=ranked.p, sign=ranked.sign, agrees=ranked.agrees, least_p=_find_least(sides))


def _test_times(verdict: Verdict, sides: Sides) -> tuple[Verdict, Contrast | None]:
    """The log-rank test of times to a target that not all runs reached, and the difference of their restricted means."""
    horizon = find_horizon(sides.cells)
    within = replace(
        sides, plus=[restrict(cell, horizon) for cell in sides.plus], minus=[restrict(cell, horizon) for cell in sides.minus]
    )
    reached = [[fail_censored(cell) for cell in side] for side in (sides.plus, sides.minus)]
    rates = measure_rate(reached[0], by_draw=sides.by_draw), measure_rate(reached[1], by_draw=sides.by_draw)
    verdict = replace(verdict, by_ranks=True, horizon=horizon, rates=rates)
    verdict = replace(verdict, p_rates=compare_rates(*reached, in_blocks=sides.in_blocks))
    verdict, contrast = _contrast_learned(replace(verdict, probability=_probability(within, False, 0.0)), within)
    if verdict.margin or verdict.expected == "equal" or not sides.matched:
        return verdict, contrast
    ranked = compare_times(sides.plus, sides.minus, sides.repeats, in_blocks=sides.in_blocks)
    return replace(verdict, p=ranked.p, sign=ranked.sign, agrees=ranked.agrees, least_p=_find_least(sides)), contrast


def _find_least(sides: Sides) -> float:
    """The least p-value of an exact test that counts all planned runs."""
    runs = [len(sides.repeats) * len(side) for side in (sides.plus, sides.minus)]
    return least_p(sides.num_blocks) if sides.in_blocks else least_p(*runs)


def _probability(sides: Sides, rising: bool, noise: float) -> float:
    """P(plus > minus) by the size of the metric, among runs that are not missing; a failed run is the worst."""
    failed = -FAR if rising else FAR
    first, second = (
        [{repeat: failed if value is None else value for repeat, value in cell.items()} for cell in side]
        for side in (sides.plus, sides.minus)
    )
    if not sides.in_blocks:
        values, others = ([list(cell.values()) for cell in side] for side in (first, second))
        return statistics.probability_crossed(values, others, tie=noise)
    a, b = sides.average(first, second)
    return statistics.probability_paired(a, b, tie=noise)
