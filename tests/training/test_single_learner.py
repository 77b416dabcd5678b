import copy
import math

import pytest
import torch
from torch import nn

from dlexp.contract import Schedule
from dlexp.machine.precision import Precision
from dlexp.training.evaluation import set_train_mode
from dlexp.training.scores import SCORES
from dlexp.training.single_learner import SingleLearner
from dlexp.training.step import StepSettings, TrainingStep

CPU = torch.device("cpu")


def make_batches(num_examples=40, batch_size=16):
    generator = torch.Generator().manual_seed(3)
    inputs = torch.randn(num_examples, 6, generator=generator)
    targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
    return list(zip(inputs.split(batch_size), targets.split(batch_size), strict=True))


def make_learner(format="fp32", lr=0.1, loss=None, task="classification", plain_loss=None, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    schedule = Schedule(torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0), "epoch")
    precision, settings = Precision(CPU, format=format), StepSettings(**options)
    step = TrainingStep(model, loss or nn.CrossEntropyLoss(), optimizer, precision, SCORES[task], settings, plain_loss)
    return SingleLearner(step, schedule)


def test_a_step_is_what_a_hand_written_loop_does():
    learner, plain = make_learner(), make_learner()
    model, optimizer = plain.model, plain.optimizer
    torch.manual_seed(1)
    for inputs, targets in make_batches():
        learner.step(inputs, targets)
    torch.manual_seed(1)
    for inputs, targets in make_batches():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs), targets).backward()
        optimizer.step()
    for ours, expected in zip(learner.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, expected)


def test_train_numbers_are_weighted_by_examples():
    learner, batches = make_learner(lr=1e-9), make_batches()
    learner.model[3].p = 0.0
    expected, correct = 0.0, 0
    for inputs, targets in batches:
        outputs = learner.model(inputs).detach()
        expected += float(nn.functional.cross_entropy(outputs, targets, reduction="sum"))
        correct += int((outputs.argmax(1) == targets).sum())
        learner.step(inputs, targets)
    numbers = learner.collect()
    assert numbers["loss"] == pytest.approx(expected / 40, rel=1e-5)
    assert numbers["acc"] == correct / 40
    assert numbers["examples"] == 40


def test_evaluation_is_weighted_by_examples_and_changes_nothing():
    learner, batches = make_learner(), make_batches()
    before, stream = copy.deepcopy(learner.model.state_dict()), torch.get_rng_state()
    numbers = learner.evaluate(lambda: batches)
    whole = learner.evaluate(lambda: make_batches(batch_size=40))
    assert numbers == pytest.approx(whole)
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.model.state_dict().items())
    assert torch.equal(stream, torch.get_rng_state())
    assert learner.model.training


def test_mirrored_outputs_are_the_mean_over_both_sides():
    learner, batches, outputs = make_learner(), make_batches(), []
    numbers = learner.evaluate(lambda: batches, outputs, mirror=True)
    model, inputs, targets = learner.model.eval(), *(torch.cat(column) for column in zip(*batches, strict=True))
    expected = torch.stack([model(inputs), model(inputs.flip(1))]).mean(0).detach()
    torch.testing.assert_close(torch.cat(outputs), expected)
    assert numbers["loss"] == pytest.approx(float(nn.functional.cross_entropy(expected, targets)), rel=1e-5)
    assert numbers["loss"] != pytest.approx(learner.evaluate(lambda: batches)["loss"], rel=1e-3)


def test_collect_starts_a_new_average():
    learner = make_learner()
    learner.step(*make_batches()[0])
    learner.collect()
    assert learner.collect() == {}


def test_gradient_norm_is_measured_before_clipping():
    clipped, free = make_learner(grad_clip=0.01), make_learner()
    for learner in (clipped, free):
        torch.manual_seed(1)
        learner.step(*make_batches()[0])
    ours, expected = clipped.collect(), free.collect()
    assert ours["grad_norm"] == expected["grad_norm"]
    assert ours["clip_rate"] == 1.0
    gradients = torch.cat([parameter.grad.flatten() for parameter in clipped.model.parameters()])
    assert float(gradients.norm()) == pytest.approx(0.01, rel=1e-3)


def test_each_value_of_the_gradient_is_clipped():
    clipped, free = make_learner(grad_clip_value=0.01), make_learner()
    for learner in (clipped, free):
        torch.manual_seed(1)
        learner.step(*make_batches()[0])
    ours, expected = clipped.collect(), free.collect()
    assert (ours["grad_norm"], ours["clip_rate"]) == (expected["grad_norm"], 1.0)
    for parameter, other in zip(clipped.model.parameters(), free.model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad.clamp(-0.01, 0.01))
    largest = max(float(parameter.grad.abs().max()) for parameter in free.model.parameters())
    for bound, rate in ((largest * 1.001, 0.0), (largest * 0.999, 1.0)):
        learner = make_learner(grad_clip_value=bound)
        torch.manual_seed(1)
        learner.step(*make_batches()[0])
        assert learner.collect()["clip_rate"] == rate


def test_l2_is_half_of_sgd_weight_decay():
    penalised, decayed = make_learner(l2=0.05), make_learner()
    decayed.optimizer.param_groups[0]["weight_decay"] = 0.1
    for learner in (penalised, decayed):
        torch.manual_seed(1)
        for batch in make_batches():
            learner.step(*batch)
    for ours, expected in zip(penalised.model.parameters(), decayed.model.parameters(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_l1_makes_weights_small_and_stays_out_of_the_reported_loss():
    penalised, free = make_learner(l1=0.5, lr=0.01), make_learner(lr=0.01)
    for learner in (penalised, free):
        torch.manual_seed(1)
        learner.step(*make_batches()[0])
    assert penalised.collect()["loss"] == free.collect()["loss"]
    assert sum(p.abs().sum() for p in penalised.training_step.parameters) < sum(
        p.abs().sum() for p in free.training_step.parameters
    )


def test_the_first_step_without_a_finite_loss_is_named():
    learner = make_learner()
    inputs, targets = make_batches()[0]
    for scale in (1.0, 1.0, math.nan, 1.0):
        learner.step(inputs * scale, targets)
    learner.collect()
    assert learner.first_bad_step == 3


def test_fp16_counts_overflow_and_keeps_the_gradient_norm_finite():
    learner = make_learner("fp16")
    inputs, targets = make_batches()[0]
    learner.precision.scaler._init_scale = 2.0**24  # the first step overflows
    for _ in range(12):
        learner.step(inputs, targets)
    numbers = learner.collect()
    assert 1 <= numbers["overflow_steps"] < 12
    assert math.isfinite(numbers["grad_norm"])


@pytest.mark.parametrize("format", ["bf16", "fp16"])
def test_low_precision_stays_near_single_precision(format):
    low, single = make_learner(format), make_learner()
    for learner in (low, single):
        torch.manual_seed(1)
        for batch in make_batches():
            learner.step(*batch)
    assert all(parameter.dtype == torch.float32 for parameter in low.training_step.parameters)
    assert low.collect()["loss"] == pytest.approx(single.collect()["loss"], rel=0.02)
    assert any(not torch.equal(a, b) for a, b in zip(low.model.parameters(), single.model.parameters(), strict=True))


def test_regression_reports_rmse():
    torch.manual_seed(0)
    model = nn.Linear(6, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = Schedule(torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0), "epoch")
    step = TrainingStep(model, nn.MSELoss(), optimizer, Precision(CPU, format="fp32"), SCORES["regression"])
    learner = SingleLearner(step, schedule)
    batches = [(inputs, inputs[:, :1] * 2.0) for inputs, _ in make_batches()]
    numbers = learner.evaluate(lambda: batches)
    assert numbers["rmse"] == pytest.approx(numbers["loss"] ** 0.5)


def test_weights_can_be_put_back():
    learner = make_learner()
    before = learner.snapshot("weights")["model"]
    learner.step(*make_batches()[0])
    learner.restore({"model": before})
    assert all(torch.equal(before[name], tensor) for name, tensor in learner.model.state_dict().items())


def test_a_frozen_module_stays_in_eval_mode():
    learner, batches = make_learner(), make_batches()
    norm = learner.model[1]
    norm.requires_grad_(False)
    set_train_mode(learner.model)
    before = norm.running_mean.clone()
    learner.step(*batches[0])
    learner.evaluate(lambda: batches)
    learner.step(*batches[1])
    assert torch.equal(norm.running_mean, before)
    assert not norm.training
    assert learner.model[3].training  # dropout has no parameters


SMOOTH, PLAIN = nn.CrossEntropyLoss(label_smoothing=0.3), nn.CrossEntropyLoss()


@pytest.mark.parametrize("on_oom", ["fail", "microbatch"])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.01, 0.02)])
def test_what_is_recorded_is_the_plain_loss_and_what_is_minimised_the_objective(l1, l2, on_oom):
    options = {"loss": SMOOTH, "lr": 1e-9, "l1": l1, "l2": l2, "on_oom": on_oom}
    learner, batches = make_learner(plain_loss=PLAIN, **options), make_batches(batch_size=20)
    learner.model = learner.training_step.model = learner.model.eval()  # the same outputs for each half of a batch
    learner.microbatches.number = 1 if on_oom == "fail" else 2
    with torch.no_grad():
        outputs, targets = learner.model(torch.cat([inputs for inputs, _ in batches])), torch.cat([one for _, one in batches])
        penalty = sum(l1 * p.abs().sum() + l2 * p.square().sum() for p in learner.model.parameters())
    for batch in batches:
        learner.step(*batch)
    numbers = learner.collect()
    assert numbers["loss"] == pytest.approx(float(PLAIN(outputs, targets)), rel=1e-5)
    assert numbers["objective"] == pytest.approx(float(SMOOTH(outputs, targets) + penalty), rel=1e-5)
    assert learner.evaluate(lambda: batches)["loss"] == pytest.approx(numbers["loss"], rel=1e-5)


def test_the_gradient_is_that_of_the_objective():
    batch = make_batches(batch_size=40)[0]
    recorded, alone = make_learner(loss=SMOOTH, plain_loss=PLAIN, l2=0.1), make_learner(loss=SMOOTH, l2=0.1)
    for learner in (recorded, alone):
        torch.manual_seed(1)
        learner.step(*batch)
    for one, other in zip(recorded.model.parameters(), alone.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_state_from_before_there_was_an_objective_can_be_restored():
    learner, batches = make_learner(), make_batches()
    learner.step(*batches[0])
    state = copy.deepcopy(learner.snapshot("everything"))
    expected = learner.collect()
    older = make_learner()
    older.restore({**state, "measured": state["measured"][:3]})
    assert older.collect() == expected
    assert "objective" not in expected
