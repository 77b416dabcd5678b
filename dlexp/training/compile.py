"""torch.compile, one block of a model at a time, and the seconds that it takes."""

from time import perf_counter

import torch
from torch import nn

from dlexp.machine.private_torch import call_around_compilation

_seconds, _started = 0.0, 0.0


def seconds() -> float:
    """What this process has spent on compiling so far."""
    return _seconds


def compile_blocks(model: nn.Module) -> None:
    """Have torch compile each block in place; blocks of one structure share their code, whatever the depth of the net.

    Compiled at the first call with each shape of batch, in training and in evaluation.
    """
    _count()
    for block in blocks(model):
        block.compile(dynamic=False)


def blocks(model: nn.Module) -> list[nn.Module]:
    """What is compiled as one: each module with parts of its own in a sequence of the model; without such, the model."""
    sequences = [child for child in model.children() if isinstance(child, nn.Sequential)]
    found = [block for sequence in sequences for block in sequence if any(True for _ in block.children())]
    return found or [model]


def _count() -> None:
    """Count the seconds from now on. The limits of torch count all the nets of a sweep; beyond them it would not compile."""
    config = torch.compiler.config
    config.recompile_limit, config.accumulated_recompile_limit, config.fail_on_recompile_limit_hit = 1000, 10000, True
    call_around_compilation(_begin, _end)


def _begin(_: object) -> None:
    global _started
    _started = perf_counter()


def _end(_: object) -> None:
    global _seconds
    _seconds += perf_counter() - _started
