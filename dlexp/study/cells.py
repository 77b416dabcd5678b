"""A study as an object: its cells, and how a cell is typed in a command. Loads no torch."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Cell = dict[str, Any]
ARM = "arm"  # the key that names a cell and sets nothing


@dataclass(frozen=True)
class Study:
    """A study, as its file in conf/study/ defines it.

    Args:
        name: The name of the file.
        question: One sentence.
        background: Why the question matters.
        base: Key → value, set in every run.
        when: Condition, such as `norm=gn` → key → value, set in the runs of the cells that meet the condition.
        axes: Key → values; the cells are their product.
        cells: Further cells, listed one by one; the key `arm` names a cell.
        seeds: The seeds of each cell.
        metric: The metric to compare, such as `test/acc`, or a cost, such as `train/seconds` or `memory.allocated`
            (analysis/judge/costs.py): of a cost the report also states the speed-up of each cell over the cell with the
            first value of the first key, or of `arm`.
        pairing: `paired`: arms are compared seed by seed; `independent`: as groups.
        learned: When a run has learned: the share of its own best accuracy that it must keep (`of_own_best`, 0.5 by default),
            and how far it must be on the way from chance to the best cell's median (`of_best_cell`, 0.25); 0 leaves one out.
        predictions: Contrasts of cells with an expectation. plus - minus is expected to be greater than `margin`, less than
            -`margin`, or between the two (`equal`). If `ratio` is given, plus / minus is expected to be greater than it, less
            than 1 / ratio, or between the two.
        reference: Published numbers: their source, and a value for each cell.
    """

    name: str
    question: str
    background: str
    base: Cell = field(default_factory=dict)
    when: dict[str, Cell] = field(default_factory=dict)
    axes: dict[str, list[Any]] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    metric: str = "test/acc"
    pairing: str = "paired"
    learned: dict[str, float] = field(default_factory=dict)
    predictions: list[dict[str, Any]] = field(default_factory=list)
    reference: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """The keys that distinguish its cells, in their order."""
        return list(dict.fromkeys([*self.axes, *itertools.chain.from_iterable(self.cells)]))

    def all_cells(self) -> list[Cell]:
        """The product of the axes, then the listed cells."""
        product = [dict(zip(self.axes, values, strict=True)) for values in itertools.product(*self.axes.values())]
        return (product if self.axes else []) + self.cells


def meets(cell: Cell, condition: str) -> bool:
    """Whether a cell has the value that a condition of `when` names, such as `norm=gn`."""
    return condition in [f"{key}={value}" for key, value in overrides_of(cell).items()]


def overrides_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The keys that a cell, or another map of a study, sets, each with its value as it is typed."""
    return {key: spell(value) for key, value in values.items() if key != ARM}


def spell(value: Any) -> str:
    """A value as it is typed in an override.

    >>> spell([True, None, {16: 4}])
    '[true,null,{16:4}]'
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{spell(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(spell, value)) + "]"
    return str(value)


def spell_cell(cell: Mapping[str, Any]) -> str:
    """A cell for a message, such as `{activation: relu, depth: 1}`."""
    return "{" + ", ".join(f"{key}: {spell(value)}" for key, value in cell.items()) + "}"
