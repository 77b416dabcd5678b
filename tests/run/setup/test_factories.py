import pytest
import torch
from torch import nn

from dlexp.config.compose import compose
from dlexp.config.options import read_option
from dlexp.run.setup import factories
from dlexp.run.setup.factories import describe_part, make_factory, make_optimizer
from tests.options import options

SIZED = {"_target_": "dlexp.parts.model.mlp.MLP", "_partial_": True, "widths": [8, 4]}
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


def test_what_a_run_does_to_its_settings_does_not_reach_the_next():
    make_factory({"model": SIZED}, "model").keywords["widths"].append(3)
    assert make_factory({"model": SIZED}, "model").keywords["widths"] == [8, 4]


def test_parts_of_equal_options_are_equal_and_make_the_same():
    configs = [compose([f"depth={depth}", f"seed={seed}", "model=mlp"]).config for depth in (1, 2) for seed in (0, 1)]
    parts = [describe_part(config, "model", "") for config in configs]
    assert len(set(parts)) == 2
    assert parts[0] != describe_part(configs[0], "model", "edited")
    for config, part in zip(configs, parts, strict=True):
        torch.manual_seed(0)
        expected = make_factory(config, "model")((2,), 2).state_dict()
        torch.manual_seed(0)
        made = part((2,), 2).state_dict()
        assert all(torch.equal(expected[name], made[name]) for name in expected.keys() | made.keys())


@pytest.mark.parametrize(
    ("keys", "is_copied"),
    [
        (SIZED, True),
        ({**SIZED, "norm": {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 2}}, False),  # draws numbers
        ({"_target_": "my_parts.Bent", "_partial_": True}, False),  # of a lab, where it may be edited
        ({**SIZED, "blocks": [{"_target_": "my_parts.Bent", "_partial_": True}]}, False),
    ],
)
def test_only_factories_that_hold_nothing_but_settings_are_copied(keys, is_copied):
    assert factories._holds_only_settings(keys) is is_copied
