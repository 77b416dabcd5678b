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
