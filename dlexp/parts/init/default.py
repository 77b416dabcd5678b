"""The initial values of PyTorch: `init=default`."""

from torch import nn

from dlexp.contract import Examples


def default(model: nn.Module, examples: Examples) -> None:
    """Do not change the model.

    Weights and biases then have the distribution U(-1/sqrt(fan_in), 1/sqrt(fan_in)); convolutions of a resnet have He's normal
    one, by fan_out.
    """
