"""Half a cosine, per epoch: `scheduler=cosine`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from dlexp.contract import Horizon, Schedule


def cosine(optimizer: Optimizer, horizon: Horizon, *, eta_min: float) -> Schedule:
    """After n of N epochs the learning rate is eta_min + (lr - eta_min) * (1 + cos(pi * n / N)) / 2.

    Source: Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, without restarts.
    """
    return Schedule(CosineAnnealingLR(optimizer, T_max=horizon.num_epochs, eta_min=eta_min), every="epoch")
