"""The contents of conf/: the groups, their options and the keys of each. Imports nothing that a file names.

Options come from the project's own conf/ and from that of the lab in use, which may add options but replace none.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

from omegaconf import OmegaConf

from dlexp.config import plain_yaml
from dlexp.config.combination import find_wrong_combination, is_combination, split_choice
from dlexp.config.lab import Lab
from dlexp.config.lab_options import check_option, find_intruders
from dlexp.config.values import Tree, format_value, leaves, make_printable
from dlexp.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]
# A wheel holds conf/ in the package; in a checkout it is beside the package.
CONF = PACKAGE / "conf" if (PACKAGE / "conf").is_dir() else PACKAGE.parent / "conf"

NOTES = ("_traits_", "_ranges_")  # blocks in the file of an option that describe it and do not enter a config


class Traits(NamedTuple):
    """What an option needs and provides: the block `_traits_` of its file. A model needs `images`, a dataset gives them.

    Args:
        needs: What the options that it is combined with must provide.
        gives: What a dataset holds: images, features or series; `soft targets` of an augmentation that mixes examples.
        has: What a model consists of, such as convolutions.
        requires: Python packages that it imports besides torch.
        same_numbers: Keys that change how it is computed and how fast, and its numbers at most by rounding.
        user_files: The keys of a dataset that name files or folders of the user. Their content enters the id, not their path.
        suffixes: The endings, in lower case, of the files that it reads below these folders. Without them all files count.
        published_files: The keys that name a folder of files with known hashes, which are checked. They are not in the id.
    """

    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    same_numbers: tuple[str, ...] = ()
    user_files: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    published_files: tuple[str, ...] = ()


# Keys that make an option what it is: a command cannot set them.
FIXED = ("hardware.device", "precision.format", "optimizer.nesterov")

Cached = TypeVar("Cached", bound=Callable)
_lab: Lab | None = None
_clear_caches: list[Callable[[], None]] = []


def per_lab(function: Cached) -> Cached:
    """Mark a cached function whose results depend on the lab: `use_lab` clears its cache."""
    _clear_caches.append(function.cache_clear)  # type: ignore[attr-defined]  # of functools.cache
    return function


def use_lab(lab: Lab | None) -> None:
    """Add the options of a lab to those of the project, in place of the options of another lab; None: of none.

    The files of all options are read again, so that a running process sees an edit.

    Raises:
        ConfigError: If the lab holds an option that the project has, or a group or base config of its own.
    """
    global _lab
    _lab = None
    for clear in _clear_caches:
        clear()
    if lab is None:
        return
    ours = {group: _options(group) for group in (*groups(), *list_groups(), "study")}
    if problems := find_intruders(lab, ours):
        raise ConfigError(*problems)
    _lab = lab
    for clear in _clear_caches:
        clear()


def current_lab() -> Lab | None:
    """The lab in use."""
    return _lab


def option_file(group: str, option: str) -> Path:
    """The file of an option or of a study, in conf/ or in that of the lab."""
    path = CONF / group / f"{option}.yaml"
    return path if _lab is None or path.exists() else _lab.conf / group / path.name


def in_lab(group: str, option: str) -> bool:
    """Whether an option or a study is one of the lab."""
    return _lab is not None and option_file(group, option).is_relative_to(_lab.conf)


def options_in(group: str) -> list[str]:
    """The options of a group, or the studies, sorted: the project's and the lab's."""
    return sorted(_options(group) + ([path.stem for path in (_lab.conf / group).glob("*.yaml")] if _lab else []))


def read(path: Path) -> Tree:
    """Read what one YAML file contributes to a config, references left as text. Not to be changed by the caller.

    Raises:
        ConfigError: If it is not plain YAML, or larger than any config.
    """
    return _read(path)[0]


@per_lab
@cache
def _read(path: Path) -> tuple[Tree, Tree]:
    """The content of a file: the part that enters a config, and the blocks named in `NOTES`."""
    try:
        text = plain_yaml.read(path)
        plain = plain_yaml.parse(text)  # before OmegaConf, which expands aliases and obeys some tags
        if plain is not None and not isinstance(plain, dict):
            raise ValueError(f"it must be a map, key: value, got {format_value(plain)}")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{format_place(path)}: {make_printable(str(error))}.") from error
    content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    if not isinstance(content, dict):
        return {}, {}  # an empty file is an empty list
    notes = {key: content.pop(key) for key in NOTES if key in content}
    if _lab and path.is_relative_to(_lab.conf) and path.parent.name != "study":
        group = path.parent.name
        ours = [read(CONF / group / f"{option}.yaml") for option in _options(group)]
        if problems := check_option(_lab, path, content, notes, ours):
            raise ConfigError(*(f"{format_place(path)}: {problem}" for problem in problems))
    return content, notes  # type: ignore[return-value]  # keys are text


def format_place(path: Path) -> str:
    """The path of an option's file for a message: from conf/ on, and whole if it is in a lab."""
    return f"conf/{path.relative_to(CONF).as_posix()}" if path.is_relative_to(CONF) else make_printable(str(path))


@per_lab
@cache
def groups() -> dict[str, list[str]]:
    """Each group of which a run has one option, with its options, both sorted. Not to be changed by the caller."""
    return {group: options_in(group) for group, default in sorted(_defaults().items()) if isinstance(default, str)}


@per_lab
@cache
def list_groups() -> dict[str, list[str]]:
    """The same for the groups of which a run has a list of options: those with a list as default, such as `probe: []`."""
    return {group: options_in(group) for group, default in sorted(_defaults().items()) if isinstance(default, list)}


def _options(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


@per_lab
@cache
def _defaults() -> dict[str, str | list[str]]:
    """The default of each group, in the order of config.yaml. Not to be changed by the caller."""
    entries = [entry for entry in read(CONF / "config.yaml")["defaults"] if isinstance(entry, dict)]
    return {group: default for entry in entries for group, default in entry.items() if (CONF / group).is_dir()}


@per_lab
@cache
def read_option(group: str, option: str) -> Tree:
    """The keys of an option, as its file gives them. Not to be changed by the caller."""
    if is_combination(option):
        return {name: read_option(group, name) for name in split_choice(option)}
    return read(option_file(group, option))


def is_option(group: str, option: str) -> bool:
    """Whether a run can have this option of a group, or this combination of its options."""
    known = groups().get(group, [])
    return not find_wrong_combination(group, option, known) if is_combination(option) else option in known


def read_notes(group: str, option: str) -> Tree:
    """The blocks of an option's file that are named in `NOTES`; config.yaml is the option `config` of the group "".

    Not to be changed by the caller.
    """
    return _read(option_file(group, option))[1]


@per_lab
@cache
def traits(group: str, option: str) -> Traits:
    """What an option needs and provides, as its file says.

    Raises:
        ConfigError: If the file names an unknown trait, gives one that is no list of words, or names a key that it lacks.
    """
    if is_combination(option):
        several = zip(*(traits(group, name) for name in split_choice(option)), strict=True)
        return Traits(*(tuple(dict.fromkeys(chain(*words))) for words in several))
    place = f"{format_place(option_file(group, option))}: _traits_"
    block = read_notes(group, option).get("_traits_", {})
    if unknown := block.keys() - Traits._fields:
        raise ConfigError(f"{place}: no such trait: {', '.join(sorted(unknown))}. Traits: {', '.join(Traits._fields)}.")
    for name, value in block.items():
        if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
            raise ConfigError(f"{place}.{name}: expected a list of words such as [a, b], got {format_value(value)}.")
    found = Traits(**{name: tuple(value) for name, value in block.items()})
    if missing := {*found.user_files, *found.published_files} - read_option(group, option).keys():
        raise ConfigError(f"{place}: expected keys of this file, got {', '.join(sorted(missing))}.")
    return found


def default_choices() -> dict[str, str]:
    """The default option of each group of `groups()`, in the order of config.yaml."""
    return {group: option for group, option in _defaults().items() if isinstance(option, str)}


def default_lists() -> dict[str, list[str]]:
    """The default options of each group of `list_groups()`, in the order of config.yaml."""
    return {group: options for group, options in _defaults().items() if isinstance(options, list)}


def scalars() -> Tree:
    """The keys that belong to no group: the plain part of config.yaml, with what the lab's dlexp.toml sets."""
    plain = read(CONF / "config.yaml").items()
    return {key: value for key, value in plain if key not in ("defaults", "hydra")} | (_lab.settings if _lab else {})


def template(choices: Mapping[str, str], lists: Mapping[str, Iterable[str]]) -> Tree:
    """The whole config as the files give it for these choices, references left as text. Not to be changed by the caller.

    Args:
        choices: Group → option.
        lists: Group → options, of the groups with a list.
    """
    several = {group: {option: read_option(group, option) for option in lists.get(group, ())} for group in list_groups()}
    return {group: read_option(group, option) for group, option in choices.items()} | several | scalars()


@per_lab
@cache
def option_keys(group: str, option: str) -> Tree:
    """Config path → default, of all keys of an option, `optimizer._target_` included. Not to be changed by the caller."""
    return dict(leaves(read_option(group, option), f"{group}.{option}." if group in list_groups() else f"{group}."))
