"""Intervals of ranks, and mean ranks over data sets."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.ranks import bound_ranks, compare_over_blocks


def test_ranks_follow_from_the_pairs_that_differ():
    p = np.ones((3, 3))
    p[0, 1] = p[0, 2] = 0.001  # the first is better than both
    low, high = bound_ranks(p, 3)
    assert (low.tolist(), high.tolist()) == ([1, 2, 2], [1, 3, 3])


def test_holm_counts_both_directions_of_all_planned_pairs():
    p = np.array([[1.0, 0.02], [1.0, 1.0]])
    assert [bound.tolist() for bound in bound_ranks(p, 2)] == [[1, 2], [1, 2]]
    assert [bound.tolist() for bound in bound_ranks(p, 3)] == [[1, 1], [2, 2]]


def test_equal_cells_have_all_ranks():
    assert [bound.tolist() for bound in bound_ranks(np.ones((4, 4)), 4)] == [[1] * 4, [4] * 4]


# Demšar 2006, table 6: AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets.
DEMSAR = np.array(
    [
        [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957],
        [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978],
        [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946],
        [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970],
    ]
)


def test_a_published_example_of_mean_ranks():
    found = compare_over_blocks(DEMSAR)
    assert found.ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    assert found.difference == pytest.approx(1.25, abs=0.005)
    assert found.p == pytest.approx(stats.friedmanchisquare(*DEMSAR).pvalue)
    assert found.find_groups() == [pytest.approx((1.964, 3.143), abs=5e-4)]


def test_groups_are_as_large_as_the_critical_difference_allows():
    scores = np.arange(6)[:, None] + np.zeros(12)
    found = compare_over_blocks(scores)
    assert found.ranks.tolist() == [6, 5, 4, 3, 2, 1]
    assert 2 < found.difference < 3
    assert found.find_groups() == [(1, 3), (2, 4), (3, 5), (4, 6)]


@pytest.mark.parametrize("shape", [(3, 4), (2, 9)])
def test_few_data_sets_or_cells_are_not_tested(shape):
    assert compare_over_blocks(np.random.default_rng(0).random(shape)) is None


def test_equal_scores_are_not_tested():
    assert compare_over_blocks(np.ones((4, 6))) is None
