"""YAML that anybody may have written: plain values alone, each key once, and no more of them than a config has."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 100_000  # of a file; the largest in conf/ has a tenth of it
MOST_VALUES = 5_000  # of a file, aliases written out
SAFE_DEPTH = 500  # maps and lists in one another; the C loader composes them by recursion, and some thousands end the process


def read(path: Path) -> str:
    """The text of a file, if it is one of YAML that `parse` takes.

    Raises:
        ValueError: If it is larger than any config, or not text.
        OSError: If it cannot be read.
    """
    if (size := path.stat().st_size) > MOST_BYTES:
        raise ValueError(f"{path.name} has {size} bytes, and no config has more than {MOST_BYTES}")
    return path.read_text(encoding="utf-8")


def parse(text: str) -> Any:
    """What a text says: maps, lists, numbers, text, booleans, null. No tag makes anything else of it.

    Raises:
        ValueError: If it is no such YAML, has a key twice, or more values than a config.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"it has {len(text)} characters, and no config has more than {MOST_BYTES}")
    try:
        if len(text) > SAFE_DEPTH:
            _look_through(text)
        value = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader, in C where there is one
        if _count(value, {}) > MOST_VALUES:
            raise ValueError(f"it has more than {MOST_VALUES} values")
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error
    except RecursionError as error:
        raise ValueError("it is nested in itself") from error
    return value


def _look_through(text: str) -> None:
    """Refuse a text that goes too deep, or too far, without making anything of it."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > SAFE_DEPTH:
            raise ValueError("it is nested too deeply")
        if count > 2 * MOST_VALUES:  # a value and its key, or the beginning and the end of what holds values
            raise ValueError(f"it has more than {MOST_VALUES} values")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # which of the two, types cannot tell
    """A safe loader that refuses a key that comes twice."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} comes twice", key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _count(value: Any, known: dict[int, int]) -> int:
    """The values in a tree; those behind an alias, one object in many places, as often as they stand there."""
    if not isinstance(value, Mapping | list):
        return 1
    if id(value) not in known:
        inside: Iterable[Any] = value.values() if isinstance(value, Mapping) else value
        known[id(value)] = 1 + sum(_count(item, known) for item in inside)
    return known[id(value)]
