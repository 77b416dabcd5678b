import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn, get_swa_multi_avg_fn

from dlexp.contract import Average
from dlexp.machine.precision import Precision
from dlexp.training.averaging import AveragedWeights
from tests.training.test_single_learner import CPU, make_batches, make_learner

EMA = Average(get_ema_multi_avg_fn(0.7), every="step", first=2)
SWA = Average(get_swa_multi_avg_fn(), every="epoch", first=2)
STEPS_PER_EPOCH = 3  # of make_batches


def make_averaging(average, num_steps=8):
    learner = make_learner(format="fp32")
    learner.average = AveragedWeights(
        learner.model,
        average,
        steps_per_epoch=STEPS_PER_EPOCH,
        num_steps=num_steps,
        batches=make_batches,
        precision=Precision(CPU, format="fp32"),
    )
    return learner


def train(learner, steps, first=0):
    """Train some steps; returns the weights after each."""
    batches, weights = make_batches(), []
    for number in range(first, first + steps):
        torch.manual_seed(number)
        learner.step(*batches[number % STEPS_PER_EPOCH])
        weights.append([parameter.detach().clone() for parameter in learner.model.parameters()])
    return weights


def mean_of_steps(weights):
    mean = weights[1]
    for now in weights[2:]:
        mean = [0.7 * old + 0.3 * new for old, new in zip(mean, now, strict=True)]
    return mean


def mean_of_epochs(weights):
    ends = [weights[5], weights[7]]  # of the second epoch, and of the incomplete third
    return [torch.stack(tensors).mean(0) for tensors in zip(*ends, strict=True)]


@pytest.mark.parametrize(("average", "expected"), [(EMA, mean_of_steps), (SWA, mean_of_epochs)], ids=["ema", "swa"])
def test_the_mean_is_that_of_the_formula(average, expected):
    learner = make_averaging(average)
    weights = train(learner, 8)
    alone = make_learner(format="fp32")
    assert all(
        torch.equal(*pair) for now, other in zip(weights, train(alone, 8), strict=True) for pair in zip(now, other, strict=True)
    )
    mean = dict(zip(dict(learner.model.named_parameters()), expected(weights), strict=True))
    kept = learner.snapshot("weights")["model"]
    for name, tensor in mean.items():
        torch.testing.assert_close(kept[name], tensor)
    learner.end_training()
    for name, tensor in learner.model.named_parameters():
        torch.testing.assert_close(tensor.detach(), mean[name])


def test_what_is_evaluated_is_the_mean_with_its_own_statistics_of_batch_norm():
    learner = make_averaging(EMA)
    train(learner, 5)
    random = torch.get_rng_state()
    found = learner.evaluate(make_batches)
    assert torch.equal(torch.get_rng_state(), random)
    model = learner.average.averaged.module
    assert found["loss"] != pytest.approx(make_trained_alone(5).evaluate(make_batches)["loss"], rel=1e-4)
    hidden = [model[0](inputs) for inputs, _ in make_batches()]
    torch.testing.assert_close(model[1].running_mean, torch.stack([one.mean(0) for one in hidden]).mean(0))
    torch.testing.assert_close(model[1].running_var, torch.stack([one.var(0) for one in hidden]).mean(0))
    learner.end_training()
    assert learner.evaluate(make_batches) == found


def make_trained_alone(steps):
    learner = make_learner(format="fp32")
    train(learner, steps)
    return learner


def test_before_the_first_mean_the_weights_themselves_are_evaluated():
    learner = make_averaging(SWA)
    train(learner, 3)
    assert learner.evaluate(make_batches) == make_trained_alone(3).evaluate(make_batches)
    learner.end_training()
    assert learner.evaluate(make_batches) == make_trained_alone(3).evaluate(make_batches)


@pytest.mark.parametrize("scope", ["rollback", "everything"])
@pytest.mark.parametrize("average", [EMA, SWA], ids=["ema", "swa"])
def test_a_snapshot_brings_the_mean_back(average, scope):
    learner = make_averaging(average)
    train(learner, 6)
    snapshot = copy.deepcopy(learner.snapshot(scope))
    before = learner.evaluate(make_batches)
    train(learner, 2, first=6)
    after = learner.evaluate(make_batches)
    learner.restore(snapshot)
    assert learner.evaluate(make_batches) == before
    if scope == "everything":
        train(learner, 2, first=6)
        assert learner.evaluate(make_batches) == after != before


def test_a_model_without_batch_norm_needs_no_examples():
    model, read = nn.Linear(6, 3), []

    def batches():
        read.append(1)
        yield from make_batches()

    precision = Precision(CPU, format="fp32")
    weights = AveragedWeights(model, EMA, steps_per_epoch=3, num_steps=8, batches=batches, precision=precision)
    weights.update(model, 2)
    assert torch.equal(weights.get_model().weight, model.weight)
    assert read == []
