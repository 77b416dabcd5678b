"""The verdicts of a study as cards: the word, the claim, why, and the numbers that decide it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlexp.analysis.judge.result import Verdict
from dlexp.analysis.report.labels import is_rate, show, unit
from dlexp.analysis.report.tables import MINUS, number
from dlexp.analysis.report.text import Text


@dataclass(frozen=True)
class Card:
    """One prediction: its verdict as a class and as a word, its claim, and what decides it."""

    verdict: str
    word: str
    claim: str
    lines: list[str]


def card(verdict: Verdict, prediction: Mapping[str, Any], text: Text) -> Card:
    """A prediction's verdict, the interval that decides it, and why."""
    lines = [verdict.reason if text.lang == "en" else _why(verdict, text)]
    lines.append(f"{text.metric(verdict.metric)}: {_contrast(prediction, text)} · {_expected(verdict, text)}")
    facts = []
    if verdict.estimate is not None:
        facts.append(text("ratio" if verdict.ratio else "estimate", estimate=_amount(verdict, verdict.estimate, text)))
    facts.append(f"n = {verdict.n}")
    if verdict.p is not None:
        key = "p_value" if verdict.p_holm is None else "p_value_holm"
        facts.append(text(key, p=_p(verdict.p), p_holm=_p(verdict.p_holm)))
    for name in ("probability", "correlation"):
        value = getattr(verdict, name)
        if value is not None and np.isfinite(value):
            facts.append(text(name, value=f"{value:.2f}".replace("-", MINUS)))
    return Card(verdict.verdict, text(verdict.verdict), verdict.claim, [*lines, " · ".join(facts)])


def _why(verdict: Verdict, text: Text) -> str:
    """The reason, put together from its parts: for a language that the analysis does not speak."""
    key = f"why_{verdict.verdict if verdict.cause == 'interval' else verdict.cause}"
    why = text(key, n=verdict.n, needed="–" if verdict.needed is None else verdict.needed)
    if verdict.lost:
        why += f" {text('lost_seeds' if verdict.paired else 'lost_runs', lost=verdict.lost, planned=verdict.planned)}"
    if verdict.low is None:
        return why
    low, high = (_amount(verdict, value, text) for value in (verdict.low, verdict.high))
    return f"{text('interval_ratio' if verdict.ratio else 'interval', low=low, high=high)} {why}"


def _expected(verdict: Verdict, text: Text) -> str:
    """What the prediction asks for."""
    if not verdict.ratio:
        margin = _amount(verdict, verdict.margin, text).lstrip("+") if verdict.margin else "0"
        return text(f"expected_{verdict.expected}", margin=margin)
    margin, inverse = _amount(verdict, verdict.margin, text), _amount(verdict, 1 / verdict.margin, text)
    if verdict.expected == "equal":
        return text("expected_between", low=inverse, high=margin)
    return text(f"expected_{verdict.expected}", margin=margin if verdict.expected == "greater" else inverse)


def _contrast(prediction: Mapping[str, Any], text: Text) -> str:
    """`activation=relu − activation=sigmoid (depth=8)`; of a ratio `hardware=cpu / hardware=cuda`; a list is its mean."""

    def said(selector: Mapping[str, Any]) -> str:
        return ", ".join(f"{key}={show(value)}" for key, value in selector.items())

    def side(selectors: Any) -> str:
        return text("mean_of", cells="; ".join(map(said, selectors))) if isinstance(selectors, list) else said(selectors)

    where = prediction.get("where")
    sign = MINUS if prediction.get("ratio") is None else "/"
    return f"{side(prediction['plus'])} {sign} {side(prediction['minus'])}" + (f" ({said(where)})" if where else "")


def _amount(verdict: Verdict, value: float | None, text: Text) -> str:
    """A difference with its sign and unit, or a ratio."""
    if verdict.ratio:
        return "–" if value is None else f"{value:.3g}"
    return number(verdict.metric, value, signed=True) + (text("points") if is_rate(verdict.metric) else unit(verdict.metric))


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return "< 0.0001" if value < 0.0001 else f"= {value:.4f}" if value < 0.01 else f"= {value:.3f}"
