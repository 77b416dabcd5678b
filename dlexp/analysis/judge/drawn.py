"""Say on how many draws of the data each verdict rests: subset, split and generated data come from `data_seed`."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from dlexp.analysis.judge.cells import NOT_RUN
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.verdict import select
from dlexp.analysis.read.concatenate import list_records


def add_draws(
    verdicts: Sequence[Verdict], study: Mapping[str, Any], planned: Sequence[Mapping[str, Any]], runs: pd.DataFrame
) -> list[Verdict]:
    """Add to each verdict, and to its reason, on how many draws of the data its runs are; nothing where none are drawn.

    Args:
        verdicts: One for each of the study's predictions.
        study: `predictions`, as in protocol.json.
        planned: The runs of the protocol.
        runs: One row for each of them, in the same order.
    """
    cells, predictions = [run["cell"] for run in planned], study.get("predictions") or []
    found = []
    for verdict, prediction in zip(verdicts, predictions, strict=True):
        where = prediction.get("where") or {}
        places = {place for side in ("plus", "minus") for place in select(cells, prediction[side], where)}
        compared = runs.iloc[sorted(places)]
        draws = _count_draws(compared[~compared["status"].isin(NOT_RUN)]) if verdict.n else 0
        with_draws = replace(verdict, draws=draws or None)
        found.append(replace(with_draws, reason=f"{verdict.reason} {describe_draws(with_draws)}".strip()))
    return found


def _count_draws(runs: pd.DataFrame) -> int:
    drawn = runs[[_is_drawn(run) for run in list_records(runs, ("data_drawn", "val_fraction", "dataset.per_class"))]]
    return max(1, int(drawn["data_seed"].nunique())) if len(drawn) and "data_seed" in drawn else min(1, len(drawn))


def _is_drawn(run: Mapping[Any, Any]) -> bool:
    """Whether anything of a run's data came from its data_seed.

    Older runs recorded no more than validation split and subset; whether their test split was drawn is not known of them.
    """
    recorded, share = run.get("data_drawn"), run.get("val_fraction")
    if recorded is not None and pd.notna(recorded):
        return bool(recorded)
    return bool(pd.notna(share) and share > 0) or bool(pd.notna(run.get("dataset.per_class")))


def describe_draws(verdict: Verdict) -> str:
    """The sentence on the draws of the data; empty where nothing is drawn."""
    if verdict.draws is None:
        return ""
    if verdict.draws == 1:
        return "This is on one draw of the data."
    return f"This is {'over' if verdict.by_draw else 'on'} {verdict.draws} draws of the data."
