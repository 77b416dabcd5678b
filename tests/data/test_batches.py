import pytest
import torch

from dlexp.contract import Dataset, Split
from dlexp.data.batches import (
    InputScaling,
    count_batches,
    draw_balanced_order,
    draw_order,
    make_evaluation_batches,
    make_resident_loader,
    make_training_batches,
)
from dlexp.data.worker_loader import make_worker_loader
from dlexp.parts.augment.none import NoAugment
from dlexp.parts.augment.standard import Standard

CPU = torch.device("cpu")
N = 23


@pytest.fixture
def dataset():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (N, 3, 8, 8), dtype=torch.uint8, generator=generator)
    split = Split(images, torch.arange(N))
    return Dataset(split, None, split, tuple("abc"), torch.full((3, 1, 1), 100.0), torch.full((3, 1, 1), 0.5))


def make(dataset, loader, *, augment=None, batch_size=5, seed=0, drop_last=False):
    scale = InputScaling(dataset, CPU, torch.contiguous_format)
    return make_training_batches(
        loader, scale, augment or NoAugment(), num_examples=N, batch_size=batch_size, drop_last=drop_last, seed=seed, device=CPU
    )


@pytest.mark.parametrize("batch_size", [1, 5, 23, 100])
def test_every_example_is_used_once_an_epoch(dataset, batch_size):
    batches = make(dataset, make_resident_loader(dataset.train, CPU), batch_size=batch_size)
    assert sorted(torch.cat([targets for _, targets in batches(1, 0)]).tolist()) == list(range(N))


def test_drop_last_leaves_out_the_short_batch(dataset):
    batches = make(dataset, make_resident_loader(dataset.train, CPU), drop_last=True)
    assert [len(targets) for _, targets in batches(1, 0)] == [5, 5, 5, 5]
    assert count_batches(N, 5, drop_last=True) == 4
    assert count_batches(N, 5, drop_last=False) == 5


def test_order_is_a_function_of_seed_and_epoch():
    assert torch.equal(draw_order(1, 2, N), draw_order(1, 2, N))
    assert not torch.equal(draw_order(1, 2, N), draw_order(1, 3, N))
    assert not torch.equal(draw_order(1, 2, N), draw_order(2, 2, N))


@pytest.mark.parametrize("counts", [[50, 7, 3], [1, 20], [5, 5, 5, 5]])
def test_a_balanced_order_has_each_class_and_its_examples_equally_often(counts):
    targets = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    targets = targets[torch.randperm(len(targets))]
    for epoch in (1, 2):
        order = draw_balanced_order(3, epoch, targets)
        of_classes, of_examples = targets[order].bincount(), order.bincount(minlength=len(targets))
        assert len(order) == len(targets)
        assert of_classes.max() - of_classes.min() <= 1
        assert all(
            of_examples[targets == label].max() - of_examples[targets == label].min() <= 1 for label in range(len(counts))
        )


def test_a_balanced_order_is_a_function_of_seed_and_epoch_and_is_mixed():
    targets = torch.tensor([0] * 80 + [1] * 20)
    order = draw_balanced_order(1, 2, targets)
    assert torch.equal(order, draw_balanced_order(1, 2, targets))
    assert not torch.equal(order, draw_balanced_order(1, 3, targets))
    assert not torch.equal(order, draw_balanced_order(2, 2, targets))
    assert 10 < targets[order[:50]].sum() < 40


def test_an_example_that_comes_again_is_augmented_in_another_way(dataset):
    augment = Standard(flip="random", padding=2, padding_mode="zeros")
    load = make_resident_loader(dataset.train, torch.device("cpu"))
    scale = InputScaling(dataset, torch.device("cpu"), torch.contiguous_format)
    labels = torch.tensor([1] + [0] * (N - 1))
    options = {"num_examples": N, "batch_size": N, "drop_last": False, "seed": 0, "device": torch.device("cpu")}
    [(inputs, targets)] = make_training_batches(load, scale, augment, balanced_by=labels, **options)(1)
    again = (draw_balanced_order(0, 1, labels) == 0).nonzero()[:, 0]
    assert len(again) == N // 2
    assert len(targets[again].unique()) == 1
    assert len(inputs[again].unique(dim=0)) > 1


def test_order_does_not_touch_the_global_stream():
    before = torch.get_rng_state()
    draw_order(0, 1, N)
    assert torch.equal(before, torch.get_rng_state())


def test_inputs_arrive_scaled(dataset):
    (inputs, targets), *_ = make(dataset, make_resident_loader(dataset.train, CPU))(1, 0)
    assert inputs.dtype == torch.float32
    torch.testing.assert_close(inputs, (dataset.train.inputs[targets].float() - 100) * 0.5)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize(("num_workers", "persistent"), [(0, False), (1, True), (2, False), (4, True)])
def test_workers_give_what_resident_gives(dataset, num_workers, persistent):
    settings = {"num_workers": num_workers, "persistent_workers": persistent, "pin_memory": False, "non_blocking": False}
    augment = Standard(flip="alternating", padding=2, padding_mode="zeros")
    one = make(dataset, make_resident_loader(dataset.train, CPU), augment=augment)
    other = make(dataset, make_worker_loader(dataset.train, CPU, **settings), augment=augment)
    before = torch.get_rng_state()
    for epoch, first in ((1, 0), (2, 0), (3, 2)):
        for first_batch, second_batch in zip(one(epoch, first), other(epoch, first), strict=True):
            torch.testing.assert_close(first_batch, second_batch, rtol=0, atol=0)
    assert torch.equal(before, torch.get_rng_state())


def test_an_example_is_augmented_alike_at_any_batch_size(dataset):
    augment = Standard(flip="alternating", padding=2, padding_mode="zeros")
    seen = []
    for batch_size in (4, 9):
        batches = list(make(dataset, make_resident_loader(dataset.train, CPU), augment=augment, batch_size=batch_size)(3, 0))
        inputs, targets = (torch.cat(column) for column in zip(*batches, strict=True))
        seen.append(inputs[targets.argsort()])
    assert torch.equal(*seen)


class MixNeighbours:
    """Give each example a pair of targets: its own and that of its neighbour in the batch, each times a share."""

    def parameters(self, num_examples, seed, epoch):
        return torch.full((num_examples, 1), 0.25)

    def __call__(self, inputs, targets, parameters):
        return inputs, torch.cat([targets[:, None], targets.roll(1)[:, None]], 1) * torch.cat([parameters, 1 - parameters], 1)


def test_an_augmentation_may_change_targets(dataset):
    before = list(make(dataset, make_resident_loader(dataset.train, CPU))(2, 0))
    after = make(dataset, make_resident_loader(dataset.train, CPU), augment=MixNeighbours())(2, 0)
    for (inputs, targets), (same, soft) in zip(before, after, strict=True):
        assert torch.equal(inputs, same)
        assert torch.equal(soft, torch.stack([0.25 * targets, 0.75 * targets.roll(1)], dim=1))


@pytest.mark.parametrize("first", [0, 1, 4, 5])
def test_an_epoch_can_be_entered_at_any_batch(dataset, first):
    augment = Standard(flip="random", padding=2, padding_mode="zeros")
    batches = make(dataset, make_resident_loader(dataset.train, CPU), augment=augment)
    for whole, rest in zip(list(batches(2, 0))[first:], batches(2, first), strict=True):
        torch.testing.assert_close(whole, rest, rtol=0, atol=0)


def test_evaluation_sees_every_example_in_order(dataset):
    batches = make_evaluation_batches(
        make_resident_loader(dataset.test, CPU), InputScaling(dataset, CPU, torch.channels_last), N, CPU
    )
    assert torch.cat([targets for _, targets in batches()]).tolist() == list(range(N))


def test_scale_gives_the_memory_format_asked_for(dataset):
    inputs = InputScaling(dataset, CPU, torch.channels_last)(dataset.train.inputs[:4])
    assert inputs.is_contiguous(memory_format=torch.channels_last)
