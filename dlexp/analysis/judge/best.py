"""Find the cells of a study that may be the best: multiple comparisons with the best, ranks and scores.

Each cell is compared with all others, and those that are significantly worse than one of them are excluded. The probability
that the cell with the best mean is among them is at most 5 %: only its own comparisons count, so the level of each is 5 % over
the number of other cells. Each pair has its own standard error, because cells such as learning rates differ in how much their
runs vary, and one error for all would make the intervals of the unsteady ones too short.

Source: Hsu 1984, Annals of Statistics 12(3), 1136-1144, theorem 2.1; Hsu 1996, Multiple Comparisons, section 4.2.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import Outcomes, Repeat, block_of, merge_draws, repeat_of
from dlexp.analysis.judge.pairs import ALPHA, Pairs, compare_all
from dlexp.analysis.judge.profiles import bound_interquartile_mean, score_runs
from dlexp.analysis.judge.ranks import bound_ranks
from dlexp.analysis.judge.statistics import MIN_SEEDS, TINY
from dlexp.analysis.read.folder import flatten

Cell = Mapping[str, Any]
DATASET = "dataset"
CANDIDATE, UNCLEAR, EXCLUDED = "may be best", "unclear", "excluded"  # unclear: not excluded, but some of its runs failed
NEVER_LEARNED, MISSING = "no run learned", "missing runs"
STATUSES = (CANDIDATE, UNCLEAR, EXCLUDED, NEVER_LEARNED, MISSING)


@dataclass(frozen=True)
class Comparison:
    """Which cells of a data set may be the best.

    Args:
        metric: The metric that is compared.
        where: `{"dataset": ...}` where the study has several data sets, else empty.
        ratio: Whether cells are compared as ratios, because the metric is a cost.
        paired: Whether cells are compared seed by seed.
        refusal: Why there is no table: too few seeds (`seeds`), or fewer than two cells without missing runs of which a run
            learned (`cells`). Empty where there is a table.
        n: Number of seeds or draws of the data (paired), or of runs in the smallest cell that was compared (independent).
        decides_ranks: Whether the exact test of ranks can exclude a cell with so many seeds.
        table: One row per cell, the best first: `cell, status` (one of `STATUSES`), `n, learned` (runs with an outcome, and how
            many of them learned), `estimate, low, high` (mean minus that of the best of the others, in the metric's unit, or
            its ratio to it, with the simultaneous 95 % interval; nan where a run failed; infinite where nothing bounds it),
            `rank_low, rank_high` (simultaneous 95 % interval of the rank; cells of which no run learned are last), and
            `iqm, iqm_low, iqm_high` (interquartile mean of the scores and its interval).
        scores: The scores of the runs of each row of the table (profiles.py); empty where the metric has none.
    """

    metric: str
    where: dict[str, Any] = field(default_factory=dict)
    ratio: bool = False
    paired: bool = True
    refusal: Literal["", "seeds", "cells"] = ""
    n: int = 0
    decides_ranks: bool = False
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: tuple[np.ndarray, ...] = ()

    @property
    def known(self) -> pd.DataFrame:
        """The rows of the table without those of cells that lack runs."""
        return self.table[self.table["status"] != MISSING]

    def list_cells(self, status: str) -> list[dict[str, Any]]:
        """The cells with this status, the best first."""
        return self.table.loc[self.table["status"] == status, "cell"].tolist() if len(self.table) else []


def find_best(study: Mapping[str, Any], planned: Sequence[Mapping[str, Any]], outcomes: Sequence[Outcomes]) -> list[Comparison]:
    """Find the cells that may be the best, on each data set.

    Args:
        study: `metric` and `pairing`, as in protocol.json.
        planned: The runs that protocol.json lists: `cell`, `seed`, and `data_seed` where the study has several draws.
        outcomes: The outcomes of each cell, in the order of the protocol. On several draws of the data the unit is the draw.

    Returns:
        One entry per data set that has at least two cells.
    """
    repeats: dict[str, set[Repeat]] = {}
    cells: dict[str, Cell] = {}
    for run in planned:
        name = json.dumps(run["cell"])
        cells.setdefault(name, run["cell"])
        repeats.setdefault(name, set()).add(repeat_of(run))
    by_draw = any("data_seed" in run for run in planned)
    groups: dict[str, list[_Member]] = {}
    for (name, cell), found in zip(cells.items(), outcomes, strict=True):
        values = merge_draws(found, repeats[name]) if by_draw else found
        blocks = {block_of(repeat) for repeat in repeats[name]}
        member = _Member({key: flatten(value) for key, value in cell.items()}, dict(values), blocks)
        groups.setdefault(json.dumps(cell.get(DATASET)), []).append(member)
    return [
        _compare(
            study.get("metric", "test/acc"),
            group,
            {DATASET: group[0].cell.get(DATASET)} if len(groups) > 1 else {},
            paired=by_draw or study.get("pairing") != "independent",
        )
        for group in groups.values()
        if len(group) > 1
    ]


class _Member(NamedTuple):
    """A cell, its outcomes by seed or by draw of the data, and the seeds or draws that were planned."""

    cell: dict[str, Any]
    outcomes: dict[Any, float | None]
    planned: set[int]


def _compare(metric: str, group: Sequence[_Member], where: dict[str, Any], *, paired: bool) -> Comparison:
    cells, found, planned = [list(each) for each in zip(*group, strict=True)]
    seeds = _choose_seeds(found, planned, paired=paired)
    known: list[Outcomes] = [{seed: cell[seed] for seed in own if seed in cell} for cell, own in zip(found, seeds, strict=True)]
    values = [_orient(cell, metric) for cell in known]
    complete = [len(cell) == len(own) and own for cell, own in zip(values, seeds, strict=True)]
    learned = [sum(value is not None for value in cell.values()) for cell in values]
    rows = [i for i in range(len(cells)) if complete[i] and learned[i]]
    about: dict[str, Any] = {"metric": metric, "where": where, "ratio": is_cost(metric), "paired": paired}
    n = min((len(seeds[i]) for i in rows), default=0)
    if len(rows) < 2 or n < MIN_SEEDS:
        return Comparison(**about, refusal="cells" if len(rows) < 2 else "seeds", n=n)
    level = ALPHA / (len(cells) - 1)
    pairs = compare_all([values[i] for i in rows], [seeds[i] for i in rows], paired=paired, family=len(cells) - 1)
    table = pd.DataFrame({"cell": cells, "status": MISSING, "n": list(map(len, known)), "learned": learned})
    table.loc[[i for i in range(len(cells)) if complete[i] and not learned[i]], "status"] = NEVER_LEARNED
    table.loc[rows, "status"] = np.where((pairs.p <= level).any(0), EXCLUDED, np.where(pairs.by_means, CANDIDATE, UNCLEAR))
    numbers = dict(zip(("estimate", "low", "high"), _restore(bound_differences(pairs, level), metric), strict=True))
    numbers |= dict(zip(("rank_low", "rank_high"), bound_ranks(pairs.p, len(cells)), strict=True))
    table = table.join(pd.DataFrame(numbers, index=rows, dtype=float))
    never = table["status"] == NEVER_LEARNED
    table.loc[never, "rank_low"], table.loc[never, "rank_high"] = len(rows) + 1, len(rows) + never.sum()
    scores = score_runs(known, metric)
    bounds = [bound_interquartile_mean([each]) if len(each) > 1 else (math.nan,) * 3 for each in scores or ()]
    table[["iqm", "iqm_low", "iqm_high"]] = bounds or math.nan
    order = _sort(table, is_rising(metric))
    return Comparison(
        **about,
        n=n,
        decides_ranks=bool(pairs.least.max() <= level),
        table=table.iloc[order].reset_index(drop=True),
        scores=tuple(scores[i] for i in order) if scores else (),
    )


def _choose_seeds(found: Sequence[Outcomes], planned: Sequence[set[int]], *, paired: bool) -> list[list[int]]:
    """The seeds at which each cell is compared: of a paired study those planned for all cells, without those not begun."""
    begun = {seed for cell in found for seed in cell}
    common = set.intersection(*planned)
    return [sorted((common if paired else own) & begun) for own in planned]


def _orient(cell: Outcomes, metric: str) -> Outcomes:
    """The values so that larger is better; of a cost their logarithms. A cost that is not positive counts as missing."""
    sign, cost = (1 if is_rising(metric) else -1), is_cost(metric)
    usable = {seed: value for seed, value in cell.items() if value is None or value > 0 or not cost}
    return {seed: value if value is None else sign * (math.log(value) if cost else value) for seed, value in usable.items()}


def _restore(bounds: tuple[np.ndarray, np.ndarray, np.ndarray], metric: str) -> tuple[np.ndarray, ...]:
    """Differences and their bounds in the metric's unit and direction; ratios of a cost."""
    estimate, low, high = bounds if is_rising(metric) else (-bounds[0], -bounds[2], -bounds[1])
    return (np.exp(estimate), np.exp(low), np.exp(high)) if is_cost(metric) else (estimate + 0.0, low + 0.0, high + 0.0)


def bound_differences(pairs: Pairs, level: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean of each cell minus the best of the others, and Hsu's simultaneous interval: it has 0 as an end or inside.

    Args:
        pairs: The comparisons of k cells.
        level: The one-sided level of a comparison: 5 % over the number of others.

    Returns:
        Estimate, low and high, each [k]; nan for cells of which a run failed, or where there is no other without.
    """
    places = np.flatnonzero(pairs.by_means)
    bounds = np.full((3, len(pairs.by_means)), np.nan)
    if len(places) < 2:
        return bounds[0], bounds[1], bounds[2]
    block = np.ix_(places, places)
    estimate, widths = pairs.estimate[block].copy(), pairs.half_widths(level)[block]
    np.fill_diagonal(estimate, np.inf)
    np.fill_diagonal(widths, 0.0)
    high = (estimate + widths).min(1)
    candidates = high >= -TINY  # the best one is among them with 95 %
    against = np.where(candidates[None, :], estimate - widths, np.inf)
    lowest = against.min(1)  # infinite for a cell that is the only candidate
    bounds[:, places] = estimate.min(1), np.minimum(0.0, lowest), np.maximum(0.0, high)
    return bounds[0], bounds[1], bounds[2]


def _sort(table: pd.DataFrame, rising: bool) -> list[int]:
    """The order of the rows: by status, cells that always learned before others, these by difference and those by score."""
    status = table["status"].map(STATUSES.index)
    always = table["learned"] == table["n"]
    difference = table["estimate"] if rising else -table["estimate"]
    keys = [-table["iqm"].fillna(0.0), -difference.where(always).fillna(0.0), ~always, status]
    return np.lexsort([key.to_numpy() for key in keys]).tolist()
