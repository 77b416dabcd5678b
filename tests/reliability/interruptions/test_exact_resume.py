"""A run that was killed at any instants ends as the one that was not."""

import functools
import json
import os
import shutil
import signal

import pytest
import torch
import yaml

from dlexp.errors import CheckpointError, ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import checkpoint
from dlexp.training.single_learner import SingleLearner
from tests.processes import Command
from tests.reliability.harness import content, fork, train, wait
from tests.runs import IMAGES, MOONS, edit_json, only_last, prepare, run

EVERY_STEP = "checkpoint_every=0"
CONFIGS = {
    "dropout and plateau": (*MOONS, "dropout=0.3", "scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.5", "epochs=4"),
    "augmentation and batch norm with momentum": (*IMAGES, "augment=standard", "augment.padding=1", "optimizer=momentum"),
    "mixed examples": (*IMAGES, "augment=[flip,gaussian_noise,trivialaugment,mixup,cutmix]", "loss=focal"),
    "early stopping": (*MOONS, "early_stopping.patience=2", "optimizer.lr=1", "epochs=12"),
    "clipped fp16 with onecycle": (
        *MOONS, "precision=fp16", "precision.growth_interval=3", "grad_clip=0.5", "scheduler=onecycle", "epochs=4",
    ),
    "mean of the weights": (*MOONS, "dropout=0.3", "average=ema", "average.decay=0.8", "epochs=4"),
    "rare classes and activations computed again": (
        *MOONS, "dropout=0.3", "dataset.imbalance=4", "sampling=balanced", "loss.class_weight=[1,3]", "monitor=balanced_acc",
        "early_stopping.patience=3", "hardware.recompute=true", "epochs=6",
    ),
    "probes": (*IMAGES, "probe=[grad_flow,dead_units]", "norm=gn", "norm.groups=4", "evaluate_on=test", "val_fraction=0"),
}  # fmt: skip


def finish_interrupted(root, *, faults, numbers=(), configs=CONFIGS):
    """Finish runs whose starts are interrupted at random instants; returns the outcomes by name."""
    runs = {name: only_last((*configs[name], EVERY_STEP)) for name in configs}
    harness = Command(
        "-m", "tests.reliability.harness", str(root), "1", str(faults), json.dumps(runs), *(str(int(one)) for one in numbers)
    )
    out, err = harness.communicate(timeout=1000)
    assert harness.returncode == 0, err
    return json.loads(out)


def folder(root):
    (found,) = (root / "adhoc").glob("*/summary.json")
    return content(found.parent)


def differing(root, outcomes, configs=CONFIGS):
    """Folders that are not what an uninterrupted run leaves."""
    found = []
    for name, outcome in outcomes.items():
        whole = root.with_name("whole") / name
        run(*configs[name], EVERY_STEP, root=whole)
        expected = folder(whole)
        roots = [root / name / str(number) for number in range(1, 1 + outcome["folders"])]
        found += [str(one) for one in roots if folder(one) != expected]
    return found


@pytest.mark.parametrize("kills", [8, pytest.param(200, marks=pytest.mark.slow(seconds=240))])
def test_kills_at_random_instants_change_nothing(kills, in_memory, record_property):
    """R01, R09, R10: weights, metrics.csv and summary are the same; after each kill there is a whole state."""
    outcomes = finish_interrupted(in_memory / "killed", faults=kills)
    wrong = differing(in_memory / "killed", outcomes) + [problem for one in outcomes.values() for problem in one["problems"]]
    record_property("R01", [sum(one["faults"] for one in outcomes.values()), len(wrong)])
    assert wrong == []
    assert all(one["faults"] >= kills for one in outcomes.values())


def die_at(method, number):
    """End this process at the given step or evaluation of the learner."""
    original, calls = getattr(SingleLearner, method), []

    def counted(*arguments, **options):
        calls.append(1)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **options)

    setattr(SingleLearner, method, counted)


@pytest.mark.slow(seconds=200)
def test_a_kill_at_every_step_changes_nothing(in_memory, record_property):
    """R03: before each of 96 steps and in each of the evaluations between and after them."""
    overrides = only_last((*MOONS, "dropout=0.3", "scheduler=plateau", "epochs=24", EVERY_STEP))
    train(overrides, in_memory / "whole")
    expected, wrong = folder(in_memory / "whole"), []
    instants = [("step", number) for number in range(1, 97)] + [("evaluate", number) for number in range(1, 27)]
    for method, number in instants:
        root = in_memory / f"{method}-{number}"
        codes = [wait(fork(overrides, root, functools.partial(die_at, method, number))), wait(fork(overrides, root))]
        wrong += [] if codes == [-signal.SIGKILL, 0] and folder(root) == expected else [(method, number, codes)]
    record_property("R03", [len(instants), len(wrong)])
    assert wrong == []


def cut_off(overrides, root, *, step, monkeypatch):
    """Train until a state was saved at `step`, no further; at the last step until the run has a status."""
    planned, save = prepare(*overrides, root=root), checkpoint.save

    def save_and_end(folder, state, saved_step, *more):
        save(folder, state, saved_step, *more)
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
    checkpoint.save(planned.folder, state, facts["step"], facts["files"], torch.device("cpu"), facts["environment"]["code"])


@pytest.fixture(scope="module")
def cut_runs(tmp_path_factory):
    """Steps at which a run was cut off → the folder that has it."""
    return {}


@pytest.fixture
def cut(cut_runs, tmp_path_factory, tmp_path):
    """A function that gives a copy of the run that was cut off at a step."""

    def at(step):
        if step not in cut_runs:
            cut_runs[step] = tmp_path_factory.mktemp("cut")
            with pytest.MonkeyPatch.context() as patch:
                cut_off((*SENSITIVE, EVERY_STEP), cut_runs[step], step=step, monkeypatch=patch)
        shutil.copytree(cut_runs[step], tmp_path, dirs_exist_ok=True)
        return prepare(*SENSITIVE, EVERY_STEP, root=tmp_path)

    return at


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


def test_a_state_that_is_whole_shows_nowhere(cut, uninterrupted):
    assert resumed(cut(10)) == uninterrupted


def test_a_finished_run_is_left_as_it_is(cut):
    planned = cut(10)
    before = resumed(planned)
    times = {path: path.stat().st_mtime_ns for path in planned.folder.rglob("*")}
    assert execute(planned, gather_facts(planned), Plain()) is None
    assert content(planned.folder) == before
    assert {path: path.stat().st_mtime_ns for path in planned.folder.rglob("*")} == times


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_of_the_state_is_needed(piece, cut, uninterrupted):
    planned = cut(10)
    edited(planned, PIECES[piece])
    assert resumed(planned) != uninterrupted


def test_the_mean_of_the_weights_is_needed(tmp_path, monkeypatch):
    overrides, whole = (*CONFIGS["mean of the weights"], EVERY_STEP), tmp_path / "whole"
    run(*overrides, root=whole)

    def finish(name, edit):
        planned = cut_off(overrides, tmp_path / name, step=10, monkeypatch=monkeypatch)
        edited(planned, edit)
        return resumed(planned)

    assert finish("same", lambda state: None) == folder(whole)
    mean = "module.head.weight"
    assert finish("zero", lambda state: state["learner"]["average"]["model"][mean].zero_()) != folder(whole)
    assert finish("old", lambda state: state["learner"]["average"]["model"]["n_averaged"].zero_()) != folder(whole)


@pytest.mark.parametrize("piece", LAST_PIECES)
def test_each_piece_of_the_last_state_is_needed(piece, cut, uninterrupted):
    planned = cut(LAST)
    edited(planned, LAST_PIECES[piece])
    assert resumed(planned) != uninterrupted


EDITED = {
    "batch_size": 8, "data_seed": 1, "dataset.num_examples": 99, "model.width": 17, "early_stopping.patience": 9, "epochs": 10,
    "grad_clip": 1, "optimizer.lr": 0.2, "optimizer.weight_decay": 0.5, "precision.growth_interval": 5, "seed": 1,
    "val_fraction": 0.2, "activation._target_": "torch.nn.Tanh", "added": 1,
}  # fmt: skip


@pytest.mark.parametrize("key", EDITED)
def test_a_config_that_was_edited_by_hand_is_refused_and_says_where(key, cut):
    planned = cut(3)
    file = planned.folder / "config.yaml"
    config = yaml.safe_load(file.read_text())
    *path, last = key.split(".")
    place = functools.reduce(dict.__getitem__, path, config)
    before, place[last] = place.get(last, "nothing"), EDITED[key]
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ConfigError) as refused:
        execute(planned, gather_facts(planned), Plain())
    assert refused.value.problems[1:] == [f"{key}: {EDITED[key]} in the file, {before} in this run."]
    assert planned.read_summary() is None


def test_damaged_states_never_start_a_run_over(cut):
    planned = cut(3)
    for path in (planned.folder / checkpoint.FOLDER).glob("step-*.pt"):
        path.write_bytes(b"")
    before = (planned.folder / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError, match="never starts over by itself"):
        execute(planned, gather_facts(planned), Plain())
    assert (planned.folder / "metrics.csv").read_bytes() == before
    assert planned.read_summary() is None


def test_a_resumed_run_says_so_and_whether_it_is_exact(cut, capsys):
    planned = cut(3)
    summary = execute(planned, gather_facts(planned), Plain())
    assert (summary["restarts"], summary["bit_exact"]) == (1, True)
    assert "Goes on from step-000000003.pt." in capsys.readouterr().out


@pytest.mark.parametrize("name", ["torch", "threads", "processor", "instructions", "build of torch", "numpy", "code"])
def test_a_run_that_goes_on_elsewhere_is_labelled(name, cut):
    planned = cut(3)
    for path in (planned.folder / checkpoint.FOLDER).glob("*.json"):
        here = json.loads(path.read_text())["environment"][name]
        edit_json(path, lambda facts: facts["environment"].update({name: "another"}))
    summary = execute(planned, gather_facts(planned), Plain())
    differs = "other code" if name == "code" else f"{name} another then, {here} now"
    assert (summary["status"], summary["bit_exact"], summary["differs"]) == ("done", False, differs)
