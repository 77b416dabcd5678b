"""Orthogonal initialisation: `init=orthogonal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init.layers import fill_layers


def orthogonal(model: nn.Module, examples: Examples, *, gain: float, bias: float) -> None:
    """Draw each weight as a matrix [outputs, rest] with orthonormal rows or columns, times gain.

    Source: Saxe et al. 2014, arXiv:1312.6120.
    """
    fill_layers(model, partial(nn.init.orthogonal_, gain=gain), bias)
