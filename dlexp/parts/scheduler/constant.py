"""Constant learning rate: `scheduler=constant`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR

from dlexp.contract import Horizon, Schedule


def constant(optimizer: Optimizer, horizon: Horizon) -> Schedule:
    """Do not change the optimizer's learning rate."""
    return Schedule(ConstantLR(optimizer, factor=1.0, total_iters=0), every="epoch")
