"""An examination as a page for a person, and as a document for a program."""

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

from rich.text import Text

from dlexp.doctor.findings import Finding, Section

WIDTH = 100  # columns at most, and in a pipe
INDENT = 17  # columns before a value
MARKS = {"problem": ("✗", "bold red"), "note": ("!", "yellow")}


def select_findings(sections: Sequence[Section], level: str) -> list[tuple[str, Finding]]:
    """The findings of one level, as (section, finding)."""
    return [(section.name, finding) for section in sections for finding in section.findings if finding.level == level]


def render_page(sections: Sequence[Section], width: int) -> Text:
    """Render the problems, the notes, each section, and the verdict.

    Args:
        sections: In their order.
        width: Columns of a line.
    """
    findings = [
        _render_line(f"{mark} {name}", finding.text, width, style)
        for level, (mark, style) in MARKS.items()
        for name, finding in select_findings(sections, level)
    ]
    blocks = [findings] if findings else []
    for section in sections:
        lines = (_render_line(f"  {name}", value, width, "cyan") for name, value in section.lines)
        levels = {finding.level for finding in section.findings}
        mark, style = next((MARKS[level] for level in MARKS if level in levels), ("", "bold"))
        blocks.append([Text(f"{section.name} {mark}".rstrip(), style), *lines])
    return Text("\n\n").join([*(Text("\n").join(block) for block in blocks), render_verdict(sections)])


def render_verdict(sections: Sequence[Section]) -> Text:
    """Render the last line."""
    count = len(select_findings(sections, "problem"))
    if not count:
        return Text("All right: the run fits this machine, according to an estimate of its memory.", "green")
    return Text(f"{count} problem{'s' if count > 1 else ''}: see the lines with {MARKS['problem'][0]} at the top.", "bold red")


def build_document(sections: Sequence[Section]) -> dict[str, Any]:
    """The facts of each section and the findings, for JSON."""
    findings = {
        f"{level}s": [{"section": name, "text": finding.text} for name, finding in select_findings(sections, level)]
        for level in MARKS
    }
    return {"ok": not findings["problems"], **findings, **{section.name: section.facts for section in sections}}


def _render_line(name: str, value: str, width: int, style: str) -> Text:
    """A name, and beside it the value on as many lines as it needs."""
    first, *more = wrap(value, width - INDENT, break_on_hyphens=False) or [""]
    return Text.assemble((f"{name} ".ljust(INDENT), style), first, *(f"\n{' ' * INDENT}{line}" for line in more))
