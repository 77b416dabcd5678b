"""Compare two arms seed by seed, and format the outcome."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

from dlexp.analysis.judge.result import Judgement
from dlexp.analysis.judge.statistics import LEVEL, TINY, standard_deviation, summarise
from dlexp.analysis.report.tables import format_metric, format_number

from .evidence import Sample

Side = Literal["greater", "less", "unknown"]


@dataclass(frozen=True)
class Difference:
    """A difference or a ratio of two arms, over the seeds that both have.

    Args:
        estimate: Mean over seeds; for a ratio the geometric mean.
        low, high: Its 95 % t interval; nan with fewer than two seeds.
        n: Number of seeds.
        ratio: Whether it is a ratio; equal arms then give 1, not 0.
    """

    estimate: float
    low: float
    high: float
    n: int
    ratio: bool = False

    @property
    def side(self) -> Side:
        """On which side of equality the whole interval lies."""
        if self.low > self.ratio + TINY:
            return "greater"
        return "less" if self.high < self.ratio - TINY else "unknown"


def judge_side(found: Difference, expected: Side) -> Judgement:
    """Whether a claim that the arms differ in this direction survives."""
    return "holds" if found.side == expected else "undecided" if found.side == "unknown" else "fails"


def difference(plus: Sample, minus: Sample | float) -> Difference:
    """The difference of two arms, or of an arm and a number."""
    pairs = _pairs(plus, minus)
    summary = summarise([a - b for a, b in pairs])
    return Difference(summary.mean, summary.low, summary.high, summary.n)


def ratio(plus: Sample, minus: Sample) -> Difference:
    """The ratio of two arms, computed on logarithms; seeds at which a side is not above 0 are left out."""
    summary = summarise([math.log(a / b) for a, b in _pairs(plus, minus) if a > 0 and b > 0])
    estimate, low, high = (math.exp(value) for value in (summary.mean, summary.low, summary.high))
    return Difference(estimate, low, high, summary.n, ratio=True)


def _pairs(plus: Sample, minus: Sample | float) -> list[tuple[float, float]]:
    if isinstance(minus, dict):
        return [(plus[seed], minus[seed]) for seed in sorted(plus.keys() & minus.keys())]
    return [(value, minus) for value in plus.values()]


def average(samples: Collection[Sample]) -> Sample:
    """The mean of several samples, at the seeds that all of them have."""
    seeds = set.intersection(*(set(sample) for sample in samples))
    return {seed: float(np.mean([sample[seed] for sample in samples])) for seed in sorted(seeds)}


def correlation(first: Sample, second: Sample) -> Difference:
    """Pearson's correlation over seeds with Fisher's interval; nan where a side does not vary, or below four seeds."""
    a, b = np.array(_pairs(first, second)).T if len(_pairs(first, second)) else np.zeros((2, 0))
    if len(a) < 4 or standard_deviation(a.tolist()) < TINY or standard_deviation(b.tolist()) < TINY:
        return Difference(math.nan, math.nan, math.nan, len(a))
    found = stats.pearsonr(a, b)
    low, high = found.confidence_interval(LEVEL)
    return Difference(float(found.statistic), float(low), float(high), len(a))


def format_sample(sample: Sample, *, rate: bool = False) -> str:
    """`97.78 ± 0.88 %`: mean and half-width of its interval."""
    summary = summarise(list(sample.values()))
    half = (summary.high - summary.low) / 2
    return " ± ".join(_format(value, rate=rate) for value in (summary.mean, half)) + (" %" if rate else "")


def format_rate(sample: Sample) -> str:
    """A sample of rates in per cent."""
    return format_sample(sample, rate=True)


def format_gap(found: Difference, *, rate: bool = False) -> str:
    """`+0.22 points [-0.07 to +0.51; n = 5]`; of a ratio `0.31 times [...]`."""
    if math.isnan(found.low):
        return f"no interval [n = {found.n}]"
    estimate, low, high = (
        _format(value, rate=rate, signed=not found.ratio) for value in (found.estimate, found.low, found.high)
    )
    kind = " times" if found.ratio else " points" if rate else ""
    return f"{estimate}{kind} [{low} to {high}; n = {found.n}]"


def format_points(found: Difference) -> str:
    """A difference of rates in percentage points."""
    return format_gap(found, rate=True)


def format_percent(value: float) -> str:
    """A rate in per cent: `97.22 %`."""
    return f"{format_metric('acc', value)} %"


def _format(value: float, *, rate: bool, signed: bool = False) -> str:
    if rate:
        return format_metric("acc", round(value, 9) + 0.0, signed=signed)  # + 0.0 removes the minus of -0.0
    return ("+" if signed and value > 0 else "") + format_number(value)
