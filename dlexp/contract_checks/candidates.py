"""Guess other values of a key from its range, to see whether they change anything."""

import re
from collections.abc import Iterator
from typing import Any

from dlexp.config.ranges import Rule

MAX_CANDIDATES = 6
NUMBERS = (0.5, 0.1, 2.0, 0.9, 100.0, 0.0)
INTEGERS = (0, 1, 2, 4, 8, 10)
LISTED = re.compile(r"one of (.+?)(?:, or |$)")  # in the words of a rule


def list_candidates(value: Any, rule: Rule) -> list[str]:
    """Other values of a key as they are typed, those that change most first; none where nothing can be guessed.

    Args:
        value: What the smallest run has.
        rule: What a value must be.
    """
    found: list[str] = []
    for candidate in _guess(value, rule):
        text = format_typed(candidate)
        if rule.holds(candidate) and candidate != value and text not in found:
            found.append(text)
    return found[:MAX_CANDIDATES]


def _guess(value: Any, rule: Rule) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
        return
    if match := LISTED.search(rule.expected):
        yield from match[1].split(", ")
    if isinstance(value, list):
        yield from ([_other_number(item) for item in value], value[:-1], [0.5] * len(value))
    elif isinstance(value, int | float):
        yield 2 * value
    if isinstance(value, int | None):
        yield from INTEGERS if value is None else (*INTEGERS[:2], value // 2, *INTEGERS[2:])
    if isinstance(value, float | None):
        yield from NUMBERS
    if value is None:
        yield from ([8], [1, 2])


def _other_number(item: Any) -> Any:
    if isinstance(item, bool) or not isinstance(item, int | float):
        return item
    return 2 * item if isinstance(item, int) else item / 2


def format_typed(value: Any) -> str:
    """A value as it is typed in a command."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(format_typed, value))}]" if isinstance(value, list) else str(value)
