"""Load run folders, or the runs.csv made of them, as tables."""

import csv
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.read.code import compare_modules
from dlexp.analysis.read.folder import RUN_FOLDER_NAME, DamagedError, RunFolder, find_run_folders, read_run_folder
from dlexp.analysis.read.runs_csv import read_runs

FIRST_COLUMNS = ("id", "study", "folder", "status", "reason", "seed")


class DamagedRunWarning(UserWarning):
    """Names a run folder, or a file in it, that cannot be read and is left out."""


def warn_damaged(path: Path, error: Exception) -> None:
    """Warn that a file or folder is left out."""
    warnings.warn(f"{path} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=4)


def load_runs(path: str | Path = "outputs") -> pd.DataFrame:
    """Load runs into a table with one row per run, whatever its status.

    Args:
        path: `outputs`, a study's folder, one run's folder, or a runs.csv. A folder without run folders is searched
            for runs.csv.

    Returns:
        `id, study, folder, status, reason, seed`, the choices, the plain keys of the config and those dotted ones that differ
        between the runs, the metrics under their slashed names (nan where the summary has null), and the rest of the summary:
        `seconds` (of training), `num_epochs, num_steps` (trained), `num_parameters, code, device, selected_on_test` ...
        `code_differs_in` names the modules in which a run's code is not that of most of these runs.
        `status` is `interrupted` where there is no summary: cut off, or running.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
    """
    path = Path(path)
    if path.is_file():
        return read_runs(path)
    folders = list(find_run_folders(path))
    if not folders and (files := sorted(path.rglob("runs.csv"))):
        return pd.concat([read_runs(file) for file in files], ignore_index=True)
    return build_runs(read_run_folders(folders))


def read_run_folders(folders: Iterable[Path], damaged: dict[str, str] | None = None) -> Iterator[RunFolder]:
    """Read run folders. A damaged one is named in a warning and left out.

    Args:
        folders: The folders.
        damaged: Receives a message on each damaged folder, under the id in the folder's name.
    """
    for folder in folders:
        try:
            yield read_run_folder(folder)
        except DamagedError as error:
            warn_damaged(folder, error)
            if damaged is not None and (name := RUN_FOLDER_NAME.search(folder.name)):
                damaged[name[1]] = f"{folder.name} is damaged: {error}"


def build_runs(runs: Iterable[RunFolder]) -> pd.DataFrame:
    """Build the table of `load_runs`."""
    runs = list(runs)
    varying, differs = _varying_keys(runs), compare_modules(runs)
    groups = [
        (
            {"id": run.id, "study": run.path.parent.name, "folder": str(run.path), "status": run.status, "reason": run.reason}
            | {"seed": run.config.get("seed")},
            run.choices,
            {key: value for key, value in run.config.items() if "." not in key or key in varying},
            run.metrics,
            run.summary | ({"code_differs_in": differs[run.id]} if run.id in differs else {}),
        )
        for run in runs
    ]
    names = (key for group in zip(*groups, strict=True) for fields in group for key in fields)
    columns = dict.fromkeys([*FIRST_COLUMNS, *names])
    rows = [{key: value for fields in group for key, value in fields.items()} for group in groups]
    return build_frame(rows, columns, {key for run in runs for key in run.config})


def build_frame(rows: Sequence[Mapping[Any, Any]], columns: Iterable[str], settings: set[str]) -> pd.DataFrame:
    """Build a table in which the whole numbers of these settings stay whole although other rows have none."""
    frame = pd.DataFrame.from_records(rows, columns=list(columns))
    for name in settings.intersection(frame.columns):
        if frame[name].dtype == float and frame[name].isna().any():
            values = [None if row.get(name) != row.get(name) else row.get(name) for row in rows]
            column = pd.Series(values, dtype=object, index=frame.index)
            frame[name] = column if holds_whole_numbers(column) else frame[name]
    return frame


def holds_whole_numbers(column: pd.Series) -> bool:
    """Whether all values are whole numbers, in a column that is not of type float."""
    return column.dtype != float and all(isinstance(value, int | np.integer) for value in column.dropna())


def _varying_keys(runs: Iterable[RunFolder]) -> set[str]:
    """The config keys with more than one value. Values are compared as text, so that 1, 1.0 and true differ."""
    seen: dict[str, str] = {}
    varying = set()
    for run in runs:
        for key, value in run.config.items():
            if key not in varying and seen.setdefault(key, text := str(value)) != text:
                varying.add(key)
    return varying


def load_metrics(path: str | Path) -> pd.DataFrame:
    """Load the metrics.csv of each run below a folder: one row per epoch of a run; epoch 0 is the untrained model.

    Returns:
        `id, study, status, seed`, the choices, and the config's keys that differ between the runs; then the columns of
        metrics.csv.
    """
    return _load_csv(path, "metrics.csv")


def load_probes(path: str | Path) -> pd.DataFrame:
    """Load the probes.csv of each run below a folder: one row per measurement of a probe.

    Returns:
        The run's columns as in `load_metrics`, then `epoch, probe, layer, name, value`.
    """
    return _load_csv(path, "probes.csv")


def _load_csv(path: str | Path, name: str) -> pd.DataFrame:
    runs = list(read_run_folders(find_run_folders(Path(path))))
    varying = _varying_keys(runs)
    return concatenate_csv(
        (
            run.path / name,
            {"id": run.id, "study": run.path.parent.name, "status": run.status, "seed": run.config.get("seed")}
            | run.choices
            | {key: value for key, value in run.config.items() if key in varying},
        )
        for run in runs
    )


def concatenate_csv(files: Iterable[tuple[Path, dict[str, Any]]]) -> pd.DataFrame:
    """Concatenate the rows of many csv files of numbers and names, each row preceded by its run's fields.

    A missing file adds no rows; an unreadable one is named in a warning and left out. An incomplete last line, which a running
    or interrupted run may have, is dropped.
    """
    rows: list[dict[str, Any]] = []
    columns: dict[str, None] = {}
    settings: set[str] = set()
    for path, fields in files:
        try:
            new_rows = [fields | row for row in _read_csv(path)]
            rows += new_rows
            columns |= dict.fromkeys(new_rows[0] if new_rows else ())
            settings |= fields.keys()
        except FileNotFoundError:
            continue
        except (OSError, ValueError, csv.Error) as error:
            warn_damaged(path, error)
    return build_frame(rows, columns, settings)


def _read_csv(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    complete = text[: text.rfind("\n") + 1].splitlines()
    header, *lines = list(csv.reader(complete)) or [[]]
    if bad := next((i for i, line in enumerate(lines, 2) if len(line) != len(header)), None):
        raise ValueError(f"line {bad} has not the header's {len(header)} fields")
    return [{name: _parse_cell(cell, name) for name, cell in zip(header, line, strict=True)} for line in lines]


def _parse_cell(cell: str, column: str) -> Any:
    if column in ("probe", "layer", "name"):
        return cell
    if column in ("epoch", "step"):
        return int(cell)
    return float(cell) if cell else float("nan")
