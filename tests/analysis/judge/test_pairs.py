"""All pairs of cells are compared as scipy compares two, and by ranks where a run failed."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.pairs import ALPHA, compare_all

random = np.random.default_rng(0)
VALUES = random.normal([[0.0], [0.5], [3.0]], [[1.0], [2.0], [0.5]], (3, 8))


def compare(values, *, paired=True, family=None):
    cells = [{seed: None if np.isnan(value) else value for seed, value in enumerate(row)} for row in np.asarray(values, float)]
    return compare_all(cells, [list(range(len(cells[0])))] * len(cells), paired=paired, family=family or len(cells) - 1)


@pytest.mark.parametrize("paired", [True, False])
def test_each_pair_is_scipys_one_sided_test(paired):
    pairs = compare(VALUES, paired=paired)
    test = stats.ttest_rel if paired else lambda a, b, **more: stats.ttest_ind(a, b, equal_var=False, **more)
    for i, j in [(0, 1), (1, 0), (2, 0), (0, 2), (1, 2)]:
        found = test(VALUES[i], VALUES[j], alternative="greater")
        assert pairs.p[i, j] == pytest.approx(found.pvalue)
        lowest = found.confidence_interval(1 - 0.01).low
        assert pairs.estimate[i, j] - pairs.half_widths(0.01)[i, j] == pytest.approx(lowest)
    assert np.diag(pairs.p).tolist() == [1, 1, 1]


def test_cells_of_different_sizes_are_welchs_test():
    a, b = VALUES[0], VALUES[2][:5]
    pairs = compare_all([dict(enumerate(a)), dict(enumerate(b))], [range(8), range(5)], paired=False, family=1)
    assert pairs.p[1, 0] == pytest.approx(stats.ttest_ind(b, a, equal_var=False, alternative="greater").pvalue)


@pytest.mark.parametrize(("n", "reached"), [(5, True), (4, False)])
def test_equal_differences_have_the_least_exact_p(n, reached):
    pairs = compare([np.arange(n), np.arange(n) + 0.25])
    assert pairs.p.tolist() == [[1, 1], [0.5**n, 1]]
    assert pairs.half_widths(ALPHA)[0, 1] == (0 if reached else np.inf)


def test_equal_cells_do_not_differ():
    pairs = compare([VALUES[0], VALUES[0]])
    assert pairs.p.tolist() == [[1, 1], [1, 1]]
    assert pairs.half_widths(ALPHA).tolist() == [[0, 0], [0, 0]]


def test_a_cell_with_a_failed_run_is_compared_by_ranks():
    high, low = 5 + VALUES[0], VALUES[1].copy()
    low[2] = np.nan
    pairs = compare([high, low, high + 1])
    assert pairs.by_means.tolist() == [True, False, True]
    assert np.isnan(pairs.estimate[0, 1])
    assert np.isfinite(pairs.estimate[0, 2])
    assert (pairs.p[0, 1], pairs.p[1, 0]) == (0.5**8, 1)
    assert compare([high, low, high + 1], family=20).p[0, 1] == 1  # 20 comparisons: 8 seeds cannot decide
