"""Scores of runs, interquartile means and performance profiles."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.profiles import bound_interquartile_mean, profile, score_runs

CELLS = [{0: 0.8, 1: 0.4}, {0: 0.5, 1: None}]


@pytest.mark.parametrize(
    ("metric", "scores"),
    [
        ("test/acc", [[0.8, 0.4], [0.5, 0]]),
        ("test/loss", [[0.5, 1], [0.8, 0]]),
        ("train/seconds", [[0.5, 1], [0.8, 0]]),
        ("train/examples_per_s", [[1, 0.5], [0.625, 0]]),
    ],
)
def test_a_failed_run_has_the_score_zero(metric, scores):
    assert [row.tolist() for row in score_runs(CELLS, metric)] == scores


def test_there_is_no_ratio_to_a_loss_of_zero():
    assert score_runs([{0: 0.0, 1: 1.0}], "test/loss") is None
    assert score_runs([{0: 0.0, 1: 1.0}], "test/acc")[0].tolist() == [0, 1]
    assert score_runs([{0: None}], "test/acc") is None


def test_the_interquartile_mean_is_scipys_trimmed_mean_of_all_tasks():
    tasks = [np.random.default_rng(0).random(7), 1 + np.random.default_rng(1).random(5)]
    middle, low, high = bound_interquartile_mean(tasks)
    assert middle == pytest.approx(stats.trim_mean(np.concatenate(tasks), 0.25))
    assert low < middle < high
    assert bound_interquartile_mean(tasks) == (middle, low, high)  # a fixed seed


def test_the_bootstrap_stays_within_each_task():
    middle, low, high = bound_interquartile_mean([np.zeros(6), np.ones(6)])
    assert (middle, low, high) == (0.5, 0.5, 0.5)


def test_an_interval_of_many_runs_is_about_that_of_the_mean():
    values = np.random.default_rng(0).uniform(size=400)
    _, low, high = bound_interquartile_mean([values])
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / np.sqrt(400) * np.sqrt(2 / 3), rel=0.15)  # of a uniform distribution


def test_a_profile_is_the_share_of_runs_above_each_threshold():
    share, low, high = profile([np.array([0.0, 0.5, 0.8, 0.9])], np.array([-0.1, 0.0, 0.6, 0.8, 0.95]))
    assert share.tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert low.tolist()[0] == high.tolist()[0] == 1
    assert (low <= share).all()
    assert (share <= high).all()
    assert [low[2], high[2]] == (stats.binom.ppf([0.025, 0.975], 4, 0.5) / 4).tolist()


def test_a_profile_is_the_mean_over_tasks_whatever_their_sizes():
    tasks = [np.ones(2), np.array([0.0] * 6)]
    share, low, high = profile(tasks, np.array([0.5]))
    assert share == low == high == [0.5]
