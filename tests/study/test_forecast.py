from collections import Counter

import pytest

from dlexp.config.check import compose_sweep
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.study import forecast, jobs, timing
from dlexp.study.forecast import count_jobs, list_cells, sum_seconds, time_cells
from tests.runs import MOONS, change_model, edit_summary, only_last

AXES = ("depth=1,2", "activation=relu,tanh", "seed=0,1")


def plan_sweep(root, *overrides):
    command = only_last((*MOONS, "hardware=cpu", *AXES, *overrides, f"output_dir={root}"))
    runs = compose_sweep(command)
    names = [{item.key: item.value_text for item in run.overrides if item.key in ("depth", "activation")} for run in runs]
    return list_cells(runs, names)


def train(cell, number=0):
    planned = cell.runs[number].planned
    execute(planned, gather_facts(planned), Plain())
    return planned.folder


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Of four cells of two runs: one done, one with a run that is stale, one with a run that failed, and one without any."""
    root = tmp_path_factory.mktemp("outputs")
    first, second, third, _ = plan_sweep(root)
    for folder, seconds in [(train(first, 0), 2.0), (train(first, 1), 4.0), (train(second), 10.0)]:
        edit_summary(folder, lambda summary, seconds=seconds: summary.update(seconds={"train": seconds}))
    edit_summary(train(second), change_model)
    failure = {"status": "failed", "reason": "no", "seconds": {"train": 1000.0}}
    edit_summary(train(third), lambda summary: summary.update(failure))
    return root


def test_a_cell_has_the_counts_of_its_runs(root):
    cells = plan_sweep(root)
    assert [cell.name for cell in cells] == [
        f"depth={depth} activation={name}" for depth in (1, 2) for name in ("relu", "tanh")
    ]
    expected = [{"done": 2}, {"stale": 1, "to do": 1}, {"failed": 1, "to do": 1}, {"to do": 2}]
    assert [cell.counts for cell in cells] == list(map(Counter, expected))
    assert [len(cell.due) for cell in cells] == [0, 1, 1, 2]


def test_what_is_run_again_is_due(root):
    assert [len(cell.due) for cell in plan_sweep(root, "retry=failed")] == [0, 1, 2, 2]
    assert [len(cell.due) for cell in plan_sweep(root, "stale=rerun")] == [0, 2, 1, 2]
    assert [len(cell.due) for cell in plan_sweep(root, "force=true")] == [2, 2, 2, 2]


def test_seconds_are_those_of_the_cell_or_of_the_cells_most_like_it(root):
    cells = plan_sweep(root)
    assert [(cell.seconds, cell.source) for cell in cells] == [(3, "own"), (10, "own"), (3, "like"), (10, "like")]
    assert sum_seconds(cells) == 10 + 3 + 2 * 10


@pytest.mark.parametrize(("typed", "expected"), [("jobs=1", 1), ("jobs=2", 2), ("jobs=50", 4), ("jobs=auto", 3)])
def test_due_runs_share_the_jobs_of_the_command(root, monkeypatch, typed, expected):
    monkeypatch.setattr(jobs, "count_cores", lambda: 3)
    assert count_jobs(plan_sweep(root, typed)) == expected  # four are due


def test_nothing_is_known_of_an_empty_folder_until_steps_are_timed(tmp_path):
    cells = plan_sweep(tmp_path, "depth=1", "activation=relu")
    assert (len(cells), cells[0].name, cells[0].seconds, sum_seconds(cells)) == (1, "depth=1 activation=relu", None, None)
    time_cells(cells)
    assert cells[0].source == "timed"
    assert 0 < sum_seconds(cells) < 60
    assert list(tmp_path.iterdir()) == []


def test_only_cells_without_finished_runs_are_timed(root, monkeypatch):
    timed = []
    monkeypatch.setattr(timing, "time_run", lambda run: timed.append(run.title) or 7.0)
    cells = plan_sweep(root)
    time_cells(cells)
    assert [cell.source for cell in cells] == ["own", "own", "timed", "timed"]
    assert len(timed) == 2
    assert sum_seconds(cells) == 10 + 3 * 7


def test_a_cell_that_fails_when_it_is_timed_keeps_what_was_expected(root, monkeypatch):
    def fail(run):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(timing, "time_run", fail)
    cells = plan_sweep(root)
    time_cells(cells)
    assert [cell.source for cell in cells] == ["own", "own", "like", "like"]


def test_more_steps_take_longer(tmp_path):
    short, long = (
        timing.time_run(plan_sweep(tmp_path, "depth=1", "activation=relu", f"epochs={epochs}")[0].due[0])
        for epochs in (10, 10_000)
    )
    assert long > 20 * short


def test_a_cell_that_this_machine_cannot_run_is_counted(tmp_path, monkeypatch):
    original = forecast.plan

    def plan(composed, study):
        if composed.config["depth"] == 2:
            raise forecast.UnsupportedError("hardware: no such device")
        return original(composed, study)

    monkeypatch.setattr(forecast, "plan", plan)
    cells = plan_sweep(tmp_path, "activation=relu")
    assert [dict(cell.counts) for cell in cells] == [{"to do": 2}, {"unsupported": 2}]
    assert [len(cell.due) for cell in cells] == [2, 0]


def test_mistakes_that_only_planning_finds_refuse_all(tmp_path):
    command = ["dataset=csv_table", "dataset.label=y", f"dataset.train={tmp_path}/none.csv", "model=mlp", "depth=1,2"]
    runs = compose_sweep([*command, f"output_dir={tmp_path}"])
    with pytest.raises(ConfigError, match="none.csv"):
        list_cells(runs, [{}, {}])


def test_two_cells_that_are_one_run_are_counted_once(tmp_path):
    cells = plan_sweep(tmp_path, "activation=relu", "seed=0", "optimizer.weight_decay=1,1.0")
    assert sum(len(cell.runs) for cell in cells) == 2
