"""The config of one run: composed from the files in conf/ and the overrides of a command. Instantiates nothing.

A command goes through look_up, compose and check. What conf/ offers is in options.py, the grammar of overrides in
overrides.py, which keys exist in lookup.py, and what a config must satisfy in check.py, ranges.py and rules.py.
"""

import operator
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

from omegaconf import OmegaConf

from dlexp.config.options import Tree, default_choices, default_lists, groups, list_groups, template
from dlexp.config.overrides import Override, parse


@dataclass(frozen=True)
class Composed:
    """The config of one run, not checked yet.

    Args:
        tree: The config as plain dicts, lists and values. References such as `${depth}` are text.
        choices: Group → option.
        overrides: Those of the command, without those of `hydra.`.
        label: The overrides that distinguish the run from the others of its study; empty: all.
    """

    tree: Tree
    choices: dict[str, str]
    overrides: tuple[Override, ...] = ()
    label: tuple[Override, ...] = ()

    @property
    def command(self) -> list[str]:
        """The overrides as they were typed."""
        return [override.typed for override in self.overrides]

    @property
    def overridden_keys(self) -> frozenset[str]:
        """The keys and groups that the command sets."""
        return frozenset(override.key for override in self.overrides)

    @cached_property
    def config(self) -> dict[str, Any]:
        """The tree with each reference replaced by the value it refers to. Not to be changed by the caller.

        Raises:
            OmegaConfBaseException: If a reference leads nowhere.
            RecursionError: If references form a circle.
        """
        OmegaConf.clear_resolver("oc.env")  # no environment variable gets into a config
        return OmegaConf.to_container(OmegaConf.create(self.tree), resolve=True)  # type: ignore[return-value]  # a dict gives a dict


def compose(overrides: Sequence[str] = (), label: Sequence[str] = ()) -> Composed:
    """Compose the config that a command with these overrides runs, as Hydra would, but within a millisecond.

    Args:
        overrides: Must have passed `look_up`, with one value each.
        label: As in `Composed`.
    """
    command = [parse(text) for text in overrides]
    command = [override for override in command if override.key.partition(".")[0] != "hydra"]
    chosen = {override.key: override.value for override in command if override.key in groups() | list_groups()}
    choices = {group: str(chosen.get(group, option)) for group, option in default_choices().items()}
    tree = deepcopy(template(choices, {group: chosen.get(group, options) for group, options in default_lists().items()}))
    for override in command:
        if override.key not in chosen:
            *above, name = override.key.split(".")
            reduce(operator.getitem, above, tree)[name] = deepcopy(override.value)
    return Composed(tree, choices, tuple(command), tuple(map(parse, label)))
