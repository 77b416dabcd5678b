"""Xavier's normal start: `init=xavier_normal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init import fill


def xavier_normal(model: nn.Module, examples: Examples, *, gain: float, bias: float) -> None:
    """Weights from N(0, std²) with std = gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, eq. 12. Differs: gain, which the paper does not have.
    """
    fill(model, partial(nn.init.xavier_normal_, gain=gain), bias)
