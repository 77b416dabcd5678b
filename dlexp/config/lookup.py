"""The look-up of a command in conf/, before Hydra composes anything: every mistake at once, and nothing imported or run."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dlexp.config.options import (
    FIXED,
    REFERENCE,
    default_choices,
    groups,
    keys_of,
    leaves,
    on_one_line,
    probes,
    reference,
    references_in,
    scalars,
    shown,
)
from dlexp.config.overrides import LARGEST, Given, read
from dlexp.config.suggestion import nearest_key, nearest_option
from dlexp.errors import ConfigError

HYDRA_KEYS = ("hydra.mode", "hydra.sweeper.params")

Chosen = Mapping[str, Sequence[str]]  # group, probe included → the options that the command uses; none where that is not clear


def look_up(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """Every mistake in the overrides of one command that can be seen without composing it.

    Args:
        overrides: As typed, those of `hydra.` too.
        multirun: Whether the command sweeps (-m).

    Returns:
        One line each: what was typed, what is wrong with it, the nearest valid choice.
    """
    return [line for lines in mistakes(overrides, multirun=multirun).values() for line in lines]


def mistakes(overrides: Sequence[str], *, multirun: bool) -> dict[int, list[str]]:
    """As `look_up`, by the position of the override that the lines are about."""
    command: dict[int, Given] = {}
    wrong: dict[int, list[str]] = {}
    for position, typed in enumerate(overrides):
        try:
            command[position] = read(typed)
        except ConfigError as error:
            wrong[position] = error.problems
    chosen = _chosen(command.values())
    for group, options in chosen.items():
        for option in options:
            keys_of(group, option)  # a file that is none that a config may be made of is refused before Hydra reads it
    multirun = multirun or "hydra.mode=MULTIRUN" in overrides
    first: dict[str, str] = {}
    num_cells = 1
    for position, given in command.items():
        lines = list(_look(given, chosen, multirun))
        if given.key in first:
            lines.append(f"{given.text}: {on_one_line(given.key)} is set twice, here and by {first[given.key]}.")
        first.setdefault(given.key, given.text)
        num_cells *= max(1, len(given.values))
        if num_cells > LARGEST:
            lines.append(f"{given.text}: makes a sweep of more than {LARGEST} runs.")
            num_cells = 1
        if lines:
            wrong[position] = lines
    return dict(sorted(wrong.items()))


def _chosen(command: Iterable[Given]) -> Chosen:
    chosen: dict[str, Sequence[str]] = {group: [option] for group, option in default_choices().items()}
    chosen["probe"] = []
    for given in command:
        if given.key == "probe":
            chosen["probe"] = [name for value in given.values if isinstance(value, list) for name in value if name in probes()]
        elif given.key in chosen:
            clear = all(value in groups()[given.key] for value in given.values)
            chosen[given.key] = given.values if clear else []
    return chosen


def _look(given: Given, chosen: Chosen, multirun: bool) -> Iterator[str]:
    """What is wrong with one override."""
    key, text, override = given.key, given.text, given.override
    names = re.split(r"[./]", key)
    if name := next((name for name in [*names, *hidden_names(given.values)] if name.startswith("_")), None):
        yield f"{text}: {on_one_line(name)} is not for a command to set: the options of the groups alone choose what code runs."
    elif call := next(calls(given.values), None):
        yield f"{text}: {on_one_line(call)} is not a reference to a key, such as ${{depth}}; nothing else is looked up."
    elif names[0] == "hydra":
        yield from _look_at_hydra(given)
    elif override.is_delete():
        alternative = f"; {key}=none leaves it out" if "none" in groups().get(key, []) else ""
        yield f"{text}: nothing can be deleted from a config{alternative}."
    elif override.package is not None:
        yield f"{text}: a group has one place: write {key}={given.typed_value}."
    else:
        look = _look_at_probes if key == "probe" else _look_at_group if key in chosen else _look_at_key
        found = list(look(given, chosen))
        yield from found
        if not found and (override.is_add() or override.is_force_add()):
            yield f"{text}: {key} is there already: write {key}={given.typed_value}."
        if override.is_sweep_override() and not multirun:
            yield f"{text}: several values: add -m to sweep over them."
        if len({repr(value) for value in given.values}) < len(given.values):
            yield f"{text}: the same value comes twice."


def hidden_names(node: Any) -> Iterator[str]:
    """The keys in a value that begin with an underscore: `_target_`, and what else Hydra's `instantiate` would obey."""
    return (str(key) for key in _inside(node)[0] if str(key).startswith("_"))


def calls(node: Any) -> Iterator[str]:
    """The interpolations in a value that are more than a reference: `${oc.env:HOME}`."""
    texts = (str(item) for items in _inside(node) for item in items)
    return (call for text in texts for call in re.findall(r"\$\{[^}]*\}?", text) if not REFERENCE.fullmatch(call))


def _inside(node: Any) -> tuple[list[Any], list[Any]]:
    """What lists and maps hold at any depth, or `node` itself: the keys of the maps, and the values."""
    keys: list[Any] = []
    values: list[Any] = []
    rest = [node]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            keys += item
            rest += item.values()
        elif isinstance(item, list):
            rest += item
        else:
            values.append(item)
    return keys, values


def _look_at_hydra(given: Given) -> Iterator[str]:
    key, override = given.key, given.override
    below = key.startswith("hydra.sweeper.params.")
    if key not in HYDRA_KEYS and not below or override.is_delete() or override.package is not None:
        yield f"{given.text}: of hydra only {', '.join(HYDRA_KEYS)} may be set."
    elif any(word in (override.input_line or "") for word in ("_target_", "(", "class")):
        yield f"{given.text}: nothing that names code may be set in hydra."
    elif override.is_sweep_override():
        yield f"{given.text}: a setting of hydra takes one value."
    elif key == "hydra.mode" and given.values[0] not in ("RUN", "MULTIRUN"):
        yield f"{given.text}: must be RUN or MULTIRUN."
    elif key.startswith("hydra.sweeper.params"):
        value = given.values[0]
        axes = {key.removeprefix("hydra.sweeper.params."): value} if below else value if isinstance(value, dict) else {}
        yield from look_up([f"{axis}={values}" for axis, values in axes.items()], multirun=True)


def _look_at_probes(given: Given, chosen: Chosen) -> Iterator[str]:
    for value in given.values:
        if not isinstance(value, list):
            yield f"{given.text}: takes a list, such as probe=[{', '.join(probes()[:2])}]."
            continue
        for name in value:
            if name not in probes():
                nearest = nearest_option(name, probes()) if isinstance(name, str) else ""
                yield f"probe=[{on_one_line(str(name))}]: no such option. Options: {', '.join(probes())}.{nearest}"
        if len({repr(name) for name in value}) < len(value):
            yield f"{given.text}: the same probe comes twice."


def _look_at_group(given: Given, chosen: Chosen) -> Iterator[str]:
    options = groups()[given.key]
    listed = f"Options: {', '.join(options)}."
    for value in given.values:
        if value not in options:
            name = on_one_line(value if isinstance(value, str) else shown(value))
            yield f"{given.key}={name}: no such option. {listed}{nearest_option(name, options)}"
    if not given.values:
        yield f"{given.text}: matches no option. {listed}"


def _look_at_key(given: Given, chosen: Chosen) -> Iterator[str]:
    key, group = given.key, given.key.partition(".")[0]
    known = dict(leaves(scalars()))
    for name, options in chosen.items():
        for option in options or groups().get(name, []):
            known |= keys_of(name, option)
    having = [option for option in groups().get(group, []) if key in keys_of(group, option)]
    lacking = [option for option in chosen.get(group, []) if option not in having]
    if elsewhere := _elsewhere(key, known):
        kind = "group" if elsewhere.partition(".")[0] in chosen else "key"
        yield f"{given.text}: set it on the {kind}: {elsewhere}={given.typed_value}."
    elif key in FIXED and having:
        yield f"{given.text}: follows from the option: choose another one of {group} ({', '.join(groups()[group])})."
    elif having and lacking:
        name = key.removeprefix(f"{group}.")
        verb = "have" if having[1:] else "has"
        yield f"{given.text}: {group}={', '.join(lacking)} has no {name}; {', '.join(having)} {verb}."
    elif below := [path for path in known if path.startswith(f"{key}.") and key not in chosen]:
        yield f"{given.text}: its keys are set one by one: {', '.join(below)}."
    elif group == "probe" and key.split(".")[1] in set(probes()) - set(chosen["probe"]):
        yield f"{given.text}: this probe is not chosen: add it to probe=[...]."
    elif key not in known:
        yield f"{given.text}: no such key.{nearest_key(key, _settable(known))}"
    elif not given.values:
        yield f"{given.text}: no values."
    else:
        for name in sorted(references_in(given.values) - known.keys()):
            suggestion = "" if name in groups() else nearest_key(name, _settable(known))
            yield f"{given.text}: ${{{on_one_line(name)}}} refers to no key.{suggestion}"


def _settable(known: Mapping[str, Any]) -> list[str]:
    return [key for key in known if _elsewhere(key, known) is None and key not in FIXED]


def _elsewhere(key: str, known: Mapping[str, Any]) -> str | None:
    """Where a key is set that a part takes from the group or the scalar that it refers to: model.norm.groups → norm.groups."""
    names = key.split(".")
    for count in range(2, len(names) + 1):
        above = ".".join(names[:count])
        target = reference(known.get(above))
        if target in groups():
            return ".".join([target, *names[count:]])
        if f"{above}._target_" in known:
            return next(
                (found for path, value in known.items() if path.startswith(f"{above}.") and (found := reference(value))), None
            )
    return None
