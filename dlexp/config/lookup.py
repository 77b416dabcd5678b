"""Look up a command in conf/ before anything is composed: find every mistake at once, and import or run nothing."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from dlexp.config.choices import check_choice
from dlexp.config.combination import explain_left_out, is_combination, name_choice, split_choice
from dlexp.config.grid import GRID, SKIP, WITHOUT_EFFECT
from dlexp.config.grid_mistakes import check_word, count_cells, find_mistakes_between
from dlexp.config.launcher import is_of_launcher
from dlexp.config.options import FIXED, default_choices, default_lists, groups, is_option, list_groups, option_keys, scalars
from dlexp.config.overrides import AXIS, MAX_CELLS, Override, is_multirun, parse, sweeper_axes
from dlexp.config.shared_keys import key_elsewhere, settable_keys
from dlexp.config.suggestion import suggest_group, suggest_reference, suggest_setting
from dlexp.config.trial import Trial
from dlexp.config.values import (
    find_private_keys,
    find_references,
    find_resolver_calls,
    leaves,
    make_printable,
)
from dlexp.errors import ConfigError

HYDRA_KEYS = ("hydra.mode", "hydra.sweeper.params")

Chosen = Mapping[str, Sequence[str]]  # group → the options that the command uses; none where that is not clear


class _Command(NamedTuple):
    """What a check needs to know of a command.

    Args:
        chosen: The options that it uses.
        sweeps: Whether it is a sweep.
        skips: Whether cells in which a setting has no effect are left out.
        trial: The overrides beside the one that is checked; None: nothing is to be suggested.
    """

    chosen: Chosen
    sweeps: bool
    skips: bool
    trial: Trial | None


def look_up(overrides: Sequence[str], *, multirun: bool, replaceable: Collection[str] = ()) -> list[str]:
    """Find every mistake in the overrides of one command that can be seen without composing it.

    Args:
        overrides: As typed, including those of `hydra.`.
        multirun: Whether the command sweeps (-m).
        replaceable: Keys among them that a suggestion may set again: those that a study sets.

    Returns:
        One line each: what was typed, what is wrong with it, the nearest valid choice.
    """
    return [line for lines in find_mistakes(overrides, multirun=multirun, replaceable=replaceable).values() for line in lines]


def find_mistakes(
    overrides: Sequence[str], *, multirun: bool, replaceable: Collection[str] = (), suggest: bool = True
) -> dict[int, list[str]]:
    """As `look_up`, by the position of the override that the lines are about; without suggestions if so asked."""
    find = partial(find_mistakes, multirun=True, suggest=False)
    trials = [
        Trial([*overrides[:i], *overrides[i + 1 :]], replaceable, find) if suggest else None for i in range(len(overrides))
    ]
    command: dict[int, Override] = {}
    wrong: dict[int, list[str]] = {}
    for position, typed in enumerate(overrides):
        try:
            command[position] = parse(typed)
        except ConfigError as error:
            wrong[position] = error.problems
    chosen = _find_chosen(command.values())
    for group, options in chosen.items():
        for option in options:
            option_keys(group, option)  # raises if the file is no plain YAML
    for position in wrong:
        wrong[position] = [*_explain_unreadable(overrides[position], wrong[position], chosen, trials[position])]
    sweeps = multirun or is_multirun(command.values())
    skips = any(override.key == SKIP and override.values != [None] for override in command.values())
    first: dict[str, str] = {}
    num_cells = 1
    for position, factor in count_cells(command):
        override = command[position]
        if override.key == "hydra.mode" and override.values == ["RUN"] and multirun:
            wrong[position] = [f"{override.text}: contradicts -m: leave one of the two out."]
            continue
        lines = list(_check_override(override, _Command(chosen, sweeps, skips, trials[position])))
        for key in (override.key, *sweeper_axes(override)):
            if key in first:
                lines.append(f"{override.text}: {make_printable(key)} is set twice, here and by {first[key]}.")
            first.setdefault(key, override.text)
        num_cells *= factor
        if num_cells > MAX_CELLS:
            lines.append(f"{override.text}: makes a sweep of more than {MAX_CELLS} runs.")
            num_cells = 1
        if lines:
            wrong[position] = lines
    return dict(sorted((wrong or find_mistakes_between(command)).items()))


def _find_chosen(command: Iterable[Override]) -> Chosen:
    chosen: dict[str, Sequence[str]] = {group: [option] for group, option in default_choices().items()}
    chosen |= default_lists()
    for override in command:
        if options := list_groups().get(override.key):
            lists = [value for value in override.values if isinstance(value, list)]
            chosen[override.key] = [name for value in lists for name in value if name in options]
        elif override.key in chosen:
            names = [name_choice(value) for value in override.values]
            chosen[override.key] = names if all(is_option(override.key, name) for name in names) else []
    return chosen


def _explain_unreadable(typed: str, lines: Sequence[str], chosen: Chosen, trial: Trial | None) -> Iterator[str]:
    """Say what is wrong with what could not be parsed: `lines` of the parser, or that a setting is no flag."""
    if typed.startswith("-"):
        key, equals, value = typed.lstrip("-").partition("=")
        meant = suggest_setting(key, value, settable_keys(_find_known(chosen)), trial) if equals else ""
        yield f"{make_printable(typed)}: settings are written without dashes, such as batch_size=64.{meant}"
    else:
        yield from lines[:-1]
        yield lines[-1] + suggest_group(typed, trial)


def _find_known(chosen: Chosen) -> dict[str, Any]:
    """The keys that a command with these options has, with their defaults."""
    known = dict(leaves(scalars()))
    for group, options in chosen.items():
        for option in options or groups().get(group, []):
            known |= option_keys(group, option)
    return known


def _check_override(override: Override, command: _Command) -> Iterator[str]:
    key, text, parsed = override.key, override.text, override.parsed
    plain = f"{key}={override.value_text}"
    names = re.split(r"[./]", key)
    if name := next((name for name in [*names, *find_private_keys(override.values)] if name.startswith("_")), None):
        name = make_printable(name)
        yield f"{text}: {name} is not for a command to set: the options of the groups alone choose what code runs."
    elif call := next(find_resolver_calls(override.values), None):
        yield f"{text}: {make_printable(call)} is not a reference to a key, such as ${{depth}}; nothing else is looked up."
    elif names[0] == "hydra":
        yield from _check_hydra_key(override, command.sweeps)
    elif parsed.is_delete():
        alternative = f"; {key}=none leaves it out" if "none" in groups().get(key, []) else ""
        yield f"{text}: nothing can be deleted from a config{alternative}."
    elif parsed.package is not None:
        advice = f"leave out @{make_printable(parsed.package)}"
        if command.trial and not command.trial.find_problems([plain]):
            advice = f"write {plain}"
        yield f"{text}: a group has one place: {advice}."
    elif key in GRID and not (parsed.is_add() or parsed.is_force_add()):
        yield from check_word(override, sweeps=command.sweeps)
    else:
        is_choice = key in command.chosen
        found = list(check_choice(override, command.trial) if is_choice else _check_key(override, command))
        yield from found
        if not found and (parsed.is_add() or parsed.is_force_add()):
            yield f"{text}: {key} is there already: leave out the plus sign."
        if parsed.is_sweep_override() and not command.sweeps:
            yield f"{text}: several values: add -m to sweep over them."
        if len({repr(value) for value in override.values}) < len(override.values):
            yield f"{text}: the same value comes twice."


def _check_hydra_key(override: Override, sweeps: bool) -> Iterator[str]:
    key, parsed = override.key, override.parsed
    if key not in HYDRA_KEYS and not key.startswith(AXIS) or parsed.is_delete() or parsed.package is not None:
        yield f"{override.text}: of hydra only {', '.join(HYDRA_KEYS)} may be set."
    elif any(word in override.typed for word in ("_target_", "(", "class")):
        yield f"{override.text}: nothing that names code may be set in hydra."
    elif parsed.is_sweep_override():
        yield f"{override.text}: a setting of hydra takes one value."
    elif key == "hydra.mode" and override.value not in ("RUN", "MULTIRUN"):
        yield f"{override.text}: must be RUN or MULTIRUN."
    elif key.startswith("hydra.sweeper.params"):
        if not sweeps:
            yield f"{override.text}: has no effect without a sweep: add -m, or leave it out."
        yield from look_up([f"{axis}={values}" for axis, values in sweeper_axes(override).items()], multirun=True)


def _check_key(override: Override, command: _Command) -> Iterator[str]:
    key, group, chosen, trial = override.key, override.key.partition(".")[0], command.chosen, command.trial
    known = _find_known(chosen)
    combined = filter(is_combination, chosen.get(group, []))
    options_here = [*(groups() | list_groups()).get(group, []), *combined]
    having = [option for option in options_here if key in option_keys(group, option)]
    lacking = [option for option in chosen.get(group, []) if option not in having]
    if elsewhere := key_elsewhere(key, known):
        kind = "group" if elsewhere.partition(".")[0] in chosen else "key"
        meant = f"{elsewhere}={override.value_text}"
        if trial and trial.find_problems([meant]):
            better = suggest_setting(elsewhere, override.value_text, settable_keys(known), trial)
            yield f"{override.text}: the {kind} {elsewhere.partition('.')[0]} sets it.{better}"
        else:
            yield f"{override.text}: set it on the {kind}: {meant}."
    elif key in FIXED and having:
        yield f"{override.text}: follows from the option: choose another one of {group} ({', '.join(groups()[group])})."
    elif having and group in list_groups() and not {*having} & {*chosen[group]} and not command.skips:
        yield f"{override.text}: this {group} is not chosen: add it to {group}=[...]."
    elif having and lacking and group not in list_groups() and not command.skips:
        name = key.removeprefix(f"{group}.")
        verb = "have" if having[1:] else "has"
        skip = f" {SKIP}={WITHOUT_EFFECT} leaves these cells out." if {*having} & {*chosen[group]} else ""
        inner = [option for option in having if option in {part for choice in lacking for part in split_choice(choice)}]
        hint = f" Of {inner[0]} in a list it is {group}.{inner[0]}.{name}." if inner and inner[0] not in lacking else ""
        yield f"{override.text}: {group}={', '.join(lacking)} has no {name}; {', '.join(having)} {verb}.{hint}{skip}"
    elif below := [path for path in known if path.startswith(f"{key}.") and key not in chosen]:
        yield f"{override.text}: its keys are set one by one: {', '.join(below)}."
    elif is_of_launcher(key):
        yield f"{override.text}: belongs to a command that trains a sweep, a study or an ablation: leave it out here."
    elif key not in known and (left_out := explain_left_out(key, chosen.get(group, ()), options_here)):
        yield f"{override.text}: {left_out}"
    elif key not in known:
        yield f"{override.text}: no such key.{suggest_setting(key, override.value_text, settable_keys(known), trial)}"
    elif not override.values:
        yield f"{override.text}: no values."
    else:
        for name in sorted(find_references(override.values) - known.keys()):
            suggestion = "" if name in groups() else suggest_reference(override, name, settable_keys(known), trial)
            yield f"{override.text}: ${{{make_printable(name)}}} refers to no key.{suggestion}"
