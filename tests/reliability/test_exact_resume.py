"""A run that was killed at any instants ends as the one that was not."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dlexp import checkpoint
from dlexp.display import Plain
from dlexp.errors import CheckpointError, ConfigError
from dlexp.run import execute, gather_facts
from tests.reliability.harness import content
from tests.runs import IMAGES, MOONS, only_last, prepare, run

ROOT = Path(__file__).parents[2]
EVERY_STEP = "checkpoint_every=0"
CONFIGS = {
    "dropout and plateau": (*MOONS, "dropout=0.3", "scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.5", "epochs=4"),
    "augmentation, batch norm and momentum": (*IMAGES, "augment=standard", "augment.padding=1", "optimizer=momentum"),
    "early stopping": (*MOONS, "early_stopping.patience=2", "optimizer.lr=1", "epochs=12"),
    "fp16 scaler, clipping and onecycle": (
        *MOONS, "precision=fp16", "precision.growth_interval=3", "grad_clip=0.5", "scheduler=onecycle", "epochs=4",
    ),
    "probes": (*IMAGES, "probe=[grad_flow,dead_units]", "norm=gn", "norm.groups=4", "evaluate_on=test", "val_fraction=0"),
}  # fmt: skip


def killed(overrides, root, *, seed, kills):
    """Finish a run under kills, in as many folders as it takes."""
    command = [sys.executable, "-m", "tests.reliability.harness", str(root), str(seed), str(kills), *overrides]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [root / str(number) for number in range(1, 1 + int(done.stdout))]


def folder(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)


@pytest.mark.parametrize("name", CONFIGS)
def test_kills_at_random_instants_change_nothing(name, tmp_path):
    overrides = only_last((*CONFIGS[name], EVERY_STEP))
    run(*overrides, root=tmp_path / "whole")
    for root in killed(overrides, tmp_path / "killed", seed=1, kills=20):
        assert folder(root) == folder(tmp_path / "whole")


def cut_off(overrides, root, *, step, monkeypatch):
    """Train until a state was saved at `step`, no further; at the last step until the run has a status."""
    planned, save = prepare(*overrides, root=root), checkpoint.save

    def save_and_end(folder, state, saved_step, lengths):
        save(folder, state, saved_step, lengths)
        if saved_step == step and (step < LAST or state["status"]):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_end)
        with pytest.raises(KeyboardInterrupt):
            execute(planned, gather_facts(planned), Plain())
    return planned


def edited(planned, edit):
    """Change the newest state, and let its sidecar fit."""
    *_, path = sorted((planned.folder / checkpoint.FOLDER).glob("step-*.pt"))
    state = torch.load(path, weights_only=True)
    edit(state)
    facts = json.loads(path.with_suffix(".json").read_text())
    checkpoint.save(planned.folder, state, facts["step"], facts["files"])


def resumed(planned):
    execute(planned, gather_facts(planned), Plain())
    return content(planned.folder)


def forget_moments(state):
    state["learner"]["optimizer"]["state"] = {}


def forget_batch_norm(state):
    for name, tensor in state["learner"]["model"].items():
        if "running" in name:
            tensor.zero_()


LAST = 36  # step of SENSITIVE, as it does not stop early
SENSITIVE = (*MOONS, "dropout=0.3", "scheduler=plateau", "scheduler.patience=1", "optimizer.lr=0.3", "precision=fp16",
             "precision.growth_interval=4", "early_stopping.patience=3", "epochs=9", "probe=[grad_flow]")  # fmt: skip
# One piece of the state each, put out of place; every one of them must show in what the run leaves.
PIECES = {
    "weights": lambda state: [tensor.zero_() for tensor in state["learner"]["model"].values()],
    "batch norm's statistics": forget_batch_norm,
    "optimizer": forget_moments,
    "learning rate": lambda state: state["learner"]["optimizer"]["param_groups"][0].update(lr=1e-3),
    "scheduler": lambda state: state["learner"]["scheduler"].update(num_bad_epochs=0, best=0.0),
    "scaler": lambda state: state["learner"]["scaler"].update(scale=2.0, _growth_tracker=0),
    "random stream": lambda state: state["learner"].update(random=torch.Generator().manual_seed(5).get_state()),
    "measured steps": lambda state: state["learner"].update(examples=[], measured=[torch.empty(0)] * 3),
    "place in the epoch": lambda state: state["progress"].__setitem__(2, state["progress"][2] - 1),
    "early stopping": lambda state: state["watch"].update(best=-1.0, best_epoch=1),
}
# The same for what is read only after the last step.
LAST_PIECES = {
    "rows": lambda state: state["rows"][-1].update({"train/loss": 0.0}),
    "probed": lambda state: state.update(probed=[]),
    "status": lambda state: state.update(status="early_stopped"),
    "best weights": lambda state: [tensor.zero_() for tensor in state["best_weights"].values()],
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    run(*SENSITIVE, EVERY_STEP, root=root)
    return folder(root)


def test_a_state_that_is_whole_shows_nowhere(tmp_path, monkeypatch, uninterrupted):
    planned = cut_off((*SENSITIVE, EVERY_STEP), tmp_path, step=10, monkeypatch=monkeypatch)
    assert resumed(planned) == uninterrupted


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_of_the_state_is_needed(piece, tmp_path, monkeypatch, uninterrupted):
    planned = cut_off((*SENSITIVE, EVERY_STEP), tmp_path, step=10, monkeypatch=monkeypatch)
    edited(planned, PIECES[piece])
    assert resumed(planned) != uninterrupted


@pytest.mark.parametrize("piece", LAST_PIECES)
def test_each_piece_of_the_last_state_is_needed(piece, tmp_path, monkeypatch, uninterrupted):
    planned = cut_off((*SENSITIVE, EVERY_STEP), tmp_path, step=LAST, monkeypatch=monkeypatch)
    edited(planned, LAST_PIECES[piece])
    assert resumed(planned) != uninterrupted


@pytest.mark.parametrize("key", ["optimizer.lr: 0.3", "batch_size: 16", "seed: 0"])
def test_a_config_that_was_edited_by_hand_is_refused(key, tmp_path, monkeypatch):
    planned = cut_off((*SENSITIVE, EVERY_STEP), tmp_path, step=3, monkeypatch=monkeypatch)
    name, value = key.split(": ")
    config = planned.folder / "config.yaml"
    line = f"{name.rpartition('.')[2]}: {value}\n"
    assert line in config.read_text()
    config.write_text(config.read_text().replace(line, line.replace(value, "7")))
    with pytest.raises(ConfigError, match=rf"{name}: 7 in the file, {value} in this run"):
        execute(planned, gather_facts(planned), Plain())


def test_damaged_states_never_start_a_run_over(tmp_path, monkeypatch):
    planned = cut_off((*SENSITIVE, EVERY_STEP), tmp_path, step=3, monkeypatch=monkeypatch)
    for path in (planned.folder / checkpoint.FOLDER).glob("step-*.pt"):
        path.write_bytes(b"")
    before = (planned.folder / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError, match="never starts over by itself"):
        execute(planned, gather_facts(planned), Plain())
    assert (planned.folder / "metrics.csv").read_bytes() == before
    assert planned.summary() is None


def test_a_resumed_run_says_so_and_whether_it_is_exact(tmp_path, monkeypatch, capsys):
    planned = cut_off((*MOONS, EVERY_STEP), tmp_path, step=3, monkeypatch=monkeypatch)
    summary = execute(planned, gather_facts(planned), Plain())
    assert (summary["restarts"], summary["bit_exact"]) == (1, True)
    assert "Goes on from step-000000003.pt." in capsys.readouterr().out


def test_a_run_under_other_threads_is_labelled(tmp_path, monkeypatch):
    planned = cut_off((*MOONS, EVERY_STEP), tmp_path, step=3, monkeypatch=monkeypatch)
    for path in (planned.folder / checkpoint.FOLDER).glob("*.json"):
        path.write_text(path.read_text().replace('"threads": 1', '"threads": 3'))
    summary = execute(planned, gather_facts(planned), Plain())
    assert (summary["bit_exact"], summary["differs"]) == (False, "threads 3 then, 1 now")
