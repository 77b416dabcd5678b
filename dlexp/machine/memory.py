"""How much memory a run can have, and whether an error means that there was too little."""

import resource
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from dlexp.machine.cgroup import memory_limit
from dlexp.machine.device import empty_cache, physical_memory
from dlexp.machine.files import read_system_field, read_system_file

SHARED = Path("/dev/shm")


@dataclass(frozen=True)
class Memory:
    """Main memory, in bytes.

    Args:
        physical: Memory of the machine.
        limit: The limit of a control group, or None.
        available: Memory that this process can still allocate.
        shared: Free memory that processes can share (/dev/shm), or None if the system has no such folder.
    """

    physical: int
    limit: int | None
    available: int
    shared: int | None


def read_memory() -> Memory:
    """Read the sizes from the operating system."""
    physical = physical_memory(torch.device("cpu"))
    available, limit, addresses = _available() or physical, memory_limit(), _addresses()
    if limit is not None:
        available = min(available, max(0, limit[0] - limit[1]))
    if addresses is not None:
        available = min(available, addresses)
    shared = shutil.disk_usage(SHARED).free if SHARED.is_dir() else None
    return Memory(physical, limit[0] if limit else None, available, shared)


def free_memory(device: torch.device) -> int:
    """Bytes that this process can still allocate on a device, including what torch has reserved and does not use."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    empty_cache()
    return read_memory().available


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on the device or on the host. Other CUDA errors do not count."""
    is_cpu_allocator = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return is_cpu_allocator or isinstance(error, torch.OutOfMemoryError | MemoryError)


def _available() -> int | None:
    """Bytes that a new process can have without swapping, as Linux estimates it; None on other systems."""
    field = read_system_field(Path("/proc/meminfo"), "MemAvailable")  # such as 1000 kB
    return int(field.split()[0]) * 1024 if field else None


def _addresses() -> int | None:
    """Bytes of address space that `ulimit -v` leaves to this process; None if there is no limit, or it is not known."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = read_system_file(Path("/proc/self/statm")).split()
    if limit == resource.RLIM_INFINITY or not pages:
        return None
    return max(0, limit - int(pages[0]) * resource.getpagesize())
