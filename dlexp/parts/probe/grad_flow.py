"""Size of the gradient in each parameter tensor: `probe=[grad_flow]`."""

import torch
from torch import nn

from dlexp.contract import Dataset, Inputs, ProbeResult, Targets

CHUNK = 128  # examples per backward pass, to limit the memory for activations


class GradFlow:
    """`mean_abs`, the mean of |gradient|, and `norm`, its L2 norm, of each parameter tensor: in loss per unit of parameter.

    The gradient of the loss without penalties (l1, l2) on the fixed batch, in eval mode and float32, not scaled, not clipped.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model = model

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Differentiate the loss of the batch."""
        parameters = {path: tensor for path, tensor in self.model.named_parameters() if tensor.requires_grad}
        gradients = [torch.zeros_like(tensor) for tensor in parameters.values()]
        for part, part_targets in zip(inputs.split(CHUNK), targets.split(CHUNK), strict=True):
            value = loss(self.model(part), part_targets) * (len(part) / len(inputs))
            for total, gradient in zip(gradients, torch.autograd.grad(value, list(parameters.values())), strict=True):
                total += gradient
        scalars: list[tuple[str, str, float]] = []
        for path, gradient in zip(parameters, gradients, strict=True):
            scalars += [(path, "mean_abs", float(gradient.abs().mean())), (path, "norm", float(gradient.norm()))]
        return ProbeResult(scalars, {})
