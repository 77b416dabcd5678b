"""Whether a difference depends on an axis: the tests of scipy and statsmodels where they are the same."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.anova import AnovaRM
from statsmodels.stats.oneway import anova_oneway

from dlexp.analysis.judge.heterogeneity import Average, Part, compare_independent, compare_paired
from dlexp.analysis.judge.statistics import Contrast, contrast_independent

DRAWN = np.random.default_rng(2).normal(size=(6, 4))


def test_of_two_levels_it_is_the_paired_t_test():
    assert compare_paired(DRAWN[:, :2]) == pytest.approx(stats.ttest_rel(DRAWN[:, 0], DRAWN[:, 1]).pvalue)


def test_equal_variances_give_the_analysis_of_variance_with_repeated_measures():
    # Rows whose covariance over levels is that of independent levels: then nothing is taken from the degrees of freedom.
    whole, _ = np.linalg.qr(DRAWN - DRAWN.mean(0))
    values = whole + np.array([0.0, 0.1, 0.5, -0.4])
    long = pd.DataFrame([(seed, level, x) for (seed, level), x in np.ndenumerate(values)], columns=["seed", "level", "value"])
    expected = AnovaRM(long, "value", "seed", within=["level"]).fit().anova_table["Pr > F"].iloc[0]
    assert compare_paired(values) == pytest.approx(expected)


def test_unequal_variances_make_it_more_careful():
    values = DRAWN * np.array([1, 1, 1, 10]) + np.array([0, 2, 4, 20])
    long = pd.DataFrame([(seed, level, x) for (seed, level), x in np.ndenumerate(values)], columns=["seed", "level", "value"])
    table = AnovaRM(long, "value", "seed", within=["level"]).fit().anova_table.iloc[0]
    # Greenhouse and Geisser's epsilon from an orthonormal set of contrasts.
    contrasts = np.linalg.svd(np.ones((1, 4)))[2][1:]
    covariance = contrasts @ np.cov(values, rowvar=False) @ contrasts.T
    epsilon = np.trace(covariance) ** 2 / (3 * np.trace(covariance @ covariance))
    assert 1 / 3 < epsilon < 0.5
    assert compare_paired(values) == pytest.approx(stats.f.sf(table["F Value"], 3 * epsilon, 15 * epsilon))
    assert compare_paired(values) > table["Pr > F"]


@pytest.mark.parametrize("num_levels", [2, 3, 4])
def test_independent_differences_are_compared_as_welch_does(num_levels):
    samples = [list(DRAWN[: 4 + i, i] * (1 + i) + i) for i in range(num_levels)]
    contrasts = [
        Contrast(float(np.mean(x)), len(x), float(stats.sem(x)), len(x) - 1, float(np.std(x, ddof=1))) for x in samples
    ]
    assert compare_independent(contrasts) == pytest.approx(anova_oneway(samples, use_var="unequal").pvalue)


def test_differences_without_variation_are_not_tested():
    assert compare_paired(np.tile([0.1, 0.3], (5, 1))) is None
    assert compare_paired(np.tile([[0.1], [0.2], [0.4]], (1, 2))) is None  # seeds differ, levels do not
    constant = contrast_independent([[0.3, 0.3]], [[0.1, 0.1]])
    assert compare_independent([constant, contrast_independent([[0.3, 0.4]], [[0.1, 0.2]])]) is None


def test_the_test_errs_in_one_of_twenty_equal_studies():
    drawn = np.random.default_rng(5).normal(size=(1500, 6, 3)) * np.array([1, 1, 3])
    wrong = np.mean([compare_paired(differences) < 0.05 for differences in drawn])
    assert 0.02 < wrong < 0.05 + 3.5 * np.sqrt(0.05 * 0.95 / 1500)


@pytest.mark.parametrize(
    ("estimates", "none", "turns"),
    [((-0.1, -0.2), 0, False), ((0.1, -0.2), 0, True), ((0.0, 0.2), 0, False), ((0.9, 1.2), 1, True)],
)
def test_a_difference_turns_where_its_parts_lie_on_both_sides(estimates, none, turns):
    average = Average("depth", tuple(Part(i, value) for i, value in enumerate(estimates)), 0.01)
    assert average.turns(none) == turns
    assert not average.stands_alone
    assert average.ends[0].estimate == min(estimates)
