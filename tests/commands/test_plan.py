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
    assert capsys.readouterr().out.endswith("1 runs: 1 to do.\n")
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
    assert capsys.readouterr().out.endswith("1 runs: 1 damaged.\n")
