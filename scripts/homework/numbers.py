"""Format samples and verdicts for a sentence."""

import math
from typing import Any

from dlexp.analysis.judge.draws import average_by_block
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.statistics import MIN_SEEDS, summarise
from dlexp.analysis.judge.times import fail_censored, find_horizon, has_censored, restrict
from dlexp.analysis.report.tables import format_metric, format_number

from .evidence import Sample
from .words import say


def format_sample(sample: Sample, *, rate: bool = False) -> str:
    """`97.78 ± 0.88 %`: mean and half-width of its interval, of the runs that learned; how many these are, unless all."""
    if has_censored([sample.outcomes]):
        return _format_times(sample)
    learned = sum(value is not None for value in sample.outcomes.values())
    count = say("learned_runs", learned=learned, runs=len(sample.outcomes)) if learned < len(sample.outcomes) else ""
    if not learned:
        return count
    summary = summarise(list(sample.numbers.values()))
    half = (summary.high - summary.low) / 2
    shown = [summary.mean] if math.isnan(half) else [summary.mean, half]
    text = " ± ".join(_format(value, rate=rate) for value in shown) + (" %" if rate else "")
    return f"{text} [{count}]" if count else text


def _format_times(sample: Sample) -> str:
    """Times of which some were not reached: their mean up to the horizon, and how many were reached."""
    horizon = find_horizon([sample.outcomes])
    summary = summarise(list(average_by_block(restrict(sample.outcomes, horizon)).values()))
    reached = sum(value is not None for value in fail_censored(sample.outcomes).values())
    count = say("reached_runs", num_reached=reached, runs=len(sample.outcomes), horizon=format_number(horizon))
    return f"{format_number(summary.mean)} ± {format_number((summary.high - summary.low) / 2)} [{count}]"


def format_rate(sample: Sample) -> str:
    """A sample of rates in per cent."""
    return format_sample(sample, rate=True)


def format_gap(found: Verdict, *, rate: bool = False) -> str:
    """`+0.22 points [−0.07 to +0.51; n = 5; undecided, p = 0.301]`; of a ratio `0.31 times [...]`."""
    notes = [say("n_draws", n=found.n)] if found.by_draw else [f"n = {found.n}"]
    if found.failed:
        notes.append(say("failed_runs", failed=found.failed, runs=found.planned))
    if found.missing:
        notes.append(say("missing_runs", missing=found.missing, runs=found.planned))
    if found.horizon is not None and found.rates:
        first, second = (f"{rate.learned}/{rate.runs}" for rate in found.rates)
        notes.append(say("reached", first=first, second=second, horizon=format_number(found.horizon)))
    notes.append(_describe_decision(found))
    if found.estimate is None or found.low is None or found.high is None:
        return f"{say('unknown_size')} [{'; '.join(notes)}]"
    estimate, low, high = (
        _format(value, rate=rate, signed=not found.ratio) for value in (found.estimate, found.low, found.high)
    )
    kind = " times" if found.ratio else " points" if rate else ""
    among = f" {say('among_learned')}" if found.horizon is None and (found.failed or found.missing) else ""
    return f"{estimate}{kind} [{low} to {high}{among}; {'; '.join(notes)}]"


def format_points(found: Verdict) -> str:
    """A difference of rates in percentage points."""
    return format_gap(found, rate=True)


def format_percent(value: float) -> str:
    """A rate in per cent: `97.22 %`."""
    return f"{format_metric('acc', value)} %"


def _describe_decision(found: Verdict) -> str:
    """Whether the comparison is decided, on what that rests, and the corrected p-value."""
    if found.n < MIN_SEEDS:
        return say("few", unit=found.unit, least=MIN_SEEDS)
    decided = found.verdict != "undecided"
    if found.horizon is not None:
        key = "times_decided" if decided else "times_undecided"
    elif found.by_ranks:
        key = "ranks_decided" if decided else "ranks_undecided"
    elif found.cause == "exact":
        key = "exact_undecided"
    elif found.if_normal:
        key = "decided_if_normal"
    else:
        key = "decided" if decided else "undecided"
    values: dict[str, Any] = {"p": "" if found.p_holm is None else f", {_format_p(found.p_holm)}"}
    return say(key, **values)


def _format_p(p: float) -> str:
    return f"p = {p:.3g}" if p >= 1e-4 else "p < 0.0001"


def _format(value: float, *, rate: bool, signed: bool = False) -> str:
    if rate:
        return format_metric("acc", round(value, 9) + 0.0, signed=signed)  # + 0.0 removes the minus of -0.0
    return ("+" if signed and value > 0 else "") + format_number(value)
