"""Describe in English what decided a verdict, or why it is undecided; the report's Korean sentences are in text.yaml."""

import math

from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.judge.result import Verdict
from dlexp.analysis.judge.statistics import MAX_SEEDS, MIN_SEEDS, TINY

POINTS = " points"


def describe_cause(verdict: Verdict, family: int) -> str:
    """One sentence on the verdict's cause.

    Args:
        verdict: A verdict whose cause is decided; with `ratio`, its numbers are still logarithms.
        family: Number of predictions in the study.
    """
    n, cause = f"n = {verdict.n}", verdict.cause
    lost = f"; {verdict.lost} of {verdict.planned} {'seeds' if verdict.paired else 'runs'} lack a value" if verdict.lost else ""
    if cause == "no_cells":
        return "No cell of this protocol matches the prediction."
    if cause == "no_runs":
        return f"{n}, needs about {MIN_SEEDS}: no usable run of {'; '.join(verdict.cells_without_runs)}."
    if cause == "no_common_seed":
        return f"{n}, needs about {MIN_SEEDS}: no seed has every cell."
    if cause == "few":
        return f"{n}, needs about {verdict.needed}{lost}."
    low, high = (_format_amount(value or 0.0, verdict) for value in (verdict.low, verdict.high))
    what = "ratio" if verdict.ratio else "difference"
    interval = f"the 95 % interval of the {what}, {low.removesuffix(POINTS)} to {high},"
    if cause in ("holds", "fails"):
        agree = "; every seed gives the same difference" if verdict.low == verdict.high else ""
        return f"T{interval[1:]} lies {_describe_place(verdict)} ({n}{lost}{agree})."
    if cause == "wide":
        boundary = _format_amount(nearest_boundary(verdict), verdict)
        return f"{n}, needs about {verdict.needed}{lost}: {interval} includes {boundary}."
    if cause == "boundary":
        return f"{n}, no number of seeds up to {MAX_SEEDS} would decide it{lost}: {interval} includes the boundary."
    needs = f"needs about {verdict.needed}" if verdict.needed else f"no number of seeds up to {MAX_SEEDS} would do"
    return (
        f"{n}, {needs}{lost}: {interval} would decide (p = {verdict.p:.2g}), "
        f"but not after Holm's correction over {family} predictions (p = {verdict.p_holm:.2g})."
    )


def nearest_boundary(verdict: Verdict) -> float:
    """The difference at which the prediction turns from true to false; of two such differences the nearer one."""
    if verdict.expected == "greater" or (verdict.expected == "equal" and (verdict.estimate or 0) >= 0):
        return verdict.margin
    return -verdict.margin


def _describe_place(verdict: Verdict) -> str:
    """Where the interval lies relative to the prediction's boundaries."""
    holds = verdict.cause == "holds"
    if verdict.expected == "equal" and verdict.ratio:
        low, high = (_format_amount(value, verdict) for value in (-verdict.margin, verdict.margin))
        return f"between {low} and {high}" if holds else f"outside {low} to {high}"
    if verdict.expected == "equal":
        return f"{'within' if holds else 'outside'} ±{_format_amount(verdict.margin, verdict).lstrip('+')}"
    side = "above" if (verdict.expected == "greater") == holds else "below"
    return f"{side} {_format_amount(nearest_boundary(verdict), verdict)}"


def _format_amount(value: float, verdict: Verdict) -> str:
    """A difference in display units: rates in percentage points, costs in their unit; a ratio as a plain number."""
    if verdict.ratio:
        return f"{math.exp(value):.3g}"
    if abs(value) < TINY:
        return "0"
    if cost := COSTS.get(verdict.metric):
        return f"{value * cost.factor:+.3g} {cost.unit}"
    return f"{100 * value:+.2f}{POINTS}" if verdict.metric.endswith("acc") else f"{value:+.3g}"
