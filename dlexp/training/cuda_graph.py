"""Replay a training step as one CUDA graph: the GPU runs all of its kernels after a single launch from Python."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dlexp.training.step import StepResult

WARM_UP = 3  # steps before the recording, in which cuDNN, cuBLAS and the optimizer allocate their workspaces


class _Recorded(NamedTuple):
    graph: torch.cuda.CUDAGraph
    inputs: Tensor
    targets: Tensor
    result: StepResult
    lrs: list[Tensor]


class GraphedStep:
    """Runs a training step, and from the fourth batch of each shape on replays it.

    The first three are ordinary steps on a stream of the graph's own, so that nothing is trained twice and nothing has to be
    undone. Between two replays only the learning rates change; the graph reads them from the GPU.

    Args:
        step: Takes a batch, updates the model and returns its measurements. It must not wait for the GPU.
        optimizer: The optimizer of `step`; it must be fused.
    """

    def __init__(self, step: Callable[[Tensor, Tensor], StepResult], optimizer: torch.optim.Optimizer) -> None:
        self.step, self.optimizer = step, optimizer
        self.stream = torch.cuda.Stream()
        self.seen: Counter[torch.Size] = Counter()
        self.recorded: dict[torch.Size, _Recorded] = {}

    def __call__(self, inputs: Tensor, targets: Tensor) -> StepResult:
        """Train one step."""
        shape = inputs.shape
        if shape not in self.recorded:
            self.seen[shape] += 1
            if self.seen[shape] <= WARM_UP:
                return self._run_on_stream(inputs, targets)
            self.recorded[shape] = self._record(inputs, targets)
        recorded = self.recorded[shape]
        recorded.inputs.copy_(inputs)
        recorded.targets.copy_(targets)
        for lr, group in zip(recorded.lrs, self.optimizer.param_groups, strict=True):
            lr.fill_(group["lr"])
        recorded.graph.replay()
        return StepResult(*(tensor.clone() for tensor in recorded.result))  # the next replay overwrites them

    def _run_on_stream(self, inputs: Tensor, targets: Tensor) -> StepResult:
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            result = self.step(inputs, targets)
        torch.cuda.current_stream().wait_stream(self.stream)
        return result

    def _record(self, inputs: Tensor, targets: Tensor) -> _Recorded:
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
                result = self.step(inputs, targets)
        finally:
            for group, rate in zip(groups, rates, strict=True):
                group["lr"] = rate
        return _Recorded(graph, inputs, targets, result, on_device)
