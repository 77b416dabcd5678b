"""Exponential moving average of the weights: `average=ema`."""

from torch.optim.swa_utils import get_ema_multi_avg_fn

from dlexp.contract import Average, Horizon


def ema(horizon: Horizon, *, decay: float) -> Average:
    """After the first step the mean is its weights, and after each later one decay * mean + (1 - decay) * weights.

    Source: Polyak & Juditsky 1992, SIAM J. Control Optim. 30(4). Differs: later steps count more.
    """
    return Average(get_ema_multi_avg_fn(decay), every="step", first=1)
