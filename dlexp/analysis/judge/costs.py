"""The metrics that are costs, such as training time: their names and units."""

from typing import NamedTuple


class Cost(NamedTuple):
    """A metric that measures what a result costs.

    Args:
        label: Name for readers.
        unit: Unit in which it is displayed.
        factor: Factor that converts the recorded value to that unit.
        is_memory: Whether it is an amount of memory rather than a time or a speed.
    """

    label: str
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
    """Whether a metric measures a cost and not the quality of the result."""
    return metric in COSTS
