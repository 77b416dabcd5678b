"""The tables of results and of settings, as text; each string is escaped where the page is rendered."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.cells import aggregate
from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.learned import needs_learning
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import ABSENT, cell_names, count_runs, records, varying_keys
from dlexp.analysis.report.labels import display_factor, is_rate, show
from dlexp.analysis.report.text import Text

MAX_ROWS = 200
MINUS = "\N{MINUS SIGN}"
THIN_SPACE = "\N{NARROW NO-BREAK SPACE}"


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Args:
        caption: Describes its numbers.
        head: Column titles.
        rows: Rows of text.
        right: Indices of the columns that are aligned to the right, because they hold numbers.
        note: Text below the table, where rows were left out.
    """

    caption: str
    head: list[str]
    rows: list[list[str]]
    right: frozenset[int] = frozenset()
    note: str = ""


def format_metric(metric: str, value: Any, *, signed: bool = False) -> str:
    """Format a metric: rates in per cent with two decimals, others with four digits, `–` where there is no number.

    Costs are in their unit, with thin spaces where they have more than four digits.
    """
    if value is None or not np.isfinite(value := float(value)):
        return "–"
    value *= display_factor(metric)
    text = f"{value:+.2f}" if is_rate(metric) else f"{value:+.4g}"
    if is_cost(metric) and abs(value) >= 9999.5:
        text = f"{value:+,.0f}".replace(",", THIN_SPACE)
    return (text if signed else text.removeprefix("+")).replace("-", MINUS)


def format_number(value: Any) -> str:
    """Format a number that is not a metric: whole numbers with thin spaces, others with three digits."""
    if value is None or not np.isfinite(value := float(value)):
        return "–"
    if value.is_integer():
        return f"{int(value):,}".replace(",", THIN_SPACE).replace("-", MINUS)
    return f"{value:.3g}".replace("-", MINUS) if abs(value) < 1000 else format_number(round(value))


def build_results(result: StudyResult, text: Text) -> Table:
    """Mean ± half-width, n, sd, noise and rank of each cell, and the published value where there is one.

    For a cost also the median, and the quality of the results that it buys.
    """
    metric, cells = result.protocol["study"]["metric"], result.cells
    published, noise = bool(cells["reference"].notna().any()), bool(cells["noise"].notna().any())
    rank = bool(cells["rank"].notna().any()) and "dataset" not in varying_keys(result) and len(cells) > 1
    problems = [column for column in ("diverged", "failed", "missing", "unusable") if cells[column].any()]
    cost = is_cost(metric)
    quality = quality_metric(result) if cost else None
    qualities = records(aggregate(result.runs, result.keys, quality)) if quality else []
    head = [text("cell"), text("this_study"), *([text.metric(quality)] if quality else []), text("n")]
    head += [*[text("draws")] * result.by_draw, text("sd")]
    head += map(text, [*["median"] * cost, *["noise"] * noise, *["rank"] * rank])
    head += map(text, [*["published", "difference"] * published, *problems])
    rows = []
    for place, (name, row) in enumerate(zip(cell_names(result), records(cells), strict=True)):
        line = [name, format_mean(metric, row, text)] + ([format_mean(quality, qualities[place], text)] if quality else [])
        line += [_format_count(row["n"], row, text), *[str(row["draws"])] * result.by_draw, format_metric(metric, row["sd"])]
        line += [format_metric(metric, row["median"])] * cost + [format_metric(metric, row["noise"])] * noise
        line += [format_number(row["rank"])] * rank + (_format_published(metric, row) if published else [])
        rows.append(line + [_format_count(row[column], row, text) if row[column] else "" for column in problems])
    captions = [text("caption_results_cost" if cost else "caption_results", metric=text.metric(metric))]
    captions += [text("caption_draws")] * result.by_draw + [text("caption_bimodal")] * bool(cells["bimodal"].any())
    captions += [text("caption_noise")] * noise + [text("caption_rank")] * rank
    if published:
        captions.append(text("caption_published", source=result.protocol["study"]["reference"].get("source", "–")))
    return Table(" ".join(captions), head, rows, frozenset(range(1, len(head))))


def quality_metric(result: StudyResult) -> str | None:
    """The metric that measures the quality of the runs: accuracy, or the error of a regression, on the test set."""
    known = (name for name in ("test/acc", "test/rmse") if name in result.runs and result.runs[name].notna().any())
    return next(known, None)


def _format_count(count: int, row: Mapping[str, Any], text: Text) -> str:
    """How many of a cell's runs these are: `5` where it is all of them and they count, `3 of 5` elsewhere."""
    total = count_runs(row)
    return str(total) if count == total == row["n"] else text("of_runs", n=int(count), runs=total)


def format_mean(metric: str, row: Mapping[str, Any], text: Text) -> str:
    """The mean of a cell ± the half-width of its interval; of a bimodal cell how many learned and the median, too."""
    if row["bimodal"] and needs_learning(metric):
        median, mean = (format_metric(metric, row[name]) for name in ("median", "mean"))
        return text("bimodal", learned=int(row["learned"]), runs=count_runs(row), median=median, mean=mean)
    half = (row["high"] - row["low"]) / 2
    return format_metric(metric, row["mean"]) + (f" ± {format_metric(metric, half)}" if np.isfinite(half) else "")


def _format_published(metric: str, row: Mapping[str, Any]) -> list[str]:
    """The published value with its sd and n, and the difference from it."""
    if pd.isna(row["reference"]):
        return ["–", "–"]
    more = [] if pd.isna(row["reference_sd"]) else [f"sd {format_metric(metric, row['reference_sd'])}"]
    more += [] if pd.isna(row["reference_n"]) else [f"n = {int(row['reference_n'])}"]
    value = format_metric(metric, row["reference"]) + (f" ({', '.join(more)})" if more else "")
    return [value, format_metric(metric, row["mean"] - row["reference"], signed=True)]


def build_setup(result: StudyResult, text: Text) -> Table:
    """The settings that all runs share, and the axes."""
    study = result.protocol["study"]
    changed = dict(change.split("=", 1) for change in result.protocol["changes"])
    shared = {key: show(value) for key, value in (study.get("base") or {}).items() if key not in result.keys} | changed
    rows = [[key, value] for key, value in shared.items()]
    plain = {key: value for switch in study.get("switches") or [] for key, value in switch["plain"].items()}
    for key in result.keys:
        values = [value for value in result.cells[key] if value is not ABSENT] + ([plain[key]] if key in plain else [])
        rows.append([key, ", ".join(dict.fromkeys(map(show, values)))])
    tune = study.get("tune") or {}
    rows += [[key, text("tuned", listed=", ".join(map(show, tune[key])))] for key in tune if key in _list_tuned(result)]
    rows += [["zip", ", ".join(group)] for group in study.get("zip") or []]
    rows += [
        ["exclude", ", ".join(f"{key}={show(value)}" for key, value in entry.items())] for entry in study.get("exclude") or []
    ]
    rows += [["skip", ", ".join(f"{key}={show(value)}" for key, value in cell.items())] for cell in study.get("skipped") or []]
    rows += [["data_seed", ", ".join(map(show, study["data_seeds"]))]] if result.by_draw and "data_seed" not in shared else []
    rows.append([text("seed"), ", ".join(map(show, study.get("seeds", [])))])
    rows += [[text("seed_of_search"), ", ".join(map(show, result.tuning.seeds))]] if result.tuning else []
    return Table(text("caption_setup"), [text("setting"), text("value")], rows)


def _list_tuned(result: StudyResult) -> list[str]:
    return result.tuning.keys if result.tuning else []


def shorten(table: Table, text: Text, note: str = "more_rows") -> Table:
    """Limit a table to 200 rows, with a note (a key of text.yaml) on how many are left out."""
    left_out = len(table.rows) - MAX_ROWS
    if left_out <= 0:
        return table
    return Table(table.caption, table.head, table.rows[:MAX_ROWS], table.right, text(note, n=left_out))


def to_text(value: Any) -> str:
    """A value as text; empty where there is none."""
    if isinstance(value, list | tuple):
        return ", ".join(map(to_text, value))
    return "" if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) else str(value)
