"""Train a tiny run and read what it leaves behind, without what varies between identical runs."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from dlexp.errors import ConfigError
from dlexp.run.display import Plain
from dlexp.run.execute import execute
from dlexp.run.plan import PlannedRun
from dlexp.run.record import checkpoint
from dlexp.run.record.folder import without_volatile
from dlexp.run.record.layout import METRICS
from dlexp.run.record.measurements import PROBES
from dlexp.run.setup.facts import Facts

DESCRIPTIONS = {"id", "overrides", "choices", "modules", "code"}  # entries of the summary on what was run, not what came out


class Outcome(NamedTuple):
    """What a run leaves behind. Two identical runs have equal outcomes.

    Args:
        summary: Without what varies and without what names the run.
        rows: Of metrics.csv, without what varies.
        probes: Text of probes.csv.
        arrays: Digest of each array in arrays/.
        weights: Digest of each tested weight.
        log: Text of train.log; varies.
    """

    summary: dict[str, Any]
    rows: list[dict[str, str]]
    probes: str
    arrays: dict[str, bytes]
    weights: dict[str, bytes]
    log: str

    def differing(self, other: "Outcome") -> list[str]:
        """The first few places where another outcome differs: columns of metrics.csv, entries of the summary, files."""
        found = [] if len(self.rows) == len(other.rows) else ["the number of rows in metrics.csv"]
        for row, its in zip(self.rows, other.rows, strict=False):
            found += [f"{name} in row {row['epoch']} of metrics.csv" for name in row if row[name] != its.get(name)]
        keys = self.summary.keys() | other.summary.keys()
        found += sorted(f"{key} in summary.json" for key in keys if self.summary.get(key) != other.summary.get(key))
        found += ["probes.csv"] if self.probes != other.probes else []
        found += ["arrays/"] if self.arrays != other.arrays else []
        found += ["the weights"] if self.weights != other.weights else []
        return found[:3]


class Interrupted(Plain):
    """A display that ends the run as Ctrl-C would at once, after the step `at`: nothing more is saved.

    Args:
        at: The step. The state of the step before was saved.
    """

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def refresh(self, step: int) -> None:
        """Interrupt the run if the step is reached."""
        if step == self.at:
            raise KeyboardInterrupt


def train(run: PlannedRun, facts: Facts) -> Outcome:
    """Train a run to its end, or from where it was interrupted."""
    with _silent():
        execute(run, facts, Plain())
    return read_outcome(run.folder)


def train_until(run: PlannedRun, facts: Facts, step: int) -> bool:
    """Train a run until it is interrupted after a step. Whether there is a saved state to resume from."""
    try:
        with _silent():
            execute(run, facts, Interrupted(step))
    except KeyboardInterrupt:
        return any((run.folder / checkpoint.FOLDER).glob("step-*.pt"))
    return False


@contextmanager
def _silent() -> Iterator[None]:
    """Drop what a run prints, such as a line for each epoch."""
    with redirect_stdout(StringIO()):
        yield


def read_outcome(folder: Path) -> Outcome:
    """Read the folder of a run.

    Raises:
        ConfigError: If the run was not finished, which only a part that ends the process can cause.
    """
    if not (folder / "summary.json").exists():
        raise ConfigError("The run ended without writing its summary.json.")
    summary = without_volatile(json.loads((folder / "summary.json").read_text()))
    with (folder / METRICS).open() as file:
        rows = [without_volatile(row) for row in csv.DictReader(file)]
    arrays: dict[str, bytes] = {}
    for path in sorted(folder.glob("arrays/*.npz")):
        with np.load(path) as loaded:
            arrays |= {f"{path.stem}/{name}": loaded[name].tobytes() for name in loaded.files}
    best, probes = folder / checkpoint.FOLDER / "best.pt", folder / PROBES
    weights = torch.load(best, weights_only=True) if best.exists() else {}
    return Outcome(
        summary={name: value for name, value in summary.items() if name not in DESCRIPTIONS},
        rows=rows,
        probes=probes.read_text() if probes.exists() else "",
        arrays=arrays,
        weights={name: tensor.contiguous().numpy().tobytes() for name, tensor in weights.items()},
        log=(folder / "train.log").read_text(),
    )
