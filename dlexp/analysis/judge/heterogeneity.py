"""Whether a difference is the same at all levels of an axis that it is an average over: the interaction of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from dlexp.analysis.judge.statistics import LEVEL, TINY, Contrast


@dataclass(frozen=True)
class Part:
    """The difference (of plus - minus, or the ratio of plus / minus) at one level of an axis."""

    level: Any
    estimate: float


@dataclass(frozen=True)
class Average:
    """An axis that a difference is an average over.

    Args:
        key: The axis.
        parts: The difference at each of its levels, in the order of the cells.
        p: p-value of the hypothesis that the difference is the same at all levels; None with fewer than five seeds, or where
            no difference varies over seeds.
    """

    key: str
    parts: tuple[Part, ...]
    p: float | None

    @property
    def stands_alone(self) -> bool:
        """Whether the difference was not shown to depend on the axis."""
        return self.p is None or self.p >= 1 - LEVEL

    @property
    def ends(self) -> tuple[Part, Part]:
        """The parts with the smallest and with the largest difference."""
        ordered = sorted(self.parts, key=lambda part: part.estimate)
        return ordered[0], ordered[-1]

    def turns(self, none: float) -> bool:
        """Whether parts lie on both sides of no difference: 0, or 1 for a ratio."""
        low, high = self.ends
        return low.estimate < none - TINY and high.estimate > none + TINY


def compare_paired(differences: np.ndarray) -> float | None:
    """p-value of equal mean differences at all levels, by an analysis of variance with repeated measures.

    The degrees of freedom are those of Greenhouse and Geisser, because the difference may vary more over seeds at one level
    than at another. Of two levels it is the paired t test.

    Args:
        differences: [seed, level], at least two of each.

    Returns:
        None where the parts do not vary over seeds, each relative to the others.
    """
    num_seeds, num_levels = differences.shape
    centred = differences - differences.mean(1, keepdims=True)  # relative to the seed's average over levels
    covariance = np.atleast_2d(np.cov(centred, rowvar=False))
    variance = float(np.trace(covariance))
    if variance <= (TINY * max(1.0, float(np.abs(differences).max()))) ** 2:
        return None
    epsilon = variance**2 / ((num_levels - 1) * float((covariance**2).sum()))
    f = num_seeds * float((centred.mean(0) ** 2).sum()) / variance
    df = min(1.0, epsilon) * (num_levels - 1)
    return float(stats.f.sf(f, df, df * (num_seeds - 1)))


def compare_independent(contrasts: Sequence[Contrast]) -> float | None:
    """p-value of equal differences at all levels, by Welch's analysis of variance. Of two levels it is Welch's t test.

    Args:
        contrasts: The difference at each level, at least two; they share no run.

    Returns:
        None where one of the differences has no standard error, or one of 0.
    """
    errors = np.array([contrast.se for contrast in contrasts])
    if not (errors > 0).all():
        return None
    estimates, df = np.array([contrast.estimate for contrast in contrasts]), np.array([contrast.df for contrast in contrasts])
    weights, num_levels = 1 / errors**2, len(contrasts)
    mean = weights @ estimates / weights.sum()
    uncertain = float(((1 - weights / weights.sum()) ** 2 / df).sum())
    f = float(weights @ (estimates - mean) ** 2) / (num_levels - 1)
    f /= 1 + 2 * (num_levels - 2) / (num_levels**2 - 1) * uncertain
    return float(stats.f.sf(f, num_levels - 1, (num_levels**2 - 1) / (3 * uncertain)))
