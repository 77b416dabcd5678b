"""What stands on the page and in which order, as text and pictures; the templates only lay it out."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report import details, speedup, tables
from dlexp.analysis.report.arrange import name_of, records, settled, varying_keys
from dlexp.analysis.report.cards import Card, card
from dlexp.analysis.report.figures import Picture
from dlexp.analysis.report.labels import show, unit
from dlexp.analysis.report.tables import Table, number
from dlexp.analysis.report.text import SECTIONS, Text

EMBEDDED_SVG = 80_000  # bytes; a larger figure goes into the page as a PNG, where that is smaller
ENVIRONMENT = ("device", "precision", "host", "git_commit", "code")


@dataclass(frozen=True)
class Shown:
    """A picture as the page holds it."""

    name: str
    caption: str
    data: str
    rem: float  # as wide as this, at the most
    wide: bool


@dataclass(frozen=True)
class Section:
    """A headed part of the page; what it holds is shown in this order."""

    name: str
    title: str
    cards: list[Card] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[Shown] = field(default_factory=list)
    code: str = ""


@dataclass(frozen=True)
class Page:
    """The whole page."""

    lang: str
    title: str
    name: str
    question: str
    background: str
    counts: str
    made_by: str
    marks: list[str]
    sections: list[Section]


def make_page(result: StudyResult, pictures: Sequence[Picture], text: Text) -> Page:
    """Put a study's findings in order; parts with nothing to show are left out."""
    result, study = settled(result), result.protocol["study"]
    finished = result.cells["n"].sum() > 0
    shown = {kind: [_shown(picture, text) for picture in pictures if picture.section == kind] for kind in SECTIONS}

    def part(name: str, *made: Table | None, title: str = "", **more: Any) -> Section:
        kept = [table for table in made if table is not None]
        return Section(name, text(title or name), tables=kept, pictures=shown[name], **more)

    results_title = "results_reference" if result.cells["reference"].notna().any() else "results"
    parts = [
        part(
            "verdicts",
            cards=[card(*pair, text) for pair in zip(result.verdicts, study["predictions"], strict=True)],
            paragraphs=_verdict_notes(result, text),
        ),
        part(
            "results",
            tables.results(result, text),
            speedup.grid(result, text),
            speedup.ratios(result, text),
            title=results_title,
            paragraphs=_summary(result, text),
        ),
        part("learning", details.measures(result, text), details.advice(result, text)),
        part("rates"),
        part("inside"),
        part("errors", details.per_class(result, text)),
        part("setup", tables.setup(result, text)),
        part("costs", details.costs(result, text)),
        part("environment", details.environment(result, text)),
        part("broken", details.broken(result, text)),
        part("other", details.other(result, text)),
        part("command", code=result.protocol["command"]),
    ]
    if not finished:
        parts = [section for section in parts if section.name not in ("results", "learning", "costs")]
    held = [
        section
        for section in parts
        if section.cards or section.paragraphs or section.tables or section.pictures or section.code
    ]
    return Page(
        lang=text.lang,
        title=f"{study['name']}: {study['question']}",
        name=study["name"],
        question=study["question"],
        background=study.get("background") or "",
        counts=_counts(result, text),
        made_by=text("made_by"),
        marks=_marks(result, text),
        sections=held,
    )


def _verdict_notes(result: StudyResult, text: Text) -> list[str]:
    if not result.verdicts:
        return [text("no_predictions")]
    notes = [text(f"verdicts_note_{result.protocol['study']['pairing']}")]
    return notes + ([text("verdicts_note_ratio")] if any(verdict.ratio for verdict in result.verdicts) else [])


def _summary(result: StudyResult, text: Text) -> list[str]:
    """The best cell by its mean, on each data set."""
    metric, keys = result.protocol["study"]["metric"], varying_keys(result)
    sets: dict[str, list[dict[str, Any]]] = {}
    for row in records(result.cells[result.cells["mean"].notna()]):
        sets.setdefault(show(row.get("dataset")), []).append(row)
    best = [sorted(rows, key=lambda row: row["mean"], reverse=is_rising(metric))[0] for rows in sets.values() if len(rows) > 1]
    return [text("best_cell", cell=name_of(row, keys), value=number(metric, row["mean"]) + unit(metric)) for row in best]


def _counts(result: StudyResult, text: Text) -> str:
    status = result.runs["status"]
    return text(
        "counts",
        cells=len(result.cells),
        seeds=len(result.protocol["study"].get("seeds", [])) or result.runs["seed"].nunique(),
        runs=len(result.runs),
        finished=int(status.isin(["done", "early_stopped", "diverged"]).sum()),
        diverged=int((status == "diverged").sum()),
        failed=int(status.isin(["failed", "oom"]).sum()),
        missing=int(status.isin(["missing", "interrupted"]).sum()),
    )


def _marks(result: StudyResult, text: Text) -> list[str]:
    """What a reader must know before believing a verdict."""
    marks, runs = [], result.runs
    if result.protocol["changes"]:
        marks.append(text("changed", changes=", ".join(result.protocol["changes"])))
    if result.cells["n"].sum() == 0:
        marks.append(text("nothing_yet"))
    if "selected_on_test" in runs and (n := int(runs["selected_on_test"].eq(True).sum())):
        marks.append(text("selected_on_test", n=n))
    if len(result.codes) > 1:
        marks.append(text("several_codes", n=len(result.codes), codes=", ".join(code[:8] for code in result.codes)))
    devices = list(dict.fromkeys(runs["device"].dropna())) if "device" in runs else []
    if len(devices) > 1:
        marks.append(text("several_devices", devices=", ".join(devices)))
    return marks


def _shown(picture: Picture, text: Text) -> Shown:
    lines = not picture.raster and len(picture.svg) < max(EMBEDDED_SVG, len(picture.png))
    kind, content = ("svg+xml", picture.svg) if lines else ("png", picture.png)
    data = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Shown(picture.name, text.caption(picture.caption, picture.facts), data, round(7.3 * picture.inches, 1), picture.wide)
