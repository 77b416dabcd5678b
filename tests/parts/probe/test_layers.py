import pytest
import torch

from dlexp.contract import ConfigError
from dlexp.parts.probe.layers import find_activation_layers, observe_layers
from tests.options import make_model


@pytest.mark.parametrize("activation", ["relu", "identity", "prelu"])
@pytest.mark.parametrize(
    ("model", "shape", "layers"),
    [
        ("mlp", (3,), ["blocks.0.act", "blocks.1.act"]),
        ("convnet", (3, 8, 8), ["blocks.0.act", "blocks.1.act"]),
        ("resnet18", (3, 8, 8), ["relu"] + [f"layer{i}.{j}.act{k}" for i in range(1, 5) for j in range(2) for k in (1, 2)]),
        (
            "resnet50",
            (3, 8, 8),
            ["relu"] + [f"layer{i + 1}.{j}.act{k}" for i, n in enumerate((3, 4, 6, 3)) for j in range(n) for k in (1, 2, 3)],
        ),
    ],
)
def test_every_place_of_the_activation_is_found_whatever_it_is(model, shape, layers, activation):
    with torch.device("meta"):
        assert list(find_activation_layers(make_model(model, shape, activation=activation))) == layers


def test_a_model_without_activation_is_refused():
    with pytest.raises(ConfigError, match="use a depth of at least 1"):
        find_activation_layers(make_model("mlp", (3,), depth=0))


def test_hooks_are_removed_whatever_happens():
    model = make_model("mlp", (3,))

    def fail(*_):
        raise KeyError

    with pytest.raises(KeyError):
        observe_layers(model, find_activation_layers(model), torch.zeros(2, 3), fail)
    assert not any(module._forward_hooks for module in model.modules())
