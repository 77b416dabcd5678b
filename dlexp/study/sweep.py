"""Run the runs of one command, once all of them have passed the checks, and report on them."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import NamedTuple

from dlexp.config.check import refuse
from dlexp.config.compose import Composed
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.once import checking_once
from dlexp.run.check_progress import showing_check
from dlexp.run.display import Display, make_sweep_display, origin_lines, results_table
from dlexp.run.execute import gather_facts
from dlexp.run.metrics import list_metrics
from dlexp.run.plan import ADHOC, PlannedRun, plan
from dlexp.run.record import folder
from dlexp.run.record.forms import BROKEN, FINISHED
from dlexp.study.jobs import check_jobs
from dlexp.study.passes import complete_all
from dlexp.study.row import Row
from dlexp.study.sharing import read_check, read_finished, remove_old_manifest, sign_code, taking_part
from dlexp.study.work import Work, list_gpus, measure_work


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


class Swept(NamedTuple):
    """How a sweep ended.

    Args:
        code: The exit code: 1 if a run failed, now or before, else 0.
        is_last: Whether no other process is at the same sweep any more.
    """

    code: int
    is_last: bool


def sweep(cells: Checked, command: str, display: Display | None = None, split: str = "test") -> int:
    """Run the cells of a sweep, as `run_sweep`; returns the exit code."""
    return run_sweep(cells, command, display, split).code


def run_sweep(cells: Checked, command: str, display: Display | None = None, split: str = "test") -> Swept:
    """Run the cells of a sweep that are not finished, one after the other or several at a time, and report on all.

    Other processes may be at the same sweep. With `wait=true` it ends when they have ended their runs, too.

    Args:
        cells: The cells, in the order in which they run.
        command: The command as typed, for the manifest and for the line that explains how to retry.
        display: Shows the runs; by default the one that suits standard output and the setting `display`.
        split: The split whose metrics the table of results shows.

    Raises:
        ConfigError: If the number of runs on each GPU is set, and no run uses one; or if finished runs are to be done again
            while another process is at the same sweep.
        DiskError: If the disk is full or cannot be written.
    """
    runs, swept = cells.runs, list_swept_keys(cells.runs)
    gpus, forced = list_gpus(runs), any(run.config["force"] for run in runs)
    finished = _read_finished(runs) if forced else []
    listed = {
        "command": command,
        "runs": [{"id": run.identity, "overrides": run.differences} for run in runs],
        "check": {"code": sign_code(runs), "metrics": sorted(cells.metrics), "work": cells.work},
    }
    rows: dict[str, Row] = {}
    display = display or make_sweep_display(len(cells.work), runs[0].config["display"])
    with taking_part(runs, listed | ({"finished": finished} if forced else {})) as part, display:
        remove_old_manifest(runs)
        if finished:
            display.say(f"force=true: goes on after the {len(finished)} runs that the interrupted start finished.")
        try:
            with closing(complete_all(runs, cells.work, list(finished), gpus, display)) as completed:
                for run, row in completed:
                    rows[run.identity] = row | {key: _value(run, key) for key in swept}
                    if forced and row["outcome"] == "done":
                        finished.append(run.identity)
                        part.write(listed | {"finished": finished})
        finally:  # an interrupted sweep reports what it has
            ordered = [rows[run.identity] for run in runs if run.identity in rows]
            _report(ordered, split, swept, len(runs), len(cells.unsupported), command, display)
            counts = Counter(row["outcome"] for row in ordered)
            is_whole = len(rows) == len(runs) and not counts["held"]
            interrupted = {"finished": finished} if forced and not is_whole else {}
            part.write(listed | {"counts": counts, "ended": folder.now()} | interrupted)
    return Swept(int(any(row["outcome"] == "failed" for row in rows.values())), part.is_last)


def goes_on(runs: Sequence[PlannedRun]) -> bool:
    """Whether a sweep of these runs with force=true goes on from an interrupted start."""
    return bool(runs) and bool(_read_finished(runs))


def _read_finished(runs: Sequence[PlannedRun]) -> list[str]:
    """The runs that an interrupted sweep with force=true has finished, by the code of now."""
    recorded = read_finished(runs)
    with checking_once():
        return [run.identity for run in runs if run.identity in recorded and _is_finished(run)]


def _is_finished(run: PlannedRun) -> bool:
    summary = run.read_summary()
    return summary is not None and summary["status"] in FINISHED and not run.describe_other_code()


@checking_once()
def count_due(runs: Iterable[PlannedRun]) -> int:
    """How many of these runs must be executed."""
    return sum(run.must_run() for run in runs)


@checking_once()
def check_cells(cells: Sequence[Composed], study: str = ADHOC) -> Checked:
    """Plan all cells, and check data and model of those that are not finished. Leaves nothing on disk.

    What another process that is at the same sweep has checked is checked when this one begins with it.

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
    planned: list[tuple[Composed, PlannedRun]] = []
    show = cells[0].config["display"]
    with showing_check(len(cells), "configs", show) as watch:
        for cell in watch(cells):
            try:
                planned.append((cell, plan(cell, study)))
            except UnsupportedError as error:
                unsupported.append(" ".join(error.problems))
            except ConfigError as error:
                problems += [(problem, cell) for problem in error.problems]
    noted = None if problems else read_check(list({run.identity: run for _, run in planned}.values()))
    metrics.update(noted["metrics"] if noted else ())
    with showing_check(len(planned), "data and models", show) as watch:
        for cell, run in watch(planned):
            try:
                if run.must_run() and run.identity not in runs:
                    if noted and run.identity in noted["work"]:
                        work[run.identity] = Work(*noted["work"][run.identity])
                    else:
                        facts = gather_facts(run)
                        metrics |= list_metrics(run.config, facts)
                        work[run.identity] = measure_work(facts)
                elif summary := run.read_summary():
                    metrics.update(summary.get("metrics", {}))
                    scores = summary.get("of_classes", {})
                    metrics.update(f"test/{score}/{name}" for score, values in scores.items() for name in values)
                runs[run.identity] = run
            except UnsupportedError as error:
                unsupported.append(" ".join(error.problems))
            except ConfigError as error:
                problems += [(problem, cell) for problem in error.problems]
    refuse(problems, len(cells))
    if not runs:
        raise UnsupportedError(*dict.fromkeys(unsupported))
    return Checked(list(runs.values()), unsupported, frozenset(metrics), work)


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
    lacking = unsupported + sum(row["outcome"] == "unsupported" for row in rows)
    scores = [name for key in ("acc", "rmse", "loss") if any((name := f"{split}/{key}") in row for row in rows)]
    reason = ["reason"] if any("reason" in row for row in rows) else []
    display.table(results_table(rows, [*swept, *scores, "seconds", "status", *reason]))
    counts = Counter(row["outcome"] for row in rows)
    parts = [f"{counts[outcome]} {outcome}" for outcome in ("done", "skipped", "failed", "held")]
    diverged = sum(row["status"].startswith("diverged") for row in rows)
    parts += [f"{diverged} diverged"] if diverged else []
    parts += [f"{lacking} not supported by this machine"] if lacking else []
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
