"""Device, threads, determinism, TF32: the only place that sets global torch state, anew for each run."""

import os
import platform
import resource
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dlexp.errors import UnsupportedError
from dlexp.machine.process import return_freed_memory, reuse_freed_memory


def find_device(name: str) -> torch.device:
    """The device that `auto`, `cpu` or `cuda` stands for on this machine.

    Raises:
        UnsupportedError: If `cuda` is asked for and there is no usable NVIDIA GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UnsupportedError("hardware=cuda: torch finds no NVIDIA GPU on this machine; hardware=cpu or auto runs here.")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def check_hardware(hardware: Mapping[str, Any], device: torch.device) -> list[str]:
    """The settings of the group `hardware` that this device could only ignore, one message each."""
    problems = []
    if device.type == "cpu":
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
            problems.append("hardware.empty_cache_every empties the memory that torch keeps on a GPU: leave it 0 on the CPU.")
        if hardware["compile"] and not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")):
            problems.append("hardware.compile=true needs a C++ compiler on the CPU, and none is on the PATH.")
    return problems


def set_up(device: torch.device, *, num_threads: int, determinism: str, tf32: bool) -> None:
    """Bring torch's global state to what one run asks for, whatever the run before it left.

    Args:
        device: Where the run computes.
        num_threads: Threads of one CPU operation. Another number gives other last digits.
        determinism: `fast`, `seeded` or `bitwise`; see conf/hardware/cuda.yaml.
        tf32: Whether float32 matrix products and convolutions on a GPU may use TF32.
    """
    torch.set_num_threads(num_threads)
    if device.type == "cpu":
        reuse_freed_memory()
    bitwise = determinism == "bitwise"
    if bitwise:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS makes its first handle
    torch.use_deterministic_algorithms(bitwise)
    # Deterministic mode fills every new tensor with NaN by default, to find code that reads it: up to 15 % of a step.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.deterministic = bitwise
    torch.backends.cudnn.benchmark = determinism == "fast"
    products = "tf32" if tf32 else "ieee"
    torch.backends.cuda.matmul.fp32_precision = products
    torch.backends.cudnn.conv.fp32_precision = products  # type: ignore[attr-defined]
    torch.backends.cudnn.rnn.fp32_precision = products  # type: ignore[attr-defined]
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def empty_cache() -> None:
    """Give the memory that torch and the C library keep for later back; the next allocations ask for it again."""
    torch.cuda.empty_cache()
    return_freed_memory()


def wait(device: torch.device) -> None:
    """Return when the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> dict[str, int]:
    """Largest memory so far, in bytes: of this run on a GPU; on a CPU of the whole process, earlier runs included."""
    if device.type == "cuda":
        return {
            "allocated": torch.cuda.max_memory_allocated(device),
            "reserved": torch.cuda.max_memory_reserved(device),
        }
    return {"process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def physical_memory(device: torch.device) -> int:
    """Memory of the device, in bytes."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def describe(device: torch.device) -> dict[str, Any]:
    """The machine and the versions behind a result, for its summary."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _processor(),
        "host": platform.node(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda},
    }


def _processor() -> str:
    """The model of the CPU, as Linux names it; elsewhere its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
