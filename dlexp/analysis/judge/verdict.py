"""Judge each prediction of a study from its runs: it holds, fails, or stays undecided.

A predicted ratio is judged as a difference of logarithms and converted back to a ratio at the end.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from dlexp.analysis.judge import statistics
from dlexp.analysis.judge.compare import Sides, compare_sides
from dlexp.analysis.judge.draws import Outcomes, Spread, list_repeats
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.power import ask_for_seeds
from dlexp.analysis.judge.reason import describe_cause
from dlexp.analysis.judge.statistics import ALPHA, MIN_SEEDS, TINY, Contrast
from dlexp.analysis.judge.times import Censored
from dlexp.run.record.protocol_form import find_effect

Cell = Mapping[str, Any]
OutcomesOf = Callable[[str], Sequence[Outcomes]]


def judge(
    study: Mapping[str, Any],
    cells: Sequence[Cell],
    values_of: OutcomesOf,
    noise_of: Callable[[str], float] = lambda metric: 0.0,
    look: Look | None = None,
) -> list[Verdict]:
    """Judge the study's predictions, in their order.

    Args:
        study: `predictions`, `metric`, `pairing`, `seeds` and `data_seeds`, as in protocol.json.
        cells: All cells of the study.
        values_of: Returns the outcomes of a metric, for each cell in the same order: seed, or (data_seed, seed), → value, or
            None where the run failed to learn. A missing run has no entry.
        noise_of: Returns the difference of a metric that the size of the test set alone explains.
        look: The look at whose level it is judged; by default at 5 %.
    """
    predictions = study.get("predictions") or []
    return decide_family([compare(each, study, cells, values_of, noise_of, look) for each in predictions])


def decide_family(compared: Sequence[tuple[Verdict, Contrast | None]], size: int | None = None) -> list[Verdict]:
    """Decide comparisons that form one family, after Holm's correction over all of them.

    Args:
        compared: What `compare_sides` returns, for each comparison.
        size: How many comparisons were planned, if more than these. One that cannot be judged yet counts as p = 1, so that the
            family stays as large as it was declared.
    """
    size = max(len(compared), size or 0)
    p_holm, exact_holm = (
        statistics.correct_holm(
            [getattr(verdict, name) if verdict.n >= MIN_SEEDS else None for verdict, _ in compared]
            + [None] * (size - len(compared))
        )
        for name in ("p", "p_exact")
    )
    verdicts = []
    for (verdict, contrast), corrected, exact in zip(compared, p_holm, exact_holm, strict=False):
        verdict = _decide(replace(verdict, p_holm=corrected, p_exact_holm=exact, family=size), contrast)
        verdict = ask_for_seeds(verdict, contrast)
        verdict = replace(verdict, reason=describe_cause(verdict))
        verdicts.append(_convert_logarithms(verdict) if verdict.ratio else verdict)
    return verdicts


def _convert_logarithms(verdict: Verdict) -> Verdict:
    known = {
        name: value
        for name in ("estimate", "low", "high", "margin", "effect", "horizon")
        if (value := getattr(verdict, name)) is not None
    }
    numbers: dict[str, Any] = {name: math.exp(value) for name, value in known.items()}
    if verdict.spread:
        numbers["spread"] = Spread(math.exp(verdict.spread.between), math.exp(verdict.spread.within))
    return replace(verdict, **numbers)


def select(cells: Sequence[Cell], selector: Cell | list[Cell], where: Cell) -> list[int]:
    """Indices of the cells that match any of these selectors, each narrowed by `where`."""
    selectors = [{**where, **each} for each in (selector if isinstance(selector, list) else [selector])]
    return [i for i, cell in enumerate(cells) if any(selector.items() <= cell.items() for selector in selectors)]


def _begin(prediction: Mapping[str, Any], study: Mapping[str, Any], look: Look | None) -> Verdict:
    """The verdict of a prediction before anything is compared; with a ratio, its margin and effect are logarithms."""
    ratio = prediction.get("ratio")
    margin, effect = float(prediction.get("margin") or 0), find_effect(prediction, study)
    return Verdict(
        prediction["claim"],
        "undecided",
        metric=prediction.get("metric") or study.get("metric", "test/acc"),
        expected=prediction["expected"],
        ratio=ratio is not None,
        margin=margin if ratio is None else math.log(ratio),
        effect=effect if effect is None or ratio is None else math.log(effect),
        paired=study.get("pairing") != "independent",
        by_draw=bool(study.get("data_seeds")),
        alpha=look.level if look else ALPHA,
        last_alpha=look.last_level if look else ALPHA,
    )


def compare(
    prediction: Mapping[str, Any],
    study: Mapping[str, Any],
    cells: Sequence[Cell],
    values_of: OutcomesOf,
    noise_of: Callable[[str], float] = lambda metric: 0.0,
    look: Look | None = None,
) -> tuple[Verdict, Contrast | None]:
    """Compute the numbers of a prediction, for `decide_family`; the contrast is None where no runs that learned are compared.

    With a ratio, all numbers are logarithms. The arguments are those of `judge`.
    """
    verdict = _begin(prediction, study, look)
    metric = verdict.metric
    chosen = [select(cells, prediction[side], prediction.get("where") or {}) for side in ("plus", "minus")]
    if not all(chosen):
        return replace(verdict, cause="no_cells"), None
    values = [take_logarithms(cell) for cell in values_of(metric)] if verdict.ratio else values_of(metric)
    if empty := [cells[i] for side in chosen for i in side if not values[i]]:
        names = tuple(" ".join(f"{key}={value}" for key, value in cell.items()) for cell in empty)
        return replace(verdict, cause="no_runs", cells_without_runs=names), None
    plus, minus = ([values[i] for i in side] for side in chosen)
    repeats = sorted(set(list_repeats(study)).union(*plus, *minus))
    matched = _are_matched([cells[i] for i in chosen[0]], [cells[i] for i in chosen[1]])
    sides = Sides(plus, minus, repeats, paired=verdict.paired, matched=matched)
    return compare_sides(verdict, sides, 0.0 if verdict.ratio else noise_of(metric))


def _are_matched(plus: Sequence[Cell], minus: Sequence[Cell]) -> bool:
    """Whether each cell differs from the one in the same place on the other side, and all pairs in the same way."""
    changes = [
        [(key, a.get(key), b.get(key)) for key in {**a, **b} if a.get(key) != b.get(key)]
        for a, b in zip(plus, minus, strict=False)
    ]
    return len(plus) == len(minus) and all(change == changes[0] for change in changes)


def take_logarithms(cell: Outcomes) -> Outcomes:
    """The logarithms of positive values; a value that has none counts as missing."""
    positive = {repeat: value for repeat, value in cell.items() if value is None or value > 0}
    logarithms = {repeat: None if value is None else math.log(value) for repeat, value in positive.items()}
    censored = {repeat for repeat, value in positive.items() if isinstance(value, Censored)}
    return {
        repeat: Censored(value) if repeat in censored and value is not None else value for repeat, value in logarithms.items()
    }


def _decide(verdict: Verdict, contrast: Contrast | None) -> Verdict:
    """Decide the cause of a verdict, and with it the verdict, from its corrected p-values and its interval."""
    if verdict.cause != "undecided":
        return verdict
    if verdict.n < MIN_SEEDS:
        return replace(verdict, cause="few")
    if verdict.by_ranks:
        return replace(verdict, cause=_decide_ranks(verdict))
    side = _side_of_interval(verdict)
    if side is None:
        return replace(verdict, cause="wide")
    if contrast and (verdict.p_holm or 0) >= verdict.alpha:
        return replace(verdict, cause="holm" if contrast.se else "agree")
    if not verdict.exact_can_decide:
        return replace(verdict, cause=side, if_normal=True)
    return replace(verdict, cause=side if (verdict.p_exact_holm or 0) < verdict.alpha else "exact")


def _decide_ranks(verdict: Verdict) -> Literal["holds", "fails", "bounds", "ranks", "unranked"]:
    """The cause of a verdict by ranks: which side is higher, or why that is not decided."""
    if verdict.p_holm is None:
        return "unranked"
    if not verdict.agrees:
        return "bounds"
    if verdict.p_holm >= verdict.alpha:
        return "bounds" if verdict.missing and not verdict.failed else "ranks"
    return "holds" if (verdict.sign > 0) == (verdict.expected == "greater") else "fails"


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
