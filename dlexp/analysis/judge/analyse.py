"""Analyse a study's folder: the runs that protocol.json lists, their cells, verdicts and curves, and the runs outside of it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dlexp.analysis.judge.ablation import weigh_switches
from dlexp.analysis.judge.best import find_best
from dlexp.analysis.judge.cells import NOT_RUN, add_reference, aggregate
from dlexp.analysis.judge.drawn import add_draws
from dlexp.analysis.judge.factors import weigh_factors
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.learned import find_learned, outcomes
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.looks import find_first, find_looks, judge_by_looks, read_plan
from dlexp.analysis.judge.parts import add_averages
from dlexp.analysis.judge.planned import add_curve_columns, build_planned
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.times import fail_censored
from dlexp.analysis.judge.tuning import Tuning, build_trials, read_trials, read_tuning
from dlexp.analysis.judge.untuned import explain_untuned
from dlexp.analysis.judge.verdict import judge
from dlexp.analysis.read.concatenate import concatenate_csv
from dlexp.analysis.read.folder import DamagedError, RunFolder
from dlexp.analysis.read.load import add_mode, build_runs, list_single_folders, read_run_folders
from dlexp.analysis.read.outside_protocol import describe_outside_runs
from dlexp.analysis.read.runs_csv import TRIALS, read_runs
from dlexp.analysis.read.tables import CURVES, PROBES, TABLES, read_parts
from dlexp.analysis.read.text import find_table
from dlexp.config import plain_json
from dlexp.run.record.look_log import read_log
from dlexp.run.record.protocol_form import Protocol, check_protocol
from dlexp.run.record.registrations import find_standing


def analyse(folder: str | Path) -> StudyResult:
    """Aggregate and judge the runs of one protocol.

    Args:
        folder: The folder that holds protocol.json: `outputs/<study>/`, or `outputs/<study>/with-.../`. Where it has no run
            folders, the runs are read from its runs.csv, or runs.csv.gz, and curves and probes from tables/, if it is there.

    Raises:
        FileNotFoundError: If there is no protocol.json.
        DamagedError: If protocol.json, or the table that takes the place of run folders, cannot be read.
    """
    folder = Path(folder)
    protocol = _read_protocol(folder / "protocol.json")
    study, planned = protocol["study"], protocol["runs"]
    read = _read_runs(folder, protocol)
    runs = read.runs.assign(learned=find_learned(read.runs, read.keys, study.get("learned")))
    metric = study.get("metric", "test/acc")
    log = _read_log(folder)
    verdicts, looks = _judge(protocol, read.keys, runs, log)
    return StudyResult(
        folder,
        protocol,
        read.keys,
        runs,
        add_reference(aggregate(runs, read.keys, metric), study.get("reference")),
        verdicts,
        read.curves,
        read.probes,
        read.other,
        sorted(runs["code"].dropna().unique()) if "code" in runs else [],
        weigh_factors(study, planned, runs),
        find_best(study, planned, list(map(fail_censored, outcomes(planned, runs, metric)))),
        from_tables=read.from_tables,
        registration=find_standing(folder, study, protocol["changes"], _list_starts(runs, read.tuning)),
        looks=looks,
        log=log,
        tuning=read.tuning,
        ablation=weigh_switches(
            study,
            _list_cells(planned),
            lambda metric: outcomes(planned, runs, metric),
            lambda metric: _measure_noise(runs, metric),
        ),
    )


def _list_metrics(study: Mapping[str, Any]) -> list[str]:
    """The metrics that a study compares."""
    named = [study.get("metric"), *(prediction.get("metric") for prediction in study.get("predictions") or ())]
    return [metric for metric in named if metric]


def _list_cells(planned: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The cells of the runs that a protocol lists, in their order."""
    return list({json.dumps(run["cell"]): run["cell"] for run in planned}.values())


def _list_starts(runs: pd.DataFrame, tuning: Tuning | None) -> list[Any]:
    """When each run was started, those of the search included."""
    return [time for table in (runs, *([tuning.runs] if tuning else [])) for time in table.get("started", ())]


class _Read(NamedTuple):
    """The fields of `StudyResult` of these names, as they are read; `runs` without `learned`."""

    keys: list[str]
    runs: pd.DataFrame
    curves: pd.DataFrame
    probes: pd.DataFrame
    other: pd.DataFrame
    from_tables: bool
    tuning: Tuning | None


def _read_runs(folder: Path, protocol: Mapping[str, Any]) -> _Read:
    """Read the runs of a protocol from their folders, or, where there are none, from runs.csv and tables/."""
    study, planned = protocol["study"], protocol["runs"]
    keys = list(dict.fromkeys([*study.get("axes", {}), *(key for run in planned for key in run["cell"])]))
    damaged: dict[str, str] = {}
    here = Path(os.path.abspath(folder))  # `.` has no name
    folders = list_single_folders(here.parent if here.name.startswith("with-") else here, damaged)
    found = {run.id: run for run in read_run_folders(folders, damaged)}
    listed = [found[run["id"]] for run in planned if run["id"] in found]
    table = None if folders or damaged else find_table(folder / "runs.csv")
    runs = build_planned(planned, keys, read_runs(table) if table else build_runs(listed, _list_metrics(study)), damaged)
    names = ["id", *(["data_seed"] if study.get("data_seeds") else []), "seed", *keys]
    fields = {row["id"]: {name: row[name] for name in names} for row in runs[names].to_dict("records")}
    if table:
        curves, probes = (read_parts(folder / TABLES, name, fields) for name in (CURVES, PROBES))
    else:
        curves, probes = (
            concatenate_csv((run.path / name, fields[run.id]) for run in listed) for name in ("metrics.csv", "probes.csv")
        )
    tuning = _read_tuning(folder, protocol, None if table else (found, damaged))
    own = {*fields, *(run["id"] for run in protocol.get("search", {}).get("runs", ()))}
    # Of a table, the columns of curves were computed from all epochs, of which tables/ need not have each.
    runs = add_curve_columns(runs, curves.iloc[:0] if table else curves)
    return _Read(
        keys,
        runs,
        _ensure_columns(curves, [*names, "epoch", "step", "lr", "train/loss", "seconds"]),
        _ensure_columns(add_mode(probes), [*names, "epoch", "probe", "mode", "layer", "name", "value"]),
        describe_outside_runs(listed, [run for run in found.values() if run.id not in own]),
        table is not None,
        tuning,
    )


def _read_tuning(
    folder: Path, protocol: Mapping[str, Any], found: tuple[Mapping[str, RunFolder], Mapping[str, str]] | None
) -> Tuning | None:
    """Judge the searches of a study that tunes: from run folders and the messages on damaged ones, or from trials.csv."""
    if not (search := protocol.get("search")):
        return None
    table = find_table(folder / TRIALS)
    if found:
        runs = read_trials(search, *found)
    else:
        runs = build_trials(search, read_runs(table) if table else pd.DataFrame(columns=["id"]), pd.DataFrame(), {})
    return read_tuning(search, runs, protocol["study"].get("learned"))


def _read_protocol(path: Path) -> dict[str, Any]:
    try:
        return check_protocol(plain_json.read(path, Protocol))
    except plain_json.FormError as error:
        raise DamagedError(f"{path.parent}: {error}.") from error


def _judge(
    protocol: Mapping[str, Any], keys: list[str], runs: pd.DataFrame, log: Sequence[Mapping[str, Any]]
) -> tuple[list[Verdict], list[Look]]:
    """The verdicts, and the looks at which they were judged."""
    study, planned = protocol["study"], protocol["runs"]
    plan, family = read_plan(protocol), len(study.get("predictions") or ())
    if not family:
        return [], []
    cells = _list_cells(planned)

    def judge_at(part: Mapping[str, Any], look: Look) -> list[Verdict]:
        chosen = runs[plan.unit].isin(look.units)  # also what counts as learned depends on no run of a later look
        learned = find_learned(runs[chosen], keys, study.get("learned")).reindex(runs.index)
        seen = runs.assign(learned=learned, status=runs["status"].where(chosen, "missing"))
        found = judge(
            part, cells, lambda metric: outcomes(planned, seen, metric), lambda metric: _measure_noise(runs, metric), look
        )
        return add_draws(add_averages(found, part, cells, lambda metric: outcomes(planned, seen, metric)), part, planned, seen)

    begun = set(runs.loc[~runs["status"].isin(NOT_RUN), plan.unit])
    looks, first = find_looks(plan, begun, log, family), find_first(plan, begun, family)
    verdicts, looks = judge_by_looks(study, judge_at, looks, first, plan.unit)
    return explain_untuned(verdicts, study["predictions"], planned), looks


def _read_log(folder: Path) -> list[dict[str, Any]]:
    try:
        return read_log(folder)
    except plain_json.FormError as error:
        raise DamagedError(
            f"{folder}: {error}. Without it, earlier looks at this study are not known: restore it from a copy, or move it "
            "away to begin a new one."
        ) from error


def _measure_noise(runs: pd.DataFrame, metric: str) -> float:
    """The binomial sd of a rate on the test set; 0 for other metrics."""
    noises = aggregate(runs, [], metric)["noise"] if len(runs) else pd.Series(dtype=float)
    return float(noises.iloc[0]) if len(noises) and noises.notna().all() else 0.0


def _ensure_columns(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Give an empty table its columns, so that callers need not check for them."""
    return pd.DataFrame(columns=columns) if frame.empty else frame
