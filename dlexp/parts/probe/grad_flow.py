"""Size of the gradient in each parameter tensor: `probe=[grad_flow]`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dlexp.contract import Dataset, Inputs, ProbeResult, Targets
from dlexp.machine.memory import is_out_of_memory

CHUNK = 128  # examples per backward pass, to limit the memory for activations


class GradFlow:
    """`mean_abs`, the mean of |gradient|, and `norm`, its L2 norm, of each parameter tensor: in loss per unit of parameter.

    The gradient of the loss without penalties (l1, l2) on the fixed batch, in float32, not scaled, not clipped.
    """

    def __init__(self, model: nn.Module, dataset: Dataset) -> None:
        self.model = model

    def __call__(self, inputs: Inputs, targets: Targets, loss: nn.Module) -> ProbeResult:
        """Differentiate the loss of the batch."""
        parameters = {path: tensor for path, tensor in self.model.named_parameters() if tensor.requires_grad}
        gradients = self._differentiate(list(parameters.values()), inputs, targets, loss)
        scalars: list[tuple[str, str, float]] = []
        for path, gradient in zip(parameters, gradients, strict=True):
            scalars += [(path, "mean_abs", float(gradient.abs().mean())), (path, "norm", float(gradient.norm()))]
        return ProbeResult(scalars, {})

    def _differentiate(self, parameters: list[Tensor], inputs: Inputs, targets: Targets, loss: nn.Module) -> list[Tensor]:
        """Compute the gradient in chunks, or from the whole batch where a norm uses the statistics of the batch."""
        if not any(module.training for module in self.model.modules()):
            return self._add_chunks(parameters, inputs.split(CHUNK), targets.split(CHUNK), loss)
        try:
            return self._add_chunks(parameters, [inputs], [targets], loss)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Not inside `except`: there the error would still hold the tensors of the failed attempt.
        with torch.autograd.graph.save_on_cpu():  # slower, and the same gradient
            return self._add_chunks(parameters, [inputs], [targets], loss)

    def _add_chunks(
        self, parameters: list[Tensor], inputs: Sequence[Tensor], targets: Sequence[Tensor], loss: nn.Module
    ) -> list[Tensor]:
        """Add up the gradients of chunks of a batch, each weighted by its share of the examples."""
        gradients = [torch.zeros_like(tensor) for tensor in parameters]
        num_examples = sum(map(len, inputs))
        for part, part_targets in zip(inputs, targets, strict=True):
            value = loss(self.model(part), part_targets) * (len(part) / num_examples)
            for total, gradient in zip(gradients, torch.autograd.grad(value, parameters), strict=True):
                total += gradient
        return gradients
