"""Runs comparisons, and keeps what they gave: one JSON document with the machine, every sample and every figure."""

import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from dlexp.benchmark.comparison import Case, Comparison, Figure, Missing, Request
from dlexp.benchmark.intervals import estimate, verdict
from dlexp.benchmark.measure import Samples, measure
from dlexp.benchmark.same_work import DifferentWorkError
from dlexp.errors import ConfigError, DatasetError
from dlexp.machine.device import describe_device
from dlexp.machine.files import write_whole
from dlexp.run.record import folder as record

Document = dict[str, Any]


def run(
    comparisons: Iterable[Comparison],
    request: Request,
    *,
    rounds: int | None = None,
    block: int | None = None,
    say: Callable[[str], None],
) -> Document:
    """Measure them one after the other.

    Args:
        comparisons: In their order.
        request: What the command asks for.
        rounds: In place of each comparison's own.
        block: Units of a block, in place of each case's own.
        say: Told what is about to be measured.

    Returns:
        The document: `machine`, and `rows`, one for each figure or for each case that was not measured. What an interrupt from
        the keyboard cuts off is left out, and it is noted.
    """
    document: Document = {"machine": machine(), "started": record.now(), "rows": [], "interrupted": False}
    try:
        for comparison in comparisons:
            for case in comparison.cases(request):
                say(f"{comparison.name}: {case.name}")
                document["rows"] += _rows(comparison, case, rounds or comparison.rounds, block)
    except KeyboardInterrupt:
        document["interrupted"] = True
    return document | {"ended": record.now(), "load_after": list(os.getloadavg())}


def _rows(comparison: Comparison, case: Case | Missing, rounds: int, block: int | None) -> list[dict[str, Any]]:
    """What is known of a case: a row for each figure, or one that says why there is none."""
    row: dict[str, Any] = {"comparison": comparison.name, "case": case.name}
    if isinstance(case, Missing):
        return [row | {"missing": case.reason}]
    load = list(os.getloadavg())
    try:
        samples, num_units = measure(case, rounds, block)
    except (DifferentWorkError, ConfigError, DatasetError, RuntimeError) as error:
        return [row | {"failed": f"{type(error).__name__}: {error}"}]
    row |= {"arms": list(case.arms), "unit": case.unit, "block": num_units, "load": load, "threads": torch.get_num_threads()}
    first = {"samples": samples}  # once, though several figures are read from them
    rows = []
    for figure in case.figures:
        rows.append(row | read(figure, samples) | first)
        first = {}
    return rows


def read(figure: Figure, samples: Samples) -> dict[str, Any]:
    """A figure over the rounds: its estimate, the same between an arm and itself, and what becomes of its goal."""
    other = samples.get("other", samples["again"])
    found = estimate([figure.of(*pair) for pair in zip(samples["ours"], other, strict=True)])
    control = estimate([figure.control(*pair) for pair in zip(samples["ours"], samples["again"], strict=True)])
    return {
        "figure": figure.kind,
        "measure": figure.unit,
        "estimate": found._asdict(),
        "control": control._asdict(),
        "by_cpu_time": _by_cpu_time(figure, samples),
        "goal": asdict(figure.goal) if figure.goal else None,
        "verdict": verdict(found, figure.goal) if figure.goal else "",
    }


def _by_cpu_time(figure: Figure, samples: Samples) -> dict[str, float] | None:
    """The estimate again, of the processor's time in place of the clock's: a second witness, on a machine that is shared."""
    other = samples.get("other", samples["again"])
    pairs = [
        (a._replace(seconds=a.cpu), b._replace(seconds=b.cpu))
        for a, b in zip(samples["ours"], other, strict=True)
        if a.cpu is not None and b.cpu is not None
    ]
    return estimate([figure.of(*pair) for pair in pairs])._asdict() if len(pairs) == len(other) else None


def machine() -> dict[str, Any]:
    """The machine and the versions behind the figures; no name of a host."""
    cpu = describe_device(torch.device("cpu"))
    gpu = describe_device(torch.device("cuda"))["device"] if torch.cuda.is_available() else None
    return {
        "cpu": cpu["device"],
        "gpu": gpu,
        "cores": len(os.sched_getaffinity(0)),
        "amx": torch.cpu.get_capabilities().get("amx_tile", False),
        "versions": cpu["versions"],
        "git_commit": record.git_commit(),
        "code": record.code(),
        "load_before": list(os.getloadavg()),
    }


def write(document: Document, folder: Path) -> Path:
    """Keep a document under its date and the name of what it was measured on."""
    device = document["machine"]["gpu"] or document["machine"]["cpu"]
    name = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{document['started'][:19].replace(':', '')}-{name}.json"
    write_whole(path, json.dumps(document, indent=1) + "\n")
    return path
