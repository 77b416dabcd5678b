import pytest
import torch
from torch import nn

from tests.parts.probe.runs import measure, named


def test_norm_sd_and_sparsity_of_each_tensor():
    model = nn.Linear(2, 2)
    model.weight.data, model.bias.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([0.01, 0.5])
    found = named(measure("weight_stats", model, torch.zeros(1, 2), torch.tensor([0]), near_zero=0.1))
    assert found == {
        ("weight", "norm"): 5.0,
        ("weight", "sd"): pytest.approx((25 / 4 - (7 / 4) ** 2) ** 0.5),
        ("weight", "near_zero"): 0.5,
        ("bias", "norm"): pytest.approx((0.01**2 + 0.5**2) ** 0.5),
        ("bias", "sd"): pytest.approx(0.245),
        ("bias", "near_zero"): 0.5,
    }


def test_a_tensor_of_one_number_has_no_spread():
    found = named(measure("weight_stats", nn.PReLU(), torch.zeros(1, 2), torch.tensor([0])))
    assert found["weight", "sd"] == 0.0
