"""Say which cells may be the best: a table for each data set, one over all of them, and sentences that name the cells."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dlexp.analysis.judge.best import CANDIDATE, DATASET, EXCLUDED, MISSING, NEVER_LEARNED, STATUSES, UNCLEAR, Comparison
from dlexp.analysis.judge.over_datasets import Overall, compare_over_datasets
from dlexp.analysis.judge.pairs import ALPHA
from dlexp.analysis.judge.profiles import is_own_score
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import ABSENT, cell_name, varying_keys
from dlexp.analysis.report.labels import show
from dlexp.analysis.report.tables import Table, format_metric
from dlexp.analysis.report.text import Text

MAX_CELLS = 12  # that the page shows of each data set; best.csv has all
MAX_NAMED = 6  # cells that a sentence names
SMALL = 0.0001  # a smaller p-value is written as less than this


def name_cells(result: StudyResult, cells: Iterable[Mapping[str, Any]], where: Mapping[str, Any]) -> list[str]:
    """The names of cells of one data set, from the keys that vary, without those that `where` fixes."""
    keys = [key for key in varying_keys(result) if key not in where]
    return [cell_name({key: cell.get(key, ABSENT) for key in keys}, keys) for cell in cells]


def build_tables(result: StudyResult, text: Text) -> list[Table]:
    """The best cells of each data set with their intervals, and those over all data sets."""
    tables = [_build_table(result, each, text) for each in result.comparisons if not each.refusal]
    overall = compare_over_datasets(result.comparisons)
    return tables + ([_build_overall(result, overall, text)] if overall else [])


def _build_table(result: StudyResult, comparison: Comparison, text: Text) -> Table:
    shown = comparison.known.head(MAX_CELLS)
    scored = bool(comparison.scores)
    head = [text("cell"), text("status_head")]
    head += [text("against_best_ratio" if comparison.ratio else "against_best"), text("interval_head"), text("rank")]
    head += [text("iqm_head"), text("iqm_interval_head")] if scored else []
    rows = []
    for name, row in zip(name_cells(result, shown["cell"], comparison.where), shown.to_dict("records"), strict=True):
        line = [name, _format_status(row, text)]
        line += [_format_difference(comparison, row["estimate"]), _format_interval(comparison, row["low"], row["high"])]
        line.append(format_ranks(row["rank_low"], row["rank_high"]))
        rows.append(line + (_format_iqm(row) if scored else []))
    caption = text("caption_best", what=_describe(comparison, text), n=comparison.n, others=len(comparison.table) - 1)
    left_out = len(comparison.known) - len(shown)
    note = text("more_cells", n=left_out) if left_out else ""
    return Table(caption, head, rows, frozenset(range(2, len(head))), note)


def _build_overall(result: StudyResult, overall: Overall, text: Text) -> Table:
    shown = overall.table.head(MAX_CELLS)
    names = name_cells(result, shown["cell"], {DATASET: None})
    head = [text("cell"), text("iqm_head"), text("iqm_interval_head"), *([text("mean_rank")] if overall.ranks else [])]
    ranks = [[f"{rank:.2f}"] for rank in overall.ranks.ranks] if overall.ranks else [[]] * len(names)
    rows = [[name, *_format_iqm(row), *rank] for name, row, rank in zip(names, shown.to_dict("records"), ranks, strict=False)]
    caption = text("caption_overall", n=len(overall.datasets), datasets=", ".join(map(show, overall.datasets)))
    note = text("more_cells_overall", n=len(overall.table) - MAX_CELLS) if len(overall.table) > MAX_CELLS else ""
    return Table(caption, head, rows, frozenset(range(1, len(head))), note)


def _format_status(row: Mapping[Any, Any], text: Text) -> str:
    """The status, with how many runs learned where some did not."""
    status = text(f"status_{STATUSES.index(row['status'])}")
    some = 0 < row["learned"] < row["n"]
    return text("status_some", status=status, learned=row["learned"], runs=row["n"]) if some else status


def format_ranks(low: float, high: float) -> str:
    """`1–3`, `4`, or a dash where there is no interval."""
    return "–" if np.isnan(low) else f"{low:.0f}–{high:.0f}" if low < high else f"{low:.0f}"


def _format_difference(comparison: Comparison, value: float) -> str:
    if comparison.ratio:
        return f"{value:.3g}" if np.isfinite(value) else "–"
    return format_metric(comparison.metric, value, signed=bool(value))


def _format_interval(comparison: Comparison, low: float, high: float) -> str:
    """Both ends; an end that nothing bounds as a dash, and a dash alone where there is no interval."""
    ends = [_format_difference(comparison, value) for value in (low, high)]
    return "–" if np.isnan(low) or np.isnan(high) else " … ".join(ends)


def _format_iqm(row: Mapping[Any, Any]) -> list[str]:
    middle, low, high = (format_metric("acc", row[name]) for name in ("iqm", "iqm_low", "iqm_high"))
    return [middle, "–" if low == "–" else f"{low} … {high}"]


def describe(result: StudyResult, text: Text) -> list[str]:
    """A paragraph on each data set, on all of them, and on how the cells were compared."""
    paragraphs = [describe_comparison(result, comparison, text) for comparison in result.comparisons]
    overall = compare_over_datasets(result.comparisons)
    paragraphs += [_describe_ranks(overall, text)] if overall and overall.ranks else []
    return paragraphs + _list_notes(result, text)


def describe_comparison(result: StudyResult, comparison: Comparison, text: Text) -> str:
    """Which cells may be the best on one data set, and which of the others could not be judged, and why."""
    if comparison.refusal:
        sentences = [text(f"best_refused_{comparison.refusal}", n=comparison.n)]
    else:
        sentences = _list_sentences(result, comparison, text)
    return text("importance_about", what=_describe(comparison, text), sentences=" ".join(sentences))


def _list_notes(result: StudyResult, text: Text) -> list[str]:
    """How the cells were compared, once for all data sets."""
    compared = [each for each in result.comparisons if not each.refusal]
    if not compared:
        return []
    first = compared[0]
    kind = "draws" if result.by_draw else "paired" if first.paired else "independent"
    notes = [" ".join([text("best_note"), text(f"best_note_{kind}")])]
    if any(each.scores for each in compared):
        notes.append(text("iqm_note" if is_own_score(first.metric) else "iqm_note_ratio"))
    return notes


def _list_sentences(result: StudyResult, comparison: Comparison, text: Text) -> list[str]:
    def name(status: str) -> str:
        return _join(name_cells(result, comparison.list_cells(status), comparison.where), text)

    counts = comparison.table["status"].value_counts()
    candidates, family = int(counts.get(CANDIDATE, 0)), len(comparison.table)
    sentences = []
    if candidates == 1 and counts.get(EXCLUDED, 0) == family - 1:
        sentences.append(text("best_one", cell=name(CANDIDATE)))
    elif candidates:
        sentences.append(text("best_some", n=candidates, cells=family, names=name(CANDIDATE)))
    else:
        sentences.append(text("best_none"))
    for status, key in ((UNCLEAR, "best_unclear"), (NEVER_LEARNED, "best_never"), (MISSING, "best_missing")):
        sentences += [text(key, names=name(status), n=comparison.n)] if counts.get(status, 0) else []
        sentences += (
            [text("best_unclear_few", n=comparison.n)] if key == "best_unclear" and _ranks_are_silent(comparison) else []
        )
    return sentences


def _ranks_are_silent(comparison: Comparison) -> bool:
    """Whether there are cells that only ranks could exclude, and too few seeds for that."""
    return bool(comparison.list_cells(UNCLEAR)) and not comparison.decides_ranks


def _describe_ranks(overall: Overall, text: Text) -> str:
    """What Friedman's test says over the data sets."""
    ranks = overall.ranks
    assert ranks is not None  # noqa: S101
    p = f"< {SMALL}" if ranks.p < SMALL else f"= {ranks.p:.4f}"
    key = "friedman_differ" if ranks.p < ALPHA else "friedman_alike"
    return text(key, n=ranks.blocks, p=p, difference=f"{ranks.difference:.2f}")


def _join(names: Sequence[str], text: Text) -> str:
    return "; ".join(names[:MAX_NAMED]) + (text("and_more", n=len(names) - MAX_NAMED) if len(names) > MAX_NAMED else "")


def _describe(comparison: Comparison, text: Text) -> str:
    """`test accuracy (%), dataset=digits`."""
    return ", ".join([text.metric(comparison.metric), *(f"{key}={show(value)}" for key, value in comparison.where.items())])
