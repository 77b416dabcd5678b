"""Learning rate multiplied by the same factor after each epoch: `scheduler=exponential`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR

from dlexp.contract import Horizon, Schedule


def exponential(optimizer: Optimizer, horizon: Horizon, *, gamma: float) -> Schedule:
    """After n epochs the learning rate is lr * gamma**n."""
    return Schedule(ExponentialLR(optimizer, gamma), every="epoch")
