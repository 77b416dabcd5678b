"""How much memory there is for a run, and whether an error means that there was too little."""

import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from dlexp.machine import device as hardware
from dlexp.machine.cgroup import memory_limit

SHARED = Path("/dev/shm")


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
    available, limit, addresses = _available() or physical, memory_limit(), _addresses()
    if limit is not None:
        available = min(available, max(0, limit[0] - limit[1]))
    if addresses is not None:
        available = min(available, addresses)
    shared = shutil.disk_usage(SHARED).free if SHARED.is_dir() else None
    return Memory(physical, limit[0] if limit else None, available, shared)


def free(device: torch.device) -> int:
    """Bytes that this process can still have on a device; what is kept for later is among them."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    hardware.empty_cache()
    return look().available


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the device or on the host; no other error of CUDA is that."""
    told = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)  # of torch's allocator for the CPU
    return told or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _available() -> int | None:
    """What Linux thinks that a new process can have without swapping; elsewhere None."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    numbers = (line.split()[1] for line in lines if line.startswith("MemAvailable:"))
    return next((int(number) * 1024 for number in numbers), None)


def _addresses() -> int | None:
    """Bytes of address space left to this process under `ulimit -v`; None: no limit, or a system that does not tell."""
    granted = resource.getrlimit(resource.RLIMIT_AS)[0]
    try:
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return None
    return None if granted == resource.RLIM_INFINITY else max(0, granted - taken)
