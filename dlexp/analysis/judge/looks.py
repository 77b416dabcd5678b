"""Judge a study look by look: find the looks and their levels. What a look decides, later looks do not judge again.

Every report computes the verdicts of all looks, each from the runs of its seeds, so it does not matter when reports were made.
The log of looks (dlexp/run/record/look_log.py) is needed for those that nobody planned. A study that draws its data several
times adds draws from look to look, and not seeds.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dlexp.analysis.judge.bounds import OBRIEN_FLEMING, POCOCK, find_levels
from dlexp.analysis.judge.judgement import Verdict
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.statistics import ALPHA, MIN_SEEDS


@dataclass(frozen=True)
class Plan:
    """At which numbers of seeds, or of draws of the data, a study is judged.

    Args:
        units: Its seeds or draws, in the order in which they are added.
        looks: The numbers of them, increasing.
        bounds: `obrien_fleming` or `pocock`.
        explicit: Whether the study or a command gave `looks`; else there is one look, at all that are listed.
        unit: `seed` or `data_seed`.
    """

    units: tuple[int, ...]
    looks: tuple[int, ...]
    bounds: str = OBRIEN_FLEMING
    explicit: bool = True
    unit: str = "seed"

    def is_that_of(self, entry: Mapping[str, Any]) -> bool:
        """Whether an entry of the log of looks was made under this plan."""
        return (tuple(entry["looks"]), entry["bounds"], entry["unit"]) == (self.looks, self.bounds, self.unit)

    def describe(self, look: Look) -> dict[str, Any]:
        """A look under this plan, with the names that the log of looks has."""
        return {
            "unit": self.unit,
            "units": list(look.units),
            "level": look.level,
            "planned": look.planned,
            "looks": list(self.looks),
            "bounds": self.bounds,
        }


def read_plan(protocol: Mapping[str, Any]) -> Plan:
    """The plan of a study, from its protocol.json."""
    study = protocol["study"]
    unit = "data_seed" if study.get("data_seeds") else "seed"
    listed = tuple(study.get(f"{unit}s") or ())
    if looks := study.get("looks"):
        return Plan(listed, tuple(looks), study.get("bounds") or OBRIEN_FLEMING, unit=unit)
    if (plan := protocol.get("plan")) and plan["unit"] == unit:
        return Plan(tuple(plan["units"]), tuple(plan["looks"]), plan["bounds"], unit=unit)
    return Plan(listed, (len(listed),), explicit=False, unit=unit)


def find_looks(plan: Plan, begun: Collection[int], log: Sequence[Mapping[str, Any]], family: int) -> list[Look]:
    """The looks at a study so far, with their levels, in their order.

    A look of the plan is reached when a run of its last seed, or of a later one, has ended. A look is unplanned if seeds were
    added beyond the plan, or if the plan was made or changed after an earlier look. Its level is that of as many looks as there
    were so far, with equal levels (Pocock's); the levels of earlier looks do not change.

    Args:
        plan: The present plan.
        begun: The seeds, or draws, of which runs have ended.
        log: The entries of the log of looks, in their order.
        family: The number of predictions.
    """
    reached = max((place for place, unit in enumerate(plan.units, 1) if unit in begun), default=0)
    sizes = [n for n in plan.looks if MIN_SEEDS <= n <= reached]
    extra = sorted(set(begun).difference(plan.units))
    everything = (*(unit for unit in plan.units if unit in begun), *extra)
    if not log and not plan.explicit and extra:
        return [Look(everything, ALPHA)] if len(everything) >= MIN_SEEDS else []
    known = _read_looks(plan, log)
    counted = {len(entry["units"]) for entry in log}
    if all(map(plan.is_that_of, log)):
        levels = dict(zip(plan.looks, find_levels(plan.looks, plan.bounds, family), strict=True)) if sizes else {}
        looks = [Look(plan.units[:n], levels[n], last_level=levels[plan.looks[-1]]) for n in sizes]
        looks += [look for look in known if not look.planned]
    else:
        looks = known
        for n in sizes:
            if n > max(counted):
                looks.append(_add_unplanned(plan.units[:n], looks, counted, family))
    if extra and len(everything) >= MIN_SEEDS and set(everything) not in [set(look.units) for look in looks]:
        looks.append(_add_unplanned(everything, looks, counted, family))
    return looks


def _read_looks(plan: Plan, log: Sequence[Mapping[str, Any]]) -> list[Look]:
    """The looks of the log at seeds, or at draws, whichever the study adds now."""
    entries = {frozenset(entry["units"]): entry for entry in log if entry["unit"] == plan.unit}
    return [Look(tuple(entry["units"]), entry["level"], entry["planned"]) for entry in entries.values()]


def find_first(plan: Plan, begun: Collection[int], family: int) -> Look:
    """The look that a study has not reached yet whose first look is still to come."""
    extra = [] if plan.explicit else sorted(set(begun).difference(plan.units))
    return Look((*plan.units[: plan.looks[0]], *extra), find_levels(plan.looks, plan.bounds, family)[0])


def _add_unplanned(units: Sequence[int], earlier: Sequence[Look], counted: Collection[int], family: int) -> Look:
    """A further look; other seeds that are as many as those of an earlier one count as one more."""
    sizes = {*counted, *(look.n for look in earlier)}
    size = len(units)
    while size in sizes:
        size += 1
    level = find_levels(sorted({*sizes, size}), POCOCK, family)[-1]
    return Look(tuple(units), level, planned=False, last_level=level)


def judge_by_looks(
    study: Mapping[str, Any],
    judge_at: Callable[[Mapping[str, Any], Look], Sequence[Verdict]],
    looks: Sequence[Look],
    first: Look,
    unit: str = "seed",
) -> tuple[list[Verdict], list[Look]]:
    """Judge a study's predictions, each at the first look that decides it.

    Args:
        study: As in protocol.json.
        judge_at: Judges a study with some of the predictions, from the runs of a look.
        looks: From `find_looks`.
        first: From `find_first`: where no look was reached yet, the runs that there are are judged as at this one.
        unit: `seed` or `data_seed`.

    Returns:
        The verdicts, in the order of the predictions, and the looks up to the one after which all were decided.
    """
    predictions = study.get("predictions") or []
    verdicts: dict[int, Verdict] = {}
    made: list[Look] = []
    for look in looks or [first]:
        still = [i for i in range(len(predictions)) if i not in verdicts or verdicts[i].verdict == "undecided"]
        if not still:
            break
        part = {**study, "predictions": [predictions[i] for i in still], f"{unit}s": list(look.units)}
        found = judge_at(part, look)
        made += [look] if looks else []
        verdicts |= {i: replace(verdict, look=look if looks else None) for i, verdict in zip(still, found, strict=True)}
    return [verdicts[i] for i in range(len(predictions))], made


def list_decisions(verdicts: Sequence[Verdict], looks: Sequence[Look], at: Look) -> dict[str, str]:
    """Claim → its verdict after one of the looks: `holds`, `fails` or `undecided`."""
    until = looks[: looks.index(at) + 1]
    return {verdict.claim: verdict.verdict if verdict.look in until else "undecided" for verdict in verdicts}
