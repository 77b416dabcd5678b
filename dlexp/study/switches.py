"""Make the cells of an ablation from one recipe: it, it without each of its switches, the plain run, and that with each.

Loads no torch. A switch is a setting of the recipe, or several that go together: an option and the settings of its group, those
that `zip` names, and those that a config refuses one without the other.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from dlexp.config.check_config import check
from dlexp.config.compose import compose
from dlexp.config.grid import GRID, ZIP, normalise
from dlexp.config.lookup import find_mistakes, look_up
from dlexp.config.options import groups, list_groups
from dlexp.config.suggestion import nearest_option
from dlexp.config.values import leaves, make_printable
from dlexp.errors import ConfigError
from dlexp.run.record.identity import NOT_IN_ID
from dlexp.study.cells import ARM, Cell, Study, command, spell

RECIPE, PLAIN = "recipe", "plain"  # arms; those of a switch are `without <its name>` and `only <its name>`
PLAIN_RUN = "the plain run"
NEEDED = 2  # switches of a recipe: one alone is a comparison of two cells
# Plain keys that say nothing about a run; depth, width and dropout are in the id of a run under the names that parts give them.
ABOUT_NO_RUN = frozenset(path[0] for path in NOT_IN_ID if len(path) == 1).difference(GRID, ("depth", "width", "dropout"))
OF_THE_DATA = ("dataset", "data_seed", "val_fraction", "evaluate_on")
NOT_BESIDE = ("axes", "exclude", "skip", "cells", "looks", "bounds")  # keys of a study that a recipe leaves no place for
JOIN = " + "  # between the keys of a switch, in its name


class Switch(NamedTuple):
    """A part of a recipe that can be taken out of it, and added to the plain run.

    Args:
        name: Its group, or its keys.
        on: What the recipe sets.
        off: What the plain run sets in its place; a key that is not there has its default.
        joined: Why settings that were given separately are one switch; a sentence, or empty.
    """

    name: str
    on: Cell
    off: Cell
    joined: str = ""


def make_ablation(study: Study) -> Study:
    """Make the cells of a study that has a recipe.

    Args:
        study: As its file describes it, with `recipe`, and with `zip` as groups of keys of the recipe.

    Returns:
        The study with cells and `switches`, with the settings of switches taken out of its base.

    Raises:
        ConfigError: With everything that is wrong with the recipe.
    """
    if problems := [*_find_unfit(study), *_find_zip_mistakes(study)]:
        raise ConfigError(*problems)
    switches = [_make_switch(keys, study) for keys in _group_keys(study.recipe, study.zip)]
    moved = {key for switch in switches for key in (*switch.on, *switch.off)}
    study = replace(study, base={key: value for key, value in study.base.items() if key not in moved}, zip=[])
    for name, chosen in ((PLAIN_RUN, []), ("the recipe", switches)):
        if problems := _look_up(study, _combine("", switches, chosen)):
            advice = ["`base` says what it has where the recipe sets something else."] if name == PLAIN_RUN else []
            raise ConfigError(*(f"{name}: {problem}" for problem in problems), *advice)
    plain = dict(_list_values(study, _combine(PLAIN, switches, [])))
    if problems := list(_find_without_difference(switches, plain)):
        raise ConfigError(*problems)
    if len(switches := _join_bound(study, switches)) < NEEDED:
        given = switches[0].joined or f"has a single switch, {switches[0].name}."
        raise ConfigError(f"recipe: {given} An ablation needs at least {NEEDED} switches; -m compares two cells.")
    described = [_describe(switch, switches, plain) for switch in switches]
    return replace(study, cells=_list_cells(switches), switches=described)


def _find_unfit(study: Study) -> Iterator[str]:
    """What a study with a recipe cannot have."""
    if not study.recipe:
        yield "recipe: has no settings: give the ones that make it, or leave the key out."
    for key in NOT_BESIDE:
        if getattr(study, key):
            advice = "its intervals are for one number of seeds" if key in ("looks", "bounds") else "the recipe makes the cells"
            yield f"{key}: cannot stand beside a recipe: {advice}. Leave it out."
    for key in study.recipe:
        name, name_of_group = make_printable(key), key.partition(".")[0]
        if key in ABOUT_NO_RUN:
            yield f"recipe: {name}: changes no number of a run, so that it is no switch: give it in the command."
        elif name_of_group in list_groups():
            yield f"recipe: {name}: measures, and changes no number, so that it is no switch: write it into `base`."
        elif name_of_group in OF_THE_DATA and not key.startswith("dataset.scale"):
            yield (
                f"recipe: {name}: says on which examples runs are trained and tested, and runs on others cannot be compared: "
                "write it into `base`."
            )


def _find_zip_mistakes(study: Study) -> Iterator[str]:
    seen: set[str] = set()
    for group in study.zip:
        for key in group:
            name = make_printable(key)
            if key not in study.recipe:
                listed = ", ".join(map(make_printable, study.recipe))
                yield f"{ZIP}: {name} is not in the recipe, which has {listed}.{nearest_option(name, list(study.recipe))}"
            elif key in seen:
                yield f"{ZIP}: {name} comes twice."
            seen.add(key)
        if len(group) == 1:
            yield f"{ZIP}: [{make_printable(group[0])}] is one setting: name two or more that go together."


def _group_keys(recipe: Cell, together: Sequence[Sequence[str]]) -> list[list[str]]:
    """The keys of each switch: the settings of a group stand with its option, if the recipe has one; `together` joins them."""
    unit = {key: group if (group := key.partition(".")[0]) in recipe and group in groups() else key for key in recipe}
    for named in together:
        joined = {unit[key] for key in named}
        unit = {key: unit[named[0]] if name in joined else name for key, name in unit.items()}
    return [[key for key in recipe if unit[key] == name] for name in dict.fromkeys(unit.values())]


def _make_switch(keys: Sequence[str], study: Study) -> Switch:
    """The switch with these keys of the recipe. Settings of a group in `base` are those of the plain option alone."""
    options = [key for key in keys if key in groups()]
    names = [key for key in keys if not _is_below(key, options)]
    off = {key: value for key, value in study.base.items() if key in keys or key.partition(".")[0] in options}
    return Switch(JOIN.join(names), {key: study.recipe[key] for key in keys}, off)


def _is_below(key: str, options: Collection[str]) -> bool:
    """Whether a key is one of the settings below an option: `optimizer.lr` beside `optimizer`."""
    return "." in key and key.partition(".")[0] in options


def _combine(arm: str, switches: Sequence[Switch], chosen: Sequence[Switch]) -> Cell:
    """The cell in which these switches are on, and the others off."""
    cell: Cell = {ARM: arm}
    for switch in switches:
        cell |= switch.on if switch in chosen else switch.off
    return cell


def _list_values(study: Study, cell: Cell) -> Iterator[tuple[str, Any]]:
    """Each group of the config of a cell with its option, and each key with its value."""
    composed = compose(command(study, cell, study.repeats[0], {}))
    yield from composed.choices.items()
    yield from leaves(composed.config)


def _look_up(study: Study, cell: Cell) -> list[str]:
    """Everything that is wrong with a cell, with suggestions."""
    overrides = command(study, cell, study.repeats[0], {})
    return look_up(overrides, multirun=False) or check(compose(overrides))


def _find_problems(study: Study, cell: Cell) -> list[str]:
    """The same without suggestions, which take long."""
    overrides = command(study, cell, study.repeats[0], {})
    wrong = find_mistakes(overrides, multirun=False, suggest=False)
    return [line for lines in wrong.values() for line in lines] or check(compose(overrides))


def _find_without_difference(switches: Sequence[Switch], plain: Mapping[str, Any]) -> Iterator[str]:
    """Settings of the recipe that the plain run has, too."""
    for switch in switches:
        for key, value in switch.on.items():
            if not _is_below(key, switch.on) and key in plain and normalise(plain[key]) == normalise(value):
                yield (
                    f"recipe: {key}={make_printable(spell(value))}: is what the plain run has, too, so that it is no switch: "
                    "leave it out."
                )


def _join_bound(study: Study, switches: list[Switch]) -> list[Switch]:
    """Join switches of which one cannot be put back, or added, without the other."""
    while found := _find_bound(study, switches):
        bound, why = found
        *first, last = [switch.name for switch in bound]
        earlier = [switch.joined for switch in bound if switch.joined]
        joined = " ".join([*earlier, f"{', '.join(first)} and {last} are one switch, because {why}"])
        merged = Switch(
            JOIN.join(switch.name for switch in bound),
            {key: value for switch in bound for key, value in switch.on.items()},
            {key: value for switch in bound for key, value in switch.off.items()},
            joined,
        )
        switches = [merged if switch == bound[0] else switch for switch in switches if switch not in bound[1:]]
    return switches


def _find_bound(study: Study, switches: Sequence[Switch]) -> tuple[list[Switch], str] | None:
    """The first switch that cannot be put back or added alone, with those that it hangs together with, and why."""
    for switch in switches:
        others = [other for other in switches if other != switch]
        for does, alone in (("put back", others), ("added", [switch])):
            problems = _find_problems(study, _combine("", switches, alone))
            if not problems:
                continue
            bound = _shrink(study, switches, switch, adds=does == "added")
            return bound, f"{switch.name} cannot be {does} alone: {problems[0]}"
    return None


def _shrink(study: Study, switches: Sequence[Switch], switch: Switch, *, adds: bool) -> list[Switch]:
    """A set of switches with this one that can be put back, or added, at once; without any other of them it could not.

    The recipe and the plain run are valid, so that the set of all switches is one: the search begins there.
    """
    bound, before = list(switches), 0
    while len(bound) != before:  # what could not be left out before may be once others are
        before = len(bound)
        for other in [each for each in bound if each != switch]:
            fewer = [each for each in bound if each != other]
            on = [each for each in switches if (each in fewer) == adds]
            bound = fewer if not _find_problems(study, _combine("", switches, on)) else bound
    return bound


def _name_arms(switch: Switch, switches: Sequence[Switch]) -> tuple[str, str]:
    """The arms without this switch, and with it alone. Of two switches, being without one is having only the other."""
    without = next((f"only {other.name}" for other in switches if other != switch), "") if len(switches) == 2 else ""
    return without or f"without {switch.name}", f"only {switch.name}"


def _list_cells(switches: Sequence[Switch]) -> list[Cell]:
    cells = [_combine(RECIPE, switches, switches)]
    for switch in switches:
        others = [other for other in switches if other != switch]
        cells.append(_combine(_name_arms(switch, switches)[0], switches, others))
    cells.append(_combine(PLAIN, switches, []))
    known = {cell[ARM] for cell in cells}
    alone = [_combine(_name_arms(switch, switches)[1], switches, [switch]) for switch in switches]
    return cells + [cell for cell in alone if cell[ARM] not in known]


def _describe(switch: Switch, switches: Sequence[Switch], plain: Mapping[str, Any]) -> dict[str, Any]:
    """The switch as protocol.json holds it."""
    without, only = _name_arms(switch, switches)
    shown = {key: plain[key] for key in switch.on if key in plain and not _is_below(key, switch.on)}
    return {"name": switch.name, "on": switch.on, "plain": shown, "without": without, "only": only, "joined": switch.joined}
