"""The levels at which a study is judged that is looked at several times while seeds are added: group-sequential bounds.

The levels are such that all looks together decide a true hypothesis with the overall level. They come from the joint
distribution of the t statistics of the looks, which share seeds. With few seeds these are less correlated than the normal
statistics of published tables: Pocock's level for 5, 10 and 20 seeds is 0.0195, where the normal one is 0.0208.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import special

from dlexp.analysis.judge.statistics import ALPHA

OBRIEN_FLEMING, POCOCK = "obrien_fleming", "pocock"
DRAWS = 1_000_000  # simulated studies: the overall level is right to 0.02 points


def find_levels(looks: Sequence[int], bounds: str = OBRIEN_FLEMING, family: int = 1) -> list[float]:
    """The level of each look, with which a p-value after Holm's correction over the undecided predictions is compared.

    They are the nominal levels of one prediction at an overall level of 5 % / family, times family. So are they valid for the
    predictions that remain, too: with a larger share of the level, the looks of a prediction overlap more.

    Args:
        looks: The numbers of seeds, increasing, each at least 2.
        bounds: `obrien_fleming`, strict at first (the bound of z falls with the root of the number of seeds), or `pocock`, the
            same level at all looks.
        family: The number of predictions of the study.
    """
    if len(looks) == 1:
        return [ALPHA]
    weights = _weigh(looks)[bounds]
    z = float(np.quantile(_simulate_extremes(tuple(looks))[bounds], 1 - ALPHA / family)) / weights
    return (2 * family * special.ndtr(-z)).tolist()


def _weigh(looks: Sequence[int]) -> dict[str, np.ndarray]:
    """What a look's z is multiplied by, so that its bound is the same at all looks, for each kind of bounds."""
    return {OBRIEN_FLEMING: np.sqrt(np.asarray(looks) / looks[-1]), POCOCK: np.ones(len(looks))}


@lru_cache(maxsize=8)
def _simulate_extremes(looks: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The largest weighted z of the looks of each simulated study without an effect; z has the p-value of the t statistic.

    Of the seeds between two looks it draws what t needs: their sum and the sum of squares around it.
    """
    random = np.random.default_rng(0)  # the same levels for the same looks
    weights = _weigh(looks)
    extremes = {bounds: np.zeros(DRAWS) for bounds in weights}
    before, sums, squares = 0, np.zeros(DRAWS), np.zeros(DRAWS)  # the sums have a variance of 1
    for place, n in enumerate(looks):
        added = n - before
        new = random.standard_normal(DRAWS)
        between = np.sqrt(added / n) * sums - np.sqrt(before / n) * new
        sums = np.sqrt(before / n) * sums + np.sqrt(added / n) * new
        within = random.chisquare(added - 1, DRAWS) if added > 1 else 0.0
        squares += within + (between**2 if before else 0.0)
        z = -special.ndtri(special.stdtr(n - 1, -np.abs(sums) / np.sqrt(squares / (n - 1))))
        for bounds, weight in weights.items():
            np.maximum(extremes[bounds], weight[place] * z, out=extremes[bounds])
        before = n
    return extremes
