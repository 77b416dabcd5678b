"""Weigh the factors of a study: how much of its metric's variation each of them, and each interaction, explains."""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from dlexp.analysis.judge import anova
from dlexp.analysis.judge.cells import find_followers, select_usable
from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.statistics import TINY, summarise
from dlexp.analysis.read.folder import flatten

Cell = Mapping[str, Any]
Refusal = Literal["", "no_runs", "one_factor", "not_crossed", "seeds", "constant"]
DATASET = "dataset"
ARM = "arm"


@dataclass(frozen=True)
class Importance:
    """How much of the variation of a metric over runs each factor and interaction explains.

    Args:
        metric: The metric; of a cost its logarithm is decomposed.
        where: The part of the study: `{"dataset": ...}` where each data set is decomposed on its own, else empty.
        levels: Each factor's values, in the order of the cells; lists are text.
        refusal: Why there is no table: no run has a value (`no_runs`); fewer than two factors have two values with runs
            (`one_factor`); cells are empty, so that the factors, or factors and interactions, cannot be told apart
            (`not_crossed`); cells, seeds and noise cannot be told apart (`seeds`); all values are equal (`constant`).
            Empty where there is a table.
        table: One row per term: `term` (a tuple of keys, or `anova.HIGHER`, `SEED` or `RESIDUAL`), and the columns of
            `anova.decompose`.
        runs: The runs that are decomposed: `value` in the metric's unit, `seed`, and `f0, f1 ...`, each factor's level. On
            several draws of the data, one row per draw of a cell: `seed` is its data_seed, `value` the mean over its seeds.
        by_draw: Whether the study draws its data several times.
        num_runs: How many runs have a value.
        planned: How many runs the study asks for in these cells.
        balanced: Whether each seed, or each draw, has each cell.
        max_order: Number of factors of the largest interactions that can be estimated whole; those of more factors are the
            term `anova.HIGHER`, or with two factors their interaction, as far as there are cells.
        beside: Cells that are not part of the crossing of the factors, such as a baseline, and are left out.
        without_runs: Levels without any value, as cells of one key. They are left out.
        empty: Cells of the crossing without any value.
    """

    metric: str
    where: dict[str, Any] = field(default_factory=dict)
    levels: dict[str, list[Any]] = field(default_factory=dict)
    refusal: Refusal = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    runs: pd.DataFrame = field(default_factory=pd.DataFrame)
    by_draw: bool = False
    num_runs: int = 0
    planned: int = 0
    balanced: bool = True
    max_order: int = 0
    beside: tuple[dict[str, Any], ...] = ()
    without_runs: tuple[dict[str, Any], ...] = ()
    empty: tuple[dict[str, Any], ...] = ()

    def find_interactions(self, share: float) -> list[tuple[str, str]]:
        """The interactions of two factors with more than this share, and more than noise has, the largest first."""
        if self.table.empty:
            return []
        terms, shares = self.table["term"], self.table["share"]
        shown = self.table[(terms.map(len) == 2) & (shares > share) & (shares > self.table["noise"])]
        return shown.sort_values("share", ascending=False, kind="stable")["term"].tolist()

    def average_over_others(self, pair: Sequence[str]) -> pd.DataFrame:
        """Average the metric over all factors but these two, seed by seed or draw by draw, with equal weights of the cells.

        Returns:
            One row per pair of levels: the two keys, `n` (the seeds that have all cells of this pair), `mean, low, high`
            (the 95 % t interval over these seeds); nan where no seed has them.
        """
        names = list(self.levels)
        columns = [anova.FACTOR.format(names.index(key)) for key in pair]
        num_cells = math.prod(len(values) for key, values in self.levels.items() if key not in pair)
        rows = []
        for codes in product(*(range(len(self.levels[key])) for key in pair)):
            runs = self.runs[(self.runs[columns] == list(codes)).all(axis=1)]
            by_seed = runs.groupby("seed")["value"].agg(["mean", "size"])
            means = by_seed.loc[by_seed["size"] == num_cells, "mean"]
            found = summarise(means.tolist())
            values = {key: self.levels[key][code] for key, code in zip(pair, codes, strict=True)}
            rows.append(values | {"n": found.n, "mean": found.mean, "low": found.low, "high": found.high})
        levels = {key: pd.Series([row[key] for row in rows], dtype=object) for key in pair}  # null stays null beside numbers
        return pd.DataFrame(rows).assign(**levels)


@dataclass(frozen=True)
class _Run:
    """A planned run: its cell, its seed, the draw of its data if there are several, and its value if it has one."""

    cell: dict[str, Any]
    seed: int
    data_seed: int | None
    value: float | None


def weigh_factors(study: Mapping[str, Any], planned: Iterable[Mapping[str, Any]], runs: pd.DataFrame) -> list[Importance]:
    """Weigh the factors of a study, of each data set on its own where at least two other factors vary.

    Args:
        study: `metric` and `zip`, as in protocol.json. Axes that go together are one factor, called as the first of them.
        planned: The runs that protocol.json lists: `id`, `cell`, `seed`, `data_seed`.
        runs: A table with the `id`, the status and the metric of runs.

    Returns:
        One entry per data set, or one of the whole study; nothing where the study does not cross two factors.
    """
    metric = study.get("metric", "test/acc")
    usable = select_usable(runs, metric)
    values = dict(zip(usable["id"], usable[metric].astype(float), strict=True)) if len(usable) else {}
    known = {name: value for name, value in values.items() if np.isfinite(value) and (value > 0 or not is_cost(metric))}
    followers = find_followers(study)
    every = [
        _Run(
            {key: flatten(value) for key, value in run["cell"].items() if key not in followers},
            run["seed"],
            run.get("data_seed"),
            known.get(run["id"]),
        )
        for run in planned
    ]
    parts: dict[str, list[_Run]] = {}
    for run in every:
        parts.setdefault(json.dumps(run.cell.get(DATASET)), []).append(run)
    if len(parts) > 1:
        found = [_weigh(metric, part, {DATASET: part[0].cell.get(DATASET)}) for part in parts.values()]
        if all(found):
            return [each for each in found if each]
    whole = _weigh(metric, every, {})
    return [whole] if whole else []


def _weigh(metric: str, planned: Sequence[_Run], where: dict[str, Any]) -> Importance | None:
    """Weigh the factors that these runs cross; None where there are fewer than two."""
    cells = list({json.dumps(run.cell): run.cell for run in planned}.values())
    keys = _choose_keys(cells)
    crossed = _find_crossing(cells, keys)
    all_levels = _list_levels(crossed, keys)
    if len(all_levels) < 2:
        return None
    inside = [run for run in planned if run.cell in crossed]
    with_value = [run for run in inside if run.value is not None]
    levels = _list_levels([run.cell for run in with_value], list(all_levels))
    possible = [{key: value} for key, values in all_levels.items() for value in values]
    there = {key: {_spell(run.cell, [key]) for run in with_value} for key in all_levels}
    about = Importance(
        metric,
        where,
        levels,
        by_draw=any(run.data_seed is not None for run in planned),
        num_runs=len(with_value),
        planned=len(inside),
        beside=tuple(cell for cell in cells if cell not in crossed),
        without_runs=tuple(level for level in possible if not any(_spell(level, level) in there[key] for key in level)),
    )
    if len(levels) < 2:
        return replace(about, refusal="one_factor" if with_value else "no_runs")
    codes = {}
    for i, (key, values) in enumerate(levels.items()):
        places = {_spell({key: value}, [key]): code for code, value in enumerate(values)}
        codes[anova.FACTOR.format(i)] = [places[_spell(run.cell, [key])] for run in with_value]
    blocks = [run.data_seed if about.by_draw else run.seed for run in with_value]
    frame = pd.DataFrame({"value": [run.value for run in with_value], "seed": blocks, **codes})
    if about.by_draw:  # runs on one draw are not independent
        frame = frame.groupby([*codes, "seed"], sort=False)["value"].mean().reset_index()
    return _decompose(replace(about, runs=frame))


def _decompose(about: Importance) -> Importance:
    """Add the table, or why there is none."""
    runs, names = about.runs, list(about.levels)
    there = set(runs[[anova.FACTOR.format(i) for i in range(len(names))]].itertuples(index=False, name=None))
    crossing = product(*(range(len(values)) for values in about.levels.values()))
    empty = [
        {name: about.levels[name][code] for name, code in zip(names, codes, strict=True)}
        for codes in crossing
        if codes not in there
    ]
    about = replace(about, empty=tuple(empty), balanced=len(runs) == len(there) * runs["seed"].nunique() and not empty)
    values = runs.assign(value=np.log(runs["value"])) if is_cost(about.metric) else runs
    max_order = anova.find_max_order(values, len(names))
    num_effects = sum(len(values) - 1 for values in about.levels.values())
    if max_order < 1 or (max_order == 1 and len(there) - 1 == num_effects):
        return replace(about, refusal="not_crossed" if empty else "seeds")
    if not anova.can_separate_seeds(values, len(names)):
        return replace(about, refusal="seeds")
    if np.ptp(values["value"]) <= TINY * max(1.0, float(values["value"].abs().max())):
        return replace(about, refusal="constant")
    table = anova.decompose(values, len(names), max_order)
    keys = {anova.FACTOR.format(i): name for i, name in enumerate(names)}
    higher = tuple(names) if len(names) == 2 else anova.HIGHER
    terms = [higher if term == anova.HIGHER else tuple(keys.get(name, name) for name in term) for term in table["term"]]
    return replace(about, max_order=max_order, table=table.assign(term=pd.Series(terms, table.index)))


def _choose_keys(cells: Sequence[Cell]) -> list[str]:
    """The keys of most cells that vary; where arms are named, only as many as are needed to distinguish the cells."""
    having = Counter(key for cell in cells for key in cell)  # a key of few cells, such as a baseline's, is not a factor
    keys = [key for key, count in having.items() if 2 * count > len(cells)]
    keys = [key for key in keys if len({_spell(cell, [key]) for cell in cells}) > 1]
    for key in reversed([key for key in keys if key != ARM]) if ARM in keys else []:
        rest = [other for other in keys if other != key]
        if len({_spell(cell, rest) for cell in cells}) == len(cells):
            keys = rest
    return keys


def _find_crossing(cells: Sequence[Cell], keys: Sequence[str]) -> list[Cell]:
    """The cells that have all keys, without those that alone have a level, such as a baseline."""
    crossed = [cell for cell in cells if all(key in cell for key in keys)]
    while True:
        counts = Counter((key, _spell(cell, [key])) for cell in crossed for key in keys)
        alone = [cell for cell in crossed if any(counts[key, _spell(cell, [key])] == 1 for key in keys)]
        if not alone:
            return crossed
        crossed = [cell for cell in crossed if cell not in alone]


def _list_levels(cells: Iterable[Cell], keys: Sequence[str]) -> dict[str, list[Any]]:
    """The keys with at least two values in these cells, and these values."""
    levels = {key: list({_spell(cell, [key]): cell[key] for cell in cells}.values()) for key in keys}
    return {key: values for key, values in levels.items() if len(values) > 1}


def _spell(cell: Cell, keys: Iterable[str]) -> tuple[str, ...]:
    """What tells cells apart: null is not the same as a key that is not there, nor true the same as 1."""
    return tuple(json.dumps(cell[key]) if key in cell else "" for key in keys)


def join_tables(factors: Sequence[Importance]) -> pd.DataFrame:
    """Their tables as one: `dataset` (where each has its own), `term` as text, `df, share, low, high, noise`."""
    tables = [each.table.assign(**each.where, term=each.table["term"].map(" × ".join)) for each in factors if each.max_order]
    columns = [*dict.fromkeys(key for each in factors for key in each.where), "term", "df", "share", "low", "high", "noise"]
    return pd.concat(tables, ignore_index=True)[columns] if tables else pd.DataFrame(columns=columns)
