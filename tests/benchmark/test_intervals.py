import numpy as np
import pytest

from dlexp.benchmark.comparison import Figure, Sample
from dlexp.benchmark.intervals import Estimate, Goal, estimate, judge


def noisy_ratios(ratio, seed, n=15):
    """Ratios of times on a machine that is shared: skewed noise, and now and then a block that takes thrice as long."""
    generator = np.random.default_rng(seed)
    noise = np.exp(0.05 * generator.standard_normal(n))
    return list(ratio * noise * np.where(generator.random(n) < 0.05, 3.0, 1.0))


@pytest.mark.parametrize("ratio", [1.0, 2.5])
def test_the_interval_covers_the_ratio_that_is_there(ratio):
    found = [estimate(noisy_ratios(ratio, seed)) for seed in range(100)]
    covered = sum(low <= ratio <= high for _, low, high, _ in found)
    assert covered >= 85
    assert sum(low <= 1.2 * ratio <= high for _, low, high, _ in found) == 0


def test_one_slow_block_does_not_move_the_median():
    assert estimate([1.0] * 8 + [50.0]).median == 1.0


def test_the_same_values_give_the_same_interval():
    assert estimate([1.0, 1.1, 0.9, 1.3]) == estimate([1.0, 1.1, 0.9, 1.3])


def test_an_arm_beside_itself_is_near_one_or_near_zero():
    generator = np.random.default_rng(0)
    ours, again = ([Sample(float(value), None) for value in generator.normal(2.0, 0.02, 40)] for _ in range(2))
    for kind, neutral in (("other / ours", 1), ("ours / other", 1), ("ours - other", 0), ("ours", 0)):
        found = estimate([Figure(kind).compute_control(*pair) for pair in zip(ours, again, strict=True)])
        assert found.low <= neutral <= found.high
        assert found.median == pytest.approx(neutral, abs=0.03)


@pytest.mark.parametrize(
    ("low", "high", "goal", "expected"),
    [
        (1.005, 1.009, Goal("at most", 1.03, 1.01), "met, and beyond"),
        (1.005, 1.02, Goal("at most", 1.03, 1.01), "met"),
        (1.02, 1.04, Goal("at most", 1.03, 1.01), "undecided"),
        (1.04, 1.05, Goal("at most", 1.03, 1.01), "missed"),
        (2.6, 2.9, Goal("at least", 2.0, 2.5), "met, and beyond"),
        (2.1, 2.9, Goal("at least", 2.0, 2.5), "met"),
        (1.9, 2.9, Goal("at least", 2.0, 2.5), "undecided"),
        (1.7, 1.9, Goal("at least", 2.0, 2.5), "missed"),
        (-3.0, 20.0, Goal("at most", 25.0), "met"),
    ],
)
def test_the_whole_interval_decides(low, high, goal, expected):
    assert judge(Estimate((low + high) / 2, low, high, 20), goal) == expected


def test_few_pairs_decide_nothing():
    assert judge(Estimate(3.0, 3.0, 3.0, 5), Goal("at least", 2.0)) == "undecided: 5 of 6 rounds"
    assert judge(Estimate(3.0, 3.0, 3.0, 6), Goal("at least", 2.0)) == "met"
