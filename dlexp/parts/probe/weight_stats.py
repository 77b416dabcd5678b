"""Size and sparsity of each parameter tensor: `probe=[weight_stats]`."""

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from dlexp.contract import Dataset, ProbeResult


class WeightStats:
    """`norm`, the L2 norm, `sd`, the standard deviation, and `near_zero`, a share, of each parameter tensor.

    Args:
        model: Whose parameters are measured.
        dataset: Not needed.
        near_zero: A parameter p counts as zero if |p| is smaller; an l1 penalty drives most of them there.
    """

    def __init__(self, model: nn.Module, dataset: Dataset, *, near_zero: float) -> None:
        self.model, self.near_zero = model, near_zero

    def __call__(
        self, inputs: Float[Tensor, " batch *shape"], targets: Shaped[Tensor, " batch *_"], loss: nn.Module
    ) -> ProbeResult:
        """Look at each parameter tensor; at no example."""
        scalars: list[tuple[str, str, float]] = []
        for path, parameter in self.model.named_parameters():
            tensor = parameter.detach()
            near_zero = int((tensor.abs() < self.near_zero).sum()) / tensor.numel()
            sd = float(tensor.std(correction=0))
            scalars += [(path, "norm", float(tensor.norm())), (path, "sd", sd), (path, "near_zero", near_zero)]
        return ProbeResult(scalars, {})
