"""Aggregate runs over seeds into one row per cell, together with the published values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import average_by_block, has_draws, repeats_of
from dlexp.analysis.judge.statistics import binomial_sd, summarise
from dlexp.analysis.read.concatenate import build_frame
from dlexp.analysis.read.folder import flatten

# Groups of statuses.
COMPLETE = ("done", "early_stopped")
FINISHED = (*COMPLETE, "diverged")
FAILED = ("failed", "oom")
NOT_RUN = ("missing", "interrupted")
REFERENCE_NUMBERS = {"reference": "value", "reference_sd": "sd", "reference_n": "n"}  # column → key of a published value


def select_usable(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The finished runs that have a value for this metric; for a cost without the diverged ones, which ended early."""
    if metric not in runs:
        return runs.iloc[:0]
    finished = runs["status"].isin(COMPLETE if is_cost(metric) else FINISHED)
    return runs[finished & pd.to_numeric(runs[metric], errors="coerce").notna()]


def aggregate(runs: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """Aggregate runs into one row per cell, in the order in which the cells first occur.

    Where the runs of a cell are on several draws of the data, its mean and its interval are those of the draws' means.

    Args:
        runs: A table as `load_runs` returns it.
        keys: The columns whose values define a cell.
        metric: The column that is averaged.

    Returns:
        The keys, then `n, diverged, failed, missing, unusable, mean, sd, low, high, draws, median, noise, rank, learned,
        bimodal`; see
        `StudyResult.cells`.
    """
    cells = distinct_cells(runs, keys)
    usable = select_usable(runs, metric)
    counted = [usable.iloc[places] for places in _find_rows(usable, cells)]
    everything = _find_rows(runs, cells)
    statuses = [runs["status"].iloc[places] for places in everything]
    ranks = _mean_ranks(counted, metric)
    rows = []
    for place, (cell, good) in enumerate(zip(cells, counted, strict=True)):
        values = good[metric].astype(float).tolist() if len(good) else []
        summary = summarise(values)
        of_cell = runs.iloc[everything[place]]
        by_draw = "data_seed" not in keys and has_draws(of_cell)
        over = summarise(_average_draws(good, metric)) if by_draw else summary
        count = statuses[place].value_counts()
        rows.append(
            cell
            | {"n": summary.n, "diverged": int(count.get("diverged", 0))}
            | {"failed": int(count.reindex(FAILED).sum()), "missing": int(count.reindex(NOT_RUN).sum())}
            | {"unusable": int(count.reindex(FINISHED).sum()) - summary.n}
            | {"mean": over.mean, "sd": summary.sd, "low": over.low, "high": over.high, "draws": over.n if by_draw else 1}
            | {"median": float(np.median(values)) if values else math.nan}
            | {"noise": _test_set_noise(good, metric, over.mean), "rank": ranks.get(place, math.nan)}
            | _count_learned(of_cell)
        )
    return build_frame(rows, rows[0] if rows else keys, set(keys))


def _average_draws(runs: pd.DataFrame, metric: str) -> list[float]:
    """The mean over the seeds of each draw of the data."""
    values = dict(zip(repeats_of(runs, by_draw=True), runs[metric].astype(float), strict=True)) if len(runs) else {}
    return list(average_by_block(values).values())


def _count_learned(runs: pd.DataFrame) -> dict[str, Any]:
    """How many of a cell's runs learned, and whether those that finished are of both kinds; nan and False where unknown."""
    if "learned" not in runs:
        return {"learned": math.nan, "bimodal": False}
    finished = runs["learned"][runs["status"].isin(COMPLETE)].astype(bool)
    return {"learned": int(finished.sum()), "bimodal": bool(finished.any() and not finished.all())}


def _find_rows(runs: pd.DataFrame, cells: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """The places of each cell's rows, as `matches` selects them, in one pass over the table."""
    if not any(cells):  # without keys there is one cell, with all rows
        return [list(range(len(runs))) for _ in cells]
    places: dict[tuple[Any, ...], list[int]] = {}
    for place, values in enumerate(zip(*(runs[key] for key in cells[0]), strict=True)):
        places.setdefault(_identify(values), []).append(place)
    return [places.get(_identify(cell.values()), []) for cell in cells]


def _identify(values: Iterable[Any]) -> tuple[Any, ...]:
    """What two rows of a cell have in common: 1, 1.0 and true are equal, and so are two nulls."""
    return tuple(None if pd.api.types.is_scalar(value) and pd.isna(value) else flatten(value) for value in values)


def distinct_cells(runs: pd.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The cells, in the order of their first runs. Two nulls are equal."""
    cells: dict[str, dict[str, Any]] = {}
    for row in runs[list(keys)].to_dict("records"):
        cell = {str(key): None if value != value else value for key, value in row.items()}
        cells.setdefault(repr(list(cell.values())), cell)
    return list(cells.values())


def matches(runs: pd.DataFrame, selector: Mapping[str, Any]) -> pd.Series:
    """Which rows have these values. Null selects null; a key that is not a column selects nothing."""
    selected = np.ones(len(runs), bool)
    for key, value in selector.items():
        if key not in runs:
            return pd.Series(False, runs.index)
        wanted = flatten(value)
        selected &= runs[key].isna() if wanted is None else np.array([other == wanted for other in runs[key]], bool)
    return pd.Series(selected, runs.index)


def _test_set_noise(runs: pd.DataFrame, metric: str, mean: float) -> float:
    """Binomial sd of a mean accuracy on a test set of this size; nan for any other metric."""
    if not metric.endswith("test/acc") or "num_test_examples" not in runs or not 0 <= mean <= 1:
        return math.nan
    sizes = runs["num_test_examples"].dropna()
    return binomial_sd(mean, float(sizes.min())) if len(sizes) else math.nan


def _mean_ranks(cells: Sequence[pd.DataFrame], metric: str) -> dict[int, float]:
    """Mean rank of each cell, by its place, over the seeds that every cell has; 1 is best, ties share a rank.

    Where cells are on several draws of the data, it is the mean over the seeds of the draws that every cell has.
    """
    if all(runs.empty for runs in cells):
        return {}
    by_draw = any(map(has_draws, cells))
    columns = [
        pd.Series(runs[metric].to_numpy(), pd.Index(repeats_of(runs, by_draw=by_draw), tupleize_cols=False)) for runs in cells
    ]
    columns = [column[~column.index.duplicated()] for column in columns]
    table = pd.concat(columns, axis=1, keys=range(len(columns))).dropna().astype(float)
    ranks = table.rank(axis=1, ascending=not is_rising(metric)).mean()
    return {int(str(place)): float(rank) for place, rank in ranks.items()}


def add_reference(cells: pd.DataFrame, reference: Mapping[str, Any] | None) -> pd.DataFrame:
    """Add `reference, reference_sd, reference_n`: the published value whose selector matches the cell."""
    cells = cells.assign(**dict.fromkeys(REFERENCE_NUMBERS, math.nan))
    for entry in (reference or {}).get("values", []):
        selected = matches(cells, {key: value for key, value in entry.items() if key not in REFERENCE_NUMBERS.values()})
        for column, key in REFERENCE_NUMBERS.items():
            cells.loc[selected, column] = float(entry[key]) if entry.get(key) is not None else math.nan
    return cells


def find_followers(study: Mapping[str, Any]) -> set[str]:
    """The keys whose values follow from those of another: of axes that go together all but the first, which stands for them."""
    return {key for group in study.get("zip") or [] for key in group[1:]}
