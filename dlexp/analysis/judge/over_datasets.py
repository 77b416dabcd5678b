"""Compare the cells of a study over its data sets: scores together, and mean ranks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.best import DATASET, MISSING, Comparison
from dlexp.analysis.judge.profiles import bound_interquartile_mean, interquartile_mean
from dlexp.analysis.judge.ranks import CriticalDifference, compare_over_blocks


@dataclass(frozen=True)
class Overall:
    """The cells that have all their runs on every data set, without the key `dataset`.

    Args:
        datasets: The data sets.
        left_out: How many other cells there are, which lack runs or a data set.
        table: One row per cell, the best first: `cell`, and `iqm, iqm_low, iqm_high`, the interquartile mean of the scores of
            all data sets together and its interval.
        scores: The scores of the runs of each row of the table, on each data set.
        ranks: Friedman's and Nemenyi's tests with the data sets as blocks, of the interquartile means on each, in the order of
            the table; None with fewer than five data sets or three cells.
    """

    datasets: tuple[Any, ...]
    left_out: int
    table: pd.DataFrame
    scores: tuple[tuple[np.ndarray, ...], ...]
    ranks: CriticalDifference | None


def compare_over_datasets(comparisons: Sequence[Comparison]) -> Overall | None:
    """Compare over the data sets that could be compared on their own and have scores; None with fewer than two of both."""
    known = [each for each in comparisons if each.where and each.scores]
    if len(known) < 2:
        return None
    found: dict[str, list[np.ndarray]] = {}
    cells: dict[str, dict[str, Any]] = {}
    for comparison in known:
        for row, scores in zip(comparison.table.to_dict("records"), comparison.scores, strict=True):
            cell = {key: value for key, value in row["cell"].items() if key != DATASET}
            cells.setdefault(json.dumps(cell), cell)
            if row["status"] != MISSING:
                found.setdefault(json.dumps(cell), []).append(scores)
    complete = [name for name in cells if len(found.get(name, ())) == len(known)]
    if len(complete) < 2:
        return None
    bounds = {name: bound_interquartile_mean(found[name]) for name in complete}
    complete.sort(key=lambda name: -bounds[name][0])
    table = pd.DataFrame([bounds[name] for name in complete], columns=["iqm", "iqm_low", "iqm_high"])
    table.insert(0, "cell", [cells[name] for name in complete])
    by_dataset = np.array([[interquartile_mean(scores) for scores in found[name]] for name in complete])
    return Overall(
        tuple(each.where[DATASET] for each in known),
        len(cells) - len(complete),
        table,
        tuple(tuple(found[name]) for name in complete),
        compare_over_blocks(by_dataset),
    )
