"""Which cells may be the best, and what is stated of cells of which runs failed or are missing."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from dlexp.analysis.judge.best import CANDIDATE, EXCLUDED, MISSING, NEVER_LEARNED, UNCLEAR, bound_differences, find_best
from dlexp.analysis.judge.pairs import ALPHA, compare_all
from tests.analysis import simulate_best

WITHOUT = object()  # a run that is missing


def find(table, *, metric="test/acc", pairing="paired", seeds=None, cells=None):
    """Compare cells whose values are the rows of a table; None is a failed run."""
    cells = cells or [{"arm": f"{i}"} for i in range(len(table))]
    planned = [
        {"cell": cell, "seed": seed}
        for cell, row, own in zip(cells, table, seeds or [range(len(row)) for row in table], strict=True)
        for seed in own
    ]
    outcomes = [{seed: value for seed, value in enumerate(row) if value is not WITHOUT} for row in table]
    return find_best({"metric": metric, "pairing": pairing}, planned, outcomes)


def one(table, **more):
    (found,) = find(table, **more)
    return found.table.assign(arm=[cell["arm"] for cell in found.table["cell"]]).set_index("arm")


def noisy(*means, n=6, sd=0.01, seed=0):
    return (np.array(means)[:, None] + np.random.default_rng(seed).normal(0, sd, (len(means), n))).tolist()


@pytest.mark.parametrize("pairing", ["paired", "independent"])
def test_two_cells_are_a_one_sided_t_interval(pairing):
    a, b = noisy(0.8, 0.82, sd=0.02)
    test = stats.ttest_rel(a, b) if pairing == "paired" else stats.ttest_ind(a, b, equal_var=False)
    low, high = test.confidence_interval(0.90)
    found = one([a, b], pairing=pairing)
    assert found.loc["0", ["low", "high"]].tolist() == pytest.approx([min(0, low), max(0, high)])
    assert found.loc["1", ["low", "high"]].tolist() == pytest.approx([min(0, -high), max(0, -low)])


def hsu_by_dunnett(samples):
    """Hsu's intervals from scipy's Dunnett test with each cell as the control, which pools the variances."""
    count, means = len(samples), [np.mean(sample) for sample in samples]
    upper, lower = np.full((count, count), np.inf), np.full((count, count), np.inf)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        result = stats.dunnett(
            *[samples[j] for j in others], control=samples[i], alternative="less", rng=np.random.default_rng(0)
        )
        width = result.confidence_interval(0.95).high - np.array([means[j] - means[i] for j in others])
        upper[i, others] = means[i] - np.array(means)[others] + width
        lower[i, others] = means[i] - np.array(means)[others] - width
    candidates = upper.min(1) >= 0
    low = np.where(candidates, lower, np.inf).min(1)
    return np.minimum(0, low), np.maximum(0, upper.min(1))


# Dunnett 1955, table 1: blood counts of animals under two drugs, and of a control.
BLOOD = [[7.40, 8.50, 7.20, 8.24, 9.84, 8.32], [9.76, 8.80, 7.68, 9.36], [12.80, 9.68, 12.16, 9.20, 10.55]]


def test_a_published_example():
    """Dunnett's test, which pools the variances, excludes all but the second drug; Welch's p of the first is 0.0256."""
    _, pooled = hsu_by_dunnett(BLOOD)
    pairs = compare_all([dict(enumerate(each)) for each in BLOOD], [range(len(each)) for each in BLOOD], paired=False, family=2)
    _, _, high = bound_differences(pairs, ALPHA / 2)
    assert ((pooled > 0).tolist(), (high > 0).tolist()) == ([False, False, True], [False, True, True])
    expected = stats.ttest_ind(BLOOD[1], BLOOD[2], equal_var=False).confidence_interval(1 - ALPHA).high
    assert high[1] == pytest.approx(expected)


def test_of_many_equally_varied_runs_the_intervals_are_those_of_dunnett():
    samples = noisy(0.80, 0.805, 0.79, 0.75, n=150)
    found = one(samples, pairing="independent").sort_index()
    low, high = hsu_by_dunnett(samples)
    widths = high - low
    assert found["low"].to_numpy() == pytest.approx(low, abs=0.06 * widths.max())
    assert found["high"].to_numpy() == pytest.approx(high, abs=0.06 * widths.max())
    assert (found["status"] == CANDIDATE).tolist() == (high > 0).tolist()


def test_intervals_end_at_zero_where_the_side_is_known():
    found = one(noisy(0.9, 0.9, 0.5))
    assert found["status"].tolist() == [CANDIDATE, CANDIDATE, EXCLUDED]
    assert found.loc["2", "high"] == 0
    assert found.loc["2", "low"] == pytest.approx(-0.4, abs=0.1)
    assert found.loc[["0", "1"], "low"].max() < 0 < found.loc[["0", "1"], "high"].min()
    assert found.loc["2", ["rank_low", "rank_high"]].tolist() == [3, 3]


def test_the_only_candidate_is_the_best():
    found = one(noisy(0.5, 0.9, 0.6))
    assert found.index.tolist() == ["1", "2", "0"]
    assert found["status"].tolist() == [CANDIDATE, EXCLUDED, EXCLUDED]
    assert found.loc["1", "low"] == 0 < found.loc["1", "high"]
    assert found.loc["1", ["rank_low", "rank_high"]].tolist() == [1, 1]


def test_equal_cells_may_all_be_the_best():
    found = one([[0.8, 0.82, 0.81, 0.79, 0.8]] * 4)
    assert found["status"].tolist() == [CANDIDATE] * 4
    assert found[["estimate", "low", "high"]].to_numpy().tolist() == [[0, 0, 0]] * 4
    assert found[["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 4]] * 4


def test_five_equal_differences_exclude_nothing_among_three():
    found = one([np.arange(5) / 10, np.arange(5) / 10 + 0.1, np.arange(5) / 10 + 0.2])
    assert found["status"].tolist() == [CANDIDATE] * 3
    assert np.isinf(found["low"]).all()


@pytest.mark.parametrize("metric", ["test/loss", "train/seconds", "test/acc"])
def test_lower_is_better_of_losses_and_costs(metric):
    found = one(noisy(0.9, 0.5, 0.8), metric=metric)
    assert found.index.tolist() == (["0", "2", "1"] if metric == "test/acc" else ["1", "2", "0"])
    ends = found[["low", "high"]].to_numpy()
    if metric == "train/seconds":
        assert ends[0, 0] < ends[0, 1] == 1 == ends[1, 0] < ends[1, 1]
        assert found.loc["1", "estimate"] == pytest.approx(0.5 / 0.8, abs=0.03)
    elif metric == "test/loss":
        assert ends[0, 0] < ends[0, 1] == 0 == ends[1, 0] < ends[1, 1]


def test_a_cost_is_compared_by_logarithms():
    table = noisy(2.0, 3.0, sd=0.3)
    expected = stats.ttest_rel(*np.log(table)).confidence_interval(0.90)
    assert one(table, metric="train/seconds").loc["0", "low"] == pytest.approx(math.exp(expected.low))


def test_a_cell_with_missing_runs_is_neither_the_best_nor_excluded():
    table = noisy(0.6, 0.9, 0.5)
    table[1][3] = WITHOUT
    found = one(table)
    assert found["status"].to_dict() == {"0": CANDIDATE, "2": EXCLUDED, "1": MISSING}
    assert found.loc["1", ["estimate", "low", "high", "rank_low"]].isna().all()
    assert found.loc["1", "n"] == 5


def test_seeds_that_no_cell_has_begun_are_not_missing():
    table = [[*row, WITHOUT, WITHOUT] for row in noisy(0.6, 0.9)]
    assert one(table)["status"].tolist() == [CANDIDATE, EXCLUDED]


def test_seeds_that_were_added_to_one_cell_are_not_compared():
    table = [[*row, 0.0, 0.0] for row in noisy(0.6, 0.9)]
    found = one(table, seeds=[range(8), range(6)])
    assert found["status"].tolist() == [CANDIDATE, EXCLUDED]
    assert found["n"].tolist() == [6, 6]


def test_failed_runs_are_the_worst_and_never_the_best():
    table = noisy(0.9, 0.898, 0.95, 0.99, n=5)
    table[2][1] = None
    table[3] = [None] * 5
    found = one(table)
    assert found["status"].to_dict() == {"0": CANDIDATE, "1": CANDIDATE, "2": UNCLEAR, "3": NEVER_LEARNED}
    assert found.loc[["2", "3"], ["estimate", "low", "high"]].isna().to_numpy().all()
    assert found.loc["3", ["rank_low", "rank_high", "iqm"]].tolist() == [4, 4, 0]
    assert found.loc["2", "iqm"] == pytest.approx(stats.trim_mean([value or 0 for value in table[2]], 0.25))
    assert found["learned"].to_dict() == {"0": 5, "1": 5, "2": 4, "3": 0}


def test_many_seeds_exclude_a_cell_that_fails_often():
    table = noisy(0.9, 0.95, n=12)
    table[1][::2] = [None] * 6
    assert one(table)["status"].to_dict()["1"] == UNCLEAR  # half of the runs are better
    table[1][1:8] = [None] * 7
    found = one(table)
    assert found["status"].to_dict() == {"0": CANDIDATE, "1": EXCLUDED}


def test_a_slower_cell_that_learned_less_still_has_its_time():
    assert one(noisy(2.0, 3.0), metric="train/seconds")["learned"].tolist() == [6, 6]


def test_each_data_set_is_compared_on_its_own():
    cells = [{"dataset": dataset, "arm": arm} for dataset in ("a", "b") for arm in ("x", "y")]
    found = find(noisy(0.5, 0.6, 0.9, 0.8), cells=cells)
    assert [each.where for each in found] == [{"dataset": "a"}, {"dataset": "b"}]
    assert [each.table["cell"][0]["arm"] for each in found] == ["y", "x"]


@pytest.mark.parametrize(
    ("table", "refusal"),
    [
        (noisy(0.5, 0.9, n=4), "seeds"),
        ([[0.5] * 5, [None] * 5], "cells"),
        ([[0.5] * 5, [WITHOUT] * 5], "cells"),
        ([[WITHOUT] * 5] * 2, "cells"),
    ],
)
def test_too_few_seeds_or_cells_are_refused(table, refusal):
    (found,) = find(table)
    assert found.refusal == refusal
    assert found.table.empty


def test_one_cell_is_not_compared():
    assert find(noisy(0.5)) == []


def check(noise, size, studies, paired, equal):
    rates = simulate_best.simulate(noise, size, studies, paired=paired, equal=equal)
    assert min(rates) >= 0.95 - 3.5 * math.sqrt(0.95 * 0.05 / studies), rates


@pytest.mark.parametrize(("paired", "equal"), [*itertools.product([True, False], repeat=2)])
def test_intervals_and_ranks_have_the_nominal_coverage(paired, equal):
    check("least of the best", (5, 10), 300, paired, equal)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [noise for noise in simulate_best.NOISES if noise != simulate_best.HARD])
@pytest.mark.parametrize("size", simulate_best.SIZES)
@pytest.mark.parametrize(("paired", "equal"), [*itertools.product([True, False], repeat=2)])
def test_each_kind_of_noise_has_the_nominal_coverage(noise, size, paired, equal):
    check(noise, size, 4000, paired, equal)


def test_on_several_draws_of_the_data_the_draw_is_the_unit():
    cells = [{"activation": "relu"}, {"activation": "tanh"}]
    planned = [{"cell": cell, "data_seed": draw, "seed": seed} for cell in cells for draw in range(6) for seed in range(3)]
    shifts = np.random.default_rng(0).normal(0, 0.01, (2, 6))
    found = [
        {(draw, seed): 0.9 - 0.05 * arm + shifts[arm, draw] + 0.001 * seed for draw in range(6) for seed in range(3)}
        for arm in range(2)
    ]
    (comparison,) = find_best({"pairing": "independent"}, planned, found)
    assert (comparison.n, comparison.paired) == (6, True)
    assert comparison.table["status"].tolist() == [CANDIDATE, EXCLUDED]
    difference = 0.05 + (shifts[0] - shifts[1]).mean()
    assert comparison.table["estimate"].tolist() == pytest.approx([difference, -difference])
    found[0][0, 0] = None
    assert find_best({}, planned, found)[0].table["learned"].tolist() == [6, 5]
    del found[1][2, 2]
    assert find_best({}, planned, found)[0].refusal == "cells"  # one of two cells lacks a run
