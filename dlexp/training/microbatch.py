"""`on_oom`: compute a batch that does not fit into memory in parts, and add up their gradients."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from dlexp.machine.device import empty_cache
from dlexp.machine.memory import is_out_of_memory

Part = tuple[Tensor, Tensor]
Result = TypeVar("Result")

# on_oom → examples of the smallest part; None: a batch is never split. Batch norm has no statistics of a single example.
MIN_EXAMPLES = {"fail": None, "microbatch": 1, "microbatch_bn": 2}
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


class MicroBatches:
    """Computes each batch whole until memory runs out; from then on in 2, 4, 8 ... parts, as many as are needed.

    Args:
        min_examples: Examples of the smallest part. None: no batch is split, and running out of memory is an ordinary error.
    """

    def __init__(self, min_examples: int | None) -> None:
        self.min_examples, self.number = min_examples, 1

    def __call__(
        self,
        compute: Callable[[list[Part]], Result],
        inputs: Tensor,
        targets: Tensor,
        remember: Callable[[], Callable[[], None]] | None = None,
    ) -> Result:
        """Compute one batch.

        Args:
            compute: Takes the parts of the batch, in its order; their sizes differ by one at the most.
            inputs: Inputs of the batch.
            targets: Targets of the batch.
            remember: Called before each attempt. It returns a function that undoes the attempt, which is called if memory ran
                out.

        Raises:
            torch.OutOfMemoryError, MemoryError, RuntimeError: As `compute` raised it, if the smallest parts do not fit either.
        """
        if self.min_examples is None:
            return compute([(inputs, targets)])
        most = max(1, len(targets) // self.min_examples)
        while True:
            undo = remember() if remember else None
            try:
                return compute(split(inputs, targets, min(self.number, most)))
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                if self.number >= most:
                    error.add_note(f"Nor does it fit in {most} micro-batches of {self.min_examples} or more examples (on_oom).")
                    raise
            # Not inside `except`: there the error would still hold the tensors of the failed attempt.
            if undo:
                undo()
            empty_cache()
            self.number = min(2 * self.number, most)


def split(inputs: Tensor, targets: Tensor, number: int) -> list[Part]:
    """Split a batch into `number` parts, whose sizes differ by one at the most."""
    return list(zip(inputs.tensor_split(number), targets.tensor_split(number), strict=True))


def remember_state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], None]:
    """Copy what a forward and backward pass changes: random generators and buffers.

    Returns:
        A function that restores them and removes the gradients.
    """
    random = torch.get_rng_state()
    random_cuda = torch.cuda.get_rng_state() if next(model.parameters()).is_cuda else None
    buffers = list(model.buffers())
    copies = [buffer.clone() for buffer in buffers]

    def undo() -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.set_rng_state(random)
        if random_cuda is not None:
            torch.cuda.set_rng_state(random_cuda)
        for buffer, copy in zip(buffers, copies, strict=True):
            buffer.copy_(copy)

    return undo


def has_batch_norm(model: nn.Module) -> bool:
    """Whether a module takes its statistics from the whole batch in training, so that a part of the batch gives others."""
    return any(isinstance(module, BATCH_NORMS) and module.training for module in model.modules())
