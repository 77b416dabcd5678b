"""The tables of the page, as text: each cell of a table is a string that is escaped where the page is made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.cells import aggregate
from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import is_absent, name_of, records, varying_keys
from dlexp.analysis.report.labels import factor, is_rate, show
from dlexp.analysis.report.text import Text

MAX_ROWS = 200
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Args:
        caption: What its numbers are.
        head: Of the columns.
        rows: Text by text.
        right: Columns that hold numbers.
        note: Below it, where rows were left out.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
    right: frozenset[int] = frozenset()
    note: str = ""


def number(metric: str, value: Any, *, signed: bool = False) -> str:
    """A number as it is shown: rates in per cent with two decimals, others with four digits, `–` where there is none.

    Costs are in their unit, with thin spaces where they have more than four digits.
    """
    if value is None or not np.isfinite(value := float(value)):
        return "–"
    value *= factor(metric)
    text = f"{value:+.2f}" if is_rate(metric) else f"{value:+.4g}"
    if is_cost(metric) and abs(value) >= 9999.5:
        text = f"{value:+,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return (text if signed else text.removeprefix("+")).replace("-", MINUS)


def plain(value: Any, digits: int = 3) -> str:
    """A number without a metric: whole ones with thin spaces, others with a few digits."""
    if value is None or not np.isfinite(value := float(value)):
        return "–"
    if value.is_integer():
        return f"{int(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}").replace("-", MINUS)
    return f"{value:.{digits}g}".replace("-", MINUS) if abs(value) < 1000 else plain(round(value))


def results(result: StudyResult, text: Text) -> Table:
    """Mean ± half-width, n, sd, noise and rank of each cell, beside the published value where there is one.

    Beside a cost stand its median, and how good the results are that it buys.
    """
    metric, keys, cells = result.protocol["study"]["metric"], varying_keys(result), result.cells
    published = bool(cells["reference"].notna().any())
    noise = bool(cells["noise"].notna().any())
    rank = bool(cells["rank"].notna().any()) and "dataset" not in keys and len(cells) > 1
    trouble = [column for column in ("diverged", "failed", "missing", "unusable") if cells[column].any()]
    cost, good = is_cost(metric), quality(result) if is_cost(metric) else None
    bought = records(aggregate(result.runs, result.keys, good)) if good else []
    head = [text("cell"), text("this_study"), *([text.metric(good)] if good else []), text("n"), text("sd")]
    head += map(text, [*["median"] * cost, *["noise"] * noise, *["rank"] * rank])
    head += map(text, [*["published", "difference"] * published, *trouble])
    rows = []
    for place, row in enumerate(records(cells)):
        line = [name_of(row, keys), _with_half(metric, row)]
        line += [_with_half(good, bought[place])] if good else []
        line += [str(int(row["n"])), number(metric, row["sd"])]
        line += [number(metric, row["median"])] * cost + [number(metric, row["noise"])] * noise + [plain(row["rank"])] * rank
        line += _published(metric, row) if published else []
        rows.append(line + [str(int(row[column])) if row[column] else "" for column in trouble])
    captions = [text("caption_results_cost" if cost else "caption_results", metric=text.metric(metric))]
    captions += [text("caption_noise")] * noise + [text("caption_rank")] * rank
    if published:
        captions.append(text("caption_published", source=result.protocol["study"]["reference"].get("source", "–")))
    return Table(" ".join(captions), head, rows, frozenset(range(1, len(head))))


def quality(result: StudyResult) -> str | None:
    """The metric that tells how good the runs are: accuracy, or the error of a regression, on the test set."""
    known = (name for name in ("test/acc", "test/rmse") if name in result.runs and result.runs[name].notna().any())
    return next(known, None)


def _with_half(metric: str, row: Mapping[str, Any]) -> str:
    half = (row["high"] - row["low"]) / 2
    return number(metric, row["mean"]) + (f" ± {number(metric, half)}" if np.isfinite(half) else "")


def _published(metric: str, row: Mapping[str, Any]) -> list[str]:
    """The published value with its sd and n, and the difference to it."""
    if is_missing(row["reference"]):
        return ["–", "–"]
    told = number(metric, row["reference"])
    told += "" if is_missing(row["reference_sd"]) else f" ± {number(metric, row['reference_sd'])}"
    told += "" if is_missing(row["reference_n"]) else f" (n = {int(row['reference_n'])})"
    return [told, number(metric, row["mean"] - row["reference"], signed=True)]


def is_missing(value: Any) -> bool:
    """Whether a number is not there."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def setup(result: StudyResult, text: Text) -> Table:
    """The settings that all runs share, and the axes."""
    study = result.protocol["study"]
    changed = dict(change.split("=", 1) for change in result.protocol["changes"])
    shared = {key: show(value) for key, value in (study.get("base") or {}).items() if key not in result.keys} | changed
    rows = [[key, value] for key, value in shared.items()]
    for key in result.keys:
        values = dict.fromkeys(show(value) for value in result.cells[key] if not is_absent(value))
        rows.append([key, ", ".join(values)])
    rows.append([text("seed"), ", ".join(map(show, study.get("seeds", [])))])
    return Table(text("caption_setup"), [text("setting"), text("value")], rows)


def shortened(table: Table, text: Text) -> Table:
    """A table of at most two hundred rows, which says how many it leaves out."""
    left = len(table.rows) - MAX_ROWS
    if left <= 0:
        return table
    return Table(table.caption, table.head, table.rows[:MAX_ROWS], table.right, text("more_rows", n=left))


def as_text(value: Any) -> str:
    """A value in words; nothing where there is none."""
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return "" if value is None or value is pd.NA or is_missing(value) else str(value)


def distinct(frame: pd.DataFrame, columns: Sequence[str]) -> list[list[str]]:
    """A row a column: its distinct values."""
    rows = []
    for column in columns:
        if column in frame:
            values = dict.fromkeys(as_text(value) for value in frame[column])
            values.pop("", None)
            if values:
                rows.append([column, ", ".join(values)])
    return rows
