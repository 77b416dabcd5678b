"""Whole runs in this process, for tests of what a config leads to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.contract_checks.smallest_run import FEATURES, only_last
from dlexp.contract_checks.smallest_run import IMAGES as IMAGES  # re-exported
from dlexp.contract_checks.smallest_run import SERIES as SERIES  # re-exported
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.record.folder import without_volatile

MOONS = FEATURES


def prepare(*overrides: str, root: Path) -> PlannedRun:
    """The run of a command, which must have nothing to look up."""
    command = only_last(("hardware=cpu", f"output_dir={root}", *overrides))
    if problems := look_up(command, multirun=False):
        raise ConfigError(*problems)
    return plan(compose(command))


def run(*overrides: str, root: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Train what a command says; its summary, and the rows of metrics.csv, both without what varies."""
    planned = prepare(*overrides, root=root)
    summary = execute(planned, gather_facts(planned), Plain()) or planned.read_summary() or {}  # done before
    with (planned.folder / "metrics.csv").open() as file:
        rows = [without_volatile(row) for row in csv.DictReader(file)]
    return without_volatile(summary), rows


def edit_summary(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the summary of a finished run."""
    summary = json.loads((folder / "summary.json").read_text())
    edit(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def change_model(summary: dict[str, Any]) -> None:
    """Let a run of MOONS seem to be made by another mlp.py."""
    summary["modules"]["parts/model/mlp.py"] = "0" * 16
