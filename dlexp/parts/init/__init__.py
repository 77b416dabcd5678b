"""How the weights start. What all these parts share: which parameters they fill."""

from collections.abc import Callable

from torch import Tensor, nn


def fill(model: nn.Module, weight: Callable[[Tensor], object], bias: float) -> None:
    """Fill, in place, each convolution's and linear layer's weight with `weight` and its bias with the number `bias`.

    In an LSTM each gate is filled as the two linear layers that it is, of which the first has the bias. What belongs to a norm
    or an activation is left alone. Random numbers come from torch's global generator.
    """
    for layer in model.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            weight(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)
        elif isinstance(layer, nn.LSTM):
            for into, back, into_bias, back_bias in layer.all_weights:
                for gate in (*into.detach().chunk(4), *back.detach().chunk(4)):
                    weight(gate)
                nn.init.constant_(into_bias, bias)
                nn.init.zeros_(back_bias)


def fill_dirac(model: nn.Module) -> None:
    """Make each convolution's first C outputs, in place, its C inputs; the outputs beyond C stay as they were built.

    With fewer outputs than inputs it is the first inputs that come out. What is not a convolution is left alone.

    Source: Zagoruyko & Komodakis 2017, arXiv:1706.00388; the partial one: Jordan 2024, arXiv:2404.00498, section 3.3.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.dirac_(layer.weight.detach()[: layer.in_channels])
