"""Up and down once, by steps: `scheduler=onecycle`."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.contract import Horizon, Schedule


def onecycle(
    optimizer: Optimizer, horizon: Horizon, *, pct_start: float, div_factor: float, final_div_factor: float
) -> Schedule:
    """Half a cosine up from lr / div_factor to lr, then one down to lr / (div_factor * final_div_factor).

    The way up takes the first `pct_start` of the steps. After the last step the learning rate is exactly the last value.

    Source: Smith & Topin 2018, arXiv:1708.07120. Differs: the momentum is left alone. Not torch's OneCycleLR, which divides by
    zero where pct_start * num_steps is 1 and ends one step early.
    """
    first = 1 / div_factor
    last = first / final_div_factor

    def factor(step: int) -> float:
        time = step / horizon.num_steps
        if time < pct_start:
            return first + (1 - first) * (1 - math.cos(math.pi * time / pct_start)) / 2
        return last + (1 - last) * (1 + math.cos(math.pi * (time - pct_start) / (1 - pct_start))) / 2

    return Schedule(LambdaLR(optimizer, factor), every="step")
