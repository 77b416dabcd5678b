"""How many times as fast, or as small, each cell of a study of costs is as its partner: ratios with intervals, and a grid."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.cells import usable
from dlexp.analysis.judge.costs import COSTS, is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.result import StudyResult
from dlexp.analysis.report.arrange import name_of, records, values_of, varying_keys
from dlexp.analysis.report.labels import key_label, show
from dlexp.analysis.report.tables import Table, number, plain
from dlexp.analysis.report.text import Text

MAX_COLUMNS = 12
IN_MILLISECONDS = "train/seconds"  # as document 003 gives it


@dataclass(frozen=True)
class SpeedUp:
    """One cell beside its partner: above 1 it is faster, or smaller.

    Args:
        cell: Its row of `StudyResult.cells`.
        ratio: Geometric mean over seeds.
        low, high: Its 95 % t interval, taken on logarithms; nan with one seed.
        n: Seeds that both have, or runs of the smaller cell where the arms are independent.
        published: The same ratio of the published numbers; nan where there are none.
    """

    cell: dict[str, Any]
    ratio: float
    low: float
    high: float
    n: int
    published: float


def compared(result: StudyResult) -> str:
    """The key along which cells are partners: the arm where arms are named, else the study's first."""
    keys = varying_keys(result)
    return "arm" if "arm" in keys else keys[0]


def partner_of(result: StudyResult) -> str:
    """What cells are compared with, as it is shown: `cpu`, `resident`."""
    key = compared(result)
    return name_of({key: values_of(result, key)[0]}, [key])


def speed_ups(result: StudyResult) -> list[SpeedUp]:
    """Each cell beside the one that differs from it in the first value of the compared key alone; for a study of costs."""
    metric = result.protocol["study"]["metric"]
    if not is_cost(metric) or len(varying_keys(result)) == 0:
        return []
    key, others = compared(result), [name for name in varying_keys(result) if name != compared(result)]
    rows = records(result.cells)
    first = show(values_of(result, key)[0])
    partners = {_spelled(row, others): row for row in rows if show(row[key]) == first}
    good = usable(result.runs, metric)
    by_cell: dict[str, dict[int, float]] = {}
    for run in records(good):
        if run[metric] > 0:
            by_cell.setdefault(_spelled(run, result.keys), {})[run["seed"]] = math.log(run[metric])
    found = []
    for row in rows:
        partner = partners.get(_spelled(row, others))
        if partner is None or partner is row:
            continue
        mine, theirs = (by_cell.get(_spelled(one, result.keys), {}) for one in (row, partner))
        if made := _speed_up(result, row, partner, mine, theirs):
            found.append(made)
    return found


def _speed_up(
    result: StudyResult, row: dict[str, Any], partner: dict[str, Any], mine: dict[int, float], theirs: dict[int, float]
) -> SpeedUp | None:
    """The ratio of two cells from their logarithms by seed; None where they share none."""
    study = result.protocol["study"]
    sign = 1 if is_rising(study["metric"]) else -1
    if study.get("pairing") == "independent":
        if not mine or not theirs:
            return None
        contrast = statistics.independent([list(mine.values())], [list(theirs.values())])
    else:
        seeds = sorted(mine.keys() & theirs.keys())
        if not seeds:
            return None
        contrast = statistics.paired([mine[seed] - theirs[seed] for seed in seeds])
    ends = contrast.interval() if contrast.n > 1 else (math.nan, math.nan)
    low, high = sorted(math.exp(sign * end) for end in ends)
    published = float(row["reference"] / partner["reference"]) ** sign if partner["reference"] else math.nan
    return SpeedUp(row, math.exp(sign * contrast.estimate), low, high, contrast.n, published)


def _spelled(row: dict[str, Any], keys: Sequence[str]) -> str:
    return json.dumps([show(row[key]) for key in keys])


def ratios(result: StudyResult, text: Text) -> Table | None:
    """The speed-ups as a table, each with its interval."""
    found = speed_ups(result)
    if not found:
        return None
    keys, published = varying_keys(result), any(np.isfinite(one.published) for one in found)
    head = [text("cell"), text("ratio_head"), text("interval_head"), text("n"), *[text("published")] * published]
    rows = []
    for one in found:
        ends = "–" if math.isnan(one.low) else f"{one.low:.3g} – {one.high:.3g}"
        line = [name_of(one.cell, keys), f"{one.ratio:.3g}", ends, str(one.n)]
        rows.append(line + ([f"{one.published:.3g}" if np.isfinite(one.published) else "–"] if published else []))
    what = "caption_memory_ratios" if COSTS[result.protocol["study"]["metric"]].is_memory else "caption_ratios"
    return Table(text(what, partner=partner_of(result)), head, rows, frozenset(range(1, len(head))))


def grid(result: StudyResult, text: Text) -> Table | None:
    """The means as document 003 lays them out: a row a value of the first key, a column a combination of the others."""
    metric, keys = result.protocol["study"]["metric"], varying_keys(result)
    if not is_cost(metric) or len(keys) < 2:
        return None
    first, others, cells = keys[0], keys[1:], records(result.cells)
    columns = list(dict.fromkeys(name_of(row, others) for row in cells))
    if len(columns) > MAX_COLUMNS or len(columns) == len(cells):
        return None
    at = {(show(row[first]), name_of(row, others)): row for row in cells}
    rows = []
    for value in map(show, values_of(result, first)):
        mine = [at.get((value, column), {"mean": math.nan, "reference": math.nan}) for column in columns]
        rows.append([value, *(_in_grid(metric, row["mean"]) for row in mine)])
        if any(np.isfinite(row["reference"]) for row in mine):
            rows.append([f"{value}, {text('published')}", *(_in_grid(metric, row["reference"]) for row in mine)])
    what = text("milliseconds") if metric == IN_MILLISECONDS else text.metric(metric)
    return Table(text("caption_grid", metric=what), [key_label(first), *columns], rows, frozenset(range(1, len(columns) + 1)))


def _in_grid(metric: str, value: float) -> str:
    return plain(1000 * value) if metric == IN_MILLISECONDS else number(metric, value)
