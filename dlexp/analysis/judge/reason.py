"""Describe in English what decided a verdict, or why it is undecided; the report's Korean sentences are in text.yaml."""

import math

from dlexp.analysis.judge.costs import COSTS
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.statistics import MAX_SEEDS, TINY
from dlexp.run.record.scores import is_share

POINTS = " points"


def describe_cause(verdict: Verdict) -> str:
    """One sentence on the verdict's cause.

    Args:
        verdict: A verdict whose cause is decided; with `ratio`, its numbers are still logarithms.
    """
    cause, n, lost = verdict.cause, f"n = {verdict.n}{_describe_need(verdict)}", _describe_lost(verdict)
    if cause == "no_cells":
        return "No cell of this protocol matches the prediction."
    if cause == "no_common_seed":
        return f"{n}: no {verdict.unit} has every cell."
    if cause == "no_runs":
        return f"{n}: no usable run of {'; '.join(verdict.cells_without_runs)}."
    if cause == "few":
        return f"{n}{lost}."
    if verdict.by_ranks:
        return _describe_ranks(verdict)
    interval = _describe_interval(verdict)
    if cause in ("holds", "fails"):
        what = verdict.unit if verdict.flips_signs else "run"
        agree = f"; every {what} gives the same difference" if verdict.low == verdict.high else ""
        normal = "; if differences are normal" if verdict.if_normal else ""
        return f"T{interval[1:]} lies {_describe_place(verdict)} ({n}{agree}{normal})."
    if cause == "wide":
        return f"{n}: {interval} includes {_format_amount(nearest_boundary(verdict), verdict)}."
    if cause == "agree":
        return f"{n}: {_describe_agreement(verdict)}."
    if cause == "exact":
        return (
            f"{n}: {interval} would decide, but not the exact {_name_test(verdict)} test, which assumes no distribution "
            f"({_format_p(verdict.p_exact, verdict.p_exact_holm, verdict)})."
        )
    return (
        f"{n}: {interval} would decide (p = {verdict.p:.2g}), "
        f"but not after Holm's correction over {verdict.family} predictions (p = {verdict.p_holm:.2g})."
    )


def _describe_need(verdict: Verdict) -> str:
    """How many seeds or draws an undecided verdict needs, and for which difference; empty where no number follows."""
    if verdict.need is None:
        return ""
    if verdict.need == "least":
        return f", needs at least {verdict.needed} {verdict.unit}s"
    if verdict.need == "undeclared":
        return "; how many it needs follows from the smallest difference of interest (declare `effect: …` in the study)"
    effect = -(verdict.effect or 0.0) if verdict.expected == "less" else verdict.effect or 0.0
    power = f"80 % power at a {'ratio' if verdict.ratio else 'difference'} of {_format_amount(effect, verdict)}"
    if verdict.need == "enough":
        return f", enough for {power}"
    about = "more than" if verdict.need == "many" else "about"
    return f", needs {about} {verdict.needed or MAX_SEEDS} {verdict.unit}s for {power}"


def _describe_lost(verdict: Verdict) -> str:
    """How many runs failed to learn or are missing; empty where none did."""
    failed = f"; {verdict.failed} of {verdict.planned} runs failed to learn" if verdict.failed else ""
    return failed + (f"; {verdict.missing} of {verdict.planned} runs are missing" if verdict.missing else "")


def _describe_ranks(verdict: Verdict) -> str:
    """The sentence on a verdict by ranks, or by the order of times to a target that not all runs reached."""
    times, n = verdict.horizon is not None, f"n = {verdict.n}"
    lost = _describe_reached(verdict) if times else _describe_lost(verdict).removeprefix("; ")
    if verdict.cause == "unranked":
        why = "margin" if verdict.margin else "contrast of cells that differ in several ways"
        test = "the log-rank test" if times else "ranks"
        return f"{n}: {lost}, and a {'ratio' if verdict.ratio else why} cannot be decided by {test}."
    if verdict.cause == "bounds":
        return f"{n}: {lost}, and the best and the worst case for the missing runs do not both decide it alike."
    test = f"{_name_test(verdict)} log-rank test" if times else f"{_name_test(verdict)} test of the ranks"
    test = f"exact {test}, {_format_p(verdict.p, verdict.p_holm, verdict)}"
    if verdict.cause in ("holds", "fails"):
        both = "; in the best and in the worst case for the missing runs" if verdict.missing else ""
        side = "first" if verdict.sign > 0 else "second"
        size = "larger" if verdict.failed == 0 else "larger, failed runs counted as the worst,"
        larger = f"The {side} side takes longer" if times else f"The values of the {side} side are {size} by rank"
        return f"{larger} ({n}; {test}; {lost}{both})."
    least = "" if verdict.exact_can_decide else f"; with so few runs it cannot be below {verdict.least_p:.3g}"
    worst = "" if times else ", failed runs count as the worst"
    return f"{n}: {lost}{worst}, and this does not decide ({test}{least})."


def _describe_reached(verdict: Verdict) -> str:
    """How many runs, or draws of the data, of each side reached the target."""
    what = f"{verdict.unit}s" if verdict.by_draw else "runs"
    first, second = (f"{rate.learned} of {rate.runs} {what}" for rate in verdict.rates or ())
    return f"the target was reached by {first} on the first side and by {second} on the second{_describe_lost(verdict)}"


def _describe_agreement(verdict: Verdict) -> str:
    """The sentence where all differences are equal and the exact test does not decide."""
    test = f"the exact {_name_test(verdict)} test" + (
        f" has p = {verdict.p_exact:.4g}" if verdict.p_exact is not None else " is not possible"
    )
    holm = f" ({verdict.p_holm:.2g} after Holm's correction)" if verdict.family > 1 and verdict.p_holm is not None else ""
    what = "ratios" if verdict.ratio else "differences"
    return f"all {what} are equal, so a t test is not possible; {test}{holm}"


def _name_test(verdict: Verdict) -> str:
    return "sign-flip" if verdict.flips_signs else "permutation"


def _format_p(p: float | None, corrected: float | None, verdict: Verdict) -> str:
    text = "no p" if p is None else f"p = {p:.3g}"
    return text + (f", after Holm's correction {corrected:.3g}" if corrected is not None and verdict.family > 1 else "")


def _describe_interval(verdict: Verdict) -> str:
    low, high = (_format_amount(value or 0.0, verdict) for value in (verdict.low, verdict.high))
    what = ("ratio" if verdict.ratio else "difference") + (" between runs that learn" if verdict.all_learned else "")
    return f"the {format_level(verdict.level)} % interval of the {what}, {low.removesuffix(POINTS)} to {high},"


def format_level(level: float) -> str:
    """The level of an interval in per cent, with three digits of the rest to 100.

    >>> format_level(0.95), format_level(0.9805590), format_level(0.99992838)
    ('95', '98.06', '99.99284')
    """
    rest = 100 * (1 - level)
    return f"{100 * level:.{max(0, 2 - math.floor(math.log10(rest) + 1e-9))}f}".rstrip("0").rstrip(".")


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
    return f"{100 * value:+.2f}{POINTS}" if is_share(verdict.metric) or verdict.metric.endswith("acc") else f"{value:+.3g}"
