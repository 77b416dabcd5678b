"""Check a command: one run, or the runs of a sweep, as far as that is possible without data and model."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from dlexp.config.check_config import check
from dlexp.config.compose import Composed, compose
from dlexp.config.lookup import find_mistakes, look_up
from dlexp.config.overrides import expand, sample_cells
from dlexp.errors import ConfigError

MAX_CELLS = 12  # of a refused sweep that are composed and checked as well


def find_problems(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """Find everything that is wrong with a command in which `look_up` finds a mistake: the rest of it is checked as well.

    Returns:
        One line each. None means that the command may be composed, not that its config passes `check`.
    """
    problems = look_up(overrides, multirun=multirun)
    if not problems:
        return []
    rest = list(overrides)
    while wrong := find_mistakes(rest, multirun=True):
        rest = [text for position, text in enumerate(rest) if position not in wrong]
    for cell in islice(sample_cells(rest), MAX_CELLS):
        problems += check(compose(cell))
    return list(dict.fromkeys(problems))


def compose_run(overrides: Sequence[str]) -> Composed:
    """Compose and check the config of the one run that a command asks for.

    Raises:
        ConfigError: With everything that is wrong with the command.
    """
    if problems := find_problems(overrides, multirun=False):
        raise ConfigError(*problems)
    composed = compose(overrides)
    if problems := check(composed):
        raise ConfigError(*problems)
    return composed


def compose_sweep(overrides: Sequence[str]) -> list[Composed]:
    """Compose and check the configs of a sweep, in which `find_problems` has found nothing: one for each cell.

    Raises:
        ConfigError: With each problem once, and the number of cells that have it.
    """
    cells = [compose(cell) for cell in expand(overrides)]
    check_all(cells)
    return cells


def check_all(cells: Sequence[Composed]) -> None:
    """Check the configs of a sweep or of a study.

    Raises:
        ConfigError: With each problem once, and the number of cells that have it.
    """
    refuse([(problem, cell) for cell in cells for problem in check(cell)], len(cells))


def refuse(problems: Iterable[tuple[str, Composed]], total: int) -> None:
    """Raise the problems of the cells of a sweep, if there are any.

    Raises:
        ConfigError: With each problem once, the number of cells that have it, and the first of them.
    """
    found: dict[str, list[Composed]] = defaultdict(list)
    for problem, cell in problems:
        found[problem].append(cell)
    lines = []
    for problem, cells in found.items():
        where = f" (in {len(cells)} of {total} runs; first: {' '.join(cells[0].command)})" if len(cells) < total else ""
        lines.append(problem + where)
    if lines:
        raise ConfigError(*lines)
