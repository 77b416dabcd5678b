"""Decide how a study is laid out: its numeric axes, the keys that distinguish cells, and the names of cells."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.labels import show

Item = TypeVar("Item")
# Keys whose values are clear without the key: config groups, and the named arms of a study.
SELF_EXPLANATORY_KEYS = {"arm", "activation", "norm", "optimizer", "loss", "dataset", "model", "init", "hardware", "precision"}


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dictionaries."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def group_by(items: Iterable[Item], key: Callable[[Item], Any]) -> dict[Any, list[Item]]:
    """The items by their key, in the order in which the keys first occur."""
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def axis_values(result: StudyResult, key: str) -> list[Any]:
    """The values of a key: in the order of the study's axis, else numbers ascending, else in the order of the cells."""
    axis = (result.protocol["study"].get("axes") or {}).get(key)
    present = {show(value): value for value in result.cells[key] if value is not ABSENT}
    if axis:
        ordered = [value for value in axis if show(value) in present]
        return ordered + [value for name, value in present.items() if name not in set(map(show, axis))]
    values = list(present.values())
    return sorted(values) if values and all(map(is_number, values)) else values


class _Absent:
    """The value of a key that a cell does not have. In a table, null cannot be distinguished from it."""

    def __repr__(self) -> str:
        return "–"


ABSENT = _Absent()


def mark_absent(result: StudyResult) -> StudyResult:
    """Put `ABSENT` where a cell does not have a key, and None where its value is null. A second call changes nothing."""
    cells = {run["id"]: run["cell"] for run in result.protocol["runs"]}
    keys_of: dict[tuple[str, ...], set[str]] = {}
    for row in records(result.runs[["id", *result.keys]]):
        keys_of.setdefault(spell_cell(row, result.keys), set(cells.get(row["id"], result.keys)))

    def mark(frame: pd.DataFrame) -> pd.DataFrame:
        if "id" in frame:  # the rows of a run have the same keys, and there are many of them
            of_runs = frame.drop_duplicates("id")
            places = pd.Index(of_runs["id"]).get_indexer(pd.Index(frame["id"]))
            marked = mark_rows(of_runs).iloc[places].set_axis(frame.index)
        else:
            marked = mark_rows(frame)
        return frame.assign(**{key: marked[key] for key in result.keys})

    def mark_rows(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[result.keys].astype(object)
        rows = records(values.where(values.notna(), None))
        present = [keys_of.get(spell_cell(row, result.keys), result.keys) for row in rows]
        columns = {
            key: [row[key] if key in keys else ABSENT for row, keys in zip(rows, present, strict=True)] for key in result.keys
        }
        return pd.DataFrame(columns, frame.index, dtype=object)

    return replace(
        result, runs=mark(result.runs), cells=mark(result.cells), curves=mark(result.curves), probes=mark(result.probes)
    )


def spell_cell(row: dict[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    """A cell's values as text, to compare cells by; null and absent are equal."""
    return tuple("null" if row[key] is ABSENT else show(row[key]) for key in keys)


def is_number(value: Any) -> bool:
    """Whether a value is a number, and not a boolean."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def numeric_keys(result: StudyResult) -> list[str]:
    """Varying keys with at least three values, all of them numbers; the key with most values first."""
    values = {key: axis_values(result, key) for key in varying_keys(result)}
    numeric = [key for key in values if len(values[key]) >= 3 and all(map(is_number, values[key]))]
    return sorted(numeric, key=lambda key: -len(values[key]))


def varying_keys(result: StudyResult) -> list[str]:
    """Keys with more than one value; where arms are named, only as many as are needed to distinguish the cells."""
    rows = records(result.cells)
    varying = [key for key in result.keys if len({show(row[key]) for row in rows}) > 1]
    if "arm" in varying:
        for key in reversed([key for key in varying if key != "arm"]):
            rest = [other for other in varying if other != key]
            if len({tuple(show(row[other]) for other in rest) for row in rows}) == len(rows):
                varying = rest
    return varying or list(result.keys)


def cell_name(row: Any, keys: Sequence[str]) -> str:
    """The name of a cell: its values, each with its key where the value alone would not be clear."""
    names = []
    for key in keys:
        if (value := row[key]) is not ABSENT:
            is_clear = isinstance(value, str) and key in SELF_EXPLANATORY_KEYS
            names.append(show(value) if is_clear else f"{key.rsplit('.', 1)[-1]}={show(value)}")
    return ", ".join(names) or "all"


def cell_names(result: StudyResult) -> list[str]:
    """The names of the study's cells, in their order."""
    keys = varying_keys(result)
    return [cell_name(row, keys) for row in records(result.cells)]


def count_runs(row: Mapping[str, Any]) -> int:
    """The number of runs of a cell, whatever became of them, from its row of `StudyResult.cells`."""
    return int(row["n"] + row["unusable"] + row["failed"] + row["missing"])


def describe_lost(row: Mapping[str, Any]) -> str:
    """How many runs of a cell diverged, failed or are missing: `diverged 2 of 5`; empty if there are none."""
    total = count_runs(row)
    return ", ".join(f"{kind} {int(row[kind])} of {total}" for kind in ("diverged", "failed", "missing") if row[kind])


def show_repeat(run: Mapping[Any, Any], *, by_draw: bool) -> str:
    """The seed of a run, with the draw of its data where there are several: `0 (data_seed 42)`."""
    return f"{show(run['seed'])} (data_seed {show(run['data_seed'])})" if by_draw else show(run["seed"])


def add_cell_names(frame: pd.DataFrame, keys: Sequence[str], column: str = "cell") -> pd.DataFrame:
    """A copy of the table with a column of cell names; without keys the names are empty."""
    if not keys:
        return frame.assign(**{column: ""})
    known: dict[tuple[Any, ...], str] = {}  # a cell has many rows; 1 and true are equal, and have other names
    names = []
    for values in zip(*(frame[key].tolist() for key in keys), strict=True):
        typed = tuple((type(value), value) for value in values)
        if typed not in known:
            known[typed] = cell_name(dict(zip(keys, values, strict=True)), keys)
        names.append(known[typed])
    return frame.assign(**{column: names})


def mean_over_seeds(frame: pd.DataFrame, column: str, by: str = "epoch", *, by_draw: bool = False) -> pd.DataFrame:
    """Mean and 95 % t interval of a column over seeds; rows that are not finite are left out.

    Args:
        frame: The rows of the runs of one line.
        column: What is averaged.
        by: What distinguishes the points of the line.
        by_draw: Whether the runs are on several draws of the data (`data_seed`): it is then the mean over draws of their means.

    Returns:
        One row per value of `by`, with columns `mean`, `low`, `high`; with one seed, or draw, the interval is the mean itself.
    """
    finite = frame[np.isfinite(frame[column].astype(float))]
    if by_draw:
        finite = finite.groupby([by, "data_seed"], sort=True)[column].mean().reset_index()
    grouped = finite.groupby(by, sort=True)[column].agg(["mean", "sem", "count"]).reset_index()
    half = (grouped["sem"] * stats.t.ppf(0.975, np.maximum(grouped["count"] - 1, 1))).fillna(0.0)
    return grouped.assign(low=grouped["mean"] - half, high=grouped["mean"] + half)


def count_in_bands(frame: pd.DataFrame, bands: Sequence[pd.Series], metrics: Sequence[str]) -> str:
    """How many runs each band of learning curves is computed from, at the epochs that have any: `5`, or `3–5`.

    Args:
        frame: One row per epoch of a run.
        bands: What distinguishes the bands, for each row.
        metrics: The columns that are drawn.
    """
    finite = [np.isfinite(frame[metric].astype(float)) for metric in metrics]
    counts = [
        int(count)
        for rows in finite
        for count in frame[rows].groupby([*(band[rows] for band in bands), frame["epoch"][rows]]).size()
    ]
    least, most = min(counts, default=0), max(counts, default=0)
    return str(most) if least == most else f"{least}–{most}"
