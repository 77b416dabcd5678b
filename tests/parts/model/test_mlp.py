import pytest
import torch

from tests.options import make_model, options


def test_depth_zero_is_logistic_regression():
    model = make_model("mlp", (1, 8, 8), depth=0)
    inputs = torch.randn(4, 1, 8, 8)
    torch.testing.assert_close(model(inputs), inputs.reshape(4, 64) @ model.head.weight.T + model.head.bias)
    assert len(list(model.parameters())) == 2


@pytest.mark.parametrize("keys", [{"widths": [256, 128]}, {"widths": [256, 128], "depth": 7, "width": 3}])
def test_widths_take_the_place_of_depth_and_width(keys):
    model = make_model("mlp", (784,), **keys)
    assert sum(parameter.numel() for parameter in model.parameters()) == (784 * 256 + 256) + (256 * 128 + 128) + (128 * 10 + 10)


@pytest.mark.parametrize("activation", options("activation"))
@pytest.mark.parametrize("norm", sorted(set(options("norm")) - {"in"}))
def test_every_norm_and_activation_has_finite_outputs_and_gradients(norm, activation):
    model = make_model("mlp", (5,), 3, activation=activation, norm=norm, dropout=0.2)
    outputs = model(torch.randn(4, 5))
    assert outputs.shape == (4, 3)
    outputs.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_a_block_is_linear_norm_act_dropout():
    names = [name for name, _ in make_model("mlp", (5,)).blocks[1].named_children()]
    assert names == ["linear", "norm", "act", "dropout"]


def test_dropout_may_come_before_the_activation():
    block = make_model("mlp", (5,), activation="sigmoid", dropout=0.5, dropout_order="before").blocks[0]
    assert [name for name, _ in block.named_children()] == ["linear", "norm", "dropout", "act"]
    outputs = block(torch.ones(1000, 5))
    assert (outputs == 0.5).float().mean() == pytest.approx(0.5, abs=0.05)  # the sigmoid of what is dropped


@pytest.mark.parametrize("keys", [{"norm": "bn"}, {"norm": "gn"}, {"activation": "prelu"}, {"dropout": 0.5}])
def test_arms_that_differ_in_norm_activation_or_dropout_start_from_the_same_weights(keys):
    torch.manual_seed(0)
    expected = make_model("mlp", (5,))
    torch.manual_seed(0)
    model = make_model("mlp", (5,), **keys)
    for block, other in zip([*model.blocks, model.head], [*expected.blocks, expected.head], strict=True):
        torch.testing.assert_close(next(block.parameters()), next(other.parameters()), rtol=0, atol=0)


def test_builds_and_runs_on_meta():
    with torch.device("meta"):
        assert make_model("mlp", (1, 8, 8), norm="bn")(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


def test_instance_norm_is_refused():
    with pytest.raises(ValueError, match="norm=in needs images"):
        make_model("mlp", (5,), norm="in")(torch.randn(4, 5))
