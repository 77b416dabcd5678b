"""Compile a model block by block with torch.compile, and count the seconds that this takes."""

from time import perf_counter

import torch
from torch import nn

from dlexp.machine.private_torch import call_around_compilation

_seconds, _started = 0.0, 0.0


def compile_seconds() -> float:
    """Seconds that this process has spent on compiling so far."""
    return _seconds


def compile_blocks(model: nn.Module) -> None:
    """Compile each block in place. Blocks of equal structure share their compiled code, whatever the depth of the net.

    torch compiles at the first call with each shape of batch, in training and in evaluation.
    """
    _count_seconds()
    for block in find_blocks(model):
        block.compile(dynamic=False)


def is_compiled(model: nn.Module) -> bool:
    """Whether `compile_blocks` has compiled this model."""
    return any(block._compiled_call_impl is not None for block in find_blocks(model))


def find_blocks(model: nn.Module) -> list[nn.Module]:
    """The modules to compile: those in a `Sequential` of the model that have submodules; if there are none, the model."""
    sequences = [child for child in model.children() if isinstance(child, nn.Sequential)]
    found = [block for sequence in sequences for block in sequence if any(True for _ in block.children())]
    return found or [model]


def _count_seconds() -> None:
    """Start counting, and raise torch's limits: they count all nets of a sweep, and beyond them torch would not compile."""
    config = torch.compiler.config
    config.recompile_limit, config.accumulated_recompile_limit, config.fail_on_recompile_limit_hit = 1000, 10000, True
    call_around_compilation(_begin, _end)


def _begin(_: object) -> None:
    global _started
    _started = perf_counter()


def _end(_: object) -> None:
    global _seconds
    _seconds += perf_counter() - _started
