"""Find the axes that the difference of a prediction is an average over, and the difference at each of their levels."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlexp.analysis.judge.cells import find_followers
from dlexp.analysis.judge.draws import Outcomes, Values, average_by_block
from dlexp.analysis.judge.heterogeneity import Average, Part, compare_independent, compare_paired
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.statistics import MIN_SEEDS, contrast_independent
from dlexp.analysis.judge.verdict import select

Cell = Mapping[str, Any]


def add_averages(
    verdicts: Sequence[Verdict],
    study: Mapping[str, Any],
    cells: Sequence[Cell],
    values_of: Callable[[str], Sequence[Outcomes]],
) -> list[Verdict]:
    """Add to each verdict the axes that its difference is an average over.

    Args:
        verdicts: One for each of the study's predictions.
        study: `predictions`, `pairing` and `zip`, as in protocol.json.
        cells: All cells of the study.
        values_of: Returns a metric's values, for each cell in the same order.
    """
    predictions = study.get("predictions") or []
    pairs = zip(verdicts, predictions, strict=True)
    followers = find_followers(study)
    distinct = [{key: value for key, value in cell.items() if key not in followers} for cell in cells]
    return [
        replace(verdict, averages=_find_averages(verdict, each, cells, distinct, values_of(verdict.metric)))
        for verdict, each in pairs
    ]


def _find_averages(
    verdict: Verdict,
    prediction: Mapping[str, Any],
    cells: Sequence[Cell],
    distinct: Sequence[Cell],
    values: Sequence[Outcomes],
) -> tuple[Average, ...]:
    """The averages of a prediction; `distinct` are the cells without keys whose values follow from another."""
    sides = [select(cells, prediction[side], prediction.get("where") or {}) for side in ("plus", "minus")]
    limit = math.inf if verdict.horizon is None else verdict.horizon
    known = [{repeat: min(float(value), limit) for repeat, value in cell.items() if value is not None} for cell in values]
    if verdict.ratio:
        known = [{repeat: math.log(value) for repeat, value in cell.items() if value > 0} for cell in known]
    if verdict.estimate is None or not all(known[i] for side in sides for i in side):
        return ()
    found = []
    for key in dict.fromkeys(key for i in sides[0] for key in distinct[i]):
        levels = [dict.fromkeys(_spell(cells[i], key) for i in side) for side in sides]
        if len(levels[0]) > 1 and set(levels[0]) == set(levels[1]):
            groups = [[[i for i in side if _spell(cells[i], key) == level] for side in sides] for level in levels[0]]
            names = [cells[plus[0]].get(key) for plus, _ in groups]
            found.append(_split(key, names, groups, known, verdict))
    return tuple(found)


def _spell(cell: Cell, key: str) -> str:
    """A cell's value as text; null is not the same as a key that is not there."""
    return json.dumps(cell[key]) if key in cell else ""


def _split(
    key: str,
    names: Sequence[Any],
    groups: Sequence[Sequence[Sequence[int]]],
    values: Sequence[Values],
    verdict: Verdict,
) -> Average:
    """Split a difference by an axis; `groups` has the places of the cells of both sides, for each level."""
    if verdict.flips_signs:
        differences = _subtract_in_blocks(groups, values, paired=verdict.paired)
        estimates = differences.mean(0).tolist()
        p = compare_paired(differences) if len(differences) >= MIN_SEEDS else None
    else:
        contrasts = [contrast_independent(*([list(values[i].values()) for i in side] for side in sides)) for sides in groups]
        estimates = [contrast.estimate for contrast in contrasts]
        p = compare_independent(contrasts) if min(contrast.n for contrast in contrasts) >= MIN_SEEDS else None
    shown = np.exp(estimates).tolist() if verdict.ratio else estimates
    return Average(key, tuple(Part(*pair) for pair in zip(names, shown, strict=True)), p)


def _subtract_in_blocks(groups: Sequence[Sequence[Sequence[int]]], values: Sequence[Values], *, paired: bool) -> np.ndarray:
    """The difference of the sides at each level, in each block that every cell has: [seed or draw, level]."""
    places = [i for sides in groups for side in sides for i in side]
    common = set.intersection(*(set(values[i]) for i in places)) if paired else None
    means = {
        i: average_by_block({repeat: value for repeat, value in values[i].items() if common is None or repeat in common})
        for i in places
    }
    blocks = sorted(set.intersection(*map(set, means.values())))
    sides_of = [[[[means[i][block] for i in side] for side in sides] for sides in groups] for block in blocks]
    return np.array([[np.mean(plus) - np.mean(minus) for plus, minus in levels] for levels in sides_of])
