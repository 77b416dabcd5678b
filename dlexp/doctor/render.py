"""An examination as a person reads it, and as a program does."""

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

from rich.text import Text

from dlexp.doctor.findings import Finding, Section

WIDTH = 100  # columns at the most, and where there is no terminal to ask
INDENT = 17  # columns before a value
MARKS = {"problem": ("✗", "bold red"), "note": ("!", "yellow")}


def found(sections: Sequence[Section], level: str) -> list[tuple[str, Finding]]:
    """(Section, finding) of one level."""
    return [(section.name, finding) for section in sections for finding in section.findings if finding.level == level]


def page(sections: Sequence[Section], width: int) -> Text:
    """What is wrong, what is worth knowing, each section, and the verdict.

    Args:
        sections: In their order.
        width: Of a line, in columns.
    """
    findings = [
        _line(f"{mark} {name}", finding.text, width, style)
        for level, (mark, style) in MARKS.items()
        for name, finding in found(sections, level)
    ]
    blocks = [findings] if findings else []
    for section in sections:
        lines = (_line(f"  {name}", value, width, "cyan") for name, value in section.lines)
        worst = next((MARKS[level] for level in MARKS if any(level == one.level for one in section.findings)), ("", "bold"))
        blocks.append([Text(f"{section.name} {worst[0]}".rstrip(), worst[1]), *lines])
    return _joined([*(_joined(block, "\n") for block in blocks), verdict(sections)], "\n\n")


def verdict(sections: Sequence[Section]) -> Text:
    """The last line."""
    count = len(found(sections, "problem"))
    if not count:
        return Text("All right: the run fits this machine, by an estimate of its memory.", "green")
    return Text(f"{'One thing is' if count == 1 else f'{count} things are'} missing or broken: see the top.", "bold red")


def document(sections: Sequence[Section]) -> dict[str, Any]:
    """The facts of each section, and the findings, for JSON."""
    told = {
        f"{level}s": [{"section": name, "text": finding.text} for name, finding in found(sections, level)] for level in MARKS
    }
    return {"ok": not told["problems"], **told, **{section.name: section.facts for section in sections}}


def _line(name: str, value: str, width: int, style: str) -> Text:
    """A name, and beside it the value on as many lines as it takes."""
    first, *more = wrap(value, width - INDENT, break_on_hyphens=False) or [""]
    return Text.assemble((f"{name} ".ljust(INDENT), style), first, *(f"\n{' ' * INDENT}{line}" for line in more))


def _joined(texts: Iterable[Text], between: str) -> Text:
    return Text(between).join(texts)
