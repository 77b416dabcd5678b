"""Look up a command in conf/ before anything is composed: find every mistake at once, and import or run nothing."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlexp.config.options import FIXED, default_choices, default_lists, groups, list_groups, option_keys, scalars
from dlexp.config.overrides import MAX_CELLS, Override, parse
from dlexp.config.suggestion import nearest_key, nearest_option
from dlexp.config.values import (
    find_private_keys,
    find_reference,
    find_references,
    find_resolver_calls,
    format_value,
    leaves,
    make_printable,
)
from dlexp.errors import ConfigError

HYDRA_KEYS = ("hydra.mode", "hydra.sweeper.params")
AXIS = "hydra.sweeper.params."  # begins a key that holds one axis of a sweep

Chosen = Mapping[str, Sequence[str]]  # group → the options that the command uses; none where that is not clear


def look_up(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """Find every mistake in the overrides of one command that can be seen without composing it.

    Args:
        overrides: As typed, including those of `hydra.`.
        multirun: Whether the command sweeps (-m).

    Returns:
        One line each: what was typed, what is wrong with it, the nearest valid choice.
    """
    return [line for lines in find_mistakes(overrides, multirun=multirun).values() for line in lines]


def find_mistakes(overrides: Sequence[str], *, multirun: bool) -> dict[int, list[str]]:
    """As `look_up`, by the position of the override that the lines are about."""
    command: dict[int, Override] = {}
    wrong: dict[int, list[str]] = {}
    for position, typed in enumerate(overrides):
        try:
            command[position] = parse(typed)
        except ConfigError as error:
            wrong[position] = error.problems
    chosen = _find_chosen(command.values())
    for group, options in chosen.items():
        for option in options:
            option_keys(group, option)  # raises if the file is no plain YAML
    sweeps = multirun or is_multirun(command.values())
    first: dict[str, str] = {}
    num_cells = 1
    for position, override in command.items():
        if override.key == "hydra.mode" and override.values == ["RUN"] and multirun:
            wrong[position] = [f"{override.text}: contradicts -m: leave one of the two out."]
            continue
        lines = list(_check_override(override, chosen, sweeps))
        for key in (override.key, *_sweeper_axes(override)):
            if key in first:
                lines.append(f"{override.text}: {make_printable(key)} is set twice, here and by {first[key]}.")
            first.setdefault(key, override.text)
        num_cells *= max(1, len(override.values))
        if num_cells > MAX_CELLS:
            lines.append(f"{override.text}: makes a sweep of more than {MAX_CELLS} runs.")
            num_cells = 1
        if lines:
            wrong[position] = lines
    return dict(sorted(wrong.items()))


def is_multirun(command: Iterable[Override]) -> bool:
    """Whether a command asks for a sweep by a setting of Hydra, which is the same as -m."""
    return any(override.key == "hydra.mode" and override.values == ["MULTIRUN"] for override in command)


def _find_chosen(command: Iterable[Override]) -> Chosen:
    chosen: dict[str, Sequence[str]] = {group: [option] for group, option in default_choices().items()}
    chosen |= default_lists()
    for override in command:
        if options := list_groups().get(override.key):
            lists = [value for value in override.values if isinstance(value, list)]
            chosen[override.key] = [name for value in lists for name in value if name in options]
        elif override.key in chosen:
            is_clear = all(value in groups()[override.key] for value in override.values)
            chosen[override.key] = override.values if is_clear else []
    return chosen


def _check_override(override: Override, chosen: Chosen, sweeps: bool) -> Iterator[str]:
    key, text, parsed = override.key, override.text, override.parsed
    names = re.split(r"[./]", key)
    if name := next((name for name in [*names, *find_private_keys(override.values)] if name.startswith("_")), None):
        name = make_printable(name)
        yield f"{text}: {name} is not for a command to set: the options of the groups alone choose what code runs."
    elif call := next(find_resolver_calls(override.values), None):
        yield f"{text}: {make_printable(call)} is not a reference to a key, such as ${{depth}}; nothing else is looked up."
    elif names[0] == "hydra":
        yield from _check_hydra_key(override, sweeps)
    elif parsed.is_delete():
        alternative = f"; {key}=none leaves it out" if "none" in groups().get(key, []) else ""
        yield f"{text}: nothing can be deleted from a config{alternative}."
    elif parsed.package is not None:
        yield f"{text}: a group has one place: write {key}={_value_text(override)}."
    else:
        check = _check_list if key in list_groups() else _check_option if key in chosen else _check_key
        found = list(check(override, chosen))
        yield from found
        if not found and (parsed.is_add() or parsed.is_force_add()):
            yield f"{text}: {key} is there already: write {key}={_value_text(override)}."
        if parsed.is_sweep_override() and not sweeps:
            yield f"{text}: several values: add -m to sweep over them."
        if len({repr(value) for value in override.values}) < len(override.values):
            yield f"{text}: the same value comes twice."


def _value_text(override: Override) -> str:
    return override.text.partition("=")[2]


def _check_hydra_key(override: Override, sweeps: bool) -> Iterator[str]:
    key, parsed = override.key, override.parsed
    if key not in HYDRA_KEYS and not key.startswith(AXIS) or parsed.is_delete() or parsed.package is not None:
        yield f"{override.text}: of hydra only {', '.join(HYDRA_KEYS)} may be set."
    elif any(word in override.typed for word in ("_target_", "(", "class")):
        yield f"{override.text}: nothing that names code may be set in hydra."
    elif parsed.is_sweep_override():
        yield f"{override.text}: a setting of hydra takes one value."
    elif key == "hydra.mode" and override.value not in ("RUN", "MULTIRUN"):
        yield f"{override.text}: must be RUN or MULTIRUN."
    elif key.startswith("hydra.sweeper.params"):
        if not sweeps:
            yield f"{override.text}: has no effect without a sweep: add -m, or leave it out."
        yield from look_up([f"{axis}={values}" for axis, values in _sweeper_axes(override).items()], multirun=True)


def _sweeper_axes(override: Override) -> dict[str, Any]:
    """The keys that an override of Hydra's sweeper sweeps over, with their values as text."""
    if override.key.startswith(AXIS):
        return {override.key.removeprefix(AXIS): value for value in override.values[:1]}
    is_map = override.key == "hydra.sweeper.params" and override.values and isinstance(override.value, dict)
    return {str(axis): values for axis, values in override.value.items()} if is_map else {}


def replace_sweeper_params(arguments: Sequence[str]) -> list[str]:
    """Replace each override of `hydra.sweeper.params` by its axes, `key=values`. Hydra could not set a key below its null."""
    replaced: list[str] = []
    for argument in arguments:
        is_params = argument.lstrip("+").startswith("hydra.sweeper.params")
        replaced += [f"{axis}={values}" for axis, values in _sweeper_axes(parse(argument)).items()] if is_params else [argument]
    return replaced


def _check_list(override: Override, chosen: Chosen) -> Iterator[str]:
    key, options = override.key, list_groups()[override.key]
    for value in override.values:
        if not isinstance(value, list):
            yield f"{override.text}: takes a list, such as {key}=[{', '.join(options[:2])}]."
            continue
        for name in value:
            if name not in options:
                nearest = nearest_option(name, options) if isinstance(name, str) else ""
                yield f"{key}=[{make_printable(str(name))}]: no such option. Options: {', '.join(options)}.{nearest}"
        if len({repr(name) for name in value}) < len(value):
            yield f"{override.text}: the same {key} comes twice."


def _check_option(override: Override, chosen: Chosen) -> Iterator[str]:
    options = groups()[override.key]
    listed = f"Options: {', '.join(options)}."
    for value in override.values:
        if value not in options:
            name = make_printable(value if isinstance(value, str) else format_value(value))
            yield f"{override.key}={name}: no such option. {listed}{nearest_option(name, options)}"
    if not override.values:
        yield f"{override.text}: matches no option. {listed}"


def _check_key(override: Override, chosen: Chosen) -> Iterator[str]:
    key, group = override.key, override.key.partition(".")[0]
    known = dict(leaves(scalars()))
    for name, options in chosen.items():
        for option in options or groups().get(name, []):
            known |= option_keys(name, option)
    having = [option for option in groups().get(group, []) if key in option_keys(group, option)]
    lacking = [option for option in chosen.get(group, []) if option not in having]
    if elsewhere := _elsewhere(key, known):
        kind = "group" if elsewhere.partition(".")[0] in chosen else "key"
        yield f"{override.text}: set it on the {kind}: {elsewhere}={_value_text(override)}."
    elif key in FIXED and having:
        yield f"{override.text}: follows from the option: choose another one of {group} ({', '.join(groups()[group])})."
    elif having and lacking:
        name = key.removeprefix(f"{group}.")
        verb = "have" if having[1:] else "has"
        yield f"{override.text}: {group}={', '.join(lacking)} has no {name}; {', '.join(having)} {verb}."
    elif below := [path for path in known if path.startswith(f"{key}.") and key not in chosen]:
        yield f"{override.text}: its keys are set one by one: {', '.join(below)}."
    elif group in list_groups() and key.split(".")[1] in set(list_groups()[group]) - set(chosen[group]):
        yield f"{override.text}: this {group} is not chosen: add it to {group}=[...]."
    elif key not in known:
        yield f"{override.text}: no such key.{nearest_key(key, _settable(known))}"
    elif not override.values:
        yield f"{override.text}: no values."
    else:
        for name in sorted(find_references(override.values) - known.keys()):
            suggestion = "" if name in groups() else nearest_key(name, _settable(known))
            yield f"{override.text}: ${{{make_printable(name)}}} refers to no key.{suggestion}"


def _settable(known: Mapping[str, Any]) -> list[str]:
    return [key for key in known if _elsewhere(key, known) is None and key not in FIXED]


def _elsewhere(key: str, known: Mapping[str, Any]) -> str | None:
    """The key to set instead of one that a part takes from a group or a plain key: norm.groups for model.norm.groups."""
    names = key.split(".")
    for count in range(2, len(names) + 1):
        above = ".".join(names[:count])
        target = find_reference(known.get(above))
        if target in groups():
            return ".".join([target, *names[count:]])
        if f"{above}._target_" in known:
            targets = (find_reference(value) for path, value in known.items() if path.startswith(f"{above}."))
            return next(filter(None, targets), None)
    return None
