import math
from typing import Any

import pandas as pd
import pytest

from dlexp.analysis.judge.tuning import build_trials, list_edges, read_tuning

RATES = [0.001, 0.01, 0.1, 1.0]


def make(scores, *, metric="val/acc", values=RATES, seeds=(7,), **columns):
    """The search of one cell: a score for each trial and seed; a word in its place is the status of the run."""
    runs = [
        {"id": f"{i:012x}", "cell": {"depth": 1}, "trial": i // len(seeds), "seed": seeds[i % len(seeds)]}
        for i in range(len(scores))
    ]
    search: dict[str, Any] = {"metric": metric, "seeds": list(seeds), "runs": runs, "choices": []}
    search["trials"] = [{"lr": value} for value in values]
    rows = [
        {
            "id": run["id"],
            "status": score if isinstance(score, str) else "done",
            metric: math.nan if isinstance(score, str) else score,
        }
        for run, score in zip(runs, scores, strict=True)
    ]
    loaded = pd.DataFrame(rows).assign(seconds=2.0, **columns)
    return search, loaded[loaded["status"] != "missing"]


def judge(scores, **more):
    search, loaded = make(scores, **more)
    tuning = read_tuning(search, build_trials(search, loaded, pd.DataFrame(), {}), None)
    return tuning, tuning.searches[0]


@pytest.mark.parametrize(
    ("scores", "more", "chosen", "tied"),
    [
        ([0.5, 0.8, 0.9, 0.7], {}, 2, 1),
        ([0.5, 0.8, 0.9, 0.7], {"metric": "val/loss"}, 0, 1),
        ([0.8, 0.9, 0.9, 0.9], {}, 1, 3),  # the first of equal ones
        ([0.8, "diverged", "failed", "oom"], {}, 0, 1),
        # A trial with a failed run ranks below those without, whatever the mean of the others.
        ([0.99, "diverged", 0.6, 0.6, 0.5, 0.5, 0.4, 0.4], {"seeds": (7, 8)}, 1, 1),
        (["diverged"] * 7 + [0.6], {"seeds": (7, 8)}, 3, 1),
    ],
)
def test_the_best_mean_is_chosen(scores, more, chosen, tied):
    tuning, search = judge(scores, **more)
    assert (search.state, search.chosen, search.num_tied) == ("chosen", chosen, tied)
    assert (search.num_runs, search.seconds) == (len(scores), 2.0 * len(scores))
    assert tuning.changed == [search]  # nothing was chosen when the protocol was written


def test_a_run_far_below_the_best_trial_has_not_learned():
    _, search = judge([0.12, 0.9, 0.5, 0.8], chance=0.1)
    assert [trial.learned for trial in search.trials] == [0, 1, 1, 1]
    assert search.values == [0.9, 0.8, 0.5, 0.1]  # chance, and not the score


@pytest.mark.parametrize(
    ("lost", "state"), [("missing", "unfinished"), ("interrupted", "unfinished"), ("diverged", "unusable")]
)
def test_nothing_is_chosen_before_all_runs_have_ended_or_where_none_learned(lost, state):
    _, search = judge([lost] * 4 if state == "unusable" else [0.5, 0.8, 0.9, lost])
    assert (search.state, search.chosen, search.num_tied) == (state, None, 0)
    assert search.num_missing == (state == "unfinished")


def test_the_score_is_that_of_the_weights_that_the_run_ended_with():
    columns = {"best/val/acc": [0.95, 0.9, 0.85, 0.8], "best/epoch": 3}
    assert judge([0.5, 0.6, 0.7, 0.8], **columns, restored_epoch=3)[1].chosen == 0
    assert judge([0.5, 0.6, 0.7, 0.8], **columns, restored_epoch=math.nan)[1].chosen == 3


def test_columns_of_the_test_split_are_removed_and_change_nothing():
    search, loaded = make([0.5, 0.8, 0.9, 0.7])
    curves = pd.DataFrame({"id": [run["id"] for run in search["runs"]], "epoch": 1, "lr": 0.1})
    curves = curves.assign(**{"train/loss": 1.0, "val/loss": 1.0, "val/acc": loaded["val/acc"], "test/acc": 0.0})
    for value in (0.0, 1.0, math.nan):
        runs = build_trials(search, loaded.assign(**{"test/acc": value, "best/test/acc": value}), curves, {})
        assert [name for name in runs if "test/" in name] == []
        assert read_tuning(search, runs, None).searches[0].chosen == 2


@pytest.mark.parametrize(
    ("values", "best", "edges"),
    [
        (RATES, 3, ["lr"]),
        (RATES, 0, ["lr"]),
        (RATES, 1, []),
        ([0.1, 0.0, 0.2], 1, []),  # no value is below 0
        ([0.1, 0.0, 0.2], 0, []),
        ([0.1, 0.0, 0.2], 2, ["lr"]),
        ([0.1, 0.2], 0, []),
        ([None, 0.1, 0.2], 2, []),
        ([True, False, 3], 2, []),
    ],
)
def test_a_choice_at_the_end_of_a_list_of_numbers_is_an_edge(values, best, edges):
    tuning, search = judge([0.9 if place == best else 0.5 for place in range(len(values))], values=values)
    assert search.chosen == best
    assert list_edges(tuning, search) == edges
