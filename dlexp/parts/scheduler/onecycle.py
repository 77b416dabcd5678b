"""One cosine cycle of increase and decrease, per step: `scheduler=onecycle`."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.contract import Horizon, Schedule


def onecycle(
    optimizer: Optimizer, horizon: Horizon, *, pct_start: float, div_factor: float, final_div_factor: float
) -> Schedule:
    """Increase the learning rate from lr / div_factor to lr, then decrease it to lr / (div_factor * final_div_factor).

    Both parts are half a cosine. The first takes the share `pct_start` of the steps. The last value is reached after the last
    step.

    Source: Smith & Topin 2018, arXiv:1708.07120. Differs: the momentum does not change. torch's OneCycleLR is not used because
    it divides by zero if pct_start * num_steps is 1, and ends one step early.
    """
    first = 1 / div_factor
    last = first / final_div_factor

    def factor(step: int) -> float:
        time = step / horizon.num_steps
        if time < pct_start:
            return first + (1 - first) * (1 - math.cos(math.pi * time / pct_start)) / 2
        return last + (1 - last) * (1 + math.cos(math.pi * (time - pct_start) / (1 - pct_start))) / 2

    return Schedule(LambdaLR(optimizer, factor), every="step")
