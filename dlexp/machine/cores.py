"""How many cores this process can keep busy."""

import os

from dlexp.machine.cgroup import cpu_limit


def count_cores() -> float:
    """The cores that this process may run on, within the limit of its control group, such as 1.5."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable, cpu_limit() or usable)
