"""Complete the runs of a sweep: one after the other or several at a time, again and again until no other process has one."""

from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from time import sleep

from dlexp.config.values import join_first
from dlexp.machine.once import checking_once
from dlexp.run.display import Display
from dlexp.run.plan import PlannedRun
from dlexp.run.record.lock import find_holder
from dlexp.study.jobs import read_jobs
from dlexp.study.row import Row, complete
from dlexp.study.sharing import AGAIN
from dlexp.study.work import Work, fit_into_memory, order_runs
from dlexp.study.workers import complete_at_once

POLL_SECONDS = 1.0  # between two looks whether another process has ended a run

Completed = Generator[tuple[PlannedRun, Row]]


def complete_all(
    runs: Sequence[PlannedRun], work: Mapping[str, Work], finished: Iterable[str], gpus: Sequence[str], display: Display
) -> Completed:
    """Complete the runs of a sweep, and yield each with its row when it has ended.

    A run that another process holds is yielded as held, and again when it has ended there, or here if that process has ended
    without it. With `wait=false` what is held at the end is left to the others.

    Args:
        runs: The runs.
        work: Id → size, of the runs that are due.
        finished: The ids of runs that are done although they seem to be due.
        gpus: The GPUs, if a run uses one.
        display: Shows the runs.
    """
    waits, held = runs[0].composed.config["wait"], dict[str, PlannedRun]()
    turn = runs
    must_run: Callable[[PlannedRun], bool] = partial(_must_run, finished=frozenset(finished))
    while turn:
        with closing(_complete_once(turn, must_run, work, gpus, display)) as completed:
            for run, row in completed:
                held.pop(run.identity, None)
                if row["outcome"] == "held":
                    held[run.identity] = run
                if row["outcome"] == "skipped" and run.identity in work:
                    display.skip()
                yield run, row
        turn, must_run = _find_free(held.values()), _must_still_run
        if held and not turn and waits:
            display.say(f"Waits for {_describe(held.values())}. With wait=false the command ends here.")
            while not turn:
                sleep(POLL_SECONDS)
                turn = _find_free(held.values())


def _must_run(run: PlannedRun, finished: Collection[str]) -> bool:
    return run.must_run() and run.identity not in finished


def _must_still_run(run: PlannedRun) -> bool:
    """Whether a run must be executed after another process has held it, which may just have done it again."""
    return run.read_summary() is None if any(run.config[key] for key in AGAIN) else run.must_run()


def _find_free(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    return [run for run in runs if not find_holder(run.study_folder, run.identity)]


def _describe(runs: Collection[PlannedRun]) -> str:
    holders = join_first(filter(None, (find_holder(run.study_folder, run.identity).rstrip(".") for run in runs)), 3)
    return f"{len(runs)} {'run' if len(runs) == 1 else 'runs'} of other processes: {holders}"


def _complete_once(
    runs: Sequence[PlannedRun],
    must_run: Callable[[PlannedRun], bool],
    work: Mapping[str, Work],
    gpus: Sequence[str],
    display: Display,
) -> Completed:
    """Complete runs, each once."""
    jobs = read_jobs(runs[0].composed)
    due: list[PlannedRun] = []
    ended: list[tuple[PlannedRun, Row]] = []
    with checking_once():
        for run in runs:
            if must_run(run):
                due.append(run)
            else:
                ended.append((run, complete(run, display, due=False)))
    yield from ended
    count = jobs.choose_count([run.config["hardware"]["num_threads"] for run in due], gpus, len(due))
    count, reason = fit_into_memory(due, work, count) if count > 1 else (count, "")
    if reason:
        display.say(reason)
    if count == 1:
        for run in (_set_jobs(run, 1) for run in due):
            yield run, complete(run, display, due=True)  # which looks whether another process has executed it
        return
    ordered = [_set_jobs(run, count) for run in order_runs(due, [run for run, _ in ended], work)]
    places = [gpus[number % len(gpus)] if gpus else None for number in range(count)]
    yield from complete_at_once(ordered, places, display)


def _set_jobs(run: PlannedRun, count: int) -> PlannedRun:
    """The run with the number of runs that are executed at the same time as it, for its summary."""
    return replace(run, config={**run.config, "jobs": count})
