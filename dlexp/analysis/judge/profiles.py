"""Scores of single runs, their interquartile mean, and performance profiles, in which a failed run has the score 0.

Source: Agarwal et al. 2021, arXiv:2108.13264, sections 4.2 and 4.3; scores that are ratios to the best: Dolan & Moré 2002.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import Outcomes
from dlexp.analysis.judge.statistics import LEVEL
from dlexp.run.record.scores import is_share

RESAMPLES = 5000
TRIMMED = 0.25  # at each end
TAILS = (50 * (1 - LEVEL), 50 * (1 + LEVEL))  # percentiles


def is_own_score(metric: str) -> bool:
    """Whether a metric is itself the score of a run, because it lies between 0 and 1 and larger is better: an accuracy."""
    return metric == "acc" or is_share(metric) and is_rising(metric)


def score_runs(cells: Sequence[Outcomes], metric: str) -> list[np.ndarray] | None:
    """The scores of the runs of each cell on one data set, between 0 and 1; 0 of a run that failed.

    An accuracy is itself the score. Of other metrics it is the ratio to the best run of all cells.

    Returns:
        None where there is no such ratio, because a value is not positive or no run has one.
    """
    known = np.array([value for cell in cells for value in cell.values() if value is not None], float)
    if not len(known) or (not is_own_score(metric) and known.min() <= 0):
        return None
    best = float(known.max() if is_rising(metric) else known.min())

    def score(value: float | None) -> float:
        if value is None:
            return 0.0
        return value if is_own_score(metric) else value / best if is_rising(metric) else best / value

    return [np.array([score(value) for value in cell.values()]) for cell in cells]


def interquartile_mean(*tasks: np.ndarray, axis: int = -1) -> Any:
    """The mean of the middle half of all scores, of all tasks together."""
    return stats.trim_mean(np.concatenate(tasks, axis=axis), TRIMMED, axis=axis)


def bound_interquartile_mean(tasks: Sequence[np.ndarray]) -> tuple[float, float, float]:
    """The interquartile mean of the scores of some tasks, and its 95 % interval.

    The interval is a percentile bootstrap that draws runs again within each task, with a fixed seed. Each task has at least
    two runs.
    """
    drawn = np.random.default_rng(0)  # the same interval for the same runs
    found = stats.bootstrap(
        tuple(tasks),
        interquartile_mean,
        n_resamples=RESAMPLES,
        vectorized=True,
        confidence_level=LEVEL,
        method="percentile",
        rng=drawn,
    ).confidence_interval
    return float(interquartile_mean(*tasks)), float(found.low), float(found.high)


def profile(tasks: Sequence[np.ndarray], thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The share of runs whose score is above each threshold, as mean over tasks, with its pointwise 95 % interval.

    The interval is the same bootstrap: of runs that are drawn again, the number above a threshold is binomial. Each draw is
    used for all thresholds.

    Args:
        tasks: The scores of the runs of each task.
        thresholds: [t]

    Returns:
        Share, low and high, each [t].
    """
    drawn = np.random.default_rng(0)
    shares = [(scores[:, None] > thresholds).mean(0) for scores in tasks]
    resampled = np.zeros((RESAMPLES, len(thresholds)))
    for scores, share in zip(tasks, shares, strict=True):
        levels, places = np.unique(share, return_inverse=True)
        counts = stats.binom.ppf(drawn.random((RESAMPLES, 1)), len(scores), levels)  # a column per share that occurs
        resampled += counts[:, places] / len(scores) / len(tasks)
    low, high = np.percentile(resampled, TAILS, axis=0)
    return np.mean(shares, axis=0), low, high
