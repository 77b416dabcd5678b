"""Select the cells of a study that a command asks for, by values of its axes and by `zip` and `exclude`. Loads no torch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from dlexp.config.grid import EXCLUDE, ZIP, Grid, normalise
from dlexp.config.grid_mistakes import find_zip_mistakes, show_map
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import make_printable
from dlexp.errors import ConfigError
from dlexp.study.cells import Cell, Study, spell

Values = Mapping[str, Sequence[Any]]  # key of the cells → values that a command gives it


def select_cells(study: Study, narrowed: Values, grid: Grid) -> tuple[dict[str, list[Any]], list[Cell]]:
    """Select cells of a study, or make those of other values.

    Args:
        study: As its file describes it.
        narrowed: What the command says of keys of the cells.
        grid: `zip` and `exclude` of the command.

    Returns:
        The axes that have a value that the file lacks, with those that go together with them; and the cells.

    Raises:
        ConfigError: If there is no such cell, or if the command does not fit the axes.
    """
    axes = _narrow_axes(study, narrowed)
    _check_zip(study, axes, grid)
    wide = replace(study, axes=axes, zip=[*study.zip, *map(list, grid.together)], cells=[], skipped=[])
    only_axes = all(key in study.axes for key in narrowed)  # an axis-made cell has no value for the other keys
    product = wide.combine_axes() if only_axes else []
    listed = [cell for cell in study.cells if all(key in cell and cell[key] in values for key, values in narrowed.items())]
    cells = product + [cell for cell in listed if cell not in product]
    if not cells:
        wanted = " ".join(f"{key}={','.join(map(spell, values))}" for key, values in narrowed.items())
        raise ConfigError(f"study={study.name}: no cell has {wanted}.")
    changed = {key for key, values in axes.items() if any(value not in study.axes[key] for value in values)}
    changed |= {key for group in study.zip if changed.intersection(group) for key in group}
    known = replace(study, skipped=[]).all_cells()
    other = any(cell not in known for cell in cells)
    return {key: axes[key] for key in axes if other and key in changed}, _exclude(study, cells, grid)


def _narrow_axes(study: Study, narrowed: Values) -> dict[str, list[Any]]:
    """The values of each axis. Of axes that go together, known values select places; others replace all of them."""
    axes = {key: list(narrowed.get(key, values)) for key, values in study.axes.items()}
    for group in study.zip:
        named = [key for key in group if key in narrowed]
        if all(value in study.axes[key] for key in named for value in narrowed[key]):
            length = len(study.axes[group[0]])
            places = [i for i in range(length) if all(study.axes[key][i] in narrowed[key] for key in named)]
            axes |= {key: [study.axes[key][i] for i in places] for key in group}
        elif len(named) < len(group) or len({len(narrowed[key]) for key in group}) > 1:
            lengths = ", ".join(f"{key} has {len(narrowed[key]) if key in narrowed else 'none'}" for key in group)
            raise ConfigError(
                f"study={study.name}: {' and '.join(group)} go together: give each equally many values, or values that the "
                f"study has. Of this command, {lengths}."
            )
    return axes


def _check_zip(study: Study, axes: Values, grid: Grid) -> None:
    """Check `zip` of a command.

    Raises:
        ConfigError: If it does not fit the axes of the study.
    """
    problems = list(find_zip_mistakes(grid, axes))
    together = {key for group in study.zip for key in group}
    problems += [
        f"{key} goes together with another axis already." for group in grid.together for key in group if key in together
    ]
    if problems:
        raise ConfigError(*(f"{ZIP}={spell_groups(grid)}: {problem}" for problem in problems))


def spell_groups(grid: Grid) -> str:
    """The value of `zip` as it is typed: `[depth,width]`, or `[[depth,width],[norm,lr]]`."""
    groups = list(map(list, grid.together))
    return spell(groups[0] if len(groups) == 1 else groups)


def _exclude(study: Study, cells: list[Cell], grid: Grid) -> list[Cell]:
    """The cells without those that `exclude` of a command names, be they made by axes or listed.

    Raises:
        ConfigError: If it names a cell that is not there, or all of them.
    """
    problems = [line for entry in grid.exclude for line in _find_exclude_mistakes(study, cells, entry)]
    left = [cell for cell in cells if not any(_holds(cell, entry) for entry in grid.exclude)]
    if not problems and not left:
        problems = [f"leaves none of the {len(cells)} cells."]
    if problems:
        raise ConfigError(*(f"{EXCLUDE}: {problem}" for problem in problems))
    return left


def _find_exclude_mistakes(study: Study, cells: Sequence[Cell], entry: Mapping[str, Any]) -> Iterator[str]:
    shown, keys = make_printable(show_map(entry)), study.keys
    if unknown := [make_printable(key) for key in entry if key not in keys]:
        near = nearest_option(unknown[0], keys)
        yield f"{shown}: {unknown[0]} is no axis of {study.name}. Its axes: {', '.join(keys)}.{near}"
    elif not any(_holds(cell, entry) for cell in cells):
        yield f"{shown}: leaves out nothing: no cell of this command has these values."


def _holds(cell: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    return all(key in cell and normalise(cell[key]) == normalise(value) for key, value in entry.items())
