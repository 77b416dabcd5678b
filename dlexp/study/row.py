"""Complete one run of a sweep, and describe how it ended as a row of the sweep's table."""

from collections.abc import Callable, Mapping
from typing import Any

from dlexp.errors import CheckpointError, HeldError, MovedError, UnsupportedError
from dlexp.run.display import Display, result_line
from dlexp.run.execute import execute, gather_facts, record_failure
from dlexp.run.plan import PlannedRun
from dlexp.run.record.forms import BROKEN
from dlexp.run.record.lock import find_holder

Row = dict[str, Any]
Summary = Mapping[str, Any]


def complete(run: PlannedRun, display: Display, *, due: bool) -> Row:
    """Execute one run if it is due, and if no other process holds it.

    Returns:
        Its row: status, outcome (done, skipped, failed, held, unsupported), metrics and time.
    """
    return _describe_end(run, display, lambda: _execute(run, display) if due else None)


def _execute(run: PlannedRun, display: Display) -> Summary | None:
    if holder := find_holder(run.study_folder, run.identity):
        raise HeldError(holder)  # before data and model are checked
    return execute(run, gather_facts(run), display)


def fail(run: PlannedRun, display: Display, reason: str) -> Row:
    """Record that a run has failed without an error of its own; returns its row."""
    return _describe_end(run, display, lambda: record_failure(run, gather_facts(run), reason))


def _describe_end(run: PlannedRun, display: Display, work: Callable[[], Summary | None]) -> Row:
    """The row of a run after `work`, which returns its summary, or None if it was not executed."""
    try:
        fresh = work()
    except HeldError as error:
        return {"status": "held", "outcome": "held", "holder": str(error)}
    except UnsupportedError as error:  # another machine has checked the run
        return {"status": "unsupported", "outcome": "unsupported", "reason": " ".join(error.problems)}
    except MovedError as error:
        display.say(f"{run.title}: {error}")
        return {"status": "moved", "outcome": "failed", "reason": str(error)}
    except CheckpointError as error:
        display.say(str(error))
        return {"status": "damaged", "outcome": "failed", "reason": str(error).splitlines()[0]}
    summary = fresh or run.read_summary()
    if summary is None:
        reason = f"{run.folder} was removed or renamed after the run had ended."
        return {"status": "moved", "outcome": "failed", "reason": reason}
    return describe(run, display, summary, is_fresh=fresh is not None)


def describe(run: PlannedRun, display: Display, summary: Summary, *, is_fresh: bool) -> Row:
    """The row of a run that has ended with this summary.

    Args:
        run: The run.
        display: Shows the result, if it is fresh.
        summary: As it was written.
        is_fresh: Whether this sweep has executed the run; otherwise it was done before.
    """
    status = summary["status"]
    if is_fresh:
        folder = run.folder if status in BROKEN else None  # to find it, the folder of the study is listed
        display.say(f"{run.title}: {result_line(summary, folder)}")
    if status in BROKEN:
        return {"status": status, "outcome": "failed", "reason": summary["reason"]}
    code, environment = ("", "") if is_fresh else (run.describe_other_code(), run.describe_other_environment())
    if not is_fresh:
        status = (code or environment).partition(":")[0] or f"{status} before"
    row: Row = {"status": status, "outcome": "done" if is_fresh else "skipped"}
    row |= _read_scores(summary["metrics"]) | {"seconds": sum(summary["seconds"].values())}
    row |= {"code": code, "environment": environment}
    return row | ({"reason": summary["reason"]} if "reason" in summary else {})


def _read_scores(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """The metrics on validation and test data."""
    # Without a loss there is no accuracy either, though older runs recorded one.
    known = [split for split in ("val", "test") if metrics.get(f"{split}/loss") is not None]
    return {name: value for name, value in metrics.items() if name.partition("/")[0] in known}
