"""Describe each verdict of a study on a card: the word, the claim, the reason, and the numbers that decide it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlexp.analysis.judge.result import Verdict
from dlexp.analysis.report.labels import is_rate, show, unit_suffix
from dlexp.analysis.report.tables import MINUS, format_metric
from dlexp.analysis.report.text import Text, load_texts


@dataclass(frozen=True)
class Card:
    """One prediction: its verdict as an identifier and as a word, its claim, and the lines below it."""

    verdict: str
    word: str
    claim: str
    lines: list[str]


def make_card(verdict: Verdict, prediction: Mapping[str, Any], text: Text) -> Card:
    """Describe a prediction's verdict, its reason, and the interval that decides it."""
    lines = [verdict.reason if text.lang == "en" else _describe_cause_in_korean(verdict, text)]
    lines.append(
        f"{text.metric(verdict.metric)}: {_describe_contrast(prediction, text)} · {_describe_expectation(verdict, text)}"
    )
    numbers = []
    if verdict.estimate is not None:
        numbers.append(text("ratio" if verdict.ratio else "estimate", estimate=_format_amount(verdict, verdict.estimate, text)))
    numbers.append(f"n = {verdict.n}")
    if verdict.p is not None:
        key = "p_value" if verdict.p_holm is None else "p_value_holm"
        numbers.append(text(key, p=_format_p(verdict.p), p_holm=_format_p(verdict.p_holm)))
    for name in ("probability", "correlation"):
        value = getattr(verdict, name)
        if value is not None and np.isfinite(value):
            numbers.append(text(name, value=f"{value:.2f}".replace("-", MINUS)))
    return Card(verdict.verdict, text(verdict.verdict), verdict.claim, [*lines, " · ".join(numbers)])


def _describe_cause_in_korean(verdict: Verdict, text: Text) -> str:
    """The sentences on the verdict's cause: text.yaml has one for each cause, for the interval and for lost runs."""
    keys = [] if verdict.low is None else ["interval_ratio" if verdict.ratio else "interval"]
    keys += [verdict.cause, *(["lost_seeds" if verdict.paired else "lost_runs"] if verdict.lost else [])]
    low, high = (_format_amount(verdict, value, text) for value in (verdict.low, verdict.high))
    values = {name: getattr(verdict, name) for name in ("n", "needed", "lost", "planned")} | {"low": low, "high": high}
    values["needed"] = "–" if verdict.needed is None else verdict.needed
    return " ".join(load_texts()["causes"][key].format(**values) for key in keys)


def _describe_expectation(verdict: Verdict, text: Text) -> str:
    if not verdict.ratio:
        margin = _format_amount(verdict, verdict.margin, text).lstrip("+") if verdict.margin else "0"
        return text(f"expected_{verdict.expected}", margin=margin)
    margin, inverse = _format_amount(verdict, verdict.margin, text), _format_amount(verdict, 1 / verdict.margin, text)
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


def _format_amount(verdict: Verdict, value: float | None, text: Text) -> str:
    """A difference with its sign and unit, or a ratio."""
    if verdict.ratio:
        return "–" if value is None else f"{value:.3g}"
    unit = text("points") if is_rate(verdict.metric) else unit_suffix(verdict.metric)
    return format_metric(verdict.metric, value, signed=True) + unit


def _format_p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}" if value < 0.01 else f"= {value:.3f}"
