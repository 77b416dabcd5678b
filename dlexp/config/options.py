"""What conf/ offers: the groups, their options, the keys of each. Reads YAML and imports nothing that a file names."""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from omegaconf import OmegaConf

from dlexp.config import plain_yaml
from dlexp.errors import ConfigError

CONF = Path(__file__).resolve().parents[2] / "conf"

Tree = dict[str, Any]

NOTES = ("_traits_",)  # blocks of an option's file that describe the option and are no part of a config


class Traits(NamedTuple):
    """What an option needs and provides: the block `_traits_` of its file. A model needs `images`, a dataset gives them.

    Args:
        needs: What the options that it is combined with must provide.
        gives: What a dataset holds: images, features or series.
        has: What a model consists of, such as convolutions.
        requires: Python packages beside torch.
        user_files: The key that holds the path of the user's own files. Their content, not their path, enters the run's id.
    """

    needs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    has: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    user_files: str | None = None


REFERENCE = re.compile(r"\$\{([A-Za-z]\w*(?:\.\w+)*)\}")  # ${depth}, ${optimizer.lr}; not ${oc.env:HOME}

FIXED = (
    "hardware.device",
    "precision.format",
    "optimizer.nesterov",
)  # what makes an option that option: never set apart from it


def read(path: Path) -> Tree:
    """Read what one YAML file contributes to a config, references left as text. Not to be changed by the caller.

    Raises:
        ConfigError: If the file is larger or more complex than a config, or not plain YAML.
    """
    return _read(path)[0]


@cache
def _read(path: Path) -> tuple[Tree, Tree]:
    """The content of a file: what belongs into a config, and the blocks named in `NOTES`."""
    try:
        text = plain_yaml.read(path)
        plain_yaml.parse(text)  # before OmegaConf, which writes aliases out and obeys some tags
    except ValueError as error:
        raise ConfigError(f"conf/{path.parent.name}/{path.name}: {on_one_line(str(error))}.") from error
    content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    if not isinstance(content, dict):
        return {}, {}  # an empty file is an empty list
    notes = {key: content.pop(key) for key in NOTES if key in content}
    return content, notes  # type: ignore[return-value]  # keys are text


@cache
def groups() -> dict[str, list[str]]:
    """Each group of which a run has one option, with its options, both sorted. Not to be changed by the caller."""
    found: dict[str, list[str]] = {}
    for path in sorted(CONF.glob("*/*.yaml")):
        if path.parent.name not in ("probe", "study"):
            found.setdefault(path.parent.name, []).append(path.stem)
    return found


@cache
def probes() -> list[str]:
    """The options of the group `probe`, of which a run may have several. Not to be changed by the caller."""
    return sorted(path.stem for path in (CONF / "probe").glob("*.yaml"))


def part(group: str, option: str) -> Tree:
    """The keys of one option, as its file gives them."""
    return read(CONF / group / f"{option}.yaml")


@cache
def traits(group: str, option: str) -> Traits:
    """What an option needs and provides, as its file says.

    Raises:
        ConfigError: If the file names an unknown trait.
    """
    block: Tree = _read(CONF / group / f"{option}.yaml")[1].get("_traits_", {})
    if unknown := block.keys() - Traits._fields:
        raise ConfigError(f"conf/{group}/{option}.yaml: _traits_: no such trait: {', '.join(sorted(unknown))}.")
    values: Tree = {name: tuple(value) if isinstance(value, list) else value for name, value in block.items()}
    return Traits(**values)


def default_choices() -> dict[str, str]:
    """The option of each group when nothing else is asked for, in the order of config.yaml."""
    entries = read(CONF / "config.yaml")["defaults"]
    choices = {group: option for entry in entries if isinstance(entry, dict) for group, option in entry.items()}
    return {group: option for group, option in choices.items() if group in groups()}


def scalars() -> Tree:
    """The keys that belong to no group: the plain part of config.yaml."""
    return {key: value for key, value in read(CONF / "config.yaml").items() if key not in ("defaults", "hydra")}


def template(choices: Mapping[str, str], chosen_probes: Iterable[str] = ()) -> Tree:
    """The whole config as the files give it for these choices, references left as text."""
    parts = {group: part(group, option) for group, option in choices.items()}
    return parts | {"probe": {probe: part("probe", probe) for probe in chosen_probes}} | scalars()


def leaves(tree: Tree, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each path below `tree` that holds a value, with the value; lists and empty maps are values."""
    for name, node in tree.items():
        path = f"{above}{name}"
        if isinstance(node, dict) and node:
            yield from leaves(node, f"{path}.")
        else:
            yield path, node


@cache
def keys_of(group: str, option: str) -> Tree:
    """Config path → default, of all keys of one option, `optimizer._target_` included. Not to be changed by the caller."""
    return dict(leaves(part(group, option), f"probe.{option}." if group == "probe" else f"{group}."))


def reference(value: object) -> str | None:
    """The path that `value` points at if it is nothing but one reference: "${norm}" gives "norm"."""
    match = REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match else None


def references_in(node: object) -> set[str]:
    """Every path that some text below `node` refers to: {"data_dir"} in "${data_dir}/.cache"."""
    if isinstance(node, dict):
        return {name for value in node.values() for name in references_in(value)}
    if isinstance(node, list):
        return {name for value in node for name in references_in(value)}
    return set(REFERENCE.findall(node)) if isinstance(node, str) else set()


def shown(value: object) -> str:
    """A value for a message: as it is typed, on one line, cut where it is long."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def on_one_line(text: str) -> str:
    """Text from outside for a message: nothing that a terminal would obey, and not too long."""
    text = "".join(letter if letter.isprintable() else "?" for letter in text[:121])
    return text if len(text) <= 120 else f"{text[:117]}..."
