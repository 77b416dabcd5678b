"""R20: a loss, a gradient or a buffer that is not finite, at any step, under each of the policies of `on_divergence`."""

import json
import math
from functools import partial

import pytest
import torch

from dlexp import checkpoint, stop
from dlexp.build import build
from dlexp.display import Plain, result_line
from dlexp.learner import Learner
from dlexp.run import execute, gather_facts
from tests.reliability.test_exact_resume import EVERY_STEP, cut_off, edited, folder, resumed
from tests.runs import IMAGES, MOONS, prepare, run

RUN = (*MOONS, "epochs=4")
STEPS = 4  # an epoch
DIVERGES = (*MOONS, "optimizer=sgd", "optimizer.lr=1e30", "norm=none")
FIRST_NORM = "blocks.0.norm"


def spoil_loss(learner, inputs, targets, step):
    hook = learner.loss.register_forward_hook(lambda module, given, loss: loss * math.nan)
    step(learner, inputs, targets)
    hook.remove()


def spoil_gradient(learner, inputs, targets, step):
    hook = learner.parameters[0].register_hook(lambda gradient: gradient * math.nan)
    step(learner, inputs, targets)
    hook.remove()


def spoil_buffer(learner, inputs, targets, step):
    step(learner, inputs, targets)
    learner.model.get_buffer(f"{FIRST_NORM}.running_mean").fill_(math.nan)


FAULTS = {"loss": spoil_loss, "gradient": spoil_gradient, "buffer": spoil_buffer}


def put_into_steps(patch, kind, *steps):
    """Let a fault happen in some steps of every run, counted from 1, also in one that goes on."""
    original = Learner.step

    def step(learner, inputs, targets):
        now = learner.num_steps + len(learner.steps) + 1
        FAULTS[kind](learner, inputs, targets, original) if now in steps else original(learner, inputs, targets)

    patch.setattr(Learner, "step", step)


@pytest.fixture
def spoil(monkeypatch):
    return partial(put_into_steps, monkeypatch)


def states(root):
    return sorted(root.glob(f"adhoc/*/{checkpoint.FOLDER}/step-*.pt"))


def bad_epochs(rows):
    losses = {int(row["epoch"]): [float(row[name]) for name in ("train/loss", "val/loss") if row.get(name)] for row in rows}
    return [epoch for epoch, values in losses.items() if not all(map(math.isfinite, values))]


AT = (1, 6, 2 * STEPS)  # the first step, one within an epoch, the last of an epoch
EVERYWHERE = pytest.mark.parametrize(("kind", "at"), [(kind, at) for kind in FAULTS for at in AT], ids=str)


@EVERYWHERE
def test_stop_ends_with_the_epoch_and_says_where_it_began(kind, at, spoil, tmp_path):
    spoil(kind, at)
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
def test_rollback_leaves_one_epoch_out(kind, at, spoil, tmp_path, capsys):
    spoil(kind, at)
    summary, rows = run(*RUN, "on_divergence=rollback", root=tmp_path)
    epoch = -(-at // STEPS)
    assert (summary["status"], summary["epochs"], summary["rollbacks"], bad_epochs(rows)) == ("done", 4, 1, [epoch])
    assert all(number is not None for number in summary["metrics"].values())
    assert "reason" not in summary
    back = f"is not finite; back to the weights {'before training' if epoch == 1 else f'after epoch {epoch - 1}'}"
    (log,) = tmp_path.rglob("train.log")
    for told in (capsys.readouterr().out, log.read_text()):
        assert [line.endswith(back) for line in told.splitlines() if "back to" in line] == [True]


@EVERYWHERE
def test_continue_trains_to_the_last_step(kind, at, spoil, tmp_path):
    spoil(kind, at)
    summary, rows = run(*RUN, "on_divergence=continue", root=tmp_path)
    epoch = -(-at // STEPS)
    assert (summary["status"], summary["epochs"], bad_epochs(rows)) == ("diverged", 4, [*range(epoch, 5)])
    assert f"not finite after epoch {epoch}: weights of" in summary["reason"]


@pytest.mark.parametrize("policy", ["rollback", "continue"])
def test_a_run_whose_last_epoch_is_finite_is_done(policy, spoil, tmp_path):
    spoil("loss", 6)  # the scaler of fp16 skips the step, so that the weights stay finite
    summary, rows = run(*RUN, "precision=fp16", f"on_divergence={policy}", root=tmp_path)
    assert (summary["status"], summary["first_bad_step"], bad_epochs(rows)) == ("done", 6, [2])


def test_a_bad_last_epoch_is_a_divergence_and_the_weights_before_are_tested(spoil, tmp_path):
    spoil("loss", 4 * STEPS)
    summary, _ = run(*RUN, "on_divergence=rollback", "probe=[weight_stats]", root=tmp_path)
    assert (summary["status"], summary["rollbacks"], summary["restored_epoch"]) == ("diverged", 1, 3)
    assert math.isfinite(summary["metrics"]["test/loss"])
    before, _ = run(*RUN, "epochs=3", root=tmp_path)
    assert summary["metrics"]["test/loss"] == before["metrics"]["test/loss"]


def test_three_bad_epochs_in_a_row_end_a_run(spoil, tmp_path):
    spoil("loss", 2, 6, 14, 18, 22)
    summary, rows = run(*MOONS, "epochs=8", "on_divergence=rollback", root=tmp_path)
    assert bad_epochs(rows) == [1, 2, 4, 5, 6]
    assert (summary["status"], summary["epochs"], summary["rollbacks"]) == ("diverged", 6, 5)
    assert summary["reason"].startswith("the loss of step 14 is not finite; not finite after epoch 4: weights of")
    assert summary["first_bad_step"] == 2


def test_weights_that_are_not_finite_are_not_gone_back_to(spoil, tmp_path):
    spoil("gradient", 10)
    # Without a split that is watched, no loss sees what the last step of epoch 2 left.
    summary, rows = run(*RUN, "val_fraction=0", "on_divergence=rollback", root=tmp_path)
    assert rows[2]["step"] == "10"
    assert (summary["status"], bad_epochs(rows), summary["rollbacks"]) == ("done", [3], 1)
    (log,) = tmp_path.rglob("train.log")
    assert "epoch 3: the loss of step 11 is not finite; back to the weights after epoch 1" in log.read_text()


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam", "adamw", "adagrad", "rmsprop", "muon"])
def test_weights_and_moments_go_back_and_time_goes_on(optimizer, tmp_path):
    planned = prepare(*MOONS, f"optimizer={optimizer}", "scheduler=onecycle", "epochs=20", root=tmp_path)
    learner, batches, *_ = build(planned.config, gather_facts(planned))

    def train(epoch):
        for batch in batches(epoch, 0):
            learner.step(*batch)
        return learner.weights()

    train(1)
    kept, lr = learner.keep(), learner.lr
    before = learner.weights()
    for _ in range(2):  # the copy is as good the second time
        train(2)
        later, optimizer_state = learner.lr, learner.optimizer.state_dict()["state"]
        assert later != lr
        learner.go_back(kept)
        assert learner.lr == later
        assert all(torch.equal(before[name], tensor) for name, tensor in learner.weights().items())
        back = learner.optimizer.state_dict()["state"]
        assert str(back) == str(kept["optimizer"])
        assert not back or str(back) != str(optimizer_state)


@pytest.mark.gpu
def test_a_cuda_graph_goes_back_too(spoil, tmp_path):
    spoil("buffer", 10)  # after the capture, in epoch 3; the next capture is in epoch 5
    command = (*IMAGES, "optimizer=momentum", "epochs=6", "on_divergence=rollback", "hardware=cuda")
    plain, graphed = (run(*command, *more, root=tmp_path)[0] for more in ((), ("hardware.cuda_graph=true",)))
    assert plain["rollbacks"] == graphed["rollbacks"] == 1
    assert graphed["metrics"] == pytest.approx(plain["metrics"], rel=1e-2)


@pytest.mark.parametrize("monitor", ["loss", "acc"])
def test_a_bad_epoch_is_never_the_best(monitor, spoil, tmp_path):
    spoil("loss", 1)  # the first epoch: any error rate would be the best so far
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
        summary, _ = run(*DIVERGES, "epochs=5", f"on_divergence={policy}", root=tmp_path)
        assert 1 < summary["first_bad_step"] <= STEPS
        ends[policy] = summary["status"], summary["epochs"], summary["metrics"]["test/loss"] is None
    assert ends == {"stop": ("diverged", 1, True), "rollback": ("diverged", 3, False), "continue": ("diverged", 5, True)}


def test_the_line_of_a_diverged_run_says_where_it_began(spoil, tmp_path):
    spoil("loss", 6)
    summary, _ = run(*RUN, root=tmp_path)
    line = result_line({**summary, "seconds": {"train": 1.0}}, tmp_path)
    assert line.startswith("diverged: the loss of step 6 is not finite; not finite after epoch 2: weights of blocks.0.")
    assert "more layers  test/loss – " in line


def test_an_overflow_leaves_no_number_that_is_not_finite(tmp_path):
    summary, rows = run(*MOONS, "precision=fp16", "precision.init_scale=1e30", "grad_clip=1", root=tmp_path)
    assert (summary["status"], [row["train/overflow_steps"] for row in rows[1:]]) == ("done", ["4.0", "4.0"])
    metrics = summary["metrics"]
    assert (metrics["train/grad_norm"], metrics["train/clip_rate"], metrics["train/overflow_steps"]) == (None, None, 4.0)
    assert not [value for row in rows for value in row.values() if "inf" in value]


WENT_BACK = (*MOONS, "epochs=8", "on_divergence=rollback", EVERY_STEP)
BAD_STEPS = (6, 14, 18, 22)  # in the epochs 2, 4, 5 and 6, which ends the run
# What a rollback adds to the state, a piece each; put out of place at that step, it must show in what the run leaves.
PIECES = {
    "weights": (7, lambda state: [tensor.zero_() for tensor in state["kept"]["model"].values()]),
    "moments": (7, lambda state: [moments["exp_avg"].fill_(1.0) for moments in state["kept"]["optimizer"].values()]),
    "epoch": (19, lambda state: state.update(kept_epoch=2)),
    "bad epochs in a row": (19, lambda state: state.update(in_a_row=0)),
    "rollbacks": (19, lambda state: state.update(rollbacks=0)),
    "reason": (19, lambda state: state.update(reason="none")),
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        put_into_steps(patch, "loss", *BAD_STEPS)
        run(*WENT_BACK, root=root)
    return folder(root)


@pytest.mark.parametrize("step", [7, 8, 19], ids=["in a bad epoch", "right after a rollback", "in the second in a row"])
def test_a_run_that_went_back_is_resumed_exactly(step, spoil, tmp_path, monkeypatch, uninterrupted):
    spoil("loss", *BAD_STEPS)
    planned = cut_off(WENT_BACK, tmp_path, step=step, monkeypatch=monkeypatch)
    assert resumed(planned) == uninterrupted


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_that_a_rollback_adds_is_needed(piece, spoil, tmp_path, monkeypatch, uninterrupted):
    step, edit = PIECES[piece]
    spoil("loss", *BAD_STEPS)
    planned = cut_off(WENT_BACK, tmp_path, step=step, monkeypatch=monkeypatch)
    edited(planned, lambda state: edit(state["divergence"]))
    assert resumed(planned) != uninterrupted


def test_no_state_is_saved_from_a_bad_loss_on_though_the_weights_are_finite(spoil, tmp_path):
    spoil("loss", 6)
    summary, _ = run(*RUN, "precision=fp16", EVERY_STEP, root=tmp_path)
    assert summary["reason"] == "the loss of step 6 is not finite; all weights are after epoch 2"
    assert [path.name for path in states(tmp_path)] == ["step-000000004.pt", "step-000000005.pt"]


@pytest.mark.parametrize("policy", ["stop", "rollback"])
def test_the_room_that_a_state_takes_is_known_before(policy, tmp_path):
    options = ("width=256", "depth=3", "early_stopping.patience=1", f"on_divergence={policy}", EVERY_STEP)
    summary, _ = run(*MOONS, *options, root=tmp_path)
    expected = checkpoint.expected_bytes(summary["num_parameters"], rollback=policy == "rollback")
    assert 0.9 * expected < states(tmp_path)[-1].stat().st_size < 1.1 * expected


def test_a_signal_while_a_run_diverges_keeps_the_finite_state_and_changes_nothing(spoil, tmp_path, monkeypatch):
    spoil("loss", 6)
    run(*RUN, EVERY_STEP, root=tmp_path / "whole")
    planned = prepare(*RUN, EVERY_STEP, root=tmp_path / "cut")
    original, steps = Learner.step, []

    def step(learner, inputs, targets):
        original(learner, inputs, targets)
        steps.append(1)
        if len(steps) == 7:
            patch.setattr(stop, "_requested", stop.SIGNALS[0])

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", step)
        with pytest.raises(KeyboardInterrupt):  # which train.py turns into 75
            execute(planned, gather_facts(planned), Plain())
    assert [path.name for path in states(tmp_path / "cut")] == ["step-000000004.pt", "step-000000005.pt"]
    assert resumed(planned) == folder(tmp_path / "whole")
    assert json.loads((planned.folder / "summary.json").read_text())["restarts"] == 1
