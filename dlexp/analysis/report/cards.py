"""Describe each verdict of a study on a card: the word, the claim, the reason, and the numbers that decide it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlexp.analysis.judge.heterogeneity import Average
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.reason import format_level
from dlexp.analysis.judge.statistics import MAX_SEEDS
from dlexp.analysis.report.labels import is_rate, show, unit_suffix
from dlexp.analysis.report.tables import MINUS, format_metric
from dlexp.analysis.report.text import Text, load_texts

MAX_PARTS = 6  # levels whose difference a card gives; of more it gives the smallest and the largest


@dataclass(frozen=True)
class Card:
    """One prediction: its verdict as an identifier and as a word, its claim, and the lines below it."""

    verdict: str
    word: str
    claim: str
    lines: list[str]


def make_card(verdict: Verdict, prediction: Mapping[str, Any], text: Text, notes: Sequence[str] = ()) -> Card:
    """Describe a prediction's verdict, its reason, and the interval that decides it.

    Args:
        verdict: The verdict.
        prediction: What the study predicts.
        text: The report's texts.
        notes: Lines on the look that the verdict is from, and on how its cells were tuned.
    """
    lines = [verdict.reason if text.lang == "en" else _describe_cause_in_korean(verdict, text)]
    lines.append(
        f"{text.metric(verdict.metric)}: {_describe_contrast(prediction, text)} · {_describe_expectation(verdict, text)}"
    )
    numbers = [describe_estimate(verdict, text)] if verdict.estimate is not None else []
    numbers.append(f"n = {verdict.n}")
    if verdict.p is not None:
        key = "p_value" if verdict.p_holm is None else "p_value_holm"
        numbers.append(text(key, p=_format_p(verdict.p), p_holm=_format_p(verdict.p_holm)))
    if verdict.p_exact is not None:
        numbers.append(text("p_sign_flip" if verdict.flips_signs else "p_permutation", p=_format_p(verdict.p_exact)))
    for name in ("probability", "correlation"):
        value = getattr(verdict, name)
        if value is not None and np.isfinite(value):
            numbers.append(text(name, value=f"{value:.2f}".replace("-", MINUS)))
    if verdict.spread:
        between, within = (format_amount(verdict, value, text) for value in (verdict.spread.between, verdict.spread.within))
        key = "spread_ratio" if verdict.ratio else "spread"
        numbers.append(text(key, between=between.removeprefix("+"), within=within.removeprefix("+")))
    rates = [_describe_rates(verdict, text)] if verdict.rates else []
    shown = [*lines, *notes, " · ".join(numbers), *rates, *_describe_averages(verdict, text)]
    return Card(verdict.verdict, text(verdict.verdict), verdict.claim, shown)


def describe_estimate(verdict: Verdict, text: Text) -> str:
    """The difference or ratio in the metric's unit: `difference +1.22 points`; of ranks, among which runs, and its interval."""
    key = "ratio" if verdict.ratio else "estimate"
    if verdict.by_ranks:
        key += "_learned" if verdict.horizon is None else "_restricted"
        key += "" if verdict.low is None else "_interval"
    low, high, estimate = (format_amount(verdict, value, text) for value in (verdict.low, verdict.high, verdict.estimate))
    horizon = "" if verdict.horizon is None else format_metric(verdict.metric, verdict.horizon) + unit_suffix(verdict.metric)
    level = format_level(verdict.level)
    return text(key, estimate=estimate, low=low, high=high, level=level, n=verdict.n_learned, horizon=horizon)


def list_dependences(verdict: Verdict, text: Text) -> list[str]:
    """A sentence for each axis that the difference was shown to depend on, so that its average does not stand alone."""
    return [_describe_dependence(average, verdict, text) for average in verdict.averages if not average.stands_alone]


def _describe_dependence(average: Average, verdict: Verdict, text: Text) -> str:
    """Whether the difference depends on an axis that it is an average over."""
    end = "untested" if average.p is None else "alone" if average.stands_alone else "not_alone"
    end = "turns" if end == "not_alone" and average.turns(1.0 if verdict.ratio else 0.0) else end
    what = text("a_ratio" if verdict.ratio else "a_difference")
    return text(f"average_{end}", what=what, key=average.key, p=_format_p(average.p))


def _describe_averages(verdict: Verdict, text: Text) -> list[str]:
    """For each axis that the difference is an average over: its parts, and whether it depends on the axis."""
    lines = []
    for average in verdict.averages:
        parts = average.parts if len(average.parts) <= MAX_PARTS else average.ends
        amounts = [f"{show(part.level)}: {format_amount(verdict, part.estimate, text)}" for part in parts]
        line = text("average", key=average.key, parts="; ".join(amounts))
        if len(parts) < len(average.parts):
            line = text("average_range", key=average.key, low=amounts[0], high=amounts[1], n=len(average.parts))
        learned = [text("average_learned", n=verdict.n_learned)] if verdict.by_ranks and verdict.horizon is None else []
        lines.append(" ".join([line, *learned, _describe_dependence(average, verdict, text)]))
    return lines


def _describe_rates(verdict: Verdict, text: Text) -> str:
    """How many runs of each side learned, or reached the target, with intervals in per cent, and the test of the difference."""
    rates = verdict.rates or ()
    sides = (
        text("rate", learned=rate.learned, runs=rate.runs, low=f"{100 * rate.low:.0f}", high=f"{100 * rate.high:.0f}")
        for rate in rates
    )
    first, second = sides
    what = "learned" if verdict.horizon is None else "reached"
    design = "draws" if verdict.by_draw else "paired" if verdict.paired else "independent"
    return text(f"{what}_{design}", plus=first, minus=second, p=_format_p(verdict.p_rates))


def _describe_cause_in_korean(verdict: Verdict, text: Text) -> str:
    """The sentences on the verdict's cause: text.yaml has one for each cause, for the interval and for lost runs."""
    keys = [] if verdict.low is None or verdict.by_ranks else ["interval_ratio" if verdict.ratio else "interval"]
    ending = "_ranks" if verdict.by_ranks and verdict.cause in ("holds", "fails") else ""
    if verdict.horizon is not None and verdict.cause in ("holds", "fails", "ranks", "unranked"):
        ending = "_times"
    keys += [f"{verdict.cause}{ending}"]
    keys += [f"need_{verdict.need}"] if verdict.need else []
    keys += [name for name in ("failed", "missing") if getattr(verdict, name)]
    keys += [name for name in ("all_learned", "if_normal") if getattr(verdict, name)]
    if verdict.draws is not None:
        keys.append("on_one_draw" if verdict.draws == 1 else "over_draws" if verdict.by_draw else "on_draws")
    low, high = (format_amount(verdict, value, text) for value in (verdict.low, verdict.high))
    values: dict[str, Any] = {name: getattr(verdict, name) for name in ("n", "needed", "failed", "missing", "planned", "draws")}
    values |= {"what": text("a_ratio" if verdict.ratio else "a_difference"), "most": MAX_SEEDS, "units": text.units}
    values["effect"] = _format_effect(verdict, text)
    values |= {"low": low, "high": high, "level": format_level(verdict.level), "p": _format_p(verdict.p)}
    return " ".join(load_texts()["causes"][key].format(**values) for key in keys)


def _format_effect(verdict: Verdict, text: Text) -> str:
    """The smallest difference of interest, in the predicted direction."""
    effect = verdict.effect
    if effect and verdict.expected == "less":
        effect = 1 / effect if verdict.ratio else -effect
    return format_amount(verdict, effect, text) if effect else "0"


def _describe_expectation(verdict: Verdict, text: Text) -> str:
    if not verdict.ratio:
        margin = format_amount(verdict, verdict.margin, text).lstrip("+") if verdict.margin else "0"
        return text(f"expected_{verdict.expected}", margin=margin)
    margin, inverse = format_amount(verdict, verdict.margin, text), format_amount(verdict, 1 / verdict.margin, text)
    if verdict.expected == "equal":
        return text("expected_between", low=inverse, high=margin)
    return text(f"expected_{verdict.expected}", margin=margin if verdict.expected == "greater" else inverse)


def _describe_contrast(prediction: Mapping[str, Any], text: Text) -> str:
    """`activation=relu − activation=sigmoid (depth=8)`; a ratio `hardware=cpu / hardware=cuda`; several cells as their mean."""

    def describe_selector(selector: Mapping[str, Any]) -> str:
        return ", ".join(f"{key}={show(value)}" for key, value in selector.items())

    def describe_side(side: Any) -> str:
        if isinstance(side, list):
            return text("mean_of", cells="; ".join(map(describe_selector, side)))
        return describe_selector(side)

    where = prediction.get("where")
    sign = MINUS if prediction.get("ratio") is None else "/"
    contrast = f"{describe_side(prediction['plus'])} {sign} {describe_side(prediction['minus'])}"
    return contrast + (f" ({describe_selector(where)})" if where else "")


def format_amount(verdict: Verdict, value: float | None, text: Text) -> str:
    """A difference with its sign and unit, or a ratio."""
    if verdict.ratio:
        return "–" if value is None else f"{value:.3g}"
    unit = text("points") if is_rate(verdict.metric) else unit_suffix(verdict.metric)
    return format_metric(verdict.metric, value, signed=True) + unit


def _format_p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}" if value < 0.1 else f"= {value:.3f}"
