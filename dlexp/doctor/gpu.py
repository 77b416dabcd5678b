"""NVIDIA GPUs: what they are, and which number formats pay on them."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch

from dlexp.doctor.findings import Finding, Section, in_bytes, note
from dlexp.machine.device import find_device
from dlexp.machine.precision import resolve

Capability = tuple[int, int]


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Args:
        name: Of the card.
        capability: Its compute capability.
        total_memory, free_memory: Bytes.
    """

    name: str
    capability: Capability
    total_memory: int
    free_memory: int


@dataclass(frozen=True)
class Graphics:
    """GPUs, and the software between them and torch.

    Args:
        cuda: Version that torch was built for, or None.
        cudnn: Version that came with torch, or None.
        driver: Version, or None where nvidia-smi finds none.
        kernels: What torch was compiled for, such as `sm_90`.
        tf32: What float32 matrix products and convolutions use now, `ieee`, `tf32` or `none` (torch's own choice).
        auto: What `hardware=auto` and `precision=auto` stand for.
        gpus: That torch can use.
    """

    cuda: str | None
    cudnn: str | None
    driver: str | None
    kernels: list[str]
    tf32: dict[str, str]
    auto: dict[str, str]
    gpus: list[Gpu]


class Formats(NamedTuple):
    """Which number formats a GPU has units for. `tensor_cores`: whether these are tensor cores."""

    tensor_cores: bool
    fp16: bool
    bf16: bool
    tf32: bool


def look() -> Graphics:
    """Ask torch, and nvidia-smi for the driver."""
    indices = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
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
        auto={"hardware": device.type, "precision": resolve("auto", device)},
        gpus=[_gpu(index) for index in indices],
    )


def formats(capability: Capability, name: str = "") -> Formats:
    """The formats of a compute capability.

    Args:
        capability: Major, minor.
        name: Of the card: the GTX 16 series has the capability of the RTX 20 series without its tensor cores.
    """
    recent, ampere = capability >= (7, 0), capability >= (8, 0)
    return Formats(tensor_cores=recent and "GTX 16" not in name, fp16=recent, bf16=ampere, tf32=ampere)


def mixed_precision(capability: Capability, name: str = "") -> str:
    """Whether mixed precision pays on a GPU, and which."""
    has, number = formats(capability, name), f"{capability[0]}.{capability[1]}"
    if not has.fp16:
        return f"mixed precision is of no use on compute capability {number}: stay with precision=fp32"
    cores = "tensor cores" if has.tensor_cores else "no tensor cores, but fast fp16"
    if has.bf16:
        return f"{cores}: precision=bf16 and fp16 pay, tf32 is there"
    return f"{cores}: precision=fp16 pays; bf16 and tf32 need compute capability 8.0"


def has_kernels(capability: Capability, kernels: Sequence[str]) -> bool:
    """Whether code compiled for these architectures runs: machine code of the same major version, or any older `compute_`."""
    for kernel in kernels:
        kind, _, digits = kernel.partition("_")
        plain = digits.rstrip("af")  # sm_90a, sm_100f: for one architecture alone
        built = int(plain[:-1]), int(plain[-1])
        same = built == capability if plain != digits else built[0] == capability[0]
        if built <= capability and (same or kind == "compute"):
            return True
    return False


def judge(graphics: Graphics, format: str) -> list[Finding]:
    """What stands between a run and the speed of the GPUs.

    Args:
        graphics: As found.
        format: Of the run's precision, or empty.
    """
    if not graphics.gpus:
        if graphics.driver is None:
            return []
        why = "this torch was built without CUDA" if graphics.cuda is None else "the driver may be too old for this torch"
        return [note(f"There is an NVIDIA driver ({graphics.driver}), but torch finds no GPU: {why}.")]
    findings = []
    for gpu in graphics.gpus:
        if not has_kernels(gpu.capability, graphics.kernels):
            findings.append(note(f"{gpu.name}: this torch was compiled for {', '.join(graphics.kernels)}, not for it."))
        if not formats(gpu.capability, gpu.name).fp16 or format == "bf16" and not formats(gpu.capability).bf16:
            findings.append(note(f"{gpu.name}: {mixed_precision(gpu.capability, gpu.name)}."))
    return findings


def section(graphics: Graphics, format: str) -> Section:
    """The GPUs."""
    lines = []
    for index, gpu in enumerate(graphics.gpus):
        number = f"{gpu.capability[0]}.{gpu.capability[1]}"
        lines += [
            (f"card {index}", f"{gpu.name}, compute capability {number}"),
            ("", f"{in_bytes(gpu.free_memory)} free of {in_bytes(gpu.total_memory)}"),
            ("", mixed_precision(gpu.capability, gpu.name)),
        ]
    built = f"CUDA {graphics.cuda}, cuDNN {graphics.cudnn or 'missing'}" if graphics.cuda else "the CPU alone"
    lines += [] if lines else [("cards", "none that torch can use")]
    lines += [("torch is for", built), ("driver", graphics.driver or "none found")]
    if graphics.gpus:
        now = ", ".join(f"{name} {state}" for name, state in graphics.tf32.items())
        lines.append(("tf32 now", f"{now}; a run sets both by precision="))
    lines.append(("auto", ", ".join(f"{group}=auto is {option}" for group, option in graphics.auto.items()) + " here"))
    return Section("gpu", asdict(graphics), lines, judge(graphics, format))


def _gpu(index: int) -> Gpu:
    free, total = torch.cuda.mem_get_info(index)
    return Gpu(torch.cuda.get_device_name(index), torch.cuda.get_device_capability(index), total, free)


def _driver() -> str | None:
    """As nvidia-smi tells it: torch tells only which CUDA the driver could serve."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return answer[0] if answer else None
