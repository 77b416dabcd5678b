"""Learning rate reduced when the monitored value stops improving: `scheduler=plateau`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dlexp.contract import Horizon, Schedule


def plateau(
    optimizer: Optimizer, horizon: Horizon, *, patience: int, factor: float, min_lr: float, min_delta: float
) -> Schedule:
    """Multiply the learning rate by `factor` after more than `patience` successive epochs without a better value.

    Better means lower than the best value by more than `min_delta`, in units of the value (torch's default is relative).
    Every change is made, however small; torch leaves out those of less than 1e-8.
    """
    scheduler = ReduceLROnPlateau(
        optimizer, patience=patience, factor=factor, min_lr=min_lr, threshold=min_delta, threshold_mode="abs", eps=0.0
    )
    return Schedule(scheduler, every="metric")
