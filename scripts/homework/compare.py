"""Compare arms by the code of the verdicts: all comparisons of one question are one family of Holm's correction."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from scipy import stats

from dlexp.analysis.judge.compare import Sides, compare_sides
from dlexp.analysis.judge.draws import Repeat, is_by_draw
from dlexp.analysis.judge.judgement import Judgement, Verdict
from dlexp.analysis.judge.statistics import TINY, Contrast, standard_deviation
from dlexp.analysis.judge.verdict import decide_family, take_logarithms

from .evidence import Evidence, Sample

Side = Literal["greater", "less", "unknown"]
PERMUTATIONS = 9_999
MAX_CORRELATION = 1 - 1e-12  # of which Fisher's z is finite


@dataclass(frozen=True)
class Comparison:
    """Two arms, compared seed by seed, or draw by draw: is plus greater?

    Args:
        plus, minus: One sample, or several whose average over the samples is compared.
        kind: Whether the difference, the ratio, or the correlation is asked about.
    """

    plus: tuple[Sample, ...]
    minus: tuple[Sample, ...]
    kind: Literal["difference", "ratio", "correlation"] = "difference"


@dataclass(frozen=True)
class Draft:
    """An answer before its comparisons are decided.

    Args:
        comparisons: What it compares.
        write: Returns its sentences, given the verdict on each comparison.
    """

    comparisons: Sequence[Comparison]
    write: Callable[..., str]


@dataclass(frozen=True)
class Finding:
    """A part of an answer.

    Args:
        draft: Reads what it needs from the runs; raises NotRunError without them.
        num_comparisons: How many it makes at most, declared beforehand: the family of the question has this size also while
            runs are missing.
    """

    draft: Callable[[Evidence], Draft]
    num_comparisons: int = 0


def on_each(
    draft: Callable[..., Draft], datasets: Sequence[str], num_comparisons: int = 0, **more: str | float
) -> list[Finding]:
    """The same finding on each data set; `more` are arguments of all of them."""
    return [Finding(partial(draft, dataset=dataset, **more), num_comparisons) for dataset in datasets]


def difference(plus: Sample | Sequence[Sample], minus: Sample | Sequence[Sample]) -> Comparison:
    """The difference of two arms, or of two averages."""
    sides = [(side,) if isinstance(side, Sample) else tuple(side) for side in (plus, minus)]
    return Comparison(sides[0], sides[1])


def ratio(plus: Sample, minus: Sample) -> Comparison:
    """The ratio of two arms, computed on logarithms; a value that is not above 0 has none and counts as missing."""
    return Comparison((plus,), (minus,), "ratio")


def correlation(first: Sample, second: Sample) -> Comparison:
    """Pearson's correlation over seeds, or over draws of the data."""
    return Comparison((first,), (second,), "correlation")


def judge_family(comparisons: Sequence[Comparison], planned: int) -> list[Verdict]:
    """Judge the comparisons of one question, which plans so many. A correlation's verdict has it as its estimate."""
    verdicts = decide_family(
        [_correlate(each) if each.kind == "correlation" else _compare(each) for each in comparisons], planned
    )
    return [
        _convert_to_correlation(verdict) if each.kind == "correlation" else verdict
        for each, verdict in zip(comparisons, verdicts, strict=True)
    ]


def _compare(comparison: Comparison) -> tuple[Verdict, Contrast | None]:
    is_ratio = comparison.kind == "ratio"
    metric = comparison.plus[0].metric
    verdict = Verdict("", "undecided", metric=metric, expected="greater", ratio=is_ratio)
    plus, minus = (
        [take_logarithms(sample.outcomes) if is_ratio else sample.outcomes for sample in side]
        for side in (comparison.plus, comparison.minus)
    )
    if not all([*plus, *minus]):
        return replace(verdict, cause="no_runs"), None
    repeats = sorted({repeat for sample in (*comparison.plus, *comparison.minus) for repeat in sample.repeats})
    return compare_sides(verdict, Sides(plus, minus, repeats, paired=True, matched=len(plus) == len(minus)), 0.0)


def _correlate(comparison: Comparison) -> tuple[Verdict, Contrast | None]:
    """A correlation by Fisher's z, and the exact test that permutes the pairs.

    Only seeds, or draws of the data, at which both arms have a number count.
    """
    first, second = (side[0].numbers for side in (comparison.plus, comparison.minus))
    blocks = sorted(first.keys() & second.keys())
    by_draw = is_by_draw(comparison.plus[0].repeats)
    verdict = Verdict("", "undecided", metric="correlation", n=len(blocks), n_learned=len(blocks), by_draw=by_draw)
    a, b = (np.array([values[seed] for seed in blocks], float) for values in (first, second))
    if len(blocks) < 4 or standard_deviation(a.tolist()) < TINY or standard_deviation(b.tolist()) < TINY:
        return replace(verdict, cause="no_common_seed"), None
    error = 1 / math.sqrt(len(blocks) - 3)
    strength = math.atanh(float(np.clip(stats.pearsonr(a, b).statistic, -MAX_CORRELATION, MAX_CORRELATION)))
    contrast = Contrast(strength, len(blocks), error, math.inf, error * math.sqrt(len(blocks)))
    drawn = np.random.default_rng(0)  # the same p for the same runs
    method = stats.PermutationMethod(n_resamples=PERMUTATIONS, rng=drawn)
    exact = float(stats.pearsonr(a, b, method=method).pvalue)
    low, high = contrast.interval()
    numbers = {"estimate": contrast.estimate, "low": low, "high": high, "p": contrast.p(0.0), "p_exact": exact}
    return replace(verdict, **numbers, least_p=2 / min(math.factorial(len(blocks)), PERMUTATIONS + 1)), contrast


def _convert_to_correlation(verdict: Verdict) -> Verdict:
    known = {name: value for name in ("estimate", "low", "high") if (value := getattr(verdict, name)) is not None}
    numbers = {name: math.tanh(value) for name, value in known.items()}
    return replace(verdict, **numbers)


def side_of(found: Verdict) -> Side:
    """Which arm is greater, where that is decided."""
    return {"holds": "greater", "fails": "less", "undecided": "unknown"}[found.verdict]


def common_side(found: Collection[Verdict]) -> Side:
    """The side of all of them, where it is decided and the same."""
    sides = {side_of(verdict) for verdict in found}
    return sides.pop() if len(sides) == 1 else "unknown"


def supports(found: Verdict, expected: Side) -> Judgement:
    """Whether a claim that the arms differ in this direction survives."""
    side = side_of(found)
    return "holds" if side == expected else "undecided" if side == "unknown" else "fails"


def average(samples: Collection[Sample]) -> Sample:
    """The mean of several measurements of each run, at the seeds that have all of them."""
    return _combine(list(samples), lambda values: float(np.mean(values)))


def quotient(above: Sample, below: Sample) -> Sample:
    """One measurement of each run divided by another; runs whose divisor is 0 are left out."""
    divisors = replace(below, outcomes={repeat: value for repeat, value in below.outcomes.items() if value})
    return _combine([above, divisors], lambda values: values[0] / values[1])


def _combine(samples: Sequence[Sample], combine: Callable[[list[float]], float]) -> Sample:
    known = [{repeat: value for repeat, value in sample.outcomes.items() if value is not None} for sample in samples]
    common = sorted(set.intersection(*map(set, known)))
    return replace(samples[0], outcomes={repeat: combine([values[repeat] for values in known]) for repeat in common})


def distance(first: Sample, second: Sample, scale: float = 1.0) -> Sample:
    """How far two arms are from each other at each seed, times `scale`.

    Where one of the two runs failed to learn, the distance is larger than all others: None. Where both did, it is unknown.
    """
    outcomes: dict[Repeat, float | None] = {}
    for repeat in first.outcomes.keys() & second.outcomes.keys():
        a, b = first.outcomes[repeat], second.outcomes[repeat]
        if a is not None and b is not None:
            outcomes[repeat] = scale * abs(a - b)
        elif a is not None or b is not None:
            outcomes[repeat] = None
    return Sample("distance", outcomes, first.repeats)
