"""Learning rate that falls where the monitored value stops falling: `scheduler=plateau`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from dlexp.contract import Horizon, Schedule


def plateau(
    optimizer: Optimizer, horizon: Horizon, *, patience: int, factor: float, min_lr: float, min_delta: float
) -> Schedule:
    """Multiply the learning rate by `factor` after more than `patience` epochs in a row without a better value.

    Better is lower than the best by more than `min_delta`, in the unit of the value (torch's own default is relative, 1e-4).
    """
    scheduler = ReduceLROnPlateau(
        optimizer, patience=patience, factor=factor, min_lr=min_lr, threshold=min_delta, threshold_mode="abs"
    )
    return Schedule(scheduler, every="metric")
