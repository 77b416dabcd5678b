"""Compare runs on several draws of the data: the unit is the draw, and the value of a draw is the mean over its seeds.

Runs on one draw share its subset, its split or its generated examples, so seeds alone do not show how a result varies from
draw to draw. A mixed model (statsmodels' MixedLM) would weigh draws with different numbers of seeds by their precision, but its
intervals are normal ones around an estimated variance, which are too narrow for few draws: `tests/analysis/judge/test_draws.py`
has the numbers. The t interval over draws, each with the same weight, covers as it should, because the variance of draws with
unequal numbers of seeds enters it without bias.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from dlexp.analysis.judge.statistics import standard_deviation

Repeat = int | tuple[int, int]  # the seed of a run, or its (data_seed, seed) where a study draws its data several times
Outcomes = Mapping[Repeat, float | None]  # metric of a run; None where it failed to learn; a missing run has no entry
Values = Mapping[Repeat, float]


@dataclass(frozen=True)
class Spread:
    """The standard deviation of a difference, in two parts.

    Args:
        between: Between draws of the data, without what is due to the seeds; 0 where the seeds explain all.
        within: Between seeds on one draw; nan where no draw has two.
    """

    between: float
    within: float


def repeat_of(listed: Mapping[str, Any]) -> Repeat:
    """What distinguishes a run that a protocol lists from the others of its cell."""
    return (listed["data_seed"], listed["seed"]) if "data_seed" in listed else listed["seed"]


def list_repeats(study: Mapping[str, Any]) -> list[Repeat]:
    """The runs that a study asks for in each cell."""
    seeds, drawn = study.get("seeds") or (), study.get("data_seeds") or ()
    return [(data_seed, seed) for data_seed in drawn for seed in seeds] if drawn else list(seeds)


def is_by_draw(repeats: Iterable[Repeat]) -> bool:
    """Whether runs are on several draws of the data, which are then the unit; the repeats of a study are of one kind."""
    return isinstance(next(iter(repeats), None), tuple)


def block_of(repeat: Repeat) -> int:
    """What a run has in common with those that it is compared with: its draw of the data, or its seed."""
    return repeat[0] if isinstance(repeat, tuple) else repeat


def average_by_block(values: Values) -> dict[int, float]:
    """The mean of each block, in ascending order: a draw of the data over its seeds, or a seed."""
    if not is_by_draw(values):
        return {block_of(seed): values[seed] for seed in sorted(values)}
    return {block: float(np.mean(found)) for block, found in _group(values).items()}


def merge_draws(cell: Outcomes, planned: Collection[Repeat]) -> dict[int, float | None]:
    """The outcomes of a cell by draw of the data: the mean over its seeds, or None where one of its runs failed to learn.

    Args:
        cell: The outcomes of its runs.
        planned: All its runs. A draw that lacks one has no entry.
    """
    blocks: dict[int, list[Repeat]] = {}
    for repeat in sorted(planned):
        blocks.setdefault(block_of(repeat), []).append(repeat)
    merged: dict[int, float | None] = {}
    for block, repeats in blocks.items():
        learned = [value for repeat in repeats if (value := cell.get(repeat)) is not None]
        if all(repeat in cell for repeat in repeats):
            merged[block] = float(np.mean(learned)) if len(learned) == len(repeats) else None
    return merged


def _group(values: Values) -> dict[int, list[float]]:
    blocks: dict[int, list[float]] = {}
    for repeat in sorted(values):
        blocks.setdefault(block_of(repeat), []).append(values[repeat])
    return blocks


def _average(values: Sequence[float]) -> float:
    """The mean. Most sides have one cell, and numpy needs microseconds for each call."""
    return values[0] if len(values) == 1 else float(np.mean(values))


def average_sides(
    plus: Sequence[Values], minus: Sequence[Values], *, paired: bool
) -> tuple[list[int], list[float], list[float]]:
    """Average each side over its cells, block by block.

    Args:
        plus: The cells of the first side.
        minus: Those of the second.
        paired: Whether only runs count that are there in every cell; else all of a block, on draws that every cell has.

    Returns:
        The blocks that every cell has, and the mean of either side in each.
    """
    cells = [*plus, *minus]
    if paired:
        common = set.intersection(*map(set, cells))
        cells = [{repeat: cell[repeat] for repeat in common} for cell in cells]
    means = [average_by_block(cell) for cell in cells]
    blocks = sorted(set.intersection(*map(set, means)))
    sides = (means[: len(plus)], means[len(plus) :])
    first, second = ([_average([cell[block] for cell in side]) for block in blocks] for side in sides)
    return blocks, first, second


def measure_spread(plus: Sequence[Values], minus: Sequence[Values], *, paired: bool) -> Spread | None:
    """Split the deviation of the difference of two sides over draws of the data; None with fewer than two draws."""
    blocks, first, second = average_sides(plus, minus, paired=paired)
    if len(blocks) < 2:
        return None
    if paired:
        common = sorted(set.intersection(*map(set, [*plus, *minus])))
        differences = {
            repeat: float(np.mean([cell[repeat] for cell in plus]) - np.mean([cell[repeat] for cell in minus]))
            for repeat in common
        }
        parts: list[tuple[float, Values]] = [(1.0, differences)]
    else:
        parts = [(1 / len(side), cell) for side in (plus, minus) for cell in side]
    grouped = [(weight, _group(cell)) for weight, cell in parts]
    known = [(weight, [groups[block] for block in blocks]) for weight, groups in grouped]
    pooled = [(weight**2 * _pool_variance(groups), groups) for weight, groups in known]
    within = sum(variance for variance, _ in pooled)
    # Of the variance over seeds, the mean of a draw keeps one part in the number of its seeds.
    of_means = sum(variance * float(np.mean([1 / len(group) for group in groups])) for variance, groups in pooled)
    deviation = standard_deviation(np.subtract(first, second).tolist())
    if math.isnan(within):
        return Spread(deviation, math.nan)
    return Spread(math.sqrt(max(0.0, deviation**2 - of_means)), math.sqrt(within))


def _pool_variance(groups: Sequence[Sequence[float]]) -> float:
    """The variance over seeds on one draw, pooled over draws; nan where no draw has two seeds."""
    df = sum(len(group) - 1 for group in groups)
    return sum(float(np.var(group)) * len(group) for group in groups) / df if df else math.nan


def has_draws(runs: pd.DataFrame) -> bool:
    """Whether the runs of one cell are on several draws of the data."""
    return "data_seed" in runs and runs["data_seed"].nunique() > 1


def repeats_of(runs: pd.DataFrame, *, by_draw: bool) -> list[Repeat]:
    """What distinguishes each run from the others of its cell: its seed, or its (data_seed, seed)."""
    return list(zip(runs["data_seed"], runs["seed"], strict=True)) if by_draw else list(runs["seed"])
