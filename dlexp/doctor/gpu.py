"""NVIDIA GPUs: which there are, and which number formats are fast on them."""

import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch

from dlexp.doctor.findings import Finding, Section, format_bytes, note
from dlexp.machine.device import find_device
from dlexp.machine.precision import resolve_format

Capability = tuple[int, int]


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        name: Of the card.
        capability: Compute capability.
        total_memory, free_memory: Bytes.
    """

    name: str
    capability: Capability
    total_memory: int
    free_memory: int


@dataclass(frozen=True)
class Graphics:
    """The GPUs, and the software between them and torch.

    Args:
        cuda: Version that torch was built for, or None.
        cudnn: Version that came with torch, or None.
        driver: Version, or None if nvidia-smi finds none.
        kernels: The architectures that torch was compiled for, such as `sm_90`.
        tf32: The format of float32 matrix products and convolutions: `ieee`, `tf32` or `none` (torch's default).
        auto: The meaning of `hardware=auto` and `precision=auto`.
        gpus: Those that torch can use.
    """

    cuda: str | None
    cudnn: str | None
    driver: str | None
    kernels: list[str]
    tf32: dict[str, str]
    auto: dict[str, str]
    gpus: list[Gpu]


class Formats(NamedTuple):
    """Which number formats a GPU computes fast, and whether it does so on tensor cores."""

    tensor_cores: bool
    fp16: bool
    bf16: bool
    tf32: bool


def read_gpus() -> Graphics:
    """Read the facts from torch, and the driver's version from nvidia-smi."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    version = torch.backends.cudnn.version()
    device = find_device("auto")
    return Graphics(
        cuda=torch.version.cuda,
        cudnn=f"{version // 10000}.{version // 100 % 100}.{version % 100}" if version else None,
        driver=_driver(),
        kernels=torch.cuda.get_arch_list(),
        tf32={
            "products": torch.backends.cuda.matmul.fp32_precision,
            "convolutions": torch.backends.cudnn.conv.fp32_precision,  # type: ignore[attr-defined]
        },
        auto={"hardware": device.type, "precision": resolve_format("auto", device)},
        gpus=[_read_gpu(index) for index in range(count)],
    )


def find_formats(capability: Capability, name: str = "") -> Formats:
    """The fast formats of a GPU.

    Args:
        capability: Major, minor.
        name: The card. The GTX 16 series has the capability of the RTX 20 series, but no tensor cores.
    """
    recent, ampere = capability >= (7, 0), capability >= (8, 0)
    return Formats(tensor_cores=recent and "GTX 16" not in name, fp16=recent, bf16=ampere, tf32=ampere)


def rate_mixed_precision(capability: Capability, name: str = "") -> str:
    """Whether mixed precision makes a run faster on a GPU, and in which format."""
    has, number = find_formats(capability, name), f"{capability[0]}.{capability[1]}"
    if not has.fp16:
        return f"mixed precision is not faster on compute capability {number}: use precision=fp32"
    cores = "tensor cores" if has.tensor_cores else "no tensor cores, but fast fp16"
    if has.bf16:
        return f"{cores}: precision=bf16, fp16 and tf32 are faster than fp32"
    return f"{cores}: precision=fp16 is faster than fp32; bf16 and tf32 need compute capability 8.0"


def has_kernels(capability: Capability, kernels: Sequence[str]) -> bool:
    """Whether code compiled for these architectures runs: `sm_` of the same major version, or any older `compute_`."""
    for kernel in kernels:
        kind, _, digits = kernel.partition("_")
        plain = digits.rstrip("af")  # sm_90a and sm_100f run on that architecture only
        built = int(plain[:-1]), int(plain[-1])
        same = built == capability if plain != digits else built[0] == capability[0]
        if built <= capability and (same or kind == "compute"):
            return True
    return False


def judge(graphics: Graphics, format: str) -> list[Finding]:
    """What prevents a run from using the GPUs at full speed.

    Args:
        graphics: The facts.
        format: The number format of a run on a GPU; empty for a run elsewhere.
    """
    if not graphics.gpus:
        if graphics.driver is None:
            return []
        why = "this torch was built without CUDA" if graphics.cuda is None else "the driver may be too old for this torch"
        return [note(f"There is an NVIDIA driver ({graphics.driver}), but torch finds no GPU: {why}.")]
    findings = []
    for gpu in graphics.gpus:
        if not has_kernels(gpu.capability, graphics.kernels):
            findings.append(note(f"{gpu.name}: this torch was compiled for {', '.join(graphics.kernels)} only."))
        if not find_formats(gpu.capability, gpu.name).fp16 or format == "bf16" and not find_formats(gpu.capability).bf16:
            findings.append(note(f"{gpu.name}: {rate_mixed_precision(gpu.capability, gpu.name)}."))
    return findings


def build_section(graphics: Graphics, format: str) -> Section:
    """The section on the GPUs. Arguments as of `judge`."""
    lines = []
    for index, gpu in enumerate(graphics.gpus):
        number = f"{gpu.capability[0]}.{gpu.capability[1]}"
        lines += [
            (f"GPU {index}", f"{gpu.name}, compute capability {number}"),
            ("", f"{format_bytes(gpu.free_memory)} free of {format_bytes(gpu.total_memory)}"),
            ("", rate_mixed_precision(gpu.capability, gpu.name)),
        ]
    built = f"CUDA {graphics.cuda}, cuDNN {graphics.cudnn or 'missing'}" if graphics.cuda else "for the CPU only"
    lines += [] if lines else [("GPUs", "none that torch can use")]
    lines += [("torch build", built), ("driver", graphics.driver or "none found")]
    if graphics.gpus:
        now = ", ".join(f"{name} {state}" for name, state in graphics.tf32.items())
        lines.append(("float32 format", f"{now}; the group precision sets both for a run"))
    lines.append(("auto", ", ".join(f"{group}=auto means {option}" for group, option in graphics.auto.items())))
    return Section("gpu", asdict(graphics), lines, judge(graphics, format))


def _read_gpu(index: int) -> Gpu:
    free, total = torch.cuda.mem_get_info(index)
    return Gpu(torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index), total, free)


def _driver() -> str | None:
    """The driver's version. torch knows only the CUDA version that the driver supports."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return answer[0] if answer else None
