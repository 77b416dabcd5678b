"""R20: a loss, a gradient or a buffer that is not finite, at any step, under each of the policies of `on_divergence`."""

import json
import math
from functools import partial

import pytest
import torch

from dlexp.run import signals
from dlexp.run.display import Plain, result_line
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record import checkpoint
from dlexp.training.single_learner import SingleLearner
from tests.reliability.interruptions.test_exact_resume import EVERY_STEP, folder, resumed
from tests.reliability.nonfinite import FAULTS, FIRST_NORM, RUN, STEPS, bad_epochs, inject, states
from tests.runs import MOONS, prepare, run

DIVERGES = (*MOONS, "optimizer=sgd", "optimizer.lr=1e30", "norm=none")


@pytest.fixture
def inject_fault(monkeypatch):
    return partial(inject, monkeypatch)


AT = (1, 6, 2 * STEPS)  # the first step, one within an epoch, the last of an epoch
EVERYWHERE = pytest.mark.parametrize(("kind", "at"), [(kind, at) for kind in FAULTS for at in AT], ids=str)


@EVERYWHERE
def test_stop_ends_with_the_epoch_and_says_where_it_began(kind, at, inject_fault, tmp_path):
    inject_fault(kind, at)
    summary, rows = run(*RUN, EVERY_STEP, root=tmp_path)
    epoch = -(-at // STEPS)
    assert (summary["status"], summary["epochs"], bad_epochs(rows)) == ("diverged", epoch, [epoch])
    step = {"loss": at, "gradient": at + 1 if at % STEPS else None, "buffer": None}[kind]
    assert summary["first_bad_step"] == step
    cause = f"the loss of step {step}" if step else f"the val/loss of epoch {epoch}"
    layer = FIRST_NORM if kind == "buffer" else "blocks.0."
    assert summary["reason"].startswith(f"{cause} is not finite; not finite after epoch {epoch}: weights of {layer}")
    assert "rollbacks" not in summary
    saved = states(tmp_path)
    assert [path.name for path in saved] == [f"step-{step:09}.pt" for step in (at - 2, at - 1) if step > 0]
    for path in saved:
        learner = torch.load(path, weights_only=True)["learner"]
        assert all(tensor.isfinite().all() for tensor in [*learner["model"].values(), learner["measured"][0]])


@EVERYWHERE
def test_rollback_leaves_one_epoch_out(kind, at, inject_fault, tmp_path, capsys):
    inject_fault(kind, at)
    summary, rows = run(*RUN, "on_divergence=rollback", root=tmp_path)
    epoch = -(-at // STEPS)
    assert (summary["status"], summary["epochs"], summary["rollbacks"], bad_epochs(rows)) == ("done", 4, 1, [epoch])
    assert all(number is not None for number in summary["metrics"].values())
    assert "reason" not in summary
    back = f"is not finite; back to the weights {'before training' if epoch == 1 else f'after epoch {epoch - 1}'}"
    (log,) = tmp_path.rglob("train.log")
    for text in (capsys.readouterr().out, log.read_text()):
        assert [line.endswith(back) for line in text.splitlines() if "back to" in line] == [True]


@EVERYWHERE
def test_continue_trains_to_the_last_step(kind, at, inject_fault, tmp_path):
    inject_fault(kind, at)
    summary, rows = run(*RUN, "on_divergence=continue", root=tmp_path)
    epoch = -(-at // STEPS)
    assert (summary["status"], summary["epochs"], bad_epochs(rows)) == ("diverged", 4, [*range(epoch, 5)])
    assert f"not finite after epoch {epoch}: weights of" in summary["reason"]


@pytest.mark.parametrize("policy", ["rollback", "continue"])
def test_a_run_whose_last_epoch_is_finite_is_done(policy, inject_fault, tmp_path):
    inject_fault("loss", 6)  # the scaler of fp16 skips the step, so that the weights stay finite
    summary, rows = run(*RUN, "precision=fp16", f"on_divergence={policy}", root=tmp_path)
    assert (summary["status"], summary["first_bad_step"], bad_epochs(rows)) == ("done", 6, [2])


@pytest.mark.parametrize("monitor", ["loss", "acc"])
def test_a_bad_epoch_is_never_the_best(monitor, inject_fault, tmp_path):
    inject_fault("loss", 1)  # the first epoch: any error rate would be the best so far
    summary, _ = run(*RUN, "on_divergence=rollback", f"monitor={monitor}", "early_stopping.patience=9", root=tmp_path)
    assert summary["restored_epoch"] > 1


def test_a_bad_epoch_counts_as_one_without_improvement(tmp_path):
    options = ("epochs=9", "on_divergence=continue")
    summary, rows = run(*DIVERGES, *options, "early_stopping.patience=2", root=tmp_path)
    assert (summary["status"], len(bad_epochs(rows))) == ("diverged", summary["epochs"])
    assert summary["epochs"] < 9
    _, rows = run(*DIVERGES, *options, "scheduler=plateau", "scheduler.patience=2", root=tmp_path)
    assert [float(row["lr"]) == 1e30 for row in rows] == [True] * 4 + [False] * 6


def test_a_learning_rate_that_is_too_high_comes_to_an_end_under_each_policy(tmp_path):
    ends = {}
    for policy in ("stop", "rollback", "continue"):
        summary, rows = run(*DIVERGES, "epochs=5", f"on_divergence={policy}", root=tmp_path)
        assert 1 < summary["first_bad_step"] <= STEPS
        assert {rows[-1][name] for name in ("val/loss", "val/acc", "train/acc")} == {"nan"}
        ends[policy] = summary["status"], summary["epochs"], is_tested(summary, tmp_path)
    assert ends == {"stop": ("diverged", 1, False), "rollback": ("diverged", 3, True), "continue": ("diverged", 5, False)}


def is_tested(summary, root):
    """Whether a run has test metrics and predictions; both or none."""
    (folder,) = root.glob(f"adhoc/*-{summary['id']}")
    known = {summary["metrics"][name] is not None for name in ("test/loss", "test/acc")}
    assert known == {(folder / "arrays" / "predictions.npz").exists()}
    return known == {True}


@pytest.mark.parametrize("kind", ["gradient", "buffer"])
def test_a_last_step_that_breaks_the_model_is_a_divergence_though_nothing_is_watched(kind, inject_fault, tmp_path):
    inject_fault(kind, 10)  # without a validation split an epoch has five steps
    summary, rows = run(*MOONS, "val_fraction=0", "epochs=2", root=tmp_path)
    assert bad_epochs(rows) == []
    assert (summary["status"], is_tested(summary, tmp_path)) == ("diverged", False)
    assert summary["reason"].startswith("the last step broke the model; not finite after epoch 2: weights of blocks.0")


@pytest.mark.parametrize("more", [("on_divergence=rollback",), ("early_stopping.patience=1",), ("early_stopping.patience=9",)])
def test_a_run_in_fp16_whose_every_step_overflows_is_no_result(more, tmp_path):
    summary, _ = run(*MOONS, "precision=fp16", "precision.init_scale=1e30", *more, root=tmp_path)
    assert (summary["status"], is_tested(summary, tmp_path)) == ("diverged", False)
    steps = f"each of the {summary['steps']} steps overflowed in fp16 and was skipped"
    assert steps in result_line({**summary, "seconds": {"train": 1.0}}, tmp_path)


def test_a_run_in_fp16_that_takes_a_single_step_is_a_result(tmp_path):
    summary, rows = run(*MOONS, "precision=fp16", "precision.init_scale=16777216", "epochs=9", root=tmp_path)
    overflows = [float(row["train/overflow_steps"]) for row in rows[1:]]
    assert 0 < sum(overflows) < summary["steps"]
    assert (summary["status"], is_tested(summary, tmp_path)) == ("done", True)


def test_outputs_that_are_not_finite_are_no_predictions(tmp_path, monkeypatch):
    evaluate, calls = SingleLearner.evaluate, []

    def overflow(learner, batches, outputs_of=None, **options):
        calls.append(1)
        if outputs_of is None:
            return evaluate(learner, batches, outputs_of, **options)
        return {"loss": math.inf, "acc": math.nan}

    monkeypatch.setattr(SingleLearner, "evaluate", overflow)
    summary, _ = run(*MOONS, root=tmp_path)
    assert (summary["status"], is_tested(summary, tmp_path)) == ("done", False)
    assert "no test metrics" in result_line({**summary, "seconds": {"train": 1.0}}, tmp_path)


def test_the_line_of_a_diverged_run_says_where_it_began(inject_fault, tmp_path):
    inject_fault("loss", 6)
    summary, _ = run(*RUN, root=tmp_path)
    line = result_line({**summary, "seconds": {"train": 1.0}}, tmp_path)
    assert line.startswith("diverged: the loss of step 6 is not finite; not finite after epoch 2: weights of blocks.0.")
    assert "more layers  no test metrics" in line


def test_an_overflow_leaves_no_number_that_is_not_finite(tmp_path):
    summary, rows = run(*MOONS, "precision=fp16", "precision.init_scale=1e30", "grad_clip=1", root=tmp_path)
    assert (summary["status"], [row["train/overflow_steps"] for row in rows[1:]]) == ("diverged", ["4.0", "4.0"])
    metrics = summary["metrics"]
    assert (metrics["train/grad_norm"], metrics["train/clip_rate"], metrics["train/overflow_steps"]) == (None, None, 4.0)
    assert not [value for row in rows for value in row.values() if "inf" in value]


def test_no_state_is_saved_from_a_bad_loss_on_though_the_weights_are_finite(inject_fault, tmp_path):
    inject_fault("loss", 6)
    summary, _ = run(*RUN, "precision=fp16", EVERY_STEP, root=tmp_path)
    assert summary["reason"] == "the loss of step 6 is not finite; all weights are after epoch 2"
    assert [path.name for path in states(tmp_path)] == ["step-000000004.pt", "step-000000005.pt"]


@pytest.mark.parametrize("policy", ["stop", "rollback"])
def test_the_room_that_a_state_takes_is_known_before(policy, tmp_path):
    options = ("width=256", "depth=3", "early_stopping.patience=1", f"on_divergence={policy}", EVERY_STEP)
    summary, _ = run(*MOONS, *options, root=tmp_path)
    expected = checkpoint.expected_bytes(summary["num_parameters"], rollback=policy == "rollback")
    assert 0.9 * expected < states(tmp_path)[-1].stat().st_size < 1.1 * expected


def test_a_signal_while_a_run_diverges_keeps_the_finite_state_and_changes_nothing(inject_fault, tmp_path, monkeypatch):
    inject_fault("loss", 6)
    run(*RUN, EVERY_STEP, root=tmp_path / "whole")
    planned = prepare(*RUN, EVERY_STEP, root=tmp_path / "cut")
    original, steps = SingleLearner.step, []

    def step(learner, inputs, targets):
        original(learner, inputs, targets)
        steps.append(1)
        if len(steps) == 7:
            patch.setattr(signals, "_requested", signals.SIGNALS[0])

    with monkeypatch.context() as patch:
        patch.setattr(SingleLearner, "step", step)
        with pytest.raises(KeyboardInterrupt):  # which train.py turns into 75
            execute(planned, gather_facts(planned), Plain())
    assert [path.name for path in states(tmp_path / "cut")] == ["step-000000004.pt", "step-000000005.pt"]
    assert resumed(planned) == folder(tmp_path / "whole")
    assert json.loads((planned.folder / "summary.json").read_text())["restarts"] == 1
