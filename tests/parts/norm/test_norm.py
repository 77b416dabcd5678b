import re

import numpy as np
import pytest
import torch
from torch import nn

from tests.options import make, options

EPS = 1e-5


def standardize(values, axes):
    return (values - values.mean(axes, keepdims=True)) / np.sqrt(values.var(axes, keepdims=True) + EPS)


def in_groups(values, num_groups):
    grouped = values.reshape(len(values), num_groups, -1)
    return standardize(grouped, 2).reshape(values.shape)


REFERENCE = {
    "bn": lambda values: standardize(values, (0, *range(2, values.ndim))),
    "gn": lambda values: in_groups(values, 8),
    "ln": lambda values: in_groups(values, 1),
    "in": lambda values: standardize(values, (2, 3)),
    "rms": lambda values: values / np.sqrt((values**2).mean(1, keepdims=True) + EPS),
    "none": lambda values: values,
}
FEATURES, IMAGES = (6, 16), (6, 16, 3, 5)


CASES = [(option, shape) for option in options("norm") for shape in (FEATURES, IMAGES) if (option, shape) != ("in", FEATURES)]


@pytest.mark.parametrize(("option", "shape"), CASES)
def test_agrees_with_its_formula(option, shape):
    inputs = torch.randn(shape) * 3 + 1
    expected = REFERENCE[option](inputs.double().numpy())
    torch.testing.assert_close(make("norm", option)(16)(inputs), torch.from_numpy(expected).float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("option", sorted(set(options("norm")) - {"none"}))
def test_scale_starts_at_one_for_each_channel_and_is_learned(option):
    norm = make("norm", option)(16)
    torch.testing.assert_close(norm.weight, torch.ones(16))
    norm(torch.randn(IMAGES)).square().sum().backward()
    assert norm.weight.grad.shape == (16,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("option", options("norm"))
def test_keeps_the_dtype_under_autocast_or_widens_it(option, dtype):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = make("norm", option)(16)(torch.randn(IMAGES).to(dtype))
    assert outputs.dtype in (dtype, torch.float32)
    assert outputs.shape == IMAGES


def test_rms_takes_its_statistics_in_float32():
    inputs = torch.full((1, 16), 300.0, dtype=torch.float16)  # 300**2 overflows in float16
    torch.testing.assert_close(make("norm", "rms")(16)(inputs), torch.ones(1, 16, dtype=torch.float16))


def test_bn_counts_as_torch_batch_norm_and_evaluates_single_examples():
    norm = make("norm", "bn", momentum=0.5, eps=0.1)(4)
    assert isinstance(norm, nn.BatchNorm2d)
    assert (norm.momentum, norm.eps) == (0.5, 0.1)
    assert norm.eval()(torch.randn(1, 4)).shape == (1, 4)


@pytest.mark.parametrize("shape", [(1, 4), (1, 4, 1, 1)])
def test_bn_refuses_one_value_per_channel_in_training(shape):
    with pytest.raises(
        ValueError, match="norm=bn needs more than one value per channel in training.*larger batch_size, drop_last=true"
    ):
        make("norm", "bn")(4)(torch.randn(shape))


@pytest.mark.parametrize(
    ("keys", "channels", "num_groups"),
    [
        ({}, 16, 8),
        ({"groups": 1}, 16, 1),
        ({"groups": {16: 4, 32: 8}}, 16, 4),
        ({"groups": {16: 4, 32: 8}}, 32, 8),
        ({"group_size": 4}, 20, 5),
        ({"group_size": 20}, 20, 1),
    ],
)
def test_gn_takes_a_number_a_map_or_a_group_size(keys, channels, num_groups):
    norm = make("norm", "gn", **keys)(channels)
    assert isinstance(norm, nn.GroupNorm)
    assert norm.num_groups == num_groups


@pytest.mark.parametrize(
    ("keys", "channels", "message"),
    [
        ({"groups": 8}, 20, "norm.groups=8 does not divide 20 channels: use one of 1, 2, 4, 5, 10."),
        ({"groups": 0}, 4, "norm.groups=0 does not divide 4 channels: use one of 1, 2."),
        ({"groups": 32}, 16, "norm.groups=32 does not divide 16 channels: use one of 1, 2, 4, 8."),
        ({"groups": 16}, 16, "this is instance norm: norm=in."),
        ({"groups": {16: 16}}, 16, "this is instance norm: norm=in."),
        ({"groups": {16: 4, 32: 8}}, 64, "norm.groups has an entry for 16, 32 channels, but none for 64: add one."),
        ({"group_size": 3}, 20, "norm.group_size=3 does not divide 20 channels: use one of 2, 4, 5, 10, 20."),
        ({"group_size": 0}, 4, "norm.group_size=0 does not divide 4 channels: use one of 2, 4."),
        ({"group_size": 1}, 16, "this is instance norm: norm=in."),
        ({}, 1, "norm=gn needs more than one channel, got 1: use norm=in or norm=ln."),
    ],
)
def test_gn_refuses_groups_that_do_not_fit(keys, channels, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make("norm", "gn", **keys)(channels)


@pytest.mark.parametrize(
    ("option", "channels", "shape", "message"),
    [
        ("ln", 1, (3, 1), "norm=ln needs more than one value per example"),
        ("ln", 1, (3, 1, 1, 1), "norm=ln needs more than one value per example"),
        ("in", 4, (3, 4), r"norm=in needs images \[B, C, H, W\]"),
        ("in", 4, (3, 4, 1, 1), r"norm=in needs images \[B, C, H, W\] of more than one pixel"),
        ("rms", 1, (3, 1), "norm=rms needs more than one channel"),
        ("rms", 4, (3, 5), "norm=rms was built for 4 channels"),
        ("bn", 4, (3, 4, 2), r"norm=bn takes \[B, C\] or \[B, C, H, W\]"),
    ],
)
def test_one_value_and_wrong_shapes_are_refused(option, channels, shape, message):
    with pytest.raises(ValueError, match=message):
        make("norm", option)(channels).eval()(torch.randn(shape))
