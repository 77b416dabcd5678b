"""PyTorch's own start: `init=default`."""

from torch import nn

from dlexp.contract import Examples


def default(model: nn.Module, examples: Examples) -> None:
    """Leave the model as it was built.

    That is U(-1/sqrt(fan_in), 1/sqrt(fan_in)) for weights and biases; in a resnet He's normal, by fan_out, for convolutions.
    """
