"""He's normal initialisation: `init=he_normal`."""

from functools import partial
from typing import Literal

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def he_normal(model: nn.Module, examples: Examples, *, mode: Literal["fan_in", "fan_out"], bias: float) -> None:
    """Draw weights from N(0, std²) with std = sqrt(2 / fan), for any activation.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10 and 14.
    """
    fill_layers(model, partial(nn.init.kaiming_normal_, mode=mode, nonlinearity="relu"), bias)
