"""`hardware.recompute`: keep only the inputs of each block, and compute its activations again in the backward pass.

This takes less memory and more time. The numbers are the same: random numbers and buffers are those of the first time.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from dlexp.training.compile import find_blocks

Buffers = list[tuple[nn.Module, str, Tensor]]


def recompute_blocks(model: nn.Module) -> None:
    """Let each block compute its activations again in the backward pass, while it is in training mode.

    In eval mode, in which probes measure, and without gradients, blocks compute as they did.
    """
    for block in find_blocks(model):
        block.forward = MethodType(_forward, block)  # a copy of the model has methods of the copied blocks


def _forward(block: nn.Module, *inputs: Any) -> Any:
    forward = partial(type(block).forward, block)
    if not (block.training and torch.is_grad_enabled()):
        return forward(*inputs)
    buffers = [
        (module, name, buffer.clone()) for module in block.modules() for name, buffer in module.named_buffers(recurse=False)
    ]

    def choose_contexts() -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _with_buffers(buffers)

    return checkpoint(forward, *inputs, use_reentrant=False, context_fn=choose_contexts)


@contextmanager
def _with_buffers(buffers: Buffers) -> Iterator[None]:
    """Within this context modules have these buffers: running statistics take each batch in once."""
    now = [(module, name, getattr(module, name)) for module, name, _ in buffers]
    _set_buffers(buffers)
    try:
        yield
    finally:
        _set_buffers(now)


def _set_buffers(buffers: Buffers) -> None:
    for module, name, buffer in buffers:
        setattr(module, name, buffer)
