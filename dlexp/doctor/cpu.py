"""The CPU: how many cores this process may use, and whether bf16 is fast on them."""

import os
from collections.abc import Collection
from dataclasses import asdict, dataclass

import torch

from dlexp.doctor.findings import Finding, Section, note
from dlexp.machine.cgroup import cpu_limit
from dlexp.machine.device import describe_device, find_compiler

FLAGS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "bf16")  # bf16: the name on ARM
BF16_INSTRUCTIONS = {"amx_bf16", "avx512_bf16", "bf16"}


@dataclass(frozen=True)
class Cpu:
    """The CPU.

    Args:
        name: Its model.
        cores: In the machine.
        usable: Cores that this process may run on.
        limit: Cores that a control group grants, such as 1.5, or None.
        threads: torch's default; a run uses `hardware.num_threads`.
        flags: Those of `FLAGS` that it has.
        load: Processes that ran or waited in the last minute, on average, or None.
        compiler: For C++, or None.
    """

    name: str
    cores: int
    usable: int
    limit: float | None
    threads: int
    flags: list[str]
    load: float | None
    compiler: str | None

    @property
    def available(self) -> float:
        """Cores that this process can keep busy."""
        return min(self.usable, self.limit or self.usable)


def read_cpu() -> Cpu:
    """Read the facts from the operating system and torch."""
    cores, able = os.cpu_count() or 1, torch.cpu.get_capabilities()
    return Cpu(
        name=describe_device(torch.device("cpu"))["device"],
        cores=cores,
        usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        limit=cpu_limit(),
        threads=torch.get_num_threads(),
        flags=[flag for flag in FLAGS if able.get(flag)],
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        compiler=find_compiler(),
    )


def rate_bf16(flags: Collection[str]) -> str:
    """Whether bf16 is fast on a CPU with these flags. `precision=auto` chooses it on a CPU with AMX."""
    if "amx_bf16" in flags:
        return "fast: the CPU has AMX"
    if BF16_INSTRUCTIONS.intersection(flags):
        return "the CPU has instructions for it, but no AMX: compare its speed with fp32"
    return "slower than fp32: the CPU has no instructions for it"


def judge(cpu: Cpu, *, num_threads: int, format: str) -> list[Finding]:
    """What slows a run down.

    Args:
        cpu: The facts.
        num_threads: `hardware.num_threads` of the run.
        format: The number format of a run on the CPU; empty for a run elsewhere.
    """
    findings = []
    if cpu.load is not None and cpu.load > cpu.available:
        findings.append(
            note(f"The load is {cpu.load:.1f} on {cpu.available:g} cores: other programs are busy, so do not trust times.")
        )
    if num_threads > cpu.available:
        findings.append(note(f"hardware.num_threads={num_threads}: this process has {cpu.available:g} cores, so threads wait."))
    if format == "fp16" or format == "bf16" and not BF16_INSTRUCTIONS.intersection(cpu.flags):
        findings.append(note(f"precision={format} has no fast instructions on this CPU: precision=fp32 is faster."))
    return findings


def build_section(cpu: Cpu, *, num_threads: int, format: str) -> Section:
    """The section on the CPU. Arguments as of `judge`."""
    cores = f"{cpu.usable} of {cpu.cores} usable by this process"
    if cpu.limit is not None:
        cores += f", of which its control group grants {cpu.limit:g}"
    lines = [
        ("model", cpu.name),
        ("cores", cores if cpu.load is None else f"{cores}; load {cpu.load:.1f}"),
        ("threads", f"{num_threads} in this run (hardware.num_threads); torch's default is {cpu.threads}"),
        ("bf16", rate_bf16(cpu.flags)),
        ("C++ compiler", cpu.compiler or "none; hardware.compile=true needs one on the CPU"),
    ]
    return Section("cpu", asdict(cpu), lines, judge(cpu, num_threads=num_threads, format=format))
