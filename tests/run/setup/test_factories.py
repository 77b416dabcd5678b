import pytest
import torch
from torch import nn

from dlexp.config.options import read_option
from dlexp.run.setup.factories import make_optimizer
from tests.options import options

DECAYING = [option for option in options("optimizer") if "decay_norm_and_bias" in read_option("optimizer", option)]


def train(option, **keys):
    """The weights of a small net after three steps of an optimizer."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    optimizer = make_optimizer({"optimizer": read_option("optimizer", option) | keys}, net)
    for _ in range(3):
        optimizer.zero_grad()
        net(torch.arange(20.0).reshape(5, 4)).square().mean().backward()
        optimizer.step()
    return dict(net.named_parameters()), optimizer


@pytest.mark.parametrize("option", DECAYING)
def test_weight_decay_leaves_out_norms_and_biases_where_the_config_says_so(option):
    weights, optimizer = train(option, weight_decay=0.1, decay_norm_and_bias=False)
    decayed, others = optimizer.param_groups
    assert (decayed["param_names"], decayed["weight_decay"]) == (["0.weight", "2.weight"], 0.1)
    assert (others["param_names"], others["weight_decay"]) == (["0.bias", "1.weight", "1.bias", "2.bias"], 0.0)
    assert {name: group["lr"] for group in optimizer.param_groups for name in group["param_names"]} == dict.fromkeys(
        weights, decayed["lr"]
    )
    everything, _ = train(option, weight_decay=0.1)
    nothing, _ = train(option, weight_decay=0.0)
    assert not torch.equal(weights["1.weight"], everything["1.weight"])
    assert not torch.equal(weights["0.weight"], nothing["0.weight"])


def test_every_optimizer_that_decays_weights_has_the_setting_but_muon_whose_decay_is_of_these():
    assert {*options("optimizer")} - {*DECAYING} == {"muon"}
    assert all("weight_decay" in read_option("optimizer", option) for option in DECAYING)
