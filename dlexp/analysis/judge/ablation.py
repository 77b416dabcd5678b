"""Estimate what each switch of a recipe is worth: from above, from below, and how far the two differ.

From above is the recipe minus the recipe without the switch, and from below the plain run with the switch minus the plain run.
Their difference is the interaction of the switch with the rest of the recipe. Each is compared as a prediction is: seed by seed
where the study is paired, by ranks where runs failed to learn, of a cost as a ratio.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from typing import Any

import pandas as pd

from dlexp.analysis.judge.costs import is_cost
from dlexp.analysis.judge.curves import is_rising
from dlexp.analysis.judge.draws import Spread
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.statistics import Contrast
from dlexp.analysis.judge.verdict import Cell, OutcomesOf, compare, decide_family

RECIPE, PLAIN = {"arm": "recipe"}, {"arm": "plain"}
NUMBERS = ("estimate", "low", "high", "p", "p_holm", "p_exact")


@dataclass(frozen=True)
class Worth:
    """What a switch is worth. A verdict `holds` where the difference is shown to be an improvement, and `fails` where a loss.

    Args:
        name: The switch.
        on: What the recipe sets.
        plain: What the plain run has there.
        joined: Why settings that were given separately are one switch, or empty.
        above: The recipe against the recipe without the switch.
        below: The plain run with the switch against the plain run.
        interaction: `above` minus `below`, or, of a cost, over it. It holds where the switch improves more within the recipe.
    """

    name: str
    on: Mapping[str, Any]
    plain: Mapping[str, Any]
    joined: str
    above: Verdict
    below: Verdict
    interaction: Verdict


@dataclass(frozen=True)
class Ablation:
    """What the switches of a recipe are worth.

    Args:
        metric: The metric that is compared.
        ratio: Whether the sides are compared as ratios, because the metric is a cost.
        worths: One for each switch; the one that is worth most within the recipe comes first.
        total: The recipe against the plain run.
    """

    metric: str
    ratio: bool
    worths: tuple[Worth, ...]
    total: Verdict

    @property
    def family(self) -> int:
        """Number of differences for which Holm's correction is made together: all but the interactions."""
        return self.total.family

    @property
    def all_verdicts(self) -> list[Verdict]:
        """Every comparison, the interactions included."""
        return [self.total, *(verdict for each in self.worths for verdict in (each.above, each.below, each.interaction))]

    def add_up(self, side: str) -> float | None:
        """The sum of the estimates from above, or from below; of ratios their product. None where one is not known."""
        estimates = [getattr(each, side).estimate for each in self.worths]
        if any(estimate is None for estimate in estimates):
            return None
        return prod(estimates) if self.ratio else sum(estimates)

    @property
    def table(self) -> pd.DataFrame:
        """One row per switch, in the order of `worths`, and a last one for the whole recipe against the plain run.

        Columns `switch, recipe, plain`, and of `above`, `below` and `interaction` each `_estimate, _low, _high, _p, _p_holm,
        _p_exact, _verdict, _n, _failed, _missing`: for example `above_low`. A number that cannot be computed is null.
        """
        rows = [
            {"switch": each.name, "recipe": _spell(each.on), "plain": _spell(each.plain)}
            | _list_numbers("above", each.above)
            | _list_numbers("below", each.below)
            | _list_numbers("interaction", each.interaction)
            for each in self.worths
        ]
        whole = {"switch": "all", "recipe": None, "plain": None} | _list_numbers("above", self.total)
        return pd.DataFrame([*rows, whole], dtype=object).where(lambda frame: frame.notna(), None)


def _spell(settings: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in settings.items())


def _list_numbers(side: str, verdict: Verdict) -> dict[str, Any]:
    """The numbers of a comparison, under the names that the table has."""
    numbers = {f"{side}_{name}": getattr(verdict, name) for name in NUMBERS}
    counts = {f"{side}_{name}": getattr(verdict, name) for name in ("n", "failed", "missing")}
    return numbers | {f"{side}_verdict": WORDS[verdict.verdict]} | counts


WORDS = {"holds": "better", "fails": "worse", "undecided": "undecided"}


def weigh_switches(
    study: Mapping[str, Any],
    cells: Sequence[Cell],
    values_of: OutcomesOf,
    noise_of: Callable[[str], float] = lambda metric: 0.0,
) -> Ablation | None:
    """Estimate what each switch of a study's recipe is worth; None if the study has no recipe.

    Holm's correction is made over all differences from above and from below and that of the whole recipe together, and over the
    interactions on their own.

    Args:
        study: `switches`, `metric`, `pairing`, `effect`, `seeds` and `data_seeds`, as in protocol.json.
        cells: All cells of the study.
        values_of: As in `judge`.
        noise_of: As in `judge`.
    """
    switches = study.get("switches") or []
    if not switches:
        return None
    metric = study.get("metric", "test/acc")
    rising = is_rising(metric)

    def contrast(claim: str, plus: Any, minus: Any) -> tuple[Verdict, Contrast | None]:
        prediction = {"claim": claim, "plus": plus, "minus": minus, "expected": "greater" if rising else "less"}
        ratio = {"ratio": 1} if is_cost(metric) else {}
        return compare(prediction | ratio, study, cells, values_of, noise_of)

    compared = [contrast("the recipe", RECIPE, PLAIN)]
    interactions = []
    for switch in switches:
        name, without, only = switch["name"], {"arm": switch["without"]}, {"arm": switch["only"]}
        compared += [contrast(f"{name} from above", RECIPE, without), contrast(f"{name} from below", only, PLAIN)]
        interactions.append(_double(*contrast(f"{name} above - below", [RECIPE, PLAIN], [without, only])))
    total, *worths = decide_family(compared)
    decided = decide_family(interactions[:1]) * 2 if len(switches) == 2 else decide_family(interactions)  # of two it is one
    found = [
        Worth(switch["name"], switch["on"], switch["plain"], switch["joined"], above, below, interaction)
        for switch, above, below, interaction in zip(switches, worths[::2], worths[1::2], decided, strict=True)
    ]
    sign = 1 if rising else -1
    found.sort(key=lambda each: -inf if each.above.estimate is None else sign * each.above.estimate, reverse=True)
    return Ablation(metric, is_cost(metric), tuple(found), total)


def _double(verdict: Verdict, contrast: Contrast | None) -> tuple[Verdict, Contrast | None]:
    """Twice a difference between means of two cells: the difference of two differences. Its p-values stay the same."""
    known = {name: 2 * value for name in ("estimate", "low", "high") if (value := getattr(verdict, name)) is not None}
    spread = verdict.spread and Spread(2 * verdict.spread.between, 2 * verdict.spread.within)
    if contrast:
        contrast = replace(contrast, estimate=2 * contrast.estimate, se=2 * contrast.se, deviation=2 * contrast.deviation)
    return replace(verdict, **known, spread=spread), contrast
