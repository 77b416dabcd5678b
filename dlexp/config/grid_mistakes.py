"""Find what is wrong with `zip`, `exclude` and `skip`, in a command or in the file of a study."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from dlexp.config.grid import EXCLUDE, GRID, SKIP, WITHOUT_EFFECT, ZIP, Axes, Grid, combine, find_places, read_grid
from dlexp.config.overrides import Override, parse, sweeper_axes
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import format_value, make_printable
from dlexp.errors import ConfigError

MAX_VALUES = 20  # of an axis that are named


def check_word(override: Override, *, sweeps: bool) -> Iterator[str]:
    """What is wrong with `zip`, `exclude` or `skip` as typed, whatever the axes are."""
    if override.parsed.is_sweep_override():
        listed = f"[{override.value_text}]"
        advice = f"{ZIP} takes one list: {ZIP}={listed}." if override.key == ZIP else "takes one value."
        yield f"{override.text}: {make_printable(advice)}"
        return
    if not sweeps and override.value is not None:  # null, the default, asks for nothing
        yield f"{override.text}: says how a sweep is made, and this is one run: add -m, or leave it out."
    if override.value is not None:
        yield from (f"{override.text}: {line}" for line in find_wrong_forms(override.key, override.value))


def find_mistakes_between(command: Mapping[int, Override]) -> dict[int, list[str]]:
    """What is wrong with `zip` and `exclude` beside the axes of their command, each of which is right in itself.

    Returns:
        Position of the override that the lines are about → lines.
    """
    place = {override.key: position for position, override in command.items() if override.key in GRID}
    grid = read_grid({key: command[position].value for key, position in place.items()})
    axes = read_axes(command)
    wrong: dict[int, list[str]] = {}
    if ZIP in place and (lines := list(find_zip_mistakes(grid, axes))):
        wrong[place[ZIP]] = [f"{command[place[ZIP]].text}: {line}" for line in lines]
    elif EXCLUDE in place and (lines := list(find_exclude_mistakes(grid, axes))):
        wrong[place[EXCLUDE]] = [f"{command[place[EXCLUDE]].text}: {line}" for line in lines]
    return wrong


def read_axes(command: Mapping[int, Override]) -> dict[str, list[Any]]:
    """The keys that a command sets, with their values."""
    axes: dict[str, list[Any]] = {}
    for override in command.values():
        if override.key.partition(".")[0] != "hydra" and override.key not in GRID:
            axes[override.key] = override.values
        for key, values in sweeper_axes(override).items():
            with suppress(ConfigError):  # it is refused with the override
                axes[key] = parse(f"{key}={values}").values
    return axes


def count_cells(command: Mapping[int, Override]) -> Iterator[tuple[int, int]]:
    """The position of each override, and by how much it multiplies the number of cells."""
    words = {override.key: override.value for override in command.values() if override.key == ZIP and override.values}
    known = not any(line for key, value in words.items() if value for line in find_wrong_forms(key, value))
    counted = {key: group[0] for group in read_grid(words).together for key in group[1:]} if known else {}
    keys = {override.key for override in command.values()}
    for position, override in command.items():
        is_counted = override.key in GRID or (override.key in counted and counted[override.key] in keys)
        yield position, 1 if is_counted else max(1, len(override.values))


def find_wrong_forms(key: str, value: Any) -> Iterator[str]:
    """What is wrong with the value of `zip`, `exclude` or `skip`, whatever the axes are."""
    got = f"got {make_printable(show_map(value) if isinstance(value, Mapping) else format_value(value))}"
    if key == SKIP and value != WITHOUT_EFFECT:
        yield f"must be {WITHOUT_EFFECT}, {got}."
    elif key == ZIP:
        groups = value if isinstance(value, list) and value and isinstance(value[0], list) else [value]
        if not all(isinstance(group, list) and group and all(isinstance(name, str) for name in group) for group in groups):
            yield f"must be a list of axes that go together, such as [depth, width], or of several such lists, {got}."
    elif key == EXCLUDE:
        entries = value if isinstance(value, list) and value else [None]
        if not all(isinstance(entry, Mapping) and entry and all(isinstance(name, str) for name in entry) for entry in entries):
            yield f"must be a list of combinations to leave out, such as [{{norm: bn, batch_size: 2}}], {got}."


def find_zip_mistakes(grid: Grid, axes: Axes) -> Iterator[str]:
    """What is wrong with the groups of axes that go together, one line each."""
    seen: set[str] = set()
    for group in grid.together:
        names = [make_printable(key) for key in group]
        unknown = [key for key in group if key not in axes]
        yield from (_describe_unknown(key, axes) for key in unknown)
        if len(group) == 1:
            yield f"[{names[0]}] is one axis: name two or more that go together."
        yield from (f"{make_printable(key)} comes twice." for key in group if key in seen or group.count(key) > 1)
        seen.update(group)
        lengths = {key: len(axes[key]) for key in group if key in axes}
        if single := [key for key, length in lengths.items() if length < 2]:
            yield f"{single[0]} has {_count(lengths[single[0]])}: axes that go together have two or more."
        elif len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {_count(length)}" for key, length in lengths.items())
            yield f"{listed}: axes that go together have equally many."


def find_exclude_mistakes(grid: Grid, axes: Axes) -> Iterator[str]:
    """What is wrong with the combinations that are left out, one line each. The groups of `zip` must be right."""
    if not grid.exclude:
        return
    all_places = list(combine(axes, grid._replace(exclude=())))
    left = all_places
    for entry in grid.exclude:
        shown = make_printable(show_map(entry))
        if wrong := [_describe_unknown(key, axes) for key in entry if key not in axes]:
            yield from (f"{shown}: {line}" for line in wrong)
            continue
        places = find_places(axes, entry)
        if lacking := [key for key, found in places.items() if not found]:
            for key in lacking:
                values = ", ".join(make_printable(show_value(value)) for value in axes[key][:MAX_VALUES])
                lacked = make_printable(show_value(entry[key]))
                near = nearest_option(lacked, list(map(show_value, axes[key])))
                yield f"{shown}: {key} has no value {lacked}, but {values}.{near}"
            continue
        if not any(all(place[key] in found for key, found in places.items()) for place in all_places):
            yield f"{shown}: leaves out nothing: no combination has these values."
        left = [place for place in left if not all(place[key] in found for key, found in places.items())]
    if all_places and not left:
        yield f"leaves none of the {_count(len(all_places), 'combination')}."


def _describe_unknown(key: str, axes: Axes) -> str:
    name, known = make_printable(key), list(axes)
    listed = f"The axes are {', '.join(known)}." if known else "There are no axes."
    return f"{name} is no axis here. {listed}{nearest_option(name, known)}"


def _count(number: int, noun: str = "value") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def show_map(entry: Mapping[Any, Any]) -> str:
    """A combination for a message, such as `{norm: bn, batch_size: 2}`."""
    return "{" + ", ".join(f"{key}: {show_value(value)}" for key, value in entry.items()) + "}"


def show_value(value: Any) -> str:
    """A value of a combination for a message: text without quotes."""
    return value if isinstance(value, str) else format_value(value)
