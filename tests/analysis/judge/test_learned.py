import pandas as pd
import pytest

from dlexp.analysis import analyse
from dlexp.analysis.judge.learned import find_learned, needs_learning, outcomes
from dlexp.analysis.report.figures import draw
from dlexp.analysis.report.page import make_page
from dlexp.analysis.report.text import Text
from dlexp.analysis.report.write import render_markdown
from tests.analysis.made import make_study


def table(*rows):
    """Runs of one cell each, with chance 0.1 and the best cell at 0.9: its bar is 0.3."""
    best = {"cell": "best", "status": "done", "test/acc": 0.9, "val/acc": 0.9}
    return pd.DataFrame([best, *({"cell": f"{place}", "status": "done"} | row for place, row in enumerate(rows))]).assign(
        chance=0.1
    )


@pytest.mark.parametrize(
    ("row", "learned"),
    [
        ({"test/acc": 0.31}, True),
        ({"test/acc": 0.29}, False),  # far above chance, and less than a quarter of the way
        ({"test/acc": 0.9, "status": "early_stopped"}, True),
        ({"test/acc": 0.9, "status": "diverged"}, False),
        ({"status": "failed"}, False),
        ({"status": "oom"}, None),
        ({"status": "missing"}, None),
        ({"status": "interrupted"}, None),
        ({"val/acc": 0.4, "test/acc": 0.4, "best_gap": 0.39}, True),
        ({"val/acc": 0.4, "test/acc": 0.4, "best_gap": 0.41}, False),
        ({"test/acc": 0.4, "best_gap": 0.41}, False),  # evaluated on the test set
        ({"diagnosis": "collapsed"}, False),  # a regression
        ({"diagnosis": "fine", "best_gap": 3.0}, True),
    ],
)
def test_which_runs_have_learned(row, learned):
    assert find_learned(table(row), ["cell"]).tolist()[1] is learned


@pytest.mark.parametrize(
    ("row", "declared"),
    [({"test/acc": 0.29}, {"of_best_cell": 0}), ({"val/acc": 0.4, "test/acc": 0.4, "best_gap": 0.41}, {"of_own_best": 0.4})],
)
def test_a_study_declares_what_counts_as_learned(row, declared):
    assert find_learned(table(row), ["cell"], declared).tolist() == [True, True]
    assert find_learned(table({"test/acc": 0.85}), ["cell"], {"of_best_cell": 0.95}).tolist() == [True, False]


def test_the_best_cell_is_one_of_the_same_data_set():
    runs = table({"test/acc": 0.2}).assign(dataset=["easy", "hard"])
    assert find_learned(runs, ["cell", "dataset"]).tolist() == [True, True]
    assert find_learned(runs, ["cell"]).tolist() == [True, False]


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("test/acc", {0: 0.9, 1: None, 2: None}),
        ("train/seconds", {0: 5.0, 1: 6.0, 2: None}),  # a run that failed to learn has its time; one that diverged has none
        ("test/rmse", {1: None, 2: None}),  # no value, and for no reason that is known
    ],
)
def test_the_outcomes_of_a_cell(metric, values):
    runs = pd.DataFrame({"status": ["done", "done", "diverged", "missing"], "learned": [True, False, False, None]})
    runs = runs.assign(**{"test/acc": [0.9, 0.1, 0.8, None], "train/seconds": [5.0, 6.0, 1.0, None]})
    planned = [{"cell": {"depth": 1}, "seed": seed} for seed in range(4)]
    assert outcomes(planned, runs, metric) == [values]


def test_costs_and_counts_need_no_learning():
    assert all(map(needs_learning, ["test/acc", "best/val/loss", "train/objective", "stability"]))
    assert not any(
        map(needs_learning, ["train/seconds", "memory.allocated", "num_parameters", "train/grad_norm", "best/epoch"])
    )


def test_an_analysis_says_which_runs_learned_and_which_cells_are_bimodal(tmp_path):
    def accuracy(cell, seed):
        return 0.1 if cell["activation"] == "relu" and seed < 2 else 0.8 + seed / 100

    folder = make_study(tmp_path, {"activation": ["relu", "tanh"]}, accuracy=accuracy)
    found = analyse(folder)
    assert found.runs["learned"].tolist() == [False] * 2 + [True] * 8
    assert found.cells[["learned", "bimodal"]].to_numpy().tolist() == [[3, True], [5, False]]
    page = render_markdown(make_page(found, list(draw(found)), Text("en")))
    assert "| bimodal: 3 of 5 learned, median 82.00, mean 53.80 | 5 |" in page
    assert "mean over seeds, of the runs that reached an epoch (n = 5 runs a band)" in page
    folder = make_study(
        tmp_path, {"activation": ["relu", "tanh"]}, accuracy=accuracy, learned={"of_best_cell": 0}, name="other"
    )
    assert analyse(folder).runs["learned"].all()
