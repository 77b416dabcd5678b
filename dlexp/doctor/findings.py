"""The result of examining one subject: facts for a program, lines for a person, and findings that need attention."""

import math
from typing import Any, Literal, NamedTuple

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Finding(NamedTuple):
    """A sentence about a fact.

    Args:
        level: `problem`: something that the run needs is missing or broken; `note`: good to know.
        text: The fact, and what to do about it.
    """

    level: Literal["problem", "note"]
    text: str


class Section(NamedTuple):
    """One subject.

    Args:
        name: The section's name, and its key in the JSON document.
        facts: Values that JSON can hold.
        lines: (name, value), for the terminal.
        findings: Judgements on the facts.
    """

    name: str
    facts: dict[str, Any]
    lines: list[tuple[str, str]]
    findings: list[Finding]


def problem(text: str) -> Finding:
    """A finding that something the run needs is missing or broken."""
    return Finding("problem", text)


def note(text: str) -> Finding:
    """A finding that is good to know."""
    return Finding("note", text)


def format_bytes(count: float) -> str:
    """Format a number of bytes, such as 82 KiB or 5.9 GiB."""
    power = min(int(math.log(max(count, 1), 1024)), len(UNITS) - 1)
    value = count / 1024**power
    return f"{value:.0f} {UNITS[power]}" if power == 0 or value >= 100 else f"{value:.3g} {UNITS[power]}"
