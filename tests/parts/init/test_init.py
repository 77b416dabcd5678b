import math

import pytest
import torch
from torch import nn

from tests.options import make, options

FILLING = sorted(set(options("init")) - {"default", "dirac", "dirac_whitening"})  # which fill every weight and bias


def make_net():
    """A convolution (fan_in 16 * 9, fan_out 64 * 9), a norm, a learned activation and a linear layer (256 to 400)."""
    return nn.Sequential(nn.Conv2d(16, 64, 3), nn.BatchNorm2d(64), nn.PReLU(), nn.Linear(256, 400))


def no_examples(count):
    raise AssertionError("only dirac_whitening looks at examples")


def std(fan):
    return math.sqrt(2 / fan)


STDS = [
    ("xavier_uniform", {}, std(144 + 576), std(656)),
    ("xavier_normal", {}, std(144 + 576), std(656)),
    ("xavier_normal", {"gain": 3.0}, 3 * std(144 + 576), 3 * std(656)),
    ("he_uniform", {}, std(144), std(256)),
    ("he_normal", {}, std(144), std(256)),
    ("he_normal", {"mode": "fan_out"}, std(576), std(400)),
    ("he_uniform", {"mode": "fan_out"}, std(576), std(400)),
    ("small_normal", {}, 0.01, 0.01),
    ("small_normal", {"std": 0.5}, 0.5, 0.5),
]


@pytest.mark.parametrize(("option", "keys", "conv_std", "linear_std"), STDS)
def test_weights_have_the_standard_deviation_of_the_paper(option, keys, conv_std, linear_std):
    torch.manual_seed(0)
    net = make_net()
    make("init", option, **keys)(net, no_examples)
    assert net[0].weight.std().item() == pytest.approx(conv_std, rel=0.05)
    assert net[3].weight.std().item() == pytest.approx(linear_std, rel=0.02)
    assert abs(net[3].weight.mean().item()) < 0.02 * linear_std


@pytest.mark.parametrize(
    ("option", "normal"), [("xavier_uniform", False), ("xavier_normal", True), ("he_uniform", False), ("he_normal", True)]
)
def test_uniform_weights_end_at_the_square_root_of_three_times_their_deviation(option, normal):
    net = make_net()
    make("init", option)(net, no_examples)
    weight = net[3].weight
    assert (weight.abs().max() > 1.8 * weight.std()) == normal


@pytest.mark.parametrize("gain", [1.0, 2.0])
def test_orthogonal_rows_are_orthonormal_times_gain(gain):
    net = make_net()
    make("init", "orthogonal", gain=gain)(net, no_examples)
    rows = net[0].weight.reshape(64, 144)
    torch.testing.assert_close(rows @ rows.T, gain**2 * torch.eye(64), rtol=0, atol=1e-5)


@pytest.mark.parametrize("option", FILLING)
def test_biases_are_set_and_norm_and_activation_are_left_alone(option):
    net = make_net()
    others = [*net[1].parameters(), *net[2].parameters()]
    expected = [parameter.clone() for parameter in others]
    make("init", option, bias=0.25)(net, no_examples)
    assert (net[0].bias == 0.25).all()
    assert (net[3].bias == 0.25).all()
    torch.testing.assert_close(others, expected, rtol=0, atol=0)


@pytest.mark.parametrize("option", FILLING)
def test_layers_without_a_bias_are_filled_too(option):
    make("init", option)(nn.Linear(3, 4, bias=False), no_examples)


def test_default_changes_nothing():
    net = make_net()
    before = [parameter.clone() for parameter in net.parameters()]
    make("init", "default")(net, no_examples)
    torch.testing.assert_close(list(net.parameters()), before, rtol=0, atol=0)
