"""List what a sweep or a study would run, without running it: done, to do, failed and stale runs of each cell, and the time."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from dlexp.commands.lab import choose_lab
from dlexp.config.check import compose_run, compose_sweep, find_problems
from dlexp.config.compose import Composed
from dlexp.config.entry import show_command, show_overrides, show_uses
from dlexp.config.launcher import take_launcher
from dlexp.config.overrides import is_multirun, parse, replace_sweeper_params
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.machine.notices import notify
from dlexp.run.display import make_display, origin_lines, results_table
from dlexp.study.ablation import read_ablation
from dlexp.study.definition import read_study, studies
from dlexp.study.request import compose_runs, names_study, narrow, number_runs, read_command

if TYPE_CHECKING:  # it loads torch, which a refused command does not need
    from dlexp.study.forecast import CellForecast
    from dlexp.study.forecast_study import StudyForecast

USES = {
    "": "all studies, and what they ask",
    "study=depth_activation depth=1,8": "what this command would do: a row for each cell",
    "-m norm=bn,gn batch_size=2,4,8": "the same for a sweep",
    "--ablate dropout=0.2 augment=standard": "the same for an ablation",
    "--time study=depth_activation": "time a few steps of each cell that has no finished run",
    "--runs study=depth_activation": "a row for each run",
}
MULTIRUN = ("-m", "--multirun")
ABLATE = "--ablate"
FLAGS = (*MULTIRUN, ABLATE, "--time", "--runs")
COLUMNS = ("done", "to do", "failed", "stale")  # are always shown; those of other states only where there are such runs
OTHERS = ("diverged", "interrupted", "damaged", "unsupported", "untuned")
SOURCES = {
    "own": "finished runs of the same cells",
    "like": "finished runs of the cells that are most like them",
    "timed": "a few timed steps",
}
MAX_SECONDS, MAX_MINUTES = 90, 90  # of a duration that is shown in seconds, or in minutes


def main(arguments: list[str]) -> int:
    """Print the list.

    Returns:
        The exit code: 2 if the command is wrong.
    """
    if {"-h", "--help"}.intersection(arguments):
        print(__doc__, show_uses("plan", USES), sep="\n\n")
        return 0
    try:
        arguments = choose_lab(take_launcher(arguments)[0])  # it says nothing about what there is to do
        flags = {text for text in arguments if text.startswith("-")}
        if unknown := sorted(flags.difference(FLAGS)):
            raise ConfigError(f"{make_printable(unknown[0])}: no such flag: {show_command('plan')} --help shows what there is.")
        overrides = [text for text in arguments if text not in flags]
        table, lines = show_plan(overrides, flags) if overrides or flags else show_studies()
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    with make_display() as display:
        display.table(table)
        for line in lines:
            display.say(line)
    return 0


def show_studies() -> tuple[Table, list[str]]:
    """Each study with its number of runs, and how one is started."""
    rows = [
        {"study": study.name, "runs": sum(number_runs(study, narrow(study, []))), "question": study.question}
        for study in map(read_study, studies())
    ]
    last = f"{len(rows)} studies. Run one: {show_command('train')} study=NAME"
    return results_table(rows, ["study", "runs", "question"]), [last]


def show_plan(overrides: Sequence[str], flags: set[str]) -> tuple[Table, list[str]]:
    """The cells of a command, and what there is to say: the counts, the time to expect, and when a study was registered."""
    study = _plan_study(overrides, ablates=ABLATE in flags) if names_study(overrides) or ABLATE in flags else None
    cells = study.cells if study else _plan_sweep(overrides, sweeps=bool(flags.intersection(MULTIRUN)))
    from dlexp.study.forecast import time_cells

    if "--time" in flags:
        time_cells(cells, lambda cell: notify(f"Timing a few steps: {make_printable(cell.name)}"))
    runs = [run for cell in cells for run in cell.runs]
    counts = Counter[str](run.state for run in runs)
    states = [*COLUMNS, *(state for state in OTHERS if counts[state])]
    if "--runs" in flags:
        of_runs = [{"run": run.title, "status": run.state, "seconds": run.seconds} for run in runs]
        table = results_table(of_runs, ["run", "status", "seconds"])
    else:
        nothing = dict.fromkeys(states, 0)
        of_cells = [{"cell": cell.name, **nothing, **cell.counts, "seconds a run": cell.seconds} for cell in cells]
        table = results_table(of_cells, ["cell", *states, "seconds a run"])
    total = f"{len(runs)} runs of {len(cells)} cells: " if len(cells) > 1 else f"{len(runs)} runs: "
    total += f"{', '.join(f'{counts[state]} {state}' for state in states if counts[state])}."
    total += f" {study.phases}" if study and study.phases else ""
    origins = origin_lines([run.code for run in runs], [run.environment for run in runs])
    expected = _describe_time(cells, [*sorted(flags), *overrides])
    before, after = ([study.registered], study.lacking) if study else ([], [])
    return table, [line for line in (*before, total, *after, expected, *origins) if line]


def _plan_study(overrides: Sequence[str], *, ablates: bool) -> "StudyForecast":
    study, request = read_ablation(overrides) if ablates else read_command(overrides)
    configs = compose_runs(study, request)
    from dlexp.study.forecast_study import list_study  # loads torch; a wrong command is refused before

    return list_study(study, request, configs)


def _plan_sweep(overrides: Sequence[str], *, sweeps: bool) -> list["CellForecast"]:
    """The cells of a sweep, or the one run of a command without -m."""
    if sweeps or is_multirun(map(parse, overrides)):
        if problems := find_problems(overrides, multirun=sweeps):
            raise ConfigError(*problems)
        configs = compose_sweep(replace_sweeper_params(overrides))
    else:
        configs = [compose_run(overrides)]
    from dlexp.study.forecast import REPEATS, list_cells

    return list_cells(configs, [_name_cell(composed, REPEATS) for composed in configs])


def _name_cell(composed: Composed, repeats: Sequence[str]) -> Mapping[str, str]:
    """The settings that distinguish a cell of a sweep; of a single cell all that were typed."""
    typed = {override.key: override.value_text for override in composed.overrides}
    varying = {key: text for key, text in typed.items() if key in composed.swept and key not in repeats}
    return varying or {key: text for key, text in typed.items() if key not in repeats}


def _describe_time(cells: Sequence["CellForecast"], arguments: Sequence[str]) -> str:
    """How long the due runs will take, and what this goes by; or how it can be found out."""
    from dlexp.study.forecast import count_jobs, sum_seconds

    due = [cell for cell in cells if cell.num_due]
    number = sum(cell.num_due for cell in due)
    if not due:
        return ""
    seconds = sum_seconds(cells)
    if seconds is None:
        again = f"{show_command('plan')} {show_overrides(['--time', *arguments])}"
        unknown = f"How long the {number} due will take is not known"
        if "--time" in arguments:
            return f"{unknown}: {sum(cell.seconds is None for cell in due)} cells could not be timed."
        return f"{unknown}, because none is finished. This times a few steps of each cell:\n{again}"
    sources = [words for source, words in SOURCES.items() if any(cell.source == source for cell in due)]
    jobs = count_jobs(cells)
    how = "one after the other" if jobs == 1 else f"with {jobs} at a time"
    return f"The {number} due will take about {_show_seconds(seconds / jobs)} {how}, going by {' and '.join(sources)}."


def _show_seconds(seconds: float) -> str:
    """A duration with its unit.

    >>> [_show_seconds(seconds) for seconds in (0.53, 42, 300, 86_400)]
    ['0.5 seconds', '42 seconds', '5.0 minutes', '24.0 hours']
    """
    if seconds < MAX_SECONDS:
        return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:.1f} seconds"
    minutes = seconds / 60
    return f"{minutes:.1f} minutes" if minutes < MAX_MINUTES else f"{minutes / 60:.1f} hours"
