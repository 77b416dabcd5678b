import math
from itertools import combinations

import numpy as np
import pytest

from dlexp.analysis.judge.budget import average, measure_budget


def list_best(values, n):
    """The best of each choice of n trials, which are listed with the best first, in the order of the list."""
    return [values[places[0]] for places in combinations(range(len(values)), n)]


@pytest.mark.parametrize("values", [[0.9, 0.7, 0.7, 0.5, 0.1], [0.2, 0.25, 0.3, 1.5], [0.9, 0.1], [0.4]])
def test_the_curve_is_the_mean_over_all_choices(values):
    budget = measure_budget(values)
    assert budget.sizes.tolist() == list(range(1, len(values) + 1))
    for n, expected, low, high in zip(*budget, strict=True):
        found = sorted(list_best(values, n))
        assert expected == pytest.approx(np.mean(found))
        assert low in found
        assert high in found
        assert np.mean([low <= value <= high for value in found]) >= 0.8


def test_the_range_leaves_out_a_tenth_at_each_end():
    values = [1 - place / 20 for place in range(20)]
    budget = measure_budget(values)
    assert (budget.low[0], budget.high[0]) == pytest.approx((0.15, 0.95))  # the 18th and the 2nd of 20
    assert (budget.low[-1], budget.high[-1]) == (1, 1)


def test_a_curve_begins_where_every_choice_has_a_trial_with_a_number():
    budget = measure_budget([0.3, 0.4, math.nan, math.nan])
    assert np.isnan(budget.expected).tolist() == [True, True, False, False]
    assert np.isnan(budget.low).tolist() == [True, True, False, False]
    assert budget.expected[2:] == pytest.approx([0.325, 0.3])
    assert np.isnan(measure_budget([math.nan]).expected).all()


def test_many_trials_have_a_hundred_points_and_the_ends():
    budget = measure_budget(np.linspace(1, 0, 5000).tolist())
    assert (len(budget.sizes), budget.sizes[0], budget.sizes[-1]) == (100, 1, 5000)
    assert budget.expected[[0, -1]] == pytest.approx([0.5, 1])
    assert (np.diff(budget.expected) > 0).all()


def test_curves_of_several_draws_are_averaged():
    mean = average([measure_budget([0.9, 0.5]), measure_budget([0.7, 0.3])])
    assert mean.expected == pytest.approx([0.6, 0.8])
