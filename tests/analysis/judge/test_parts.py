"""The axes that a prediction's difference is an average over, and the difference at each of their levels."""

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis import analyse
from dlexp.analysis.judge.parts import add_averages
from dlexp.analysis.judge.verdict import judge
from tests import ROOT

CELLS = [{"activation": a, "depth": d, "norm": n} for a in ("relu", "tanh") for d in (1, 2, 8) for n in ("bn", "gn")]
RELU = {"claim": "c", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
GAIN = {1: 0.3, 2: 0.1, 8: -0.1}
NOISE = np.random.default_rng(4).normal(size=(len(CELLS), 6))


def values(seeds=range(6), cells=CELLS, scale=0.01):
    """ReLU is better by `GAIN` of the depth."""
    return [
        {seed: 0.5 + (c["activation"] == "relu") * GAIN.get(c.get("depth"), 0.2) + scale * NOISE[i, seed] for seed in seeds}
        for i, c in enumerate(cells)
    ]


def averages(prediction=RELU, every=None, cells=CELLS, **study):
    every = values(cells=cells) if every is None else every
    study = {"predictions": [prediction], **study}
    known = [{seed: value for seed, value in cell.items() if value is not None} for cell in every]
    verdicts = judge(study, cells, lambda metric: known)
    (verdict,) = add_averages(verdicts, study, cells, lambda metric: every)
    return verdict, {average.key: average for average in verdict.averages}


def test_the_parts_of_the_reference_study():
    verdict = analyse(ROOT / "outputs/reference/optimizer_lr").verdicts[7]
    assert verdict.claim == "On digits, decay costs accuracy at learning rate 0.001"
    (average,) = verdict.averages
    assert average.key == "optimizer"
    assert {part.level: round(100 * part.estimate, 1) for part in average.parts} == {
        "sgd": -40.8,  # as the estimate, among the runs that learned; among all they are -50.1, -14.7 and -0.2
        "momentum": -13.6,
        "adam": -0.6,
    }
    assert np.mean([part.estimate for part in average.parts]) == pytest.approx(verdict.estimate)
    assert average.p is None  # at fewer than five seeds all of these runs learned


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_each_axis_has_its_parts_and_they_average_to_the_difference(pairing):
    verdict, found = averages(pairing=pairing)
    assert list(found) == ["depth", "norm"]
    assert [part.level for part in found["depth"].parts] == [1, 2, 8]
    assert [part.estimate for part in found["depth"].parts] == pytest.approx([0.3, 0.1, -0.1], abs=0.02)
    for average in found.values():
        assert np.mean([part.estimate for part in average.parts]) == pytest.approx(verdict.estimate)
    assert not found["depth"].stands_alone
    assert found["depth"].turns(0)
    assert found["norm"].stands_alone


def test_the_interaction_of_two_levels_is_a_t_test_of_the_seeds():
    every = values()
    _, found = averages({**RELU, "where": {"depth": 2}}, every)
    place = {tuple(cell.values()): i for i, cell in enumerate(CELLS)}
    sides = [[every[place[side, 2, norm]] for side in ("relu", "tanh")] for norm in ("bn", "gn")]
    by_norm = [[relu[seed] - tanh[seed] for seed in range(6)] for relu, tanh in sides]
    assert list(found) == ["norm"]
    assert found["norm"].p == pytest.approx(stats.ttest_rel(*by_norm).pvalue)


@pytest.mark.parametrize(
    ("prediction", "keys"),
    [
        ({"where": {"depth": 1, "norm": "bn"}}, []),
        ({"plus": {"activation": "relu", "depth": 8}, "minus": {"activation": "relu", "depth": 1}}, ["norm"]),
        ({"plus": [{"depth": 1}, {"depth": 2}], "minus": {"depth": 8}}, ["activation", "norm"]),
        ({"plus": {"activation": "elu"}}, []),
    ],
)
def test_only_axes_with_the_same_levels_on_both_sides_are_averaged_over(prediction, keys):
    assert list(averages({**RELU, **prediction})[1]) == keys


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_few_seeds_give_parts_without_a_test(pairing):
    _, found = averages(every=values(range(4)), pairing=pairing)
    assert found["depth"].p is None
    assert len(found["depth"].parts) == 3


def test_runs_without_a_value_are_left_out():
    every = values()
    every[0] = {**every[0], 5: None}
    _, found = averages(every=every)
    assert [part.estimate for part in found["depth"].parts] == pytest.approx([0.3, 0.1, -0.1], abs=0.02)
    assert averages(every=[{} if i == 0 else cell for i, cell in enumerate(every)])[1] == {}


def test_the_parts_of_a_ratio_are_ratios():
    every = [dict.fromkeys(range(5), (2.0 if c["activation"] == "relu" else 1.0) * c["depth"]) for c in CELLS]
    _, found = averages({**RELU, "ratio": 1.5}, every)
    assert [part.estimate for part in found["depth"].parts] == pytest.approx([2, 2, 2])
    assert found["depth"].p is None


def test_null_is_a_level_and_a_key_that_is_not_there_another():
    cells = [{"activation": a} | more for a in ("relu", "tanh") for more in ({"grad_clip": None}, {"grad_clip": 1}, {})]
    _, found = averages(cells=cells)
    assert [part.level for part in found["grad_clip"].parts] == [None, 1, None]
