"""Compare the cells of a study of costs: how many times as fast, or as small, each is as its partner; and a grid of means."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.cells import select_usable
from dlexp.analysis.judge.costs import COSTS, is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import Repeat, Values, average_sides, repeats_of
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.judge.times import LENGTHS
from dlexp.analysis.report.arrange import axis_values, cell_name, describe_lost, records, spell_cell, varying_keys
from dlexp.analysis.report.labels import key_label, show
from dlexp.analysis.report.tables import Table, format_metric, format_number
from dlexp.analysis.report.text import Text

MAX_COLUMNS = 12
MILLISECONDS_METRIC = "train/seconds"  # displayed in ms in the grid, as document 003 does


@dataclass(frozen=True)
class SpeedUp:
    """One cell compared with its partner: above 1 it is faster, or smaller.

    Args:
        cell: Its row of `StudyResult.cells`.
        ratio: Geometric mean over seeds, or of the draws of the data, each over its seeds; nan where the cell has no run to
            compare.
        low, high: Its 95 % t interval, computed on logarithms; nan with one seed.
        n: Number of seeds, or draws, that both have, or of runs in the smaller cell where the cells are independent.
        published: The same ratio of the published numbers; nan where there are none.
    """

    cell: dict[str, Any]
    ratio: float
    low: float
    high: float
    n: int
    published: float


def compared_key(result: StudyResult) -> str:
    """The key in which partners differ: the arm where arms are named, else the study's first key."""
    keys = varying_keys(result)
    return "arm" if "arm" in keys else keys[0]


def partner_name(result: StudyResult) -> str:
    """The value of the compared key that all others are compared with: `cpu`, `resident`."""
    key = compared_key(result)
    return cell_name({key: axis_values(result, key)[0]}, [key])


def compute_speed_ups(result: StudyResult) -> list[SpeedUp]:
    """Compare each cell with the one that differs from it only in having the first value of the compared key.

    Empty for a study whose metric is not a cost.
    """
    metric, varying = result.protocol["study"]["metric"], varying_keys(result)
    if not is_cost(metric) or not varying:
        return []
    key = compared_key(result)
    others = [name for name in varying if name != key]
    rows = records(result.cells)
    first = show(axis_values(result, key)[0])
    partners = {spell_cell(row, others): row for row in rows if show(row[key]) == first}
    logarithms: dict[tuple[str, ...], dict[Repeat, float]] = {}
    usable = select_usable(result.runs, metric)
    # Without the runs that did not reach a target, a cell would seem faster than it is.
    partial = {spell_cell(row, result.keys) for row in rows if metric in LENGTHS and row["unusable"] > 0}
    for run, repeat in zip(records(usable), repeats_of(usable, by_draw=result.by_draw), strict=True):
        if run[metric] > 0 and spell_cell(run, result.keys) not in partial:
            logarithms.setdefault(spell_cell(run, result.keys), {})[repeat] = math.log(run[metric])
    found = []
    for row in rows:
        partner = partners.get(spell_cell(row, others))
        if partner is None or partner is row:
            continue
        both = [logarithms.get(spell_cell(cell, result.keys), {}) for cell in (row, partner)]
        paired = result.protocol["study"].get("pairing") != "independent"
        contrast = _contrast(*both, paired=paired, by_draw=result.by_draw)
        if contrast:
            found.append(_speed_up(row, partner, contrast, 1 if is_rising(metric) else -1))
        elif describe_lost(row):  # shown without a ratio
            found.append(SpeedUp(row, math.nan, math.nan, math.nan, 0, math.nan))
    return found if any(item.n for item in found) else []


def _contrast(plus: Values, minus: Values, *, paired: bool, by_draw: bool) -> statistics.Contrast | None:
    """The difference of two cells; None where nothing can be compared."""
    if paired or by_draw:
        _, first, second = average_sides([plus], [minus], paired=paired)
        return statistics.contrast_paired(np.subtract(first, second).tolist()) if first else None
    return statistics.contrast_independent([list(plus.values())], [list(minus.values())]) if plus and minus else None


def _speed_up(row: dict[str, Any], partner: dict[str, Any], contrast: statistics.Contrast, sign: int) -> SpeedUp:
    ends = contrast.interval() if contrast.n > 1 else (math.nan, math.nan)
    low, high = sorted(math.exp(sign * end) for end in ends)
    published = float(row["reference"] / partner["reference"]) ** sign if partner["reference"] else math.nan
    return SpeedUp(row, math.exp(sign * contrast.estimate), low, high, contrast.n, published)


def build_ratios(result: StudyResult, text: Text) -> Table | None:
    """The speed-ups as a table, each with its interval."""
    found = compute_speed_ups(result)
    if not found:
        return None
    keys, published = varying_keys(result), any(np.isfinite(item.published) for item in found)
    head = [text("cell"), text("ratio_head"), text("interval_head"), text("n"), *[text("published")] * published]
    rows = []
    for item in found:
        ends = "–" if math.isnan(item.low) else f"{item.low:.3g} – {item.high:.3g}"
        ratio = f"{item.ratio:.3g}" if item.n else describe_lost(item.cell)
        row = [cell_name(item.cell, keys), ratio, ends, str(item.n)]
        rows.append(row + [f"{item.published:.3g}" if np.isfinite(item.published) else "–"] * published)
    caption = "caption_memory_ratios" if COSTS[result.protocol["study"]["metric"]].is_memory else "caption_ratios"
    return Table(text(caption, partner=partner_name(result)), head, rows, frozenset(range(1, len(head))))


def build_grid(result: StudyResult, text: Text) -> Table | None:
    """The means as document 003 lays them out: one row per value of the first key, one column per combination of the others."""
    metric, keys = result.protocol["study"]["metric"], varying_keys(result)
    if not is_cost(metric) or len(keys) < 2:
        return None
    first, others, cells = keys[0], keys[1:], records(result.cells)
    columns = list(dict.fromkeys(cell_name(row, others) for row in cells))
    if len(columns) > MAX_COLUMNS or len(columns) == len(cells):
        return None
    by_place = {(show(row[first]), cell_name(row, others)): row for row in cells}
    rows = []
    for value in map(show, axis_values(result, first)):
        line = [by_place.get((value, column), {"mean": math.nan, "reference": math.nan}) for column in columns]
        rows.append([value, *(_format_in_grid(metric, row["mean"]) for row in line)])
        if any(np.isfinite(row["reference"]) for row in line):
            rows.append([f"{value}, {text('published')}", *(_format_in_grid(metric, row["reference"]) for row in line)])
    label = text("milliseconds") if metric == MILLISECONDS_METRIC else text.metric(metric)
    return Table(text("caption_grid", metric=label), [key_label(first), *columns], rows, frozenset(range(1, len(columns) + 1)))


def _format_in_grid(metric: str, value: float) -> str:
    return format_number(1000 * value) if metric == MILLISECONDS_METRIC else format_metric(metric, value)
