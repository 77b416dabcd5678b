"""Device, threads, determinism and TF32: the only place that sets torch's global state. Each run sets it again."""

import os
import platform
import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from dlexp.errors import UnsupportedError
from dlexp.machine.files import read_system_field
from dlexp.machine.numerics import (
    BITWISE_WORKSPACE,
    WORKSPACE,
    describe_libraries,
    describe_processor,
    find_instructions,
    list_variables,
)
from dlexp.machine.process import return_freed_memory, reuse_freed_memory


def find_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` means on this machine.

    Raises:
        UnsupportedError: If `cuda` is chosen and there is no usable NVIDIA GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UnsupportedError("hardware=cuda: torch finds no NVIDIA GPU on this machine; hardware=cpu or auto runs here.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def check_hardware(hardware: Mapping[str, Any], device: torch.device) -> list[str]:
    """One message for each setting of the group `hardware` that has no effect on this device."""
    if device.type != "cpu":
        return []
    problems = []
    if hardware["cuda_graph"]:
        problems.append("hardware.cuda_graph=true replays steps on a GPU, and this run is on the CPU: leave it false.")
    if hardware["determinism"] == "fast":
        problems.append(
            "hardware.determinism=fast lets cuDNN choose its algorithms and needs a GPU; seeded or bitwise run here."
        )
    problems += [
        f"hardware.{key}=true speeds up copies to a GPU, and this run is on the CPU: leave it false."
        for key in ("pin_memory", "non_blocking")
        if hardware[key] and hardware["loader"] == "workers"
    ]
    if hardware["empty_cache_every"]:
        problems.append("hardware.empty_cache_every empties the memory that torch reserves on a GPU: leave it 0 here.")
    if hardware["compile"] and not find_compiler():
        problems.append("hardware.compile=true needs a C++ compiler on the CPU, and none is on the PATH.")
    return problems


def find_compiler() -> str | None:
    """The C++ compiler that torch.compile needs on the CPU, or None."""
    return os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")


def configure_torch(device: torch.device, *, num_threads: int, determinism: str, tf32: bool) -> None:
    """Set torch's global state for one run, whatever the previous run has set.

    Args:
        device: The device of the run.
        num_threads: Threads of one CPU operation. Another number gives other last digits.
        determinism: `fast`, `seeded` or `bitwise`; see conf/hardware/cuda.yaml.
        tf32: Whether float32 matrix products and convolutions on a GPU may use TF32.
    """
    torch.set_num_threads(num_threads)
    if device.type == "cpu":
        reuse_freed_memory()
    bitwise = determinism == "bitwise"
    if bitwise:
        os.environ.setdefault(WORKSPACE, BITWISE_WORKSPACE)  # read when cuBLAS makes its first handle
    torch.use_deterministic_algorithms(bitwise)
    # By default, deterministic mode fills each new tensor with NaN, to reveal code that reads it: up to 15 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = bitwise
    torch.backends.cudnn.benchmark = determinism == "fast"
    products = "tf32" if tf32 else "ieee"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn.fp32_precision = products  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


@contextmanager
def restoring_torch() -> Iterator[None]:
    """Within this context torch's global state may change; afterwards it is as before: threads, flags and random numbers."""
    flags = [(holder, name, getattr(holder, name)) for holder, names in _flags() for name in names]
    num_threads, random = torch.get_num_threads(), torch.get_rng_state()
    random_cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    bitwise, only_warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    workspace = os.environ.get(WORKSPACE)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)
        torch.set_rng_state(random)
        if random_cuda is not None:
            torch.cuda.set_rng_state_all(random_cuda)
        torch.use_deterministic_algorithms(bitwise, warn_only=only_warns)
        for holder, name, value in flags:
            setattr(holder, name, value)
        if workspace is None:
            os.environ.pop(WORKSPACE, None)


def _flags() -> list[tuple[Any, tuple[str, ...]]]:
    """The attributes that `configure_torch` sets, by their holder."""
    cudnn = torch.backends.cudnn
    precisions = [(holder, ("fp32_precision",)) for holder in (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)]  # type: ignore[attr-defined]
    return [(torch.utils.deterministic, ("fill_uninitialized_memory",)), (cudnn, ("deterministic", "benchmark")), *precisions]


def empty_cache() -> None:
    """Return the memory that torch and the C library reserve for reuse. The next allocations request it again."""
    torch.cuda.empty_cache()
    return_freed_memory()


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> dict[str, int]:
    """The largest memory used so far, in bytes: by this run on a GPU; by the whole process on a CPU, with earlier runs."""
    if device.type == "cuda":
        return {
            "allocated": torch.cuda.max_memory_allocated(device),
            "reserved": torch.cuda.max_memory_reserved(device),
        }
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def physical_memory(device: torch.device) -> int:
    """The device's memory in bytes."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def describe_device(device: torch.device) -> dict[str, Any]:
    """The device, the host, the versions, and what else can change the last bits, for a run's summary."""
    cpu = read_system_field(Path("/proc/cpuinfo"), "model name")  # on Linux; elsewhere the architecture must do
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu or platform.machine(),
        "host": platform.node(),
        "processor": describe_processor(),
        "instructions": find_instructions(),
        "libraries": describe_libraries(),
        **({"variables": variables} if (variables := list_variables()) else {}),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda},
    }
