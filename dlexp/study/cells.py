"""A study as an object: its cells, and how a cell is typed in a command. Loads no torch."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dlexp.config.grid import Grid, combine

Cell = dict[str, Any]
ARM = "arm"  # the key that names a cell and sets nothing


class Repeat(NamedTuple):
    """What distinguishes a run from the others of its cell: its seed, and its data_seed if the study has several draws."""

    seed: int
    data_seed: int | None = None

    @property
    def settings(self) -> dict[str, int]:
        """The keys of a config that it sets."""
        return {"seed": self.seed} if self.data_seed is None else {"data_seed": self.data_seed, "seed": self.seed}


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
        zip: Groups of axes that go together, value by value. Their product with the other axes makes the cells.
        exclude: Combinations of values of axes that make no cell.
        skip: `without_effect`: no cell either where a setting would have no effect.
        skipped: The cells that `skip` leaves out. No key of a file.
        cells: Further cells, listed one by one; the key `arm` names a cell.
        recipe: Key → value of the parts whose worth an ablation measures (switches.py). It makes the cells.
        switches: The parts of the recipe that are put back, or added, one at a time, as protocol.json holds them. No key of a
            file.
        tune: Settings that are tuned for each cell before the comparison: key → values; and, as `trials`, `seeds` and `metric`,
            how many of their combinations are tried, with which seeds, and what they are judged by (search.py).
        seeds: The seeds of each cell.
        data_seeds: The draws of the data: every seed of every cell is run on each of them. If it is empty, there is one: that
            of the setting `data_seed`.
        looks: The numbers of seeds (or, with `data_seeds`, of draws) at which the study is judged, increasing; the last is that
            of all. If it is empty, the study is judged once.
        bounds: How strict the looks are: `obrien_fleming`, the default, strict at first, or `pocock`, all alike
            (analysis/judge/bounds.py).
        metric: The metric to compare, such as `test/acc`, or a cost, such as `train/seconds` or `memory.allocated`
            (analysis/judge/costs.py): of a cost the report also states the speed-up of each cell over the cell with the
            first value of the first key, or of `arm`.
        pairing: `paired`: arms are compared seed by seed; `independent`: as groups.
        learned: When a run has learned: the share of its own best accuracy that it must keep (`of_own_best`, 0.5 by default),
            and how far it must be on the way from chance to the best cell's median (`of_best_cell`, 0.25); 0 leaves one out.
        effect: The smallest difference of interest, as a size in the unit of `metric`; a factor where the predictions have a
            `ratio`. Reports state how many seeds would show it.
        predictions: Contrasts of cells with an expectation. plus - minus is expected to be greater than `margin`, less than
            -`margin`, or between the two (`equal`). If `ratio` is given, plus / minus is expected to be greater than it, less
            than 1 / ratio, or between the two. Each may have an `effect` of its own.
        reference: Published numbers: their source, and a value for each cell.
    """

    name: str
    question: str
    background: str
    base: Cell = field(default_factory=dict)
    when: dict[str, Cell] = field(default_factory=dict)
    axes: dict[str, list[Any]] = field(default_factory=dict)
    zip: list[list[str]] = field(default_factory=list)
    exclude: list[Cell] = field(default_factory=list)
    skip: str = ""
    skipped: list[Cell] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    recipe: Cell = field(default_factory=dict)
    switches: list[dict[str, Any]] = field(default_factory=list)
    tune: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2, 3, 4])
    data_seeds: list[int] = field(default_factory=list)
    looks: list[int] = field(default_factory=list)
    bounds: str = ""
    metric: str = "test/acc"
    pairing: str = "paired"
    learned: dict[str, float] = field(default_factory=dict)
    effect: float | None = None
    predictions: list[dict[str, Any]] = field(default_factory=list)
    reference: dict[str, Any] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """The keys that distinguish its cells, in their order."""
        return list(dict.fromkeys([*self.axes, *itertools.chain.from_iterable(self.cells)]))

    @property
    def repeats(self) -> list[Repeat]:
        """The runs of each cell, seeds first: an interrupted study has whole seeds, on all draws of the data."""
        return list_repeats(self.seeds, self.data_seeds)

    @property
    def units(self) -> list[int]:
        """What looks count: the draws of the data, or else the seeds."""
        return self.data_seeds or self.seeds

    def all_cells(self) -> list[Cell]:
        """The combinations of the axes, then the listed cells."""
        cells = self.combine_axes() + self.cells
        return [cell for cell in cells if cell not in self.skipped] if self.skipped else cells

    def combine_axes(self) -> list[Cell]:
        """The combinations of the axes that `zip` and `exclude` leave."""
        places = combine(self.axes, Grid(self.zip, self.exclude)) if self.axes else ()
        return [{key: self.axes[key][place] for key, place in combination.items()} for combination in places]


def list_repeats(seeds: Sequence[int], data_seeds: Sequence[int]) -> list[Repeat]:
    """Every seed on every draw of the data."""
    return [repeat for seed in seeds for repeat in [Repeat(seed, drawn) for drawn in data_seeds] or [Repeat(seed)]]


def meets(cell: Cell, condition: str) -> bool:
    """Whether a cell has the value that a condition of `when` names, such as `norm=gn`."""
    return condition in [f"{key}={value}" for key, value in overrides_of(cell).items()]


def overrides_of(values: Mapping[str, Any]) -> dict[str, str]:
    """The keys that a cell, or another map of a study, sets, each with its value as it is typed."""
    return {key: spell(value) for key, value in values.items() if key != ARM}


def command(study: Study, cell: Cell, repeat: Repeat, changes: Mapping[str, str]) -> tuple[str, ...]:
    """The overrides of one run: the cell wins over `when`, `when` over `base`, and what a command changes over all."""
    added: Cell = {}
    for condition, values in study.when.items():
        added |= values if meets(cell, condition) else {}
    return label(study.base | added | cell, repeat, changes)


def label(cell: Cell, repeat: Repeat, changes: Mapping[str, str]) -> tuple[str, ...]:
    """The overrides that distinguish one run from the others of its study."""
    return tuple(f"{key}={text}" for key, text in (overrides_of({**cell, **repeat.settings}) | dict(changes)).items())


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
