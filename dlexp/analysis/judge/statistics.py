"""Means, intervals and tests over seeds. Plain numbers in, plain numbers out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
FEWEST = 5  # seeds that a verdict takes
MOST = 1000  # seeds that are thought of
TINY = 1e-12  # below this a deviation is rounding


@dataclass(frozen=True)
class Summary:
    """Mean and spread of a sample; `low, high` is the 95 % t interval of the mean. What n does not allow is nan."""

    n: int
    mean: float
    sd: float
    low: float
    high: float


@dataclass(frozen=True)
class Contrast:
    """A difference of means and how well it is known.

    Args:
        estimate: The difference.
        n: Seeds, or runs of the smallest cell.
        se: Its standard error; nan where n does not allow one.
        df: Degrees of freedom of `se`.
        deviation: Standard error times √n, if every cell had n runs.
        df_share: Degrees of freedom for each seed beyond the first.
    """

    estimate: float
    n: int
    se: float
    df: float
    deviation: float
    df_share: float = 1.0

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The t interval; a point where all seeds agree."""
        half = float(stats.t.ppf(0.5 + level / 2, self.df)) * self.se if self.se else 0.0
        return self.estimate - half, self.estimate + half

    def p(self, boundary: float) -> float:
        """Two-sided p-value of the difference being `boundary`."""
        distance = abs(self.estimate - boundary)
        if self.se == 0:
            return 0.0 if distance > TINY else 1.0
        return float(2 * stats.t.sf(distance / self.se, self.df))

    def needed(self, boundary: float, level: float = LEVEL) -> int | None:
        """Seeds, at least five and more than now, whose interval would keep clear of `boundary`; None if 1000 would not do."""
        seeds = np.arange(max(FEWEST, self.n + 1), MOST + 1)
        t = stats.t.ppf(0.5 + level / 2, self.df_share * (seeds - 1))
        enough = t * self.deviation / np.sqrt(seeds) < abs(self.estimate - boundary) - TINY
        return int(seeds[enough.argmax()]) if enough.any() else None


def summarise(values: Sequence[float]) -> Summary:
    """Mean, standard deviation and t interval of a sample without nan."""
    n = len(values)
    if n == 0:
        return Summary(0, math.nan, math.nan, math.nan, math.nan)
    mean = float(np.mean(values))
    if n == 1:
        return Summary(1, mean, math.nan, math.nan, math.nan)
    contrast = paired(values)
    return Summary(n, mean, contrast.deviation, *contrast.interval())


def paired(differences: Sequence[float]) -> Contrast:
    """The contrast of which each seed gives one value; at least one seed."""
    n, estimate = len(differences), float(np.mean(differences))
    sd = _deviation(differences)
    return Contrast(estimate, n, sd / math.sqrt(n), n - 1, sd)


def independent(plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]]) -> Contrast:
    """Mean of the plus cells' means less that of the minus cells', with Satterthwaite's degrees of freedom.

    With one cell on each side this is Welch's test. At least one run a cell.
    """
    samples = [*plus, *minus]
    weights = np.array([1 / len(plus)] * len(plus) + [-1 / len(minus)] * len(minus))
    sizes = np.array([len(sample) for sample in samples])
    estimate = float(weights @ [np.mean(sample) for sample in samples])
    parts = weights**2 * np.array([_deviation(sample) for sample in samples]) ** 2
    n, total = int(sizes.min()), float((parts / sizes).sum())
    if not total > 0:  # nan where a cell has one run; 0 where all agree
        return Contrast(estimate, n, total, n - 1, total)
    df = total**2 / float(((parts / sizes) ** 2 / (sizes - 1)).sum())
    share = float(parts.sum() ** 2 / (parts**2).sum())
    return Contrast(estimate, n, math.sqrt(total), df, math.sqrt(float(parts.sum())), share)


def _deviation(values: Sequence[float]) -> float:
    """Standard deviation (n - 1); nan of one value; 0 of what differs only by rounding."""
    if len(values) < 2:
        return math.nan
    sd = float(np.std(values, ddof=1))
    return sd if sd > TINY * max(1.0, float(np.abs(values).max())) else 0.0


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over a family whose size was fixed beforehand: a p-value that is not there yet counts as 1."""
    known = [1.0 if p is None else p for p in p_values]
    corrected = [0.0] * len(known)
    largest = 0.0
    for rank, i in enumerate(sorted(range(len(known)), key=known.__getitem__)):
        largest = max(largest, min(1.0, (len(known) - rank) * known[i]))
        corrected[i] = largest
    return [None if p is None else q for p, q in zip(p_values, corrected, strict=True)]


def probability_paired(plus: Sequence[float], minus: Sequence[float]) -> float:
    """The share of seeds at which plus is the larger, ties half."""
    return float(np.mean((np.sign(np.subtract(plus, minus)) + 1) / 2))


def probability_crossed(plus: Sequence[Sequence[float]], minus: Sequence[Sequence[float]]) -> float:
    """P(plus > minus), ties half, over all pairs of a plus run and a minus run; pairs of cells count alike."""
    shares = [np.mean((np.sign(np.subtract.outer(a, b)) + 1) / 2) for a in plus for b in minus]
    return float(np.mean(shares))


def correlation(plus: Sequence[float], minus: Sequence[float]) -> float | None:
    """Pearson's over seeds; None with fewer than three, or where a side does not vary."""
    if len(plus) < 3 or not _deviation(plus) or not _deviation(minus):
        return None
    return float(np.corrcoef(plus, minus)[0, 1])


def noise_floor(rate: float, num_examples: float) -> float:
    """Binomial sd of a rate that was counted on so many test examples: `sqrt(rate (1 - rate) / num_examples)`."""
    return math.sqrt(rate * (1 - rate) / num_examples)
