"""The config of one run: composed by Hydra from conf/, checked against the files there, resolved. Instantiates nothing.

The whole way of a command is look_up → compose → check → resolved. The parts of it live in options.py (what conf/ offers),
overrides.py (what was typed), lookup.py (whether it exists), schema.py (ranges) and rules.py (rules between fields).
"""

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import islice
from typing import Any, NamedTuple

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from dlexp.config.help import help_text
from dlexp.config.lookup import calls, hidden_names, look_up, mistakes
from dlexp.config.options import (
    CONF,
    FIXED,
    NOTES,
    default_choices,
    groups,
    leaves,
    on_one_line,
    probes,
    reference,
    references_in,
    shown,
    template,
)
from dlexp.config.overrides import expand, overridden_keys, read, spelled_out
from dlexp.config.ranges import rule_for
from dlexp.config.rules import Settings, objections

__all__ = [
    "CONF",
    "Composed",
    "assemble",
    "check",
    "compose",
    "composed_from",
    "expand",
    "groups",
    "help_text",
    "look_up",
    "overridden_keys",
    "problems_of",
    "resolved",
]

MOST_CELLS = 12  # of a refused sweep are composed and checked as well, at about 0.1 s each


class Composed(NamedTuple):
    """A config as Hydra composed it, before it is checked.

    Args:
        cfg: Without the `hydra` node, references not yet resolved.
        choices: Group → option.
        overrides: As given, without those of `hydra.`.
        told: Those that name the run among the others of its study; empty: all.
    """

    cfg: DictConfig
    choices: dict[str, str]
    overrides: tuple[str, ...]
    told: tuple[str, ...] = ()


def compose(overrides: Sequence[str] = ()) -> Composed:
    """The config that a command with these overrides runs, through Hydra; any number of times in one process.

    Raises:
        HydraException: If Hydra cannot compose them; `look_up` says why in plain words.
    """
    with initialize_config_dir(str(CONF), version_base="1.3"):
        cfg = hydra_compose("config", list(overrides), return_hydra_config=True)
    own = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    return composed_from(own, cfg.hydra.runtime.choices, overrides)


def composed_from(cfg: DictConfig, choices: Mapping[str, str], overrides: Sequence[str]) -> Composed:
    """What Hydra has composed.

    Args:
        cfg: Without the `hydra` node.
        choices: All that Hydra knows of.
        overrides: As given.
    """
    with open_dict(cfg):
        cfg.setdefault("probe", {})  # Hydra leaves out a group of which nothing is chosen
        for part in [*cfg.values(), *cfg.probe.values()]:
            for note in NOTES if isinstance(part, DictConfig) else ():
                part.pop(note, None)
    own = {group: option for group, option in choices.items() if group in groups()}
    return Composed(cfg, own, _own(overrides))


def assemble(overrides: Sequence[str]) -> Composed:
    """The same as `compose` within milliseconds, for the cells of a sweep: straight from the files, without Hydra.

    The overrides must have passed `look_up`, and hold one value each.
    """
    command = [read(text) for text in _own(overrides)]
    chosen = {given.key: str(given.values[0]) for given in command if given.key in groups()}
    choices = default_choices() | chosen
    chosen_probes: list[str] = next((given.values[0] for given in command if given.key == "probe"), [])
    cfg = OmegaConf.create(template(choices, chosen_probes))
    for given in command:
        if given.key not in groups() and given.key != "probe":
            OmegaConf.update(cfg, given.key, given.values[0], merge=True)
    return Composed(cfg, choices, _own(overrides))


def _own(overrides: Sequence[str]) -> tuple[str, ...]:
    return tuple(text for text in overrides if not text.startswith(("hydra.", "hydra/")))


def resolved(cfg: DictConfig) -> dict[str, Any]:
    """The config as plain dicts, lists and values, every reference replaced by what it refers to; no environment variable."""
    OmegaConf.clear_resolver("oc.env")
    return OmegaConf.to_container(cfg, resolve=True)  # type: ignore[return-value]  # a DictConfig gives a dict


def problems_of(overrides: Sequence[str], *, multirun: bool) -> list[str]:
    """Everything that is wrong with a command, if `look_up` finds anything wrong; then what is left of it is checked as well.

    Returns:
        One line each; none means that Hydra may compose the command, and `check` has still to be asked.
    """
    problems = look_up(overrides, multirun=multirun)
    if not problems:
        return []
    rest = list(overrides)
    while wrong := mistakes(rest, multirun=True):
        rest = [text for position, text in enumerate(rest) if position not in wrong]
    for cell in islice(_sample(rest), MOST_CELLS):
        try:
            problems += check(compose(cell))
        except HydraException as error:
            problems.append(f"{' '.join(cell)}: {error}".replace("\n", " "))
    return list(dict.fromkeys(problems))


def _sample(overrides: Sequence[str]) -> Iterator[list[str]]:
    """Cells of a sweep that hold each value of each key at least once."""
    axes = [spelled_out(text) for text in overrides]
    first = [axis[0] for axis in axes]
    yield first
    for position, axis in enumerate(axes):
        for text in axis[1:]:
            yield [*first[:position], text, *first[position + 1 :]]


def check(composed: Composed) -> list[str]:
    """All that is wrong with a config, as far as it can be seen without data and model. Imports nothing that it names.

    Returns:
        One line each: config path, what was expected, what came. Where keys or code are not those of conf/, nothing but that.
    """
    tree: dict[str, Any] = OmegaConf.to_container(composed.cfg, resolve=False)  # type: ignore[assignment]
    if foreign := list(_foreign_choices(composed.choices, tree)):
        return foreign
    expected = template(composed.choices, tree.get("probe", {}))
    if foreign := list(_foreign(tree, expected, tree)):
        return foreign
    values, problems = _judge(composed.cfg, tree, expected)
    given = frozenset(overridden_keys(composed.overrides))
    untouched = {path: default for path, default in leaves(expected) if path not in given}
    references = references_in(tree) | references_in(untouched)  # a resolved config has none of its own left
    return problems + objections(Settings(values, given, composed.choices, frozenset(references)))


def _foreign_choices(choices: Mapping[str, str], tree: Mapping[str, Any]) -> Iterator[str]:
    for group, options in groups().items():
        if choices.get(group) not in options:
            yield f"{group}={on_one_line(str(choices.get(group)))}: no such option. Options: {', '.join(options)}."
    for name in tree.get("probe", {}):
        if name not in probes():
            yield f"probe=[{on_one_line(str(name))}]: no such option. Options: {', '.join(probes())}."
    for group in choices.keys() - groups().keys():
        yield f"{on_one_line(group)}: no such group. Groups: {', '.join(groups())}."


def _foreign(got: Mapping[str, Any], expected: Mapping[str, Any], config: Mapping[str, Any], above: str = "") -> Iterator[str]:
    """Where a config has other keys than the files in conf/, or names other code, letter by letter.

    Args:
        got: What lies below the path `above`.
        expected: The same from the files.
        config: The whole config.
        above: Empty, or a path with a dot at its end.
    """
    yield from (f"{above}{on_one_line(str(name))}: no such key." for name in got if name not in expected)
    for name, default in expected.items():
        path, value, target = f"{above}{name}", got.get(name, default), reference(default)
        if name not in got:
            yield f"{path}: is missing."
        elif isinstance(default, dict) and isinstance(value, dict):
            yield from _foreign(value, default, config, f"{path}.")
        elif isinstance(default, dict) or name.startswith("_") or path in FIXED:
            if shown(value) != shown(default):
                yield f"{path}: must be {shown(default)}, as in the file of the option, got {shown(value)}."
        elif target in groups():
            if value not in (default, config.get(target)):  # resolved, it is a copy of the group
                yield f"{path}: must be {default}, got {shown(value)}."
        elif value != default and (code := [*hidden_names(value), *calls(value)]):
            yield f"{path}: must be a plain value, got one with {on_one_line(code[0])}."


def _judge(cfg: DictConfig, tree: dict[str, Any], expected: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Hold each value against its range.

    Args:
        cfg: The config.
        tree: The same as plain dicts, references left as text.
        expected: The same from the files.

    Returns:
        Config path → value, a bad one replaced by its default; and what is wrong, one line each.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    defaults = OmegaConf.create(expected)
    for path, default in leaves(expected):
        if path.rpartition(".")[2].startswith("_") or path == "probe" or reference(default) in groups():
            continue
        typed: Any = reduce(operator.getitem, path.split("."), tree)
        rule = rule_for(path, default)
        if typed == "???":
            problems.append(f"{path}: must be given, as {path}=...")
            continue
        try:
            values[path] = _plain(cfg, path)
        except (OmegaConfBaseException, RecursionError):
            values[path] = typed
        if not rule.holds(values[path]):
            if typed != default or reference(default) is None:  # else the key that it refers to is at fault
                problems.append(f"{path}: must be {rule.expected}, got {shown(values[path])}.")
            values[path] = _plain(defaults, path)
    return values, problems


def _plain(cfg: DictConfig, path: str) -> Any:
    value = OmegaConf.select(cfg, path)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
