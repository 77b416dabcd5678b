"""Load run folders, or the runs.csv made of them, as tables."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from dlexp.analysis.read.code import compare_environments, compare_modules
from dlexp.analysis.read.concatenate import build_frame, concatenate_csv
from dlexp.analysis.read.folder import DamagedError, DamagedRunWarning, RunFolder, read_run_folder, warn_damaged
from dlexp.analysis.read.runs_csv import read_runs
from dlexp.analysis.read.text import find_tables
from dlexp.run.record.layout import RUN_FOLDER_NAME, describe_copies, find_run_folders, list_run_folders, read_id

FIRST_COLUMNS = ("id", "study", "folder", "status", "reason", "seed")


def load_runs(path: str | Path = "outputs") -> pd.DataFrame:
    """Load runs into a table with one row per run, whatever its status.

    Args:
        path: `outputs`, a study's folder, one run's folder, or a runs.csv. A folder without run folders is searched
            for runs.csv and runs.csv.gz.

    Returns:
        `id, study, folder, status, reason, seed`, the choices, the plain keys of the config and those dotted ones that differ
        between the runs, the metrics under their slashed names (nan where the summary has null), and the rest of the summary:
        `seconds` (of training), `num_epochs, num_steps` (trained), `num_parameters, code, device, selected_on_test` ...
        `code_differs_in` names the modules in which a run's code is not that of most of these runs. `environment_differs_in`
        does so for processor, libraries and environment variables; it is left out where all runs have the same.
        `status` is `interrupted` where there is no summary: cut off, or running.

    Raises:
        FileNotFoundError: If there is nothing at `path`.
        DamagedError: If `path` is a file and not a table of runs.
    """
    path = Path(path)
    if path.is_file():
        return read_runs(path)
    folders = list(find_run_folders(path, _warn_unreadable))
    if not folders and (tables := list(_read_tables(find_tables(path, "runs.csv")))):
        return pd.concat(tables, ignore_index=True)
    return build_runs(read_run_folders(folders))


def _read_tables(files: Iterable[Path]) -> Iterator[pd.DataFrame]:
    for file in files:
        try:
            yield read_runs(file)
        except DamagedError as error:
            warn_damaged(file, error)


def _warn_unreadable(error: OSError) -> None:
    warnings.warn(f"{error.filename} cannot be read and was left out: {error.strerror}", DamagedRunWarning, stacklevel=4)


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


def list_single_folders(study_folder: Path, damaged: dict[str, str]) -> list[Path]:
    """The run folders of a study. Two of one run are named in a warning and left out: which one is a copy cannot be known.

    Args:
        study_folder: The folder that holds them.
        damaged: Receives a message on each such run, under its id.
    """
    folders: dict[str, list[Path]] = {}
    for folder in list_run_folders(study_folder):
        folders.setdefault(read_id(folder), []).append(folder)
    for identity, several in folders.items():
        if len(several) > 1:
            damaged[identity] = describe_copies(several)
            warnings.warn(damaged[identity], DamagedRunWarning, stacklevel=3)
    return [several[0] for several in folders.values() if len(several) == 1]


def build_runs(runs: Iterable[RunFolder], metrics: Iterable[str] = ()) -> pd.DataFrame:
    """Build the table of `load_runs`, with these scores of single classes, such as `test/recall/ship`, as columns."""
    of_classes = set(metrics)
    runs = list(runs)
    varying = _varying_keys(runs)
    compared = {"code_differs_in": compare_modules(runs), "environment_differs_in": compare_environments(runs)}
    groups = [
        (
            {"id": run.id, "study": run.path.parent.name, "folder": str(run.path), "status": run.status, "reason": run.reason}
            | {"seed": run.config.get("seed")},
            run.choices,
            {key: value for key, value in run.config.items() if "." not in key or key in varying},
            run.metrics | {name: value for name, value in run.of_classes.items() if name in of_classes},
            run.summary | {column: differs[run.id] for column, differs in compared.items() if run.id in differs},
        )
        for run in runs
    ]
    names = (key for group in zip(*groups, strict=True) for fields in group for key in fields)
    columns = dict.fromkeys([*FIRST_COLUMNS, *names])
    rows = [{key: value for fields in group for key, value in fields.items()} for group in groups]
    return build_frame(rows, columns, {key for run in runs for key in run.config})


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
        The run's columns as in `load_metrics`, then `epoch, probe, mode, layer, name, value`. `mode` is that of the model when
        it was measured, `train` or `eval`.
    """
    return add_mode(_load_csv(path, "probes.csv"))


def add_mode(probes: pd.DataFrame) -> pd.DataFrame:
    """Add to the rows of probes.csv the mode of those that an older version measured, always in eval mode, and did not name."""
    if not {"probe", "value"} <= {*probes.columns}:
        return probes
    if "mode" in probes:
        return probes.assign(mode=probes["mode"].fillna("eval"))
    before, after = (list(probes.loc[:, part]) for part in (slice("probe"), slice("layer", None)))
    return probes.assign(mode="eval")[[*before, "mode", *after]]


def _load_csv(path: str | Path, name: str) -> pd.DataFrame:
    runs = list(read_run_folders(find_run_folders(Path(path), _warn_unreadable)))
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
