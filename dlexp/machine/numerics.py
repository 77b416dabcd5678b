"""What on a machine can change the last bits of a result, beside the code and the settings of a run."""

import hashlib
import os
import platform
from functools import cache
from importlib import metadata
from pathlib import Path

import torch

from dlexp.machine.files import read_system_field

WORKSPACE, BITWISE_WORKSPACE = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"  # memory of cuBLAS, and what determinism=bitwise sets
# They choose other instructions, algorithms or orders of summation in torch and its libraries. The usual numbers of threads are
# not among them, because a run sets its own.
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUBLASLT_WORKSPACE_SIZE",
    WORKSPACE,
    "DNNL_DEFAULT_FPMATH_MODE",
    "DNNL_MAX_CPU_ISA",
    "KMP_DETERMINISTIC_REDUCTION",
    "KMP_FORCE_REDUCTION",
    "LD_PRELOAD",
    "MKL_CBWR",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_THREADING_LAYER",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_DYNAMIC",
    "OMP_THREAD_LIMIT",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
PACKAGES = ("numpy", "pandas", "pillow", "scikit-learn", "scipy", "torchvision")  # read, make and decode data
BUILD, DIGITS = "build of torch", 12  # the name of the hash of torch's build, and its length


def describe_numerics(device: torch.device) -> dict[str, str]:
    """The processor, the libraries and the environment variables that can change the last bits: name → text.

    A variable that is not set, and a package that is not installed, is left out.

    Args:
        device: Of the run.
    """
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {
        "processor": describe_processor(),
        "instructions": find_instructions(),
        **gpu,
        **describe_libraries(),
        **list_variables(),
    }


@cache
def describe_processor() -> str:
    """The name of the CPU; on Linux with its maker and model, because virtual machines often have the same name for several."""
    name, *model = (
        read_system_field(Path("/proc/cpuinfo"), field) for field in ("model name", "vendor_id", "cpu family", "model")
    )
    if name and all(model):
        return "{} ({} family {} model {})".format(name, *model)
    return name or platform.processor() or platform.machine()


def describe_libraries() -> dict[str, str]:
    """The build of torch, and the versions of the packages that read, make and decode data, as they were at the first call."""
    packages = {name: version for name in PACKAGES if (version := _find_version(name))}
    return {BUILD: _hash_build(), **packages}


def find_instructions() -> str:
    """The instructions of the CPU that torch's own kernels use, such as AVX2."""
    return torch.backends.cpu.get_cpu_capability()


def list_variables() -> dict[str, str]:
    """The environment variables that the user has set and that can change the last bits."""
    found = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return {name: value for name, value in found.items() if (name, value) != (WORKSPACE, BITWISE_WORKSPACE)}


@cache
def _hash_build() -> str:
    """A hash of how torch was built: its libraries with their versions, and its compiler."""
    lines = (line for line in torch.__config__.show().splitlines() if "CPU capability" not in line)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:DIGITS]


@cache
def _find_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
