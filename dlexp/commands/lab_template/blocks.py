"""Building blocks for the models of this lab."""

from collections.abc import Callable

from torch import Tensor, nn


class SkipBlock(nn.Module):
    """x + activation(linear(x)).

    Args:
        width: Number of features F.
        activation: Makes the activation.

    Shape:
        input [B, F], output [B, F].
    """

    def __init__(self, width: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.act = activation()

    def forward(self, inputs: Tensor) -> Tensor:
        """Add the activation of a linear map."""
        return inputs + self.act(self.linear(inputs))
