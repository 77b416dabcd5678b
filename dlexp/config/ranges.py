"""The range of every value in a config, from the blocks `_ranges_` in conf/. Booleans and free text need none.

config.yaml has the ranges of the plain keys and of keys that several options have; the file of an option has the others.
"""

import math
import operator
import os
import re
import struct
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from dlexp.config.combination import is_combination, split_choice
from dlexp.config.options import format_place, list_groups, option_file, per_lab, read_notes
from dlexp.config.values import find_reference
from dlexp.errors import ConfigError


class Rule(NamedTuple):
    """What a value must be.

    Args:
        expected: The end of the sentence "must be …".
        holds: Whether a value obeys the rule. Never raises, whatever the value.
    """

    expected: str
    holds: Callable[[Any], bool]


COMPARISONS = {"above": operator.gt, "at_least": operator.ge, "below": operator.lt, "at_most": operator.le}


def fits_float32(value: float) -> bool:
    """Whether float32, in which models are trained, can hold a number: neither as infinity, nor as 0 in place of another."""
    try:
        rounded = struct.unpack("f", struct.pack("f", value))[0]
    except (OverflowError, struct.error):  # the latter of integers beyond float64
        return False
    return abs(rounded) < math.inf and (rounded != 0) == (value != 0)  # false for nan


def number(**bounds: float) -> Rule:
    """A number that float32 can hold, within bounds named as in `COMPARISONS`. It may be an integer but not a boolean."""
    text = " and ".join(f"{name.replace('_', ' ')} {bound:g}" for name, bound in bounds.items())

    def holds(value: Any) -> bool:
        return (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and fits_float32(value)
            and all(COMPARISONS[name](value, bound) for name, bound in bounds.items())
        )

    return Rule(f"a number {text}" if text else "a finite number", holds)


def integer(low: int, high: int, *, odd: bool = False) -> Rule:
    """An integer from `low` to `high`, both included; not a boolean."""
    return Rule(
        f"an {'odd ' if odd else ''}integer from {low} to {high}",
        lambda value: (
            isinstance(value, int) and not isinstance(value, bool) and low <= value <= high and (not odd or value % 2 == 1)
        ),
    )


def one_of(*words: str) -> Rule:
    """One of a few words."""
    return Rule(f"one of {', '.join(words)}", lambda value: isinstance(value, str) and value in words)


def list_of(rule: Rule, low: int = 1, high: int = 1000) -> Rule:
    """A list of `low` to `high` values of one kind."""
    size = str(low) if low == high else f"{low} to {high}"
    return Rule(
        f"a list of {size} values, each {rule.expected}",
        lambda value: isinstance(value, list) and low <= len(value) <= high and all(rule.holds(item) for item in value),
    )


def map_of(key: Rule, value: Rule) -> Rule:
    """A map with at least one entry."""
    return Rule(
        f"a map from {key.expected} to {value.expected}",
        lambda got: isinstance(got, dict) and bool(got) and all(key.holds(k) and value.holds(v) for k, v in got.items()),
    )


def map_with(**entries: Rule) -> Rule:
    """A map with exactly these entries."""
    return Rule(
        f"a map with {' and '.join(f'{name}: {rule.expected}' for name, rule in entries.items())}",
        lambda got: isinstance(got, dict) and got.keys() == entries.keys() and all(entries[k].holds(got[k]) for k in got),
    )


def either(*rules: Rule) -> Rule:
    """A value that satisfies at least one of the rules."""
    return Rule(", or ".join(rule.expected for rule in rules), lambda value: any(rule.holds(value) for rule in rules))


NULL = Rule("null", lambda value: value is None)
BOOLEAN = Rule("true or false", lambda value: isinstance(value, bool))
TEXT = Rule("text", lambda value: isinstance(value, str) and value != "" and value.isprintable() and len(value) <= 4096)
NAMES_BYTES = 255  # of one name in a path, as file systems have it
# `~` is the home folder, and `~name` that of a user, who must exist: no folder is ever called so.
FOLDER = Rule("a path without an unknown ~user", lambda value: TEXT.holds(value) and os.path.expanduser(value)[0] != "~")
PATH = Rule(
    f"a path without .. and without an unknown ~user, each name in it at most {NAMES_BYTES} bytes",
    lambda value: FOLDER.holds(value) and all(name != ".." and len(name.encode()) <= NAMES_BYTES for name in value.split("/")),
)
CLASS_SCORE = Rule(  # which classes there are, the data say
    "recall, precision or f1 of a class as recall/ship",
    lambda value: TEXT.holds(value) and re.fullmatch(r"(recall|precision|f1)/.+", value) is not None,
)
COUNT = integer(1, 10**7)

KINDS: dict[type, Rule] = {
    bool: BOOLEAN,
    str: TEXT,
    int: integer(-(2**63), 2**63 - 1),
    float: number(),
    list: Rule("a list", lambda value: isinstance(value, list)),
    type(None): NULL,
}


def parse_rule(text: str) -> Rule:
    """Build a rule from the words of its message, such as `a number at least 0 and below 1` or `one of zeros, reflect`.

    Raises:
        ValueError: If it is in other words.
    """
    if ", or " in text:
        return either(*map(parse_rule, text.split(", or ")))
    if match := re.fullmatch(r"a list of (\d+)(?: to (\d+))? values, each (.+)", text):
        return list_of(parse_rule(match[3]), int(match[1]), int(match[2] or match[1]))
    if match := re.fullmatch(r"a map from (.+) to (an? .+)", text):
        return map_of(parse_rule(match[1]), parse_rule(match[2]))
    if match := re.fullmatch(r"a map with (\w+): (.+) and (\w+): (.+)", text):
        return map_with(**{match[1]: parse_rule(match[2]), match[3]: parse_rule(match[4])})
    if match := re.fullmatch(r"an (odd )?integer from (-?\d+) to (-?\d+)", text):
        return integer(int(match[2]), int(match[3]), odd=match[1] is not None)
    if text.startswith("one of "):
        return one_of(*text.removeprefix("one of ").split(", "))
    if text in (named := {rule.expected: rule for rule in (number(), PATH, FOLDER, TEXT, CLASS_SCORE)}):
        return named[text]
    bounds = [re.fullmatch(r"(above|at least|below|at most) (\S+)", bound) for bound in text[len("a number ") :].split(" and ")]
    if not text.startswith("a number ") or None in bounds:
        raise ValueError(f"expected words such as 'an integer from 1 to 9' or 'a number above 0', got {text!r}")
    return number(**{bound[1].replace(" ", "_"): float(bound[2]) for bound in bounds if bound})


@per_lab
@cache
def option_ranges(group: str, option: str) -> dict[str, Rule]:
    """Config path → rule, from the block `_ranges_` of an option's file. Not to be changed by the caller.

    The plain keys are those of the option `config` of the group "".

    Raises:
        ConfigError: If a range is not in the words of a message.
    """
    if is_combination(option):
        parts = [(name, option_ranges(group, name)) for name in split_choice(option)]
        below = len(f"{group}.")
        return {f"{group}.{name}.{path[below:]}": rule for name, ranges in parts for path, rule in ranges.items()}
    above = f"{group}.{option}." if group in list_groups() else f"{group}." if group else ""
    try:
        return {f"{above}{key}": parse_rule(str(text)) for key, text in read_notes(group, option).get("_ranges_", {}).items()}
    except ValueError as error:
        raise ConfigError(f"{format_place(option_file(group, option))}: _ranges_: {error}.") from error


def rule_for(path: str, default: Any, ranges: Mapping[str, Rule] = MappingProxyType({})) -> Rule:
    """The rule for the value at `path`: its range, or that of the key its default refers to, or the kind of its default.

    Args:
        path: A config path.
        default: Its default.
        ranges: Ranges of the chosen options. Those of config.yaml are known.
    """
    plain = option_ranges("", "config")
    found = (known[key] for key in (path, find_reference(default) or "") for known in (ranges, plain) if key in known)
    rule = next(found, None) or KINDS[type(default)]
    return either(rule, NULL) if default is None and rule is not NULL else rule
