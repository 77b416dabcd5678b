"""Stochastic weight averaging: `average=swa`."""

from torch.optim.swa_utils import get_swa_multi_avg_fn

from dlexp.contract import Average, ConfigError, Horizon


def swa(horizon: Horizon, *, start: float) -> Average:
    """The mean of the weights at the ends of the epochs after `start` times the number of epochs.

    Raises:
        ConfigError: If it would be the mean of one epoch.

    Source: Izmailov et al. 2018, arXiv:1803.05407, algorithm 1. Differs: the learning rate is that of the scheduler.
    """
    before = int(start * horizon.num_epochs)
    if horizon.num_epochs - before < 2:
        raise ConfigError(
            f"average.start={start:g}: of {horizon.num_epochs} epochs this leaves one, whose mean is itself: use a smaller "
            "average.start, more epochs, or average=ema, which takes the mean of steps."
        )
    return Average(get_swa_multi_avg_fn(), every="epoch", first=before + 1)
