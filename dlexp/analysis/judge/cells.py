"""Runs aggregated over seeds, a row a cell, beside what was published."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.statistics import noise_floor, summarise
from dlexp.analysis.read.folder import plain
from dlexp.analysis.read.load import tabulate

COMPLETE = ("done", "early_stopped")
FINISHED = (*COMPLETE, "diverged")
FAILED = ("failed", "oom")
NOT_THERE = ("missing", "interrupted")
NUMBERS = {"value", "sd", "n"}  # of a published value; its other keys select cells


def usable(runs: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The runs that finished with a number for this metric; of a cost without the diverged ones, which ended early."""
    if metric not in runs:
        return runs.iloc[:0]
    finished = runs["status"].isin(COMPLETE if is_cost(metric) else FINISHED)
    return runs[finished & pd.to_numeric(runs[metric], errors="coerce").notna()]


def aggregate(runs: pd.DataFrame, keys: Sequence[str], metric: str) -> pd.DataFrame:
    """A row a cell, in the order in which the runs have them.

    Args:
        runs: As `load_runs` has them.
        keys: The columns that tell cells apart.
        metric: The column that is averaged.

    Returns:
        The keys, then `n, diverged, failed, missing, unusable, mean, sd, low, high, median, noise, rank`; see
        `StudyResult.cells`.
    """
    ranks = _ranks(runs, keys, metric)
    rows = []
    for place, cell in enumerate(distinct(runs, keys)):
        mine = runs[matches(runs, cell)]
        good = usable(mine, metric)
        values = good[metric].astype(float).tolist() if len(good) else []
        summary = summarise(values)
        count = mine["status"].value_counts()
        rows.append(
            dict(cell)
            | {"n": summary.n, "diverged": int(count.get("diverged", 0))}
            | {"failed": int(count.reindex(FAILED).sum()), "missing": int(count.reindex(NOT_THERE).sum())}
            | {"unusable": int(mine["status"].isin(FINISHED).sum()) - summary.n}
            | {"mean": summary.mean, "sd": summary.sd, "low": summary.low, "high": summary.high}
            | {"median": statistics.median(values) if values else math.nan}
            | {"noise": _noise(good, metric, summary.mean), "rank": ranks.get(place, math.nan)}
        )
    return tabulate(rows, rows[0] if rows else keys, set(keys))


def distinct(runs: pd.DataFrame, keys: Sequence[str]) -> list[dict[str, Any]]:
    """The cells, in the order of their first runs. A null equals a null."""
    cells: dict[str, dict[str, Any]] = {}
    for row in runs[list(keys)].to_dict("records"):
        cell = {str(key): None if value != value else value for key, value in row.items()}
        cells.setdefault(repr(list(cell.values())), cell)
    return list(cells.values())


def matches(runs: pd.DataFrame, selector: Mapping[str, Any]) -> pd.Series:
    """Which runs have these values; null selects null, and a key that the runs do not have selects nothing."""
    chosen = pd.Series(True, index=runs.index)
    for key, value in selector.items():
        if key not in runs:
            return pd.Series(False, index=runs.index)
        wanted = plain(value)
        chosen &= runs[key].isna() if wanted is None else pd.Series([other == wanted for other in runs[key]], index=runs.index)
    return chosen.astype(bool)


def _noise(good: pd.DataFrame, metric: str, mean: float) -> float:
    """The binomial sd of a mean rate on a test set of this size; nan for what is no rate of the test set."""
    if not metric.endswith("test/acc") or "num_test_examples" not in good or not 0 <= mean <= 1:
        return math.nan
    sizes = good["num_test_examples"].dropna()
    return noise_floor(mean, float(sizes.min())) if len(sizes) else math.nan


def _ranks(runs: pd.DataFrame, keys: Sequence[str], metric: str) -> dict[int, float]:
    """Mean rank of each cell over the seeds that have all of them; 1 is best, ties share."""
    cells = distinct(runs, keys)
    good = usable(runs, metric)
    if good.empty:
        return {}
    columns = [good[matches(good, cell)].drop_duplicates("seed").set_index("seed")[metric] for cell in cells]
    table = pd.concat(columns, axis=1, keys=range(len(columns))).dropna().astype(float)
    ranks = table.rank(axis=1, ascending=not is_rising(metric)).mean()
    return {int(str(place)): float(rank) for place, rank in ranks.items()}


def add_reference(cells: pd.DataFrame, reference: Mapping[str, Any] | None) -> pd.DataFrame:
    """The cells with `reference, reference_sd, reference_n`: the published value whose selector matches."""
    cells = cells.assign(reference=math.nan, reference_sd=math.nan, reference_n=math.nan)
    for entry in (reference or {}).get("values", []):
        chosen = matches(cells, {key: value for key, value in entry.items() if key not in NUMBERS})
        for column, name in (("reference", "value"), ("reference_sd", "sd"), ("reference_n", "n")):
            cells.loc[chosen, column] = float(entry[name]) if entry.get(name) is not None else math.nan
    return cells
