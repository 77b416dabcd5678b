"""Let the tasks of a cluster execute a sweep: what makes no sense is refused, and their number is chosen.

Each task is the command without its launcher. The tasks share the runs as the same command in several terminals does.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from dlexp.config.compose import Composed
from dlexp.config.launcher import Launcher
from dlexp.config.options import current_lab
from dlexp.errors import ConfigError, UnsupportedError
from dlexp.machine.device import find_device
from dlexp.run.plan import ADHOC
from dlexp.study.cells import Study
from dlexp.study.jobs import AUTO, find_measured
from dlexp.study.sharing import AGAIN
from dlexp.study.sweep import check_cells, count_due

LOGS = "launcher"  # the folder of the logs, in that of the runs


class Tasks(NamedTuple):
    """The tasks of a command.

    Args:
        command: The words of each.
        folder: The folder in which they run.
        logs: The folder of their logs.
        number: How many there are.
    """

    command: list[str]
    folder: str
    logs: Path
    number: int


class Due(NamedTuple):
    """What there is to do for the tasks.

    Args:
        runs: The runs that are due.
        total: All runs that this machine can check.
        unchecked: Why this machine cannot check the others, for each of them.
    """

    runs: int
    total: int
    unchecked: list[str]

    @property
    def most(self) -> int:
        """The largest number of runs that a task may have to execute."""
        return self.runs + len(self.unchecked)


def check_launcher(launcher: Launcher, cells: Sequence[Composed], study: Study | None = None) -> None:
    """Check that tasks can execute the cells.

    Raises:
        ConfigError: If they cannot.
    """
    if problems := list(dict.fromkeys(_find_mistakes(launcher, cells, study))):
        raise ConfigError(*problems)


def _find_mistakes(launcher: Launcher, cells: Sequence[Composed], study: Study | None) -> Iterator[str]:
    several, one = f"launcher.processes={launcher.processes}", "launcher.processes=1"
    if launcher.processes > 1:
        yield from find_measured(cells, study, several, one)
        for key in AGAIN:
            if values := [cell.config[key] for cell in cells if cell.config[key]]:
                typed = f"{key}={'true' if values[0] is True else values[0]}"
                yield f"{typed}: each task would do again what another one has just done: set {one}, or leave {typed} out."
        if not launcher.limits_cores and not launcher.settings["gpus"] and cells[0].config["jobs"] == AUTO:
            yield (
                f"jobs=auto: would be one run a core of the whole machine in each task, because {launcher.choice} does not "
                "keep tasks to their own cores here: give a number, such as jobs=2."
            )
    devices, gpus = {cell.config["hardware"]["device"] for cell in cells}, launcher.settings["gpus"]
    has_gpu = find_device("auto").type == "cuda" if "auto" in devices else False
    if "auto" in devices and gpus and not has_gpu:
        yield (
            f"launcher.gpus={gpus}: the tasks have a GPU and this machine has none, so hardware=auto would mean other runs "
            "there than here: set hardware=cuda."
        )
    elif "auto" in devices and has_gpu and not gpus:
        yield (
            "launcher.gpus=0: the tasks have no GPU and this machine has one, so hardware=auto would mean other runs there "
            "than here: set hardware=cpu, or launcher.gpus=1."
        )
    if "cuda" in devices and not gpus:
        yield "hardware=cuda: the tasks have no GPU: set launcher.gpus=1."
    if devices == {"cpu"} and gpus:
        yield f"launcher.gpus={gpus}: has no effect: no run of this sweep uses a GPU. Leave it out."


def find_due(cells: Sequence[Composed], study: str = ADHOC) -> Due:
    """Check all cells, and count the runs that are due.

    Raises:
        ConfigError: With every mistake of every cell. A device that only this machine lacks is none.
        DatasetError: If the data of a cell cannot be read or downloaded.
    """
    try:
        checked = check_cells(cells, study)
    except UnsupportedError as error:
        return Due(0, 0, [" ".join(error.problems)] * len(cells))
    return Due(count_due(checked.runs), len(checked.runs), checked.unsupported)


def make_tasks(launcher: Launcher, command: Sequence[str], runs: Path, most: int) -> Tasks:
    """The tasks that share the runs of a command.

    Args:
        launcher: What starts them.
        command: The words of the command, without the launcher.
        runs: The folder of the runs.
        most: The largest number of runs that are due, at least 1.
    """
    lab = current_lab()
    is_named = any(word.partition("=")[0] in ("--config-dir", "-cd") for word in command)
    words = [*command, *([f"--config-dir={lab.conf}"] if lab and not is_named else [])]
    folder = launcher.settings["folder"]
    logs = Path(folder).expanduser() if folder else runs / LOGS
    return Tasks(words, os.getcwd(), Path.cwd() / logs, min(launcher.processes, most))
