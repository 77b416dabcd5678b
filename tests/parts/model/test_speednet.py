import pytest
import torch
from torch import nn

from tests.options import make_model, options

CIFAR = (3, 32, 32)


def test_has_the_layers_and_the_number_of_parameters_counted_by_hand():
    model = make_model("speednet", CIFAR, activation="gelu", norm="bn")
    convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    trained = 24 + convolutions + 2 * (64 + 256 + 256) + 256 * 10
    assert sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad) == trained
    assert sum(parameter.numel() for parameter in model.parameters()) == trained + 24 * 12 + 2 * (64 + 256 + 256)
    assert model.pool.kernel_size == (3, 3)
    assert model(torch.randn(2, *CIFAR)).shape == (2, 10)


def test_a_group_pools_after_its_first_convolution():
    names = [name for name, _ in make_model("speednet", CIFAR).groups[0].named_children()]
    assert names == ["conv1", "pool", "norm1", "act1", "conv2", "norm2", "act2"]


def test_outputs_are_those_of_the_head_scaled():
    models = []
    for scale in (1.0, 0.25):
        torch.manual_seed(0)
        models.append(make_model("speednet", CIFAR, widths=[8, 8], head_scale=scale))
    inputs = torch.randn(2, *CIFAR)
    torch.testing.assert_close(models[1](inputs), models[0](inputs) / 4)


@pytest.mark.parametrize(("train_first", "train_norm_weight"), [(False, False), (True, False), (False, True)])
def test_what_is_frozen_gets_no_gradient(train_first, train_norm_weight):
    keys = {"train_first": train_first, "train_norm_weight": train_norm_weight}
    model = make_model("speednet", CIFAR, norm="bn", widths=[8, 8], **keys)
    model(torch.randn(4, *CIFAR)).square().sum().backward()
    frozen = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    norms = {f"groups.{group}.norm{place}.weight" for group in (0, 1) for place in (1, 2)}
    assert frozen == (set() if train_first else {"whitening.weight"}) | (set() if train_norm_weight else norms)


@pytest.mark.parametrize("activation", options("activation"))
@pytest.mark.parametrize("norm", ["bn", "gn", "none"])
def test_every_activation_and_some_norms_have_finite_gradients(activation, norm):
    model = make_model("speednet", (1, 9, 11), activation=activation, norm=norm, widths=[16, 24])
    outputs = model(torch.randn(3, 1, 9, 11))
    outputs.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.requires_grad)


def test_builds_and_runs_on_meta_down_to_the_smallest_image():
    with torch.device("meta"):
        model = make_model("speednet", (3, 9, 20), norm="bn")
        assert model(torch.zeros(2, 3, 9, 20)).shape == (2, 10)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2,), r"model=speednet needs images \[C, H, W\]; dataset gives \[2\]: use model=mlp"),
        ((3, 20, 8), r"model.widths=\[64, 256, 256\] puts 3 2x2 pools on images of \(20, 8\) pixels, and needs 9 a side"),
    ],
)
def test_what_cannot_be_built_is_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        make_model("speednet", shape)


def test_each_activation_is_a_module_of_its_own():
    model = make_model("speednet", CIFAR, activation="prelu", widths=[8, 8])
    assert len([module for module in model.modules() if isinstance(module, nn.PReLU)]) == 5
