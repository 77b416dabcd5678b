"""He's normal start: `init=he_normal`."""

from functools import partial
from typing import Literal

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init import fill


def he_normal(model: nn.Module, examples: Examples, *, mode: Literal["fan_in", "fan_out"], bias: float) -> None:
    """Weights from N(0, std²) with std = sqrt(2 / fan), whatever the activation.

    Source: He et al. 2015, arXiv:1502.01852, eq. 10 and 14.
    """
    fill(model, partial(nn.init.kaiming_normal_, mode=mode, nonlinearity="relu"), bias)
