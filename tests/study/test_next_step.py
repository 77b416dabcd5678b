"""The loop of `dlexp next`: what it proposes, and how it takes trials into account."""

import pytest

from dlexp.analysis.judge.diagnose import ADVICE
from dlexp.commands.next import main
from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.errors import ConfigError
from dlexp.run.record.forms import read_summary_file
from dlexp.run.record.layout import find_run_folders
from dlexp.study.next_step import apply_change, find_next, propose_changes, write_command
from tests.runs import run

DIGITS = ("dataset.per_class=100", "width=8", "epochs=6", "optimizer.lr=1e-07")


@pytest.mark.parametrize("diagnosis", ADVICE, ids=lambda name: f"{name} run")  # `slow` alone would be the marker
def test_every_proposal_is_a_config_that_can_be_trained_and_a_fine_run_has_none(diagnosis):
    changes = list(propose_changes(diagnosis, compose().config))
    assert bool(changes) == (diagnosis != "fine")
    for change in changes:
        assert check(compose(apply_change((), change))) == []


def test_a_change_takes_the_place_of_what_was_set():
    before = ("depth=2", "scheduler=step", "scheduler.gamma=0.5", "optimizer.lr=0.1")
    assert apply_change(before, ("optimizer.lr=0.01",)) == (*before[:3], "optimizer.lr=0.01")
    assert apply_change(before, ("scheduler=cosine",)) == ("depth=2", "optimizer.lr=0.1", "scheduler=cosine")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    root = tmp_path_factory.mktemp("next")
    for seed in (0, 1):
        run(*DIGITS, f"seed={seed}", root=root)
    return root


def find(outputs):
    folders = [folder for folder in find_run_folders(outputs / "adhoc", lambda error: None) if "lr=1e-07" in folder.name]
    assert len(folders) == 2
    return find_next(folders, [f"output_dir={outputs}"])


def test_a_trial_that_is_not_better_is_followed_by_the_next_and_a_better_one_is_built_on(outputs):
    first = find(outputs)
    assert (first.best.diagnosis.name, first.best.seeds, first.trials) == ("at chance", (0, 1), [])
    assert first.proposal == ("optimizer.lr=1e-08",)
    command = write_command(first)
    assert command[0] == "-m"
    assert set(command[1:]) == {*DIGITS[:3], "hardware=cpu", "optimizer.lr=1e-08", "seed=0,1"}
    for seed in (0, 1):
        run(*DIGITS, *first.proposal, f"seed={seed}", root=outputs)
    second = find(outputs)
    assert [change for change, _ in second.trials] == [first.proposal]
    if not second.trials[0][1].is_better_than(first.best):
        assert second.best == first.best
        assert second.proposal == ("optimizer.lr=1e-06",)
    assert second.proposal != first.proposal


def test_a_better_trial_is_what_the_next_proposal_starts_from(outputs, monkeypatch):
    step = find(outputs)
    change = ("optimizer.lr=0.01", "epochs=12")
    monkeypatch.setattr("dlexp.study.next_step.propose_changes", lambda name, config: [change] if name == "at chance" else [])
    for seed in (0, 1):
        run(*DIGITS, *change, f"seed={seed}", root=outputs)
    then = find(outputs)
    assert then.best.value > step.best.value + 0.2
    assert set(change) <= set(then.best.overrides)


def test_the_command_prints_diagnosis_evidence_and_what_to_type(outputs, capsys):
    folder = next(folder for folder in find_run_folders(outputs / "adhoc", lambda error: None) if "lr=1e-07" in folder.name)
    assert main([str(folder), "--outputs", str(outputs)]) == 0
    best, diagnosis, following = capsys.readouterr().out.splitlines()[-3:]  # before them, what other tests have tried
    assert best.startswith("Best: ")
    assert diagnosis.startswith("Diagnosis: at chance. val/acc ends at ")
    assert following.startswith("Next: ")
    assert "optimizer.lr=" in following


def test_runs_without_a_validation_split_are_refused(tmp_path):
    run(*DIGITS, "val_fraction=0", "evaluate_on=test", root=tmp_path)
    folders = list(find_run_folders(tmp_path / "adhoc", lambda error: None))
    with pytest.raises(ConfigError, match="1 have none, or were watched on the test split"):
        find_next(folders)
    with pytest.raises(ConfigError, match=r"No finished run with a validation split is there\. A proposal"):
        find_next([])


def test_nothing_of_the_test_split_decides(outputs, monkeypatch):
    """The same step if all test metrics were others."""
    expected = find(outputs)

    def hide(folder):
        summary = read_summary_file(folder)
        metrics = {name: None if name.startswith("test/") else value for name, value in summary["metrics"].items()}
        return summary | {"metrics": metrics, "of_classes": {}}

    monkeypatch.setattr("dlexp.study.next_step.read_summary_file", hide)
    assert find(outputs) == expected
