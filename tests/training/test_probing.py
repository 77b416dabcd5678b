import copy
import csv

import numpy as np
import pytest
import torch
from torch import nn

from dlexp.contract import ProbeResult
from dlexp.data.batches import InputScaling
from dlexp.parts.probe.layers import find_activation_layers
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.setup.build import build
from dlexp.training.evaluation import set_train_mode
from dlexp.training.probing import NUM_EXAMPLES, PlannedProbe, Probes, fixed_batch
from tests.options import options
from tests.parts.probe.runs import arrays, dataset_of, keys, run_with, scalars
from tests.runs import IMAGES, MOONS, prepare, without_volatile

BATCH = (torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))


def probes(every, measure=lambda *_: ProbeResult([], {}), model=None, mode="eval"):
    return Probes({"one": PlannedProbe(measure, every, mode)}, model or nn.Linear(2, 2), nn.CrossEntropyLoss(), lambda: BATCH)


def epochs(every, last, tested):
    """The epochs measured in a run that ends after `last` and tests the weights of `tested`."""
    made = probes(every)
    found = [epoch for epoch in range(last + 1) for _ in made.measure(epoch)]
    return found + [tested for _ in made.measure(tested, at_the_end=True)]


@pytest.mark.parametrize(
    ("every", "last", "tested", "expected"),
    [
        (1, 3, 3, [0, 1, 2, 3]),
        (2, 5, 5, [0, 2, 4, 5]),
        (2, 4, 4, [0, 2, 4]),
        (0, 3, 3, [3]),
        (9, 3, 3, [0, 3]),
        (2, 5, 3, [0, 2, 4, 3]),
        (1, 5, 3, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_each_nth_epoch_and_the_weights_that_are_tested_are_measured_once(every, last, tested, expected):
    assert epochs(every, last, tested) == expected


def test_a_probe_that_draws_and_sees_eval_mode_leaves_no_trace():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    model[2].eval()
    seen = []

    def measure(inputs, *_):
        seen.append([module.training for module in model.modules()])
        torch.rand(5)
        model(inputs)
        return ProbeResult([], {})

    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    list(probes(1, measure, model).measure(0))
    assert torch.equal(torch.rand(4), expected)
    assert seen == [[False] * 4]
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert model[2].num_batches_tracked == 0


def test_the_fixed_batch_holds_examples_of_the_whole_training_set():
    count = 3 * NUM_EXAMPLES + 5
    dataset = dataset_of(torch.arange(2.0 * count).view(count, 2), torch.arange(count) * 2 // count)
    inputs, targets = fixed_batch(
        dataset, InputScaling(dataset, torch.device("cpu"), torch.contiguous_format), torch.device("cpu")
    )
    assert len(inputs) == len(inputs.unique(dim=0)) == NUM_EXAMPLES
    assert targets.bincount().tolist() == pytest.approx([NUM_EXAMPLES // 2] * 2, abs=1)


def test_a_small_training_set_is_looked_at_whole_and_in_order():
    dataset = dataset_of(torch.arange(20.0).view(10, 2), torch.arange(10) % 2)
    inputs, _ = fixed_batch(dataset, InputScaling(dataset, torch.device("cpu"), torch.contiguous_format), torch.device("cpu"))
    assert torch.equal(inputs, dataset.train.inputs)


def test_what_is_asked_for_at_the_end_is_the_restored_weights(tmp_path):
    options = ("optimizer.lr=0.5", "epochs=40", "early_stopping.patience=3")
    summary, _, folder = run_with(keys("weight_stats", every=0), *MOONS, *options, root=tmp_path / "a")
    assert {row["epoch"] for row in scalars(folder)} == {str(summary["restored_epoch"])}
    _, _, other = run_with(keys("weight_stats", every=1), *MOONS, *options, root=tmp_path / "b")
    assert [row for row in scalars(other) if row["epoch"] == str(summary["restored_epoch"])] == scalars(folder)


def test_without_probes_there_is_nothing_of_them(tmp_path):
    _, _, folder = run_with({}, *MOONS, root=tmp_path)
    assert not (folder / "probes.csv").exists()
    assert set(arrays(folder)) == {"predictions"}


def test_a_probe_without_numbers_makes_no_table(tmp_path):
    _, _, folder = run_with(keys("decision_boundary"), *MOONS, root=tmp_path)
    assert not (folder / "probes.csv").exists()
    assert set(arrays(folder)) == {"predictions", "decision_boundary-2"}
    assert np.load(folder / "arrays" / "decision_boundary-2.npz")["probability"].shape == (200, 200)


def build_probes(*overrides, root):
    """What a run begins with: its probes, its model and its loss."""
    planned = prepare(*IMAGES, "dataset.num_train=300", "val_fraction=0", *overrides, root=root)
    built = build(planned.config, gather_facts(planned))
    return built.probes, built.learner.model, built.learner.loss


def step(model, loss, batch):
    """(layer, name) → value, as a training step on a copy of the model finds them: its gradients, and its activations."""
    model, found = copy.deepcopy(model), {}
    for path, layer in find_activation_layers(model).items():
        layer.register_forward_hook(lambda _, __, outputs, path=path: found.update(look(path, outputs)))
    loss(model(batch[0]), batch[1]).backward()
    for path, parameter in model.named_parameters():
        found |= {(path, "mean_abs"): parameter.grad.abs().mean(), (path, "norm"): parameter.grad.norm()}
    return {key: float(value.detach()) for key, value in found.items()}


def look(path, outputs):
    outputs = outputs.detach().double()
    alive = (outputs > 0).transpose(0, 1).flatten(1).any(1)
    numbers = {"mean": outputs.mean(), "sd": outputs.std(correction=0), "dead": (~alive).double().mean()}
    return {(path, name): value for name, value in numbers.items()}


TRAINING = "probe=[activation_stats,dead_units,grad_flow]"


@pytest.mark.parametrize("norm", options("norm"))
@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_at_the_start_probes_find_what_a_training_step_on_their_batch_has(norm, activation, tmp_path):
    probes, model, loss = build_probes(TRAINING, f"norm={norm}", f"activation={activation}", "depth=4", root=tmp_path)
    assert len(probes.batch[0]) == 300  # more than grad_flow differentiates at once where it may
    expected, before, random = step(model, loss, probes.batch), copy.deepcopy(model.state_dict()), torch.get_rng_state()
    measured = list(probes.measure(0))
    assert {one.mode for one in measured} == {"train"}
    found = {(layer, name): value for one in measured for layer, name, value in one.result.scalars}
    rounding = 1e-6 if norm == "bn" else 1e-5  # the others are differentiated in chunks, whose sums are rounded otherwise
    for key, value in expected.items():
        assert found[key] == pytest.approx(value, rel=rounding, abs=1e-8), key
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert all(module.training for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_dropout_is_off_in_a_measurement_of_training(tmp_path):
    found = []
    for dropout in (0, 0.5):
        probes, _, _ = build_probes(TRAINING, "norm=bn", f"dropout={dropout}", root=tmp_path)
        found.append([one.result.scalars for one in probes.measure(0)])
    assert found[0] == found[1]


def test_in_eval_mode_fresh_batch_norm_hides_the_gradients_of_training(tmp_path):
    deep = ("norm=bn", "activation=sigmoid", "depth=8", "probe=[grad_flow]")
    first = {}
    for mode in ("train", "eval"):
        probes, _, _ = build_probes(*deep, f"probe.grad_flow.mode={mode}", root=tmp_path)
        (measured,) = probes.measure(0)
        first[measured.mode] = {layer: value for layer, name, value in measured.result.scalars if name == "norm"}
    assert first["train"]["blocks.0.conv.weight"] > 1000 * first["eval"]["blocks.0.conv.weight"]


@pytest.mark.parametrize("norm", options("norm"))
def test_probes_change_no_weight_no_statistic_and_no_metric_of_training(norm, tmp_path):
    def train(*chosen):
        planned = prepare(*IMAGES, f"norm={norm}", *chosen, root=tmp_path / str(len(chosen)))
        execute(planned, gather_facts(planned), Plain())
        rows = [without_volatile(row) for row in csv.DictReader((planned.folder / "metrics.csv").open())]
        return rows, (planned.folder / "checkpoints/best.pt").read_bytes()

    assert train() == train(TRAINING)


def measure_norms(mode):
    """What a measurement leaves of norms with running statistics, and what it finds of their modes and outputs."""
    torch.manual_seed(0)
    norms = [nn.BatchNorm2d(3, momentum=None), nn.InstanceNorm2d(3, track_running_stats=True), nn.BatchNorm2d(3)]
    model = nn.Sequential(*norms, nn.Dropout(), nn.Conv2d(3, 3, 1))
    for parameter in model[2].parameters():
        parameter.requires_grad_(requires_grad=False)
    set_train_mode(model)
    before, seen, images = copy.deepcopy(model.state_dict()), {}, 3 + torch.randn(8, 3, 5, 5)

    def measure(inputs, *_):
        seen["modes"] = [module.training for module in model]
        seen["mean"] = float(model[0](inputs).detach().mean().abs())
        model(inputs)
        return ProbeResult([], {})

    batch = (images, torch.zeros(8))
    list(Probes({"one": PlannedProbe(measure, 1, mode)}, model, nn.MSELoss(), lambda: batch).measure(0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert [module.training for module in model] == [True, True, False, True, True]
    return seen


def test_each_norm_with_running_statistics_uses_those_of_the_batch_unless_it_is_frozen():
    assert measure_norms("train") == {"modes": [True, True, False, False, False], "mean": pytest.approx(0, abs=1e-5)}
    assert measure_norms("eval") == {"modes": [False] * 5, "mean": pytest.approx(3, abs=0.3)}


def test_buffers_are_restored_after_a_measurement_that_fails():
    model = nn.Sequential(nn.BatchNorm1d(2))

    def fail(inputs, *_):
        model(inputs + torch.arange(8.0).view(4, 2))
        model[0].running_mean = torch.full((2,), 7.0)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        list(probes(1, fail, model, "train").measure(0))
    assert model[0].running_mean.tolist() == [0, 0]
    assert model[0].num_batches_tracked == 0
