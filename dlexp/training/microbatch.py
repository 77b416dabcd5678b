"""`on_oom`: a batch that does not fit into memory is computed in parts, whose gradients are added up."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from dlexp.machine import device as hardware
from dlexp.machine.memory import is_out_of_memory

Part = tuple[Tensor, Tensor]
Result = TypeVar("Result")

# on_oom → examples of the smallest micro-batch; None: a batch is never split. Batch norm has no statistics of one example.
LEAST = {"fail": None, "microbatch": 1, "microbatch_bn": 2}
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class MicroBatches:
    """Computes each batch as a whole until that runs out of memory; from then on in 2, 4, 8 ... parts, as many as it takes.

    Args:
        least: Examples of the smallest part; None: none is split, and running out of memory is an error like any other.
    """

    def __init__(self, least: int | None) -> None:
        self.least, self.number = least, 1

    def __call__(
        self,
        compute: Callable[[list[Part]], Result],
        inputs: Tensor,
        targets: Tensor,
        mark: Callable[[], Callable[[], None]] | None = None,
    ) -> Result:
        """Compute one batch.

        Args:
            compute: Takes the parts of the batch, of nearly equal size and in its order.
            inputs: Of the batch.
            targets: Of the batch.
            mark: Called before each attempt. What it returns is called after one that ran out of memory, to undo it.

        Raises:
            torch.OutOfMemoryError, MemoryError, RuntimeError: As `compute` raised it, if the smallest parts do not fit either.
        """
        if self.least is None:
            return compute([(inputs, targets)])
        most = max(1, len(targets) // self.least)
        while True:
            undo = mark() if mark else None
            try:
                return compute(split(inputs, targets, min(self.number, most)))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.number >= most:
                    error.add_note(f"Nor does it fit in {most} micro-batches of {self.least} or more examples (on_oom).")
                    raise
            # Not inside `except`: there the error would hold on to the tensors of the attempt that it ended.
            if undo:
                undo()
            hardware.empty_cache()
            self.number = min(2 * self.number, most)


def split(inputs: Tensor, targets: Tensor, number: int) -> list[Part]:
    """A batch in so many parts, whose sizes differ by one at the most."""
    return list(zip(inputs.tensor_split(number), targets.tensor_split(number), strict=True))


def mark(model: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Keep what the forward and backward pass of a batch change beside the gradient, and return what puts all of it back."""
    random = torch.get_rng_state()
    random_cuda = torch.cuda.get_rng_state() if next(model.parameters()).is_cuda else None
    buffers = list(model.buffers())
    kept = [buffer.clone() for buffer in buffers]

    def undo() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.set_rng_state(random)
        if random_cuda is not None:
            torch.cuda.set_rng_state(random_cuda)
        for buffer, before in zip(buffers, kept, strict=True):
            buffer.copy_(before)

    return undo


def has_batch_norm(model: nn.Module) -> bool:
    """Whether some module takes statistics from the whole batch in training, so that a part of it gives others."""
    return any(isinstance(module, BATCH_NORMS) and module.training for module in model.modules())
