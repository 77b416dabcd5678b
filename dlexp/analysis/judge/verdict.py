"""Judge each prediction of a study from its runs: it holds, fails, or stays undecided.

A predicted ratio is judged as a difference of logarithms and converted back to a ratio at the end.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.reason import describe_cause, nearest_boundary
from dlexp.analysis.judge.result import Verdict
from dlexp.analysis.judge.statistics import LEVEL, MIN_SEEDS, TINY, Contrast

Cell = Mapping[str, Any]
SeedValues = dict[int, float]  # seed → metric


def judge(study: Mapping[str, Any], cells: Sequence[Cell], values_of: Callable[[str], Sequence[SeedValues]]) -> list[Verdict]:
    """Judge the study's predictions, in their order.

    Args:
        study: `predictions`, `metric`, `pairing` and `seeds`, as in protocol.json.
        cells: All cells of the study.
        values_of: Returns a metric's usable values, for each cell in the same order.
    """
    compared = [_compare(prediction, study, cells, values_of) for prediction in study.get("predictions") or []]
    # A prediction that cannot be judged yet counts as p = 1, so that the family stays as large as the study declared it.
    p_values = [verdict.p if verdict.n >= MIN_SEEDS else None for verdict, _ in compared]
    verdicts = []
    for (verdict, contrast), p_holm in zip(compared, statistics.correct_holm(p_values), strict=True):
        if contrast:
            verdict = _decide(replace(verdict, p_holm=p_holm), contrast, len(compared))
        verdict = replace(verdict, reason=describe_cause(verdict, len(compared)))
        verdicts.append(_convert_logarithms(verdict) if verdict.ratio else verdict)
    return verdicts


def _convert_logarithms(verdict: Verdict) -> Verdict:
    known = {name: value for name in ("estimate", "low", "high", "margin") if (value := getattr(verdict, name)) is not None}
    numbers: dict[str, Any] = {name: math.exp(value) for name, value in known.items()}
    return replace(verdict, **numbers)


def select(cells: Sequence[Cell], selector: Cell | list[Cell], where: Cell) -> list[int]:
    """Indices of the cells that match any of these selectors, each narrowed by `where`."""
    selectors = [{**where, **each} for each in (selector if isinstance(selector, list) else [selector])]
    return [i for i, cell in enumerate(cells) if any(selector.items() <= cell.items() for selector in selectors)]


def _compare(
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    cells: Sequence[Cell],
    values_of: Callable[[str], Sequence[SeedValues]],
) -> tuple[Verdict, Contrast | None]:
    """Compute the numbers of a prediction; the contrast is None where a cell is missing."""
    metric = prediction.get("metric") or study.get("metric", "test/acc")
    ratio, paired = prediction.get("ratio"), study.get("pairing") != "independent"
    margin = float(prediction.get("margin") or 0) if ratio is None else math.log(ratio)
    verdict = Verdict(
        prediction["claim"], "no_cells", metric=metric, expected=prediction["expected"], margin=margin, ratio=ratio is not None
    )
    sides = [select(cells, prediction[side], prediction.get("where") or {}) for side in ("plus", "minus")]
    if not all(sides):
        return verdict, None
    values = values_of(metric)
    if verdict.ratio:
        values = [{seed: math.log(value) for seed, value in cell.items() if value > 0} for cell in values]
    plus, minus = ([values[i] for i in side] for side in sides)
    planned = len(set(study.get("seeds") or ()).union(*plus, *minus))
    if empty := [cells[i] for side in sides for i in side if not values[i]]:
        names = tuple(" ".join(f"{key}={value}" for key, value in cell.items()) for cell in empty)
        return replace(verdict, cause="no_runs", cells_without_runs=names, needed=MIN_SEEDS), None
    if paired:
        seeds = sorted(set.intersection(*(set(cell) for cell in plus + minus)))
        if not seeds:
            return replace(verdict, cause="no_common_seed", needed=MIN_SEEDS), None
        a, b = ([float(np.mean([cell[seed] for cell in side])) for seed in seeds] for side in (plus, minus))
        contrast, usable = statistics.contrast_paired(np.subtract(a, b).tolist()), len(seeds)
        verdict = replace(verdict, probability=statistics.probability_paired(a, b), correlation=statistics.correlation(a, b))
    else:
        first, second = ([list(cell.values()) for cell in side] for side in (plus, minus))
        contrast, usable = statistics.contrast_independent(first, second), sum(map(len, first + second))
        verdict = replace(verdict, probability=statistics.probability_crossed(first, second), paired=False)
        planned *= len(first + second)
    verdict = replace(verdict, n=contrast.n, estimate=contrast.estimate, planned=planned, lost=planned - usable)
    if contrast.n < 2:
        return verdict, contrast
    low, high = contrast.interval()
    return replace(verdict, low=low, high=high, p=contrast.p(nearest_boundary(verdict))), contrast


def _decide(verdict: Verdict, contrast: Contrast, family: int) -> Verdict:
    """Decide the cause of a verdict, and with it the verdict, from its interval and its corrected p-value."""
    boundary, side = nearest_boundary(verdict), _side_of_interval(verdict)
    needed = contrast.seeds_needed(boundary)
    if verdict.n < MIN_SEEDS:
        return replace(verdict, cause="few", needed=needed or MIN_SEEDS)
    if side is None:
        return replace(verdict, cause="wide" if needed else "boundary", needed=needed)
    if (verdict.p_holm or 0) < 1 - LEVEL:
        return replace(verdict, cause=side)
    return replace(verdict, cause="holm", needed=contrast.seeds_needed(boundary, 1 - (1 - LEVEL) / family))


def _side_of_interval(verdict: Verdict) -> Literal["holds", "fails"] | None:
    """Which side of the prediction's boundaries the whole interval lies on; None where it includes a boundary."""
    if verdict.low is None or verdict.high is None:
        return None
    low, high, margin = verdict.low, verdict.high, verdict.margin
    if verdict.expected == "equal":
        inside, outside = low > -margin + TINY and high < margin - TINY, low > margin + TINY or high < -margin - TINY
    elif verdict.expected == "greater":
        inside, outside = low > margin + TINY, high < margin - TINY
    else:
        inside, outside = high < -margin - TINY, low > -margin + TINY
    return "holds" if inside else "fails" if outside else None
