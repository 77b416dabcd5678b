"""A training step as one CUDA graph: the GPU replays it, and Python launches it once."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

WARM_UP = 3  # steps before the capture, in which cuDNN, cuBLAS and the optimizer set themselves up
Measured = tuple[Tensor, Tensor, Tensor]


class _Captured(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Tensor
    targets: Tensor
    measured: Measured
    lrs: list[Tensor]


class GraphedStep:
    """Runs `update`, from the fourth batch of a shape on by replaying it.

    The first three are ordinary steps, on a stream of their own, so that nothing is trained twice and nothing has to be undone.
    The learning rates are the one thing that changes between two replays: they are read from the GPU.

    Args:
        update: Takes a batch, changes the model, and returns what it measured. Must not wait for the GPU.
        optimizer: What `update` steps: fused.
    """

    def __init__(self, update: Callable[[Tensor, Tensor], Measured], optimizer: torch.optim.Optimizer) -> None:
        self.update, self.optimizer = update, optimizer
        self.stream = torch.cuda.Stream()
        self.seen: Counter[torch.Size] = Counter()
        self.captured: dict[torch.Size, _Captured] = {}

    def __call__(self, inputs: Tensor, targets: Tensor) -> Measured:
        """One step."""
        shape = inputs.shape
        if shape not in self.captured:
            self.seen[shape] += 1
            if self.seen[shape] <= WARM_UP:
                return self._on_the_side(inputs, targets)
            self.captured[shape] = self._capture(inputs, targets)
        step = self.captured[shape]
        step.inputs.copy_(inputs)
        step.targets.copy_(targets)
        for lr, group in zip(step.lrs, self.optimizer.param_groups, strict=True):
            lr.fill_(group["lr"])
        step.graph.replay()
        losses, scores, norms = (measured.clone() for measured in step.measured)  # the next replay writes over them
        return losses, scores, norms

    def _on_the_side(self, inputs: Tensor, targets: Tensor) -> Measured:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            measured = self.update(inputs, targets)
        torch.cuda.current_stream().wait_stream(self.stream)
        return measured

    def _capture(self, inputs: Tensor, targets: Tensor) -> _Captured:
        """Record a step without computing it."""
        graph, inputs, targets = torch.cuda.CUDAGraph(), inputs.clone(), targets.clone()
        groups = self.optimizer.param_groups
        rates = [group["lr"] for group in groups]
        on_device = [torch.full((), rate, device=inputs.device) for rate in rates]
        for group, lr in zip(groups, on_device, strict=True):
            group["lr"] = lr
            if "capturable" in group:
                group["capturable"] = True
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                measured = self.update(inputs, targets)
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
        return _Captured(graph, inputs, targets, measured, on_device)
