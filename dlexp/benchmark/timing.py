"""Time the arms of a case alternately, block by block, and our arm a second time as a control."""

import gc
import resource
from collections.abc import Callable
from time import perf_counter, process_time

import torch

from dlexp.benchmark.comparison import Case, Sample
from dlexp.machine.device import synchronize

Samples = dict[str, list[Sample]]
"""`ours`, `other` and `again` (our arm again, the control) → one sample per round."""


def time_work(work: Callable[[], None], num_units: int, device: torch.device, *, alone: bool = True) -> Sample:
    """Time some work, from an idle device to an idle device.

    Args:
        work: Does `num_units` units of work.
        num_units: The sample is the time of one unit.
        device: The device of the work.
        alone: Whether this process does all of the work.
    """
    gc.collect()
    synchronize(device)
    began, cpu = perf_counter(), process_time()
    work()
    synchronize(device)
    seconds, cpu = perf_counter() - began, process_time() - cpu
    return Sample(seconds / num_units, cpu / num_units if alone else None)


def children_cpu_time() -> float:
    """CPU time in seconds of the child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def time_case(case: Case, rounds: int, block: int | None = None) -> tuple[Samples, int]:
    """Check that the arms do the same work, warm them up, and time them alternately: A B A', A' B A, and so on.

    Args:
        case: The case.
        rounds: Samples of each arm.
        block: Units of a block, instead of the case's own number and shortest time.

    Returns:
        The samples, and the units of a block.

    Raises:
        DifferentWorkError: If the arms do not do the same work.
    """
    num_units = block or case.block
    case.check(case, num_units)
    arms = {"ours": case.ours()} | ({"other": case.other()} if case.other else {}) | {"again": case.ours()}
    # The seconds per unit of the last warm-up block of each arm.
    quickest = min([arm(num_units).seconds for _ in range(case.warmup)][-1] for arm in arms.values())
    if not block and quickest * num_units < case.least_seconds:
        num_units = round(case.least_seconds / quickest) + 1
    samples: Samples = {name: [] for name in arms}
    for turn in range(rounds):
        for name in list(arms)[:: -1 if turn % 2 else 1]:
            samples[name].append(arms[name](num_units))
    return samples, num_units
