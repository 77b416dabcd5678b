"""Comparisons of the questions' page are judged as predictions of a study are."""

from itertools import count

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.times import Censored
from scripts.homework import compare
from scripts.homework.evidence import Sample
from scripts.homework.numbers import format_gap, format_sample

NOISE = np.random.default_rng(0).normal(0, 0.1, 10)


def sample(values, metric="test/acc", seeds=None):
    known = values if isinstance(values, dict) else dict(zip(count(), map(float, values), strict=False))
    return Sample(metric, known, tuple(sorted(known) if seeds is None else seeds))


def judge_one(comparison, planned=1):
    (found,) = compare.judge_family([comparison], planned)
    return found


@pytest.mark.parametrize(("shift", "side"), [(1, "greater"), (-1, "less"), (0.01, "unknown")])
def test_the_verdict_chooses_the_word(shift, side):
    found = judge_one(compare.difference(sample(shift + NOISE), sample(np.zeros(10))))
    assert compare.side_of(found) == side
    low, high = stats.ttest_1samp(shift + NOISE, 0).confidence_interval()
    assert (found.low, found.high) == pytest.approx((low, high))


def test_two_seeds_decide_nothing():
    found = judge_one(compare.difference(sample([2.0, 2.1]), sample([1.0, 1.0])))
    assert (found.verdict, found.cause, found.n) == ("undecided", "few", 2)
    assert "fewer than 5 seeds" in format_gap(found)


def test_a_family_is_corrected_by_its_planned_size():
    pair = compare.difference(sample(0.08 + NOISE), sample(np.zeros(10)))
    alone, among = judge_one(pair), judge_one(pair, planned=10)
    assert (alone.verdict, among.verdict, among.cause) == ("holds", "undecided", "holm")
    assert among.p_holm == pytest.approx(10 * alone.p)


def test_the_smallest_p_is_multiplied_by_all_and_the_next_by_one_less():
    shifts = (0.2, 0.1, 0.0)
    found = compare.judge_family([compare.difference(sample(shift + NOISE), sample(np.zeros(10))) for shift in shifts], 3)
    p = [stats.ttest_1samp(shift + NOISE, 0).pvalue for shift in shifts]
    assert [verdict.p_holm for verdict in found] == pytest.approx([3 * p[0], 2 * p[1], max(p[2], 2 * p[1])])


def test_missing_runs_are_bounded_and_failed_ones_are_the_worst():
    plus, minus = dict(enumerate(1 + NOISE)), dict(enumerate(NOISE))
    failed = judge_one(compare.difference(sample(plus), sample({**minus, 3: None})))
    assert (failed.verdict, failed.failed, failed.by_ranks) == ("holds", 1, True)
    assert "1 of 20 runs failed to learn; decided by ranks" in format_gap(failed)
    lost = {seed: value for seed, value in minus.items() if seed > 3}
    missing = judge_one(compare.difference(sample(plus), sample(lost, seeds=range(10))))
    assert (missing.verdict, missing.missing) == ("undecided", 4)
    assert "4 of 20 runs are missing; undecided by ranks" in format_gap(missing)


def test_a_ratio_is_of_logarithms_and_a_value_without_one_is_missing():
    found = judge_one(compare.ratio(sample([2, 4, 2, 4, 8, 0], "loss"), sample([1] * 6, "loss")))
    assert (found.missing, found.estimate) == (1, pytest.approx((2 * 4 * 2 * 4 * 8) ** (1 / 5)))
    assert format_gap(judge_one(compare.ratio(sample([2] * 5, "loss"), sample([1] * 5, "loss")))).startswith(
        "2 times [2 to 2; n = 5"
    )


def test_a_correlation_has_fishers_interval_and_none_where_nothing_varies():
    drawn = np.random.default_rng(0).normal(size=(2, 12))
    found, expected = judge_one(compare.correlation(*map(sample, drawn))), stats.pearsonr(*drawn)
    assert [found.estimate, found.low, found.high] == pytest.approx([expected.statistic, *expected.confidence_interval()])
    assert found.verdict == "undecided"
    alike = judge_one(compare.correlation(sample(drawn[0]), sample(drawn[0] + 0.01 * drawn[1])))
    assert (alike.verdict, alike.n) == ("holds", 12)
    assert judge_one(compare.correlation(sample(drawn[0]), sample(np.ones(12)))).estimate is None


def test_a_correlation_over_draws_is_that_of_their_means():
    drawn = np.random.default_rng(0).normal(size=(2, 6, 3))
    arms = [{(draw, seed): arm[draw, seed] for draw in range(6) for seed in range(3)} for arm in drawn]
    found = judge_one(compare.correlation(*(sample(arm, seeds=sorted(arm)) for arm in arms)))
    assert (found.n, found.unit) == (6, "draw")
    assert found.estimate == pytest.approx(stats.pearsonr(*drawn.mean(axis=2)).statistic)


def test_a_failed_run_is_farther_than_all_others_and_two_of_them_are_at_an_unknown_distance():
    found = compare.distance(sample({0: 3.0, 1: None, 2: None}), sample({0: 1.0, 1: 1.0, 2: None}), scale=0.5)
    assert found.outcomes == {0: 1.0, 1: None}


def test_a_mean_says_of_how_many_runs_it_is():
    assert format_sample(sample([0.5] * 5), rate=True) == "50.00 ± 0.00 %"
    assert format_sample(sample({0: 0.5, 1: 0.5, 2: None}), rate=True) == "50.00 ± 0.00 % [2 of 3 runs learned]"
    assert format_sample(sample({0: None})) == "0 of 1 runs learned"


def test_times_that_not_all_runs_reached_are_censored():
    slow, fast = sample({seed: Censored(100) if seed else 60.0 for seed in range(8)}, "convergence_epoch"), sample(range(3, 11))
    assert format_sample(slow) == "95 ± 11.8 [1 of 8 runs reach it; mean up to 100]"
    found = judge_one(compare.difference(slow, fast))
    assert found.verdict == "holds"
    assert "n = 8; means up to 100, reached by 1/8 and 8/8 runs; decided by the log-rank test, p = 0.00781]" in format_gap(
        found
    )
