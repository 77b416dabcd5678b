"""How many seeds a prediction needs to show a difference as large as the study's `effect`, in four of five studies.

The number is for the verdict as it is given: by the t test and by the exact test beside it. statsmodels has the power of the
t test; what the exact test, and Welch's degrees of freedom, take from it with few runs is simulated.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.permutation import PERMUTATIONS, least_p
from dlexp.analysis.judge.statistics import ALPHA, MAX_SEEDS, MIN_SEEDS, TINY, Contrast

POWER = 0.80
CONFIDENCE = 0.80  # of the upper limit of the standard deviation
MAX_SIMULATED = 30  # with more seeds the exact test takes less than one part in a hundred from the power of the t test
SIMULATED_STUDIES = 20_000  # their power has a standard error of 0.3 points
SHARPEST = 10.0  # an effect of more standard deviations needs no more seeds than one of so many
AT_ONCE = 500  # simulated studies whose permutations are in memory at once
ASKING = ("no_runs", "no_common_seed", "few", "wide", "holm", "agree", "exact")  # causes that more seeds can end


@dataclass(frozen=True)
class Aim:
    """What is to be shown of a difference.

    Args:
        near: The distance between the true difference and the boundary beyond which it is to be shown to lie, or, of an
            equivalence, within which.
        far: Of an equivalence, the distance to the other boundary, at least `near`.
        alpha: The level of the two-sided test; of an equivalence, that of each of the two one-sided tests.
        paired: Whether runs are compared seed by seed, or draw by draw of the data, which then count as seeds.
    """

    near: float
    far: float | None
    alpha: float
    paired: bool

    @property
    def level(self) -> float:
        """The level of a test in the direction that is to be shown."""
        return self.alpha if self.far is not None else self.alpha / 2


def ask_for_seeds(verdict: Verdict, contrast: Contrast | None) -> Verdict:
    """Add to an undecided verdict how many seeds it needs: `need` and `needed`.

    Holm's level is alpha, of the last look that is planned, divided by the size of the family, as if no other prediction were
    decided. The power is then reached whether or not the others are decided; more seeds are runs of the whole study, so that
    all its predictions are tested again.

    Args:
        verdict: With its cause; of a ratio, its numbers are logarithms.
        contrast: Of the runs that learned.
    """
    if verdict.cause not in ASKING:
        return verdict
    least = least_seeds(verdict.family, paired=verdict.flips_signs, alpha=verdict.last_alpha)
    if contrast is None or math.isnan(contrast.deviation) or verdict.by_ranks:
        return replace(verdict, need="least", needed=least)
    if verdict.effect is None:
        few = verdict.n < least and verdict.cause in ("few", "agree")
        return replace(verdict, need="least", needed=least) if few else replace(verdict, need="undeclared")
    far = verdict.margin + verdict.effect if verdict.expected == "equal" else None
    aim = Aim(abs(verdict.effect - verdict.margin), far, verdict.last_alpha / verdict.family, verdict.flips_signs)
    needed = count_seeds(aim, limit_deviation(contrast), contrast.df_per_seed, least=least)
    if needed is None:
        return replace(verdict, need="many")
    return replace(verdict, need="enough") if needed <= verdict.n else replace(verdict, need="power", needed=needed)


def least_seeds(family: int, *, paired: bool, alpha: float = ALPHA) -> int:
    """The number of seeds from which both tests can decide one of so many predictions; five if the exact test never can."""
    for seeds in range(MIN_SEEDS, PERMUTATIONS.bit_length() + 1):  # p of more seeds is not smaller
        if (least_p(seeds) if paired else least_p(seeds, seeds)) * family < alpha:
            return seeds
    return MIN_SEEDS


def limit_deviation(contrast: Contrast) -> float:
    """The upper 80 % confidence limit of the standard deviation, by the chi-square distribution.

    A number of seeds that is computed from the observed deviation itself would be too small in half of all studies.
    """
    return contrast.deviation * math.sqrt(contrast.df / stats.chi2.ppf(1 - CONFIDENCE, contrast.df))


def count_seeds(aim: Aim, deviation: float, df_per_seed: float = 1.0, *, least: int = MIN_SEEDS) -> int | None:
    """The least number of seeds with which both tests show the aim in 80 % of studies; None if above 1000.

    Args:
        aim: What is to be shown.
        deviation: The standard error of the difference times √n, in the unit of the aim.
        df_per_seed: Degrees of freedom that each seed beyond the first adds.
        least: The number from which on both tests can decide.
    """
    deviation = max(deviation, aim.near / SHARPEST)
    if not aim.near > TINY:
        return None
    seeds = range(MAX_SEEDS + 1)
    needed = bisect_left(seeds, POWER, lo=least, key=lambda n: find_t_power(aim, n, deviation, df_per_seed))
    while needed <= MAX_SIMULATED and simulate_power(aim, needed, deviation, df_per_seed) < POWER:
        needed += 1
    return needed if needed <= MAX_SEEDS else None


def find_t_power(aim: Aim, seeds: int, deviation: float, df_per_seed: float = 1.0) -> float:
    """The probability that the t test shows the aim; of an equivalence, that both one-sided tests do.

    The degrees of freedom are Satterthwaite's, so that two cells with equal spread have the power of `TTestIndPower`. Of an
    equivalence it is the lower bound P(first) + P(second) - 1, which is all but exact where it is large.
    """
    from statsmodels.stats.power import ttest_power  # takes most of a second to load

    def reach(distance: float) -> float:
        effect_size, df = min(distance / deviation, SHARPEST), df_per_seed * (seeds - 1)
        return float(ttest_power(effect_size, seeds, aim.level, df=df, alternative="larger"))

    return reach(aim.near) if aim.far is None else max(0.0, reach(aim.near) + reach(aim.far) - 1)


def simulate_power(aim: Aim, seeds: int, deviation: float, df_per_seed: float = 1.0) -> float:
    """The share of simulated studies, of normal values, in which the t test and the exact test both show the aim.

    Independent arms are two groups with as many runs, and as different a spread, as the degrees of freedom imply. The random
    numbers are always the same, so that the same study gets the same answer.
    """
    random = np.random.default_rng(0)
    groups = _draw_groups(random, seeds, deviation, None if aim.paired else df_per_seed)
    if aim.far is None:
        groups[0] += aim.near
    else:  # how far the difference lies within the boundary that it is nearer to
        effect, margin = (aim.far - aim.near) / 2, (aim.far + aim.near) / 2
        groups[0] += effect
        estimates = groups[0].mean(axis=1) - (groups[1].mean(axis=1) if len(groups) > 1 else 0)
        groups = [-np.where(estimates < 0, -1, 1)[:, None] * group for group in groups]
        groups[0] += margin
    shown = _t_p(groups) < aim.level
    if aim.alpha > 2 / (PERMUTATIONS + 1):  # at a lower level the exact test can never decide
        shown &= _exact_p(groups, random) < aim.level
    return float(np.mean(shown))


def _draw_groups(random: np.random.Generator, seeds: int, deviation: float, df_per_seed: float | None) -> list[np.ndarray]:
    """Values around 0 of simulated studies, one in each row: paired differences, or the runs of two independent arms."""
    if df_per_seed is None:
        return [deviation * random.standard_normal((SIMULATED_STUDIES, seeds))]
    cells = max(1, math.ceil(df_per_seed / 2 - TINY))
    uneven = math.sqrt(min(0.99, max(0.0, 2 * cells / df_per_seed - 1)))
    spreads = [deviation * math.sqrt(cells * (1 + sign * uneven) / 2) for sign in (1, -1)]
    return [spread * random.standard_normal((SIMULATED_STUDIES, cells * seeds)) for spread in spreads]


def _t_p(groups: list[np.ndarray]) -> np.ndarray:
    """One-sided p-values of a study in each row: of differences above 0, or of a first group above the second."""
    if len(groups) == 1:
        found = stats.ttest_1samp(groups[0], 0, axis=1, alternative="greater")
    else:
        found = stats.ttest_ind(*groups, axis=1, equal_var=False, alternative="greater")
    return np.asarray(found.pvalue)


def _exact_p(groups: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """The same by sign flips or permutations, as many as permutation.py tries; scipy would take minutes for so many studies."""
    values = np.hstack(groups).astype(np.float32)
    runs = values.shape[1]
    complete = 2 / least_p(*(group.shape[1] for group in groups)) <= PERMUTATIONS
    chosen = _list_choices(runs, len(groups)) if complete else _draw_choices(runs, len(groups), random)
    observed = groups[0].astype(np.float32).sum(axis=1)
    slack = 1e-5 * np.abs(values).sum(axis=1)  # rounding in float32
    as_large = np.concatenate(
        [
            (values[i : i + AT_ONCE] @ chosen.T >= (observed - slack)[i : i + AT_ONCE, None]).sum(axis=1)
            for i in range(0, len(values), AT_ONCE)
        ]
    )
    more = 0 if complete else 1  # the observed order counts as one of those that are drawn
    return (as_large + more) / (len(chosen) + more)


def _list_choices(runs: int, groups: int) -> np.ndarray:
    """All signs of so many differences, or all first halves of so many runs, a row each."""
    bits = (np.arange(2**runs)[:, None] >> np.arange(runs)) & 1
    chosen = 2 * bits - 1 if groups == 1 else bits[bits.sum(axis=1) == runs // 2]
    return chosen.astype(np.float32)


def _draw_choices(runs: int, groups: int, random: np.random.Generator) -> np.ndarray:
    """As many of them as permutation.py draws."""
    order = random.random((PERMUTATIONS, runs))
    if groups == 1:
        return np.where(order < 0.5, np.float32(-1), np.float32(1))
    return (order.argsort(axis=1) < runs // 2).astype(np.float32)
