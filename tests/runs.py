"""Whole runs in this process, for tests of what a config leads to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.config.plain_json import SUM_KEY, seal
from dlexp.contract_checks.smallest_run import FEATURES, only_last
from dlexp.contract_checks.smallest_run import IMAGES as IMAGES  # re-exported
from dlexp.contract_checks.smallest_run import SERIES as SERIES  # re-exported
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import PlannedRun, plan
from dlexp.run.record.checksums import list_summed_files, sum_file
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


def edit_json(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the content of a JSON file, and make the sum that it holds of itself fit, as its writer would."""
    content = json.loads(path.read_text())
    is_sealed = SUM_KEY in content
    edit(content)
    path.write_text(json.dumps(seal({key: content[key] for key in content if key != SUM_KEY}) if is_sealed else content))


def edit_summary(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change the summary of a finished run."""
    edit_json(folder / "summary.json", edit)


def sum_again(folder: Path) -> None:
    """Make the sums in the summary of a finished run fit its files, as if it had written them as they are now."""
    sums = {name: sum_file(folder / name) for name in list_summed_files(folder)}
    edit_summary(folder, lambda summary: summary.update(files=sums))


def change_model(summary: dict[str, Any]) -> None:
    """Let a run of MOONS seem to be made by another mlp.py."""
    summary["modules"]["parts/model/mlp.py"] = "0" * 16
