"""Check the config of one run, as far as that is possible without data and model."""

import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from dlexp.config.combination import find_wrong_combination, is_combination
from dlexp.config.compose import Composed
from dlexp.config.options import FIXED, groups, list_groups, per_lab, template
from dlexp.config.ranges import Rule, fits_float32, option_ranges, rule_for
from dlexp.config.rules import Settings, check_rules, find_without_effect
from dlexp.config.values import (
    Tree,
    find_private_keys,
    find_reference,
    find_references,
    find_resolver_calls,
    format_value,
    leaves,
    make_printable,
    resolve,
    value_at,
)


def check(composed: Composed) -> list[str]:
    """Find everything that is wrong with a config and can be seen without data and model. Imports nothing that it names.

    Returns:
        One line each: config path, what was expected, what came. Where keys or code are not those of conf/, only that.
    """
    if "problems" not in composed.found:
        settings, problems = _read_settings(composed)
        composed.found["problems"] = problems + check_rules(settings) if settings else problems
    return list(composed.found["problems"])


def find_settings_without_effect(composed: Composed) -> list[str]:
    """The settings of a config that have no effect beside the others: those of the lines of `check` that say so."""
    settings, _ = _read_settings(composed)
    return find_without_effect(settings) if settings else []


def _read_settings(composed: Composed) -> tuple[Settings | None, list[str]]:
    """What the rules check, and what is wrong before; None where keys or code are not those of conf/."""
    tree = composed.tree
    if foreign := list(_foreign_choices(composed.choices, tree)):
        return None, foreign
    expected = template(composed.choices, {group: tree.get(group) or () for group in list_groups()})
    if foreign := list(_foreign(tree, expected, tree)):
        return None, foreign
    values, problems = _check_ranges(composed, expected)
    overridden = composed.overridden_keys
    untouched = {path: default for path, default in leaves(expected) if path not in overridden}
    references = find_references(tree) | find_references(untouched)  # a resolved tree has no references left
    return Settings(values, overridden, composed.choices, frozenset(references)), problems


def _foreign_choices(choices: Mapping[str, str], tree: Mapping[str, Any]) -> Iterator[str]:
    for group, options in groups().items():
        choice = choices.get(group, "")
        if is_combination(choice):
            yield from filter(None, [find_wrong_combination(group, choice, options)])
        elif choice not in options:
            yield f"{group}={make_printable(str(choices.get(group)))}: no such option. Options: {', '.join(options)}."
    for group, options in list_groups().items():
        for name in tree.get(group) or ():
            if name not in options:
                yield f"{group}=[{make_printable(str(name))}]: no such option. Options: {', '.join(options)}."
    for group in choices.keys() - groups().keys():
        yield f"{make_printable(group)}: no such group. Groups: {', '.join(groups())}."


def _foreign(tree: Mapping[str, Any], expected: Mapping[str, Any], whole: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Find where a config has other keys than the files in conf/, or names other code, letter by letter.

    Args:
        tree: The part of the config below the path `above`.
        expected: The same part as the files give it.
        whole: The whole config.
        above: Empty, or a path that ends with a dot.
    """
    yield from (f"{above}{make_printable(str(name))}: no such key." for name in tree if name not in expected)
    for name, default in expected.items():
        path, value, target = f"{above}{name}", tree.get(name, default), find_reference(default)
        if name not in tree:
            yield f"{path}: is missing."
        elif isinstance(default, dict) and isinstance(value, dict):
            yield from _foreign(value, default, whole, f"{path}.")
        elif isinstance(default, dict) or name.startswith("_") or path in FIXED:
            if format_value(value) != format_value(default):
                yield f"{path}: must be {format_value(default)}, as in the file of the option, got {format_value(value)}."
        elif target in groups():
            if value not in (default, whole.get(target)):  # in a resolved tree, it is a copy of the group
                yield f"{path}: must be {default}, got {format_value(value)}."
        elif value != default and (code := [*find_private_keys(value), *find_resolver_calls(value)]):
            yield f"{path}: must be a plain value, got one with {make_printable(code[0])}."


def _quoted(path: str, rule: Rule, value: Any) -> str:
    """How to write a value that was read as a number and must be text, or an empty text."""
    is_meant_as_text = (
        isinstance(value, int | float) and rule.holds(str(value)) and rule.expected.startswith(("text", "a path"))
    )
    return f" As text it stands in quotes: '{path}=\"{value}\"'." if is_meant_as_text else ""


def _explain_float32(value: Any) -> str:
    """Why a number, or one in a list or map, is refused that float32 cannot hold."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if hint := next((hint for item in items if (hint := _explain_float32(item))), ""):
        return hint
    if not isinstance(value, float) or not math.isfinite(value) or fits_float32(value):
        return ""
    return " Models are trained in float32, which holds numbers from 1.4e-45 to 3.4e+38."


def _check_ranges(composed: Composed, expected: Tree) -> tuple[dict[str, Any], list[str]]:
    """Compare each value with its range.

    Args:
        composed: The config.
        expected: The same from the files, with the defaults.

    Returns:
        Config path → value, a bad one replaced by its default; and what is wrong, one line each.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    lists = tuple((group, option) for group in list_groups() for option in expected[group])
    for path, default, rule in _list_rules((*composed.choices.items(), *lists)):
        typed = value_at(composed.tree, path)
        if typed == "???":
            problems.append(f"{path}: must be given, as {path}=...")
            continue
        values[path] = _resolved(composed.tree, path)
        if not rule.holds(values[path]):
            if typed != default or find_reference(default) is None:  # else the key that it refers to is at fault
                hint = _quoted(path, rule, values[path]) or _explain_float32(values[path])
                problems.append(f"{path}: must be {rule.expected}, got {format_value(values[path])}.{hint}")
            values[path] = _resolved(expected, path)
    return values, problems


@per_lab
@lru_cache(maxsize=256)  # most runs of a sweep have their options in common
def _list_rules(chosen: tuple[tuple[str, str], ...]) -> list[tuple[str, Any, Rule]]:
    """Config path, default and rule of each value that a command may set, where these options are chosen for these groups."""
    of_lists = {group: [option for among, option in chosen if among == group] for group in list_groups()}
    expected = template({group: option for group, option in chosen if group not in of_lists}, of_lists)
    ranges = {path: rule for group, option in chosen for path, rule in option_ranges(group, option).items()}
    return [
        (path, default, rule_for(path, default, ranges))
        for path, default in leaves(expected)
        if not path.rpartition(".")[2].startswith("_") and path not in of_lists and find_reference(default) not in groups()
    ]


def _resolved(tree: Tree, path: str) -> Any:
    """The value at a path with its references resolved, or as it was typed if that is impossible."""
    typed = value_at(tree, path)
    try:
        return resolve(typed, tree)
    except (LookupError, TypeError, RecursionError):
        return typed
