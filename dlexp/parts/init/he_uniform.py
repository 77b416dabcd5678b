"""He's uniform initialisation: `init=he_uniform`."""

from functools import partial
from typing import Literal

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def he_uniform(model: nn.Module, examples: Examples, *, mode: Literal["fan_in", "fan_out"], bias: float) -> None:
    """Draw weights from U(-a, a) with a = sqrt(6 / fan), for any activation.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10 and 14. Differs: uniform, with the same variance.
    """
    fill_layers(model, partial(nn.init.kaiming_uniform_, mode=mode, nonlinearity="relu"), bias)
