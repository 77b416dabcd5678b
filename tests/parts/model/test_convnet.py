from itertools import permutations

import pytest
import torch
from torch import nn

from tests.options import make_model, options

ORDERS = ["".join(order) for order in permutations("cna")]
IMAGE = (3, 32, 32)


def num_parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


# The three nets of the published ablations: depth x activation (9 blocks), norm x batch size, and order of the block.
PUBLISHED = [
    ({"norm": "bn", "width": 32, "depth": 9}, (3 * 9 * 32 + 32) + 8 * (32 * 9 * 32 + 32) + 9 * 64 + (32 * 10 + 10)),
    (
        {"norm": "bn", "widths": [16, 32, 64], "pool_every": 1, "head": "flatten"},
        (3 * 9 * 16 + 16) + (16 * 9 * 32 + 32) + (32 * 9 * 64 + 64) + 2 * (16 + 32 + 64) + (1024 * 10 + 10),
    ),
    (
        {"norm": "bn", "widths": [16, 32, 64, 128, 64, 32, 16, 10], "pool_every": 2, "head": "flatten"},
        (448 + 4640 + 18496 + 73856 + 73792 + 18464 + 4624 + 1450) + 2 * 362 + (40 * 10 + 10),
    ),
]


@pytest.mark.parametrize(("keys", "expected"), PUBLISHED, ids=["depth", "norm", "order"])
def test_published_nets_have_the_number_of_parameters_counted_by_hand(keys, expected):
    model = make_model("convnet", IMAGE, **keys)
    assert num_parameters(model) == expected
    assert model(torch.randn(2, *IMAGE)).shape == (2, 10)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("activation", options("activation"))
@pytest.mark.parametrize("norm", options("norm"))
def test_every_norm_activation_and_order_has_finite_outputs_and_gradients(norm, activation, order):
    model = make_model("convnet", (16, 8, 8), activation=activation, norm=norm, order=order, pool_every=2)
    outputs = model(torch.randn(3, 16, 8, 8))
    assert outputs.shape == (3, 10)
    outputs.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def initial_weights(**keys):
    torch.manual_seed(0)
    model = make_model("convnet", (16, 8, 8), **keys)
    return [layer.weight for layer in model.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


@pytest.mark.parametrize("keys", [{"norm": "bn"}, {"norm": "rms"}, {"activation": "prelu"}, {"order": "nac"}, {"dropout": 0.5}])
def test_arms_that_differ_in_norm_activation_order_or_dropout_start_from_the_same_weights(keys):
    for expected, weight in zip(initial_weights(), initial_weights(**keys), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=0)


@pytest.mark.parametrize("order", ORDERS)
def test_a_block_runs_in_the_given_order_then_pool_then_dropout(order):
    names = [name for name, _ in make_model("convnet", IMAGE, order=order, pool_every=1).blocks[0].named_children()]
    assert [name[0] for name in names[:3]] == list(order)
    assert names[3:] == ["pool", "dropout"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("cna", "conv norm dropout act pool"), ("acn", "dropout act conv norm pool"), ("can", "conv dropout act norm pool")],
)
def test_dropout_may_come_before_the_activation(order, expected):
    block = make_model("convnet", IMAGE, order=order, pool_every=1, dropout=0.5, dropout_order="before").blocks[0]
    assert [name for name, _ in block.named_children()] == expected.split()


@pytest.mark.parametrize(("order", "channels"), [("cna", 16), ("can", 16), ("acn", 16), ("nca", 3), ("nac", 3), ("anc", 3)])
def test_norm_before_the_convolution_has_the_channels_of_the_input(order, channels):
    assert make_model("convnet", IMAGE, norm="bn", order=order).blocks[0].norm.num_features == channels


@pytest.mark.parametrize(("pool_every", "side"), [(0, 32), (1, 4), (2, 16), (3, 16), (4, 32)])
def test_pools_come_after_each_nth_block(pool_every, side):
    model = make_model("convnet", IMAGE, depth=3, pool_every=pool_every)
    assert model.blocks(torch.zeros(1, *IMAGE)).shape == (1, 16, side, side)


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_convolutions_keep_the_size(kernel_size):
    model = make_model("convnet", (3, 7, 9), kernel_size=kernel_size)
    assert model.blocks(torch.zeros(1, 3, 7, 9)).shape == (1, 16, 7, 9)


def test_average_head_is_blind_to_where_things_are():
    model = make_model("convnet", (3, 8, 8), kernel_size=1)
    inputs = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(model(inputs), model(inputs.flip(3)))


@pytest.mark.parametrize("head", ["average", "flatten"])
def test_builds_and_runs_on_meta(head):
    with torch.device("meta"):
        model = make_model("convnet", (1, 9, 6), norm="bn", pool_every=1, head=head)
        assert model(torch.zeros(2, 1, 9, 6)).shape == (2, 10)


@pytest.mark.parametrize(
    ("input_shape", "keys", "message"),
    [
        ((2,), {}, r"model=convnet needs images \[C, H, W\]; dataset gives \[2\]: use model=mlp"),
        (IMAGE, {"depth": 0}, "needs at least one block"),
        (IMAGE, {"widths": []}, "needs at least one block"),
        ((1, 8, 4), {"depth": 3, "pool_every": 1}, r"after block 3, where images of \(8, 4\) pixels have shrunk to \(2, 1\)"),
        (IMAGE, {"norm": "gn", "width": 20}, "norm.groups=8 does not divide 20 channels: use one of 1, 2, 4, 5, 10"),
    ],
)
def test_what_cannot_be_built_is_refused(input_shape, keys, message):
    with pytest.raises(ValueError, match=message):
        make_model("convnet", input_shape, **keys)
