"""Small normal start: `init=small_normal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init import fill


def small_normal(model: nn.Module, examples: Examples, *, std: float, bias: float) -> None:
    """Weights from N(0, std²), whatever the size of the layer."""
    fill(model, partial(nn.init.normal_, std=std), bias)
