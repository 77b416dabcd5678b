"""Multilayer perceptron: `model=mlp`."""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


class MLP(nn.Module):
    """Hidden blocks of linear, norm, activation and dropout, then a linear head. With depth 0 it is a linear model.

    Args:
        input_shape: Shape of one example; inputs are flattened.
        num_outputs: Number of outputs K.
        activation: Factory, called once per block.
        norm: Factory, called with the number of units.
        dropout: Factory, called once per block.
        dropout_order: Whether dropout acts `before` or `after` the activation.
        depth: Number of blocks.
        width: Units of each block.
        widths: List with the units of each block; replaces depth and width.

    Shape:
        inputs [B, *input_shape], outputs [B, K].
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_outputs: int,
        *,
        activation: Callable[[], nn.Module],
        norm: Callable[[int], nn.Module],
        dropout: Callable[[], nn.Module],
        dropout_order: Literal["before", "after"],
        depth: int,
        width: int,
        widths: Sequence[int] | None,
    ) -> None:
        super().__init__()
        self.blocks = nn.Sequential()
        num_features = math.prod(input_shape)
        for units in [width] * depth if widths is None else widths:
            parts = OrderedDict(linear=nn.Linear(num_features, units), norm=norm(units), act=activation(), dropout=dropout())
            if dropout_order == "before":
                parts.move_to_end("act")
            self.blocks.append(nn.Sequential(parts))
            num_features = units
        self.head = nn.Linear(num_features, num_outputs)

    def forward(self, inputs: Float[Tensor, " batch *shape"]) -> Float[Tensor, "batch outputs"]:
        """Return logits, or predicted numbers."""
        return self.head(self.blocks(inputs.flatten(start_dim=1)))
