"""Let a cluster execute a command: all cells are checked here, then tasks are started that share the runs."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlexp.config.check import compose_sweep
from dlexp.config.compose import Composed
from dlexp.config.entry import show_command, show_overrides, start_command
from dlexp.config.launcher import Launcher
from dlexp.config.overrides import replace_sweeper_params
from dlexp.errors import ConfigError
from dlexp.study.cells import Study
from dlexp.study.request import Request, compose_runs, number_runs

if TYPE_CHECKING:  # it loads torch, which a refused command does not need
    from dlexp.study.launch import Tasks

Say = Callable[[str], None]


class Typed(NamedTuple):
    """A command: its name, `train` or `ablate`, and its arguments without the launcher."""

    name: str
    arguments: Sequence[str]

    @property
    def words(self) -> list[str]:
        """What starts it."""
        return [*start_command(self.name), *self.arguments]

    @property
    def plan(self) -> str:
        """The command that says how far its runs are."""
        ablates = ["--ablate"] if self.name == "ablate" else []
        return f"{show_command('plan')} {show_overrides([*ablates, *self.arguments])}"


def launch_sweep(launcher: Launcher, typed: Typed, overrides: Sequence[str], *, sweeps: bool) -> int:
    """Start tasks that execute the runs of a sweep.

    Args:
        launcher: What starts them.
        typed: The command.
        overrides: Those of the command, in which `find_problems` has found nothing.
        sweeps: Whether it is a sweep.

    Returns:
        The exit code: 0 if tasks have been submitted, or if nothing is due; of tasks that the command waits for, the largest.

    Raises:
        ConfigError: With everything that is wrong with any cell, or if the tasks cannot execute them.
        DatasetError: If the data of a cell cannot be read or downloaded.
        DiskError: If the folder of the logs cannot be written.
    """
    if not sweeps:
        raise ConfigError(f"{launcher.choice}: starts tasks that share the runs of a sweep, and this is one run: leave it out.")
    return _launch(launcher, typed, compose_sweep(replace_sweeper_params(overrides)))


def launch_study(launcher: Launcher, typed: Typed, study: Study, request: Request) -> int:
    """The same for what is requested of a study."""
    return _launch(launcher, typed, compose_runs(study, request), study, request)


def _launch(
    launcher: Launcher, typed: Typed, cells: Sequence[Composed], study: Study | None = None, request: Request | None = None
) -> int:
    from dlexp.run.plan import ADHOC  # these load torch: not before the configs have passed
    from dlexp.study.launch import check_launcher, find_due, make_tasks

    check_launcher(launcher, cells, study)
    config, name = cells[0].config, study.name if study else ADHOC
    due = find_due(cells, name)
    later = _count_later(study, request, cells) if study and request and not due.unchecked else 0
    say = _ignore if config["display"] == "none" else print
    say(f"{due.runs} of {due.total} runs are due{f', and {later} after them' if later else ''}.")
    for reason, number in Counter(due.unchecked).items():
        say(f"The tasks check {number} more, because this machine cannot: {reason}")
    if not due.most + later:
        say(f"Nothing was started. Without {launcher.choice} the command reports them.")
        return 0
    tasks = make_tasks(launcher, typed.words, Path(config["output_dir"]).expanduser() / name, max(due.most, later))
    return (_submit if launcher.engine == "submitit" else _wait)(launcher, tasks, typed, say)


def _count_later(study: Study, request: Request, cells: Sequence[Composed]) -> int:
    """The runs of a comparison whose settings a search is still to choose."""
    from dlexp.study.run import is_finished
    from dlexp.study.sweep import check_cells

    if not study.tune or is_finished(study, request, check_cells(cells, study.name)):
        return 0
    return number_runs(study, request)[1]


def _submit(launcher: Launcher, tasks: "Tasks", typed: Typed, say: Say) -> int:
    from dlexp.study.on_submitit import submit  # submitit need not be installed

    submitted = submit(launcher, tasks)
    say(f"Submitted: {submitted.name}, {_count(tasks.number)}.")
    _tell(tasks, submitted.log, typed, say)
    say(f"Cancel them: {submitted.cancel}")
    return 0


def _wait(launcher: Launcher, tasks: "Tasks", typed: Typed, say: Say) -> int:
    from dlexp.study.on_ray import LOG, connected, execute  # Ray need not be installed

    with connected(launcher):
        say(f"Ray executes {_count(tasks.number)}. This command waits for them, and Ctrl-C stops them with their states saved.")
        _tell(tasks, LOG.format(number="*"), typed, say)
        code = execute(launcher, tasks, say)
    say(f"All tasks have ended. Without {launcher.choice} the command reports the runs.")
    return code


def _tell(tasks: "Tasks", log: str, typed: Typed, say: Say) -> None:
    logs = tasks.logs.relative_to(tasks.folder) if tasks.logs.is_relative_to(tasks.folder) else tasks.logs
    say(f"Logs: {logs / log}")
    say(f"How far they are: {typed.plan}")


def _count(number: int) -> str:
    return f"{number} {'task' if number == 1 else 'tasks'}"


def _ignore(line: str) -> None:
    """In place of `print` with `display=none`."""
