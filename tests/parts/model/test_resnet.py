import pytest
import torch
import torchvision
from torch import nn

from tests.options import make_model, options


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64)])
@pytest.mark.parametrize("norm", ["bn", "gn", "ln", "in", "rms", "none"])
def test_every_norm_has_finite_outputs_and_gradients(norm, shape):
    model = make_model("resnet18", shape, norm=norm)
    outputs = model(torch.randn(2, *shape))
    assert outputs.shape == (2, 10)
    outputs.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@pytest.mark.parametrize(("option", "expected"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)])
def test_has_the_published_number_of_parameters(option, expected):
    with torch.device("meta"):
        model = make_model(option, (3, 224, 224), 1000, norm="bn")
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


@pytest.mark.parametrize("option", ["resnet18", "resnet50"])
def test_computes_what_torchvision_computes_with_the_same_state(option):
    original = getattr(torchvision.models, option)(num_classes=10).eval()
    model = make_model(option, (3, 64, 64), norm="bn").eval()
    model.load_state_dict(original.state_dict())
    inputs = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model(inputs), original(inputs))


@pytest.mark.parametrize(("option", "places"), [("resnet18", 1 + 8 * 2), ("resnet50", 1 + 16 * 3)])
def test_each_activation_is_a_module_of_its_own_and_runs_once(option, places):
    calls = []
    with torch.device("meta"):
        model = make_model(option, (3, 32, 32), activation="prelu", norm="bn")
        for module in model.modules():
            assert not isinstance(module, nn.ReLU)
            if isinstance(module, nn.PReLU):
                module.register_forward_hook(lambda module, inputs, outputs: calls.append(module))
        model(torch.zeros(2, 3, 32, 32))
    assert len(calls) == len(set(calls)) == places


@pytest.mark.parametrize("activation", options("activation"))
def test_every_activation_takes_the_place_of_relu(activation):
    with torch.device("meta"):
        model = make_model("resnet18", (1, 8, 8), activation=activation, norm="bn")
        assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert type(model.relu) is type(model.layer1[0].act1)


@pytest.mark.parametrize(
    ("side", "keys", "kernel_size"),
    [(63, {}, 3), (64, {}, 7), (32, {"small_stem_below": 0}, 7), (96, {"small_stem_below": 97}, 3)],
)
def test_small_images_get_a_small_stem(side, keys, kernel_size):
    with torch.device("meta"):
        model = make_model("resnet18", (3, side, side), norm="bn", **keys)
    assert model.conv1.kernel_size == (kernel_size, kernel_size)
    assert isinstance(model.maxpool, nn.Identity) == (kernel_size == 3)


@pytest.mark.parametrize("norm", ["bn", "gn", "ln", "in", "rms"])
def test_zero_init_residual_starts_each_block_as_the_identity(norm):
    block = make_model("resnet18", (3, 32, 32), activation="identity", norm=norm, zero_init_residual=True).layer1[0]
    inputs = torch.randn(2, 64, 4, 4)
    torch.testing.assert_close(block(inputs), inputs)


@pytest.mark.parametrize("option", ["resnet18", "resnet50"])
def test_stochastic_depth_leaves_out_residuals_more_often_in_later_blocks(option):
    model = make_model(option, (3, 8, 8), norm="bn", stochastic_depth=0.4)
    blocks = [module for module in model.modules() if hasattr(module, "drop")]
    assert [block.drop.p for block in blocks] == pytest.approx(
        [0.4 * (number + 1) / len(blocks) for number in range(len(blocks))]
    )
    block, inputs = blocks[-1], torch.rand(1000, blocks[-1].conv1.in_channels, 1, 1)
    torch.manual_seed(0)
    kept = [(block.train()(inputs) != block.act1(inputs)).any(1).flatten()]  # inputs are positive: ReLU does not change them
    assert kept[0].float().mean() == pytest.approx(0.6, abs=0.05)
    last = getattr(block, f"bn{block.num_activations}")
    with torch.no_grad():
        last.weight.zero_()
        last.bias.fill_(3.0)
    added = block(inputs) - inputs
    assert sorted(set(added.detach().round(decimals=3).flatten().tolist())) == [0, 5]  # 3 / 0.6
    torch.testing.assert_close(block.eval()(inputs), inputs + 3)


def test_dropout_acts_before_the_last_linear_layer():
    model = make_model("resnet18", (3, 8, 8), norm="bn", dropout=0.5)
    seen = []
    model.fc.register_forward_hook(lambda module, inputs, outputs: seen.append(inputs[0]))
    model.train()(torch.randn(4, 3, 8, 8))
    model.eval()(torch.randn(4, 3, 8, 8))
    assert 0.3 < (seen[0] == 0).float().mean() < 0.7
    assert (seen[1] == 0).float().mean() < 0.3


@pytest.mark.parametrize(
    ("shape", "keys", "message"),
    [
        ((2,), {}, r"need images \[C, H, W\]; dataset gives \[2\]"),
        ((3, 32, 32), {"norm": "none", "zero_init_residual": True}, "model.zero_init_residual=true sets the weight of a norm"),
    ],
)
def test_what_cannot_be_built_is_refused(shape, keys, message):
    with pytest.raises(ValueError, match=message):
        make_model("resnet18", shape, **keys)
