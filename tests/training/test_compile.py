import shutil
from functools import partial

import pytest
import torch
from torch import nn

from dlexp.parts.model.convnet import ConvNet
from dlexp.parts.model.mlp import MLP
from dlexp.parts.model.resnet import resnet18
from dlexp.run.clock import Clock
from dlexp.training import compile as compilation

COMMON = {"activation": nn.ReLU, "dropout": partial(nn.Dropout, 0.0)}


def convnet(depth):
    shape = {"depth": depth, "width": 4, "widths": None, "kernel_size": 3, "pool_every": 0, "head": "average", "order": "cna"}
    return ConvNet((3, 6, 6), 2, norm=nn.BatchNorm2d, **COMMON, **shape)


def mlp(depth):
    return MLP((6,), 2, norm=lambda _: nn.Identity(), **COMMON, depth=depth, width=4, widths=None)


def test_blocks_are_what_a_net_repeats():
    net = resnet18((3, 32, 32), 2, norm=nn.BatchNorm2d, zero_init_residual=False, small_stem_below=64, **COMMON)
    assert [type(block).__name__ for block in compilation.find_blocks(net)] == ["BasicBlock"] * 8
    net = convnet(3)
    assert compilation.find_blocks(net) == list(net.blocks)


def test_a_net_without_blocks_is_compiled_whole():
    net = mlp(0)
    assert compilation.find_blocks(net) == [net]


def test_a_lap_does_not_count_compilation():
    compiled = iter([0.0, 100.0])
    clock = Clock(lambda: next(compiled))
    assert clock.lap("train") == pytest.approx(-100.0, abs=1)
    assert clock.seconds["compile"] == 100.0


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
def test_nets_of_any_depth_share_their_compiled_block():
    inputs = torch.randn(8, 3, 6, 6)
    graphs = []
    for depth in (2, 3, 8):
        net = convnet(depth)
        compilation.compile_blocks(net)
        net(inputs).sum().backward()
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert graphs[0] == graphs[1] == graphs[2] > 0
    assert compilation.compile_seconds() > 0
