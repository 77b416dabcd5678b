"""Load the arrays that runs saved, such as predictions and histograms, from the run that represents each cell."""

import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.concatenate import list_records
from dlexp.analysis.read.folder import warn_damaged
from dlexp.analysis.read.tables import TABLES
from dlexp.analysis.report.arrange import add_cell_names, cell_names, group_by, records, show_repeat, varying_keys
from dlexp.analysis.report.labels import show
from dlexp.machine.files import open_regular_file
from dlexp.run.record.checksums import check_file, check_listed_file

PREDICTIONS = "predictions"  # the arrays that every run saves
MAX_UNPACKED_BYTES = 2**28  # of one file; the predictions of 50,000 test examples in 100 classes have a hundredth of it

Arrays = Mapping[str, np.ndarray]


class CellArrays(NamedTuple):
    """The arrays of the run that represents a cell: epoch → arrays; epoch 0 for arrays without one.

    `seed` is that of the run, with the draw of its data where there are several; `title` the name of the cell, and whether this
    run diverged; `run` its row of the table of runs.
    """

    cell: str
    seed: str
    arrays: dict[int, Arrays]
    title: str
    run: Mapping[Any, Any]


def load_cell_arrays(result: StudyResult, name: str) -> list[CellArrays]:
    """For each cell, in order, the arrays of this name of its first finished run, by seed, that saved them.

    Older runs saved predictions of weights that are not finite; they are left out.
    """
    runs = result.runs[result.runs["status"].isin(FINISHED)]
    if name == PREDICTIONS and "test/loss" in runs:
        runs = runs[runs["test/loss"].notna()]
    runs = add_cell_names(runs, varying_keys(result))
    ordered = runs.sort_values(["data_seed", "seed"] if result.by_draw else "seed")
    by_cell = dict(list(ordered.groupby("cell", sort=False)))
    saved: dict[str, dict[int, Arrays]] = {}  # id of the run that represents a cell → its arrays
    for cell in cell_names(result):
        for run in list_records(by_cell.get(cell, ordered.iloc[:0]), ("id", "folder")):
            if arrays := read_arrays(*locate_arrays(result, run, name)):
                saved[run["id"]] = arrays
                break
    found = []
    of_cells = {run["id"]: run for run in ordered[ordered["id"].isin(list(saved))].to_dict("records")}
    for identity, arrays in saved.items():
        run = of_cells[identity]
        title = f"{run['cell']} (diverged)" if run["status"] == "diverged" else run["cell"]
        found.append(CellArrays(run["cell"], show_repeat(run, by_draw=result.by_draw), arrays, title, run))
    return found


def locate_arrays(result: StudyResult, run: Mapping[Any, Any], name: str) -> tuple[Path, str]:
    """The folder that has the arrays of a run, and what their files' names begin with: in the run's folder, or in tables/."""
    return (result.folder / TABLES, f"{run['id']}-{name}") if result.from_tables else (Path(run["folder"]) / "arrays", name)


def best_and_worst(result: StudyResult, found: list[CellArrays], limit: int = 4) -> list[CellArrays]:
    """All items if they are few; else those of the cells with the highest and the lowest mean on each data set."""
    if len(found) <= limit:
        return found
    rows = dict(zip(cell_names(result), records(result.cells), strict=True))
    best_first = sorted(found, key=lambda item: -rows[item.cell]["mean"])
    by_dataset = group_by(best_first, lambda item: show(rows[item.cell].get("dataset")))
    return [item for items in by_dataset.values() for item in ([items[0], items[-1]] if len(items) > 1 else items)]


def list_seeds(items: Sequence[CellArrays]) -> str:
    """The distinct seeds of these runs; usually there is only one."""
    return ", ".join(dict.fromkeys(item.seed for item in items))


def read_arrays(folder: Path, name: str) -> dict[int, Arrays]:
    """Read the files `<name>.npz` and `<name>-<epoch>.npz`; a damaged one is named in a warning and left out."""
    found: dict[int, Arrays] = {}
    for epoch, path in find_arrays(folder, name).items():
        try:
            check_file(folder.parent, f"{folder.name}/{path.name}")
            check_listed_file(path)
            with open_regular_file(path) as file:
                _check_size(file)
                with np.load(file, allow_pickle=False) as arrays:
                    found[epoch] = dict(arrays)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            warn_damaged(path, error)
    return found


def find_arrays(folder: Path, name: str) -> dict[int, Path]:
    """The files `<name>.npz` and `<name>-<epoch>.npz` by epoch, in its order; epoch 0 for a name without one."""
    matches = {path: re.fullmatch(rf"{name}(?:-(\d+))?\.npz", path.name) for path in folder.glob(f"{name}*.npz")}
    return dict(sorted((int(match[1] or 0), path) for path, match in matches.items() if match))


def _check_size(file: IO[bytes]) -> None:
    with zipfile.ZipFile(file) as archive:
        if (size := sum(member.file_size for member in archive.infolist())) > MAX_UNPACKED_BYTES:
            raise ValueError(f"it unpacks to {size} bytes, more than {MAX_UNPACKED_BYTES}")
    file.seek(0)
