"""Run a study look by look: seeds are added until all its predictions are decided, or until the last look."""

from collections.abc import Callable, Sequence

from dlexp.config.compose import Composed
from dlexp.run.display import Display, make_sweep_display
from dlexp.study.cells import Study
from dlexp.study.choice import check_compared
from dlexp.study.request import Request, compose_first
from dlexp.study.run import Ended, is_finished, run_study
from dlexp.study.sweep import Checked, check_cells


def run_by_looks(
    study: Study,
    request: Request,
    looks: Sequence[int],
    runs: Sequence[Composed],
    typed: str,
    choose_display: Callable[[int], Display] = make_sweep_display,
) -> tuple[Ended, Checked]:
    """Run the seeds of each look, write the report, and stop where nothing is undecided.

    It begins at the last look whose runs have all ended.

    Args:
        study: As its file describes it.
        request: What the command asks of it.
        looks: The numbers of seeds at which it is judged.
        runs: The runs of all looks, from `compose_runs`.
        typed: The command.
        choose_display: Makes the display for a number of runs.

    Returns:
        How it ended, and the runs of the comparison up to the last look that was reached. The code is 1 if a run of any look
        failed.

    Raises:
        ConfigError: As `check_cells` and `run_study`; DatasetError and DiskError, too.
    """

    def select(begun: int, looked: int) -> Checked:
        """The runs of what is added from one look to the next; where the study tunes, those of the search."""
        if study.tune:
            searched = begun > 0 and not request.data_seeds  # more seeds of a cell are no reason to search again
            return (
                Checked([], []) if searched else check_cells(compose_first(study, request.between(begun, looked)), study.name)
            )
        repeats = set(request.between(begun, looked).repeats)
        of_run = [repeat for repeat in request.repeats for _ in request.cells]  # in the order of compose_runs
        return check_cells([run for run, repeat in zip(runs, of_run, strict=True) if repeat in repeats], study.name)

    done = [is_finished(study, request.until(n), select(0, n)) for n in looks]
    begun = code = 0
    for place in range(max(0, sum(done) - 1), len(looks)):
        n = looks[place]
        checked = select(begun, n)  # those of an earlier look are not run again by force=true
        ended = run_study(study, request.until(n), checked, typed, choose_display, request.between(begun, n))
        begun, code = n, max(code, ended.code)
        undecided, total = _count_undecided(ended)
        last = not undecided or place == len(looks) - 1
        with choose_display(0) as display:
            what = "draws of the data" if request.data_seeds else "seeds"
            coming = "" if last else f" The next look is at {looks[place + 1]} {what}."
            display.say(f"Look at {n} {what}: {total - undecided} of {total} predictions are decided.{coming}")
        if last:
            break
    compared = check_compared(study, request.until(begun))[0] if study.tune else select(0, begun)
    return ended._replace(code=code), compared


def _count_undecided(ended: Ended) -> tuple[int, int]:
    """How many predictions are undecided, and how many there are."""
    from dlexp.analysis import analyse

    verdicts = analyse(ended.report.parent).verdicts
    return sum(verdict.verdict == "undecided" for verdict in verdicts), len(verdicts)
