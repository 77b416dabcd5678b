"""Learning rate multiplied by a factor every few epochs: `scheduler=step`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import StepLR

from dlexp.contract import Horizon, Schedule


def step(optimizer: Optimizer, horizon: Horizon, *, step_size: int, gamma: float) -> Schedule:
    """After n epochs the learning rate is lr * gamma**(n // step_size)."""
    return Schedule(StepLR(optimizer, step_size, gamma), every="epoch")
