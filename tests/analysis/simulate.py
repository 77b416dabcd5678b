"""Simulate studies in which runs fail to learn or are missing, judge them, and count the verdicts that are wrong.

`python -m tests.analysis.simulate 500` prints a table for 500 studies a cell. A verdict is wrong if it is false of what its
sentence names: of a t test the mean of the runs that learn, of a test of ranks which side's values are larger, failures being
the worst.
"""

import itertools
import math
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlexp.analysis.judge.verdict import judge

CHANCE, MEAN, SD = 0.1, 0.9, 0.01
RATE = 0.1  # of failures
Cells = list[dict[int, float | None]]


class Design(NamedTuple):
    """How two arms are drawn, and what is true of them.

    Args:
        draw: Draws the outcomes of both, from a generator, the number of seeds and whether they are paired.
        learned: Sign of the difference of the means of runs that learn.
        ranks: Sign of P(plus > minus) - 1/2.
    """

    draw: Callable[[np.random.Generator, int, bool], Cells]
    learned: int
    ranks: int


def _draw_arms(random: np.random.Generator, n: int, paired: bool, plus: float = MEAN) -> tuple[np.ndarray, np.ndarray]:
    shared = random.normal(0, SD, n) if paired else np.zeros(n)
    return random.normal(plus, SD, n) + shared, random.normal(MEAN, SD, n) + shared


def _fail(values: np.ndarray, failed: np.ndarray) -> dict[int, float | None]:
    return {seed: None if bad else float(value) for seed, (value, bad) in enumerate(zip(values, failed, strict=True))}


def _one_arm_fails(random: np.random.Generator, n: int, paired: bool, plus: float = MEAN) -> Cells:
    first, second = _draw_arms(random, n, paired, plus)
    return [_fail(first, random.random(n) < RATE), _fail(second, np.zeros(n, bool))]


def _equal_means(random: np.random.Generator, n: int, paired: bool) -> Cells:
    """The arm that fails is better where it learns, so that the means of all runs, failures included, are equal."""
    return _one_arm_fails(random, n, paired, (MEAN - RATE * CHANCE) / (1 - RATE))


def _both_fail(random: np.random.Generator, n: int, paired: bool) -> Cells:
    return [_fail(values, random.random(n) < RATE) for values in _draw_arms(random, n, paired)]


def _loses_worst(random: np.random.Generator, n: int, paired: bool) -> Cells:
    first, second = _draw_arms(random, n, paired)
    return [_fail(first, first < np.quantile(first, 0.31)), _fail(second, np.zeros(n, bool))]


def _misses_worst(random: np.random.Generator, n: int, paired: bool) -> Cells:
    """As `_loses_worst`, and nothing is known of the runs that were lost."""
    first, second = _loses_worst(random, n, paired)
    return [{seed: value for seed, value in first.items() if value is not None}, second]


DESIGNS = {
    "equal means, one arm fails 10 %": Design(_equal_means, 1, 1),
    "alike where they learn, one arm fails 10 %": Design(_one_arm_fails, 0, -1),
    "both arms fail 10 %": Design(_both_fail, 0, 0),
    # Failed runs were its worst, but not below all of the other arm's, as they rank now: the arm that fails ranks lower.
    "one arm fails in its worst 31 %": Design(_loses_worst, 1, -1),
    "one arm lacks its worst 31 %": Design(_misses_worst, 1, 0),
}


def count_wrong(name: str, n: int, family: int, *, paired: bool, studies: int) -> tuple[int, int]:
    """Count the simulated studies with a wrong verdict on any of their predictions, and those with any verdict.

    Args:
        name: A key of `DESIGNS`.
        n: Seeds.
        family: Predictions of a study, each about two arms of its own.
        paired: Whether the arms are compared seed by seed.
        studies: How many are simulated.
    """
    design, random = DESIGNS[name], np.random.default_rng(n + family)
    cells = [{"arm": f"{arm}{place}"} for place in range(family) for arm in "ab"]
    predictions = [
        {"claim": str(place), "plus": {"arm": f"a{place}"}, "minus": {"arm": f"b{place}"}, "expected": "greater"}
        for place in range(family)
    ]
    study = {"predictions": predictions, "seeds": list(range(n)), "pairing": "paired" if paired else "independent"}
    wrong = decided = 0
    for _ in range(studies):
        drawn = list(itertools.chain.from_iterable(design.draw(random, n, paired) for _ in range(family)))
        verdicts = judge(study, cells, lambda metric, drawn=drawn: drawn)
        signs = [
            (1 if v.verdict == "holds" else -1, design.ranks if v.by_ranks else design.learned)
            for v in verdicts
            if v.verdict != "undecided"
        ]
        wrong += any(said != true for said, true in signs)
        decided += bool(signs)
    return wrong, decided


def allow(studies: int, level: float = 0.05) -> float:
    """The rate of wrong verdicts that is allowed: the level and 3.5 standard errors."""
    return level + 3.5 * math.sqrt(level * (1 - level) / studies)


def main(studies: int) -> None:
    """Print the rates of every cell, in per cent."""
    print(f"| design | seeds | predictions | pairing | wrong, % | decided, % |\n|{' --- |' * 6}")
    for name, n, family, paired in itertools.product(DESIGNS, (5, 20), (1, 5), (True, False)):
        wrong, decided = count_wrong(name, n, family, paired=paired, studies=studies)
        pairing = "paired" if paired else "independent"
        print(
            f"| {name} | {n} | {family} | {pairing} | {100 * wrong / studies:.1f} | {100 * decided / studies:.1f} |", flush=True
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
