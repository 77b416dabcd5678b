"""Main memory, and the shared part of it that the processes of a data loader use."""

from dataclasses import asdict

from dlexp.doctor.findings import Finding, Section, format_bytes, problem
from dlexp.machine.memory import SHARED, Memory

PREFETCH = 2  # batches that each worker of torch's DataLoader prepares in advance


def judge(memory: Memory, *, num_workers: int, batch_bytes: int) -> list[Finding]:
    """Whether the batches of the loader's processes fit into the shared memory.

    Args:
        memory: The facts.
        num_workers: Processes of the loader; 0 if it has none.
        batch_bytes: Size of a batch as it comes from the data.
    """
    needed = num_workers * PREFETCH * batch_bytes
    if memory.shared is None or needed <= memory.shared:
        return []
    return [
        problem(
            f"hardware.loader=workers: {num_workers} workers put {format_bytes(needed)} of batches into {SHARED}, which has "
            f"{format_bytes(memory.shared)} free: use fewer workers, a smaller batch, or loader=resident."
        )
    ]


def build_section(memory: Memory, *, num_workers: int, batch_bytes: int) -> Section:
    """The section on memory. Arguments as of `judge`."""
    limit = f"; a control group grants {format_bytes(memory.limit)}" if memory.limit is not None else ""
    lines = [("main memory", f"{format_bytes(memory.available)} free of {format_bytes(memory.physical)}{limit}")]
    if memory.shared is not None:
        lines.append((str(SHARED), f"{format_bytes(memory.shared)} free; hardware.loader=workers passes batches through it"))
    return Section("memory", asdict(memory), lines, judge(memory, num_workers=num_workers, batch_bytes=batch_bytes))
