"""What a command with a launcher prints and starts. The tasks: tests/study/test_on_submitit.py and test_on_ray.py."""

import os
import sys

import pytest

from dlexp.commands.ablate import main as ablate
from dlexp.commands.plan import main as plan
from dlexp.commands.train import main as train
from dlexp.config import launcher
from dlexp.config.check import compose_sweep
from dlexp.config.options import CONF
from dlexp.study import on_submitit
from dlexp.study.on_submitit import Submitted
from dlexp.study.sweep import check_cells, sweep
from tests.runs import MOONS, only_last

SWEEP = only_last((*MOONS, "hardware=cpu", "seed=0,1", "epochs=1"))


@pytest.fixture
def submitted(tmp_path, monkeypatch):
    """The tasks that are submitted, in place of submitting them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launcher, "find_spec", lambda name: object())
    found = []

    def submit(chosen, tasks):
        found.append((chosen, tasks))
        return Submitted("job 1234", "1234_*_log.out", "scancel 1234")

    monkeypatch.setattr(on_submitit, "submit", submit)
    return found


def test_a_sweep_is_submitted_and_left(submitted, tmp_path, capsys):
    typed = ["-m", *SWEEP, "exclude=[{seed: 1}]", "wait=false"]
    assert train([*typed, "launcher=submitit", "launcher.cpus=2", "seed=0,1"]) == 2  # checked as without a launcher
    assert "seed is set twice" in capsys.readouterr().err
    assert train(["launcher.cpus=2", *typed, "launcher=submitit"]) == 0
    ((chosen, tasks),) = submitted
    assert (chosen.engine, chosen.settings["cpus"]) == ("submitit", 2)
    assert tasks.command == [sys.executable, "-P", str(CONF.parent / "dlexp" / "__main__.py"), "train", *typed]
    assert (tasks.folder, tasks.number) == (str(tmp_path), 1)
    listed = " ".join(typed).replace("exclude=[{seed: 1}]", "'exclude=[{seed: 1}]'")
    assert capsys.readouterr().out.splitlines() == [
        "1 of 1 runs are due.",
        "Submitted: job 1234, 1 task.",
        "Logs: outputs/adhoc/launcher/1234_*_log.out",
        f"How far they are: dlexp plan {listed}",
        "Cancel them: scancel 1234",
    ]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_submitted_where_nothing_is_due(submitted, capsys):
    assert sweep(check_cells(compose_sweep([*SWEEP, "display=none"])), "a sweep") == 0
    assert train(["-m", *SWEEP, "launcher=submitit", "force=true", "launcher.processes=1", "display=none"]) == 0
    assert len(submitted) == 1
    assert capsys.readouterr().out == ""
    assert train(["-m", *SWEEP, "launcher=submitit"]) == 0
    assert len(submitted) == 1
    printed = "0 of 2 runs are due.\nNothing was started. Without launcher=submitit the command reports them.\n"
    assert capsys.readouterr().out == printed
    assert plan(["-m", *SWEEP, "launcher=submitit", "launcher.minutes=5"]) == 0
    assert "2 runs: 2 done." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["-m", *SWEEP, "norm=bn,zz"], "norm=zz: no such option."),
        (["-m", *SWEEP, "optimizer.lr=1,-1"], "optimizer.lr: must be a number above 0, got -1. (in 2 of 4 runs"),
        (["-m", *SWEEP, "hardware.tune=true"], "launcher.processes=4: hardware.tune=true measures times"),
        (["-m", *SWEEP, "force=true"], "force=true: each task would do again"),
        ([*MOONS, "hardware=cpu"], "launcher=submitit: starts tasks that share the runs of a sweep, and this is one run"),
        (["study=nothing"], "nothing"),
        (["study=topology", "depth=99"], "topology"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_submitted(typed, said, submitted, tmp_path, capsys):
    assert train([*typed, "launcher=submitit"]) == 2
    assert said in capsys.readouterr().err
    assert (submitted, list(tmp_path.iterdir())) == ([], [])


def test_an_ablation_and_a_study_are_submitted(submitted, tmp_path, capsys):
    recipe = ["dataset=digits", "epochs=1", "hardware=cpu", "dropout=0.2", "optimizer=sgd", "seeds=2", "name=mine"]
    assert ablate([*recipe, "launcher=submitit", "launcher.folder=logs"]) == 0
    ((_, tasks),) = submitted
    assert (tasks.command[-len(recipe) - 1 :], tasks.number) == (["ablate", *recipe], 4)
    printed = capsys.readouterr().out
    assert f"Logs: logs/1234_*_log.out\nHow far they are: dlexp plan --ablate {' '.join(recipe)}\n" in printed


def test_of_a_study_that_tunes_the_comparison_is_due_too(submitted, tmp_path, capsys):
    path = tmp_path / "tuned.yaml"
    path.write_text(
        "question: Which?\nbackground: Made for a test.\n"
        "base: {dataset: moons, model: mlp, model.widths: [4], epochs: 1, hardware: cpu}\naxes: {activation: [relu, tanh]}\n"
        "tune: {optimizer.lr: [0.1, 0.01], seeds: [100]}\nseeds: [0, 1, 2, 3, 4]\n"
        "predictions: [{claim: Made up, plus: {activation: relu}, minus: {activation: tanh}, expected: greater}]\n"
    )
    assert train([f"study={path}", "launcher=submitit", "launcher.processes=100"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "4 of 4 runs are due, and 10 after them."
    assert submitted[0][1].number == 10
    assert os.listdir(tmp_path) == ["tuned.yaml"]
