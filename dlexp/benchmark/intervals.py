"""The median of pairs of measurements, its interval, and whether it reaches a goal."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
MIN_PAIRS = 6  # for a verdict: fewer lie all on one side of the median by chance in more than 5 % of cases


class Estimate(NamedTuple):
    """A median over pairs, and its 95 % bootstrap interval."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Goal:
    """The goal for a figure.

    Args:
        side: Whether the figure must be at most or at least `bar`.
        bar: The value to reach.
        beyond: A value that is better than needed, or None.
    """

    side: Literal["at most", "at least"]
    bar: float
    beyond: float | None = None


def estimate(values: Sequence[float]) -> Estimate:
    """The median of at least one value; the same values give the same interval."""
    sample = np.asarray(values, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(sample), size=(RESAMPLES, len(sample)))
    low, high = np.quantile(np.median(sample[drawn], axis=1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Estimate(float(np.median(sample)), float(low), float(high), len(sample))


def judge(found: Estimate, goal: Goal) -> str:
    """Decide by the interval: `met, and beyond`, `met`, `missed`, or `undecided` if it contains the bar."""
    if found.n < MIN_PAIRS:
        return f"undecided: {found.n} of {MIN_PAIRS} rounds"
    sign = 1 if goal.side == "at least" else -1
    worst, best = sorted((sign * found.low, sign * found.high))
    if worst >= sign * goal.bar:
        return "met, and beyond" if goal.beyond is not None and worst >= sign * goal.beyond else "met"
    return "missed" if best < sign * goal.bar else "undecided"
