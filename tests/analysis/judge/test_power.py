import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestIndPower, TTestPower

from dlexp.analysis.judge import power, statistics
from dlexp.analysis.judge.permutation import least_p
from dlexp.analysis.judge.power import Aim, count_seeds, least_seeds
from dlexp.analysis.judge.verdict import judge

CLAIM = {"claim": "a", "plus": {"arm": "a"}, "minus": {"arm": "b"}, "expected": "greater"}
CELLS = [{"arm": "a"}, {"arm": "b"}]
EFFECT = 0.1  # as large as the deviations below are multiples of
DESIGNS = list(itertools.product((True, False), (1, 5)))  # paired or not, predictions


def aim_at(expected, family, *, paired):
    """The aim of a prediction that is true by `EFFECT`: of a greater value, or of a value within a margin of as much."""
    return Aim(EFFECT, EFFECT if expected == "equal" else None, 0.05 / family, paired)


def draw(random, seeds, deviation, *, paired, difference=EFFECT):
    """The outcomes of both arms, whose contrast has this deviation."""
    shared = random.normal(0.5, deviation, seeds) if paired else 0.5
    spread = deviation / math.sqrt(2)
    values = [random.normal(mean, spread, seeds) + shared for mean in (difference, 0)]
    return [dict(enumerate(arm.tolist())) for arm in values]


def share_of_holds(expected, seeds, deviation, family, *, paired, studies):
    """The share of simulated studies whose first prediction holds; of the others there are no runs, so that none is decided."""
    prediction = CLAIM | {"expected": expected, "margin": EFFECT if expected == "equal" else 0.0}
    others = [CLAIM | {"minus": {"arm": "none"}}] * (family - 1)
    study = {"predictions": [prediction, *others], "pairing": "paired" if paired else "independent"}
    random, holds = np.random.default_rng(seeds), 0
    for _ in range(studies):
        drawn = draw(random, seeds, deviation, paired=paired, difference=0 if expected == "equal" else EFFECT)
        holds += judge(study, CELLS, lambda metric, drawn=drawn: drawn)[0].verdict == "holds"
    return holds / studies


@pytest.mark.parametrize(
    ("expected", "size", "paired", "family", "studies"),
    [
        ("greater", 2.0, True, 5, 100),
        ("greater", 2.0, False, 1, 100),
        *(
            pytest.param(expected, size, *design, studies, marks=pytest.mark.slow(seconds=300))
            for expected, size, studies in (("greater", 2.0, 10_000), ("greater", 0.9, 3_000), ("equal", 1.25, 3_000))
            for design in DESIGNS
        ),
    ],
)
def test_the_number_is_the_least_whose_verdicts_have_the_power(expected, size, paired, family, studies):
    """The deviation is known; `size` is the effect in deviations."""
    deviation, least = EFFECT / size, least_seeds(family, paired=paired)
    needed = count_seeds(aim_at(expected, family, paired=paired), deviation, 1 if paired else 2, least=least)
    slack = 3.5 * math.sqrt(0.8 * 0.2 / studies)
    assert share_of_holds(expected, needed, deviation, family, paired=paired, studies=studies) >= 0.8 - slack
    if needed > least:
        assert share_of_holds(expected, needed - 1, deviation, family, paired=paired, studies=studies) < 0.8 + slack


@pytest.mark.parametrize(("paired", "family"), DESIGNS)
@pytest.mark.parametrize(
    ("pilots", "size", "studies"),
    [
        (10, 0.3, 60),
        *(
            pytest.param(*cell, marks=pytest.mark.slow(seconds=300))
            for cell in ((5, 0.4, 3_000), (10, 0.4, 3_000), (10, 0.9, 150))
        ),
    ],
)
def test_in_four_of_five_studies_the_number_has_the_power(pilots, size, studies, paired, family):
    """The deviation is estimated from so many pilot seeds."""
    deviation, least = EFFECT / size, least_seeds(family, paired=paired)
    aim = aim_at("greater", family, paired=paired)
    needed = count_seeds(aim, deviation, 1 if paired else 2, least=least)
    random, enough = np.random.default_rng(family), 0
    for _ in range(studies):
        first, second = (list(arm.values()) for arm in draw(random, pilots, deviation, paired=paired))
        if paired:
            contrast = statistics.contrast_paired(np.subtract(first, second).tolist())
        else:
            contrast = statistics.contrast_independent([first], [second])
        stated = count_seeds(aim, power.limit_deviation(contrast), contrast.df_per_seed, least=least)
        enough += stated is None or stated >= needed
    assert enough / studies >= 0.8 - 3.5 * math.sqrt(0.8 * 0.2 / studies)


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
