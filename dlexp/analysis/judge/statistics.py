"""Means, intervals and tests over seeds. Functions take plain numbers and return plain numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

LEVEL = 0.95
ALPHA = 0.05  # the error rate of a verdict, and of all looks at a study together
MIN_SEEDS = 5  # that a verdict needs
MAX_SEEDS = 1000  # up to which the number of seeds needed is computed
TINY = 1e-12  # a smaller deviation is a rounding error


@dataclass(frozen=True)
class Summary:
    """Mean and spread of a sample; `low, high` is the 95 % t interval of the mean. What n does not allow is nan."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Rate:
    """How many of a side's runs learned, of those that are not missing; `low, high` is the exact 95 % interval of the rate."""

    learned: int
    runs: int
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """A difference of means and its uncertainty.

    Args:
        estimate: The difference.
        n: Number of seeds, or of runs in the smallest cell.
        se: Standard error of the difference; nan where n is too small for one.
        df: Degrees of freedom of `se`.
        deviation: The standard error times √n that the difference would have if every cell had n runs.
        df_per_seed: Degrees of freedom that each seed beyond the first adds.
    """

    estimate: float
    n: int
    se: float
    df: float
    deviation: float
    df_per_seed: float = 1.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The t interval; a single point where all seeds agree."""
        half = float(special.stdtrit(self.df, 0.5 + level / 2)) * self.se if self.se else 0.0
        return self.estimate - half, self.estimate + half

    def p(self, boundary: float) -> float:
        """Two-sided p-value of the hypothesis that the difference is `boundary`."""
        distance = abs(self.estimate - boundary)
        if self.se == 0:
            return 0.0 if distance > TINY else 1.0
        return float(2 * special.stdtr(self.df, -distance / self.se))


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and t interval of a sample without nan."""
    n = len(values)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    contrast = contrast_paired(values)
    return Summary(n, contrast.estimate, contrast.deviation, *contrast.interval())


def contrast_paired(differences: Sequence[float]) -> Contrast:
    """The mean of one difference per seed; at least one seed."""
    n, sd = len(differences), standard_deviation(differences)
    return Contrast(float(np.mean(differences)), n, sd / math.sqrt(n), n - 1, sd)


def contrast_independent(plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]]) -> Contrast:
    """Mean of the plus cells' means minus that of the minus cells' means, with Satterthwaite's degrees of freedom.

    With one cell on each side this is Welch's test. Each cell has at least one run.
    """
    samples = [*plus, *minus]
    weights = np.array([1 / len(plus)] * len(plus) + [-1 / len(minus)] * len(minus))
    sizes = np.array([len(sample) for sample in samples])
    estimate = float(weights @ [np.mean(sample) for sample in samples])
    variances = weights**2 * np.array([standard_deviation(sample) for sample in samples]) ** 2
    n, total = int(sizes.min()), float((variances / sizes).sum())
    if not total > 0:  # nan where a cell has one run; 0 where all runs agree
        return Contrast(estimate, n, total, n - 1, total)
    df = total**2 / float(((variances / sizes) ** 2 / (sizes - 1)).sum())
    df_per_seed = float(variances.sum() ** 2 / (variances**2).sum())
    return Contrast(estimate, n, math.sqrt(total), df, math.sqrt(float(variances.sum())), df_per_seed)


def standard_deviation(values: Sequence[float]) -> float:
    """Standard deviation (n - 1); nan of a single value; 0 of values that differ only by rounding."""
    if len(values) < 2:
        return math.nan
    sd = float(np.std(values, ddof=1))
    return sd if sd > TINY * max(1.0, float(np.abs(values).max())) else 0.0


def correct_holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over a family whose size was fixed beforehand: a missing p-value (None) counts as 1."""
    known = np.array([1.0 if p is None else p for p in p_values])
    order = np.argsort(known, kind="stable")
    corrected = np.minimum(1.0, np.maximum.accumulate((len(known) - np.arange(len(known))) * known[order]))
    in_place = corrected[np.argsort(order)].tolist()
    return [None if p is None else value for p, value in zip(p_values, in_place, strict=True)]


def probability_paired(plus: Sequence[float], minus: Sequence[float], tie: float = 0.0) -> float:
    """The share of seeds at which plus is larger; a difference of at most `tie` counts half."""
    return float(np.mean(_prefer(np.subtract(plus, minus), tie)))


def probability_crossed(plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]], tie: float = 0.0) -> float:
    """P(plus > minus) over all pairs of a plus run and a minus run; ties count half, pairs of cells have equal weight."""
    return float(np.mean([np.mean(_prefer(np.subtract.outer(a, b), tie)) for a in plus for b in minus]))


def _prefer(differences: np.ndarray, tie: float) -> np.ndarray:
    return (np.where(np.abs(differences) <= tie, 0, np.sign(differences)) + 1) / 2


def correlation(plus: Sequence[float], minus: Sequence[float]) -> float | None:
    """Pearson's correlation over seeds; None with fewer than three, or where one side does not vary."""
    if len(plus) < 3 or not standard_deviation(plus) or not standard_deviation(minus):
        return None
    return float(np.corrcoef(plus, minus)[0, 1])


def binomial_sd(rate: float, num_examples: float) -> float:
    """Binomial standard deviation of a rate counted on this many examples: `sqrt(rate (1 - rate) / num_examples)`."""
    return math.sqrt(rate * (1 - rate) / num_examples)
