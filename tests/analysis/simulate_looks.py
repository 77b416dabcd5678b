"""Simulate studies without any effect that are looked at several times, and count those in which a prediction is decided.

`python -m tests.analysis.simulate_looks 100000` prints a table for 100,000 studies a line. Each prediction is judged by a t
test, paired or of independent arms (Welch's), with Holm's correction at each look. A study is wrong if any look decides any of
its predictions.
"""

import itertools
import sys
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from dlexp.analysis.judge.bounds import OBRIEN_FLEMING, POCOCK, find_levels

AT_ONCE = 10_000  # simulated studies that are in memory at once
LOOKS = (5, 10, 20)


def count_wrong(studies: int, family: int, levels: Sequence[float], *, paired: bool = True, common: float = 0.0) -> list[int]:
    """The number of wrong studies after each of the looks at 5, 10 and 20 seeds.

    Args:
        studies: How many are simulated.
        family: Predictions of a study.
        levels: The level of each look.
        paired: Whether arms are compared seed by seed.
        common: The standard deviation of what the differences of one seed have in common, in units of the rest.
    """
    random, counts = np.random.default_rng(family), np.zeros(len(LOOKS), int)
    for done in range(0, studies, AT_ONCE):
        size = (min(AT_ONCE, studies - done), family, LOOKS[-1])
        arms = [random.standard_normal(size) for _ in range(1 if paired else 2)]
        arms[0] += common * random.standard_normal((size[0], 1, size[2]))
        wrong = np.zeros(size[0], bool)
        for place, (n, level) in enumerate(zip(LOOKS, levels, strict=True)):
            seen = [arm[..., :n] for arm in arms]
            found = stats.ttest_1samp(*seen, 0, axis=2) if paired else stats.ttest_ind(*seen, axis=2, equal_var=False)
            wrong |= found.pvalue.min(1) < level / family  # the first prediction that Holm's procedure decides
            counts[place] += wrong.sum()
    return counts.tolist()


def list_levels(family: int) -> Iterator[tuple[str, list[float]]]:
    """How a study may be looked at, and the level of each look."""
    yield "5 % at each look", [0.05] * len(LOOKS)
    for bounds in (OBRIEN_FLEMING, POCOCK):
        yield f"planned, {bounds}", find_levels(LOOKS, bounds, family)
    unplanned = [find_levels(LOOKS[:place], POCOCK, family)[-1] for place in range(2, len(LOOKS) + 1)]
    yield "5 % at the first, unplanned then", [0.05, *unplanned]


def main(studies: int) -> None:
    """Print the rates after each look, in per cent."""
    print(f"| looks | predictions | pairing | {' | '.join(f'{n} seeds' for n in LOOKS)} |\n|{' --- |' * 6}")
    for family, paired in itertools.product((1, 5), (True, False)):
        for name, levels in list_levels(family):
            wrong = count_wrong(studies, family, levels, paired=paired)
            rates = " | ".join(f"{100 * count / studies:.1f}" for count in wrong)
            print(f"| {name} | {family} | {'paired' if paired else 'independent'} | {rates} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
