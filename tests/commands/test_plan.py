import shlex

import pytest

from dlexp.commands.plan import main
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import plan
from dlexp.study.request import compose_runs, read_command
from tests.runs import change_model, edit_summary

STUDY = ("study=activation_2d", "dataset=moons", "activation=relu", "seed=0", "data_seed=0", "epochs=2", "hardware=cpu")


@pytest.fixture
def command(tmp_path):
    return [*STUDY, f"output_dir={tmp_path}"]


def train(command):
    study, request = read_command(command)
    (composed,) = compose_runs(study, request)
    run = plan(composed, study.name)
    execute(run, gather_facts(run), Plain())
    return run.folder


def test_a_run_is_to_do_and_then_done(command, capsys):
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "\n1 runs: 1 to do.\nHow long the 1 due will take is not known, because none is finished." in out
    assert out.endswith(f"dlexp plan --time {' '.join(command)}\n")
    train(command)
    assert main(command) == 0
    assert capsys.readouterr().out.endswith("1 runs: 1 done.\n")


def test_a_run_by_other_code_is_named_and_due_only_if_that_is_asked_for(command, capsys):
    edit_summary(train(command), change_model)
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "done by other code: parts/model/mlp.py changed; stale=rerun does it again." in " ".join(out.split())
    assert "due will take" not in out
    assert main([*command, "stale=rerun"]) == 0
    assert "The 1 due will take about" in capsys.readouterr().out


def test_a_run_of_another_environment_is_named(command, capsys):
    edit_summary(train(command), lambda summary: change_model(summary) or summary.update(instructions="OTHER"))
    assert main([*command, "stale=rerun"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 run done by other code: parts/model/mlp.py changed; stale=rerun does it again." in out
    assert "1 run done in another environment: instructions OTHER then, " in out
    assert " now; force=true runs it again." in out


@pytest.mark.parametrize("damage", [{"seconds": None}, {"metrics": 3}, {"status": None}, {"seconds": {"train": "1"}}])
def test_a_run_with_a_damaged_summary_is_not_counted_as_done(damage, command, capsys):
    edit_summary(train(command), lambda summary: summary.update(damage))
    assert main(command) == 0
    assert "1 runs: 1 damaged.\n" in capsys.readouterr().out


SWEEP = ("-m", "dataset=moons", "model=mlp", "epochs=1", "hardware=cpu", "optimizer.lr=log(1e-3,0.1,3)", "depth=1,2,3")


def test_a_sweep_has_a_row_for_each_cell(tmp_path, capsys):
    command = [*SWEEP, "zip=[depth,optimizer.lr]", "exclude=[{depth: 3}]", "seed=0,1", f"output_dir={tmp_path}"]
    assert main(command) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["cell", "done", "to", "do", "failed", "stale", "seconds", "a", "run"]
    assert lines[1] == ["optimizer.lr=0.001", "depth=1", "0", "2", "0", "0", "–"]
    assert lines[2] == ["optimizer.lr=0.01", "depth=2", "0", "2", "0", "0", "–"]
    assert lines[3] == ["4", "runs", "of", "2", "cells:", "4", "to", "do."]
    assert list(tmp_path.iterdir()) == []


def test_what_is_shown_to_be_typed_is_in_quotes(tmp_path, capsys):
    main([*SWEEP, "exclude=[{depth: 3}]", f"output_dir={tmp_path}"])
    again = capsys.readouterr().out.splitlines()[-1]
    assert shlex.split(again) == [*["dlexp", "plan", "--time"], *SWEEP, "exclude=[{depth: 3}]", f"output_dir={tmp_path}"]


def test_steps_are_timed_if_that_is_asked_for(tmp_path, capsys):
    assert main(["--time", *SWEEP[:-2], f"output_dir={tmp_path}"]) == 0
    out, err = capsys.readouterr()
    assert " one after the other, going by a few timed steps.\n" in out
    assert err.startswith("Timing a few steps: ")


def test_the_time_is_divided_by_the_jobs(tmp_path, capsys):
    assert main(["--time", *SWEEP[:-2], "seed=0,1", "jobs=2", f"output_dir={tmp_path}"]) == 0
    assert " with 2 at a time, going by a few timed steps.\n" in capsys.readouterr().out


def test_runs_have_rows_of_their_own_if_that_is_asked_for(tmp_path, capsys):
    assert main(["--runs", *SWEEP[:-2], "seed=0,1", f"output_dir={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert ["seed=0" in lines[1], "seed=1" in lines[2]] == [True, True]
    assert lines[3] == "2 runs: 2 to do."


def test_cells_that_are_left_out_are_listed(tmp_path, capsys):
    command = ["-m", "norm=bn,gn", "norm.groups=2,4", "skip=without_effect", f"output_dir={tmp_path}"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "2 runs of 2 cells: 2 to do." in out
    assert err.startswith("Left out: norm=bn norm.groups=2, norm=bn norm.groups=4: ")


REFUSED = {
    "--tim study=depth_activation": "--tim: no such flag: dlexp plan --help shows what there is.",
    "depth=1,2": "depth=1,2: several values: add -m to sweep over them.",
    "-m dept=1,2": "dept=1,2: no such key. Did you mean depth=1,2?",
    "-m depth=1,2 zip=[depth,width]": "zip=[depth,width]: width is no axis here. The axes are depth.",
    "study=depth_activation zip=[depth,activation]": "zip=[depth,activation]: depth has 8 values, activation has 2 values",
}


@pytest.mark.parametrize(("typed", "message"), REFUSED.items())
def test_a_mistake_is_refused(typed, message, capsys):
    assert main(typed.split()) == 2
    out, err = capsys.readouterr()
    assert (out, err.startswith(message)) == ("", True), err


def test_help_names_every_flag(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(flag in out for flag in ("-m ", "--time", "--runs"))


def test_all_studies_are_listed_with_their_runs(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.endswith(" studies. Run one: dlexp train study=NAME\n")
