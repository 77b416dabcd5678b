"""Draw the outcomes of two arms of which the truth is known: kinds of noise, and runs that fail or are missing."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import stats

CHANCE, MEAN, SD = (
    0.1,
    0.7,
    0.01,
)  # of an accuracy; SD is that of a run around the mean of its arm, and of seeds in a paired study
MARGIN = 3 * SD
LOST = 0.31  # the share of runs that are lost, its worst
GAP, WITHIN, LOW = 2.5, 0.2, 0.2  # bimodal: the distance of the modes, the deviation within each, the share of the lower one
Outcome = dict[int, float | None]
Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


class Arms(NamedTuple):
    """How two arms are drawn, and what is true of them.

    Args:
        draw: Draws the outcomes of both, from a generator, the number of seeds, whether they are paired, and what is added to
            the mean of the first.
        difference: The difference of the means of runs that learn, given whether they are paired.
        ranks: Sign of P(first > second) - 1/2.
        can_fail: Whether runs fail or are missing.
    """

    draw: Callable[[np.random.Generator, int, bool, float], list[Outcome]]
    difference: Callable[[bool], float] = lambda paired: 0.0
    ranks: int = 0
    can_fail: bool = True


def draw_bimodal(random: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """A fifth of the runs ends far below the others, without having failed: both modes have a mean of 0 together."""
    low = random.random(shape) < LOW
    values = GAP * (LOW - low) + WITHIN * random.standard_normal(shape)
    return values / math.sqrt(GAP**2 * LOW * (1 - LOW) + WITHIN**2)


def draw_values(
    random: np.random.Generator, n: int, paired: bool, shift: float = 0.0, noise: Noise = np.random.Generator.standard_normal
) -> np.ndarray:
    """Values [2, n] of both arms; `noise` has a mean of 0 and a deviation of 1."""
    values = MEAN + SD * noise(random, (2, n))
    values[0] += shift
    return values + random.normal(0, SD, n) if paired else values


def to_outcomes(values: np.ndarray, failed: np.ndarray) -> list[Outcome]:
    """The outcomes of both arms, None where they failed."""
    return [
        {seed: None if bad else value for seed, (value, bad) in enumerate(zip(arm, lost, strict=True))}
        for arm, lost in zip(values.tolist(), failed.tolist(), strict=True)
    ]


def learn_all(noise: Noise) -> Arms:
    """All runs learn."""

    def draw(random: np.random.Generator, n: int, paired: bool, shift: float) -> list[Outcome]:
        return to_outcomes(draw_values(random, n, paired, shift, noise), np.zeros((2, n), bool))

    return Arms(draw, can_fail=False)


def fail(rates: tuple[float, float], *, better: float = 0.0) -> Arms:
    """Runs of both arms fail at these rates; where it learns, the first is better by so much."""

    def draw(random: np.random.Generator, n: int, paired: bool, shift: float) -> list[Outcome]:
        values = draw_values(random, n, paired, better + shift)
        return to_outcomes(values, random.random((2, n)) < np.array(rates)[:, None])

    ranks = np.sign(better) or np.sign(rates[1] - rates[0])  # `better` is many deviations
    return Arms(draw, lambda paired: better, int(ranks))


def fail_to_equal_means(rate: float) -> Arms:
    """The arm that fails is better where it learns, so that the means of all runs, those at chance included, are equal."""
    return fail((rate, 0.0), better=(MEAN - rate * CHANCE) / (1 - rate) - MEAN)


def lose_worst(*, missing: bool) -> Arms:
    """The first arm loses its worst runs: they failed, or nothing is known of them."""

    def draw(random: np.random.Generator, n: int, paired: bool, shift: float) -> list[Outcome]:
        values = draw_values(random, n, paired, shift)
        spread = SD * math.sqrt(2) if paired else SD
        failed = np.array([values[0] < MEAN + spread * stats.norm.ppf(LOST), np.zeros(n, bool)])
        first, second = to_outcomes(values, failed)
        return [{seed: value for seed, value in first.items() if value is not None} if missing else first, second]

    def difference(paired: bool) -> float:
        """The mean of a normal value above its quantile; of pairs, half of what is cut off is shared."""
        kept = SD * stats.norm.pdf(stats.norm.ppf(LOST)) / (1 - LOST)
        return float(kept / math.sqrt(2) if paired else kept)

    # Failed runs were its worst, but not below all of the other arm's, as they rank now: the arm that fails ranks lower.
    return Arms(draw, difference, 0 if missing else -1)


UNEQUAL = "skewed, one arm varies thrice as much"  # t tests do not have their level
DATA = {
    "normal": learn_all(lambda random, shape: random.standard_normal(shape)),
    "heavy-tailed": learn_all(lambda random, shape: random.standard_t(3, shape) / math.sqrt(3)),
    "skewed": learn_all(lambda random, shape: random.exponential(size=shape) - 1),
    "bimodal": learn_all(draw_bimodal),
    UNEQUAL: learn_all(lambda random, shape: (random.exponential(size=shape) - 1) * np.array([[1.0], [1 / 3]])),
    "alike where they learn, one arm fails in 10 %": fail((0.1, 0.0)),
    "alike where they learn, one arm fails in 20 %": fail((0.2, 0.0)),
    "equal means, one arm at chance in 10 %": fail_to_equal_means(0.1),
    "equal means, one arm at chance in 20 %": fail_to_equal_means(0.2),
    "alike, both arms fail in 10 %": fail((0.1, 0.1)),
    "one arm fails in its worst 31 %": lose_worst(missing=False),
    "one arm lacks its worst 31 %": lose_worst(missing=True),
}
