"""Whole runs in this process, for tests of what a config leads to."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dlexp.config.compose import compose
from dlexp.config.lookup import look_up
from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute, gather_facts
from dlexp.run.plan import Run, plan
from dlexp.run.record.folder import VOLATILE

# The smallest run on features, and the smallest on images.
MOONS = ("dataset=moons", "dataset.num_examples=100", "model=mlp", "depth=2", "width=16", "batch_size=16", "epochs=2")
IMAGES = (
    "dataset=synthetic_images",
    "dataset.shape=[3,8,8]",
    "dataset.num_classes=3",
    "dataset.num_train=60",
    "dataset.num_test=30",
    "depth=2",
    "width=16",
    "batch_size=16",
    "epochs=2",
)
# The smallest run on a series.
SERIES = (
    "dataset=sine",
    "dataset.num_examples=60",
    "dataset.window=8",
    "model=lstm",
    "loss=mse",
    "depth=2",
    "width=8",
    "batch_size=16",
    "epochs=2",
)


def only_last(overrides: tuple[str, ...]) -> list[str]:
    """The overrides, of each key the last alone."""
    return list({override.partition("=")[0]: override for override in overrides}.values())


def prepare(*overrides: str, root: Path) -> Run:
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


def without_volatile(fields: dict[str, Any]) -> dict[str, Any]:
    """What must be identical between two identical runs."""
    steady = {name: value for name, value in fields.items() if name.rpartition("/")[2] not in VOLATILE}
    return steady | ({"metrics": without_volatile(steady["metrics"])} if "metrics" in steady else {})
