"""Run the runs of one command, once all of them have passed the checks, and report on them."""

import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from dlexp.config import plain_json
from dlexp.config.check import refuse
from dlexp.config.compose import Composed
from dlexp.data.fingerprint import checking_once
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.files import make_own_folder, write_whole
from dlexp.run.display import Display, make_sweep_display, origin_lines, results_table
from dlexp.run.execute import gather_facts
from dlexp.run.metrics import list_metrics
from dlexp.run.plan import ADHOC, PlannedRun, plan
from dlexp.run.record import disk, folder
from dlexp.run.record.forms import BROKEN, FINISHED, Manifest
from dlexp.run.record.layout import SWEEPS
from dlexp.study.jobs import check_jobs, read_jobs
from dlexp.study.row import Row, complete
from dlexp.study.work import Work, fit_into_memory, list_gpus, measure_work, order_runs
from dlexp.study.workers import complete_at_once


class Checked(NamedTuple):
    """The cells of a sweep that may start.

    Args:
        runs: Each run once, even if two cells are the same run.
        unsupported: For each of the other cells, why this machine cannot run it.
        metrics: The names of the metrics that some of these runs have, or will have.
        work: Id → size, of the runs that are due.
    """

    runs: list[PlannedRun]
    unsupported: list[str]
    metrics: frozenset[str] = frozenset()
    work: Mapping[str, Work] = {}


def sweep(cells: Checked, command: str, display: Display | None = None, split: str = "test") -> int:
    """Run the cells of a sweep that are not finished, one after the other or several at a time, and report on all.

    Args:
        cells: The cells, in the order in which they run.
        command: The command as typed, for the manifest and for the line that explains how to retry.
        display: Shows the runs; by default the one that suits standard output and the setting `display`.
        split: The split whose metrics the table of results shows.

    Returns:
        The exit code: 1 if a run failed, now or before, else 0.

    Raises:
        ConfigError: If the number of runs on each GPU is set, and no run uses one.
        DiskError: If the disk is full or cannot be written.
    """
    runs, unsupported = cells.runs, cells.unsupported
    gpus = list_gpus(runs)
    swept = list_swept_keys(runs)
    manifest = _locate_manifest(runs)
    listed = {"command": command, "runs": [{"id": run.identity, "overrides": run.differences} for run in runs]}
    forced = any(run.config["force"] for run in runs)
    finished = _read_finished(manifest, runs) if forced else []
    with disk.writing(manifest):
        make_own_folder(manifest.parent)
    write_json(manifest, listed | {"started": folder.now()} | ({"finished": finished} if forced else {}))
    rows: dict[str, Row] = {}
    with display or make_sweep_display(count_due(runs), runs[0].config["display"]) as display:
        if finished:
            display.say(f"force=true: goes on after the {len(finished)} runs that the interrupted start finished.")
        try:
            with closing(_complete_all(cells, list(finished), gpus, display)) as completed:
                for run, row in completed:
                    rows[run.identity] = row | {key: _value(run, key) for key in swept}
                    if forced and row["outcome"] == "done":
                        finished.append(run.identity)
                        write_json(manifest, listed | {"started": folder.now(), "finished": finished})
        finally:  # an interrupted sweep reports what it has
            ordered = [rows[run.identity] for run in runs if run.identity in rows]
            _report(ordered, split, swept, len(runs), len(unsupported), command, display)
            counts = Counter(row["outcome"] for row in ordered)
            interrupted = {"finished": finished} if forced and len(rows) < len(runs) else {}
            write_json(manifest, listed | {"counts": counts, "ended": folder.now()} | interrupted)
    return int(any(row["outcome"] == "failed" for row in rows.values()))


def _complete_all(
    cells: Checked, finished: Sequence[str], gpus: Sequence[str], display: Display
) -> Generator[tuple[PlannedRun, Row]]:
    """Complete the runs of a sweep, of which some are finished; yields each with its row, in the order in which they end."""
    jobs = read_jobs(cells.runs[0].composed)
    due: list[PlannedRun] = []
    others: list[PlannedRun] = []
    for run in cells.runs if not jobs.is_one else ():
        (due if run.must_run() and run.identity not in finished else others).append(run)
    count = jobs.choose_count([run.config["hardware"]["num_threads"] for run in due], gpus, len(due))
    count, reason = fit_into_memory(due, cells.work, count) if count > 1 else (count, "")
    if reason:
        display.say(reason)
    if count == 1:
        for run in (_set_jobs(run, 1) for run in cells.runs):
            yield run, complete(run, display, due=run.must_run() and run.identity not in finished)
        return
    for run in others:
        yield run, complete(run, display, due=False)
    ordered = [_set_jobs(run, count) for run in order_runs(due, others, cells.work)]
    places = [gpus[number % len(gpus)] if gpus else None for number in range(count)]
    yield from complete_at_once(ordered, places, display)


def _set_jobs(run: PlannedRun, count: int) -> PlannedRun:
    """The run with the number of runs that are executed at the same time as it, for its summary."""
    return replace(run, config={**run.config, "jobs": count})


def goes_on(runs: Sequence[PlannedRun]) -> bool:
    """Whether a sweep of these runs with force=true goes on from an interrupted start."""
    return bool(runs) and bool(_read_finished(_locate_manifest(runs), runs))


def _locate_manifest(runs: Sequence[PlannedRun]) -> Path:
    identity = hashlib.sha256("/".join(run.identity for run in runs).encode()).hexdigest()[:12]
    return runs[0].study_folder / SWEEPS / f"{identity}.json"


def _read_finished(manifest: Path, runs: Sequence[PlannedRun]) -> list[str]:
    """The runs that an interrupted sweep with force=true has finished, by the code of now."""
    try:
        recorded = plain_json.read(manifest, Manifest).get("finished", [])
    except (FileNotFoundError, plain_json.FormError):
        return []
    known = [(run, run.read_summary()) for run in runs if run.identity in recorded]
    return [
        run.identity for run, summary in known if summary and summary["status"] in FINISHED and not run.describe_other_code()
    ]


def count_due(runs: Iterable[PlannedRun]) -> int:
    """How many of these runs must be executed."""
    return sum(run.must_run() for run in runs)


@checking_once()
def check_cells(cells: Sequence[Composed], study: str = ADHOC) -> Checked:
    """Plan all cells, and check data and model of those that are not finished. Leaves nothing on disk.

    Raises:
        ConfigError: With every mistake of every cell, or if the machine can run none.
        DatasetError: If the data of a cell cannot be read or downloaded.
    """
    check_jobs(cells)
    runs: dict[str, PlannedRun] = {}
    work: dict[str, Work] = {}
    unsupported: list[str] = []
    problems: list[tuple[str, Composed]] = []
    metrics: set[str] = set()
    for cell in cells:
        try:
            run = plan(cell, study)
            if run.must_run() and run.identity not in runs:
                facts = gather_facts(run)
                metrics |= list_metrics(run.config, facts)
                work[run.identity] = measure_work(facts)
            elif summary := run.read_summary():
                metrics.update(summary.get("metrics", {}))
            runs[run.identity] = run
        except UnsupportedError as error:
            unsupported.append(" ".join(error.problems))
        except ConfigError as error:
            problems += [(problem, cell) for problem in error.problems]
    refuse(problems, len(cells))
    if not runs:
        raise UnsupportedError(*dict.fromkeys(unsupported))
    return Checked(list(runs.values()), unsupported, frozenset(metrics), work)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a file that belongs to no run, with the sum of its content, and make its folder.

    Raises:
        DiskError: If the disk is full or cannot be written.
    """
    with disk.writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(plain_json.seal(content), indent=1) + "\n")


def list_swept_keys(runs: Sequence[PlannedRun]) -> list[str]:
    """The keys in which the runs differ, in the order typed."""
    keys = dict.fromkeys(override.key for run in runs for override in run.composed.overrides)
    return [key for key in keys if len({_value(run, key) for run in runs}) > 1]


def _value(run: PlannedRun, key: str) -> str:
    return next((override.value_text for override in run.composed.overrides if override.key == key), "")


def _report(
    rows: list[Row], split: str, swept: list[str], total: int, unsupported: int, command: str, display: Display
) -> None:
    """Print the table, and last the counts and what to do next."""
    scores = [name for key in ("acc", "rmse", "loss") if any((name := f"{split}/{key}") in row for row in rows)]
    reason = ["reason"] if any("reason" in row for row in rows) else []
    display.table(results_table(rows, [*swept, *scores, "seconds", "status", *reason]))
    counts = Counter(row["outcome"] for row in rows)
    parts = [f"{counts[outcome]} {outcome}" for outcome in ("done", "skipped", "failed", "held")]
    diverged = sum(row["status"].startswith("diverged") for row in rows)
    parts += [f"{diverged} diverged"] if diverged else []
    parts += [f"{unsupported} not supported by this machine"] if unsupported else []
    parts += [f"{total - len(rows)} not reached"] if total > len(rows) else []
    display.say(f"{total + unsupported} runs: {', '.join(parts)}.")
    for line in origin_lines(*([row.get(name, "") for row in rows] for name in ("code", "environment"))):
        display.say(line)
    if any(row["status"] in BROKEN for row in rows):
        display.say(f"Retry what failed: {write_retry(command)}")


def write_retry(command: str) -> str:
    """The command that runs again what failed, and nothing else.

    >>> write_retry("dlexp train -m 'model.widths=[8,4],[9]' force=true")
    "dlexp train -m 'model.widths=[8,4],[9]' retry=failed"
    """
    words = [word for word in shlex.split(command) if word.partition("=")[0] not in ("force", "retry", "stale")]
    return shlex.join([*words, "retry=failed"])
