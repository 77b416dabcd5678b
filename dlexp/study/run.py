"""Run a study: its search if it tunes, then its comparison, and write its report."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dlexp.config.entry import show_command
from dlexp.config.suggestion import nearest_option
from dlexp.errors import ConfigError, DiskError
from dlexp.run.display import Display, make_sweep_display
from dlexp.run.record import disk
from dlexp.run.record.clear import PAGE
from dlexp.study.cells import Study
from dlexp.study.choice import check_compared
from dlexp.study.protocol import write_protocol
from dlexp.study.request import Request
from dlexp.study.search import read_search
from dlexp.study.sweep import Checked, Swept, count_due, goes_on, run_sweep


class Ended(NamedTuple):
    """How a study ended: the exit code, 1 if a run failed, else 0; the path of its report; and why it was not replaced."""

    code: int
    report: Path
    not_replaced: str = ""


def run_study(
    study: Study,
    request: Request,
    checked: Checked,
    typed: str,
    choose_display: Callable[[int], Display] = make_sweep_display,
    added: Request | None = None,
) -> Ended:
    """Run the runs of a study that are not finished, and write its report.

    Of a study that tunes, these are the runs of the search; those of the comparison, with the settings that it chooses, follow.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        checked: Its runs, from `check_cells`.
        typed: The command.
        choose_display: Makes the display for a number of runs.
        added: The part of which the comparison is run, by default all of `request`.

    Raises:
        ConfigError: If no run has a metric that the study compares, or if two of its cells are the same run.
        DiskError: If the disk is full or cannot be written, or if the report cannot be made of what is there.
    """
    check_metrics(study, checked)
    folder = write_protocol(study, request, typed)
    if not study.tune:
        return _report(folder, run_sweep(checked, typed, choose_display(count_due(checked.runs))), request)
    part, swept = added or request, Swept(0, is_last=True)
    if checked.runs and not _has_searched_again(study, part, checked):
        swept = run_sweep(checked, typed, choose_display(count_due(checked.runs)), "val")
    compared, lacking = check_compared(study, part)
    write_protocol(study, request, typed)
    with choose_display(0) as display:
        for line in lacking:
            display.say(line)
    if compared.runs:
        code = swept.code
        swept = run_sweep(compared, typed, choose_display(count_due(compared.runs)))
        swept = swept._replace(code=max(code, swept.code))
    return _report(folder, swept, request)


def _has_searched_again(study: Study, part: Request, checked: Checked) -> bool:
    """Whether force=true has repeated the search before, in a start that was interrupted in the comparison."""
    return any(run.config["force"] for run in checked.runs) and goes_on(check_compared(study, part)[0].runs)


def _report(folder: Path, swept: Swept, request: Request) -> Ended:
    if not (swept.is_last or request.schedule):  # which lists each look in the report's folder
        left = f"{folder}: another process is at the same study. The one that ends last writes the report."
        return Ended(swept.code, folder / PAGE, left)
    from dlexp.analysis.read.folder import DamagedError
    from dlexp.analysis.report.replace import LessKnownError
    from dlexp.analysis.report.write import build_report  # draws figures: not needed until now

    try:
        return Ended(swept.code, build_report(folder))
    except (DamagedError, OSError) as error:
        done, later = "written" if disk.refusal(error) else "made", f"{show_command('report')} {folder}"
        raise DiskError(
            f"{folder}: the report cannot be {done} ({error}). All runs are recorded: {later} writes it."
        ) from error
    except LessKnownError as error:
        not_replaced = f"{error} {show_command('report')} {folder} --replace replaces it all the same."
        return Ended(swept.code, folder / PAGE, not_replaced)


def check_metrics(study: Study, checked: Checked) -> None:
    """Check that the runs of a study have the metrics that it compares.

    Raises:
        ConfigError: If no run has one of them.
    """
    problems = []
    for metric in dict.fromkeys([study.metric, *(str(entry["metric"]) for entry in study.predictions if "metric" in entry)]):
        if checked.metrics and "/" in metric and metric not in checked.metrics:  # others are counts, times and derived numbers
            near = nearest_option(metric, sorted(checked.metrics))
            problems.append(f"study={study.name}: metric: no run of this study has {metric}.{near}")
    search = read_search(study)
    if search and checked.metrics and search.metric not in checked.metrics:
        near = nearest_option(search.metric, sorted(checked.metrics))
        problems.append(f"study={study.name}: tune: no run of this study has {search.metric} to choose by.{near}")
    if problems:
        raise ConfigError(*problems)


def is_finished(study: Study, request: Request, first: Checked) -> bool:
    """Whether all runs that a command asks for have ended.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        first: The runs that it begins with, from `check_cells`.
    """
    if count_due(first.runs):
        return False
    if not study.tune:
        return True
    chosen, lacking = check_compared(study, request)
    return not lacking and not count_due(chosen.runs)
