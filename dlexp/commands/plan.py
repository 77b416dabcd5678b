"""List the runs of a study without running them: done, to do, failed, and how long the rest will take."""

import sys
from collections import Counter
from statistics import mean
from typing import TYPE_CHECKING, Any

from rich.table import Table

from dlexp.commands.lab import choose_lab
from dlexp.config.entry import show_command, show_uses
from dlexp.data.fingerprint import checking_once
from dlexp.errors import ConfigError
from dlexp.run.display import make_display, origin_lines, results_table
from dlexp.run.record.layout import SUMMARY
from dlexp.study.definition import read_study, studies
from dlexp.study.request import compose_runs, narrow, number_runs, read_command

if TYPE_CHECKING:
    from dlexp.run.plan import PlannedRun

USES = {
    "": "all studies, and what they ask",
    "study=depth_activation depth=1,8": "the runs that this command would go through",
}


def main(overrides: list[str]) -> int:
    """Print the list.

    Returns:
        The exit code: 2 if the command is wrong.
    """
    if {"-h", "--help"}.intersection(overrides):
        print(__doc__, show_uses("plan", USES), sep="\n\n")
        return 0
    try:
        overrides = choose_lab(overrides)
        table, last = one_study(overrides) if overrides else all_studies()
    except ConfigError as error:
        print(*error.problems, sep="\n", file=sys.stderr)
        return 2
    with make_display() as display:
        display.table(table)
        display.say(last)
    return 0


def all_studies() -> tuple[Table, str]:
    """Each study with its number of runs, and how one is started."""
    rows = [
        {"study": s.name, "runs": sum(number_runs(s, narrow(s, []))), "question": s.question}
        for s in map(read_study, studies())
    ]
    last = f"{len(rows)} studies. Run one: {show_command('train')} study=<name>"
    return results_table(rows, ["study", "runs", "question"]), last


@checking_once()
def one_study(overrides: list[str]) -> tuple[Table, str]:
    """Each run that a command would go through, the counts with the expected time, and when it was registered."""
    study, request = read_command(overrides)
    configs = compose_runs(study, request)
    from dlexp.run.plan import plan  # loads torch; a wrong command is refused before
    from dlexp.study.choice import compose_compared
    from dlexp.study.registration import describe_registration

    configs += compose_compared(study, request)[0] if study.tune else []
    runs, counts = [plan(composed, study.name) for composed in configs], number_runs(study, request)
    summaries = [run.read_summary() for run in runs]
    pairs = list(zip(runs, summaries, strict=True))
    took = {run.identity: seconds(summary) for run, summary in pairs if summary and "seconds" in summary}
    codes, environments = [run.describe_other_code() for run in runs], [run.describe_other_environment() for run in runs]
    origins = [code or environment for code, environment in zip(codes, environments, strict=True)]
    rows = [row(*pair, took, origin) for pair, origin in zip(pairs, origins, strict=True)]
    due, unchosen = [run for run in runs if run.must_run()], sum(counts) - len(runs)
    rows += [{"run": f"{unchosen} runs with settings that the search chooses", "status": "to do"}] if unchosen else []
    statuses = Counter({"to do": unchosen}) + Counter(entry["status"] for entry in rows[: len(runs)])
    last = f"{sum(counts)} runs: {', '.join(f'{count} {status}' for status, count in statuses.most_common())}."
    if counts[0]:
        last += f" {counts[0]} are of the search, {counts[1]} of the comparison."
    if (due or unchosen) and took:
        expected = sum(estimate(run, runs, took) for run in due) + unchosen * mean(took.values())
        last += f" The {len(due) + unchosen} due will take about {expected / 60:.1f} minutes, going by the {len(took)} done."
    registered = describe_registration(study, request, runs[0].study_folder)
    lines = [*([registered] if registered else []), last, *origin_lines(codes, environments)]
    return results_table(rows, ["run", "status", "seconds"]), "\n".join(lines)


def row(run: "PlannedRun", summary: dict[str, Any] | None, took: dict[str, float], origin: str) -> dict[str, Any]:
    """One line of the table; `origin` says how the run was finished by other code or in another environment."""
    unfinished = "damaged" if (run.folder / SUMMARY).exists() else "interrupted" if run.folder.exists() else "to do"
    status = origin.partition(":")[0] or (summary["status"] if summary else unfinished)
    return {"run": run.title, "status": status, "seconds": took.get(run.identity)}


def seconds(summary: dict[str, Any]) -> float:
    """How long a run took, from its start to its end."""
    return sum(summary["seconds"].values())


def estimate(run: "PlannedRun", runs: "list[PlannedRun]", took: dict[str, float]) -> float:
    """Seconds that a run is expected to take: as the runs of its cell, or as all of the study where none of these is done."""
    siblings = [took[other.identity] for other in runs if other.identity in took and cell(other) == cell(run)]
    return mean(siblings or took.values())


def cell(run: "PlannedRun") -> list[str]:
    """What names a run, without its seed and the draw of its data."""
    return [text for text in run.label if not text.startswith(("seed=", "data_seed="))]
