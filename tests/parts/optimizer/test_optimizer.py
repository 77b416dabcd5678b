"""Every optimizer takes a model's named parameters, and loads states that were saved without names."""

import copy

import pytest
import torch
from torch import nn

from tests.options import make, options


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def train(net, optimizer):
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.ones(5, 4)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("option", options("optimizer"))
def test_groups_hold_the_names_of_their_parameters(option):
    net = make_net()
    optimizer = make("optimizer", option)(net.named_parameters())
    pairs = [zip(group["param_names"], group["params"], strict=True) for group in optimizer.param_groups]
    named = {name: parameter for group in pairs for name, parameter in group}
    assert named.keys() == dict(net.named_parameters()).keys()
    assert all(named[name] is parameter for name, parameter in net.named_parameters())


@pytest.mark.parametrize("option", options("optimizer"))
def test_a_state_that_was_saved_without_names_is_loaded(option):
    net = make_net()
    optimizer = make("optimizer", option)(net.named_parameters())
    train(net, optimizer)
    state = copy.deepcopy(optimizer.state_dict())
    for group in state["param_groups"]:
        del group["param_names"]
    resumed = copy.deepcopy(net)
    again = make("optimizer", option)(resumed.named_parameters())
    again.load_state_dict(state)
    for model, one in ((net, optimizer), (resumed, again)):
        train(model, one)
    assert all(torch.equal(*pair) for pair in zip(net.parameters(), resumed.parameters(), strict=True))
