"""When simulated studies are looked at, and at which levels."""

from typing import Any, NamedTuple

from dlexp.analysis.judge.bounds import OBRIEN_FLEMING, POCOCK
from dlexp.analysis.judge.look import Look
from dlexp.analysis.judge.looks import Plan, find_looks
from dlexp.analysis.judge.statistics import ALPHA

LOOKS = (5, 10, 20)


class Seen(NamedTuple):
    """At which numbers of seeds a study is looked at, with which bounds, and whether this keeps its error at 5 %."""

    looks: tuple[int, ...]
    bounds: str = OBRIEN_FLEMING
    planned: bool = True


AT_ONCE, UNPLANNED = "5 % at each of 5, 10, 20", "5, then 10 and 20 unplanned"
PLANS = {
    "5": Seen((5,)),
    "10": Seen((10,)),
    "20": Seen((20,)),
    "5, 10, 20 by O'Brien and Fleming": Seen(LOOKS),
    "5, 10, 20 by Pocock": Seen(LOOKS, POCOCK),
    AT_ONCE: Seen(LOOKS, planned=False),
    UNPLANNED: Seen(LOOKS, planned=False),
}
EVERYWHERE = tuple(PLANS)[:4]  # the others are simulated where there are no differences


def list_looks(name: str, family: int) -> list[Look]:
    """The looks of one of `PLANS`, of a study with so many predictions, with their levels."""
    looks, bounds, planned = PLANS[name]
    seeds = tuple(range(looks[-1]))
    if planned:
        return find_looks(Plan(seeds, looks, bounds), seeds, [], family)
    if name == AT_ONCE:
        return [Look(seeds[:n], ALPHA) for n in looks]
    return _add_unplanned(Plan(seeds[: looks[0]], looks[:1], explicit=False), family)


def _add_unplanned(plan: Plan, family: int) -> list[Look]:
    """The looks of a study to which seeds are added again and again."""
    log: list[dict[str, Any]] = []
    looks: list[Look] = []
    for n in LOOKS:
        looks = find_looks(plan, range(n), log, family)
        last = looks[-1]
        log.append(
            {"unit": plan.unit, "units": list(last.units), "level": last.level, "planned": last.planned}
            | {"looks": list(plan.looks), "bounds": plan.bounds}
        )
    return looks
