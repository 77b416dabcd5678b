"""Linear increase, then linear decrease, per step: `scheduler=linear`."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from dlexp.contract import Horizon, Schedule


def linear(
    optimizer: Optimizer, horizon: Horizon, *, warmup_fraction: float, start_factor: float, end_factor: float
) -> Schedule:
    """Change the learning rate linearly from start_factor * lr to lr, then linearly to end_factor * lr after the last step.

    The first part takes `warmup_fraction` of all steps, rounded; the second takes at least one step.

    Source: Jordan 2024, arXiv:2404.00498, appendix A.
    """
    num_warmup = min(round(warmup_fraction * horizon.num_steps), horizon.num_steps - 1)

    def factor(step: int) -> float:
        if step < num_warmup:
            return start_factor + (1 - start_factor) * step / num_warmup
        return 1 - (1 - end_factor) * (step - num_warmup) / (horizon.num_steps - num_warmup)

    return Schedule(LambdaLR(optimizer, factor), every="step")
