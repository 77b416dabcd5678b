import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from dlexp.analysis.judge import statistics

A = [0.91, 0.93, 0.90, 0.95, 0.92, 0.94]
B = [0.90, 0.91, 0.86, 0.95, 0.90, 0.89]


def test_mean_and_interval_are_statsmodels():
    expected = DescrStatsW(A)
    found = statistics.summarise(A)
    assert (found.n, found.mean, found.sd) == pytest.approx((6, expected.mean, np.std(A, ddof=1)))
    assert (found.low, found.high) == pytest.approx(expected.tconfint_mean())


@pytest.mark.parametrize("boundary", [0.0, 0.01, -0.05])
def test_paired_contrast_is_scipys_paired_test(boundary):
    expected = stats.ttest_rel(A, [b + boundary for b in B])
    found = statistics.contrast_paired(np.subtract(A, B).tolist())
    assert found.p(boundary) == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx(stats.ttest_rel(A, B).confidence_interval())


@pytest.mark.parametrize("second", [B, B[:4], [*B, 0.7, 0.99]], ids=["equal n", "fewer", "more"])
def test_independent_contrast_of_two_cells_is_welchs(second):
    found = statistics.contrast_independent([A], [second])
    expected = stats.ttest_ind(A, second, equal_var=False)
    assert (found.p(0.0), found.df) == pytest.approx((expected.pvalue, expected.df))
    interval = CompareMeans(DescrStatsW(A), DescrStatsW(second)).tconfint_diff(usevar="unequal")
    assert found.interval() == pytest.approx(interval)


def test_independent_contrast_of_several_cells_has_satterthwaites_degrees_of_freedom():
    cells = [A, B, [0.8, 0.85, 0.79], [0.7, 0.75, 0.78, 0.71]]
    parts = [np.var(cell, ddof=1) / (4 * len(cell)) for cell in cells]
    found = statistics.contrast_independent(cells[:2], cells[2:])
    assert found.estimate == pytest.approx(np.mean([np.mean(A), np.mean(B)]) - np.mean([np.mean(c) for c in cells[2:]]))
    assert found.se == pytest.approx(math.sqrt(sum(parts)))
    assert found.df == pytest.approx(sum(parts) ** 2 / sum(p**2 / (len(c) - 1) for p, c in zip(parts, cells, strict=True)))


@pytest.mark.parametrize("p_values", [[0.01, 0.04, 0.03], [0.5], [0.02, 0.02, 0.9, 0.0001], [1.0, 1.0]])
def test_holm_is_statsmodels(p_values):
    assert statistics.correct_holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_holm_counts_a_p_value_that_is_not_there_as_one():
    assert statistics.correct_holm([0.01, None, 0.02]) == pytest.approx([0.03, None, 0.04])


@pytest.mark.parametrize(("plus", "minus"), [(A, B), ([1.0, 2.0], [2.0, 2.0]), ([0.5], [0.5])])
def test_crossed_probability_is_mann_whitneys(plus, minus):
    expected = stats.mannwhitneyu(plus, minus).statistic / (len(plus) * len(minus))
    assert statistics.probability_crossed([plus], [minus]) == pytest.approx(expected)


def test_paired_probability_counts_ties_half():
    assert statistics.probability_paired([1, 2, 3, 4], [0, 2, 4, 1]) == 2.5 / 4


def test_correlation_is_pearsons_and_none_where_a_side_does_not_vary():
    assert statistics.correlation(A, B) == pytest.approx(stats.pearsonr(A, B).statistic)
    assert statistics.correlation(A, [0.1] * 6) is None
    assert statistics.correlation(A[:2], B[:2]) is None


@pytest.mark.parametrize("values", [[0.1] * 5, [0.1 + 1e-16, 0.1, 0.1 - 1e-17]])
def test_seeds_that_agree_make_a_point_and_no_warning(values):
    contrast = statistics.contrast_paired(values)
    assert contrast.interval() == pytest.approx((0.1, 0.1))
    assert (contrast.p(0.0), contrast.p(0.1)) == (0.0, 1.0)
    assert statistics.contrast_independent([values], [values]).p(0.0) == 1.0


@pytest.mark.parametrize(("values", "n"), [([], 0), ([0.4], 1)])
def test_no_interval_without_two_values(values, n):
    found = statistics.summarise(values)
    assert found.n == n
    assert math.isnan(found.sd)
    assert math.isnan(found.low)


def test_binomial_sd_is_the_deviation_of_a_binomial_share():
    assert statistics.binomial_sd(0.9, 360) == pytest.approx(stats.binom(360, 0.9).std() / 360)
