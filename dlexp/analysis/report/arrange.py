"""What of a study goes where: which key is the horizontal axis, which are lines, which are panels."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.labels import show


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """A table row by row."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def values_of(result: StudyResult, key: str) -> list[Any]:
    """The values of a key, in the order of the study's axis, else numbers ascending, else as they come."""
    axis = (result.protocol["study"].get("axes") or {}).get(key)
    present = {show(value): value for value in result.cells[key] if not is_absent(value)}
    if axis:
        ordered = [value for value in axis if show(value) in present]
        return ordered + [value for name, value in present.items() if name not in set(map(show, axis))]
    values = list(present.values())
    return sorted(values) if values and all(map(is_number, values)) else values


class _Absent:
    """What a cell says about a key that it does not have; in a table, a null cannot be told from it."""

    def __repr__(self) -> str:
        return "–"


ABSENT = _Absent()


def settled(result: StudyResult) -> StudyResult:
    """The result with `ABSENT` where a cell does not have a key, and None where it is null. Doing it twice changes nothing."""
    cells = {run["id"]: run["cell"] for run in result.protocol["runs"]}
    known: dict[tuple[str, ...], set[str]] = {}
    for row in records(result.runs):
        known.setdefault(_spelled(row, result.keys), set(cells.get(row["id"], row)))

    def settle(frame: pd.DataFrame) -> pd.DataFrame:
        rows = [(row, known.get(_spelled(row, result.keys), set(result.keys))) for row in records(frame[result.keys])]
        said = {key: [_said(row[key]) if key in has else ABSENT for row, has in rows] for key in result.keys}
        return frame.assign(**{key: pd.Series(values, frame.index, dtype=object) for key, values in said.items()})

    return replace(
        result,
        runs=settle(result.runs),
        cells=settle(result.cells),
        curves=settle(result.curves),
        probes=settle(result.probes),
    )


def _spelled(row: dict[str, Any], keys: Sequence[str]) -> tuple[str, ...]:
    """A cell's values as text; what is null and what is absent look the same here."""
    return tuple("null" if row[key] is ABSENT else show(row[key]) for key in keys)


def _said(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def is_absent(value: Any) -> bool:
    """Whether a cell says nothing about a key."""
    return value is ABSENT


def is_number(value: Any) -> bool:
    """Whether a value has a place on an axis."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)


def numeric_keys(result: StudyResult) -> list[str]:
    """Keys whose values are at least three numbers, the one with most values first."""
    found = [key for key in result.keys if len(values_of(result, key)) >= 3 and all(map(is_number, values_of(result, key)))]
    return sorted(found, key=lambda key: -len(values_of(result, key)))


def varying_keys(result: StudyResult) -> list[str]:
    """Keys that tell cells apart: those with more than one value; where arms are named, only as many as it takes."""
    rows = records(result.cells)
    varying = [key for key in result.keys if len({show(row[key]) for row in rows}) > 1]
    if "arm" in varying:
        for key in reversed([key for key in varying if key != "arm"]):
            rest = [other for other in varying if other != key]
            if len({tuple(show(row[other]) for other in rest) for row in rows}) == len(rows):
                varying = rest
    return varying or list(result.keys)


def name_of(row: Any, keys: Sequence[str]) -> str:
    """What a cell is called: its values; with the key where the value alone would not say what it is."""
    parts = []
    for key in keys:
        value = row[key]
        if not is_absent(value):
            plain = isinstance(value, str) and key in (
                "arm",
                "activation",
                "norm",
                "optimizer",
                "loss",
                "dataset",
                "model",
                "init",
                "hardware",
                "precision",
            )
            parts.append(show(value) if plain else f"{short(key)}={show(value)}")
    return ", ".join(parts) or "all"


def short(key: str) -> str:
    """`optimizer.lr` → `lr`."""
    return key.rsplit(".", 1)[-1]


def named(frame: pd.DataFrame, keys: Sequence[str], column: str = "cell") -> pd.DataFrame:
    """A copy with what each row's cell is called."""
    return frame.assign(**{column: [name_of(row, keys) for row in records(frame[list(keys)])]})


def band(frame: pd.DataFrame, column: str, by: Sequence[str] = ("epoch",)) -> pd.DataFrame:
    """Mean and 95 % t interval over seeds of one column; rows that are not finite are left out.

    Returns:
        A row a value of `by`, with columns `mean`, `low`, `high`; the interval is the mean where there is one seed.
    """
    known = frame[np.isfinite(frame[column].astype(float))]
    grouped = known.groupby(list(by), sort=True)[column].agg(["mean", "sem", "count"]).reset_index()
    half = (grouped["sem"] * stats.t.ppf(0.975, np.maximum(grouped["count"] - 1, 1))).fillna(0.0)
    return grouped.assign(low=grouped["mean"] - half, high=grouped["mean"] + half)
