"""Say how much each factor of a study matters: a table for each data set, and what was left out or could not be estimated."""

from collections.abc import Iterable, Mapping
from typing import Any

from dlexp.analysis.judge import anova
from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.factors import Importance
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.labels import show
from dlexp.analysis.report.tables import Table, format_metric
from dlexp.analysis.report.text import Text

MAX_NAMED = 4  # cells that a sentence names


def build_tables(result: StudyResult, text: Text) -> list[Table]:
    """The share of each factor and interaction, with its interval and what noise alone would give."""
    return [_build_table(each, text) for each in result.factors if not each.refusal]


def _build_table(importance: Importance, text: Text) -> Table:
    head = [text("term"), text("df"), text("share_head"), text("interval_head"), text("noise_share")]
    rows = []
    for row in importance.table.to_dict("records"):
        low, high, noise = (format_metric("acc", row[name]) for name in ("low", "high", "noise"))
        noise = "–" if row["term"] == anova.RESIDUAL else noise
        interval = "–" if low == "–" else f"{low} … {high}"
        rows.append([name_term(row["term"], text), f"{row['df']:.0f}", format_metric("acc", row["share"]), interval, noise])
    caption = text("caption_importance", what=_describe(importance, text), n=importance.num_runs)
    return Table(caption, head, rows, frozenset(range(1, len(head))))


def name_term(term: tuple[str, ...], text: Text) -> str:
    """`optimizer × optimizer.lr`; seeds, residual and higher interactions in words."""
    words = {anova.HIGHER: "higher_interactions", anova.SEED: "seeds", anova.RESIDUAL: "residual"}
    return text(words[term]) if term in words else " × ".join(term)


def describe(result: StudyResult, text: Text) -> list[str]:
    """A paragraph on each decomposition that needs one: why there is none, what is left out, what cannot be estimated."""
    return [
        text("importance_about", what=_describe(each, text), sentences=" ".join(sentences))
        for each in result.factors
        if (sentences := _list_sentences(each, text))
    ]


def _list_sentences(importance: Importance, text: Text) -> list[str]:
    sentences = [text(f"importance_{importance.refusal}")] if importance.refusal else []
    if importance.beside:
        sentences.append(text("importance_beside", cells=_name_cells(importance.beside, text)))
    if importance.refusal == "no_runs":
        return sentences
    if importance.without_runs:
        sentences.append(text("importance_levels", cells=_name_cells(importance.without_runs, text)))
    if lost := importance.planned - importance.num_runs:
        sentences.append(text("importance_lost", n=lost, planned=importance.planned))
    if importance.empty:
        sentences.append(text("importance_empty", cells=_name_cells(importance.empty, text)))
    if importance.refusal:
        return sentences
    if not importance.balanced:
        sentences.append(text("importance_unbalanced"))
    if importance.max_order < len(importance.levels):
        key = "importance_two" if len(importance.levels) == 2 else "importance_order"
        sentences.append(text(key, n=importance.max_order + 1))
    return sentences


def _describe(importance: Importance, text: Text) -> str:
    """`test accuracy (%), dataset=digits`."""
    metric = text.metric(importance.metric)
    name = text("logarithm", metric=metric) if is_cost(importance.metric) else metric
    return ", ".join([name, *_name_cell(importance.where)])


def _name_cell(cell: Mapping[str, Any]) -> list[str]:
    return [f"{key}={show(value)}" for key, value in cell.items()]


def _name_cells(cells: Iterable[Mapping[str, Any]], text: Text) -> str:
    names = [" ".join(_name_cell(cell)) for cell in cells]
    return "; ".join(names[:MAX_NAMED]) + (text("and_more", n=len(names) - MAX_NAMED) if len(names) > MAX_NAMED else "")
