"""The config of one run: composed from the files in conf/ and the overrides of a command. Instantiates nothing.

A command goes through look_up, compose and check. What conf/ offers is in options.py, the grammar of overrides in
overrides.py, which keys exist in lookup.py, and what a config must satisfy in check.py, ranges.py and rules.py.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dlexp.config.combination import name_choice
from dlexp.config.options import default_choices, default_lists, groups, list_groups, template
from dlexp.config.overrides import Override, parse
from dlexp.config.values import Tree, copy_tree, resolve, value_at


@dataclass(frozen=True)
class Composed:
    """The config of one run, not checked yet.

    Args:
        tree: The config as plain dicts, lists and values. References such as `${depth}` are text.
        choices: Group → option, or a combination of options such as `[crop,flip]`.
        overrides: Those of the command, without those of `hydra.`.
        label: The overrides that distinguish the run from the others of its study; empty: all.
        swept: The keys in which the runs of its sweep differ.
        found: What was found out about it, so that it is found out once. For `check` alone.
    """

    tree: Tree
    choices: dict[str, str]
    overrides: tuple[Override, ...] = ()
    label: tuple[Override, ...] = ()
    swept: frozenset[str] = frozenset()
    found: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

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
            LookupError: If a reference leads nowhere, or to itself.
        """
        return {key: resolve(value, self.tree) for key, value in self.tree.items()}


def compose(overrides: Sequence[str] = (), label: Sequence[str] = (), swept: Iterable[str] = ()) -> Composed:
    """Compose the config that a command with these overrides runs, as Hydra would, but within a millisecond.

    Args:
        overrides: Must have passed `look_up`, with one value each.
        label: As in `Composed`.
        swept: As in `Composed`.
    """
    command = [parse(text) for text in overrides]
    command = [override for override in command if override.key.partition(".")[0] != "hydra"]
    chosen = {override.key: override.value for override in command if override.key in groups() | list_groups()}
    choices = {group: name_choice(chosen.get(group, option)) for group, option in default_choices().items()}
    tree = copy_tree(template(choices, {group: chosen.get(group, options) for group, options in default_lists().items()}))
    for override in command:
        if override.key not in chosen:
            above, _, name = override.key.rpartition(".")
            (value_at(tree, above) if above else tree)[name] = copy_tree(override.value)
    return Composed(tree, choices, tuple(command), tuple(map(parse, label)), frozenset(swept))
