"""Check a command: one run, or the runs of a sweep, as far as that is possible without data and model."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice

from dlexp.config.check_config import check, find_settings_without_effect
from dlexp.config.combination import name_choice
from dlexp.config.compose import Composed, compose
from dlexp.config.entry import show_overrides
from dlexp.config.grid import GRID, SKIP, WITHOUT_EFFECT, read_grid
from dlexp.config.lookup import find_mistakes, look_up
from dlexp.config.options import default_choices, default_lists, list_groups, option_keys
from dlexp.config.overrides import expand, parse, read_from_hydra, sample_cells
from dlexp.config.values import join_first, make_printable
from dlexp.errors import ConfigError
from dlexp.machine.notices import notify

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

    Args:
        overrides: As Hydra hands them on.

    Raises:
        ConfigError: With each problem once, and the number of cells that have it.
    """
    overrides = list(map(read_from_hydra, overrides))
    command = [parse(text) for text in overrides]
    swept = {override.key for override in command if len(override.values) > 1} - {*GRID}
    typed = expand(overrides)
    if read_grid({override.key: override.value for override in command if override.key in GRID}).skip:
        varying = swept - {"seed", "data_seed"}
        names = [" ".join(text for text in cell if parse(text).key in varying) for cell in typed]
        found = list(map(find_without_effect, typed))
        if all(found):
            raise ConfigError(f"{SKIP}={WITHOUT_EFFECT}: leaves nothing of this sweep.", *dict.fromkeys(found))
        left_out = {(name, reason): None for name, reason in zip(names, found, strict=True) if reason}  # once for all seeds
        report_left_out(list(left_out))
        typed = [cell for cell, reason in zip(typed, found, strict=True) if not reason]
    cells = [compose(cell, swept=swept) for cell in typed]
    check_all(cells)
    return cells


def find_without_effect(cell: Sequence[str]) -> str:
    """Why a setting of a cell has no effect, one line; empty if each has one.

    Args:
        cell: Overrides of one value each, in which `look_up` finds nothing beside `skip=without_effect`.
    """
    command = [parse(text) for text in cell]
    chosen = {group: [option] for group, option in default_choices().items()} | default_lists()
    for override in command:
        if override.key in chosen:
            chosen[override.key] = override.value if override.key in list_groups() else [name_choice(override.value)]
    for override in command:
        group, below, name = override.key.partition(".")
        options = chosen.get(group, [])
        if below and group in chosen and not any(override.key in option_keys(group, option) for option in options):
            listed = f"[{','.join(options)}]" if group in list_groups() else options[0]
            return f"{override.key}: has no effect with {group}={listed}, which has no {name}."
    return next(iter(find_settings_without_effect(compose(cell))), "")


def report_left_out(found: Sequence[tuple[str, str]]) -> None:
    """Print which cells of a sweep `skip=without_effect` leaves out, a line for each reason.

    Args:
        found: The name of each of these cells, and why it is left out.
    """
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in found:
        reasons[reason].append(make_printable(name))
    for reason, names in reasons.items():
        notify(f"Left out: {join_first(names)}: {make_printable(reason)}")


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
        where = ""
        if len(cells) < total:
            skip = f"; {SKIP}={WITHOUT_EFFECT} leaves them out" if problem in find_settings_without_effect(cells[0]) else ""
            where = f" (in {len(cells)} of {total} runs; first: {show_overrides(cells[0].command)}{skip})"
        lines.append(problem + where)
    if lines:
        raise ConfigError(*lines)
