"""R20: what `on_divergence=rollback` goes back to, when it gives up, and that a run that went back is resumed exactly."""

import math
from functools import partial

import pytest
import torch

from dlexp.run.execute import gather_facts
from dlexp.run.setup.build import build
from tests.reliability.interruptions.test_exact_resume import EVERY_STEP, cut_off, edited, folder, resumed
from tests.reliability.nonfinite import RUN, STEPS, bad_epochs, inject
from tests.runs import IMAGES, MOONS, prepare, run


@pytest.fixture
def inject_fault(monkeypatch):
    return partial(inject, monkeypatch)


def test_a_bad_last_epoch_is_a_divergence_and_the_weights_before_are_tested(inject_fault, tmp_path):
    inject_fault("loss", 4 * STEPS)
    summary, _ = run(*RUN, "on_divergence=rollback", "probe=[weight_stats]", root=tmp_path)
    assert (summary["status"], summary["rollbacks"], summary["restored_epoch"]) == ("diverged", 1, 3)
    assert math.isfinite(summary["metrics"]["test/loss"])
    before, _ = run(*RUN, "epochs=3", root=tmp_path)
    assert summary["metrics"]["test/loss"] == before["metrics"]["test/loss"]


def test_three_bad_epochs_in_a_row_end_a_run(inject_fault, tmp_path):
    inject_fault("loss", 2, 6, 14, 18, 22)
    summary, rows = run(*MOONS, "epochs=8", "on_divergence=rollback", root=tmp_path)
    assert bad_epochs(rows) == [1, 2, 4, 5, 6]
    assert (summary["status"], summary["epochs"], summary["rollbacks"]) == ("diverged", 6, 5)
    assert summary["reason"].startswith("the loss of step 14 is not finite; not finite after epoch 4: weights of")
    assert summary["first_bad_step"] == 2


def test_weights_that_are_not_finite_are_not_gone_back_to(inject_fault, tmp_path):
    inject_fault("gradient", 10)
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
        return learner.snapshot("weights")["model"]

    train(1)
    snapshot, lr = learner.snapshot("rollback"), learner.lr
    before = learner.snapshot("weights")["model"]
    for _ in range(2):  # the copy is as good the second time
        train(2)
        later, optimizer_state = learner.lr, learner.optimizer.state_dict()["state"]
        assert later != lr
        learner.restore(snapshot)
        assert learner.lr == later
        assert all(torch.equal(before[name], tensor) for name, tensor in learner.snapshot("weights")["model"].items())
        back = learner.optimizer.state_dict()["state"]
        assert str(back) == str(snapshot["optimizer"])
        assert not back or str(back) != str(optimizer_state)


@pytest.mark.gpu
def test_a_cuda_graph_goes_back_too(inject_fault, tmp_path):
    inject_fault("buffer", 10)  # after the capture, in epoch 3; the next capture is in epoch 5
    command = (*IMAGES, "optimizer=momentum", "epochs=6", "on_divergence=rollback", "hardware=cuda")
    plain, graphed = (run(*command, *more, root=tmp_path)[0] for more in ((), ("hardware.cuda_graph=true",)))
    assert plain["rollbacks"] == graphed["rollbacks"] == 1
    assert graphed["metrics"] == pytest.approx(plain["metrics"], rel=1e-2)


WENT_BACK = (*MOONS, "epochs=8", "on_divergence=rollback", EVERY_STEP)
BAD_STEPS = (6, 14, 18, 22)  # in the epochs 2, 4, 5 and 6, which ends the run
# What a rollback adds to the state, a piece each; put out of place at that step, it must show in what the run leaves.
PIECES = {
    "weights": (7, lambda state: [tensor.zero_() for tensor in state["kept"]["model"].values()]),
    "moments": (7, lambda state: [moments["exp_avg"].fill_(1.0) for moments in state["kept"]["optimizer"].values()]),
    "epoch": (19, lambda state: state.update({"kept_epoch": 2})),
    "bad epochs in a row": (19, lambda state: state.update(in_a_row=0)),
    "rollbacks": (19, lambda state: state.update(rollbacks=0)),
    "reason": (19, lambda state: state.update(reason="none")),
}


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        inject(patch, "loss", *BAD_STEPS)
        run(*WENT_BACK, root=root)
    return folder(root)


@pytest.mark.parametrize("step", [7, 8, 19], ids=["in a bad epoch", "right after a rollback", "in the second in a row"])
def test_a_run_that_went_back_is_resumed_exactly(step, inject_fault, tmp_path, monkeypatch, uninterrupted):
    inject_fault("loss", *BAD_STEPS)
    planned = cut_off(WENT_BACK, tmp_path, step=step, monkeypatch=monkeypatch)
    assert resumed(planned) == uninterrupted


@pytest.mark.parametrize("piece", PIECES)
def test_each_piece_that_a_rollback_adds_is_needed(piece, inject_fault, tmp_path, monkeypatch, uninterrupted):
    step, edit = PIECES[piece]
    inject_fault("loss", *BAD_STEPS)
    planned = cut_off(WENT_BACK, tmp_path, step=step, monkeypatch=monkeypatch)
    edited(planned, lambda state: edit(state["divergence"]))
    assert resumed(planned) != uninterrupted
