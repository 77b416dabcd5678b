"""Mixup and cutmix: what they compute, and that soft targets reach the loss and the accuracy."""

import math

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.v2 import CutMix, MixUp

from tests.parts.augment.images import images, make

NUM_CLASSES = 5


def one_hot(number):
    return F.one_hot(torch.arange(number) % NUM_CLASSES, NUM_CLASSES).float()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_mixup_equals_torchvision_example_by_example(dtype):
    augment, inputs, targets = make("mixup", alpha=0.7), images(32, dtype=dtype), one_hot(32)
    parameters = augment.parameters(32, 0, 1)
    outputs, mixed = augment(inputs, targets, parameters)
    assert outputs.dtype == dtype
    reference = MixUp(num_classes=NUM_CLASSES)
    for row, (share,) in enumerate(parameters.tolist()):
        pair = torch.stack([inputs[row - 1], inputs[row]]).float()  # torchvision too mixes with the one before
        expected = reference.transform(pair, {"lam": share, "labels": None, "batch_size": 2})[1]
        assert (outputs[row].float() - expected).abs().max() <= 0.5
        torch.testing.assert_close(mixed[row], share * targets[row] + (1 - share) * targets[row - 1])


def test_cutmix_equals_torchvision_example_by_example():
    augment, inputs, targets = make("cutmix"), images(64, (3, 12, 9)), one_hot(64)
    parameters = augment.parameters(64, 0, 1)
    outputs, mixed = augment(inputs, targets, parameters)
    for row, (share, y, x) in enumerate(parameters.tolist()):
        half = 0.5 * math.sqrt(1 - share)
        center, sides = (math.floor(x * 9), math.floor(y * 12)), (int(half * 9), int(half * 12))
        box = [max(center[0] - sides[0], 0), max(center[1] - sides[1], 0)]
        box += [min(center[0] + sides[0], 9), min(center[1] + sides[1], 12)]
        arguments = {"box": box, "lam_adjusted": 0.0, "labels": None, "batch_size": 2}
        expected = CutMix(num_classes=NUM_CLASSES).transform(torch.stack([inputs[row - 1], inputs[row]]), arguments)[1]
        assert torch.equal(outputs[row], expected)
        left = 1 - (box[2] - box[0]) * (box[3] - box[1]) / 108
        torch.testing.assert_close(mixed[row], left * targets[row] + (1 - left) * targets[row - 1])


@pytest.mark.parametrize("option", ["mixup", "cutmix"])
def test_targets_sum_to_one(option):
    augment = make(option)
    targets = one_hot(64)
    for epoch in (1, 2, 3):
        _, targets = augment(images(64), targets, augment.parameters(64, 0, epoch))  # mixed again and again
        torch.testing.assert_close(targets.sum(1), torch.ones(64))
        assert targets.min() >= 0
    assert (targets > 0).sum(1).max() > 2


@pytest.mark.parametrize("shape", [(6,), (7, 2)])
def test_mixup_mixes_features_series_and_numbers(shape):
    augment, inputs = make("mixup", alpha=1.0), torch.randn(16, *shape, generator=torch.Generator().manual_seed(0))
    numbers = torch.randn(16, 1, generator=torch.Generator().manual_seed(1))
    parameters = augment.parameters(16, 0, 1)
    outputs, mixed = augment(inputs, numbers, parameters)
    share = parameters.view(16, *[1] * len(shape))
    torch.testing.assert_close(outputs, share * inputs + (1 - share) * inputs.roll(1, 0))
    torch.testing.assert_close(mixed, parameters * numbers + (1 - parameters) * numbers.roll(1, 0))


@pytest.mark.parametrize(("alpha", "deviation"), [(0.2, 0.4226), (1.0, 0.2887), (20.0, 0.0781)])
@pytest.mark.parametrize("option", ["mixup", "cutmix"])
def test_shares_have_the_beta_distribution(option, alpha, deviation):
    share = make(option, alpha=alpha).parameters(20_000, 0, 1)[:, 0]
    assert share.mean().item() == pytest.approx(0.5, abs=0.01)
    assert share.std().item() == pytest.approx(deviation, abs=0.005)
