"""The table of the runs that a protocol lists, missing and failed ones included, with what is computed from their curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dlexp.analysis.judge.cells import FINISHED
from dlexp.analysis.judge.curves import evaluated_split, measure_curves
from dlexp.analysis.judge.diagnose import DEFAULT_TEST_EXAMPLES, UNLEARNED, diagnose, has_learned
from dlexp.analysis.read.concatenate import build_frame, holds_whole_numbers, list_records
from dlexp.analysis.read.folder import flatten

LISTED = ("id", "data_seed", "seed", "unplanned", "untuned")  # keys that a protocol gives its runs
UNTUNED = {"unfinished": "the search of its cell has not ended", "unusable": "no trial of the search of its cell learned"}
CURVE_COLUMNS = ["diagnosis", "advice", "diagnosed_epoch", "convergence_epoch", "stability", "trend", "best_gap"]
CURVE_COLUMNS += ["document_convergence", "document_volatility"]


def build_planned(
    planned: Sequence[Mapping[str, Any]], keys: list[str], loaded: pd.DataFrame, damaged: Mapping[str, str]
) -> pd.DataFrame:
    """Build one row per run of the protocol, in its order, with the cell values that the protocol has."""
    rows = {row["id"]: row for row in loaded.to_dict("records")}
    merged: list[dict[Any, Any]] = [
        rows.get(run["id"], {"status": "missing", "folder": None, "reason": damaged.get(run["id"], _explain_untuned(run))})
        | {name: run[name] for name in LISTED if name in run}
        | {key: flatten(run["cell"].get(key)) for key in keys}
        for run in planned
    ]
    listed = [name for name in LISTED if any(name in run for run in planned)]
    columns = dict.fromkeys(["id", *listed, "status", "folder", "reason", *keys, *loaded.columns])
    return build_frame(merged, columns, {*keys, *(name for name in loaded.columns if holds_whole_numbers(loaded[name]))})


def _explain_untuned(run: Mapping[str, Any]) -> str | None:
    """Why a run was not started, if the search has not chosen its settings."""
    return UNTUNED[run["untuned"]] if "untuned" in run else None


def add_curve_columns(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """Add what is computed from the curves of finished runs; null for other runs."""
    if curves.empty:
        return runs.reindex(columns=list(dict.fromkeys([*runs.columns, *CURVE_COLUMNS])))
    # Without the columns of the config and of times, which are many.
    scores = [name for name in curves if str(name).endswith(("/loss", "/acc", "/rmse"))]
    by_run = {str(identity): curve for identity, curve in curves[["id", "epoch", *scores]].groupby("id", sort=False)}
    rows = [
        analyse_curve(by_run[run["id"]], run) if run["status"] in FINISHED and run["id"] in by_run else {}
        for run in list_records(runs, ("id", "status", "chance", "num_test_examples"))
    ]
    return pd.concat([runs, pd.DataFrame(rows, columns=CURVE_COLUMNS, index=runs.index)], axis=1)


def analyse_curve(curve: pd.DataFrame, run: Mapping[Any, Any]) -> dict[str, Any]:
    """Diagnose a finished run and measure its curves.

    Args:
        curve: The run's metrics.csv.
        run: Its status and, where it recorded them, `chance` and `num_test_examples`.

    Returns:
        A value for each of `CURVE_COLUMNS`.
    """
    recorded = {name: float(run[name]) for name in ("chance", "num_test_examples") if pd.notna(run.get(name))}
    num_examples = recorded.get("num_test_examples", DEFAULT_TEST_EXAMPLES)
    diagnosis = diagnose(curve, status=run["status"], chance=recorded.get("chance"), num_examples=num_examples)
    trained = curve[curve["epoch"] > 0].sort_values("epoch")
    split = evaluated_split(trained) or "train"
    losses = trained[f"{split}/loss"].to_numpy(float)
    accuracy = trained[f"{split}/acc"].to_numpy(float) if f"{split}/acc" in trained else losses[:0]
    learned = diagnosis.name not in UNLEARNED and has_learned(accuracy, recorded.get("chance"), num_examples)
    numbers = measure_curves(losses, accuracy, learned=learned)
    return {"diagnosis": diagnosis.name, "advice": diagnosis.advice, "diagnosed_epoch": diagnosis.epoch, **numbers}
