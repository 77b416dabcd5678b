"""Several options of one group in one run, applied in the order given: `augment=[crop,flip]`.

Such a combination is handled as one more option of its group, which is called `[crop,flip]`. Its keys are those of its parts,
each below the name of the part: `augment.crop.padding`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from dlexp.config.values import make_printable

COMBINED = ("augment",)  # the groups of which options can be combined
NEEDED = 2  # options of a combination


def name_choice(value: Any) -> str:
    """The option that the value of a group's override chooses: `gn`, or `[crop,flip]`."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def split_choice(option: str) -> list[str]:
    """The options that a combination consists of, in their order; of another option that one alone."""
    return option[1:-1].split(",") if is_combination(option) else [option]


def is_combination(option: str) -> bool:
    """Whether an option is a combination of others."""
    return option.startswith("[")


def find_places(group: str, option: str) -> list[str]:
    """Where the keys of each option are that a choice consists of: `augment`, or `augment.crop` and so on."""
    return [f"{group}.{name}" for name in split_choice(option)] if is_combination(option) else [group]


def list_parts(option: str, keys: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Each option that a choice consists of, with its keys.

    Args:
        option: What is chosen of a group.
        keys: The group's part of a config.
    """
    return [(name, keys[name]) for name in split_choice(option)] if is_combination(option) else [(option, keys)]


def find_wrong_combination(group: str, option: str, options: Sequence[str]) -> str | None:
    """Why a combination cannot be chosen, or None.

    Args:
        group: The group.
        option: The combination.
        options: The options of the group.
    """
    names, shown = split_choice(option), f"{group}={make_printable(option)}"
    if group not in COMBINED:
        return f"{shown}: no such option: a run has one {group}. Options: {', '.join(options)}."
    if names == [""]:
        return f"{shown}: an empty list: write {group}=none."
    if unknown := [make_printable(name) for name in names if name not in options]:
        return f"{shown}: no such option: {', '.join(unknown)}. Options: {', '.join(options)}."
    if "none" in names:
        return f"{shown}: none changes nothing, so that it has no place in a list: leave it out."
    if len(names) < NEEDED:
        return f"{shown}: a list has {NEEDED} options or more: write {group}={names[0]}, without brackets."
    return f"{shown}: names the same option twice." if len({*names}) < len(names) else None


def explain_left_out(key: str, chosen: Sequence[str], options: Sequence[str]) -> str:
    """Say that a key belongs to an option that the chosen combination lacks; empty if it does not.

    Args:
        key: Such as `augment.cutout.size`.
        chosen: What is chosen of the group.
        options: The options of the group.
    """
    group, _, below = key.partition(".")
    name, dot, _ = below.partition(".")
    lacking = [choice for choice in chosen if is_combination(choice) and name not in split_choice(choice)]
    if not lacking or not dot or name not in options:
        return ""
    return f"{name} is not in {group}={lacking[0]}: add it there."
