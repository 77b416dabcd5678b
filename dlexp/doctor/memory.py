"""Main memory, and the part of it that loader processes share."""

from dataclasses import asdict

from dlexp.doctor.findings import Finding, Section, in_bytes, problem
from dlexp.machine.memory import SHARED, Memory

PREFETCH = 2  # batches that each worker of torch's DataLoader makes ahead


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
