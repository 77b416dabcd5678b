"""What an examination finds about one subject: facts for a program, lines for a person, and what is to be said of them."""

import math
from typing import Any, Literal, NamedTuple

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


class Finding(NamedTuple):
    """A sentence about a fact.

    Args:
        level: `problem`: something that the run needs is missing or broken; `note`: worth knowing.
        text: What it is, and what mends it.
    """

    level: Literal["problem", "note"]
    text: str


class Section(NamedTuple):
    """One subject.

    Args:
        name: Of the section, and its key in the JSON document.
        facts: What JSON can hold.
        lines: (name, value), for the terminal.
        findings: Judgements on the facts.
    """

    name: str
    facts: dict[str, Any]
    lines: list[tuple[str, str]]
    findings: list[Finding]


def problem(text: str) -> Finding:
    """Something that the run needs is missing or broken."""
    return Finding("problem", text)


def note(text: str) -> Finding:
    """Worth knowing."""
    return Finding("note", text)


def in_bytes(count: float) -> str:
    """A number of bytes for a person: 82 KiB, 5.9 GiB."""
    power = min(int(math.log(max(count, 1), 1024)), len(UNITS) - 1)
    value = count / 1024**power
    return f"{value:.0f} {UNITS[power]}" if power == 0 or value >= 100 else f"{value:.3g} {UNITS[power]}"
