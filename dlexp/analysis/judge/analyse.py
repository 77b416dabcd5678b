"""A study's folder → StudyResult: the runs that protocol.json lists, their cells, verdicts and curves, and what lies beside."""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from dlexp.analysis.judge import curves as derive
from dlexp.analysis.judge.cells import FINISHED, add_reference, aggregate, usable
from dlexp.analysis.judge.diagnose import MANY, chance_of, diagnose, evaluated
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.verdict import judge
from dlexp.analysis.read.folder import NAME, DamagedError, RunFolder, find_folders, plain, read_folder, read_json
from dlexp.analysis.read.load import DamagedRunWarning, is_whole, stack, table, tabulate
from dlexp.analysis.read.outside_protocol import others
from dlexp.analysis.read.runs_csv import read_sheet

DERIVED = ["diagnosis", "advice", "diagnosed_epoch", "convergence_epoch", "stability", "trend", "best_gap"]
DERIVED += ["document_convergence", "document_volatility"]


def analyse(folder: str | Path) -> StudyResult:
    """Aggregate and judge the runs of one protocol.

    Args:
        folder: That holds protocol.json: `outputs/<study>/`, or `outputs/<study>/with-.../`. Where no run folders are, the
            runs are those of its runs.csv, without curves and probes.

    Raises:
        FileNotFoundError: If it holds none.
        DamagedError: If protocol.json is not one.
    """
    folder = Path(folder)
    protocol = _read_protocol(folder / "protocol.json")
    study, planned = protocol["study"], protocol["runs"]
    keys = list(dict.fromkeys([*study.get("axes", {}), *(key for run in planned for key in run["cell"])]))
    shelf = folder.parent if folder.name.startswith("with-") else folder
    found, damaged = _read(find_folders(shelf))
    loaded = table(found[run["id"]] for run in planned if run["id"] in found)
    if not found and (folder / "runs.csv").exists():
        loaded = read_sheet(folder / "runs.csv")
    runs = _runs(planned, keys, loaded, damaged)
    mine = {run["id"]: found[run["id"]] for run in planned if run["id"] in found}
    fields = {row["id"]: {name: row[name] for name in ("id", "seed", *keys)} for row in runs.to_dict("records")}
    curves = stack((run.path / "metrics.csv", fields[run.id]) for run in mine.values())
    probes = stack((run.path / "probes.csv", fields[run.id]) for run in mine.values())
    metric = study.get("metric", "test/acc")
    runs = _with_derived(runs, curves)
    return StudyResult(
        folder,
        protocol,
        keys,
        runs,
        add_reference(aggregate(runs, keys, metric), study.get("reference")),
        judge(study, _cells(planned), lambda name: _values(planned, runs, name)),
        _with_columns(curves, ["id", "seed", *keys, "epoch", "step", "lr", "train/loss", "seconds"]),
        _with_columns(probes, ["id", "seed", *keys, "epoch", "probe", "layer", "name", "value"]),
        others(mine, [run for run in found.values() if run.id not in fields]),
        sorted(runs["code"].dropna().unique()) if "code" in runs else [],
    )


def _read_protocol(path: Path) -> dict[str, Any]:
    try:
        protocol = read_json(path)
        if protocol["study"] and all({"id", "cell", "seed"} <= run.keys() for run in protocol["runs"]):
            return protocol
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise DamagedError(f"{path}: not a study's protocol: {type(error).__name__} {error}") from error
    raise DamagedError(f"{path}: not a study's protocol: each run needs id, cell and seed.")


def _read(folders: Iterable[Path]) -> tuple[dict[str, RunFolder], dict[str, str]]:
    """The runs by id, of two folders of one id the first, as training finds them; and what is wrong with the damaged ones."""
    found: dict[str, RunFolder] = {}
    damaged: dict[str, str] = {}
    for path in folders:
        try:
            run = read_folder(path)
            found.setdefault(run.id, run)
        except DamagedError as error:
            warnings.warn(f"{path} is damaged and was left out: {error}", DamagedRunWarning, stacklevel=3)
            if name := NAME.search(path.name):
                damaged[name[1]] = f"{path.name} is damaged: {error}"
    return found, damaged


def _runs(
    planned: Sequence[Mapping[str, Any]], keys: list[str], loaded: pd.DataFrame, damaged: Mapping[str, str]
) -> pd.DataFrame:
    """A row a run of the protocol, in its order; the values of a cell are those that the protocol has."""
    rows = {row["id"]: row for row in loaded.to_dict("records")}
    merged: list[dict[Any, Any]] = [
        rows.get(run["id"], {"status": "missing", "folder": None, "reason": damaged.get(run["id"])})
        | {"id": run["id"], "seed": run["seed"]}
        | {key: plain(run["cell"].get(key)) for key in keys}
        for run in planned
    ]
    first = ["id", "seed", "status", "folder", "reason", *keys]
    whole = {name for name in loaded.columns if is_whole(loaded[name])}
    return tabulate(merged, dict.fromkeys([*first, *loaded.columns]), {*keys, *whole})


def _cells(planned: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(run["cell"]): run["cell"] for run in planned}.values())


def _values(planned: Sequence[Mapping[str, Any]], runs: pd.DataFrame, metric: str) -> list[dict[int, float]]:
    """Of each cell, in the order of `_cells`: seed → usable value."""
    good = usable(runs, metric)
    known = dict(zip(good["id"], good[metric].astype(float), strict=True)) if len(good) else {}
    values: dict[str, dict[int, float]] = {json.dumps(run["cell"]): {} for run in planned}
    for run in planned:
        if run["id"] in known:
            values[json.dumps(run["cell"])][run["seed"]] = known[run["id"]]
    return list(values.values())


def _with_derived(runs: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """The runs with what their curves say: for finished runs; null for the others."""
    if curves.empty:
        return runs.reindex(columns=list(dict.fromkeys([*runs.columns, *DERIVED])))
    by_run = {str(identity): curve for identity, curve in curves.groupby("id", sort=False)}
    derived = [
        _derived(by_run[run["id"]], run.to_dict()) if run["status"] in FINISHED and run["id"] in by_run else {}
        for _, run in runs.iterrows()
    ]
    return pd.concat([runs, pd.DataFrame(derived, columns=DERIVED, index=runs.index)], axis=1)


def _derived(curve: pd.DataFrame, run: Mapping[Any, Any]) -> dict[str, Any]:
    num_examples = run.get("num_test_examples")
    many = float(num_examples) if num_examples is not None and num_examples == num_examples else MANY
    diagnosis = diagnose(curve, status=run["status"], chance=chance_of(run), num_examples=many)
    trained = curve[curve["epoch"] > 0].sort_values("epoch")
    split = evaluated(trained) or "train"
    losses = trained[f"{split}/loss"].to_numpy(float)
    accuracy = trained[f"{split}/acc"].to_numpy(float) if f"{split}/acc" in trained else losses[:0]
    judged, rising = (accuracy, True) if len(accuracy) and pd.notna(accuracy).any() else (losses, False)
    learned = diagnosis.name not in ("diverged", "at chance")
    return {
        "diagnosis": diagnosis.name,
        "advice": diagnosis.advice,
        "diagnosed_epoch": diagnosis.epoch,
        "convergence_epoch": derive.convergence_epoch(accuracy, learned=learned),
        "stability": derive.stability(losses),
        "trend": derive.trend(losses),
        "best_gap": derive.best_gap(judged, rising=rising),
        "document_convergence": derive.document_convergence(accuracy),
        "document_volatility": derive.document_volatility(losses),
    }


def _with_columns(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """An empty table with its columns, so that nobody need ask whether there are any."""
    return pd.DataFrame(columns=columns) if frame.empty else frame
