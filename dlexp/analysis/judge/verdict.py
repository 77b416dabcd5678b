"""What the runs say about each prediction of a study: holds, fails, or undecided.

A prediction of a ratio is judged as one of a difference, between logarithms; it is told as a ratio again at the end.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.judge.result import Judgement, Verdict
from dlexp.analysis.judge.statistics import FEWEST, LEVEL, TINY, Contrast

Cell = Mapping[str, Any]
POINTS = " points"
Values = list[dict[int, float]]  # of each cell, seed → metric


def judge(study: Mapping[str, Any], cells: Sequence[Cell], values_of: Callable[[str], Values]) -> list[Verdict]:
    """The verdicts, in the order of the study's predictions.

    Args:
        study: `predictions`, `metric`, `pairing` and `seeds`, as protocol.json has them.
        cells: All cells of the study.
        values_of: A metric's usable values, of each cell in the same order.
    """
    found = [_measure(prediction, study, cells, values_of) for prediction in study.get("predictions") or []]
    # What may not be judged yet counts as 1 in the correction, whatever its p-value: the family stays as it was declared.
    corrected = statistics.holm([verdict.p if verdict.n >= FEWEST else None for verdict, _ in found])
    judged = [
        _decide(replace(verdict, p_holm=p), contrast, len(found)) if contrast else verdict
        for (verdict, contrast), p in zip(found, corrected, strict=True)
    ]
    return [_as_ratios(verdict) if verdict.ratio else verdict for verdict in judged]


def _as_ratios(verdict: Verdict) -> Verdict:
    """The verdict with its logarithms as ratios."""
    estimate, low, high = (
        None if value is None else math.exp(value) for value in (verdict.estimate, verdict.low, verdict.high)
    )
    return replace(verdict, estimate=estimate, low=low, high=high, margin=math.exp(verdict.margin))


def select(cells: Sequence[Cell], given: Cell | list[Cell], where: Cell) -> list[int]:
    """The places of the cells that match any of these selectors, each narrowed by `where`."""
    several = given if isinstance(given, list) else [given]
    selectors = [{**where, **one} for one in several]
    return [i for i, cell in enumerate(cells) if any(selector.items() <= cell.items() for selector in selectors)]


def _measure(
    prediction: Mapping[str, Any], study: Mapping[str, Any], cells: Sequence[Cell], values_of: Callable[[str], Values]
) -> tuple[Verdict, Contrast | None]:
    """All that is not judgement: the contrast, its interval and its p-value; no contrast where a cell is missing."""
    metric = prediction.get("metric") or study.get("metric", "test/acc")
    expected, ratio = prediction["expected"], prediction.get("ratio")
    margin = float(prediction.get("margin") or 0) if ratio is None else math.log(ratio)
    verdict = Verdict(prediction["claim"], "undecided", "", metric=metric, expected=expected, margin=margin)
    verdict = replace(verdict, ratio=ratio is not None)
    where = prediction.get("where") or {}
    chosen = [select(cells, prediction[side], where) for side in ("plus", "minus")]
    if not all(chosen):
        return replace(verdict, cause="no_cells", reason="No cell of this protocol matches the prediction."), None
    values = values_of(metric)
    if verdict.ratio:
        values = [{seed: math.log(value) for seed, value in cell.items() if value > 0} for cell in values]
    plus, minus = ([values[i] for i in side] for side in chosen)
    seeds_asked = set(study.get("seeds") or ()).union(*plus, *minus)
    if empty := [cells[i] for side in chosen for i in side if not values[i]]:
        names = "; ".join(" ".join(f"{key}={value}" for key, value in cell.items()) for cell in empty)
        reason = f"n = 0, needs about {FEWEST}: no usable run of {names}."
        return replace(verdict, cause="missing", reason=reason, needed=FEWEST), None
    if study.get("pairing") == "independent":
        first, second = [list(cell.values()) for cell in plus], [list(cell.values()) for cell in minus]
        contrast = statistics.independent(first, second)
        verdict = replace(verdict, probability=statistics.probability_crossed(first, second), paired=False)
        planned, kept = len(seeds_asked) * len(first + second), sum(map(len, first + second))
    else:
        seeds = sorted(set.intersection(*(set(cell) for cell in plus + minus)))
        if not seeds:
            reason = f"n = 0, needs about {FEWEST}: no seed has every cell."
            return replace(verdict, cause="missing", reason=reason, needed=FEWEST), None
        a, b = ([float(np.mean([cell[seed] for cell in side])) for seed in seeds] for side in (plus, minus))
        contrast = statistics.paired(np.subtract(a, b).tolist())
        verdict = replace(verdict, probability=statistics.probability_paired(a, b), correlation=statistics.correlation(a, b))
        planned, kept = len(seeds_asked), len(seeds)
    verdict = replace(verdict, n=contrast.n, estimate=contrast.estimate, planned=planned, lost=planned - kept)
    if contrast.n < 2:
        return verdict, contrast
    low, high = contrast.interval()
    return replace(verdict, low=low, high=high, p=contrast.p(_boundary(verdict))), contrast


def _boundary(verdict: Verdict) -> float:
    """The difference at which the prediction turns, the nearest of the two where there are two."""
    if verdict.expected == "greater" or (verdict.expected == "equal" and (verdict.estimate or 0) >= 0):
        return verdict.margin
    return -verdict.margin


def _side(verdict: Verdict) -> Judgement:
    """On which side of the prediction's boundaries the whole interval lies."""
    if verdict.low is None or verdict.high is None:
        return "undecided"
    low, high, margin = verdict.low, verdict.high, verdict.margin
    if verdict.expected == "equal":
        inside, outside = low > -margin + TINY and high < margin - TINY, low > margin + TINY or high < -margin - TINY
    elif verdict.expected == "greater":
        inside, outside = low > margin + TINY, high < margin - TINY
    else:
        inside, outside = high < -margin - TINY, low > -margin + TINY
    return "holds" if inside else "fails" if outside else "undecided"


def _decide(verdict: Verdict, contrast: Contrast, family: int) -> Verdict:
    """Judge a contrast."""
    added, boundary, n = _lost(verdict), _boundary(verdict), f"n = {verdict.n}"
    side = _side(verdict)
    shown = _shown(verdict)
    if verdict.n < FEWEST:
        at_least = contrast.needed(boundary) or FEWEST
        return replace(verdict, cause="few", needed=at_least, reason=f"{n}, needs about {at_least}{added}.")
    if side != "undecided" and (verdict.p_holm or 0) < 1 - LEVEL:
        agree = "; every seed gives the same difference" if contrast.se == 0 else ""
        return replace(verdict, verdict=side, reason=f"T{shown[1:]} lies {_place(verdict, side)} ({n}{added}{agree}).")
    if side != "undecided":
        needed = contrast.needed(boundary, 1 - (1 - LEVEL) / family)
        wants = f"needs about {needed}" if needed else f"no number of seeds up to {statistics.MOST} would do"
        why = f"{shown} would decide (p = {verdict.p:.2g}), but not after Holm's correction over {family} predictions"
        return replace(verdict, cause="holm", needed=needed, reason=f"{n}, {wants}{added}: {why} (p = {verdict.p_holm:.2g}).")
    if needed := contrast.needed(boundary):
        reason = f"{n}, needs about {needed}{added}: {shown} includes {_amount(boundary, verdict)}."
        return replace(verdict, cause="wide", needed=needed, reason=reason)
    reason = f"{n}, no number of seeds up to {statistics.MOST} would decide it{added}: {shown} includes the boundary."
    return replace(verdict, cause="boundary", reason=reason)


def _lost(verdict: Verdict) -> str:
    """What is added to the sentence where the means are not of all that the study asks for."""
    if not verdict.lost:
        return ""
    return f"; {verdict.lost} of {verdict.planned} {'seeds' if verdict.paired else 'runs'} lack a value"


def _shown(verdict: Verdict) -> str:
    what = "ratio" if verdict.ratio else "difference"
    if verdict.low is None or verdict.high is None:
        return f"the {what}"
    low, high = (_amount(value, verdict) for value in (verdict.low, verdict.high))
    return f"the 95 % interval of the {what}, {low.removesuffix(POINTS)} to {high},"


def _place(verdict: Verdict, side: Judgement) -> str:
    if verdict.expected == "equal" and verdict.ratio:
        low, high = (_amount(value, verdict) for value in (-verdict.margin, verdict.margin))
        return f"{'between' if side == 'holds' else 'outside'} {low} {'and' if side == 'holds' else 'to'} {high}"
    if verdict.expected == "equal":
        amount = _amount(verdict.margin, verdict).lstrip("+")
        return f"within ±{amount}" if side == "holds" else f"outside ±{amount}"
    above = (verdict.expected == "greater") == (side == "holds")
    return f"{'above' if above else 'below'} {_amount(_boundary(verdict), verdict)}"


def _amount(value: float, verdict: Verdict) -> str:
    """A difference as a reader takes it in: rates in percentage points, costs in their unit; a ratio as it is."""
    if verdict.ratio:
        return f"{math.exp(value):.3g}"
    if abs(value) < TINY:
        return "0"
    if cost := COSTS.get(verdict.metric):
        return f"{value * cost.factor:+.3g} {cost.unit}"
    return f"{100 * value:+.2f}{POINTS}" if verdict.metric.endswith("acc") else f"{value:+.3g}"
