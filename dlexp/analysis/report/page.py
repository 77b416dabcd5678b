"""Decide what the page holds and in which order, as text and pictures; the templates lay it out."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dlexp.analysis.judge.cells import FAILED, FINISHED, NOT_RUN
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.learned import needs_learning
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.read.tables import MAX_EPOCHS
from dlexp.analysis.report import ablation, best, details, importance, looks, registration, speedup, tables, tuning
from dlexp.analysis.report.arrange import cell_name, group_by, mark_absent, records, spell_cell, varying_keys
from dlexp.analysis.report.cards import Card, make_card
from dlexp.analysis.report.figures import Picture
from dlexp.analysis.report.labels import show, unit_suffix
from dlexp.analysis.report.tables import Table, format_mean, format_metric, to_text
from dlexp.analysis.report.text import SECTIONS, Text
from dlexp.analysis.report.versions import describe_codes, describe_environments, describe_torch

MAX_EMBEDDED_SVG = 80_000  # bytes; a larger figure is embedded as a PNG where that is smaller


@dataclass(frozen=True)
class Folded:
    """A long text that a reader opens by a click on its title."""

    title: str
    code: str


@dataclass(frozen=True)
class Section:
    """A section of the page; its content is displayed in this order."""

    name: str
    title: str
    cards: list[Card] = field(default_factory=list)
    paragraphs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    pictures: list[dict[str, Any]] = field(default_factory=list)
    code: str = ""
    folded: Folded | None = None


@dataclass(frozen=True)
class Page:
    """The whole page.

    Args:
        lang: Its language.
        name: Small line above the title: the study, or the run.
        title: The question of a study, or what distinguishes a run.
        background: Paragraph below the title; empty if there is none.
        summary: Line below it.
        warnings: Circumstances that a reader must know first.
        sections: What the page displays, in this order.
        facts: Names and values that are displayed side by side below the summary.
    """

    lang: str
    name: str
    title: str
    background: str
    summary: str
    warnings: list[str]
    sections: list[Section]
    facts: list[tuple[str, str]] = field(default_factory=list)


def make_page(result: StudyResult, pictures: Sequence[Picture], text: Text) -> Page:
    """Arrange a study's results on a page; empty sections are left out."""
    result, study = mark_absent(result), result.protocol["study"]
    embedded = {kind: [embed(picture, text) for picture in pictures if picture.section == kind] for kind in SECTIONS}

    def section(name: str, *made: Table | None, title: str = "", **more: Any) -> Section:
        return Section(name, text(title or name), tables=[table for table in made if table], pictures=embedded[name], **more)

    sections = [
        section("ablation", ablation.build_table(result, text), paragraphs=ablation.describe(result, text)),
        section(
            "verdicts",
            looks.build_table(result, text),
            cards=_make_cards(result, text),
            paragraphs=_list_verdict_notes(result, text),
        ),
        section(
            "results",
            tables.build_results(result, text),
            speedup.build_grid(result, text),
            speedup.build_ratios(result, text),
            title="results_reference" if result.cells["reference"].notna().any() else "results",
            paragraphs=_list_best_cells(result, text),
        ),
        section("tuning", tuning.build_table(result, text), paragraphs=tuning.describe(result, text)),
        section("best", *best.build_tables(result, text), paragraphs=best.describe(result, text)),
        section("factors", *importance.build_tables(result, text), paragraphs=importance.describe(result, text)),
        section("learning", details.build_convergence(result, text), details.build_advice(result, text)),
        section("rates"),
        section("inside"),
        section("errors", details.build_classes(result, text)),
        section("setup", tables.build_setup(result, text)),
        section("costs", details.build_costs(result, text)),
        section("environment", details.build_environment(result, text)),
        section("broken", details.build_broken(result, text)),
        section("other", details.build_other(result, text)),
        section("command", code=result.protocol["command"]),
    ]
    hidden = (
        () if result.runs["status"].isin(FINISHED).any() else ("ablation", "results", "best", "factors", "learning", "costs")
    )
    shown = [
        item
        for item in sections
        if item.name not in hidden and (item.cards or item.paragraphs or item.tables or item.pictures or item.code)
    ]
    summary = f"{describe_counts(result, text)} {text('made_by_table' if result.from_tables else 'made_by')}"
    background = to_text(study.get("background"))
    return Page(text.lang, study["name"], study["question"], background, summary, _list_warnings(result, text), shown)


def _make_cards(result: StudyResult, text: Text) -> list[Card]:
    pairs = zip(result.verdicts, result.protocol["study"]["predictions"], strict=True)
    return [
        make_card(verdict, each, text, looks.describe_look(verdict, result, text) + tuning.describe_card(result, each, text))
        for verdict, each in pairs
    ]


def _list_verdict_notes(result: StudyResult, text: Text) -> list[str]:
    registered = registration.list_notes(result, text)
    if not result.verdicts:
        return [*([] if result.ablation else [text("no_predictions")]), *registered]
    kind = "draws" if result.by_draw else result.protocol["study"]["pairing"]
    notes = [*registered, text(f"verdicts_note_{kind}"), *looks.describe_plan(result, text)]
    return notes + ([text("verdicts_note_ratio")] if any(verdict.ratio for verdict in result.verdicts) else [])


def _format_best(metric: str, row: dict[str, Any], text: Text) -> str:
    """The mean of a cell with its unit; of a bimodal cell more than the mean."""
    if row["bimodal"] and needs_learning(metric):
        return format_mean(metric, row, text)
    return format_metric(metric, row["mean"]) + unit_suffix(metric)


def _list_best_cells(result: StudyResult, text: Text) -> list[str]:
    """The cell with the best mean, on each data set, among those that lack no run."""
    metric, keys = result.protocol["study"]["metric"], varying_keys(result)
    lacking = {spell_cell(run, result.keys) for run in records(result.runs[result.runs["learned"].isna()])}
    complete = [
        row for row in records(result.cells[result.cells["mean"].notna()]) if spell_cell(row, result.keys) not in lacking
    ]
    by_dataset = group_by(complete, lambda row: show(row.get("dataset")))
    choose = max if is_rising(metric) else min
    best = [choose(rows, key=lambda row: row["mean"]) for rows in by_dataset.values() if len(rows) > 1]
    return [text("best_cell", cell=cell_name(row, keys), value=_format_best(metric, row, text)) for row in best]


def describe_counts(result: StudyResult, text: Text) -> str:
    """How many cells, seeds and runs a study has, and what became of the runs."""
    seeds = result.runs["seed"].nunique()
    groups = {"finished": FINISHED, "diverged": ["diverged"], "failed": FAILED, "missing": NOT_RUN}
    counts = {name: int(result.runs["status"].isin(group).sum()) for name, group in groups.items()}
    draws = result.runs["data_seed"].nunique() if result.by_draw else 1
    complete = len(result.cells) * seeds * draws == len(result.runs)
    key = ("counts_draws" if result.by_draw else "counts") + ("" if complete else "_uneven")
    return text(key, counts, cells=len(result.cells), seeds=seeds, draws=draws, runs=len(result.runs))


def _list_warnings(result: StudyResult, text: Text) -> list[str]:
    """Circumstances that weaken a verdict."""
    warnings, runs = [], result.runs
    if result.from_tables:
        warnings.append(text("from_tables", epochs=MAX_EPOCHS) if len(result.curves) else text("from_table"))
    if result.protocol["changes"]:
        warnings.append(text("changed", changes=", ".join(result.protocol["changes"])))
    warnings += registration.list_warnings(result, text)
    study = result.protocol["study"]
    for key, name in (("seed", "unplanned"), ("data_seed", "unplanned_draws")):
        added = {run[key] for run in result.protocol["runs"] if run.get("unplanned") and key in run}
        if unplanned := sorted(added.difference(study.get(f"{key}s") or ())):
            warnings.append(text(name, seeds=", ".join(map(str, unplanned))))
    warnings += looks.list_warnings(result, text) + tuning.list_warnings(result, text)
    if not runs["status"].isin(FINISHED).any():
        warnings.append(text("nothing_yet"))
    elif result.cells["n"].sum() == 0:
        warnings.append(text("no_number", metric=text.metric(result.protocol["study"]["metric"])))
    if "selected_on_test" in runs and (n := int(runs["selected_on_test"].eq(True).sum())):
        warnings.append(text("selected_on_test", n=n))
    warnings += describe_codes(runs, text) + describe_torch(runs, text) + describe_environments(runs, text)
    devices = list(dict.fromkeys(runs["device"].dropna())) if "device" in runs else []
    if len(devices) > 1:
        warnings.append(text("several_devices", devices=", ".join(devices)))
    return warnings


def embed(picture: Picture, text: Text) -> dict[str, Any]:
    """A picture as the templates use it: `data` is a data URI, `rem` its largest width."""
    as_svg = not picture.raster and len(picture.svg) < max(MAX_EMBEDDED_SVG, len(picture.png))
    kind, content = ("svg+xml", picture.svg) if as_svg else ("png", picture.png)
    data = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    caption = text.caption(picture.caption, picture.values)
    width = round(7.3 * picture.inches, 1)
    return {"name": picture.name, "caption": caption, "data": data, "rem": width, "wide": picture.wide}
