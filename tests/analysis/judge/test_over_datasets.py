"""Cells are compared over data sets: their scores together, and their ranks on each."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.best import find_best
from dlexp.analysis.judge.over_datasets import compare_over_datasets

MEANS = {"x": 0.9, "y": 0.8, "z": 0.7}


def find(datasets, arms=MEANS, *, lost=None, n=5):
    """Made-up accuracies of each arm on each data set; `lost` lacks a run on the first."""
    cells = [{"dataset": dataset, "arm": arm} for dataset in datasets for arm in arms]
    drawn = np.random.default_rng(0).normal(0, 0.01, (len(cells), n))
    outcomes = [{seed: arms[cell["arm"]] + drawn[i, seed] for seed in range(n)} for i, cell in enumerate(cells)]
    for cell, outcome in zip(cells, outcomes, strict=True):
        if cell == {"dataset": "a", "arm": lost}:
            del outcome[0]
    planned = [{"cell": cell, "seed": seed} for cell in cells for seed in range(n)]
    return compare_over_datasets(find_best({"metric": "test/acc"}, planned, outcomes)), outcomes


def test_the_scores_of_all_data_sets_have_one_interquartile_mean():
    overall, outcomes = find("ab")
    assert overall.datasets == ("a", "b")
    assert [cell["arm"] for cell in overall.table["cell"]] == ["x", "y", "z"]
    scores = [*outcomes[0].values(), *outcomes[3].values()]
    assert overall.table["iqm"][0] == pytest.approx(stats.trim_mean(scores, 0.25))
    assert overall.ranks is None


def test_five_data_sets_have_ranks_in_the_order_of_the_table():
    overall, _ = find("abcde")
    assert overall.ranks.ranks.tolist() == [1, 2, 3]
    assert overall.ranks.blocks == 5


def test_a_cell_that_lacks_a_run_somewhere_is_left_out_and_counted():
    overall, _ = find("abcde", lost="x")
    assert [cell["arm"] for cell in overall.table["cell"]] == ["y", "z"]
    assert overall.left_out == 1
    assert overall.ranks is None  # two cells are not ranked by Friedman's test


def test_one_data_set_or_too_few_seeds_have_nothing_over_all():
    assert find("a")[0] is None
    assert find("ab", n=4)[0] is None
