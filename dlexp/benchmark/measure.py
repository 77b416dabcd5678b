"""Measures a case: arms in turn, block by block, one of them against itself as well."""

import gc
from collections.abc import Callable
from time import perf_counter, process_time

import torch

from dlexp.benchmark.comparison import Block, Case, Sample
from dlexp.machine.device import synchronize

Samples = dict[str, list[Sample]]
"""`ours`, `other` and `again` (ours once more, the control) → a sample a round."""


def timed(work: Callable[[], None], num_units: int, device: torch.device, *, alone: bool = True) -> Sample:
    """What a piece of work takes, from one moment at which the device is idle to the next.

    Args:
        work: Does `num_units` of something.
        num_units: The result is for one of them.
        device: Where.
        alone: Whether this process does it without others.
    """
    gc.collect()
    synchronize(device)
    began, cpu = perf_counter(), process_time()
    work()
    synchronize(device)
    seconds, cpu = perf_counter() - began, process_time() - cpu
    return Sample(seconds / num_units, cpu / num_units if alone else None)


def measure(case: Case, rounds: int, block: int | None = None) -> tuple[Samples, int]:
    """Check that the arms do the same work, warm them up, and time them in turn: A B A', A' B A, and so on.

    Args:
        case: What is measured.
        rounds: Samples of each arm.
        block: Units of a block, in place of the case's own and of its shortest time.

    Returns:
        The samples, and the units of a block.

    Raises:
        DifferentWorkError: If the arms do not do the same work.
    """
    case.check(case, block or case.block)
    arms = {"ours": case.ours()} | ({"other": case.other()} if case.other else {}) | {"again": case.ours()}
    num_units = block or case.block
    quickest = min(_warm_up(arm, num_units, case.warmup) for arm in arms.values())
    if not block and quickest * num_units < case.least_seconds:
        num_units = round(case.least_seconds / quickest) + 1
    samples: Samples = {name: [] for name in arms}
    for turn in range(rounds):
        for name in list(arms)[:: -1 if turn % 2 else 1]:
            samples[name].append(arms[name](num_units))
    return samples, num_units


def _warm_up(arm: Block, num_units: int, blocks: int) -> float:
    """Seconds of a unit in the last of some blocks that do not count."""
    return [arm(num_units).seconds for _ in range(blocks)][-1]
