import numpy as np
import pytest
import torch
from torch import nn

from dlexp.contract import ProbeResult
from dlexp.data.batches import InputScaling
from dlexp.training.probing import NUM_EXAMPLES, Probes, fixed_batch
from tests.parts.probe.runs import arrays, dataset_of, keys, run_with, scalars
from tests.runs import MOONS

BATCH = (torch.zeros(4, 2), torch.zeros(4, dtype=torch.long))


def probes(every, measure=lambda *_: ProbeResult([], {}), model=None):
    return Probes({"one": (measure, every)}, model or nn.Linear(2, 2), nn.CrossEntropyLoss(), lambda: BATCH)


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
