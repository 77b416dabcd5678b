"""Orthogonal start: `init=orthogonal`."""

from functools import partial

from torch import nn

from dlexp.contract import Examples
from dlexp.parts.init import fill


def orthogonal(model: nn.Module, examples: Examples, *, gain: float, bias: float) -> None:
    """Weights as a random matrix [outputs, rest] with orthonormal rows or columns, times gain.

    Source: Saxe et al. 2014, arXiv:1312.6120.
    """
    fill(model, partial(nn.init.orthogonal_, gain=gain), bias)
