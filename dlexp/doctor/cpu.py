"""The CPU: its cores as far as this process may use them, and whether bf16 is fast on it."""

import os
import shutil
from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from dlexp.doctor.findings import Finding, Section, note
from dlexp.machine.cgroup import cpu_limit
from dlexp.machine.device import describe

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16")  # bf16: as ARM calls it


@dataclass(frozen=True)
class Cpu:
    """The CPU.

    Args:
        name: Its model.
        cores: In the machine.
        usable: That this process may run on.
        limit: Cores that its control group grants, such as 1.5, or None.
        threads: That torch would use by itself; a run uses `hardware.num_threads`.
        flags: Of `FLAGS`, those it has.
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
    def power(self) -> float:
        """Cores' worth of time that this process can have."""
        return min(self.usable, self.limit or self.usable)


def look() -> Cpu:
    """Ask the operating system and torch."""
    cores = os.cpu_count() or 1
    return Cpu(
        name=describe(torch.device("cpu"))["device"],
        cores=cores,
        usable=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores,
        limit=cpu_limit(),
        threads=torch.get_num_threads(),
        flags=[flag for flag in FLAGS if flag in _flags()],
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        compiler=os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++"),
    )


def bf16(flags: Collection[str]) -> str:
    """Whether bf16 is fast on a CPU with these flags; `precision=auto` takes it where it has tiles."""
    if "amx_bf16" in flags:
        return "fast: computed in tiles (amx_bf16)"
    if "avx512_bf16" in flags or "bf16" in flags:
        return "has instructions of its own, but no tiles (AMX): time it against fp32"
    return "has no instructions of its own: slower than fp32"


def judge(cpu: Cpu, *, num_threads: int, format: str) -> list[Finding]:
    """What slows a run down.

    Args:
        cpu: As found.
        num_threads: Of the run, on the CPU; 0: not known.
        format: Of the run's precision, on the CPU, or empty.
    """
    findings = []
    if cpu.load is not None and cpu.load > cpu.power:
        findings.append(
            note(f"The load is {cpu.load:.1f} on {cpu.power:g} cores: other work is running, so times mean little.")
        )
    if num_threads > cpu.power:
        findings.append(
            note(f"hardware.num_threads={num_threads}: this process has {cpu.power:g} cores; more threads wait for each other.")
        )
    if format == "fp16" or format == "bf16" and not {"amx_bf16", "avx512_bf16", "bf16"}.intersection(cpu.flags):
        findings.append(note(f"precision={format} has no fast instructions on this CPU: precision=fp32 is faster."))
    return findings


def section(cpu: Cpu, *, num_threads: int, format: str) -> Section:
    """The CPU."""
    limit = f", {cpu.limit:g} granted by its control group" if cpu.limit is not None else ""
    usable = f"{cpu.usable} of {cpu.cores} for this process{limit}"
    lines = [
        ("model", cpu.name),
        ("cores", usable if cpu.load is None else f"{usable}; load {cpu.load:.1f}"),
        ("threads", f"{cpu.threads} by torch's own choice; a run uses hardware.num_threads"),
        ("bf16", bf16(cpu.flags)),
        ("C++ compiler", cpu.compiler or "none: hardware.compile=true needs one on the CPU"),
    ]
    return Section("cpu", asdict(cpu), lines, judge(cpu, num_threads=num_threads, format=format))


def _flags() -> set[str]:
    """What Linux says that the first core can do; elsewhere nothing."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    names = (line.partition(":")[2].split() for line in lines if line.startswith(("flags", "Features")))
    return set(next(names, []))
