"""Keys that a part takes from a group or from a plain key: model.norm is that of the group norm."""

from collections.abc import Mapping
from typing import Any

from dlexp.config.options import FIXED, groups
from dlexp.config.values import find_reference


def settable_keys(known: Mapping[str, Any]) -> list[str]:
    """The keys that a command can set where they are: no copies of a group or of another key."""
    return [key for key in known if key_elsewhere(key, known) is None and key not in FIXED]


def key_elsewhere(key: str, known: Mapping[str, Any]) -> str | None:
    """The key to set instead of one that a part takes from a group or a plain key: norm.groups for model.norm.groups."""
    names = key.split(".")
    for count in range(2, len(names) + 1):
        above = ".".join(names[:count])
        target = find_reference(known.get(above))
        if target in groups():
            return ".".join([target, *names[count:]])
        if f"{above}._target_" in known:
            targets = (find_reference(value) for path, value in known.items() if path.startswith(f"{above}."))
            return next(filter(None, targets), None)
    return None
