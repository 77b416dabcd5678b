"""Which factors of a study are weighed, on which runs, and when they are not."""

import os
import subprocess
import sys

import numpy as np
import pytest

from dlexp.analysis import analyse
from dlexp.analysis.judge import anova
from tests import ROOT
from tests.analysis.made import make_study, noisy
from tests.runs import edit_json

ENV = {**os.environ, "PYTHONPATH": str(ROOT)}
AXES = {"activation": ["relu", "tanh"], "depth": [1, 2, 4]}


def weigh(root, axes=AXES, seeds=range(3), **study):
    return analyse(make_study(root, axes, seeds, **study)).factors


def diverged(*cells, seeds=range(9)):
    """A status and an accuracy: these cells diverge without a value, at these seeds."""

    def is_lost(cell, seed):
        return seed in seeds and any(lost.items() <= cell.items() for lost in cells)

    return {
        "status": lambda cell, seed: "diverged" if is_lost(cell, seed) else "done",
        "accuracy": lambda cell, seed: None if is_lost(cell, seed) else noisy(cell, seed),
    }


def test_the_shares_of_the_reference_study():
    fashion, digits = analyse(ROOT / "outputs/reference/optimizer_lr").factors
    assert (fashion.where, fashion.refusal) == ({"dataset": "fashion_mnist"}, "no_runs")
    assert (digits.where, digits.refusal, digits.balanced, digits.max_order) == ({"dataset": "digits"}, "", True, 3)
    found = {frozenset(row.term): round(100 * row.share) for row in digits.table.itertuples()}
    lr, optimizer, scheduler = "optimizer.lr", "optimizer", "scheduler"
    assert found == {
        frozenset({scheduler}): 1,
        frozenset({optimizer}): 10,
        frozenset({lr}): 9,
        frozenset({scheduler, optimizer}): 10,
        frozenset({scheduler, lr}): 9,
        frozenset({optimizer, lr}): 55,
        frozenset({scheduler, optimizer, lr}): 4,
        frozenset(anova.SEED): 0,
        frozenset(anova.RESIDUAL): 2,
    }
    assert digits.find_interactions(0.02)[0] == (optimizer, lr)
    assert len(digits.find_interactions(0.02)) == 3


def test_the_result_of_a_study_has_the_table(tmp_path):
    result = analyse(make_study(tmp_path, {"dataset": ["digits", "moons"], **AXES}, range(2)))
    table = result.importance
    assert list(table) == ["dataset", "term", "df", "share", "low", "high", "noise"]
    assert table["dataset"].tolist() == ["digits"] * 5 + ["moons"] * 5
    assert table["term"].tolist()[:5] == ["activation", "depth", "activation × depth", "seed", "residual"]
    assert table.groupby("dataset")["share"].sum().tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("axes", "factors"),
    [
        ({"depth": [1, 2]}, []),
        ({"activation": ["relu"], "depth": [1, 2]}, []),
        ({"dataset": ["digits", "moons"], "depth": [1, 2]}, [["dataset", "depth"]]),
        ({"dataset": ["digits", "moons"], "norm": ["bn", "gn"], "depth": [1, 2]}, [["norm", "depth"]] * 2),
    ],
)
def test_each_data_set_is_weighed_on_its_own_where_two_other_factors_vary(tmp_path, axes, factors):
    found = weigh(tmp_path, axes)
    assert [list(each.levels) for each in found] == factors
    assert analyse(tmp_path / "made_up").importance.empty == (not factors)


def test_arms_are_a_factor_and_what_follows_from_them_is_not(tmp_path):
    arms = {"small": 2, "large": 8}
    cells = [{"arm": arm, "depth": depth, "norm": norm} for arm, depth in arms.items() for norm in ("bn", "gn")]
    (found,) = weigh(tmp_path, {}, cells=cells)
    assert list(found.levels) == ["arm", "norm"]


@pytest.mark.parametrize("beside", [{"arm": "plain"}, {"arm": "plain", "activation": "elu", "depth": 9}])
def test_a_baseline_is_left_out_and_named(tmp_path, beside):
    cells = [beside, *({"arm": "deep", "activation": a, "depth": d} for a in ("relu", "tanh") for d in (1, 2))]
    (found,) = weigh(tmp_path, {}, cells=cells)
    assert found.beside == (beside,)
    assert found.levels == {"activation": ["relu", "tanh"], "depth": [1, 2]}
    assert (found.planned, len(found.runs), found.balanced) == (12, 12, True)


@pytest.mark.parametrize(
    ("lost", "seeds", "expected"),
    [
        ([{"activation": "tanh", "depth": 4}], [1], {"refusal": "", "balanced": False, "max_order": 2, "planned": 18}),
        ([{"activation": "tanh", "depth": 4}], range(3), {"refusal": "", "balanced": False, "max_order": 1}),
        ([{"depth": 4}], range(3), {"refusal": "", "balanced": True, "without_runs": ({"depth": 4},), "planned": 18}),
        ([{"activation": "tanh"}], range(3), {"refusal": "one_factor", "without_runs": ({"activation": "tanh"},)}),
        ([{"depth": 4}, {"activation": "tanh", "depth": 2}], range(3), {"refusal": "not_crossed", "max_order": 0}),
        ([{"activation": "tanh", "depth": 4}, {"activation": "tanh", "depth": 2}], range(3), {"refusal": "not_crossed"}),
        ([{}], range(3), {"refusal": "no_runs"}),
        ([{}], [1, 2], {"refusal": "seeds"}),
    ],
)
def test_runs_without_a_value_are_left_out_or_refused(tmp_path, lost, seeds, expected):
    (found,) = weigh(tmp_path, **diverged(*lost, seeds=seeds))
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.table.empty == bool(found.refusal)
    cells = 6 if lost == [{}] else sum(1 if len(cell) == 2 else 2 if "depth" in cell else 3 for cell in lost)
    if "activation" in found.levels and "depth" in found.levels:
        assert len(found.runs) == 18 - cells * len(seeds)


def test_the_interaction_of_two_factors_is_estimated_as_far_as_there_are_cells(tmp_path):
    (found,) = weigh(tmp_path, **diverged({"activation": "tanh", "depth": 4}))
    assert found.empty == ({"activation": "tanh", "depth": 4},)
    assert dict(zip(found.table["term"], found.table["df"], strict=True))["activation", "depth"] == 1
    means = found.average_over_others(("activation", "depth"))
    assert means["n"].tolist() == [3, 3, 3, 3, 3, 0]


def test_equal_values_are_not_decomposed(tmp_path):
    (found,) = weigh(tmp_path, accuracy=lambda cell, seed: 0.7)
    assert found.refusal == "constant"


def test_of_a_cost_the_logarithm_is_decomposed(tmp_path):
    seconds = {"relu": 1.0, "tanh": 2.0}
    more = {"metric": "train/seconds", "seconds": lambda cell, seed: seconds[cell["activation"]] * cell["depth"] * (1 + seed)}
    (found,) = weigh(tmp_path, **more)
    shares = dict(zip(found.table["term"], found.table["share"], strict=True))
    assert shares["activation", "depth"] == pytest.approx(0, abs=1e-12)  # factors multiply
    assert found.runs["value"].max() == 2 * 4 * 3


def test_an_interaction_is_averaged_over_the_other_factors_seed_by_seed(tmp_path):
    def accuracy(cell, seed):
        return 0.1 * cell["depth"] + 0.01 * seed + (0.04 if cell["norm"] == "bn" else 0) + 0.2 * (cell["activation"] == "relu")

    (found,) = weigh(tmp_path, {"norm": ["bn", "gn"], **AXES}, accuracy=accuracy)
    means = found.average_over_others(("activation", "depth")).set_index(["activation", "depth"])
    assert means.loc[("relu", 2), "mean"] == pytest.approx(0.2 + 0.01 + 0.02 + 0.2)
    half = 4.302653 * 0.01 / np.sqrt(3)
    assert (means["high"] - means["mean"]).tolist() == pytest.approx([half] * 6)


def test_statsmodels_is_loaded_only_where_factors_are_weighed(tmp_path):
    make_study(tmp_path, {"depth": [1, 2]}, range(2))
    make_study(tmp_path, AXES, range(2), name="two")
    code = (
        "import sys; from dlexp.analysis import analyse\n"
        "for name in ('made_up', 'two'): analyse(name); print('statsmodels' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=ENV)
    assert done.stdout.split() == ["False", "True"], done.stderr


def test_axes_that_go_together_are_one_factor(tmp_path):
    cells = [{"depth": d, "width": w, "activation": a} for d, w in [(1, 32), (2, 16), (4, 8)] for a in ("relu", "tanh")]
    axes = {"depth": [1, 2, 4], "width": [32, 16, 8], "activation": ["relu", "tanh"]}
    claim = {"claim": "c", "plus": {"activation": "relu"}, "minus": {"activation": "tanh"}, "expected": "greater"}
    folder = make_study(tmp_path, {}, range(5), cells=cells, zip=[["depth", "width"]], predictions=[claim])
    edit_json(folder / "protocol.json", lambda content: content["study"].update(axes=axes, cells=[]))
    result = analyse(folder)
    (about,) = result.factors
    assert (about.refusal, list(about.levels), about.empty) == ("", ["depth", "activation"], ())
    assert [average.key for average in result.verdicts[0].averages] == ["depth"]
