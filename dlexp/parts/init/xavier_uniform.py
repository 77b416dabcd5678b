"""Xavier's uniform initialisation: `init=xavier_uniform`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def xavier_uniform(model: nn.Module, examples: Examples, *, gain: float, bias: float) -> None:
    """Draw weights from U(-a, a) with a = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, eq. 16. Differs: gain, which the paper does not have.
    """
    fill_layers(model, partial(nn.init.xavier_uniform_, gain=gain), bias)
