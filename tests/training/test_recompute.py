"""Activations that are computed again: the numbers stay, the memory falls."""

import copy

import pytest
import torch
from torch import nn

from dlexp.run.execute import gather_facts
from dlexp.run.setup.build import build
from dlexp.training.compile import find_blocks
from dlexp.training.recompute import recompute_blocks
from tests.options import make_model
from tests.runs import MOONS, prepare

NETS = {
    "mlp": ((6,), {"norm": "bn", "dropout": 0.5}),
    "convnet": ((3, 8, 8), {"norm": "bn", "dropout": 0.3}),
    "resnet18": ((3, 8, 8), {"norm": "bn", "stochastic_depth": 0.5}),
    "speednet": ((3, 32, 32), {"norm": "bn", "widths": [8, 16, 16]}),
}


class Counting(nn.Module):
    """A block whose output depends on a buffer that it counts up."""

    def __init__(self):
        super().__init__()
        self.linear, self.calls = nn.Linear(4, 4), 0
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, inputs):
        self.calls += 1
        self.steps += 1
        return torch.tanh(self.linear(inputs) * self.steps)


def counting_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Sequential(Counting(), Counting()), nn.Linear(4, 2))


def train(net, shape, *, seed=1):
    """All that three steps leave: weights, buffers and the random state."""
    torch.manual_seed(seed)
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(3):
        net(torch.randn(8, *shape)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [*net.state_dict().values(), torch.get_rng_state()]


def equal(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("name", NETS)
def test_the_numbers_are_the_same_to_the_last_bit(name):
    shape, settings = NETS[name]
    torch.manual_seed(0)
    net = make_model(name, shape, 3, **settings).train()
    again = copy.deepcopy(net)
    recompute_blocks(again)
    assert equal(train(net, shape), train(again, shape))


def test_a_block_is_computed_twice_in_training_and_finds_its_buffers_as_they_were():
    net, again = counting_net(), counting_net()
    recompute_blocks(again)
    assert equal(train(net, (4,)), train(again, (4,)))
    assert ([block.calls for block in net[0]], [block.calls for block in again[0]]) == ([3, 3], [6, 6])
    assert [int(block.steps) for block in again[0]] == [3, 3]


def test_nothing_is_computed_twice_in_eval_mode_or_without_gradients():
    net = counting_net()
    recompute_blocks(net)
    net.eval()(torch.randn(8, 4)).sum().backward()
    with torch.no_grad():
        net.train()(torch.randn(8, 4))
    assert [block.calls for block in net[0]] == [2, 2]


def test_a_copy_computes_with_its_own_weights():
    net = counting_net()
    recompute_blocks(net)
    inputs = torch.randn(8, 4)
    other = copy.deepcopy(net)
    with torch.no_grad():
        other[0][0].linear.weight.zero_()
    assert not torch.equal(net(inputs), other(inputs))
    train(other, (4,))
    assert [block.calls for block in net[0]] == [1, 1]


@pytest.mark.parametrize(("setting", "expected"), [("false", 1), ("true", 2)])
def test_the_setting_of_a_run_reaches_its_blocks(setting, expected, tmp_path):
    planned = prepare(*MOONS, "norm=none", f"hardware.recompute={setting}", root=tmp_path)
    learner = build(planned.config, gather_facts(planned)).learner
    calls = []
    for block in find_blocks(learner.model):
        next(block.children()).register_forward_hook(lambda *_: calls.append(1))
    learner.step(torch.randn(4, 2), torch.tensor([0, 1, 0, 1]))
    assert len(calls) == expected * len(find_blocks(learner.model))
