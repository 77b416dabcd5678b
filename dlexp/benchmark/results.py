"""Run comparisons, and write one JSON document with the machine, every sample and every figure."""

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dlexp.benchmark.comparison import Case, Comparison, Figure, Missing, Request, Sample
from dlexp.benchmark.intervals import estimate, judge
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.benchmark.timing import Samples, time_case
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.device import describe_device
from dlexp.machine.files import write_whole
from dlexp.run.record import folder as record
from dlexp.run.record.modules import git_commit, hash_package

Document = dict[str, Any]


def run_comparisons(
    comparisons: Iterable[Comparison],
    request: Request,
    *,
    rounds: int | None = None,
    block: int | None = None,
    report: Callable[[str], None],
) -> Document:
    """Measure comparisons one after the other.

    Args:
        comparisons: In their order.
        request: The options of the command.
        rounds: Number of pairs, instead of each comparison's own.
        block: Units of a block, instead of each case's own.
        report: Called with the name of each case before it is measured.

    Returns:
        The document: `machine`, and `rows`, one for each figure and for each case that was not measured. After an interrupt
        from the keyboard `interrupted` is true, and the remaining cases are left out.
    """
    document: Document = {"machine": describe_machine(), "started": record.now(), "rows": [], "interrupted": False}
    try:
        for comparison in comparisons:
            for case in comparison.cases(request):
                report(f"{comparison.name}: {case.name}")
                document["rows"] += _measure_case(comparison, case, rounds or comparison.rounds, block)
    except KeyboardInterrupt:
        document["interrupted"] = True
    return document | {"ended": record.now(), "load_after": list(os.getloadavg())}


def _measure_case(comparison: Comparison, case: Case | Missing, rounds: int, block: int | None) -> list[dict[str, Any]]:
    """Measure a case: a row for each figure, or one row with the reason why there is none."""
    row: dict[str, Any] = {"comparison": comparison.name, "case": case.name}
    if isinstance(case, Missing):
        return [row | {"missing": case.reason}]
    load = list(os.getloadavg())
    try:
        samples, num_units = time_case(case, rounds, block)
    except (DifferentWorkError, ConfigError, DatasetError, RuntimeError) as error:
        return [row | {"failed": f"{type(error).__name__}: {error}"}]
    row |= {"arms": list(case.arms), "unit": case.unit, "block": num_units, "load": load, "threads": torch.get_num_threads()}
    rows = [row | evaluate_figure(figure, samples) for figure in case.figures]
    rows[0]["samples"] = samples
    return rows


def evaluate_figure(figure: Figure, samples: Samples) -> dict[str, Any]:
    """A figure over all rounds: its estimate, the control, and the verdict on its goal."""
    pairs = list(zip(samples["ours"], samples.get("other", samples["again"]), strict=True))
    found = estimate([figure.compute(*pair) for pair in pairs])
    control = estimate([figure.compute_control(*pair) for pair in zip(samples["ours"], samples["again"], strict=True)])
    return {
        "figure": figure.kind,
        "measure": figure.unit,
        "estimate": found._asdict(),
        "control": control._asdict(),
        "by_cpu_time": _estimate_cpu_time(figure, pairs),
        "goal": asdict(figure.goal) if figure.goal else None,
        "verdict": judge(found, figure.goal) if figure.goal else "",
    }


def _estimate_cpu_time(figure: Figure, pairs: list[tuple[Sample, Sample]]) -> dict[str, float] | None:
    """The estimate from CPU times instead of wall-clock times, which is steadier on a shared machine."""
    times = [(Sample(a.cpu, None), Sample(b.cpu, None)) for a, b in pairs if a.cpu is not None and b.cpu is not None]
    return estimate([figure.compute(*pair) for pair in times])._asdict() if len(times) == len(pairs) else None


def describe_machine() -> dict[str, Any]:
    """The machine and the versions, without the name of the host."""
    cpu = describe_device(torch.device("cpu"))
    gpu = describe_device(torch.device("cuda"))["device"] if torch.cuda.is_available() else None
    return {
        "cpu": cpu["device"],
        "gpu": gpu,
        "cores": len(os.sched_getaffinity(0)),
        "amx": torch.cpu.get_capabilities().get("amx_tile", False),
        "versions": cpu["versions"],
        "git_commit": git_commit(),
        "code": hash_package(),
        "load_before": list(os.getloadavg()),
    }


def write_document(document: Document, folder: Path) -> Path:
    """Write a document; its name is the date and the device. Returns the path."""
    device = document["machine"]["gpu"] or document["machine"]["cpu"]
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['started'][:19].replace(':', '')}-{name}.json"
    return write_whole(path, json.dumps(document, indent=1) + "\n")
