import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from dlexp.analysis.judge import power, statistics
from dlexp.analysis.judge.permutation import least_p
from dlexp.analysis.judge.power import Aim, count_seeds, least_seeds
from tests.analysis.simulate_power import EFFECT, ESTIMATED, KNOWN, Estimated, Known, count_enough, count_holds


def aim_at(expected, family, *, paired):
    """The aim of a prediction that is true by `EFFECT`: of a greater value, or of a value within a margin of as much."""
    return Aim(EFFECT, EFFECT if expected == "equal" else None, 0.05 / family, paired)


def allow_below(studies):
    """3.5 standard errors of a share of 80 %."""
    return 3.5 * math.sqrt(0.8 * 0.2 / studies)


@pytest.mark.parametrize(
    ("known", "studies"),
    [
        (Known("greater", 2.0, "paired", 5), 100),
        (Known("greater", 2.0, "independent", 1), 100),
        *(pytest.param(known, 3_000, marks=pytest.mark.slow(seconds=30)) for known in KNOWN),
    ],
)
def test_the_number_is_the_least_whose_verdicts_have_the_power(known, studies):
    """The deviation is known."""
    needed = known.count_seeds()
    assert count_holds(known, needed, studies) / studies >= 0.8 - allow_below(studies)
    if needed > known.find_least():
        assert count_holds(known, needed - 1, studies) / studies < 0.8 + allow_below(studies)


@pytest.mark.parametrize(
    ("case", "studies"),
    [
        *(
            (Estimated(Known("greater", 0.3, *design), 10), 60)
            for design in itertools.product(("paired", "independent"), (1, 5))
        ),
        *(pytest.param(case, 200, marks=pytest.mark.slow(seconds=40)) for case in ESTIMATED),
    ],
)
def test_in_four_of_five_studies_the_number_has_the_power(case, studies):
    """The deviation is estimated from the seeds that there are."""
    named, enough = count_enough(case, studies)
    assert named > 0.8 * studies
    assert enough / named >= 0.8 - allow_below(named)


@pytest.mark.parametrize("size", [0.3, 0.45])
@pytest.mark.parametrize("family", [1, 5])
def test_of_many_seeds_it_is_the_number_of_statsmodels(size, family):
    asked = {"alpha": 0.05 / family / 2, "power": 0.8, "alternative": "larger"}
    paired, alone = (aim_at("greater", family, paired=each) for each in (True, False))
    assert count_seeds(paired, EFFECT / size) == math.ceil(TTestPower().solve_power(effect_size=size, **asked))
    two_arms = TTestIndPower().solve_power(effect_size=size * math.sqrt(2), **asked)  # in deviations of one arm
    assert count_seeds(alone, EFFECT / size, 2) == math.ceil(two_arms)
    assert count_seeds(alone, EFFECT / size, 1) == count_seeds(paired, EFFECT / size)  # one arm does not vary


def test_the_power_of_an_equivalence_is_that_of_both_tests():
    aim, seeds, deviation = Aim(0.08, 0.12, 0.05, paired=True), 40, 0.2
    values = np.random.default_rng(0).normal(0.02, deviation, (20_000, seeds))
    half = stats.t.ppf(0.95, seeds - 1) * values.std(axis=1, ddof=1) / math.sqrt(seeds)
    within = np.mean((values.mean(axis=1) + half < 0.1) & (values.mean(axis=1) - half > -0.1))
    assert power.find_t_power(aim, seeds, deviation) == pytest.approx(within, abs=0.01)
    assert power.simulate_power(aim, 20, deviation) <= power.find_t_power(aim, 20, deviation) + 0.02


@pytest.mark.parametrize(("family", "pairs", "runs"), [(1, 6, 5), (5, 8, 5), (7, 9, 6), (400, 5, 5)])
def test_the_exact_tests_need_a_least_number_of_seeds(family, pairs, runs):
    assert (least_seeds(family, paired=True), least_seeds(family, paired=False)) == (pairs, runs)
    if pairs > 5:
        assert least_p(pairs) * family < 0.05 <= least_p(pairs - 1) * family
    assert count_seeds(aim_at("greater", family, paired=True), 1e-9, least=pairs) == pairs  # no deviation: the least is enough


def test_the_number_grows_with_the_deviation_and_ends_at_a_thousand():
    aim = aim_at("greater", 1, paired=True)
    numbers = [count_seeds(aim, EFFECT / size, least=6) for size in (5, 2, 1.5, 1, 0.9, 0.5, 0.2)]
    assert numbers == sorted(numbers)
    assert count_seeds(aim, 100 * EFFECT) is None
    assert count_seeds(Aim(0.0, None, 0.05, paired=True), 1.0) is None


def test_the_limit_of_the_deviation_covers_it_in_four_of_five_samples():
    random = np.random.default_rng(0)
    limits = [power.limit_deviation(statistics.contrast_paired(random.normal(0, 1, 6).tolist())) for _ in range(2_000)]
    assert np.mean(np.array(limits) >= 1) == pytest.approx(0.8, abs=3.5 * math.sqrt(0.8 * 0.2 / 2_000))
