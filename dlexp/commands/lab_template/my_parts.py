"""An activation and a model of one's own."""

from collections.abc import Callable
from math import prod

from torch import Tensor, nn

from .blocks import SkipBlock


class Bent(nn.Module):
    """The bent identity, x + bend * (sqrt(x² + 1) - 1), whose slope rises from 1 - bend to 1 + bend.

    Args:
        bend: From 0 (the identity) to 1.

    Shape:
        any, and the same.
    """

    def __init__(self, *, bend: float) -> None:
        super().__init__()
        self.bend = bend

    def forward(self, inputs: Tensor) -> Tensor:
        """Bend each value."""
        return inputs + self.bend * ((inputs**2 + 1).sqrt() - 1)


class SkipMLP(nn.Module):
    """A multilayer perceptron in which each hidden block adds to its input.

    Args:
        input_shape: Shape of one example; it is flattened.
        num_outputs: Number of classes, or of numbers to predict, K.
        activation: Makes the activation of a block.
        depth: Number of hidden blocks; 0: logistic regression.
        width: Features of each block.

    Shape:
        input [B, *input_shape], output [B, K].
    """

    def __init__(
        self, input_shape: tuple[int, ...], num_outputs: int, *, activation: Callable[[], nn.Module], depth: int, width: int
    ) -> None:
        super().__init__()
        num_features = prod(input_shape)
        self.blocks = nn.Sequential(nn.Flatten())
        if depth:
            self.blocks.append(nn.Linear(num_features, width))
            self.blocks.extend(SkipBlock(width, activation) for _ in range(depth))
        self.head = nn.Linear(width if depth else num_features, num_outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """Compute the outputs."""
        return self.head(self.blocks(inputs))
