"""Linear warm-up, then half a cosine, per step: `scheduler=warmup_cosine`."""

import math
from collections.abc import Callable
from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.contract import Horizon, Schedule


def warmup_cosine(optimizer: Optimizer, horizon: Horizon, *, warmup_fraction: float, eta_min: float) -> Schedule:
    """Increase the learning rate linearly to lr, then decrease it along half a cosine to eta_min after the last step.

    Of an optimizer with several learning rates, such as muon, each ends at eta_min.

    After n of W warm-up steps the learning rate is lr * (n + 1) / (W + 1), so that no step has a learning rate of 0. W is
    `warmup_fraction` of all steps, rounded; the cosine takes at least one step.

    Source: Goyal et al. 2017, arXiv:1706.02677, section 2.2; Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5.
    """
    num_warmup = min(round(warmup_fraction * horizon.num_steps), horizon.num_steps - 1)

    def factor(step: int, last: float) -> float:
        if step < num_warmup:
            return (step + 1) / (num_warmup + 1)
        time = (step - num_warmup) / (horizon.num_steps - num_warmup)
        return last + (1 - last) * (1 + math.cos(math.pi * time)) / 2

    of_groups: list[Callable[[int], float]] = [partial(factor, last=eta_min / group["lr"]) for group in optimizer.param_groups]
    return Schedule(LambdaLR(optimizer, of_groups), every="step")
