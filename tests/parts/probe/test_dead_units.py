import math
from collections import OrderedDict

import pytest
import torch
from torch import nn

from tests.parts.probe.runs import measure, named

TARGETS = torch.tensor([0, 1])


def net(activation, weight, bias):
    """One layer whose activation gives inputs @ weight.T + bias."""
    linear = nn.Linear(weight.shape[1], len(weight))
    linear.weight.data, linear.bias.data = weight, bias
    return nn.Sequential(OrderedDict(linear=linear, act=activation, head=nn.Linear(len(weight), 2)))


# Of three units the first is 1 and -1 on the two examples, the second -1 and -1, the third 0 and 0.
WEIGHT, BIAS = torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([0.0, -1.0, 0.0])
INPUTS = torch.tensor([[1.0], [-1.0]])


@pytest.mark.parametrize(
    ("activation", "dead", "nonpositive"),
    [(nn.ReLU(), 2 / 3, 5 / 6), (nn.LeakyReLU(), 2 / 3, 5 / 6), (nn.Sigmoid(), 0, 0), (nn.Identity(), 2 / 3, 5 / 6)],
    ids=["relu", "leaky_relu", "sigmoid", "identity"],
)
def test_both_shares_on_units_made_to_be_dead(activation, dead, nonpositive):
    found = named(measure("dead_units", net(activation, WEIGHT, BIAS), INPUTS, TARGETS))
    assert found == {("act", "dead"): pytest.approx(dead), ("act", "nonpositive"): pytest.approx(nonpositive)}


def test_a_channel_is_dead_if_no_position_of_any_example_is_above_zero():
    images = torch.full((2, 3, 4, 4), -1.0)
    images[1, 0, 2, 3] = 1.0
    model = nn.Sequential(OrderedDict(act=nn.ReLU(), flat=nn.Flatten(), head=nn.Linear(48, 2)))
    found = named(measure("dead_units", model, images, TARGETS))
    assert found == {("act", "dead"): pytest.approx(2 / 3), ("act", "nonpositive"): pytest.approx(95 / 96)}


def test_outputs_that_are_not_finite_are_no_dead_units():
    found = named(measure("dead_units", net(nn.ReLU(), WEIGHT * math.nan, BIAS), INPUTS, TARGETS))
    assert all(math.isnan(value) for value in found.values())
