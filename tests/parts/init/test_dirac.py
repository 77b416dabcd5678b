import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dlexp.contract import ConfigError
from tests.options import make, make_model

IMAGE = (3, 12, 10)


def examples(count, mean=0.0):
    """Images whose pixels are correlated, over their channels and with their neighbours."""
    noise = torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(0))
    mixed = torch.einsum("bchw,dc->bdhw", noise, torch.tensor([[1.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.2, 0.0, 0.4]]))
    return mixed + mixed.roll(1, 3) + mean


def make_net(seed=0):
    torch.manual_seed(seed)
    return make_model("speednet", IMAGE, activation="gelu", norm="bn", widths=[8, 24])


def test_dirac_passes_on_its_inputs_and_leaves_the_rest_as_it_was_built():
    net, built = make_net(), make_net()
    make("init", "dirac")(net, examples)
    for layer, before in ((group.conv1, other.conv1) for group, other in zip(net.groups, built.groups, strict=True)):
        inputs, channels = torch.randn(2, layer.in_channels, 6, 5), min(layer.in_channels, layer.out_channels)
        torch.testing.assert_close(layer(inputs)[:, :channels], inputs[:, :channels])
        assert torch.equal(layer.weight[layer.in_channels :], before.weight[layer.in_channels :])
    assert torch.equal(net.head.weight, built.head.weight)


def test_dirac_without_a_convolution_is_refused():
    with pytest.raises(ConfigError, match="init=dirac needs convolutions"):
        make("init", "dirac")(nn.Linear(2, 2), examples)


@pytest.mark.parametrize("mean", [0.0, 3.0])
def test_whitened_patches_are_uncorrelated_with_variance_one(mean):
    net = make_net()
    make("init", "dirac_whitening", num_examples=300, eps=1e-9)(net, lambda count: examples(count, mean))
    seen = net.whitening(examples(300, mean)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(seen[:12].mean(1), torch.zeros(12), rtol=0, atol=1e-3)
    torch.testing.assert_close(torch.cov(seen[:12]), torch.eye(12), rtol=0, atol=1e-2)
    torch.testing.assert_close(seen[12:], -seen[:12])


def test_eps_damps_the_axes_along_which_patches_hardly_vary():
    norms = []
    for eps in (1e-9, 0.5):
        net = make_net()
        make("init", "dirac_whitening", eps=eps)(net, lambda count: examples(min(count, 100)))
        patches = F.unfold(examples(100).double(), 2).transpose(0, 1).flatten(1)
        variances = torch.linalg.eigvalsh(torch.cov(patches, correction=0))
        norms.append(net.whitening.weight.flatten(1).norm(dim=1)[:12])
        torch.testing.assert_close(norms[-1], (variances + eps).rsqrt().float(), rtol=1e-3, atol=0)
    assert (norms[1] < norms[0]).all()


def test_whitening_is_a_function_of_the_examples_and_fixes_the_sign():
    nets = [make_net(seed) for seed in (0, 1)]
    for net in nets:
        make("init", "dirac_whitening")(net, examples)
    one, other = (net.whitening.weight for net in nets)
    assert torch.equal(one, other)
    axes = one[:12].flatten(1)
    assert (axes.gather(1, axes.abs().argmax(1, keepdim=True)) > 0).all()
    assert torch.equal(nets[0].groups[0].conv2.weight, nets[1].groups[0].conv2.weight)
    assert not torch.equal(nets[0].head.weight, nets[1].head.weight)


def test_whitening_without_a_layer_for_it_is_refused():
    with pytest.raises(ConfigError, match="init=dirac_whitening needs a model with a whitening layer"):
        make("init", "dirac_whitening")(nn.Conv2d(3, 4, 2), examples)
