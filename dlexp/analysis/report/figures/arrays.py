"""The arrays that runs left beside their tables: which run stands for a cell, and what it kept."""

import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.load import DamagedRunWarning
from dlexp.analysis.report.arrange import name_of, named, records, varying_keys
from dlexp.analysis.report.labels import show

MOST_BYTES = 2**28  # that the arrays of a file may unpack to; those of 50,000 test examples of 100 classes have a hundredth

Arrays = Mapping[str, np.ndarray]


class Kept(NamedTuple):
    """The run that stands for a cell, and its arrays by epoch (0 for what has none)."""

    cell: str
    seed: Any
    arrays: dict[int, Arrays]


def kept(result: StudyResult, name: str) -> list[Kept]:
    """Of each cell, in order, the finished run of the first seed that kept such arrays."""
    keys = varying_keys(result)
    runs = named(result.runs[result.runs["status"].isin(["done", "early_stopped", "diverged"])], keys)
    found = []
    for cell in (name_of(row, keys) for row in records(result.cells)):
        for run in runs[runs["cell"] == cell].sort_values("seed").to_dict("records"):
            if arrays := _read(Path(run["folder"]) / "arrays", name):
                found.append(Kept(cell, run["seed"], arrays))
                break
    return found


def best_and_worst(result: StudyResult, found: list[Kept], limit: int = 4) -> list[Kept]:
    """All, if they are few; else those of the cells with the highest and the lowest mean on each data set."""
    if len(found) <= limit:
        return found
    keys = varying_keys(result)
    rows = {name_of(row, keys): row for row in records(result.cells)}
    sets: dict[str, list[Kept]] = {}
    for item in sorted(found, key=lambda item: -rows[item.cell]["mean"]):
        sets.setdefault(show(rows[item.cell].get("dataset")), []).append(item)
    return [item for some in sets.values() for item in ([some[0], some[-1]] if len(some) > 1 else some)]


def seeds(some: Sequence[Kept]) -> str:
    """The seeds of these runs; mostly one."""
    return ", ".join(dict.fromkeys(show(item.seed) for item in some))


def _read(shelf: Path, name: str) -> dict[int, Arrays]:
    """The files `<name>.npz` and `<name>-<epoch>.npz`; a damaged one is named in a warning and left out."""
    found: dict[int, Arrays] = {}
    for path in shelf.glob(f"{name}*.npz"):
        if match := re.fullmatch(rf"{name}(?:-(\d+))?\.npz", path.name):
            try:
                _check_size(path)
                with np.load(path, allow_pickle=False) as file:
                    found[int(match[1] or 0)] = dict(file)
            except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
                warnings.warn(f"{path} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=2)
    return dict(sorted(found.items()))


def _check_size(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if (size := sum(member.file_size for member in archive.infolist())) > MOST_BYTES:
            raise ValueError(f"it unpacks to {size} bytes, and may to {MOST_BYTES} at most")
