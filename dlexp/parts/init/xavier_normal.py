"""Xavier's normal initialisation: `init=xavier_normal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def xavier_normal(model: nn.Module, examples: Examples, *, gain: float, bias: float) -> None:
    """Draw weights from N(0, std²) with std = gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, eq. 12. Differs: gain, which the paper does not have.
    """
    fill_layers(model, partial(nn.init.xavier_normal_, gain=gain), bias)
