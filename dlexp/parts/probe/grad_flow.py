"""Size of the gradient in each parameter tensor: `probe=[grad_flow]`."""

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from dlexp.contract import Dataset, ProbeResult

CHUNK = 128  # examples differentiated at once: their intermediate results are kept until the gradient is there


class GradFlow:
    """`mean_abs`, the mean of |gradient|, and `norm`, its L2 norm, of each parameter tensor: in loss per unit of parameter.

    The gradient is that of the loss, penalties (l1, l2) apart, on the fixed batch: in eval mode, in float32, neither scaled nor
    clipped.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model = model

    def __call__(
        self, inputs: Float[Tensor, " batch *shape"], targets: Shaped[Tensor, " batch *_"], loss: nn.Module
    ) -> ProbeResult:
        """Differentiate the loss of the batch."""
        parameters = {path: tensor for path, tensor in self.model.named_parameters() if tensor.requires_grad}
        gradients = [torch.zeros_like(tensor) for tensor in parameters.values()]
        for some, theirs in zip(inputs.split(CHUNK), targets.split(CHUNK), strict=True):
            value = loss(self.model(some), theirs) * (len(theirs) / len(targets))
            for total, gradient in zip(gradients, torch.autograd.grad(value, list(parameters.values())), strict=True):
                total += gradient
        scalars: list[tuple[str, str, float]] = []
        for path, gradient in zip(parameters, gradients, strict=True):
            scalars += [(path, "mean_abs", float(gradient.abs().mean())), (path, "norm", float(gradient.norm()))]
        return ProbeResult(scalars, {})
