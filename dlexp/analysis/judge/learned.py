"""Decide which runs of a study have learned.

By default a run has learned if it finished, did not diverge, and

- has not fallen below half of its own best accuracy (a regression: is not "collapsed", see diagnose.py), and
- as a classification, is at least a quarter of the way from chance to the median accuracy of the best cell on its data set.

A study changes the two shares with `learned: {of_own_best: 0.5, of_best_cell: 0.25}`; 0 leaves a condition out.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dlexp.analysis.judge.cells import COMPLETE, NOT_RUN
from dlexp.analysis.judge.draws import Repeat, repeat_of
from dlexp.analysis.judge.times import LENGTHS, measure_times
from dlexp.analysis.read.concatenate import list_records

OF_OWN_BEST = 0.5
OF_BEST_CELL = 0.25
LACKING = (*NOT_RUN, "oom")  # statuses of runs of which nothing is known: they could have had any result
# Metrics that say something only about a run that learned; a time, a size or a count says the same about any finished run.
QUALITIES = (*LENGTHS, "stability", "trend", "best_gap", "document_volatility")
READ = ("status", "test/acc", "val/acc", "diagnosis", "best_gap")  # columns that show whether a run has learned
SCORES = ("acc", "loss", "rmse", "objective")


def needs_learning(metric: str) -> bool:
    """Whether a metric measures how well a run learned, rather than what it cost."""
    return metric in QUALITIES or metric.rpartition("/")[2] in SCORES


def find_learned(runs: pd.DataFrame, keys: Sequence[str], declared: Mapping[str, float] | None = None) -> pd.Series:
    """Which runs have learned.

    Args:
        runs: One row per run, with `status`, the keys and, where known, `chance, test/acc, val/acc, best_gap, diagnosis`.
        keys: The keys of the cells.
        declared: The study's `learned`.

    Returns:
        True or False for each run; None where nothing is known of it: it is missing, was interrupted, or ran out of memory.
    """
    shares = {"of_own_best": OF_OWN_BEST, "of_best_cell": OF_BEST_CELL, **(declared or {})}
    bars = _find_bars(runs, keys, shares["of_best_cell"])
    learned: list[bool | None] = []
    for run, bar in zip(list_records(runs, READ), bars, strict=True):
        if run["status"] in LACKING:
            learned.append(None)
        else:
            complete = run["status"] in COMPLETE
            learned.append(complete and not _has_fallen(run, shares["of_own_best"]) and not _accuracy(run) < bar)
    return pd.Series(learned, runs.index, dtype=object)


def _find_bars(runs: pd.DataFrame, keys: Sequence[str], share: float) -> list[float]:
    """The accuracy that each run must reach; nan where there is none."""
    if not share or "chance" not in runs:
        return [math.nan] * len(runs)
    accuracy = pd.Series([_accuracy(run) for run in list_records(runs, READ)], runs.index, dtype=float)
    accuracy = accuracy.where(runs["status"].isin(COMPLETE))
    names = _join(runs, keys)
    sets = _join(runs, [key for key in keys if key == "dataset" or key.startswith("dataset.")])
    best = accuracy.groupby([sets, names]).median().groupby(level=0).max()
    chance = pd.to_numeric(runs["chance"], errors="coerce")
    return [low + share * (best[name] - low) for low, name in zip(chance, sets, strict=True)]


def _join(runs: pd.DataFrame, keys: Sequence[str]) -> pd.Series:
    """The values of some keys as one text for each run."""
    rows = runs[list(keys)].to_numpy(dtype=object)
    return pd.Series(["|".join(map(str, row)) for row in rows], runs.index, dtype=object)


def _accuracy(run: Mapping[Any, Any]) -> float:
    """The accuracy at the end: on the test set, or else on the validation set; nan where there is none."""
    known = (run.get(name) for name in ("test/acc", "val/acc"))
    return next((float(value) for value in known if value is not None and pd.notna(value)), math.nan)


def _has_fallen(run: Mapping[Any, Any], share: float) -> bool:
    """Whether a run ended below a share of the best that it ever reached; False where its curves are not known."""
    if not share:
        return False
    names = ("val/acc", "test/acc")  # the split that was evaluated every epoch, to which best_gap belongs, comes first
    ends = [float(run[name]) for name in names if pd.notna(run.get(name))]
    if not ends:
        return run.get("diagnosis") == "collapsed"
    return bool(pd.notna(run.get("best_gap"))) and ends[0] < share * (ends[0] + float(run["best_gap"]))


def outcomes(planned: Sequence[Mapping[str, Any]], runs: pd.DataFrame, metric: str) -> list[dict[Repeat, float | None]]:
    """The outcomes of each cell, in the order of the protocol: seed → value, or None where the run failed to learn.

    Where the study draws its data several times, (data_seed, seed) takes the place of the seed.

    A run of which nothing is known, or that lacks a value for another reason, has no entry. A run that did not reach its target
    has a `Censored` for a metric that is the time until then (times.py).

    Args:
        planned: The runs of the protocol.
        runs: One row for each of them, in the same order, with `learned`.
        metric: The metric.
    """
    cells: dict[str, dict[Repeat, float | None]] = {}
    if metric in LENGTHS:
        for listed, time in zip(planned, measure_times(runs, metric), strict=True):
            cell = cells.setdefault(str(listed["cell"]), {})
            if time is not None:
                cell[repeat_of(listed)] = time
        return list(cells.values())
    known = pd.to_numeric(runs[metric], errors="coerce") if metric in runs else pd.Series(math.nan, runs.index)
    for listed, status, learned, value in zip(planned, runs["status"], runs["learned"], known, strict=True):
        cell = cells.setdefault(str(listed["cell"]), {})
        repeat = repeat_of(listed)
        lacks = pd.isna(value) or status not in COMPLETE
        if learned is None or pd.isna(learned):
            continue
        if (needs_learning(metric) and not learned) or (status not in COMPLETE):
            cell[repeat] = None
        elif not lacks:
            cell[repeat] = float(value)
    return list(cells.values())
