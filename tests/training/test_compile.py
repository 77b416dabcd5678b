import shutil
import subprocess
import sys

import pytest

from dlexp.run.clock import Clock
from dlexp.training import compile as compilation
from tests import ROOT
from tests.options import make_model


def convnet(depth):
    return make_model("convnet", (3, 6, 6), 2, norm="bn", depth=depth, width=4)


def mlp(depth):
    return make_model("mlp", (6,), 2, depth=depth, width=4)


def test_blocks_are_what_a_net_repeats():
    net = make_model("resnet18", (3, 32, 32), 2, norm="bn")
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


SHARE = """
import torch
from dlexp.training import compile as compilation
from tests import ROOT
from tests.options import make_model

for depth in (2, 3, 8):
    net = make_model("convnet", (3, 6, 6), 2, norm="bn", depth=depth, width=4)
    compilation.compile_blocks(net)
    net(torch.randn(8, 3, 6, 6)).sum().backward()
    print(torch._dynamo.utils.counters["stats"]["unique_graphs"])
print(compilation.compile_seconds() > 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
def test_nets_of_any_depth_share_their_compiled_block():
    """In a process of its own: the shape checks that these tests add to the package's functions break torch's graphs."""
    ended = subprocess.run([sys.executable, "-c", SHARE], cwd=ROOT, capture_output=True, text=True, check=True)
    *graphs, counted = ended.stdout.split()
    assert graphs[0] == graphs[1] == graphs[2] != "0"
    assert counted == "True"
