"""Class weights against scikit-learn and torch."""

import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import nn

from dlexp.training.class_weight import ClassWeighted, choose_weights
from tests.options import make, options

WEIGHTS = torch.tensor([0.5, 3.0, 1.0, 2.0])
TARGETS = torch.tensor([0, 3, 1, 2, 2, 0, 1])
SOFT = torch.rand(7, 4, generator=torch.Generator().manual_seed(1)).softmax(1)


def outputs():
    return torch.randn(7, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()


def test_balanced_weights_are_those_of_scikit_learn():
    targets = torch.tensor([0] * 50 + [1] * 3 + [2] * 20)
    expected = compute_class_weight("balanced", classes=targets.unique().numpy(), y=targets.numpy())
    weights = choose_weights("balanced", targets, 3)
    assert weights.tolist() == pytest.approx(expected.tolist())
    assert float(weights[targets].mean()) == pytest.approx(1)


def test_weights_that_are_given_are_used():
    assert choose_weights([1, 2.5], TARGETS, 2).tolist() == [1, 2.5]


def test_cross_entropy_is_that_of_torch_but_for_its_denominator():
    ours, torchs = outputs(), outputs()
    loss = ClassWeighted(nn.CrossEntropyLoss(), WEIGHTS)(ours, TARGETS)
    summed = nn.CrossEntropyLoss(weight=WEIGHTS, reduction="sum")(torchs, TARGETS)
    (summed / len(TARGETS)).backward()
    loss.backward()
    assert loss.item() == pytest.approx(summed.item() / len(TARGETS))
    assert torch.allclose(ours.grad, torchs.grad, atol=1e-7)


@pytest.mark.parametrize("targets", [TARGETS, SOFT], ids=["labels", "probabilities"])
@pytest.mark.parametrize("option", options("loss"))
def test_each_example_counts_by_the_weight_of_its_class(option, targets):
    loss = make("loss", option)()
    each = torch.stack([loss(outputs()[i : i + 1], targets[i : i + 1]) for i in range(7)])
    weights = WEIGHTS[targets] if targets.ndim == 1 else targets @ WEIGHTS
    assert ClassWeighted(loss, WEIGHTS)(outputs(), targets).item() == pytest.approx((weights * each).mean().item())
    assert ClassWeighted(loss, torch.ones(4))(outputs(), targets).item() == pytest.approx(loss(outputs(), targets).item())


def test_parts_of_a_batch_add_up_to_the_whole():
    loss = ClassWeighted(nn.CrossEntropyLoss(), WEIGHTS)
    parts = [len(index) / 7 * loss(outputs()[index], TARGETS[index]) for index in torch.arange(7).tensor_split(3)]
    assert sum(parts).item() == pytest.approx(loss(outputs(), TARGETS).item())
