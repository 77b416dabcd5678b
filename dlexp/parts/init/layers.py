"""Fills the layers of a model in place. Parameters of norms and activations are not changed."""

from collections.abc import Callable

from torch import Tensor, nn


def fill_layers(model: nn.Module, fill: Callable[[Tensor], object], bias: float) -> None:
    """Fill the weights of each linear layer and convolution with `fill`, and their biases with a constant.

    In an LSTM each gate is filled like the two linear layers that it consists of; the second has bias 0. Random numbers come
    from torch's global generator.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            fill(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)
        elif isinstance(layer, nn.LSTM):
            for input_weight, hidden_weight, input_bias, hidden_bias in layer.all_weights:
                for gate in (*input_weight.detach().chunk(4), *hidden_weight.detach().chunk(4)):
                    fill(gate)
                nn.init.constant_(input_bias, bias)
                nn.init.zeros_(hidden_bias)


def fill_dirac(model: nn.Module) -> None:
    """Make the first outputs of each convolution equal to its inputs. Outputs beyond the number of inputs are not changed.

    A convolution with fewer outputs than inputs returns its first inputs.

    Source: Zagoruyko & Komodakis 2017, arXiv:1706.00388; partial identity: Jordan 2024, arXiv:2404.00498, section 3.3.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight.detach()[: layer.in_channels])
