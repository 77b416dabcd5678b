"""Main memory, and the part of it that loader processes share."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from dlexp import hardware
from dlexp.doctor.cgroup import memory_limit
from dlexp.doctor.section import Finding, Section, in_bytes, problem

SHARED = Path("/dev/shm")
PREFETCH = 2  # batches that each worker of torch's DataLoader makes ahead


@dataclass(frozen=True)
class Memory:
    """In bytes.

    Args:
        physical: In the machine.
        limit: That a control group grants, or None.
        available: That this process can still have.
        shared: Free for what processes share (/dev/shm), or None where there is no such place.
    """

    physical: int
    limit: int | None
    available: int
    shared: int | None


def look() -> Memory:
    """Ask the operating system."""
    physical = hardware.physical_memory(torch.device("cpu"))
    available, limit = _available() or physical, memory_limit()
    if limit is not None:
        available = min(available, max(0, limit[0] - limit[1]))
    shared = shutil.disk_usage(SHARED).free if SHARED.is_dir() else None
    return Memory(physical, limit[0] if limit else None, available, shared)


def judge(memory: Memory, *, num_workers: int, batch_bytes: int) -> list[Finding]:
    """Whether the batches of the loader's processes fit into what processes share.

    Args:
        memory: As found.
        num_workers: Processes of the loader; 0: it has none.
        batch_bytes: Size of a batch as it comes from the data.
    """
    needed = num_workers * PREFETCH * batch_bytes
    if memory.shared is None or needed <= memory.shared:
        return []
    return [
        problem(
            f"hardware.loader=workers: {num_workers} workers put {in_bytes(needed)} of batches into {SHARED}, which has "
            f"{in_bytes(memory.shared)} free: take fewer workers, a smaller batch, or loader=resident."
        )
    ]


def section(memory: Memory, *, num_workers: int, batch_bytes: int) -> Section:
    """The memory."""
    limit = f"; a control group grants {in_bytes(memory.limit)}" if memory.limit is not None else ""
    lines = [("main memory", f"{in_bytes(memory.available)} free of {in_bytes(memory.physical)}{limit}")]
    if memory.shared is not None:
        lines.append((str(SHARED), f"{in_bytes(memory.shared)} free, for hardware.loader=workers"))
    return Section("memory", asdict(memory), lines, judge(memory, num_workers=num_workers, batch_bytes=batch_bytes))


def _available() -> int | None:
    """What Linux thinks that a new process can have without swapping; elsewhere None."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    numbers = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(number) * 1024 for number in numbers), None)
