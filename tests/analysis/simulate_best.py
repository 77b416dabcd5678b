"""Simulate studies of cells whose means are known, and count how often the statements about the best cell are true.

`python -m tests.analysis.simulate_best 1000` prints a table for 1000 studies a row.
"""

import itertools
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlexp.analysis.judge.best import bound_differences
from dlexp.analysis.judge.pairs import ALPHA, compare_all
from dlexp.analysis.judge.ranks import bound_ranks

Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]  # noise of mean 0, for each cell and seed
STEP = 0.5  # between the means of neighbouring cells, where they differ


def _grow(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise, of which the best cell has the least."""
    return random.normal(size=shape) * np.geomspace(0.1, 3, shape[0])[:, None]


def _shrink(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Normal noise, of which the best cell has the most."""
    return random.normal(size=shape) * np.geomspace(3, 0.1, shape[0])[:, None]


HARD = "skewed, most"  # t intervals do not have the nominal coverage
NOISES: dict[str, Draw] = {
    "normal": lambda random, shape: random.normal(size=shape),
    "heavy-tailed": lambda random, shape: random.standard_t(3, shape),
    "skewed": lambda random, shape: random.exponential(size=shape) - 1,
    "least of the best": _grow,
    "most of the best": _shrink,
    HARD: lambda random, shape: (random.exponential(size=shape) - 1) * np.geomspace(3, 0.1, shape[0])[:, None],
}
SIZES = ((3, 5), (5, 10), (12, 5), (12, 20))  # cells, seeds


class Rates(NamedTuple):
    """Of all studies, in how many all intervals are right, the best cell is not excluded, and all rank intervals are right."""

    intervals: float
    best_included: float
    ranks: float


def simulate(noise: str, size: tuple[int, int], studies: int, *, paired: bool, equal: bool) -> Rates:
    """Simulate studies; the first cell is the best, or one of equally good ones."""
    count, num_seeds = size
    random = np.random.default_rng(0)
    means = np.zeros(count) if equal else -STEP * np.arange(count)
    truth = means - np.array([np.delete(means, i).max() for i in range(count)])
    first, last = 1 + (means > means[:, None]).sum(1), count - (means < means[:, None]).sum(1)
    seeds, level = list(range(num_seeds)), ALPHA / (count - 1)
    right = np.zeros(3)
    for _ in range(studies):
        values = means[:, None] + NOISES[noise](random, size) + (random.normal(size=num_seeds) if paired else 0)
        cells = [dict(enumerate(row)) for row in values.tolist()]
        pairs = compare_all(cells, [seeds] * count, paired=paired, family=count - 1)
        _, low, high = bound_differences(pairs, level)
        rank_low, rank_high = bound_ranks(pairs.p, count)
        right[0] += bool(((low <= truth) & (truth <= high)).all())
        right[1] += not (pairs.p[:, 0] <= level).any()
        right[2] += bool(((rank_low <= first) & (last <= rank_high)).all())
    return Rates(*(right / studies).tolist())


def main(studies: int) -> None:
    """Print a row for each design."""
    print("noise              cells seeds paired equal  intervals  included  ranks")
    for noise, size, paired, equal in itertools.product(NOISES, SIZES, (True, False), (True, False)):
        rates = simulate(noise, size, studies, paired=paired, equal=equal)
        design = f"{noise:18} {size[0]:5} {size[1]:5} {paired!s:6} {equal!s:5}"
        print(f"{design}  {rates.intervals:9.3f} {rates.best_included:9.3f} {rates.ranks:6.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
