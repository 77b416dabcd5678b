"""Probes as their YAML files give them, alone and in whole runs."""

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from dlexp.config.options import read_option
from dlexp.contract import Dataset, ProbeResult, Split
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.record.identity import run_id
from dlexp.run.setup.factories import make_probes
from tests.options import options
from tests.runs import prepare, without_volatile

PROBES = options("probe")


def keys(*names: str, **changed: Any) -> dict[str, Any]:
    """What stands in a config under `probe`, with some keys of all changed."""
    return {name: read_option("probe", name) | changed for name in names}


def run_with(probe: dict[str, Any], *overrides: str, root: Path) -> tuple[dict[str, Any], list[dict[str, str]], Path]:
    """Train with probes; the summary and the rows of metrics.csv, both without what varies, and the folder."""
    planned = prepare(*overrides, root=root)
    config = planned.config | {"probe": probe}
    planned = replace(planned, config=config, identity=run_id(config))
    summary = execute(planned, gather_facts(planned), Plain())
    with (planned.folder / "metrics.csv").open() as file:
        rows = [without_volatile(row) for row in csv.DictReader(file)]
    of_the_probe = {"id", "code", "modules"}
    summary = {name: value for name, value in without_volatile(summary).items() if name not in of_the_probe}
    return summary, rows, planned.folder


def scalars(folder: Path) -> list[dict[str, str]]:
    """The rows of probes.csv; none if there is no such file."""
    path = folder / "probes.csv"
    return list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []


def arrays(folder: Path) -> dict[str, dict[str, Any]]:
    """What lies in arrays/, by the file's stem, as lists."""
    return {
        path.stem: {name: values.tolist() for name, values in np.load(path).items()} for path in sorted(folder.glob("arrays/*"))
    }


def dataset_of(inputs: torch.Tensor, targets: torch.Tensor, classes: tuple[str, ...] = ("a", "b")) -> Dataset:
    """A data set that is trained and tested on the same examples, as they are."""
    split = Split(inputs, targets)
    return Dataset(split, None, split, classes, torch.zeros(inputs.shape[1:]), torch.ones(inputs.shape[1:]))


def measure(name: str, model: nn.Module, inputs: torch.Tensor, targets: torch.Tensor, **changed: Any) -> ProbeResult:
    """What one probe finds in a model; the data set is that batch."""
    made = make_probes({"probe": keys(name, **changed)}, model, dataset_of(inputs, targets))
    return made[name][0](inputs, targets, nn.CrossEntropyLoss())


def named(measured: ProbeResult) -> dict[tuple[str, str], float]:
    """(layer, name) → value."""
    return {(layer, name): value for layer, name, value in measured.scalars}
