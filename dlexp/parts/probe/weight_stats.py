"""Size and sparsity of each parameter tensor: `probe=[weight_stats]`."""

from torch import nn

from dlexp.contract import Dataset, Inputs, ProbeResult, Targets


class WeightStats:
    """`norm`, the L2 norm, `sd`, the standard deviation, and `near_zero`, a share, of each parameter tensor.

    Args:
        model: The model to measure.
        dataset: Not used.
        near_zero: A parameter p is near zero if |p| is smaller than this. An l1 penalty drives most parameters there.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, *, near_zero: float) -> None:
        self.model, self.near_zero = model, near_zero

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Measure each parameter tensor. The batch is not used."""
        scalars: list[tuple[str, str, float]] = []
        for path, parameter in self.model.named_parameters():
            tensor = parameter.detach()
            near_zero = int((tensor.abs() < self.near_zero).sum()) / tensor.numel()
            sd = float(tensor.std(correction=0))
            scalars += [(path, "norm", float(tensor.norm())), (path, "sd", sd), (path, "near_zero", near_zero)]
        return ProbeResult(scalars, {})
