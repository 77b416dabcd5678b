"""Run folders, or the runs.csv made of them, as tables."""

import csv
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.read.folder import DamagedError, RunFolder, find_folders, read_folder
from dlexp.analysis.read.runs_csv import read_sheet


class DamagedRunWarning(UserWarning):
    """Names a run folder, or a file in it, that cannot be read and was left out."""


def load_runs(path: str | Path) -> pd.DataFrame:
    """A row a run, whatever became of it.

    Args:
        path: `outputs`, a study's folder, one run's folder, or a runs.csv; a folder without run folders is searched
            for runs.csv.

    Returns:
        `id, study, folder, status, reason, seed`, the choices, the plain keys of the config and those dotted ones that differ
        between the runs, the metrics under their slashed names (nan where the summary has null), and the rest of the summary:
        `seconds` (of training), `num_epochs, num_steps` (trained), `num_parameters, code, device, selected_on_test` ...
        `status` is `interrupted` where there is no summary: cut off, or running.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
    """
    path = Path(path)
    if path.is_file():
        return read_sheet(path)
    folders = list(find_folders(path))
    if not folders and (sheets := sorted(path.rglob("runs.csv"))):
        return pd.concat([read_sheet(sheet) for sheet in sheets], ignore_index=True)
    return table(read_all(folders))


def read_all(folders: Iterable[Path]) -> Iterator[RunFolder]:
    """The runs of these folders; a damaged one is named in a warning and left out."""
    for folder in folders:
        try:
            yield read_folder(folder)
        except DamagedError as error:
            warnings.warn(f"{folder} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=3)


def table(runs: Iterable[RunFolder]) -> pd.DataFrame:
    """A row a run, as `load_runs` has it."""
    runs = list(runs)
    varying = _varying(run.config for run in runs)
    rows = [
        {"id": run.id, "study": run.path.parent.name, "folder": str(run.path), "status": run.status, "reason": run.reason}
        | {"seed": run.config.get("seed")}
        | run.choices
        | {key: value for key, value in run.config.items() if "." not in key or key in varying}
        | run.metrics
        | run.facts
        for run in runs
    ]
    first = ["id", "study", "folder", "status", "reason", "seed"]
    kinds: list[Iterable[dict[str, Any]]] = [
        [run.choices for run in runs],
        [{key: value for key, value in run.config.items() if "." not in key or key in varying} for run in runs],
        [run.metrics for run in runs],
        [run.facts for run in runs],
    ]
    order = dict.fromkeys([*first, *(key for kind in kinds for fields in kind for key in fields)])
    return tabulate(rows, order, {key for run in runs for key in run.config})


def tabulate(rows: Sequence[Mapping[Any, Any]], columns: Iterable[str], settings: set[str]) -> pd.DataFrame:
    """Rows as a table in which a whole number of these settings stays one where other rows have none."""
    frame = pd.DataFrame.from_records(rows, columns=list(columns))
    for name in settings.intersection(frame.columns):
        if frame[name].dtype == float and frame[name].isna().any():
            given = [row.get(name) for row in rows]
            kept = pd.Series([None if value != value else value for value in given], dtype=object, index=frame.index)
            frame[name] = kept if is_whole(kept) else frame[name]
    return frame


def is_whole(column: pd.Series) -> bool:
    """Whether all that is there are whole numbers, and not the whole numbers of a float column."""
    return column.dtype != float and all(isinstance(value, int | np.integer) for value in column.dropna())


def _varying(configs: Iterable[dict[str, Any]]) -> set[str]:
    """The keys that have more than one value; 1, 1.0 and true are told apart by their text."""
    seen: dict[str, str] = {}
    varying = set()
    for config in configs:
        for key, value in config.items():
            if key not in varying and seen.setdefault(key, text := str(value)) != text:
                varying.add(key)
    return varying


def load_metrics(path: str | Path) -> pd.DataFrame:
    """A row an epoch of each run below a folder; epoch 0 is the untrained model.

    Returns:
        `id, study, status, seed`, the choices, and the config's keys that differ between the runs; then the columns of
        metrics.csv.
    """
    return _long(path, "metrics.csv")


def load_probes(path: str | Path) -> pd.DataFrame:
    """A row a number that a probe took, of each run below a folder.

    Returns:
        The run's columns as in `load_metrics`, then `epoch, probe, layer, name, value`.
    """
    return _long(path, "probes.csv")


def _long(path: str | Path, name: str) -> pd.DataFrame:
    runs = list(read_all(find_folders(Path(path))))
    varying = _varying(run.config for run in runs)
    return stack(
        (
            (
                run.path / name,
                {"id": run.id, "study": run.path.parent.name, "status": run.status}
                | {"seed": run.config.get("seed")}
                | run.choices
                | {key: value for key, value in run.config.items() if key in varying},
            )
            for run in runs
        ),
    )


def stack(files: Iterable[tuple[Path, dict[str, Any]]]) -> pd.DataFrame:
    """The rows of many csv files of numbers and names, each row with its run's fields in front.

    A file that is not there adds nothing; one that cannot be read is named in a warning and left out. What a running or cut-off
    run left of its last line is dropped.
    """
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    settings: set[str] = set()
    for path, fields in files:
        try:
            found = [fields | row for row in _rows(path)]
            rows += found
            columns |= dict.fromkeys(found[0] if found else ())
            settings |= fields.keys()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, csv.Error) as error:
            warnings.warn(f"{path} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=2)
    return tabulate(rows, columns, settings)


def _rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1].splitlines()
    header, *lines = list(csv.reader(whole)) or [[]]
    if bad := next((i for i, line in enumerate(lines, 2) if len(line) != len(header)), None):
        raise ValueError(f"line {bad} has not the header's {len(header)} fields")
    numeric = [name not in ("probe", "layer", "name") for name in header]
    return [
        {name: _number(cell, name) if number else cell for name, cell, number in zip(header, line, numeric, strict=True)}
        for line in lines
    ]


def _number(cell: str, name: str) -> float:
    if name in ("epoch", "step"):
        return int(cell)
    return float(cell) if cell else float("nan")
