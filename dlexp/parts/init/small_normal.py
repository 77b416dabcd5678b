"""Small normal initialisation: `init=small_normal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def small_normal(model: nn.Module, examples: Examples, *, std: float, bias: float) -> None:
    """Draw weights from N(0, std²), for any layer size."""
    fill_layers(model, partial(nn.init.normal_, std=std), bias)
