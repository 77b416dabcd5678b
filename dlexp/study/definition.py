"""A study: a question, the runs that answer it, and what it predicts. Read from a file in conf/study/. Loads no torch."""

import itertools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin

from dlexp.config.options import format_place, option_file, options_in, read
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import format_value, make_printable
from dlexp.errors import ConfigError
from dlexp.run.record.identity import slug

Cell = dict[str, Any]
PREDICTION = {"claim", "plus", "minus", "where", "expected", "margin", "ratio", "metric"}
RESERVED = ("adhoc", "reference")  # names of other folders in outputs/
CHANGED = "with-"  # prefix of the report's folder if a command changed the study
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


# Key of a study's file → type of its value.
KEYS: dict[str, Any] = {entry.name: get_origin(entry.type) or entry.type for entry in fields(Study) if entry.name != "name"}


def studies() -> list[str]:
    """The names of all studies."""
    return options_in("study")


def read_study(name: str) -> Study:
    """Read a study and check its file.

    Args:
        name: The name of a study in conf/study/ or in that of the lab, or the path of a file that ends with .yaml.

    Raises:
        ConfigError: If there is no such study, or if its file is not that of a study.
    """
    if name.endswith(".yaml"):
        path = Path(name).expanduser()
        return _read_study(path.stem, _check_path(path))
    if name not in studies():
        typed = make_printable(name)
        raise ConfigError(f"study={typed}: no such study. Studies: {', '.join(studies())}.{nearest_option(typed, studies())}")
    return _read_study(name, option_file("study", name))


def _check_path(path: Path) -> Path:
    """Check that a study may be read from this file: no other study has its name, which is that of a folder in outputs/."""
    typed, name = make_printable(str(path)), path.stem
    if not os.path.isfile(path):  # unlike Path.is_file, it raises no error for a name that no file can have
        raise ConfigError(f"study={typed}: there is no such file.")
    if name in studies() and not path.samefile(option_file("study", name)):
        raise ConfigError(
            f"study={typed}: {format_place(option_file('study', name))} is a study {make_printable(name)} too, and both would "
            "write to the same folder: rename the file."
        )
    return path


def _read_study(name: str, path: Path) -> Study:
    if name != slug([name]) or name in RESERVED or name.startswith(CHANGED):
        raise ConfigError(
            f"study={make_printable(name)}: names a folder, and must be of letters, digits and .=_- (at most 80), not "
            f"{' or '.join(RESERVED)}, and not begin with {CHANGED}."
        )
    content = read(path)
    problems = [f"study={name}: {key}: no such key. Keys: {', '.join(sorted(KEYS))}." for key in content.keys() - KEYS.keys()]
    problems += [
        f"study={name}: {key}: must be a {KEYS[key].__name__}, got {format_value(value)}."
        for key, value in content.items()
        if not isinstance(value, KEYS.get(key, object))
    ]
    problems += [f"study={name}: {key} is missing." for key in {"question", "background"} - content.keys()]
    if problems:
        raise ConfigError(*problems)
    study = Study(name=name, **content)
    if problems := list(_find_problems(study)):
        raise ConfigError(*(f"study={name}: {problem}" for problem in problems))
    return study


def _find_problems(study: Study) -> Iterator[str]:
    cells = study.all_cells()
    if not cells:
        yield "neither axes nor cells."
    if study.pairing not in ("paired", "independent"):
        yield f"pairing: must be paired or independent, got {study.pairing}."
    values = study.reference.get("values", [])
    numbers = {"value", "sd", "n"}
    selectors = [({key: item for key, item in entry.items() if key not in numbers}, "reference") for entry in values]
    for condition in study.when:
        if not any(meets(cell, condition) for cell in cells):
            yield f"when: {condition} selects no cell."
    for prediction in study.predictions:
        if unknown := sorted(prediction.keys() - PREDICTION):
            yield f"predictions: {unknown[0]}: no such key. Keys: {', '.join(sorted(PREDICTION))}."
        yield from _check_margin(prediction)
        if prediction.get("expected") not in ("greater", "less", "equal"):
            yield f"predictions: expected must be greater, less or equal, got {prediction.get('expected')}."
        for side in ("plus", "minus"):
            given = prediction.get(side, {})
            where = prediction.get("where", {})
            selectors += [(where | cell, f"predictions.{side}") for cell in (given if isinstance(given, list) else [given])]
    for selector, place in selectors:
        if not any(selector.items() <= cell.items() for cell in cells):
            yield f"{place}: {selector} selects no cell."


def _check_margin(prediction: Mapping[str, Any]) -> Iterator[str]:
    """Check `margin` and `ratio` of a prediction."""
    margin, ratio = prediction.get("margin", 0), prediction.get("ratio")
    if ratio is None:
        if prediction.get("expected") == "equal" and not margin > 0:
            yield "predictions: expected: equal needs a margin above 0, or a ratio above 1."
        return
    if margin:
        yield "predictions: margin and ratio: give one of the two."
    least = "above 1 with expected: equal" if prediction.get("expected") == "equal" else "at least 1"
    if not isinstance(ratio, int | float) or isinstance(ratio, bool) or ratio < 1 or (ratio == 1 and "above" in least):
        yield f"predictions: ratio must be a number {least}, got {format_value(ratio)}."


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
