import pytest
from scipy import stats

from dlexp.analysis.judge.failures import compare_rates, measure_rate, rank_sides

SEEDS = list(range(8))
GOOD = {seed: 0.8 + seed / 100 for seed in SEEDS}


@pytest.mark.parametrize("rising", [True, False])
def test_a_failed_run_is_worse_than_any_other_in_the_direction_of_the_metric(rising):
    worst = dict.fromkeys(SEEDS, 0.0 if rising else 9.0)
    found = rank_sides([worst], [dict.fromkeys(SEEDS)], SEEDS, in_blocks=True, rising=rising)
    assert (found.sign, found.p) == (1 if rising else -1, 2 / 2**8)


@pytest.mark.parametrize("paired", [True, False])
def test_arms_that_all_fail_are_equal(paired):
    found = rank_sides([dict.fromkeys(SEEDS)], [dict.fromkeys(SEEDS)], SEEDS, in_blocks=paired, rising=True)
    assert (found.sign, found.p, found.agrees) == (0, 1.0, True)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("rising", [True, False])
def test_missing_runs_are_the_best_and_the_worst(paired, rising):
    low = {seed: value / 2 for seed, value in GOOD.items()}
    one = rank_sides([{seed: GOOD[seed] for seed in SEEDS[1:]}], [low], SEEDS, in_blocks=paired, rising=rising)
    all_there = rank_sides([GOOD], [low], SEEDS, in_blocks=paired, rising=rising)
    assert (one.agrees, one.sign) == (True, 1)
    assert one.p > all_there.p
    most = rank_sides([{seed: GOOD[seed] for seed in SEEDS[5:]}], [low], SEEDS, in_blocks=paired, rising=rising)
    assert (most.agrees, most.p) == (False, 1.0)


def test_the_rate_has_its_exact_interval_and_leaves_missing_runs_out():
    found = measure_rate([{0: 0.9, 1: None}, {0: 0.8, 1: 0.7, 2: None}])
    interval = stats.binomtest(3, 5).proportion_ci()
    assert (found.learned, found.runs, found.low, found.high) == (3, 5, interval.low, interval.high)


def test_rates_are_compared_by_mcnemar_and_barnard():
    half = {seed: value if seed % 2 else None for seed, value in GOOD.items()}
    assert compare_rates([GOOD], [half], in_blocks=True) == stats.binomtest(4, 4).pvalue
    assert compare_rates([GOOD], [half], in_blocks=False) == stats.barnard_exact([[8, 4], [0, 4]]).pvalue
    assert compare_rates([half], [half], in_blocks=True) == 1.0
    assert compare_rates([dict.fromkeys(SEEDS)], [dict.fromkeys(SEEDS)], in_blocks=False) == 1.0
