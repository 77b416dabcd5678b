"""Metrics that are costs, such as a time: what they are called, their unit, and which way is better."""

from typing import NamedTuple


class Cost(NamedTuple):
    """A metric that tells what a result costs.

    Args:
        words: What it is called.
        unit: As it is shown.
        factor: What it is multiplied by to have that unit.
        is_memory: Whether it is memory, and not a time or a speed.
    """

    words: str
    unit: str
    factor: float = 1.0
    is_memory: bool = False


COSTS = {
    "train/seconds": Cost("training time", "s"),
    "train/examples_per_s": Cost("training speed", "examples/s"),
    "target/seconds": Cost("training time to the target", "s"),
    "memory.allocated": Cost("peak GPU memory in use", "MiB", 2**-20, True),
    "memory.reserved": Cost("peak GPU memory reserved", "MiB", 2**-20, True),
    "memory.process": Cost("peak memory of the process", "MiB", 2**-20, True),
}


def is_cost(metric: str) -> bool:
    """Whether a metric tells what a result costs, and not how good it is."""
    return metric in COSTS
